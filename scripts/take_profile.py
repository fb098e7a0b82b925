#!/usr/bin/env python3
"""Takes anew the profile that release builds are optimised by (docs/decisions/0023-profile-guided.md): exporter/pgo.

    scripts/take_profile.py

Builds the program once more with counters in it (in target/profile, some ten minutes on two cores), lets it read made-up logs and run
the demo for a minute on loopback, and merges what was counted. Needs llvm-profdata 19 or newer, but no newer than the LLVM of rustc:
`rustup component add llvm-tools`, or Debian's llvm-19.
"""

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import generate, replay
from exporter import ROOT, free_port

PGO = ROOT / "exporter/pgo"
TARGET = ROOT / "target/profile"
PROGRAM = TARGET / "release/hostwarden"
# Which build is to be profiled, as exporter/pgo/rustc writes it down.
BUILD = TARGET / "taken-of"
# The oldest llvm-profdata that reads what this Rust writes.
LEAST = 19
# Kind of log, lines, and clients that come once each (none: a believable crowd).
LOGS = [("combined", 300_000, None), ("combined", 50_000, 50_000), ("json", 100_000, None), ("bot", 100_000, None)]
# What is counted while logs are read weighs so much more than the demo, which also writes its logs.
LOGS_WEIGHT = 20
DEMO_SECS = 60
PAGES = ["/metrics", "/", "/api/v1/findings", "/api/v1/clients", "/api/v1/attacks", "/api/v1/watchlist", "/api/v1/incidents"]


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def profdata():
    """The program that merges profiles: rustup's if it is there, else the newest of the system that rustc still understands."""
    for path in Path(output("rustc", "--print", "sysroot")).glob("lib/rustlib/*/bin/llvm-profdata"):
        return str(path)
    newest = int(re.search(r"LLVM version: (\d+)", output("rustc", "-vV"))[1])
    for version in range(newest, LEAST - 1, -1):
        for folder in os.environ["PATH"].split(":"):
            if (path := Path(folder) / f"llvm-profdata-{version}").is_file():
                return str(path)
    sys.exit(f"Missing: llvm-profdata {LEAST} to {newest} (rustup component add llvm-tools, or apt-get install llvm-{LEAST})")


def ask(port, page):
    """The status of a page; 0 if nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", page)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return 0
    finally:
        connection.close()


def demo(environment):
    """The demo, looked at by somebody all along: all formats, all detectors, pages, state."""
    port = free_port()
    command = [PROGRAM, "demo", "--listen", f"127.0.0.1:{port}", "--rate", "50"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while ask(port, "/metrics") != 200:
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"FAILED: the demo serves nothing (exit code {process.poll()})")
            time.sleep(0.5)
        for _ in range(DEMO_SECS):
            refused = [page for page in PAGES if ask(port, page) != 200]
            if refused:
                sys.exit(f"FAILED: the demo does not answer {', '.join(refused)}")
            time.sleep(1)
        process.send_signal(signal.SIGTERM)
        if code := process.wait(30):
            sys.exit(f"FAILED: the demo ended with {code}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def main():
    merge = profdata()
    # Another wrapper would take the place of exporter/pgo/rustc.
    building = {name: value for name, value in os.environ.items() if name not in ("RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER")}
    TARGET.mkdir(parents=True, exist_ok=True)
    cargo = ["cargo", "build", "--locked", "--target-dir"]
    program = [*cargo, TARGET, "--release", "--bin", "hostwarden"]
    subprocess.run(program, check=True, cwd=ROOT, env={**building, "TAKE_PROFILE": str(BUILD)})
    subprocess.run([*cargo, ROOT / "target", "--example", "generate_logs"], check=True, cwd=ROOT, env=building)
    os.environ["GENERATE_LOGS_BIN"] = str(ROOT / "target/debug/examples/generate_logs")
    with tempfile.TemporaryDirectory(prefix="hostwarden-profile-") as folder:
        folder = Path(folder)

        def counting(what):
            running = {name: value for name, value in os.environ.items() if not name.startswith("HOSTWARDEN_")}
            return {**running, "LLVM_PROFILE_FILE": f"{folder}/{what}.profraw"}

        inputs = []
        for number, (kind, lines, distinct) in enumerate(LOGS):
            log = folder / f"{kind}.log"
            generate(kind, lines, log, distinct)
            subprocess.run(replay(kind, log, PROGRAM), check=True, env=counting(number), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            inputs.append(f"--weighted-input={LOGS_WEIGHT},{folder}/{number}.profraw")
        demo(counting("demo"))
        inputs.append(f"--weighted-input=1,{folder}/demo.profraw")
        # Sparse: what never ran is left out.
        subprocess.run([merge, "merge", "--sparse", "-o", folder / "profile", *inputs], check=True)
        profile = (folder / "profile").read_bytes()
    (PGO / "hostwarden.profdata").write_bytes(profile)
    (PGO / "taken-of").write_text(BUILD.read_text())
    print(f"exporter/pgo/hostwarden.profdata: {len(profile) >> 10} KiB")


if __name__ == "__main__":
    main()

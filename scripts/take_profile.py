#!/usr/bin/env python3
"""Takes anew the profile that release builds are laid out by (docs/decisions/0023-profile-guided.md): exporter/pgo/hostwarden.profdata.

    scripts/take_profile.py

Builds the program once more with counters in it (in target/profile, some ten minutes on two cores), lets it read made-up logs and run
the demo for half a minute on loopback, and merges what was counted. Needs llvm-profdata of this Rust or newer, LLVM 19 at least:
`rustup component add llvm-tools`, or Debian's llvm-19.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench import generate, replay
from exporter import ROOT, free_port

PROFILE = ROOT / "exporter/pgo/hostwarden.profdata"
TARGET = ROOT / "target/profile"
PROGRAM = TARGET / "release/hostwarden"
# The oldest llvm-profdata that reads what this Rust writes.
LEAST = 19
# Kind of log, lines, and clients that come once each (none: a believable crowd).
LOGS = [("combined", 300_000, None), ("combined", 50_000, 50_000), ("json", 100_000, None), ("bot", 100_000, None)]
DEMO_SECS = 30
PAGES = ["/metrics", "/", "/api/v1/findings", "/api/v1/clients", "/api/v1/attacks", "/api/v1/watchlist", "/api/v1/incidents"]


def profdata():
    """The program that merges profiles: rustup's if it is there, else the newest of the system."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True).stdout.strip()
    found = [str(path) for path in Path(sysroot).glob("lib/rustlib/*/bin/llvm-profdata")]
    versions = {}
    for folder in os.environ["PATH"].split(":"):
        for path in Path(folder).glob("llvm-profdata-*"):
            if version := re.fullmatch(r"llvm-profdata-(\d+)", path.name):
                versions[int(version[1])] = str(path)
    found += [versions[version] for version in sorted(versions, reverse=True) if version >= LEAST]
    if not found:
        sys.exit(f"Missing: llvm-profdata {LEAST} or newer (rustup component add llvm-tools, or apt-get install llvm-{LEAST})")
    return found[0]


def ask(address):
    """One page, if it is served."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        pass


def demo(environment):
    """The demo at a high rate, looked at by somebody all along: all formats, all detectors, pages, state."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [PROGRAM, "demo", "--listen", address, "--rate", "1000"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + DEMO_SECS
        while time.monotonic() < end and process.poll() is None:
            for page in PAGES:
                ask(f"http://{address}{page}")
            time.sleep(1)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    if code != 0:
        sys.exit(f"FAILED: the demo ended with {code}")


def main():
    merge = profdata()
    with tempfile.TemporaryDirectory(prefix="hostwarden-profile-") as folder:
        folder = Path(folder)
        counts = folder / "counts"
        cargo = ["cargo", "build", "--release", "--locked"]
        building = {**os.environ, "TAKE_PROFILE": "yes", "CARGO_TARGET_DIR": str(TARGET)}
        subprocess.run([*cargo, "--bin", "hostwarden"], check=True, cwd=ROOT, env=building)
        subprocess.run(["cargo", "build", "--locked", "--example", "generate_logs"], check=True, cwd=ROOT)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOSTWARDEN_")}
        environment["LLVM_PROFILE_FILE"] = f"{counts}/%p.profraw"
        for kind, lines, distinct in LOGS:
            log = folder / f"{kind}.log"
            generate(kind, lines, log, distinct)
            command = [PROGRAM, *replay(kind, log)[1:]]
            subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        demo(environment)
        # Sparse: what never ran is left out.
        subprocess.run([merge, "merge", "--sparse", "-o", PROFILE, counts], check=True)
    print(f"{PROFILE.relative_to(ROOT)}: {PROFILE.stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main()

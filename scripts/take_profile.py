#!/usr/bin/env python3
"""Takes anew the profile that release builds are optimised by, and the order that their functions lie in: exporter/pgo
(docs/decisions/0023-profile-guided.md, 0026-what-runs-lies-together.md).

    scripts/take_profile.py

Builds the program with counters in it (in target/profile, some ten minutes on two cores), lets it read made-up logs, catch up on one of
them and run the demo for a minute on loopback, and merges what was counted. Builds it once more by that profile (five minutes), and lets valgrind see which
functions run. Needs valgrind, and llvm-profdata 19 or newer, but no newer than the LLVM of rustc: `rustup component add llvm-tools`,
or Debian's llvm-19.
"""

import http.client
import itertools
import os
import re
import shutil
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
# Which builds are to be profiled, as exporter/pgo/rustc writes them down.
BUILDS = TARGET / "taken-of"
# The same program, built by the new profile and with the names of its functions.
ORDERED_TARGET = ROOT / "target/order"
ORDERED = ORDERED_TARGET / "release/hostwarden"
# The oldest llvm-profdata that reads what this Rust writes.
LEAST = 19
# Kind of log, lines, and clients that come once each (none: a believable crowd).
LOGS = [("combined", 300_000, None), ("combined", 50_000, 50_000), ("json", 100_000, None), ("bot", 100_000, None)]
# What is counted while logs are read weighs so much more than the demo, which also writes its logs.
LOGS_WEIGHT = 20
DEMO_SECS = 60
# Lines of each log that are read under valgrind, which is fifty times slower.
ORDER_LINES = 20_000
RELEASE = ["--release", "--bin", "hostwarden"]
CONFIG = """
[server]
listen = ["127.0.0.1:{port}"]
[state]
dir = "{folder}/state"
[[sources]]
name = "web"
file = "{log}"
format = "nginx_combined"
start = "beginning"
"""
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
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", page)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return 0
    finally:
        connection.close()


def serve(command, port, environment, seconds):
    """What serves is looked at by somebody, each second for so long after its first page."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 300
        while ask(port, "/metrics") != 200:
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"FAILED: {command} serves nothing (exit code {process.poll()})")
            time.sleep(0.5)
        for _ in range(seconds):
            refused = [page for page in PAGES if ask(port, page) != 200]
            if refused:
                sys.exit(f"FAILED: {command} does not answer {', '.join(refused)}")
            time.sleep(1)
        process.send_signal(signal.SIGTERM)
        if code := process.wait(120):
            sys.exit(f"FAILED: {command} ended with {code}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def demo(program, environment):
    """All formats, all detectors, pages, state. `program` is what it is started by."""
    port = free_port()
    serve([*program, "demo", "--listen", f"127.0.0.1:{port}", "--rate", "50"], port, environment, DEMO_SECS)


def catch_up(program, log, folder, environment):
    """A log is read by the exporter, which keeps what replay does not: the feed and the state."""
    port, config = free_port(), folder / "catching-up.toml"
    config.write_text(CONFIG.format(port=port, folder=folder, log=log))
    serve([*program, "run", "--config", str(config)], port, environment, 0)


def running(**more):
    """The environment that the program runs in: nothing of this machine configures it."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("HOSTWARDEN_")}, **more}


def functions(callgrind):
    """The program's own functions that ran, as their symbols, those that took most first: from a file that callgrind wrote."""
    names, costs, own, calls = {}, {}, False, False
    for line in callgrind.read_text(errors="replace").splitlines():
        if known := re.match(r"(c?(?:ob|fn))=\((\d+)\)(?: (.*))?$", line):
            kind, number, name = known.groups()
            key = (kind[-2:], number)
            # A name is spelled out the first time only, be it of who calls or of what is called.
            if name:
                names[key] = name
            if kind == "ob":
                own = names[key] == str(ORDERED)
            elif kind == "fn":
                # Recursion is told apart by what stands behind the apostrophe.
                function = names[key].split("'")[0]
        elif line.startswith("calls="):
            calls = True
        elif line[:1] in "0123456789+-*" and line:
            # The line after a call tells what was called, not what this function did itself.
            if own and not calls:
                costs[function] = costs.get(function, 0) + int(line.split()[1])
            calls = False
    return sorted(costs, key=costs.get, reverse=True)


def order(logs, folder):
    """Which functions run, in the order that they are to lie in: those that read logs, then those that serve, look and save."""
    callgrind = ["valgrind", "--tool=callgrind", "--demangle=no"]
    seen = []
    for number, (kind, log) in enumerate(logs):
        short = folder / "short.log"
        with open(log, "rb") as lines, open(short, "wb") as out:
            out.writelines(itertools.islice(lines, ORDER_LINES))
        command = [*callgrind, f"--callgrind-out-file={folder}/{number}.callgrind", *replay(kind, short, ORDERED)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seen += functions(folder / f"{number}.callgrind")
    demo([*callgrind, f"--callgrind-out-file={folder}/demo.callgrind", ORDERED], running())
    ordered = list(dict.fromkeys(seen + functions(folder / "demo.callgrind")))
    if not ordered:
        sys.exit("FAILED: valgrind saw no function of the program")
    return ordered


def main():
    merge = profdata()
    if not shutil.which("valgrind"):
        sys.exit("Missing: valgrind (apt-get install valgrind)")
    # Another wrapper would take the place of exporter/pgo/rustc.
    building = {name: value for name, value in os.environ.items() if name not in ("RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER")}
    # Cargo sees neither what the wrapper is told nor the new profile: nothing built before is of use.
    for folder in (TARGET, ORDERED_TARGET):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    cargo = ["cargo", "build", "--locked", "--target-dir"]
    subprocess.run([*cargo, TARGET, *RELEASE], check=True, cwd=ROOT, env={**building, "TAKE_PROFILE": str(BUILDS)})
    subprocess.run([*cargo, ROOT / "target", "--example", "generate_logs"], check=True, cwd=ROOT, env=building)
    os.environ["GENERATE_LOGS_BIN"] = str(ROOT / "target/debug/examples/generate_logs")
    with tempfile.TemporaryDirectory(prefix="hostwarden-profile-") as folder:
        folder = Path(folder)

        def counting(what):
            return running(LLVM_PROFILE_FILE=f"{folder}/{what}.profraw")

        inputs, logs = [], []
        for number, (kind, lines, distinct) in enumerate(LOGS):
            log = folder / f"{number}.log"
            generate(kind, lines, log, distinct)
            logs.append((kind, log))
            subprocess.run(replay(kind, log, PROGRAM), check=True, env=counting(number), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            inputs.append(f"--weighted-input={LOGS_WEIGHT},{folder}/{number}.profraw")
        catch_up([PROGRAM], logs[0][1], folder, counting("catching-up"))
        inputs.append(f"--weighted-input={LOGS_WEIGHT},{folder}/catching-up.profraw")
        demo([PROGRAM], counting("demo"))
        inputs.append(f"--weighted-input=1,{folder}/demo.profraw")
        # Sparse: what never ran is left out.
        subprocess.run([merge, "merge", "--sparse", "-o", PGO / "hostwarden.profdata", *inputs], check=True)
        (PGO / "taken-of").write_text("\n".join(sorted(set(BUILDS.read_text().split()))) + "\n")
        (PGO / "order").write_text("")
        subprocess.run([*cargo, ORDERED_TARGET, *RELEASE], check=True, cwd=ROOT, env={**building, "TAKE_ORDER": "1"})
        (PGO / "order").write_text("".join(f"{name}\n" for name in order(logs, folder)))
    for file in sorted(PGO.iterdir()):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main()

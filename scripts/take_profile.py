#!/usr/bin/env python3
"""Takes anew the profile that release builds are optimised by, and the order that their functions lie in: exporter/pgo
(docs/decisions/0023-profile-guided.md, 0026-what-runs-lies-together.md).

    scripts/take_profile.py

Builds the program with counters in it (in target/profile, some ten minutes on two cores), lets it read made-up logs, catch up on one of
them and run the demo for a minute on loopback, and merges what was counted. Builds it once more by that profile (five minutes), and lets valgrind see which
functions run. Needs valgrind, zstd, and llvm-profdata 19 or newer, but no newer than the LLVM of rustc: `rustup component add llvm-tools`,
or Debian's llvm-19.
"""

import http.client
import itertools
import json
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
# Longer than a minute, after which state is saved.
FOLLOW_SECS = 70
# Lines of each log that are read under valgrind, which is fifty times slower.
ORDER_LINES = 40_000
# What runs before valgrind looks, or on a processor with more instructions than it knows.
UNSEEN = re.compile(r"^_ZN4sha2\d*.*x86_sha|^_ZN9crc32fast.*calculate_avx512|^_start$")
# Requests of all kinds that are told apart, see its README.
LABELLED = ROOT / "exporter/tests/detection/data"
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
HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
    "Connection": "close",
    "User-Agent": "Prometheus/2.42.0+ds",
    "X-Prometheus-Scrape-Timeout-Seconds": "10",
}
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
    """The status of a page, asked for as Prometheus does; 0 if nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", page, headers=HEADERS)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return 0
    finally:
        connection.close()


def serve(command, port, environment, seconds, pages=PAGES, each_second=lambda: None):
    """What serves is looked at by somebody, each second for so long after its first page, when also something else may be done."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 300
        while ask(port, "/metrics") != 200:
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"FAILED: {command} serves nothing (exit code {process.poll()})")
            time.sleep(0.5)
        for _ in range(seconds):
            each_second()
            refused = [page for page in pages if ask(port, page) != 200]
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


def run(program, log, folder, environment, **serving):
    """A log is read by the exporter, which keeps what replay does not: the feed and the state."""
    port, config = free_port(), folder / "run.toml"
    config.write_text(CONFIG.format(port=port, folder=tempfile.mkdtemp(dir=folder), log=log))
    serve([*program, "run", "--config", str(config)], port, environment, **serving)


def labelled():
    """The labelled requests as lines of a combined log."""
    texts = [output("zstd", "-dc", file) for file in sorted(LABELLED.glob("*.zst"))]
    for number, request in enumerate(json.loads(line) for text in texts for line in text.splitlines()):
        method, uri, referrer, agent = (str(request.get(name) or "-").replace('"', "\\x22") for name in ("method", "uri", "ref", "ua"))
        status, client = request.get("status") or 404, f"198.51.{number // 250 % 250}.{number % 250}"
        yield f'{client} - - [04/Apr/2026:12:00:00 +0000] "{method} {uri} HTTP/1.1" {status} 100 "{referrer}" "{agent}"\n'.encode()


def follow(program, lines, folder, environment):
    """What most users have: one log, of which the exporter reads the last lines, while Prometheus asks for the page, and which is rotated."""
    log = folder / "followed.log"
    log.write_bytes(b"")
    late, each, seconds = iter(lines), len(lines) // (FOLLOW_SECS - 5), itertools.count()

    def append():
        if next(seconds) == FOLLOW_SECS // 2:
            log.rename(f"{log}.1")
        with open(log, "ab") as out:
            out.writelines(itertools.islice(late, each))

    run(program, log, folder, environment, seconds=FOLLOW_SECS, pages=["/metrics"], each_second=append)


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
    """Which functions run, in the order that they are to lie in: what reads a combined log, what else an exporter does that has such a
    log alone, what reads logs of other kinds, and what is left of all that the demo shows."""
    seen = {}

    def watch(what, start):
        file = folder / f"{what}.callgrind"
        start(["valgrind", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={file}", ORDERED])
        seen[what] = functions(file)

    def read(kind, log):
        return lambda program: subprocess.run(
            [*program[:-1], *replay(kind, log, program[-1])], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    followed = list(labelled())
    for number, (kind, log) in enumerate(logs):
        with open(log, "rb") as lines:
            short = list(itertools.islice(lines, ORDER_LINES))
        (folder / "short.log").write_bytes(b"".join(short))
        watch(f"{number}-{kind}", read(kind, folder / "short.log"))
        if kind == "combined":
            followed += short
    watch("run", lambda program: follow(program, followed, folder, running()))
    watch("demo", lambda program: demo(program, running()))
    combined = [what for what in seen if what.endswith("-combined")]
    ordered = list(dict.fromkeys(name for what in [*combined, "run", *seen] for name in seen[what]))
    if not ordered:
        sys.exit("FAILED: valgrind saw no function of the program")
    symbols = [line.split()[-1] for line in output("nm", "--defined-only", ORDERED).splitlines()]
    return [name for name in symbols if UNSEEN.search(name)] + ordered


def main():
    merge = profdata()
    for program in ("valgrind", "zstd"):
        if not shutil.which(program):
            sys.exit(f"Missing: {program} (apt-get install {program})")
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
        run([PROGRAM], logs[0][1], folder, counting("catching-up"), seconds=0)
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

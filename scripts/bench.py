#!/usr/bin/env python3
"""Measures speed, memory and idle cost, beside other tools on the same logs in the same run, and prints Markdown tables.

    scripts/bench.py [--lines 2000000] [--rounds 3] [--idle-secs 60] [--distinct 10000000] [--folder DIR]

The logs are made up by `generate_logs` and every reading is checked against the truth that it prints. CPU seconds are those of the
whole process, user and system, medians over the rounds; they drift with the machine, so only ratios within one run count. Compared are
ripgrep (counting the lines that match a regular expression of the whole line), Debian's mtail with scripts/requests.mtail and
scripts/python_readers.py; a tool that is not installed is left out. 0 for --idle-secs or --distinct leaves that part out.
Needs about 300 bytes of disk per line, of the flood 200; runs on loopback, and removes its logs (with --folder they stay there).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from exporter import ROOT, Exporter, binary, key

COMBINED = (
    r'^([^ ]+) - ([^ ]+) \[([^\]]+)\] "([A-Z]+) ([^ ]+) (HTTP/[0-9.]+)" ([0-9]{3}) ([0-9]+) "([^"]*)" "([^"]*)"( ([0-9.]+))?$'
)

CONFIG = """
[privacy]
senders = "agg"
[[sources]]
name = "web"
file = "{log}"
format = "nginx_combined"
start = "beginning"
"""

MIB = 1 << 20


def measure(command, stdin=subprocess.DEVNULL):
    """Runs a command; gives its CPU seconds, peak memory in bytes and output."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=stdin, stdout=output, stderr=subprocess.DEVNULL)
        # The system's own ru_maxrss begins with what Python had when it forked; the high-water mark is the program's alone.
        peak = 0
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            try:
                peak = max(peak, memory(process, "VmHWM"))
            except (OSError, StopIteration):
                pass  # It ended between the two looks.
            time.sleep(0.01)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"FAILED: {command[0]} ended with {process.returncode}")
        output.seek(0)
        return usage.ru_utime + usage.ru_stime, peak, output.read().decode(errors="replace")


def generate(kind, lines, path, distinct=None):
    """Writes a log and gives the truth about it."""
    command = [binary("examples/generate_logs", "GENERATE_LOGS_BIN"), kind, "--lines", str(lines), "--output", str(path)]
    command += ["--distinct", str(distinct)] if distinct else []
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def replay(kind, path, program=None):
    formats = {"combined": "nginx_combined", "json": "nginx_json", "bot": "whatsapp_bot"}
    return [program or binary(), "replay", "--format", formats[kind], "--output", "metrics", str(path)]


def sample(page, name):
    """The sum of a metric's samples on a page."""
    rows = [line for line in page.splitlines() if line.startswith((name + "{", name + " "))]
    return sum(float(row.rsplit(" ", 1)[1]) for row in rows)


def check(what, found, expected):
    if found != expected:
        sys.exit(f"FAILED: {what}: {found}, and {expected} were written")


def check_page(kind, page, truth):
    check("lines", sample(page, "hostwarden_source_lines_total"), truth["lines"])
    if kind == "bot":
        check("messages", sample(page, "hostwarden_bot_messages_total"), truth["incoming"] + truth["outgoing"])
        check("errors", sample(page, "hostwarden_bot_errors_total"), truth["errors"] + truth["criticals"] + truth["tracebacks"])
    else:
        check("requests", sample(page, "hostwarden_http_requests_total"), truth["lines"])
        check("bytes", sample(page, "hostwarden_http_response_bytes_total"), truth["response_bytes"])


def rivals(kind, path):
    """Other tools that can read a kind of log: name and command."""
    def python(reader):
        return [sys.executable, str(ROOT / "scripts/python_readers.py"), reader, str(path)]

    if kind == "json":
        return {"Python, counters": python("json"), "Python, a page of attacks": python("dashboard")}
    if kind == "bot":
        return {"Python": python("bot")}
    found = {}
    if shutil.which("rg"):
        found["ripgrep, counting matches (`rg -c -j1`)"] = ["rg", "-c", "-j1", COMBINED, str(path)]
    if shutil.which("mtail"):
        program = str(ROOT / "scripts/requests.mtail")
        found["mtail"] = ["mtail", "-one_shot", "-one_shot_format", "prometheus", "-progs", program, "-logs", str(path), "-logtostderr"]
    return found


def compare(kind, lines, rounds, folder):
    """One log read by all, in turns. Slow tools read a tenth of it."""
    whole, tenth = folder / f"{kind}.log", folder / f"{kind}.tenth.log"
    truth = generate(kind, lines, whole)
    generate(kind, max(1, lines // 10), tenth)
    results = {}
    plans = {"**hostwarden replay**": (replay(kind, whole), truth["lines"])}
    for name, command in rivals(kind, whole).items():
        slow = not name.startswith("ripgrep")
        short = [str(tenth) if part == str(whole) else part for part in command] if slow else command
        with open(tenth if slow else whole, "rb") as log:
            plans[name] = (short, sum(1 for _ in log))
    for _ in range(rounds):
        for name, (command, count) in plans.items():
            cpu, memory, output = measure(command)
            results.setdefault(name, []).append((cpu / count, memory))
            if "hostwarden" in name:
                check_page(kind, output, truth)
    own = statistics.median(cost for cost, _ in results["**hostwarden replay**"])
    rows = []
    for name, taken in results.items():
        cost = statistics.median(cost for cost, _ in taken)
        memory = max(memory for _, memory in taken)
        rows.append((name, kind, f"{1 / cost / 1e6:.2f} M", f"{cost / own:.1f}", f"{memory / MIB:.0f} MiB"))
    return rows, truth


def cpu_seconds(process):
    """CPU time of all threads that live now, in seconds; finer than clock ticks."""
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def wake_ups(process):
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    lines = (line for task in tasks for line in (task / "status").read_text().splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def memory(process, field="VmRSS"):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field)) * 1024


def catch_up(log, lines, folder):
    """The running exporter reads the whole log: CPU seconds until all of it is counted, and its peak."""
    folder.mkdir()
    exporter = Exporter(folder, CONFIG.format(log=log))
    exporter.start()
    try:
        series = key("hostwarden_source_lines_total", source="web")
        exporter.wait_until(lambda values: values.get(series, 0) >= lines, 600, f"{lines} lines")
        cpu, peak = cpu_seconds(exporter.process), memory(exporter.process, "VmHWM")
    finally:
        exporter.stop()
    return cpu, peak


def idle(seconds, folder):
    """100 lines a second, a scrape each 15 s: share of a core, wake-ups per second, memory."""
    folder.mkdir()
    source, log = folder / "source.log", folder / "access.log"
    generate("combined", 20_000, source)
    log.touch()
    exporter = Exporter(folder, CONFIG.format(log=log))
    exporter.start()
    stopping = threading.Event()

    def write():
        with open(source, "rb") as lines, open(log, "ab", buffering=0) as out:
            for line in lines:
                out.write(line)
                if stopping.wait(0.01):
                    return

    writer = threading.Thread(target=write)
    try:
        exporter.wait_until(lambda _: True, 30, "a first page")
        writer.start()
        time.sleep(2)
        cpu, woken, began = cpu_seconds(exporter.process), wake_ups(exporter.process), time.monotonic()
        while (left := seconds - (time.monotonic() - began)) > 0:
            exporter.page()
            time.sleep(min(15, left))
        took = time.monotonic() - began
        cpu, woken = cpu_seconds(exporter.process) - cpu, wake_ups(exporter.process) - woken
        resident, own = memory(exporter.process), memory(exporter.process, "RssAnon")
    finally:
        stopping.set()
        if writer.ident:
            writer.join()
        exporter.stop()
    return cpu / took, woken / took, resident, own


def flood(kind, distinct, folder):
    """A record from each of so many clients or senders, through a pipe: peak memory and series."""
    pipe = folder / f"{kind}.pipe"
    os.mkfifo(pipe)
    # A bot writes about 3.4 lines for each message in.
    lines = distinct if kind == "combined" else int(distinct * 3.5)
    truth = {}
    writer = threading.Thread(target=lambda: truth.update(generate(kind, lines, pipe, distinct)))
    writer.start()
    with open(pipe, "rb") as stream:
        cpu, peak, page = measure(replay(kind, "-"), stdin=stream)
    writer.join()
    check_page(kind, page, truth)
    seen = truth["distinct_clients" if kind == "combined" else "distinct_senders"]
    return seen, truth["lines"], cpu, peak, int(sample(page, "hostwarden_exposed_series"))


def running_flood(distinct, folder):
    """The same records from a file, read by the running exporter: its peak memory. Bots' logs would take up too much of the disk."""
    log = folder / "flood.log"
    try:
        truth = generate("combined", distinct, log, distinct)
        return catch_up(log, truth["lines"], folder / "flooded")[1]
    finally:
        log.unlink(missing_ok=True)


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def bench(arguments, folder):
    rows, truths = [], {}
    for kind, lines in (("combined", arguments.lines), ("json", arguments.lines // 2), ("bot", arguments.lines // 2)):
        found, truths[kind] = compare(kind, lines, arguments.rounds, folder)
        rows += found
    cpu, peak = catch_up(folder / "combined.log", truths["combined"]["lines"], folder / "catching-up")
    lines = truths["combined"]["lines"]
    own = float(rows[0][2].split()[0]) * 1e6
    rows.insert(1, ("**hostwarden run**, catching up", "combined", f"{lines / cpu / 1e6:.2f} M", f"{own / (lines / cpu):.1f}", f"{peak / MIB:.0f} MiB"))
    print(f"{lines:,} combined, {truths['json']['lines']:,} JSON and {truths['bot']['lines']:,} bot lines; medians of {arguments.rounds}.\n")
    table(("reader", "log", "lines per CPU second", "CPU, hostwarden replay = 1", "peak memory"), rows)
    if arguments.idle_secs:
        share, woken, resident, own = idle(arguments.idle_secs, folder / "idle")
        print(f"100 lines per second and a scrape each 15 s, for {arguments.idle_secs} s:\n")
        table(("CPU", "wake-ups per second", "resident memory", "of it anonymous"),
              [(f"{share:.3%} of a core", f"{woken:.1f}", f"{resident / MIB:.1f} MiB", f"{own / MIB:.1f} MiB")])
    if arguments.distinct:
        rows = []
        for kind, name in (("combined", "clients"), ("bot", "senders")):
            seen, lines, cpu, peak, series = flood(kind, arguments.distinct, folder)
            running = f"{running_flood(arguments.distinct, folder) / MIB:.1f} MiB" if kind == "combined" else "–"
            rate = f"{lines / cpu / 1e6:.2f} M"
            rows.append((f"{seen:,} distinct {name}", f"{lines:,}", rate, f"{peak / MIB:.1f} MiB", running, str(series)))
        table(("flood", "lines", "lines per CPU second", "replay, peak memory", "running exporter, peak memory", "series"), rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle-secs", type=int, default=60)
    parser.add_argument("--distinct", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where the logs go and stay")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="hostwarden-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        bench(arguments, folder)
    finally:
        if not arguments.folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

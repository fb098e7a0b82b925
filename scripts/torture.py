#!/usr/bin/env python3
"""Shows that totals are exact and never go back, whatever happens: kill -9 again and again, while logs grow and are rotated.

    scripts/torture.py [--kills 50] [--seconds 90] [--seed N] [--rate 2000] [--keep]

Writers append numbered lines to four logs (two in nginx's combined format under one pattern, one as JSON, one of a bot) in uneven
pieces, and rotate them: by rename with late lines into the old file, compressed behind the one before; by copytruncate, but only when
the exporter has said that all is read, since no reader could know of the rest. Meanwhile the exporter is killed at random instants and
started again, and /metrics is scraped all along in both formats.

Passes (exit code 0) if no counter, bucket, sum or count was ever served lower than before, if at the end each of them equals what was
written, by label, and nothing was counted as lost; and still does after one more kill. Everything lives in a temporary folder (--keep
leaves it) and on loopback. The seed is printed and repeats the writers' lines and the instants, not the machine's scheduling.
"""

import argparse
import bisect
import collections
import gzip
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

from exporter import OPENMETRICS, TEXT, Exporter, is_counting, key, take_away

REQUEST_EDGES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
REPLY_EDGES = [0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60]
SITES = ["shop.example.org", "git.example.org"]
METHODS = [("GET", 60), ("POST", 20), ("HEAD", 5), ("PUT", 4), ("DELETE", 3), ("OPTIONS", 3), ("PATCH", 2), ("PROPFIND", 2), ("", 1)]
STATUSES = [(200, 60), (204, 4), (302, 6), (304, 8), (404, 12), (499, 2), (500, 3), (502, 2), (101, 1), (403, 2)]
KNOWN = {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"}

CONFIG = """
[privacy]
senders = "hash"
salt = "{salt}"
[web]
sites = ["shop.example.org", "git.example.org"]
[[sources]]
name = "web"
file = "{logs}/web/*access.log"
format = "nginx_combined"
start = "beginning"
[[sources]]
name = "sites"
file = "{logs}/json/sites.log"
format = "nginx_json"
start = "beginning"
[[sources]]
name = "bot"
file = "{logs}/bot/bot.log"
format = "whatsapp_bot"
start = "beginning"
timezone = "UTC"
"""


class Truth:
    """What was written, as the page must show it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        # Sums in whole microseconds: no order of adding changes them.
        self.micros = collections.Counter()
        self.buckets = collections.defaultdict(lambda: [0] * (len(REQUEST_EDGES) + 1))

    def line(self, source, size, records=1):
        self.counts[key("hostwarden_source_lines_total", source=source)] += records
        self.counts[key("hostwarden_source_bytes_total", source=source)] += size

    def request(self, source, site, method, status, size, millis):
        method = method if method in KNOWN else "other"
        code = f"{status // 100}xx" if 200 <= status < 600 else "other"
        self.counts[key("hostwarden_http_requests_total", source=source, site=site, method=method, code=code)] += 1
        self.counts[key("hostwarden_http_response_bytes_total", source=source, site=site)] += size
        labels = (("source", source), ("site", site), ("traffic", "user"))
        self.observe("hostwarden_http_request_duration_seconds", labels, REQUEST_EDGES, millis)

    def observe(self, name, labels, edges, millis):
        self.buckets[(name, labels, tuple(edges))][bisect.bisect_left(edges, millis / 1000)] += 1
        self.micros[(name, labels)] += millis * 1000

    def expected(self):
        """Every series that must be on the page with its value."""
        values = {series: float(count) for series, count in self.counts.items()}
        for (name, labels, edges), counts in self.buckets.items():
            labels, total = dict(labels), 0
            for edge, count in zip([*edges, float("inf")], counts):
                total += count
                values[key(f"{name}_bucket", le=edge, **labels)] = float(total)
            values[key(f"{name}_count", **labels)] = float(total)
            values[key(f"{name}_sum", **labels)] = self.micros[(name, tuple(labels.items()))] / 1e6
        return values


class Log:
    """A log file that grows in uneven pieces and is rotated. `lock` is held while it is written or rotated."""

    def __init__(self, path, source, truth, chance):
        self.path, self.source, self.truth, self.chance = Path(path), source, truth, chance
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.file = None
        self.rotated = 0
        self.written = 0
        self.open()

    def open(self):
        self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, lines, may_split=True):
        """Appends lines, often with a pause in the middle of one."""
        data = b"".join(lines)
        split = self.chance.randrange(1, len(data)) if may_split and self.chance.random() < 0.3 else len(data)
        os.write(self.file, data[:split])
        if split < len(data):
            time.sleep(self.chance.random() * 0.02)
            os.write(self.file, data[split:])
        self.written += len(data)

    def rename(self, late):
        """As logrotate with delaycompress does; the writer goes on in the old file for a moment."""
        with self.lock:
            for number in range(self.rotated, 1, -1):
                os.rename(f"{self.path}.{number}.gz", f"{self.path}.{number + 1}.gz")
            old = Path(f"{self.path}.1")
            if old.exists():
                # Compressed beside, then put in place: what logrotate's reader would see, too.
                with open(old, "rb") as plain, gzip.open(f"{self.path}.2.gz.tmp", "wb") as packed:
                    shutil.copyfileobj(plain, packed)
                os.rename(f"{self.path}.2.gz.tmp", f"{self.path}.2.gz")
                old.unlink()
            os.rename(self.path, old)
            self.rotated += 1
            time.sleep(self.chance.random() * 0.05)
            self.write(late)
            os.close(self.file)
            self.open()

    def copytruncate(self):
        """Called with the lock held, and only when all is read: what a reader has not seen yet would be lost to anyone."""
        shutil.copyfile(self.path, f"{self.path}.1")
        os.ftruncate(self.file, 0)


class Writers:
    """The writers' threads, and everything that they share."""

    def __init__(self, folder, seed, rate):
        self.truth = Truth()
        self.rate = rate
        self.stopping = threading.Event()
        chances = [random.Random(f"{seed}/{n}") for n in range(4)]
        logs = folder / "logs"
        self.web = [Log(logs / "web" / f"{name}.access.log", "web", self.truth, chance) for name, chance in zip(("a", "b"), chances)]
        self.json = Log(logs / "json" / "sites.log", "sites", self.truth, chances[2])
        self.bot = Log(logs / "bot" / "bot.log", "bot", self.truth, chances[3])
        self.number = 0
        self.waiting = []
        self.copytruncates = 0
        plans = [(self.web[0], self.combined, True), (self.web[1], self.combined, True), (self.json, self.as_json, False)]
        self.threads = [threading.Thread(target=self.write, args=plan) for plan in plans]
        self.threads.append(threading.Thread(target=self.talk))

    def next_number(self):
        with self.truth.lock:
            self.number += 1
            return self.number

    def made(self, log, line, request=None):
        """Notes a line in the truth and gives its bytes."""
        data = line.encode()
        with self.truth.lock:
            self.truth.line(log.source, len(data))
            if request:
                self.truth.request(log.source, *request)
        return data

    def request(self, chance):
        pick = lambda choices: chance.choices([c for c, _ in choices], [w for _, w in choices])[0]
        millis = int(min(20_000, chance.lognormvariate(3, 2)))
        return pick(METHODS), pick(STATUSES), chance.randrange(100_000), millis, self.next_number()

    def combined(self, log):
        method, status, size, millis, number = self.request(log.chance)
        text = f"{method} /order/{number}?a=1 HTTP/1.1" if method else r"\x16\x03\x01\x00"
        at = datetime.now(timezone.utc).strftime("%d/%b/%Y:%H:%M:%S +0000")
        line = f'203.0.113.{number % 250} - - [{at}] "{text}" {status} {size} "-" "agent/{number}" {millis / 1000:.3f}\n'
        return self.made(log, line, ("other", method, status, size, millis))

    def as_json(self, log):
        method, status, size, millis, number = self.request(log.chance)
        site = log.chance.choice([*SITES, "unknown.example"])
        at = datetime.now(timezone.utc).strftime("%d/%b/%Y:%H:%M:%S +0000")
        record = {
            "ip": f"203.0.113.{number % 250}", "method": method, "uri": f"/order/{number}" if method else "", "status": status,
            "host": site, "ua": f"agent/{number}", "country": "Spain", "city": "Madrid", "country_code": "ES", "time": at,
            "req_time": f"{millis / 1000:.3f}", "bytes_sent": size, "request": f"{method} /order/{number} HTTP/1.1" if method else "\x16\x03",
        }
        # nginx writes the status and the bytes as bare numbers, as json does.
        line = json.dumps(record, separators=(",", ":")) + "\n"
        return self.made(log, line, (site if site in SITES else "other", method, status, size, millis))

    def write(self, log, make, renames):
        """Appends to one log until told to stop; renames it now and then."""
        chance = log.chance
        next_rename = time.monotonic() + chance.uniform(1, 5)
        while not self.stopping.is_set():
            with log.lock:
                log.write([make(log) for _ in range(chance.randrange(1, max(2, int(self.rate / 20))))])
            if renames and time.monotonic() > next_rename:
                log.rename([make(log) for _ in range(3)])
                next_rename = time.monotonic() + chance.uniform(1, 5)
            time.sleep(chance.expovariate(30))

    def talk(self):
        """The bot's log: messages, replies after a while, errors, tracebacks."""
        log, chance, sender = self.bot, self.bot.chance, 0
        next_rename = time.monotonic() + 3
        while not self.stopping.is_set():
            now = int(time.time() * 1000)
            records = []
            for due, number, since in [entry for entry in self.waiting if entry[0] <= now]:
                self.waiting.remove((due, number, since))
                records.append(("Outgoing message to", number, now))
                with self.truth.lock:
                    self.truth.observe("hostwarden_bot_reply_duration_seconds", (("source", "bot"),), REPLY_EDGES, now - since)
            for _ in range(chance.randrange(6)):
                sender += 1
                records.append(("Incoming message from", sender, now))
                if chance.random() < 0.9:
                    self.waiting.append((now + chance.randrange(100, 3000), sender, now))
            with log.lock:
                if records:
                    log.write([self.message(*record) for record in records])
                if chance.random() < 0.3:
                    # Whole: a traceback that pauses for a second is two records to any reader.
                    log.write([self.error(now)], may_split=False)
            if time.monotonic() > next_rename:
                log.rename([self.message("Incoming message from", 0, now)])
                next_rename = time.monotonic() + chance.uniform(2, 6)
            time.sleep(chance.expovariate(30))

    def front(self, at, level):
        return f"{datetime.fromtimestamp(at / 1000, timezone.utc):%Y-%m-%d %H:%M:%S},{at % 1000:03d} [{level}] bot.webhook (31): "

    def message(self, what, sender, at):
        direction = "incoming" if what.startswith("Incoming") else "outgoing"
        with self.truth.lock:
            self.truth.counts[key("hostwarden_bot_messages_total", source="bot", direction=direction)] += 1
        return self.made(self.bot, f'{self.front(at, "INFO")}{what} whatsapp:+34{600_000_000 + sender} sid=SM{self.next_number():032x} body="hola"\n')

    def error(self, at):
        kind = self.bot.chance.choice(["ERROR", "CRITICAL", "traceback"])
        lines = [self.front(at, "ERROR" if kind == "traceback" else kind) + f"order {self.next_number()} was not saved"]
        kinds = [kind.lower()] if kind != "traceback" else ["error", "traceback"]
        if kind == "traceback":
            lines += ["Traceback (most recent call last):", '  File "/app/bot/orders.py", line 7, in save', "    db.execute(sql)", "KeyError: 'sid'"]
        data = "".join(f"{line}\n" for line in lines).encode()
        with self.truth.lock:
            for counted in kinds:
                self.truth.counts[key("hostwarden_bot_errors_total", source="bot", kind=counted)] += 1
            self.truth.line("bot", len(data), len(lines))
        return data

    def try_copytruncate(self, exporter):
        """Truncates the JSON log if the exporter says, with its writer paused, that all of it is read."""
        log = self.json
        with log.lock:
            if os.fstat(log.file).st_size == 0:
                return
            for _ in range(10):
                values, _ = exporter.page()
                if values is None:
                    time.sleep(0.05)
                elif (
                    values.get(key("hostwarden_source_lag_bytes", source="sites")) == 0
                    and values.get(key("hostwarden_source_bytes_total", source="sites")) == log.written
                ):
                    log.copytruncate()
                    self.copytruncates += 1
                    return
                else:
                    time.sleep(0.05)


class Scraper(threading.Thread):
    """Asks for the page all along, in turns in both formats, and remembers the highest that each series ever was."""

    def __init__(self, exporter):
        super().__init__()
        self.exporter, self.stopping = exporter, threading.Event()
        self.highest, self.fallen, self.pages, self.refused = {}, [], 0, 0

    def run(self):
        while not self.stopping.is_set():
            values, types = self.exporter.page([TEXT, OPENMETRICS][self.pages % 2])
            if values is None:
                self.refused += 1
            else:
                self.pages += 1
                self.check(values, types)
            time.sleep(0.03)

    def check(self, values, types):
        for series, value in values.items():
            # process_… counts this process alone.
            if series[0].startswith("process_") or not is_counting(series[0], types):
                continue
            if value < self.highest.get(series, 0):
                self.fallen.append(f"{series}: {value} after {self.highest[series]}")
            self.highest[series] = max(value, self.highest.get(series, 0))
        for series in self.highest.keys() - values.keys():
            self.fallen.append(f"{series}: gone after {self.highest[series]}")


def differences(expected, values):
    """What the page says otherwise. Series of the same families that nobody wrote must be 0."""
    found = []
    families = {name for name, _ in expected}
    for series in expected.keys() | {series for series in values if series[0] in families}:
        is_value, should = values.get(series), expected.get(series, 0.0)
        if is_value is None or abs(is_value - should) > 1e-9 * max(1.0, abs(should)):
            found.append(f"{series[0]}{dict(series[1])}: {is_value}, written: {should}")
    return sorted(found)


def settled(exporter, truth, within, when):
    """Waits until the page equals the truth; ends the program if it never does."""
    expected = truth.expected()
    last = []

    def holds(values):
        last[:] = differences(expected, values)
        return not last

    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        values, _ = exporter.page()
        if values is not None and holds(values):
            return values
        time.sleep(0.2)
    exporter.explain(f"{when}: {len(last)} series differ from what was written:\n" + "\n".join(last[:20]))


def torture(arguments, folder):
    chance = random.Random(arguments.seed)
    exporter = Exporter(folder, CONFIG.format(logs=folder / "logs", salt="0123456789abcdef" * 2))
    writers = Writers(folder, arguments.seed, arguments.rate)
    scraper = Scraper(exporter)
    exporter.start()
    kills = 0
    try:
        for thread in (*writers.threads, scraper):
            thread.start()
        pause = arguments.seconds / arguments.kills
        while kills < arguments.kills:
            time.sleep(chance.uniform(0.05, 2 * pause - 0.05) if pause > 0.05 else pause)
            if kills % 4 == 3:
                writers.try_copytruncate(exporter)
            if exporter.process.poll() is not None:
                exporter.explain(f"the exporter ended by itself with {exporter.process.returncode}")
            exporter.kill()
            kills += 1
            if chance.random() < 0.2:
                time.sleep(chance.uniform(0, pause))
            exporter.start()
        writers.stopping.set()
        for thread in writers.threads:
            thread.join()
        values = settled(exporter, writers.truth, 60, "after the last kill")
        scraper.stopping.set()
        scraper.join()
        exporter.kill()
        exporter.start()
        settled(exporter, writers.truth, 60, "after one more kill, with nothing written since")
        code = exporter.stop()
    finally:
        writers.stopping.set()
        scraper.stopping.set()
        if exporter.process.poll() is None:
            exporter.kill()
    report(arguments, writers, scraper, exporter, values, kills, code)


def report(arguments, writers, scraper, exporter, values, kills, code):
    lost = {dict(labels)["source"]: value for (name, labels), value in values.items() if name == "hostwarden_source_lost_bytes_total"}
    rotations = sum(log.rotated for log in (*writers.web, writers.bot))
    lines = sum(count for (name, _), count in writers.truth.counts.items() if name == "hostwarden_source_lines_total")
    print(f"seed {arguments.seed}: {kills} kills, {lines:,} lines in {sum(log.written for log in (*writers.web, writers.json, writers.bot)):,} bytes,")
    print(f"  {rotations} renames (older ones gzipped), {writers.copytruncates} copytruncates,")
    print(f"  {scraper.pages} pages in both formats ({scraper.refused} times not served), {len(writers.truth.expected())} series compared.")
    if scraper.fallen:
        exporter.explain("went back:\n" + "\n".join(scraper.fallen[:20]))
    if any(lost.values()) or len(lost) != 3:
        exporter.explain(f"lost bytes: {lost}")
    if scraper.pages < kills:
        exporter.explain(f"only {scraper.pages} pages were seen: too few to tell")
    if code != 0:
        exporter.explain(f"a polite stop ended with {code}")
    print("PASSED: every counter equals what was written, none ever went back, nothing lost.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--rate", type=float, default=2000, help="roughly so many lines per second")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-torture-"))
    try:
        torture(arguments, folder)
    finally:
        take_away(folder, arguments.keep)


if __name__ == "__main__":
    sys.exit(main())

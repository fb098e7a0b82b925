#!/usr/bin/env python3
"""Shows that every entry of the feed reaches an archive, whatever happens to it or to the exporter.

    scripts/real_feed.py [--seconds 20] [--seed N] [--keep]

A bot's log and a web server's log are written while the exporter pushes its feed to a stand-in for Loki, which answers every other push
with 429 and Retry-After, 500, 400 (too old), nothing at all, or takes it and cuts the connection before it answers; and the exporter is
killed at random instants and started again. In the end every line has its entry, every number has arrived (or was refused with 400, and
counted), and what arrived twice is the same to the letter, so that Loki keeps it once. Then pushing is off, 100,000 attacks come at once,
and cost little: the feed keeps its share, counts the rest, and holds the bot's entries still.

Everything lives in a temporary folder (--keep leaves it) and on loopback. The seed is printed.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

from exporter import Exporter, key, take_away
from fake_loki import FakeLoki

CONFIG = """
[privacy]
clients = "hash"
salt = "5f1d7a84c09b2e6351f0a8d47c92be03"
[feed]
max_per_second = {rate}
{push}
[[sources]]
name = "bot"
file = "{folder}/bot.log"
format = "whatsapp_bot"
start = "beginning"
[[sources]]
name = "web"
file = "{folder}/access.log"
format = "nginx_combined"
start = "beginning"
"""

PUSH = """
[notifiers.loki]
url = "http://127.0.0.1:{port}/"
instance = "this-host"
timeout_secs = 1
interval_secs = 1
batch_entries = 40
"""

FAULTS = ["429", None, "500", None, "hang", None, "400", None, "cut", None]


def expect(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


def told(text):
    print(f"  {text}", flush=True)


def message(number):
    now = datetime.now()
    way = ["Incoming message from", "Outgoing message to"][number % 2]
    return f'{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03} [INFO] bot (1): {way} whatsapp:+346{number // 2 % 100:08} body="n {number}"\n'


def attack(number, client=7):
    now = datetime.now(timezone.utc)
    # The same again and again within one second: equal lines must not become one.
    path = f"/?id=1%20UNION%20SELECT%20{number}" if number % 3 == 0 else "/.env"
    return f'203.0.113.{client} - - [{now:%d/%b/%Y:%H:%M:%S} +0000] "GET {path} HTTP/1.1" 404 1 "-" "test"\n'


class Writer:
    """Appends to both logs until it is told to stop."""

    def __init__(self, folder):
        self.bot, self.web = open(folder / "bot.log", "a"), open(folder / "access.log", "a")
        self.written, self.stop = 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.wait(0.05):
            for _ in range(2):
                self.bot.write(message(self.written))
                self.web.write(attack(self.written))
                self.written += 1
            self.bot.flush()
            self.web.flush()


def feed(exporter, query=""):
    status, _, body = exporter.get(f"/api/v1/feed{query}")
    return json.loads(body) if status == 200 else None


def arrive(folder, seconds, rng, running):
    loki = FakeLoki(lambda number: FAULTS[number % len(FAULTS)] if faulty else None, hang_secs=2)
    faulty = True
    exporter = Exporter(folder, CONFIG.format(folder=folder, rate=1000, push=PUSH.format(port=loki.port)))
    running.append(exporter)
    writer, kills, end = Writer(folder), 0, time.monotonic() + seconds
    exporter.start()
    while time.monotonic() < end:
        time.sleep(rng.uniform(1.0, 4.0))
        exporter.kill()
        loki.forget()
        exporter.start()
        kills += 1
    writer.stop.set()
    writer.thread.join()
    faulty = False
    begun = time.monotonic()
    while True:
        answer = feed(exporter, "?limit=1")
        is_read = answer and all(line["lag_bytes"] == 0 and line["caught_up"] for line in json.loads(exporter.get("/api/v1/sources")[2]))
        if is_read and answer["push"]["waiting"] == 0 and answer["last"] >= 2 * writer.written:
            break
        if time.monotonic() > begun + 60:
            exporter.explain(f"entries still wait: {answer and (answer['last'], answer['push'])}")
        time.sleep(0.2)
    values, _ = exporter.page()
    last, state = answer["last"], answer["push"]
    expect(exporter.stop() == 0, "a clean stop")
    loki.close()
    expect(not loki.wrong, f"Loki would not have it: {loki.wrong[:3]}")
    missing = set(range(1, last + 1)) - set(loki.entries) - loki.refused
    expect(not missing, f"{len(missing)} of {last} entries never arrived, such as {sorted(missing)[:5]}")
    expect(len({entry[:3] for entry in loki.entries.values()}) == len(loki.entries), "two entries that Loki would hold for one")
    kept = {name: values[key("hostwarden_feed_entries_total", feed=name)] for name in ("bot", "web", "incident")}
    expect(kept["bot"] == kept["web"] == writer.written, f"{writer.written} lines of each, entries {kept}")
    expect(sum(kept.values()) == last and all(values[key("hostwarden_feed_dropped_total", feed=name)] == 0 for name in kept), f"{kept} of {last}")
    expect(state["sent"] + state["dropped"] == last and 0 < state["dropped"] <= len(loki.refused), f"counted {state} of {last}")
    expect(loki.too_early == 0, f"{loki.too_early} pushes came before Retry-After was over, with {kills} restarts")
    told(f"{last} entries by {loki.pushes} pushes ({loki.faults}), {kills} kills: all arrived or refused ({state['dropped']}), {loki.doubles} doubles, all alike")


def flood(folder, running):
    folder.mkdir()
    (folder / "bot.log").write_text("".join(message(number) for number in range(60)))
    (folder / "access.log").write_text("".join(attack(number, client=number % 200) for number in range(100_000)))
    exporter = Exporter(folder, CONFIG.format(folder=folder, rate=10, push=""))
    running.append(exporter)
    exporter.start()
    web = lambda values, name: values[key(f"hostwarden_feed_{name}_total", feed="web")]
    values = exporter.wait_until(lambda values: web(values, "entries") + web(values, "dropped") == 100_000, 60, "100,000 attacks in or out of the feed")
    answer = feed(exporter, "?feed=bot&limit=500")
    expect(answer["total"] == 60 and answer["push"] is None, f"the bot's entries: {answer['total']}")
    expect(100 <= web(values, "entries") <= 400, f"{web(values, 'entries')} entries of a flood")
    newest = feed(exporter, f"?after={answer['last'] - 3}&q=UNION&feed=web")
    expect(all(entry["id"] > answer["last"] - 3 and "UNION" in entry["text"] for entry in newest["feed"]), "a filtered answer")
    exporter.stop()
    size = sum(path.stat().st_size for path in (folder / "state").iterdir())
    told(f"a flood of 100,000 attacks left {web(values, 'entries'):.0f} entries of its own and all of the bot's; the state takes {size >> 10} KiB")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=int, default=20, help="how long to kill and to fail (default 20)")
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = arguments.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    folder, running = Path(tempfile.mkdtemp(prefix="hostwarden-feed-")), []
    try:
        arrive(folder, arguments.seconds, random.Random(arguments.seed), running)
        flood(folder / "flood", running)
    finally:
        for exporter in running:
            exporter.stop()
        take_away(folder, arguments.keep)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Shows that nothing is lost on the way to Discord, whatever Discord answers and whenever the exporter dies, and that its limits are kept.

    scripts/real_discord.py [--events N] [--minutes M] [--kills K] [--seed N] [--keep]

So many clients guess passwords in an sshd log, with hostile user names, while a Discord of our own (scripts/fake_discord.py) answers with
429, 5xx, 404, silence and lost messages, and the exporter is killed in between. Passes (exit code 0) if afterwards

* every incident is named in a message that was taken, and first in the order in which they began;
* none took more than five messages and edits; nothing was refused for its form;
* every message that came too early came right after a kill, at most one for each; at most one message for each kill, and one for each
  silence in which it was taken, was posted twice;
* no message can call anybody, make a link or carry Markdown of strangers.

By default about a minute; --events 1000 --minutes 10 is the long form. Everything lives in a temporary folder (--keep leaves it) and on
loopback. The seed is printed; it repeats the faults and the kills' instants, not the machine's scheduling.
"""

import argparse
import collections
import json
import random
import re
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import fake_discord
from exporter import Exporter, key, take_away
from fake_discord import FakeDiscord, Plan

CONFIG = """
[[sources]]
name = "ssh"
file = "{folder}/auth.log"
format = "sshd"
start = "beginning"
[policy.never_ban]
reverse_dns = false
[notifiers]
host = "trial"
quiet_secs = 15
[notifiers.discord]
webhook_url_file = "{folder}/webhook"
timeout_secs = 2
"""

FAULTS = {"429": 0.12, "500": 0.08, "502": 0.04, "404": 0.04, "hang": 0.05, "lost": 0.04}
USERS = ["root", "admin", "@everyone", "<@&1>", "[free](http://evil.example/x)", "**bold**", "`code`", "a\u202eb", "||x||", "# head"]
# Failed attempts that make an attack: detectors.ssh_brute_force.threshold.
ATTEMPTS = 5
MAX_POSTS = 5
FOOTER = re.compile(r"^Incident (\d+)")
LINE = re.compile(r"^\\#(\d+)", re.M)
CODE = re.compile(r"`[^`]*`")


def named(body):
    """The incidents that a message names."""
    for embed in body.get("embeds", []):
        if match := FOOTER.match(embed["footer"]["text"]):
            yield int(match[1])
        else:
            yield from (int(number) for number in LINE.findall(embed["description"]))


def attack(folder, arguments, chance):
    """Writes what so many clients do, each from a network of its own, over the first half of the time."""
    with open(folder / "auth.log", "a", encoding="utf-8") as log:
        for number in range(arguments.events):
            address = f"{45 + number // 65536}.{number // 256 % 256}.{number % 256}.7"
            for attempt in range(ATTEMPTS):
                at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
                user = chance.choice(USERS)
                log.write(f"{at} web sshd[{number + 100}]: Failed password for invalid user {user} from {address} port {4000 + attempt} ssh2\n")
            log.flush()
            time.sleep(arguments.minutes * 60 / 2 / arguments.events)


def incidents(exporter):
    """All that the exporter knows of, by number."""
    found, offset = {}, 0
    while True:
        status, _, body = exporter.get(f"/api/v1/incidents?limit=100&offset={offset}")
        if status != 200:
            exporter.explain(f"/api/v1/incidents answered {status}: {body[:200]}")
        page = json.loads(body)["incidents"]
        found.update({incident["id"]: incident for incident in page})
        if len(page) < 100:
            return found
        offset += len(page)


def trial(arguments, folder):
    chance = random.Random(arguments.seed)
    end = time.monotonic() + arguments.minutes * 60
    kills = []
    with FakeDiscord(Plan(arguments.seed, FAULTS, end), hang_secs=3.0) as discord:
        (folder / "webhook").write_text(discord.url + "\n")
        (folder / "auth.log").touch()
        exporter = Exporter(folder, CONFIG.format(folder=folder))
        exporter.start()
        writer = threading.Thread(target=attack, args=(folder, arguments, chance))
        try:
            writer.start()
            for number in range(arguments.kills):
                share = (number + chance.uniform(0.2, 0.8)) / arguments.kills
                time.sleep(max(0, end - arguments.minutes * 60 * (1 - share) - time.monotonic()))
                exporter.kill()
                kills.append(time.monotonic())
                exporter.start()
            writer.join()
            time.sleep(max(0, end - time.monotonic()))
            all_told(exporter, discord, arguments)
            check(exporter, discord, kills, arguments)
            if exporter.stop() != 0:
                exporter.explain("a polite stop failed")
        finally:
            writer.join()
            if exporter.process.poll() is None:
                exporter.kill()


def all_told(exporter, discord, arguments):
    """Waits until nothing waits any more, and all that was found is an incident."""

    def holds(values):
        found = values.get(key("hostwarden_findings_total", detector="ssh_brute_force", severity="warning"), 0)
        return found >= arguments.events and values.get(key("hostwarden_outbox_length", notifier="discord")) == 0

    exporter.wait_until(holds, 60 + arguments.events * 0.4, "every finding is told")


def check(exporter, discord, kills, arguments):
    known = incidents(exporter)
    taken = discord.recorded()
    posts, first = collections.Counter(), []
    for entry in taken:
        for number in named(entry.body):
            posts[number] += 1
            if number not in first:
                first.append(number)
    problems = []
    if len(known) < arguments.events:
        problems.append(f"{len(known)} incidents of {arguments.events} clients")
    if untold := sorted(set(known) - set(first)):
        problems.append(f"{len(untold)} incidents were never told: {untold[:20]}")
    if first != sorted(first):
        late = [after for before, after in zip(first, first[1:]) if after < before]
        problems.append(f"told out of order: {late[:20]}")
    if many := {number: count for number, count in posts.items() if count > MAX_POSTS}:
        problems.append(f"more than {MAX_POSTS} messages and edits: {dict(list(many.items())[:20])}")
    if refused := [entry for entry in discord.log if entry.status == 400]:
        problems.append(f"{len(refused)} messages were refused for their form")
    # A new process knows nothing of the pause that the old one was asked for.
    early = [at for at, *_ in discord.impolite if not any(0 <= at - kill < 10 for kill in kills)]
    if early or len(discord.impolite) > len(kills):
        problems.append(f"{len(discord.impolite)} messages came too early, {len(early)} of them without a kill before")
    bodies = collections.Counter(json.dumps(entry.body, sort_keys=True) for entry in taken if entry.method == "POST")
    twice = sum(count - 1 for count in bodies.values())
    silent = sum(entry.fault == "hang" and entry.method == "POST" for entry in taken)
    if twice > len(kills) + silent:
        problems.append(f"{twice} messages came twice, with {len(kills)} kills and {silent} silences")
    problems += sorted({problem for entry in taken for problem in harm(entry.body)})
    faults = collections.Counter(entry.fault for entry in discord.log if entry.fault)
    edits = sum(entry.method == "PATCH" for entry in taken)
    print(f"{len(known)} incidents in {len(taken) - edits} messages and {edits} edits, {max(posts.values(), default=0)} at most for one;")
    print(f"  faults {dict(faults)}, {len(kills)} kills, {twice} messages twice, {len(discord.impolite)} too early.")
    if problems:
        exporter.explain("\n".join(problems))
    print("PASSED: every incident was told, in order, within the limits.")


def harm(body):
    """What a message could do that it must not."""
    if body.get("allowed_mentions") != {"parse": []}:
        yield f"allowed_mentions: {body.get('allowed_mentions')}"
    for text in fake_discord.texts(body):
        bare = re.sub(r"\\.", "", CODE.sub("", text))
        if fake_discord.MENTION.search(text) or "://" in text or "\u202e" in text:
            yield f"a mention or link: {text[:200]!r}"
        if re.search(r"\*\*|\|\||\]\(|^# ", bare, re.M):
            yield f"Markdown: {text[:200]!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=150)
    parser.add_argument("--minutes", type=float, default=0.6, help="how long there are faults; what waits is told afterwards")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-discord-"))
    try:
        trial(arguments, folder)
    finally:
        take_away(folder, arguments.keep)


if __name__ == "__main__":
    sys.exit(main())

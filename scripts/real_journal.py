#!/usr/bin/env python3
"""Shows that the exporter counts every entry of a real journal once, through rotation and kills, and believes no forged one.

    scripts/real_journal.py [--entries 20000] [--kills 20] [--seed 7] [--keep]

systemd's own systemd-journal-remote writes the files, on a small tmpfs so that it rotates them many times; it is ended and started anew
halfway. Entries come from sshd, the kernel, a bot, others, and from `logger` in all the disguises that a local user has. Meanwhile the
exporter is killed with SIGKILL at random moments.

Needs systemd-journal-remote, and root (for the tmpfs). Exit code 0 if all holds.
"""

import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from exporter import Exporter, key, take_away

REMOTE = "/lib/systemd/systemd-journal-remote"

CONFIG = """
[privacy]
senders = "agg"
[formats.custom.numbered]
kind = "bot"
line = '^(?P<time>\\S+) (?P<level>[A-Z]+) (?P<message>.*)$'
time_format = "%Y-%m-%dT%H:%M:%S%z"
[[sources]]
name = "ssh"
journal = "ssh.service"
journal_dir = "{journal}"
format = "sshd"
start = "beginning"
[[sources]]
name = "kernel"
journal = "kernel"
journal_dir = "{journal}"
format = "firewall"
start = "beginning"
[[sources]]
name = "bot"
journal = "bot.service"
journal_dir = "{journal}"
format = "custom.numbered"
start = "beginning"
[[sources]]
name = "nowhere"
journal = "kernel"
journal_dir = "{journal}/nowhere"
format = "firewall"
"""

PACKET = "[UFW BLOCK] IN=eth0 OUT= MAC=00 SRC=203.0.113.{0} DST=198.51.100.1 LEN=40 TTL=240 ID={1} PROTO=TCP SPT=40000 DPT={2} WINDOW=1024 SYN URGP=0"
FAILED = "Failed password for root from 203.0.113.{0} port {1} ssh2"


class Writer:
    """systemd-journal-remote, and what it was given."""

    def __init__(self, folder, chance):
        self.folder, self.chance = folder, chance
        self.boot = f"{chance.getrandbits(128):032x}"
        self.now = int(time.time() * 1e6) - 10_000_000
        self.process, self.number = None, 0
        self.lines = {"ssh": 0, "kernel": 0, "bot": 0}

    def start(self):
        self.process = subprocess.Popen(
            [REMOTE, f"--output={self.folder}/system.journal", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def end(self):
        _, said = self.process.communicate()
        if self.process.returncode:
            sys.exit(f"FAILED: systemd-journal-remote: {said.decode()}")

    def put(self, **fields):
        # The clock is set back now and then.
        self.now += self.chance.choice([0, 1, 300, 900]) if self.chance.random() < 0.999 else -2_000_000
        self.number += 1
        out = f"__REALTIME_TIMESTAMP={self.now}\n__MONOTONIC_TIMESTAMP={self.number * 1000}\n_BOOT_ID={self.boot}\n_HOSTNAME=box\n".encode()
        for name, value in fields.items():
            value = value.encode() if isinstance(value, str) else value
            if b"\n" in value:
                out += name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
            else:
                out += name.encode() + b"=" + value + b"\n"
        self.process.stdin.write(out + b"\n")

    def entry(self):
        number, address = self.number, self.chance.randrange(1, 250)
        sshd = {"_TRANSPORT": "syslog", "_SYSTEMD_UNIT": "ssh.service", "_COMM": "sshd", "_PID": str(number), "SYSLOG_IDENTIFIER": "sshd"}
        bot = {"_TRANSPORT": "stdout", "_SYSTEMD_UNIT": "bot.service", "_COMM": "python3", "_PID": "77"}
        user = {"_TRANSPORT": "syslog", "_SYSTEMD_UNIT": "session-3.scope", "_COMM": "logger", "_PID": str(number)}
        failed, packet = FAILED.format(address, number % 60000 + 1), PACKET.format(address, number % 60000, number % 1000 + 1)
        kind = self.chance.randrange(12)
        if kind < 3:
            self.lines["ssh"] += 1
            self.put(MESSAGE=failed, **{**sshd, "_COMM": self.chance.choice(["sshd", "sshd-session"])})
        elif kind < 6:
            self.lines["kernel"] += 1
            self.put(MESSAGE=packet, _TRANSPORT="kernel", SYSLOG_IDENTIFIER="kernel", PRIORITY="4")
        elif kind < 8:
            self.lines["bot"] += 1
            # Some are long enough to be packed.
            text = self.chance.choice(["", "\nsecond line", " x" * 700, os.urandom(900).hex()])
            self.put(MESSAGE=f"2026-11-21T18:00:00+0000 INFO line {number}{text}", **bot)
        elif kind == 8:
            self.put(MESSAGE=failed, **{**user, "SYSLOG_IDENTIFIER": "sshd", "SYSLOG_PID": "1"})
        elif kind == 9:
            self.put(MESSAGE=packet, **{**user, "SYSLOG_IDENTIFIER": "kernel"})
        elif kind == 10:
            # In the unit, but not sshd; and by somebody who may write to /dev/kmsg.
            self.put(MESSAGE=failed, **{**sshd, "_COMM": "logger"})
            self.put(MESSAGE=packet, _TRANSPORT="kernel", SYSLOG_IDENTIFIER="intruder")
        else:
            self.put(MESSAGE="Started a job.\n" + failed, _TRANSPORT="journal", _SYSTEMD_UNIT="init.scope", _COMM="systemd", UNIT="ssh.service")


def try_all(arguments, folder):
    chance = random.Random(arguments.seed)
    journal = folder / "journal"
    journal.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(journal)], check=True)
    writer = Writer(journal, chance)
    exporter = Exporter(folder, CONFIG.format(journal=journal))
    kills = 0
    try:
        writer.start()
        for number in range(arguments.entries):
            writer.entry()
            if number == arguments.entries // 10:
                writer.process.stdin.flush()
                exporter.start()
            if number == arguments.entries // 2:
                writer.end()
                writer.start()
            if number % 20 == 0 and number > arguments.entries // 10:
                writer.process.stdin.flush()
                time.sleep(0.015)
                if chance.random() < (arguments.kills - kills) * 25 / (arguments.entries - number + 1):
                    exporter.kill()
                    kills += 1
                    exporter.start()
        writer.end()
        expected = writer.lines
        deadline, have = time.monotonic() + 40, None
        while have != expected and time.monotonic() < deadline:
            time.sleep(0.2)
            values, _ = exporter.page()
            have = values and {source: values[key("hostwarden_source_lines_total", source=source)] for source in expected}
        files = sorted(path.name for path in journal.rglob("*.journal"))
        if have != expected:
            exporter.explain(f"lines {have}, written {expected}, in {files}")
        for source, outcome in (("ssh", "parsed"), ("kernel", "parsed"), ("bot", "skipped")):
            records = values[key("hostwarden_source_records_total", source=source, outcome=outcome)]
            if records != expected[source]:
                exporter.explain(f"{source}: {records} {outcome} of {expected[source]}")
        if values[key("hostwarden_source_up", source="nowhere")] != 0 or "there is none in" not in exporter.get("/api/v1/sources")[2]:
            exporter.explain(f"a journal that is nowhere: {exporter.get('/api/v1/sources')[2]}")
        if len(files) < 4:
            exporter.explain(f"only {files}: nothing was rotated")
        exporter.kill()
        exporter.start()
        again = exporter.wait_until(lambda values: True, 20, "ready after one more kill")
        if {source: again[key("hostwarden_source_lines_total", source=source)] for source in expected} != expected:
            exporter.explain("counted twice after one more kill")
        if exporter.stop() != 0:
            exporter.explain("a polite stop ended with an error")
        print(f"PASSED: {sum(expected.values()):,} of {writer.number:,} entries in {len(files)} files counted once, through {kills + 1} kills; no forged one.")
    finally:
        if exporter.process and exporter.process.poll() is None:
            exporter.kill()
        if writer.process and writer.process.poll() is None:
            writer.process.kill()
            writer.process.wait()
        subprocess.run(["umount", "-l", str(journal)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("this needs root: it mounts a tmpfs")
    print(f"seed {arguments.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-journal-"))
    try:
        try_all(arguments, folder)
    finally:
        take_away(folder, arguments.keep)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Shows that the exporter counts every line of a real container's log once, through new containers, kills, and a restart of the engine.

    scripts/real_docker_logs.py [--recreations 20] [--kills 20] [--seed 7] [--keep]

Starts a Docker Engine of its own (own root, own socket, no bridge, no firewall rules: one that runs here already is left alone) and makes
an image of Debian's static busybox. A container writes numbered lines to both streams as fast as it can, some of them longer than
Docker's 16 KiB, and is stopped, started and made anew under its name while the exporter is killed with SIGKILL at random moments. A
container is removed when all that it wrote has been read, since nobody can read it after that; every fourth is removed by force while it
writes and the exporter follows. Other containers have a terminal, another log driver, none at all, or are not there.

Needs dockerd (docker.io) and busybox-static, and root. Exit code 0 if all holds.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from exporter import Exporter, key, take_away

CONFIG = """
[privacy]
senders = "agg"
[log]
level = "debug"
[probes.docker]
endpoint = "unix://{socket}"
[formats.custom.numbered]
kind = "bot"
line = '^(?P<time>\\S+) (?P<level>[A-Z]+) (?P<message>.*)$'
time_format = "%Y-%m-%dT%H:%M:%S%z"
{sources}
"""

SOURCE = """
[[sources]]
name = "{name}"
docker = "{container}"
format = "custom.numbered"
start = "{start}"
max_line_bytes = 4096
"""

# Writes lines FROM to TO, with a pause of a hundredth after every so many: odd ones to standard error, each fiftieth 40 kB long.
WRITER = r"""
i=$1; while [ $i -lt $2 ]; do
  line="2026-11-21T18:00:00+0000 INFO line $i"
  if [ $((i % 50)) = 7 ]; then line="$line $(head -c 40000 /dev/zero | tr '\0' x)"; fi
  if [ $((i % 2)) = 1 ]; then echo "$line" >&2; else echo "$line"; fi
  i=$((i + 1))
  if [ $((i % 20)) = 0 ]; then usleep 10000; fi
done
[ -z "$3" ] || sleep $3
"""


class Engine:
    """A Docker Engine of our own."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.process = None
        self.log = open(folder / "dockerd.log", "ab")

    def start(self):
        (self.folder / "daemon.json").write_text("{}")
        self.process = subprocess.Popen(
            ["dockerd", "--config-file", str(self.folder / "daemon.json"), "--data-root", str(self.folder / "root"), "--exec-root", str(self.folder / "exec"),
             "--pidfile", str(self.folder / "dockerd.pid"), "--host", f"unix://{self.socket}", "--bridge=none", "--iptables=false", "--storage-driver=vfs"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        deadline = time.monotonic() + 40
        while subprocess.run(["docker", "-H", f"unix://{self.socket}", "version"], capture_output=True).returncode:
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit("FAILED: dockerd does not come up:\n" + "\n".join((self.folder / "dockerd.log").read_text().splitlines()[-5:]))
            time.sleep(0.2)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def docker(self, *arguments, check=True):
        done = subprocess.run(["docker", "-H", f"unix://{self.socket}", *arguments], capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"FAILED: docker {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def image(self):
        """An image of nothing but busybox."""
        tar = self.folder / "image.tar"
        with tarfile.open(tar, "w") as image:
            image.add("/bin/busybox", "bin/busybox")
            for name in ("sh", "head", "tr", "usleep", "sleep", "echo"):
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                image.addfile(link)
        self.docker("import", str(tar), "busybox:trial")

    def run(self, name, first, last, *options, linger=""):
        """A container that writes lines `first` to `last`; after them it waits for `linger` seconds."""
        front = ["run", "-d", "--network=none", "--name", name, *options, "busybox:trial", "/bin/sh", "-c", WRITER, "writer"]
        self.docker(*front, str(first), str(last), str(linger))

    def clean_up(self):
        names = self.docker("ps", "-aq", check=False).split()
        if names:
            self.docker("rm", "-f", *names, check=False)
        self.stop()
        for line in Path("/proc/self/mounts").read_text().splitlines():
            place = line.split(" ")[1]
            if place.startswith(str(self.folder)):
                subprocess.run(["umount", "-l", place], capture_output=True)


def lines_of(source):
    return key("hostwarden_source_lines_total", source=source)


class Trial:
    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.chance = random.Random(arguments.seed)
        self.engine = Engine(folder)
        sources = [("main", "writer", "beginning"), ("tty", "terminal", "beginning"), ("none", "silent", "beginning"), ("gone", "nowhere", "beginning"),
                   ("local", "localdriver", "beginning"), ("late", "early", "end")]
        config = CONFIG.format(socket=self.engine.socket, sources="".join(SOURCE.format(name=n, container=c, start=s) for n, c, s in sources))
        self.exporter = Exporter(folder, config)
        self.written = 0
        self.kills = 0

    def kill(self):
        self.exporter.kill()
        self.kills += 1
        if self.chance.random() < 0.3:
            time.sleep(self.chance.random() * 0.5)
        self.exporter.start()

    def maybe_kill(self, left):
        """Spreads the kills over what is left to do."""
        wanted = self.arguments.kills - self.kills
        while wanted > 0 and self.chance.random() < wanted / (left + 1):
            time.sleep(self.chance.random() * 0.6)
            self.kill()
            wanted -= 1

    def settled(self, source, lines, when, within=20):
        """Waits until so many lines of a source were read, and sees that no more come."""
        deadline, have = time.monotonic() + within, None
        while have != lines and time.monotonic() < deadline:
            time.sleep(0.1)
            values, _ = self.exporter.page()
            have = values and values.get(lines_of(source), 0)
        if have != lines:
            _, _, sources = self.exporter.get("/api/v1/sources")
            self.exporter.explain(f"{when}: {have} lines of {source}, written: {lines}\n{sources}")
        return values

    def count(self, source):
        values, _ = self.exporter.page()
        return values and values.get(lines_of(source))

    def recreate(self):
        left = self.arguments.recreations
        while left:
            left -= 1
            count = self.chance.randrange(200, 700)
            by_force = left % 4 == 1
            # Who is to be removed by force has written all, and waits: its last lines may not have been read yet.
            self.engine.run("writer", self.written, self.written + count, linger=30 if by_force else "")
            self.written += count
            if by_force:
                deadline = time.monotonic() + 20
                while self.numbers() < count and time.monotonic() < deadline:
                    time.sleep(0.05)
            else:
                self.maybe_kill(left)
                if left % 5 == 2:
                    time.sleep(self.chance.random())
                    self.engine.docker("stop", "-t", "0", "writer")
                    written = self.numbers()
                    self.written += written - count
                    self.engine.docker("start", "writer")
                    self.written += count
                self.engine.docker("wait", "writer")
                self.settled("main", self.written, f"before recreation {self.arguments.recreations - left}")
            self.engine.docker("rm", "-f", "writer")
            if by_force:
                self.settled("main", self.written, f"after removal {self.arguments.recreations - left} by force")
        while self.kills < self.arguments.kills:
            self.kill()
        self.settled("main", self.written, "after all recreations and kills")


    def numbers(self):
        """How many lines Docker has of the writer."""
        done = subprocess.run(["docker", "-H", f"unix://{self.engine.socket}", "logs", "writer"], capture_output=True)
        return done.stdout.count(b"\n") + done.stderr.count(b"\n")

    def restart_engine(self):
        self.engine.run("writer", 0, 500, linger=60)
        time.sleep(0.5)
        self.engine.stop()
        self.exporter.wait_until(lambda values: values.get(key("hostwarden_source_up", source="main")) == 0, 15, "the engine's end is seen")
        self.engine.start()
        self.written += self.numbers()
        self.settled("main", self.written, "after the engine's restart")
        before = self.numbers()
        self.engine.docker("start", "writer")
        time.sleep(1.5)
        self.engine.docker("kill", "writer", check=False)
        self.written += self.numbers() - before
        self.settled("main", self.written, "after the container's start in the new engine")

    def problems(self):
        _, _, body = self.exporter.get("/api/v1/sources")
        for words in ("nowhere: Docker has none of that name", "silent: status 501", "does not support reading"):
            if words not in body:
                self.exporter.explain(f"not told: {words!r} in {body}")


def try_all(arguments, folder):
    trial = Trial(arguments, folder)
    engine, exporter = trial.engine, trial.exporter
    try:
        engine.start()
        engine.image()
        engine.run("terminal", 0, 300, "-t", linger=0)
        engine.run("silent", 0, 10, "--log-driver=none", linger=0)
        engine.run("localdriver", 0, 300, "--log-driver=local", linger=0)
        engine.run("early", 0, 40, linger=0)
        for name in ("terminal", "localdriver", "early"):
            engine.docker("wait", name)
        exporter.start()
        exporter.wait_until(lambda values: True, 10, "ready")
        values = trial.settled("tty", 300, "of a terminal")
        trial.settled("local", 300, "of the driver local")
        if values[key("hostwarden_source_cut_lines_total", source="tty")] != 6 or trial.count("late") != 0:
            exporter.explain(f"cut lines {values[key('hostwarden_source_cut_lines_total', source='tty')]}, late {trial.count('late')}")
        trial.problems()
        trial.recreate()
        trial.restart_engine()
        engine.docker("start", "early")
        engine.docker("wait", "early")
        trial.settled("late", 40, "from now on")
        trial.kill()
        values = trial.settled("main", trial.written, "after one more kill, with nothing written since")
        for source, lines in (("main", trial.written), ("tty", 300), ("local", 300), ("late", 40)):
            trial.settled(source, lines, "in the end")
            for outcome, records in (("skipped", lines), ("malformed", 0)):
                if values[key("hostwarden_source_records_total", source=source, outcome=outcome)] != records:
                    exporter.explain(f"{source}: {outcome} {values[key('hostwarden_source_records_total', source=source, outcome=outcome)]}")
        code = exporter.stop()
        if code != 0:
            exporter.explain(f"a polite stop ended with {code}")
        print(f"PASSED: {trial.written:,} lines of {arguments.recreations} containers counted once, through {trial.kills} kills and a restart of the engine.")
    finally:
        if exporter.process and exporter.process.poll() is None:
            exporter.kill()
        engine.clean_up()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recreations", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if os.geteuid() != 0:
        sys.exit("this needs root: it starts a Docker Engine")
    print(f"seed {arguments.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-docker-"))
    try:
        try_all(arguments, folder)
    finally:
        take_away(folder, arguments.keep)


if __name__ == "__main__":
    sys.exit(main())

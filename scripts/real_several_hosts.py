#!/usr/bin/env python3
"""Shows that one Prometheus shows many hosts: those that it scrapes (file_sd), and those whose agent writes to it (remote_write).

    scripts/real_several_hosts.py [--keep]

Three exporters with tokens stand for three hosts. A real Prometheus with the rules of prometheus/ scrapes alpha, and, once its line is
added to the file, gamma, without being restarted. An agent with prometheus/agent.yml, in which only names and ports were changed,
scrapes beta and writes to the first, which is then stopped for a while: what beta counted meanwhile arrives afterwards. Every count
equals the lines that were written, and each host has its own `instance`.

Needs Debian's prometheus. Runs on loopback in a temporary folder (--keep leaves it); takes about half a minute; exit code 0 if all holds.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from exporter import ROOT, Exporter, free_port, take_away

TOKEN = "4a1f0c5be2d34795a6c8e9f00b1d2c3e"
LINE = '203.0.113.7 - - [{}] "GET /page/{} HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64)"\n'
CONFIG = """
bearer_token = "{token}"
[[sources]]
name = "web"
file = "{folder}/access*.log"
format = "nginx_combined"
"""


def fail(problem):
    sys.exit(f"FAILED: {problem}")


def wait_until(holds, within, what):
    deadline = time.monotonic() + within
    while not (result := holds()):
        if time.monotonic() > deadline:
            fail(f"not within {within} s: {what()}")
        time.sleep(0.2)
    return result


class Host:
    """An exporter, its log and how many lines are in it."""

    def __init__(self, folder, name, ending):
        self.name, self.written = name, 0
        self.folder = folder / name
        self.folder.mkdir()
        self.exporter = Exporter(self.folder, "")
        # `server` stands first in its configuration: the token goes there.
        front, rest = self.exporter.config.read_text().split("[state]")
        config = CONFIG.format(token=TOKEN, folder=self.folder).split("[[sources]]")
        self.exporter.config.write_text(front + config[0] + "[state]" + rest + "[[sources]]" + config[1])
        ending.append(self.exporter.stop)
        self.exporter.start()

    def write(self, count):
        with open(self.folder / "access.log", "a") as log:
            for number in range(count):
                log.write(LINE.format(time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()), self.written + number))
        self.written += count

    def target(self):
        return f'- targets: ["127.0.0.1:{self.exporter.port}"]\n  labels: {{instance: {self.name}}}\n'


class Prometheus:
    """Debian's, as a server or as an agent, with a folder of its own."""

    def __init__(self, folder, name, config, hosts, flags, ending):
        self.folder, self.port = folder / name, free_port()
        self.folder.mkdir()
        shutil.copytree(ROOT / "prometheus/rules", self.folder / "rules")
        (self.folder / "targets").mkdir()
        (self.folder / "targets/node.yml").write_text("[]\n")
        self.add(*hosts)
        config = config.replace("/etc/hostwarden-secrets/", f"{self.folder}/")
        (self.folder / "bearer_token").write_text(TOKEN)
        (self.folder / "remote_write_password").write_text("unused here, as nobody asks for it")
        (self.folder / "prometheus.yml").write_text(re.sub(r"scrape_interval: \w+", "scrape_interval: 1s", re.sub(r"refresh_interval: \w+", "refresh_interval: 1s", config)).replace("scrape_timeout: 10s", "scrape_timeout: 1s"))
        self.command = ["prometheus", f"--config.file={self.folder}/prometheus.yml", f"--web.listen-address=127.0.0.1:{self.port}", *flags]
        self.process = None
        ending.append(self.stop)
        self.start()

    def add(self, *hosts):
        with open(self.folder / "targets/hostwarden.yml", "a") as file:
            file.write("".join(host.target() for host in hosts))

    def start(self):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def query(self, expression):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?query={urllib.parse.quote(expression)}", timeout=5) as answer:
                return [(one["metric"], float(one["value"][1])) for one in json.load(answer)["data"]["result"]]
        except OSError:
            return []

    def check(self, hosts, what, within=30):
        """Each host's lines, under its own name; and nobody else's."""
        wanted = {host.name: host.written for host in hosts}
        shown = lambda: {metric["instance"]: value for metric, value in self.query('hostwarden_source_lines_total{job="hostwarden",source="web"}')}
        last_words = lambda: (self.folder / "log").read_text(errors="replace").splitlines()[-3:]
        wait_until(lambda: shown() == wanted, within, lambda: f"{what}: written {wanted}, shown {shown()}; {last_words()}")
        print(f"{what}: {wanted} written, all of it in Prometheus.", flush=True)


def trial(folder, ending):
    alpha, beta, gamma = hosts = [Host(folder, name, ending) for name in ("alpha", "beta", "gamma")]
    for host in hosts:
        wait_until(lambda: host.exporter.get("/-/ready")[0] == 200, 20, lambda: f"{host.name} is ready")
        host.write(10)
    central_config = (ROOT / "prometheus/prometheus.yml").read_text()
    flags = ["--enable-feature=remote-write-receiver"] if is_old() else ["--web.enable-remote-write-receiver"]
    central = Prometheus(folder, "central", central_config, [alpha], [*flags, f"--storage.tsdb.path={folder}/central/data"], ending)
    central.check([alpha], "Scraped")
    central.add(gamma)
    central.check([alpha, gamma], "A host added to the file, Prometheus not restarted")

    agent_config = (ROOT / "prometheus/agent.yml").read_text().replace("https://prometheus.example", f"http://127.0.0.1:{central.port}")
    flags = ["--enable-feature=agent"] if is_old() else ["--agent"]
    Prometheus(folder, "agent", agent_config, [beta], [*flags, f"--storage.agent.path={folder}/agent/data"], ending)
    central.check(hosts, "One host by an agent")

    central.stop()
    begun = time.time()
    beta.write(25)
    time.sleep(8)
    away = time.time() - begun
    central.start()
    central.check(hosts, f"The central Prometheus was away for {away:.0f} s")
    # The agent kept what it scraped meanwhile: each second has its sample.
    samples = f'count_over_time(hostwarden_source_lines_total{{instance="beta",source="web"}}[{away:.0f}s] @ {begun + away:.0f})'
    enough = lambda: [value for _, value in central.query(samples)]
    wait_until(lambda: enough() and enough()[0] >= 0.7 * away, 20, lambda: f"beta's samples of the {away:.0f} s away: {enough()}")
    print(f"Of the {away:.0f} s that nobody received, {enough()[0]:.0f} samples of beta arrived afterwards.")
    alive = {metric["instance"] for metric, value in central.query('up{job="hostwarden"} == 1')}
    alive == {"alpha", "beta", "gamma"} or fail(f"up: {alive}")


def is_old():
    """Before Prometheus 3 the two were features."""
    told = subprocess.run(["prometheus", "--version"], capture_output=True, text=True)
    return "version 2." in told.stdout + told.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    shutil.which("prometheus") or fail("prometheus is not installed: scripts/set_up.sh test")
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-hosts-"))
    ending = []
    try:
        trial(folder, ending)
    finally:
        for end in reversed(ending):
            end()
        take_away(folder, arguments.keep)
    print("PASSED")


if __name__ == "__main__":
    main()

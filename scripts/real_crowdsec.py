#!/usr/bin/env python3
"""Shows that the exporter knows what a real CrowdSec has decided, and counts requests of those whom it bans.

    scripts/real_crowdsec.py [--keep]

Starts CrowdSec's local API (as Debian packages it) with a configuration, database and port of its own and without the central API. Then,
with `cscli`: decisions that are added, imported by the thousand, taken back, or over by themselves show within an interval, by origin, type
and scenario: addresses, ranges, IPv6, and scopes of other kinds; while CrowdSec is away the probe is down, what is known holds until it
ends, and afterwards all is right again, also what changed while nobody looked. Requests of banned clients in a web log count by scenario,
over a kill of the exporter too, and bare 403s do not make them look worse. A wrong key is said once.

Needs crowdsec and cscli: on the PATH, or unpacked in target/tools/crowdsec (`scripts/set_up.sh test` sees to it). Everything else is in a
temporary folder of its own (--keep leaves it); exit code 0 if all holds.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from exporter import ROOT, Exporter, free_port, key

CROWDSEC = """
common: {{daemonize: false, log_media: stdout, log_level: info, working_dir: .}}
config_paths:
  config_dir: {folder}/etc
  data_dir: {folder}/data
  simulation_path: {folder}/etc/simulation.yaml
  hub_dir: {folder}/hub
  index_path: {folder}/hub/.index.json
  notification_dir: {folder}/etc
  plugin_dir: {folder}/etc
crowdsec_service: {{enable: false}}
cscli: {{output: human}}
db_config: {{log_level: error, type: sqlite, use_wal: true, db_path: {folder}/data/crowdsec.db}}
api:
  client: {{insecure_skip_verify: false, credentials_path: {folder}/etc/local.yaml}}
  server: {{log_level: info, listen_uri: "127.0.0.1:{port}", profiles_path: {folder}/etc/profiles.yaml}}
prometheus: {{enabled: false}}
"""

EXPORTER = """
[[sources]]
name = "web"
file = "{folder}/access.log"
format = "nginx_combined"
start = "beginning"
[probes.crowdsec]
enabled = true
interval_secs = 1
url = "http://127.0.0.1:{port}/"
api_key_file = "{folder}/key"
"""

IMPORTED = 5000


def expect(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


def told(text):
    print(f"  {text}", flush=True)


class CrowdSec:
    """Its local API, and cscli."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin", str(ROOT / "target/tools/crowdsec/usr/bin")])
        self.programs = {name: shutil.which(name, path=path) for name in ("crowdsec", "cscli")}
        if not all(self.programs.values()):
            sys.exit("crowdsec is not there: scripts/set_up.sh test")
        for name in ("etc", "data", "hub"):
            (folder / name).mkdir()
        (folder / "etc/simulation.yaml").write_text("simulation: off\n")
        (folder / "etc/profiles.yaml").write_text('name: none\nfilters: ["false"]\ndecisions: []\n')
        (folder / "hub/.index.json").write_text("{}")
        self.config = folder / "crowdsec.yaml"
        self.config.write_text(CROWDSEC.format(folder=folder, port=self.port))
        self.cscli("machines", "add", "trial", "--password", "for-this-trial-only", "-f", str(folder / "etc/local.yaml"))

    def cscli(self, *arguments):
        command = [self.programs["cscli"], "-c", str(self.config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        expect(done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def ban(self, *arguments):
        self.cscli("decisions", "add", *arguments)

    def unban(self, *arguments):
        self.cscli("decisions", "delete", *arguments)

    def start(self):
        log = open(self.folder / "crowdsec.log", "ab")
        command = [self.programs["crowdsec"], "-c", str(self.config), "-no-cs"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not self.answers():
            expect(time.monotonic() < deadline and self.process.poll() is None, "CrowdSec starts; see crowdsec.log")
            time.sleep(0.2)

    def answers(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def decisions(values):
    """{(origin, type, scenario): how many}."""
    rows = {}
    for (name, labels), value in values.items():
        if name == "hostwarden_crowdsec_decisions":
            labels = dict(labels)
            rows[labels["origin"], labels["type"], labels["scenario"]] = value
    return rows


def shows(exporter, wanted, what, within=75):
    """Waits until exactly these decisions show. What CrowdSec was writing while it was asked may take another half a minute (see the probe)."""
    last = {}

    def holds(values):
        last.clear()
        last.update(decisions(values))
        return last == wanted

    try:
        begun = time.monotonic()
        exporter.wait_until(holds, within, what)
        told(f"{what}: shown after {time.monotonic() - begun:.1f} s")
    except SystemExit as problem:
        sys.exit(f"{problem}\nwanted {wanted}\nseen   {last}")


def is_up(exporter, up):
    exporter.wait_until(lambda values: values.get(key("hostwarden_probe_success", probe="crowdsec")) == up, 10, f"probe_success {up}")


def log(folder, *requests):
    now = time.strftime("%d/%b/%Y:%H:%M:%S %z")
    with open(folder / "access.log", "a") as out:
        for client, path, status in requests:
            out.write(f'{client} - - [{now}] "GET {path} HTTP/1.1" {status} 100 "-" "trial/1.0"\n')


def arrived(exporter, wanted):
    def count(values):
        names = [(dict(labels)["scenario"], value) for (name, labels), value in values.items() if name == "hostwarden_http_banned_requests_total"]
        return {scenario: value for scenario, value in names if value}

    last = {}

    def holds(values):
        last.clear()
        last.update(count(values))
        return last == wanted

    try:
        exporter.wait_until(holds, 5, f"requests of banned clients: {wanted}")
    except SystemExit as problem:
        sys.exit(f"{problem}\nseen {last}")


def client(exporter, address):
    status, _, body = exporter.get(f"/api/v1/clients/{address}")
    expect(status == 200, f"{address}: answered {status}")
    return json.loads(body)


def comes_and_goes(crowdsec, exporter):
    """Decisions of all kinds, added and taken back. Leaves one address, one range, one IPv6 range and a country."""
    crowdsec.ban("-i", "203.0.113.7", "-d", "4h", "-R", "trial/http")
    shows(exporter, {("cscli", "ban", "trial/http"): 1}, "an address")
    crowdsec.ban("-i", "203.0.113.8", "-d", "4h", "-R", "trial/http")
    crowdsec.ban("-i", "203.0.113.9", "-d", "4h", "-R", "trial/http", "-t", "captcha")
    crowdsec.ban("-r", "198.51.100.0/24", "-d", "4h", "-R", "trial/range")
    crowdsec.ban("-r", "2001:db8:1::/48", "-d", "4h", "-R", "trial/six")
    crowdsec.ban("--scope", "Country", "-v", "XX", "-d", "4h", "-R", "trial/country")
    all_of_them = {
        ("cscli", "ban", "trial/http"): 2,
        ("cscli", "captcha", "trial/http"): 1,
        ("cscli", "ban", "trial/range"): 1,
        ("cscli", "ban", "trial/six"): 1,
        ("cscli", "ban", "trial/country"): 1,
    }
    shows(exporter, all_of_them, "ranges, IPv6, a captcha and a country")
    crowdsec.unban("-i", "203.0.113.8")
    crowdsec.unban("-i", "203.0.113.9")
    left = {name: 1 for name in all_of_them if name[1] == "ban"}
    shows(exporter, left, "two taken back")
    return left


def imports(crowdsec, exporter, folder, left):
    rows = "\n".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(IMPORTED))
    (folder / "list.csv").write_text(f"value\n{rows}\n")
    crowdsec.cscli("decisions", "import", "-i", str(folder / "list.csv"), "-d", "1h", "-R", "trial/list")
    wanted = {**left, ("cscli-import", "ban", "trial/list"): IMPORTED}
    shows(exporter, wanted, f"{IMPORTED} imported")
    crowdsec.unban("--scenario", "trial/list")
    shows(exporter, left, "and taken back")


def requests(exporter, folder):
    """Of banned clients and of others."""
    log(folder, ("203.0.113.7", "/.env", 403), ("203.0.113.7", "/", 200), ("198.51.100.77", "/", 403), ("2001:db8:1:2::3", "/", 403))
    log(folder, *[("192.0.2.1", "/", 200)] * 5, ("203.0.113.8", "/", 200), ("2001:db8:2::1", "/", 200))
    counts = {"trial/http": 2, "trial/range": 1, "trial/six": 1}
    arrived(exporter, counts)
    before = client(exporter, "203.0.113.7")
    expect(before["crowdsec"]["scenario"] == "trial/http" and before["crowdsec"]["until"] > "20", f"says who bans it: {before}")
    expect(client(exporter, "198.51.100.9")["crowdsec"]["scenario"] == "trial/range", "says so of a range, too")
    expect(client(exporter, "2001:db8:1:9::1")["crowdsec"]["scenario"] == "trial/six", "and of IPv6")
    expect(client(exporter, "192.0.2.1")["crowdsec"] is None, "nobody bans the others")
    expect(before["score"] > 0 and before["attacks"] == 1, f"an attack is one, banned or not: {before}")
    log(folder, *[("203.0.113.7", f"/{n}", 403) for n in range(50)])
    counts["trial/http"] += 50
    arrived(exporter, counts)
    after = client(exporter, "203.0.113.7")
    expect((after["attacks"], after["score"]) == (before["attacks"], before["score"]), f"its own ban makes nobody worse: {before} {after}")
    exporter.kill()
    exporter.start()
    arrived(exporter, counts)
    told(f"requests of banned clients, over a kill: {counts}")
    return counts


def away(crowdsec, exporter, folder, left, counts):
    """CrowdSec goes, and comes back; what has ended meanwhile is gone."""
    is_up(exporter, 1)
    crowdsec.ban("-i", "203.0.113.50", "-d", "8s", "-R", "trial/short")
    shows(exporter, {**left, ("cscli", "ban", "trial/short"): 1}, "a short one")
    crowdsec.stop()
    is_up(exporter, 0)
    values, _ = exporter.page()
    expect(decisions(values).items() >= left.items(), "what is known holds")
    shows(exporter, left, "the short one is over, without CrowdSec", within=12)
    log(folder, ("198.51.100.78", "/", 403), ("203.0.113.50", "/", 200))
    counts["trial/range"] += 1
    arrived(exporter, counts)
    crowdsec.start()
    is_up(exporter, 1)
    crowdsec.unban("-r", "198.51.100.0/24")
    crowdsec.ban("-i", "203.0.113.60", "-d", "4h", "-R", "trial/again")
    left = {name: count for name, count in left.items() if name[2] != "trial/range"} | {("cscli", "ban", "trial/again"): 1}
    shows(exporter, left, "after CrowdSec was away")
    exporter.stop()
    crowdsec.unban("-i", "203.0.113.60")
    exporter.start()
    shows(exporter, {name: 1 for name in left if name[2] != "trial/again"}, "changed while the exporter was away")


def refused(exporter, folder):
    exporter.stop()
    (folder / "key").write_text("0123456789abcdef0123456789abcdef\n")
    before = len((folder / "exporter.log").read_text())
    exporter.start()
    is_up(exporter, 0)
    time.sleep(3)
    expect(exporter.stop() == 0, "stops with 0")
    said = (folder / "exporter.log").read_text()[before:]
    expect(said.count("WARN") == 1 and "the key is refused" in said and "0123456789abcdef" not in said, f"said once, without the key:\n{said}")
    told(next(line for line in said.splitlines() if "WARN" in line).split("error=")[-1])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--keep", action="store_true")
    arguments = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-crowdsec-"))
    begun = time.monotonic()
    crowdsec = exporter = None
    try:
        crowdsec = CrowdSec(folder)
        (folder / "key").write_text(crowdsec.cscli("bouncers", "add", "hostwarden", "-o", "raw"))
        (folder / "access.log").touch()
        crowdsec.start()
        exporter = Exporter(folder, EXPORTER.format(folder=folder, port=crowdsec.port))
        exporter.start()
        is_up(exporter, 1)
        left = comes_and_goes(crowdsec, exporter)
        imports(crowdsec, exporter, folder, left)
        counts = requests(exporter, folder)
        away(crowdsec, exporter, folder, left, counts)
        refused(exporter, folder)
    finally:
        if exporter and exporter.process:
            exporter.stop()
        if crowdsec:
            crowdsec.stop()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"CrowdSec: all holds ({time.monotonic() - begun:.0f} s).")


if __name__ == "__main__":
    main()

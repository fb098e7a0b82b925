#!/usr/bin/env python3
"""Shows that every query of every dashboard is answered by a real Prometheus, and with data.

    scripts/real_dashboards.py [--seconds 75] [--show] [--keep]

Starts `hostwarden demo`, Debian's node-exporter, and Debian's Prometheus, which scrapes both every two seconds on loopback. After --seconds it asks every query to Prometheus of every
dashboard, with the variables put in as Grafana does: those of panels, of annotations, and those that fill the variables. An error fails,
and so does an answer without data, unless it stands below with the reason why silence is right there. --show prints every query.

Needs prometheus and prometheus-node-exporter; takes --seconds and a little. What it starts is ended; exit code 0 if all holds.
"""

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from exporter import ROOT, binary, free_port

PROMETHEUS = """
global: {{ scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 2s }}
scrape_configs:
  - job_name: hostwarden
    static_configs:
      - {{ targets: ["127.0.0.1:{demo}"], labels: {{ instance: this-host }} }}
  - job_name: node
    static_configs: [{{ targets: ["127.0.0.1:{node}"], labels: {{ instance: this-host }} }}]
"""

# Four scrapes, as Grafana has it, and the time that the trial takes.
RATE_INTERVAL, STEP_SECS = "8s", 2

# Where silence is right: a part of the query, and why.
QUIET = {
    "ALERTS{": "no rules are loaded here, and none should fire",
    "hostwarden_evicted_total": "nothing is dropped from tables that are far from full",
    "hostwarden_source_malformed_records_total": "the demo's logs fit their formats",
    "hostwarden_sqlserver_failures_total": "the demo's database answers every time",
    "hostwarden_never_ban_total": "shown where somebody was left alone within the last seconds",
    'hostwarden_findings_total{job=~".+", instance=~".+"}[8s]': "shown where something was found within the last seconds",
    "unless hostwarden_build_info": "a mark for a new build",
    "changes(": "a mark for a restart",
}

# What the demo has none of, by the beginning of the metric's name; what has data after all has to go from here.
ABSENT = {
    "hostwarden_notifications_total": "the demo tells nobody",
    "hostwarden_outbox_": "the demo tells nobody",
    "hostwarden_feed_dropped_total": "the demo's feed is never flooded",
}


class Trial:
    """What runs, and a Prometheus to ask."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.port = free_port()

    def start(self):
        demo, node = free_port(), free_port()
        self.run([binary(), "demo", "--listen", f"127.0.0.1:{demo}"], "demo.log")
        self.run([program("prometheus-node-exporter"), f"--web.listen-address=127.0.0.1:{node}"], "node.log")
        config = self.folder / "prometheus.yml"
        config.write_text(PROMETHEUS.format(demo=demo, node=node))
        storage = f"--storage.tsdb.path={self.folder}/tsdb"
        self.run([program("prometheus"), f"--config.file={config}", storage, f"--web.listen-address=127.0.0.1:{self.port}"], "prometheus.log")

    def run(self, command, log):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOSTWARDEN_")}
        output = open(self.folder / log, "ab")
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment))

    def end(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ask(self, path, **parameters):
        """Prometheus' answer, or what it has against the question."""
        pairs = [(name, value) for name, values in parameters.items() for value in (values if isinstance(values, list) else [values])]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(pairs)}", timeout=10) as answer:
                return json.load(answer)["data"], None
        except urllib.error.HTTPError as error:
            return None, json.load(error).get("error")
        except OSError as error:
            return None, str(error)

    def wait_until_scraped(self, within):
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if ended := [process.args[0] for process in self.processes if process.poll() is not None]:
                sys.exit(f"FAILED: ended by itself, see its log with --keep: {ended[0]}")
            data, _ = self.ask("query", query="up == 1")
            if data and len(data["result"]) == 2:
                return
            time.sleep(0.5)
        sys.exit(f"FAILED: not both targets were up within {within} s: {data}")


def program(name):
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return found or sys.exit(f"{name} is not installed: apt-get install {name}")


def substituted(query, values, seconds):
    """A query with its variables put in; of several values a person would see `.+`, since all are chosen at first."""
    query = query.replace("$__rate_interval", RATE_INTERVAL).replace("$__range", f"{seconds}s")
    return re.sub(r"\$\{?([a-z_]+)(?::[a-z]+)?\}?", lambda match: values[match[1]], query)


def first_values(dashboard, worst):
    """What a dashboard's variables hold when it is opened; one client is chosen, since one about nobody is empty."""
    values = {variable["name"]: variable.get("allValue") or "" for variable in dashboard["templating"]["list"]}
    return values | ({"client": worst} if "client" in values else {})


def has_data(result):
    """Whether anything of it can be drawn."""
    numbers = [value for row in result for value in ([row["value"]] if "value" in row else row["values"])]
    return any(not math.isnan(float(number)) for _, number in numbers)


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def queries(dashboard):
    """Where each query to Prometheus stands, itself, and whether it is asked for one moment."""
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            if target["datasource"]["type"] == "prometheus":
                yield panel["title"], target["expr"], target["instant"]
    for mark in dashboard["annotations"]["list"]:
        if mark["datasource"]["type"] == "prometheus":
            yield f"marks of {mark['name']}", mark["expr"], False


def reason_for_silence(query):
    """Why there may be no data; `None`: there must be."""
    for part, reason in QUIET.items():
        if part in query:
            return part, reason
    names = re.findall(r"\bhostwarden_[a-z_]+", query)
    return next(((start, reason) for start, reason in ABSENT.items() if any(name.startswith(start) for name in names)), None)


def is_called_absent(query):
    return any(name.startswith(start) for name in re.findall(r"\bhostwarden_[a-z_]+", query) for start in ABSENT)


def check(trial, dashboard, values, seconds, tally, show):
    """The problems of one dashboard."""
    end = time.time()
    for title, query, is_instant in queries(dashboard):
        query = substituted(query, values, seconds)
        if is_instant:
            data, error = trial.ask("query", query=query, time=end)
        else:
            data, error = trial.ask("query_range", query=query, start=end - seconds, end=end, step=STEP_SECS)
        found = error is None and has_data(data["result"])
        tally["asked"] += 1
        tally["with data"] += found
        excuse = None if found else reason_for_silence(query)
        if excuse:
            tally["quiet"].setdefault(excuse, []).append(title)
        if show:
            print(f"  {title}: {query}\n    {error or (str(len(data['result'])) + ' series' if found else 'no data: ' + str(excuse))}")
        if error:
            yield f"{dashboard['uid']}: {title}: {query}: {error}"
        elif not found and not excuse:
            yield f"{dashboard['uid']}: {title}: no data: {query}"
        elif found and is_called_absent(query):
            yield f"{dashboard['uid']}: {title}: has data after all, take it off ABSENT: {query}"


def check_variables(trial, dashboard, values):
    """The problems of what fills a dashboard's variables."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        selector, label = re.fullmatch(r"label_values\((.*), ([a-z_]+)\)", variable["definition"]).groups()
        selector = substituted(selector, values, 60)
        data, error = trial.ask(f"label/{label}/values", **{"match[]": selector})
        if error or not (data or reason_for_silence(selector)):
            yield f"{dashboard['uid']}: ${variable['name']} has no values: {selector}: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=75)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-dashboards-"))
    trial = Trial(folder)
    try:
        trial.start()
        trial.wait_until_scraped(60)
        time.sleep(arguments.seconds)
        data, error = trial.ask("query", query="topk(1, hostwarden_client_suspicion_score)")
        if error or not data["result"]:
            sys.exit(f"FAILED: the demo has no suspicious client: {error}")
        worst = data["result"][0]["metric"]["client"]
        problems = []
        for path in sorted((ROOT / "grafana/dashboards").glob("*.json")):
            dashboard = json.loads(path.read_text())
            values = first_values(dashboard, worst)
            tally = {"asked": 0, "with data": 0, "quiet": {}}
            problems += check(trial, dashboard, values, arguments.seconds, tally, arguments.show)
            problems += check_variables(trial, dashboard, values)
            print(f"{dashboard['uid']}: {tally['asked']} queries, {tally['with data']} with data")
            for (part, reason), titles in tally["quiet"].items():
                print(f"  without data, {reason} ({part}): {len(titles)}")
        if problems:
            sys.exit("\n".join(["FAILED:", *problems]))
    finally:
        trial.end()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print("Every query is answered.")


if __name__ == "__main__":
    main()

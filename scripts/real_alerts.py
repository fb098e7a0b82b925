#!/usr/bin/env python3
"""Shows an alert on its whole way: exporter, rule, real Prometheus, real Alertmanager, a message as Discord takes it.

    scripts/real_alerts.py [--keep]

Prometheus and Alertmanager run on loopback with the shipped configuration and rules; in a copy of them addresses are changed and waiting
times shortened, nothing else. A real exporter with a token loses a log and gets it back: one message when it happens, one when it is over.
A second target tells of sixty containers with hostile names: one message, short, in which nothing of them is alive. Every message is held
against Discord's documented limits. Watchdog arrives at Alertmanager and goes no further. Every rule evaluates without an error.
"""

import argparse
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from exporter import ROOT, Exporter, free_port, take_away
from real_nginx import Started, program, wait_until_ready

TOKEN = "a-token-of-this-trial-alone"
HOOK = "/api/webhooks/1/se&cr|et"

# What a stranger might choose, were a container's name free of rules. Long, so that sixty of them are far more than a message may hold.
HOSTILE = ["@everyone `rm -rf` **x**", "[x](http://evil.example)", "<@&1> https://evil.example/a_b", "||spoiler|| ~~x~~ # y", "\u202etxt\u200b.exe"]
LONG = "*_`~|" * 24

# Discord's documentation: embeds in a message, and characters in their parts and in all of them together. Our own aim is lower.
MAX_EMBEDS, MAX_TITLE, MAX_DESCRIPTION, MAX_TOTAL = 10, 256, 4096, 6000
OUR_MAX = 2000


# An alert, another one, and whether the first holds the second back. Each pair has a host of its own.
INHIBITED = [
    ("alertname=DiskAlmostFull severity=critical instance=a mount=/", "alertname=DiskAlmostFull severity=warning instance=a mount=/", True),
    ("alertname=DiskAlmostFull severity=critical instance=b mount=/", "alertname=DiskAlmostFull severity=warning instance=b mount=/srv", False),
    ("alertname=HostDown severity=critical instance=c", "alertname=HostwardenDown severity=critical instance=c subject=hostwarden", True),
    ("alertname=HostDown severity=critical instance=d", "alertname=HostwardenDown severity=critical instance=e subject=hostwarden", False),
    ("alertname=HostwardenDown severity=critical instance=f", "alertname=BotSilent severity=critical instance=f subject=bot source=bot", True),
    ("alertname=HostwardenDown severity=critical instance=g", "alertname=DiskAlmostFull severity=critical instance=g subject=host", False),
    ("alertname=SourceUnreadable severity=critical instance=h source=bot", "alertname=BotSilent severity=critical instance=h subject=bot source=bot", True),
    ("alertname=SourceUnreadable severity=critical instance=i source=web", "alertname=BotSilent severity=critical instance=i subject=bot source=bot", False),
    ("alertname=ProbeFailing severity=warning instance=j probe=docker", "alertname=ContainerDown severity=critical instance=j subject=containers", True),
    ("alertname=ProbeFailing severity=warning instance=k probe=host", "alertname=ContainerDown severity=critical instance=k subject=containers", False),
]


class FakeDiscord:
    """Takes messages to one webhook and keeps them; what breaks the protocol is kept as a fault."""

    def __init__(self):
        self.messages, self.faults = [], []
        self.server = serve(self)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{HOOK}"

    def answer(self, request, body):
        path = urllib.parse.unquote(urllib.parse.urlparse(request.path).path)
        if request.command != "POST" or path != HOOK:
            self.faults.append(f"{request.command} {request.path}")
            return 404, "{}"
        if not request.headers.get("Content-Type", "").startswith("application/json"):
            self.faults.append(f"Content-Type {request.headers.get('Content-Type')}")
        try:
            message = json.loads(body)
            self.faults += broken_limits(message)
            self.messages.append(message["embeds"][0])
        except (ValueError, KeyError, IndexError) as error:
            self.faults.append(f"no message: {error}: {body[:200]}")
        return 200, "{}"


class HostilePage:
    """An exporter's page with containers of hostile names, all of them unhealthy. Asks for the token."""

    def __init__(self):
        names = [f"{number} {HOSTILE[number % len(HOSTILE)]} {LONG}"[:190] for number in range(60)]
        lines = []
        for name in names:
            text = name.replace("\\", r"\\").replace('"', r"\"")
            lines.append(f'hostwarden_container_healthy{{container="{text}",service=""}} 0')
            lines.append(f'hostwarden_container_state{{container="{text}",service="",state="running"}} 1')
        self.page = "\n".join(sorted(lines)) + "\n"
        self.server = serve(self)

    def answer(self, request, _):
        return (200, self.page) if request.headers.get("Authorization") == f"Bearer {TOKEN}" else (401, "")


def serve(owner):
    """A server on loopback whose answers `owner` gives."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            status, text = owner.answer(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def broken_limits(message):
    """Which of Discord's limits a message breaks."""
    embeds = message.get("embeds", [])
    sizes = [(len(embed.get("title", "")), len(embed.get("description", ""))) for embed in embeds]
    faults = []
    if not 1 <= len(embeds) <= MAX_EMBEDS or len(message.get("content", "")) > OUR_MAX:
        faults.append(f"{len(embeds)} embeds, content of {len(message.get('content', ''))} characters")
    if any(title > MAX_TITLE or text > MAX_DESCRIPTION for title, text in sizes) or sum(map(sum, sizes)) > MAX_TOTAL:
        faults.append(f"title and description of {sizes} characters")
    if sum(map(sum, sizes)) > OUR_MAX:
        faults.append(f"longer than we promise: {sizes}")
    return faults


def unescaped(text):
    """What is alive in a text for Discord: our own link to the runbook taken off, any mark without a backslash before it."""
    text = re.sub(r"\[What to do\]\(https://github\.com/[\w./#-]+\)", "", text)
    text = re.sub(r"\\.", "", text, flags=re.S)
    return re.findall(r"[*_~`|<>\[\]()#@]|https?:|[\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text)


def rewrite(path, *changes):
    """Changes a copied file; a pattern that is not there any more is an error."""
    text = path.read_text()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, lambda _: replacement, text)
        if not count:
            sys.exit(f"FAILED: {path.name} holds no {pattern}")
    path.write_text(text)


def copy_configuration(folder, ports, discord, exporter, hostile):
    """The shipped configuration with addresses of this trial and short waiting times. Thresholds stay as they are."""
    shutil.copytree(ROOT / "prometheus", folder / "prometheus")
    shipped = folder / "prometheus"
    (folder / "token").write_text(TOKEN)
    rewrite(
        shipped / "prometheus.yml",
        (r"(?<=scrape_interval: )\d+s", "1s"),
        (r"(?<=scrape_timeout: )\d+s", "1s"),
        (r"(?<=evaluation_interval: )\d+s", "1s"),
        (r"/etc/hostwarden-secrets/bearer_token", f"{folder}/token"),
        (r"localhost:9090", f"127.0.0.1:{ports['prometheus']}"),
        (r"alertmanager:9093", f"127.0.0.1:{ports['alertmanager']}"),
        (r"(loki:3100|grafana:3000)", "127.0.0.1:1"),
    )
    targets = [(exporter.port, "this-host"), (hostile.server.server_address[1], f"hostile-host {LONG}")]
    lines = [f'- targets: ["127.0.0.1:{port}"]\n  labels: {{instance: "{name}"}}\n' for port, name in targets]
    (shipped / "targets/hostwarden.yml").write_text("".join(lines))
    (shipped / "targets/node.yml").write_text("[]\n")
    for rules in shipped.glob("rules/*.yml"):
        rewrite(rules, (r"(?<=\n        for: )\w+", "2s"))
        rules.write_text(re.sub(r"(keep_firing_for: )\w+", r"\g<1>1s", rules.read_text()))
    rewrite(
        shipped / "alertmanager.yml",
        (r"(?<=group_wait: )\w+", "1s"),
        (r"(?<=group_interval: )\w+", "2s"),
        (r"/etc/alertmanager/templates", f"{shipped}/templates"),
    )
    command = ["sh", shipped / "render-alertmanager.sh", shipped / "alertmanager.yml", folder / "alertmanager.yml"]
    subprocess.run(command, check=True, env={**os.environ, "HOSTWARDEN_DISCORD_WEBHOOK_URL": discord.url})


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


def wait(what, within, holds):
    """Waits until `holds()` gives something, and gives that."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if found := holds():
                return found
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit(f"FAILED: not within {within} s: {what}")


def message(discord, *words):
    """The first message with all these words."""
    return next((embed for embed in discord.messages if all(word in embed["title"] + embed["description"] for word in words)), None)


def check_prometheus(port):
    """Both targets are scraped with the token, and every rule evaluates."""

    def all_up():
        rows = ask(port, "/api/v1/query?query=" + urllib.parse.quote('up{job=~"hostwarden|prometheus|alertmanager"}'))["data"]["result"]
        return len(rows) == 4 and all(row["value"][1] == "1" for row in rows)

    wait("all targets up", 20, all_up)

    def evaluated():
        rules = [rule for group in ask(port, "/api/v1/rules")["data"]["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    rules = wait("every rule evaluated", 20, evaluated)
    if broken := [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"]:
        sys.exit(f"FAILED: rules with errors: {broken}")
    print(f"Prometheus: the exporter is scraped with its token; {len(rules)} rules evaluate.")


def check_lost_log(discord, log):
    """A log that is gone and comes back: a message each time."""
    away = log.parent.with_name("away")
    log.parent.rename(away)
    fired = wait("a message of SourceUnreadable", 30, lambda: message(discord, "Critical", "SourceUnreadable", "this-host", "group adm"))
    away.rename(log.parent)
    over = wait("that it is over", 30, lambda: message(discord, "Over", "SourceUnreadable"))
    if "[What to do](https://github.com/" not in fired["description"] or "The log web" not in over["description"]:
        sys.exit(f"FAILED: {fired} {over}")
    print("A lost log: fired, told what to do, and told when it was over.")


def check_hostile(discord):
    """Sixty alerts with hostile names are one short message."""
    found = wait("a message of sixty unhealthy containers", 30, lambda: message(discord, "ContainerUnhealthy", "60 in all"))
    if alive := unescaped(found["title"] + found["description"]):
        sys.exit(f"FAILED: alive in the message: {alive}\n{found['description']}")
    listed = found["description"].count("• ")
    if listed != 10 or "· 60" not in found["title"]:
        sys.exit(f"FAILED: {listed} alerts listed: {found}")
    print(f"Sixty hostile names: one message of {len(found['title']) + len(found['description'])} characters, ten listed, nothing alive.")


def check_inhibition(port):
    """What is told by a graver or an earlier alert is held back, on the same host and about the same thing only."""
    now = {"startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    alerts = {text: dict(pair.split("=") for pair in text.split()) for *pair, _ in INHIBITED for text in pair}
    body = json.dumps([{"labels": labels, **now} for labels in alerts.values()]).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v2/alerts", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()
    states = {frozenset(alert["labels"].items()): alert["status"]["state"] for alert in ask(port, "/api/v2/alerts")}
    for cause, text, held_back in INHIBITED:
        if (states[frozenset(alerts[text].items())] == "suppressed") != held_back:
            sys.exit(f"FAILED: with {cause}: {text} is {'not ' if held_back else ''}held back")
    print(f"Inhibition: {len(INHIBITED)} pairs as they should be.")


def trial(folder, started):
    log = folder / "logs/access.log"
    log.parent.mkdir()
    log.write_text("")
    discord, hostile = FakeDiscord(), HostilePage()
    exporter = Exporter(folder, f'[[sources]]\nname = "web"\nfile = "{log}"\nformat = "nginx_combined"\n[privacy]\nsenders = "agg"\n')
    rewrite(exporter.config, (r"\[server\]\n", f'[server]\nbearer_token = "{TOKEN}"\n'))
    exporter.start()
    started.processes.append(exporter.process)
    ports = {"prometheus": free_port(), "alertmanager": free_port()}
    copy_configuration(folder, ports, discord, exporter, hostile)
    alertmanager = [program("prometheus-alertmanager"), f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alertmanager"]
    started.start([*alertmanager, f"--web.listen-address=127.0.0.1:{ports['alertmanager']}", "--cluster.listen-address="], folder / "alertmanager.log")
    wait_until_ready(ports["alertmanager"])
    prometheus = [program("prometheus"), f"--config.file={folder}/prometheus/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
    # Who is to be told is found out some seconds after the start; alerts of before are sent again only after this delay.
    prometheus += [f"--web.listen-address=127.0.0.1:{ports['prometheus']}", "--rules.alert.resend-delay=1s"]
    started.start(prometheus, folder / "prometheus.log")
    wait_until_ready(ports["prometheus"])
    check_prometheus(ports["prometheus"])
    check_lost_log(discord, log)
    check_hostile(discord)
    check_inhibition(ports["alertmanager"])
    names = {alert["labels"]["alertname"] for alert in ask(ports["alertmanager"], "/api/v2/alerts")}
    if "Watchdog" not in names or message(discord, "Watchdog"):
        sys.exit(f"FAILED: Watchdog must be at Alertmanager and nowhere else; there are {names}")
    if discord.faults:
        sys.exit(f"FAILED: Discord would have refused: {discord.faults}")
    print(f"Watchdog fires and is told to nobody. {len(discord.messages)} messages, all within Discord's limits.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-alerts-"))
    started = Started()
    try:
        trial(folder, started)
    finally:
        started.end()
        take_away(folder, arguments.keep)
    print("PASSED")


if __name__ == "__main__":
    main()

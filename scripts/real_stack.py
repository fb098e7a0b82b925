#!/usr/bin/env python3
"""Shows that docker-compose.yml, as it is, brings up a stack that loses nothing.

    scripts/real_stack.py [--keep] [--no-demo]

Starts a Docker Engine of its own in a network of its own, so that one that runs here already is left alone. Grafana, Loki and the socket
proxy are left out by an override, since there is no stand-in for them; the images of the others come from this machine's Docker, or are
made of Debian's packages (scripts/stack_engine.py). Then: required values that are missing, short or known to everybody are refused by
name; all services become healthy; Prometheus scrapes the exporter with the token, and without it is refused; secrets are files of mode
400, each only with its reader; lines that are appended to a log show in Prometheus, through rotation, a restart and a kill of the
exporter, a cut network and a restart of Docker, each counted once; an alert travels from a rule through Alertmanager to a receiver that
stands in for Discord, and an attack in a log from the exporter itself; UDP packets are counted in the profile `game`; the demo fills
Prometheus and looks at nothing of the machine; `down --volumes` leaves nothing behind.

Needs root, docker.io, docker-compose, debootstrap, busybox-static, Debian's prometheus, prometheus-alertmanager and
prometheus-node-exporter. Takes about five minutes; exit code 0 if all holds.
"""

import argparse
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from exporter import ROOT, binary, take_away
from stack_engine import Engine, enter_own_network, fail, program

BEGUN = time.monotonic()
BRIDGE = "172.31.97.1"
TOKEN = "4a1f0c5be2d34795a6c8e9f00b1d2c3e"
PASSWORD = "trial-4c6e1b7d9f"
VALUES = {
    "GRAFANA_ADMIN_PASSWORD": PASSWORD,
    "HOSTWARDEN_SALT": "9d0e1c7a55b84d21b6f3a2c4e8d7f601",
    "HOSTWARDEN_BEARER_TOKEN": TOKEN,
    "HOSTWARDEN_DISCORD_WEBHOOK_URL": f"http://{BRIDGE}:9799/api/webhooks/1/trial",
}
# Rounds of what is no secret, and what is said of each.
WEAK = [
    {name: ("changeme", "placeholder") for name in VALUES},
    {name: ("short", "needs") for name in VALUES},
    {
        "GRAFANA_ADMIN_PASSWORD": ("prom-operator", "everybody knows"),
        "HOSTWARDEN_SALT": ("secretsecretsecretsecret", "everybody knows"),
        "HOSTWARDEN_BEARER_TOKEN": ("abababababababababab", "repeats"),
    },
    {"HOSTWARDEN_BEARER_TOKEN": ("4a1f0c5b e2d34795a6c8e9f0", "blanks")},
]
# What may be left out, and what the exporter says of a wrong one.
WRONG = {
    "HOSTWARDEN_PRIVACY_SENDERS": ("hasch", "known words"),
    "HOSTWARDEN_TIMEZONE": ("Mars/Base", "no time zone"),
    "HOSTWARDEN_SSH_THRESHOLD": ("many", "no whole number"),
    "HOSTWARDEN_NEVER_BAN_NETWORKS": ("192.0.2.0/99", "no network"),
}
LINE = '203.0.113.{} - - [{}] "GET /page/{} HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64)"\n'
# Of no network that is left alone for what it is.
ATTACKER = "45.148.10.99"
RULE = """
groups:
  - name: trial
    interval: 5s
    rules:
      - alert: TrialOfTheStack
        expr: sum by (instance) (hostwarden_source_lines_total{source="web"}) > 0
        labels: {severity: critical}
        annotations: {summary: "The first lines were read.", description: "Nothing to do."}
"""


def say(text):
    print(f"{time.monotonic() - BEGUN:3.0f} s  {text}", flush=True)


def wait_until(holds, within, what):
    deadline = time.monotonic() + within
    while True:
        if result := holds():
            return result
        if time.monotonic() > deadline:
            fail(f"not within {within} s: {what() if callable(what) else what}")
        time.sleep(0.3)


def get(url, token=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


class Discord:
    """Takes what is sent as Discord would, and keeps it with its sender."""

    def __init__(self):
        self.taken = taken = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                taken.append((self.headers.get("User-Agent", ""), body))
                answer = json.dumps({"id": str(len(taken))}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_PATCH = do_POST

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("0.0.0.0", 9799), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def has(self, word, by_alertmanager):
        return any(word in body for sender, body in self.taken if sender.startswith("Alertmanager") == by_alertmanager)


class Stack:
    """The compose file and an override, as a user runs them."""

    def __init__(self, engine, folder):
        self.engine, self.folder = engine, folder
        self.logs = folder / "logs"
        (self.logs / "nginx").mkdir(parents=True)
        shutil.copytree(ROOT / "prometheus", folder / "prometheus")
        (folder / "prometheus/rules/trial.yml").write_text(RULE)
        for path in [self.logs, *folder.glob("prometheus/**/*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.written = 0
        self.profiles = "small"
        self.override({"grafana": ["left-out"], "loki": ["left-out"], "socket-proxy": ["left-out"]}, stand_ins=[])

    def override(self, profiles, stand_ins):
        """Leaves services out, or has something stand in for them that does nothing but be healthy."""
        services = {name: {"profiles": names} for name, names in profiles.items()}
        for name in stand_ins:
            services[name] = {"image": "debian:bookworm-slim", "entrypoint": ["sleep", "infinity"], "command": [], "healthcheck": {"test": ["CMD", "true"]}}
        mounts = {"setup": "/config/prometheus", "setup-host": "/config/prometheus", "setup-game": "/config/prometheus", "setup-demo": "/config/prometheus", "prometheus": "/etc/prometheus"}
        for name, target in mounts.items():
            services.setdefault(name, {})["volumes"] = [f"{self.folder}/prometheus:{target}:ro"]
        (self.folder / "override.json").write_text(json.dumps({"services": services}))

    def compose(self, *arguments, values=None, check=True):
        """docker-compose with .env.example in which only what is said here was changed."""
        values = {**VALUES, "COMPOSE_PROFILES": self.profiles, "HOSTWARDEN_LOG_DIR": str(self.logs), "HOSTWARDEN_WEB_LOG_DIR": str(self.logs), "HOSTWARDEN_BOT_LOG_DIR": str(self.logs),
                  "HOSTWARDEN_PLAYERS_LOG_DIR": str(self.logs), "HOSTWARDEN_DOCKER_SOCKET": f"{self.engine.folder}/docker.sock", "HOSTWARDEN_TIMEZONE": "Europe/Madrid",
                  **(values or {})}
        text = (ROOT / ".env.example").read_text()
        for name, value in values.items():
            text, found = re.subn(rf"(?m)^#?{name}=.*$", lambda _: f"{name}={value}", text)
            found == 1 or fail(f".env.example has {name} {found} times")
        (self.folder / "env").write_text(text)
        command = [program("docker-compose"), "-f", ROOT / "docker-compose.yml", "-f", self.folder / "override.json", "--env-file", self.folder / "env", *arguments]
        result = subprocess.run([str(part) for part in command], env=self.engine.environment, capture_output=True, text=True)
        if check and result.returncode != 0:
            fail(f"docker-compose {' '.join(arguments)}: {result.stderr[-3000:]}")
        return result

    def states(self):
        """{service: state} of all that is not a one-shot."""
        ids = self.engine.docker("ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=hostwarden").split()
        found = {}
        for one in json.loads(self.engine.docker("inspect", *ids)) if ids else []:
            state = one["State"]
            found[one["Config"]["Labels"]["com.docker.compose.service"]] = state.get("Health", {}).get("Status") or f"{state['Status']} {state['ExitCode']}"
        return found

    def wait_healthy(self, services, within=90):
        wanted = {name: "exited 0" if name.startswith("setup") else "healthy" for name in services}
        wait_until(lambda: self.states() == wanted, within, lambda: f"all healthy: {self.states()}")

    def container(self, service):
        return f"hostwarden_{service}_1"

    def query(self, expression):
        """Prometheus's answer: [(labels, value)]."""
        networks = json.loads(self.engine.docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", self.container("prometheus")))
        address = next((network["IPAddress"] for network in networks.values() if network["IPAddress"]), None)
        status, body = get(f"http://{address}:9090/api/v1/query?query={urllib.parse.quote(expression)}") if address else (0, "")
        return [(one["metric"], float(one["value"][1])) for one in json.loads(body)["data"]["result"]] if status == 200 else []

    def write(self, count, name="access.log"):
        stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        with open(self.logs / "nginx" / name, "a") as log:
            for number in range(count):
                log.write(LINE.format(number % 250 + 1, stamp, self.written + number))
        self.written += count

    def check_count(self, what, within=75):
        """Prometheus shows each line once."""
        total = 'sum(hostwarden_source_lines_total{source="web",instance="this-host"})'
        wait_until(lambda: [value for _, value in self.query(total)] == [self.written], within, lambda: f"{what}: {self.written} lines were written, Prometheus shows {self.query(total)}")
        say(f"{what}: {self.written} lines written, {self.written} in Prometheus.")


def check_refusals(stack):
    for name in VALUES:
        result = stack.compose("up", "--detach", values={name: ""}, check=False)
        result.returncode != 0 and f"set {name} in .env" in result.stderr or fail(f"an empty {name}: {result.stderr}")
    for weak in WEAK:
        result = stack.compose("run", "--rm", "setup", values={name: value for name, (value, _) in weak.items()}, check=False)
        said = result.stdout + result.stderr
        for name, (value, why) in weak.items():
            lines = [line for line in said.splitlines() if f"setup: {name} " in line]
            result.returncode != 0 and any(why in line for line in lines) or fail(f"{name}={value}: {said}")
            value not in " ".join(lines) or fail(f"the value of {name} is told: {lines}")
    result = stack.compose("run", "--rm", "setup", values={name: value for name, (value, _) in WRONG.items()}, check=False)
    for name, (value, why) in WRONG.items():
        lines = [line for line in (result.stdout + result.stderr).splitlines() if f"setup: {name} " in line]
        result.returncode != 0 and len(lines) == 1 and why in lines[0] or fail(f"{name}={value}: {lines}")
    stack.compose("up", "--detach", values={"HOSTWARDEN_SALT": "changeme"}, check=False).returncode != 0 or fail("all starts with a salt that is a placeholder")
    started = {name: state for name, state in stack.states().items() if not name.startswith("setup")}
    not started or fail(f"started without its secrets: {started}")
    stack.compose("down", "--volumes")
    say("Missing, short, well-known and wrong values are refused by name, and nothing starts.")


def check_secrets(stack):
    expected = {"exporter": {"salt", "bearer_token", "discord_webhook_url"}, "prometheus": {"bearer_token"}, "alertmanager": {"alertmanager.yml"}}
    owner = {"exporter": "9780", "prometheus": "65534", "alertmanager": "65534"}
    for service, files in expected.items():
        folder = "/etc/hostwarden-secrets" if service == "prometheus" else "/run/hostwarden"
        lines = stack.engine.docker("exec", stack.container(service), "ls", "-ln", folder).splitlines()[1:]
        seen = {line.split()[-1]: (line.split()[0][:10], line.split()[2]) for line in lines}
        seen == {name: ("-r--------", owner[service]) for name in files} or fail(f"secrets of {service}: {seen}")
        told = stack.engine.docker("inspect", "--format", "{{json .Config}}", stack.container(service))
        for name, value in VALUES.items():
            value not in told or fail(f"{service}'s container tells {name}")
    (status, _), (refused, _) = get(f"http://{BRIDGE}:9780/metrics", TOKEN), get(f"http://{BRIDGE}:9780/metrics")
    (status, refused) == (200, 401) or fail(f"the page answers {status} with the token and {refused} without it")
    say("Secrets are files of mode 400, each only with its reader; without the token the exporter answers 401.")


def check_lines(stack, discord):
    up = 'min by (job) (up{instance=~"this-host|"} or up{job=~"prometheus|alertmanager"})'
    wait_until(lambda: {m["job"]: v for m, v in stack.query(up)} == {"hostwarden": 1, "node": 1, "prometheus": 1, "alertmanager": 1}, 60, lambda: f"all targets are up: {stack.query('up')}")
    say("Prometheus scrapes the exporter with its token, node-exporter, Alertmanager and itself.")
    stack.write(100)
    stack.check_count("Appended")
    log = stack.logs / "nginx/access.log"
    log.rename(log.with_suffix(".log.1"))
    stack.write(40, "access.log.1")
    stack.write(60)
    stack.check_count("Rotated while written to")
    wait_until(lambda: discord.has("The first lines were read.", True), 90, lambda: f"the alert arrives: {discord.taken}")
    say("The alert went from its rule through Alertmanager to the receiver.")
    stamp = datetime.now(ZoneInfo("Europe/Madrid")).strftime("%b %e %H:%M:%S")
    with open(stack.logs / "auth.log", "a") as log:
        log.writelines(f"{stamp} trial sshd[{4000 + n}]: Failed password for root from {ATTACKER} port {40000 + n} ssh2\n" for n in range(20))
    wait_until(lambda: discord.has(ATTACKER, False), 90, lambda: f"the attack is told: {discord.taken}")
    say("An attack in auth.log went from the exporter itself to the receiver.")


def check_troubles(stack, services):
    engine = stack.engine
    stack.write(50)
    engine.docker("restart", stack.container("exporter"))
    stack.write(50)
    stack.check_count("Exporter restarted")

    os.kill(engine.pid_of(stack.container("exporter")), signal.SIGKILL)
    stack.write(50)
    stack.check_count("Exporter killed")

    engine.docker("network", "disconnect", "hostwarden_stack", stack.container("prometheus"))
    stack.write(50)
    time.sleep(20)
    engine.docker("network", "connect", "hostwarden_stack", stack.container("prometheus"))
    stack.check_count("Network cut for 20 s")

    begun = time.monotonic()
    engine.stop()
    stack.write(50)
    engine.start()
    stack.wait_healthy(services)
    say(f"Docker restarted: all healthy after {time.monotonic() - begun:.0f} s.")
    stack.check_count("Docker restarted")
    resets = stack.query('sum(resets(hostwarden_source_lines_total{source="web"}[10m]))')
    [value for _, value in resets] == [0] or fail(f"Prometheus saw the counter go back: {resets}")


def check_game(stack, services):
    stack.profiles = "small,game"
    stack.compose("up", "--detach")
    stack.wait_healthy({*services, "setup-game", "exporter-udp"})
    wait_until(lambda: stack.query('up{job="hostwarden-udp"} == 1'), 60, lambda: f"Prometheus finds the UDP exporter: {stack.query('up')}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(200):
            sender.sendto(b"x" * 64, ("127.0.0.1", 27015))
    counted = 'hostwarden_udp_received_packets_total{instance="this-host",service="game"}'
    wait_until(lambda: [value for _, value in stack.query(counted)] == [200], 60, lambda: f"200 packets are counted: {stack.query(counted)}")
    can = stack.engine.docker("inspect", "--format", "{{.HostConfig.CapAdd}} {{.HostConfig.CapDrop}}", stack.container("exporter")).split()
    can[0] in ("[]", "<no") or fail(f"the exporter that reads logs has capabilities: {can}")
    say("Profile game: 200 UDP packets sent, 200 counted, by a second exporter that alone has NET_ADMIN.")


def check_memory(stack):
    lines = stack.engine.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").splitlines()
    say("Memory: " + "; ".join(sorted(line.replace("hostwarden_", "").replace("_1 ", " ", 1) for line in lines)))


def check_nothing_left(stack):
    stack.compose("down", "--volumes", "--remove-orphans")
    left = [stack.engine.docker(kind, "ls", "--quiet", "--filter", "label=com.docker.compose.project=hostwarden") for kind in ("volume", "network")]
    not any(left) and not stack.states() or fail(f"left behind: {left} {stack.states()}")
    say("down --volumes left no container, network or volume.")


def check_demo(stack):
    stack.profiles = "default"
    stack.override({}, stand_ins=["grafana", "loki"])
    stack.compose("up", "--detach", "demo")
    stack.wait_healthy(["setup", "setup-demo", "prometheus", "alertmanager", "loki", "grafana", "demo"])
    for area in ("http_requests", "bot_messages", "ssh_auth", "firewall_events", "player_joins", "http_attacks"):
        alive = f'sum(hostwarden_{area}_total{{instance="demo"}}) > 0'
        wait_until(lambda: stack.query(alive), 120, f"the demo's {area}")
    names = {metric["instance"] for metric, _ in stack.query('up{job=~"hostwarden.*|node"}')}
    names == {"demo"} or fail(f"the demo looks at {names}")
    say("The demo is alive in Prometheus, and nothing looks at this machine.")


def trial(folder, ending, arguments):
    discord = Discord()
    engine = Engine(folder)
    ending.append(engine.end)
    engine.start()
    engine.provide(binary(), ["prom/prometheus:v3.13.3", "prom/alertmanager:v0.34.1", "prom/node-exporter:v1.12.1"])
    size = int(engine.docker("image", "inspect", "--format", "{{.Size}}", "hostwarden:0.1.0"))
    say(f"Engine and images are there; the exporter's has {size / 1e6:.0f} MB.")
    stack = Stack(engine, folder)
    ending.append(lambda: stack.compose("down", "--volumes", "--remove-orphans", check=False))
    check_refusals(stack)
    begun = time.monotonic()
    stack.compose("up", "--detach")
    services = ["setup", "setup-host", "exporter", "prometheus", "alertmanager", "node-exporter"]
    stack.wait_healthy(services)
    say(f"All healthy {time.monotonic() - begun:.0f} s after `up`.")
    check_secrets(stack)
    check_lines(stack, discord)
    check_troubles(stack, services)
    check_game(stack, services)
    check_memory(stack)
    check_nothing_left(stack)
    if not arguments.no_demo:
        check_demo(stack)
        check_memory(stack)
        check_nothing_left(stack)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    parser.add_argument("--no-demo", action="store_true", help="leave the demo out")
    arguments = parser.parse_args()
    enter_own_network()
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-stack-"))
    folder.chmod(0o755)
    ending = []
    # Who stops it wants its Engine stopped, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("FAILED: stopped"))
    try:
        trial(folder, ending, arguments)
    finally:
        for end in reversed(ending):
            end()
        take_away(folder, arguments.keep)
    print("PASSED")


if __name__ == "__main__":
    main()

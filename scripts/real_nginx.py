#!/usr/bin/env python3
"""Shows that the exporter counts what a real nginx served, and that a real Prometheus takes its page in both formats.

    scripts/real_nginx.py [--requests 3000] [--seed 7] [--keep]

Starts Debian's nginx with a configuration of its own, which logs each request twice: in the combined format with $request_time, and as
JSON with SWAG's fields. Sends a known mix to it (methods, statuses, quotes and odd bytes in paths and agents, TLS bytes, requests that
are none), and rotates the logs meanwhile by rename and USR1. Then: the exporter's counters equal what was sent, by method and status
class, in both logs, and its bytes equal what the logs hold; `promtool check metrics` finds no fault; Prometheus scrapes OpenMetrics and
(through a little proxy that asks for it) text, says `up == 1` to both, and answers with the same numbers.

Needs nginx, prometheus and promtool. Everything runs on loopback ports and in a temporary folder of its own (--keep leaves it); exit
code 0 if all holds.
"""

import argparse
import collections
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from exporter import TEXT, Exporter, free_port, key, take_away

NGINX = """
{user}
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 256; }}
http {{
    log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time';
    log_format swag escape=json '{{"ip":"$remote_addr","method":"$request_method","uri":"$request_uri","status":$status,"host":"$host",'
        '"ua":"$http_user_agent","country":"Spain","city":"Madrid","country_code":"ES","time":"$time_local","req_time":"$request_time",'
        '"bytes_sent":$body_bytes_sent,"request":"$request"}}';
    access_log {folder}/logs/access.log timed;
    access_log {folder}/logs/sites.log swag;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "hello\\n"; }}
        location /created {{ return 201; }}
        location /elsewhere {{ return 302 /; }}
        location /missing {{ return 404; }}
        location /forbidden {{ return 403; }}
        location /broken {{ return 500; }}
        location /away {{ return 503; }}
    }}
}}
"""

EXPORTER = """
[privacy]
senders = "agg"
[[sources]]
name = "combined"
file = "{folder}/logs/access.log"
format = "nginx_combined"
start = "beginning"
[[sources]]
name = "json"
file = "{folder}/logs/sites.log"
format = "nginx_json"
start = "beginning"
"""

PROMETHEUS = """
global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
  - job_name: openmetrics
    static_configs: [{{ targets: ["127.0.0.1:{exporter}"] }}]
  - job_name: text
    static_configs: [{{ targets: ["127.0.0.1:{proxy}"] }}]
"""

# What is sent, how often, and what it must be counted as.
HTTP = b"%s %s HTTP/1.1\r\nHost: shop.example.org\r\nUser-Agent: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def http_request(method, path, agent=b"trial/1.0"):
    return HTTP % (method, path, agent)


MIX = [
    (30, http_request(b"GET", b"/"), "GET", "2xx"),
    (8, http_request(b"GET", b"/search?q=%22quoted%22&x=a+b"), "GET", "2xx"),
    (6, http_request(b"POST", b"/created"), "POST", "2xx"),
    (5, http_request(b"GET", b"/elsewhere"), "GET", "3xx"),
    (10, http_request(b"GET", b"/missing"), "GET", "4xx"),
    (4, http_request(b"PUT", b"/forbidden"), "PUT", "4xx"),
    (3, http_request(b"DELETE", b"/missing"), "DELETE", "4xx"),
    (4, http_request(b"HEAD", b"/"), "HEAD", "2xx"),
    (2, http_request(b"OPTIONS", b"/"), "OPTIONS", "2xx"),
    (2, http_request(b"PATCH", b"/broken"), "PATCH", "5xx"),
    (3, http_request(b"GET", b"/away"), "GET", "5xx"),
    (2, http_request(b"PROPFIND", b"/"), "other", "2xx"),
    # Quotes, backslashes and bytes that are no UTF-8 must not shift the fields.
    (3, http_request(b"GET", b'/a"b\\c'), "GET", "2xx"),
    (3, http_request(b"GET", b"/caf\xe9"), "GET", "2xx"),
    (3, http_request(b"GET", b"/", b'"quoted" \\back\\ \xff\xfe 200 0 "-" "-"'), "GET", "2xx"),
    (2, http_request(b"GET", b"/", b"] \"GET /forged HTTP/1.1\" 500 1"), "GET", "2xx"),
    (2, b"GET /\r\n", "GET", "2xx"),
    (2, b"GET http://elsewhere.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET", "2xx"),
    # What nginx refuses; it often knows no method then.
    (3, b"\x16\x03\x01\x00\xee\x01\x00\x00\xea\x03\x03\xc9\x1b\xc2\xc9\r\n", "other", "4xx"),
    (2, b"\x00\x0e8\x22\r\n", "other", "4xx"),
    (2, b"get / HTTP/1.1\r\nHost: x\r\n\r\n", "other", "4xx"),
    (2, b"SSH-2.0-Go\r\n", "other", "4xx"),
    (1, b"GET /no-host HTTP/1.1\r\n\r\n", "GET", "4xx"),
    (1, b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "4xx"),
]


class Started:
    """Processes that end with us."""

    def __init__(self):
        self.processes = []

    def start(self, command, log):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=open(log, "ab"), stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def program(name):
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return found or sys.exit(f"{name} is not installed: apt-get install {'prometheus' if name == 'promtool' else name}")


def wait_for(port, what):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"FAILED: {what} did not come up")


def send(port, data):
    """Sends one request and reads until nginx closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        while connection.recv(65536):
            pass


def generate_load(port, count, seed, rotate):
    """Sends the mix from eight threads; calls `rotate` a few times meanwhile. Gives what was sent by method and class."""
    chance = random.Random(seed)
    plan = [choice for choice in MIX] + chance.choices(MIX, [weight for weight, *_ in MIX], k=max(0, count - len(MIX)))
    chance.shuffle(plan)
    with ThreadPoolExecutor(8) as pool:
        for number, part in enumerate(plan[start :: 4] for start in range(4)):
            sent = [pool.submit(send, port, data) for _, data, _, _ in part]
            if number < 3:
                rotate(number + 1)
            for one in sent:
                one.result()
    return collections.Counter((method, code) for _, _, method, code in plan)


def logged_bytes(folder):
    """Body bytes by the combined log itself, rotated files included."""
    total = 0
    for path in folder.glob("logs/access.log*"):
        for line in path.read_bytes().splitlines():
            total += int(re.search(rb'" \d{3} (\d+) "', line)[1])
    return total


def counted(values, source):
    """Requests by method and class that the page shows for a source."""
    found = collections.Counter()
    for (name, labels), value in values.items():
        labels = dict(labels)
        if name == "hostwarden_http_requests_total" and labels["source"] == source and value:
            found[(labels["method"], labels["code"])] += int(value)
    return found


def text_proxy(exporter):
    """Serves the exporter's page as text, whatever was asked for."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, kind, body = exporter.get("/metrics", TEXT)
            self.send_response(status or 502)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def wait_until_ready(port):
    """Prometheus and Alertmanager listen before they answer."""
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=10).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("FAILED: Prometheus or Alertmanager did not get ready")


def ask(port, query):
    """Prometheus' answer to an instant query, as {labels: value}."""
    url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in result}


def check_prometheus(started, folder, exporter, sent):
    proxy = text_proxy(exporter)
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(PROMETHEUS.format(exporter=exporter.port, proxy=proxy.server_address[1]))
    command = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"]
    started.start(command, folder / "prometheus.log")
    wait_for(port, "Prometheus")
    wait_until_ready(port)
    expected = {}
    for job in ("openmetrics", "text"):
        for source in ("combined", "json"):
            for (method, code), count in sent.items():
                expected[(("code", code), ("job", job), ("method", method), ("source", source))] = float(count)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        up = ask(port, "sum by (job) (up)")
        rows = ask(port, "sum by (job, source, method, code) (hostwarden_http_requests_total) > 0")
        if set(up.values()) == {1.0} and len(up) == 2 and rows == expected:
            break
        time.sleep(0.5)
    else:
        sys.exit(f"FAILED: Prometheus says up {up}; {len(rows)} rows, expected {len(expected)}: {set(rows.items()) ^ set(expected.items())}")
    kinds = ask(port, 'count by (job) ({__name__=~"hostwarden_.*"})')
    if len(set(kinds.values())) != 1:
        sys.exit(f"FAILED: the formats have different series: {kinds}")
    print(f"Prometheus: up 1 and the same {int(list(kinds.values())[0])} series by OpenMetrics and by text.")
    proxy.shutdown()


def check_promtool(exporter):
    _, _, page = exporter.get("/metrics", TEXT)
    result = subprocess.run([program("promtool"), "check", "metrics"], input=page, text=True, capture_output=True)
    # Quantiles of the last hour are gauges on purpose: a summary could not be told from one that never forgets.
    known = re.compile(r'hostwarden_\w+_window_seconds non-summary metrics should not have "quantile" label')
    faults = [line for line in (result.stdout + result.stderr).splitlines() if line and not known.fullmatch(line)]
    if faults or result.returncode not in (0, 3):
        sys.exit("FAILED: promtool check metrics:\n" + "\n".join(faults))
    print("promtool check metrics: no fault.")


def trial(arguments, folder, started):
    (folder / "logs").mkdir()
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, user="user root;" if os.getuid() == 0 else ""))
    nginx = started.start([program("nginx"), "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(config)], folder / "nginx.log")
    wait_for(port, "nginx")
    exporter = Exporter(folder, EXPORTER.format(folder=folder))
    exporter.start()
    started.processes.append(exporter.process)
    # From here on it knows the logs; what was rotated away before is not its business.
    exporter.wait_until(lambda _: True, 30, "a first page")

    def rotate(number):
        for name in ("access.log", "sites.log"):
            # `.1` goes up by one each time, as with logrotate.
            for old in range(number - 1, 0, -1):
                os.rename(folder / "logs" / f"{name}.{old}", folder / "logs" / f"{name}.{old + 1}")
            os.rename(folder / "logs" / name, folder / "logs" / f"{name}.1")
        nginx.send_signal(signal.SIGUSR1)

    # What finds out that nginx listens is no request: it is not logged.
    sent = generate_load(port, arguments.requests, arguments.seed, rotate)
    expected = {source: sent for source in ("combined", "json")}
    total = sum(sent.values())

    def all_read(values):
        lines = [values.get(key("hostwarden_source_lines_total", source=source), 0) for source in expected]
        return all(count >= total for count in lines)

    values = exporter.wait_until(all_read, 30, f"{total} lines in each log")
    for source, requests in expected.items():
        found = counted(values, source)
        if found != requests:
            exporter.explain(f"{source}: counted and not sent {found - requests}, sent and not counted {requests - found}")
        malformed = values[key("hostwarden_source_records_total", source=source, outcome="malformed")]
        lost = values[key("hostwarden_source_lost_bytes_total", source=source)]
        size = values[key("hostwarden_http_response_bytes_total", source=source, site="other")]
        if malformed or lost or size != logged_bytes(folder):
            exporter.explain(f"{source}: {malformed} malformed, {lost} bytes lost, {size} bytes sent where the log has {logged_bytes(folder)}")
        name, labels = "hostwarden_http_request_duration_seconds_count", {"source": source, "site": "other"}
        timed = sum(values[key(name, **labels, traffic=traffic)] for traffic in ("user", "attack"))
        if timed != total:
            exporter.explain(f"{source}: {timed} of {total} requests have a duration")
    print(f"nginx: {total} requests of {len(MIX)} kinds over three rotations, all counted by method and status class in both formats.")
    check_promtool(exporter)
    check_prometheus(started, folder, exporter, sent)
    code = exporter.stop()
    if code != 0:
        exporter.explain(f"a polite stop ended with {code}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-nginx-"))
    started = Started()
    try:
        trial(arguments, folder, started)
    finally:
        started.end()
        take_away(folder, arguments.keep)
    print("PASSED")


if __name__ == "__main__":
    main()

"""A Loki that is none: takes pushes as Loki documents them, looks at each closely, and fails as it is told. Shared by the other scripts;
shows nothing by itself."""

import gzip
import http.server
import json
import re
import threading
import time

NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")
FEEDS = {"bot", "web", "ssh", "firewall", "players", "incident"}
MAX_FACTS, MAX_FACTS_BYTES, MAX_LINE_BYTES = 128, 64 << 10, 256 << 10


class FakeLoki:
    """Serves on a port of its own. `fault(number)` says what happens to the push of that number, counted from 0: None, "429", "500", "400",
    "hang", or "cut" (taken, but the answer is lost)."""

    def __init__(self, fault=lambda number: None, hang_secs=3):
        self.fault, self.hang_secs = fault, hang_secs
        self.wrong, self.raw, self.faults = [], b"", {}
        # By the entry's number: (feed, time, line, facts). Doubles must be the same.
        self.entries, self.refused, self.doubles, self.pushes = {}, set(), 0, 0
        self.too_early, self.not_before = 0, 0.0
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.take(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def forget(self):
        """Who pushes from now on was never told to wait: not by an answer that it had itself."""
        with self.lock:
            self.not_before = 0.0

    def take(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        with self.lock:
            number, self.pushes = self.pushes, self.pushes + 1
            if time.monotonic() < self.not_before:
                self.too_early += 1
            fault = self.fault(number)
            self.faults[fault] = self.faults.get(fault, 0) + 1
            if fault == "429":
                self.not_before = time.monotonic() + 0.9
            entries = self.read(request, body)
            if fault == "400":
                self.refused |= set(entries)
            elif fault in (None, "cut"):
                self.keep(entries)
        if fault == "hang":
            time.sleep(self.hang_secs)
        elif fault == "cut":
            request.close_connection = True
            request.connection.close()
        else:
            request.send_response(int(fault or 204))
            if fault == "429":
                request.send_header("Retry-After", "1")
            text = b"" if fault is None else b"entry with timestamp 2020-01-01 ignored, reason: 'entry too far behind'\n"
            request.send_header("Content-Length", str(len(text)))
            request.end_headers()
            request.wfile.write(text)

    def read(self, request, body):
        """The entries of a push by their numbers; what is not as Loki wants it is written down."""
        wants = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        for name, value in wants.items():
            if request.headers.get(name) != value:
                self.wrong.append(f"{name}: {request.headers.get(name)}")
        if request.path != "/loki/api/v1/push":
            self.wrong.append(f"path {request.path}")
        text = gzip.decompress(body)
        self.raw += request.requestline.encode() + str(request.headers).encode() + text
        entries = {}
        for stream in json.loads(text)["streams"]:
            labels = stream["stream"]
            if set(labels) != {"job", "instance", "feed"} or labels["job"] != "hostwarden" or labels["feed"] not in FEEDS:
                self.wrong.append(f"labels {labels}")
            for at, line, facts in stream["values"]:
                size = sum(len(name.encode()) + len(value.encode()) for name, value in facts.items())
                if not (isinstance(at, str) and at.isdigit() and len(at) == 19):
                    self.wrong.append(f"time {at!r}")
                if "\n" in line or not line or len(line.encode()) > MAX_LINE_BYTES:
                    self.wrong.append(f"line {line!r}")
                if len(facts) > MAX_FACTS or size > MAX_FACTS_BYTES or not all(NAME.match(name) for name in facts):
                    self.wrong.append(f"facts {facts}")
                entries[int(facts["id"])] = (labels["feed"], at, line, json.dumps(facts, sort_keys=True))
        return entries

    def keep(self, entries):
        for number, entry in entries.items():
            if number in self.entries:
                self.doubles += 1
                if self.entries[number] != entry:
                    self.wrong.append(f"pushed again, but not the same: {self.entries[number]} and {entry}")
            self.entries[number] = entry

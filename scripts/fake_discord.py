"""A Discord for trials: webhooks by the published protocol, with its limits, and faults by plan. Shows nothing by itself.

Answers POST of a message (with wait), PATCH and GET of one, and GET of the webhook, as Discord documents them (August 2026): a bucket
of requests with X-RateLimit headers, 429 with retry_after, 400 for embeds beyond their limits. Whatever happened is in `log`.

Faults: a `Plan` draws one for each request by its seed. A fault is `429` (with a pause that is then insisted on), `500`, `502`, `404` (of
an edit: the message is gone for good), `hang` (nothing is answered; the message was taken) or `lost` (the same, but it was not taken).
"""

import collections
import json
import random
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Documented for embeds; counted in UTF-16 units, the stricter reading of "characters".
LIMITS = {"title": 256, "description": 4096, "fields": 25, "name": 256, "value": 1024, "footer": 2048, "sum": 6000, "content": 2000, "embeds": 10}
# Not documented; what people see.
BUCKET = 5
BUCKET_SECS = 2.0
A_MINUTE = 30

PATH = re.compile(r"^/api(?:/v\d+)?/webhooks/(\d+)/([\w.-]+)(?:/messages/(\d+))?$")
MENTION = re.compile(r"@(everyone|here)|<@[!&]?\d+>|<#\d+>")

Entry = collections.namedtuple("Entry", "at method message status fault recorded body")


def units(text):
    return len(text.encode("utf-16-le")) // 2


def unfit(body):
    """What Discord would refuse about a message; None: nothing."""
    embeds = body.get("embeds") or []
    content = body.get("content") or ""
    if not embeds and not content:
        return "empty message"
    if units(content) > LIMITS["content"] or len(embeds) > LIMITS["embeds"]:
        return "content or embeds"
    total = 0
    for embed in embeds:
        fields, footer = embed.get("fields") or [], (embed.get("footer") or {}).get("text", "")
        texts = [("title", embed.get("title", "")), ("description", embed.get("description", "")), ("footer", footer)]
        for field in fields:
            if not field.get("name", "").strip() or not field.get("value", "").strip():
                return "empty field"
            texts += [("name", field["name"]), ("value", field["value"])]
        for kind, text in texts:
            if units(text) > LIMITS[kind]:
                return kind
        if len(fields) > LIMITS["fields"] or not 0 <= embed.get("color", 0) <= 0xFFFFFF:
            return "fields or color"
        total += sum(units(text) for _, text in texts)
    return "sum" if total > LIMITS["sum"] else None


def texts(body):
    """All texts of a message that people see."""
    for embed in body.get("embeds") or []:
        yield from (embed.get("title", ""), embed.get("description", ""), (embed.get("footer") or {}).get("text", ""))
        for field in embed.get("fields") or []:
            yield from (field["name"], field["value"])
    yield body.get("content") or ""


class Plan:
    """Which fault, if any, the next request meets: `chances` is {fault: probability}; none is drawn once `end` has passed."""

    def __init__(self, seed, chances, end=None):
        self.chance, self.chances, self.end = random.Random(seed), dict(chances), end

    def draw(self, method, is_edit):
        if self.end is not None and time.monotonic() > self.end:
            return None
        at = self.chance.random()
        for fault, share in self.chances.items():
            at -= share
            if at < 0:
                return None if fault == "404" and not (method == "PATCH" and is_edit) else fault
        return None


class FakeDiscord:
    """The server, on loopback and a port of its own. Use as a context."""

    def __init__(self, plan=None, webhook=("1", "token"), hang_secs=3.0):
        self.plan = plan or Plan(0, {})
        self.webhook, self.hang_secs = webhook, hang_secs
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.messages, self.gone, self.log = {}, set(), []
        self.last_id = 1_000_000_000_000
        self.spent = collections.deque()
        self.shut_until = 0.0
        # Requests that came though they had been told to wait: what a good client never does.
        self.impolite = []

        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                fake.handle(self)

            do_POST = do_PATCH = do_DELETE = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/api/webhooks/%s/%s" % (self.server.server_address[1], *webhook)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def recorded(self):
        """The posts and edits that were taken, in their order."""
        with self.lock:
            return [entry for entry in self.log if entry.recorded]

    def handle(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        raw = handler.rfile.read(length)
        path, _, query = handler.path.partition("?")
        match = PATH.match(path)
        with self.lock:
            status, answer, headers, fault = self.decide(handler.command, match, query, raw)
        if status is None:
            # Silence: longer than a client should wait, and then the line is cut.
            self.stopping.wait(self.hang_secs)
            handler.close_connection = True
            return
        data = json.dumps(answer).encode()
        try:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            pass

    def decide(self, method, match, query, raw):
        """Status, body, headers and fault of the answer; status None is silence."""
        now = time.monotonic()
        if not match or (match[1], match[2]) != self.webhook:
            return 404, {"message": "Unknown Webhook", "code": 10015}, {}, None
        message = match[3]
        body = {}
        if method in ("POST", "PATCH"):
            try:
                body = json.loads(raw)
            except ValueError:
                return self.note(now, method, message, 400, None, False, {}), {"message": "invalid JSON", "code": 50109}, {}, None
        if method == "GET" and not message:
            fault = self.plan.draw(method, False)
            if fault in ("hang", "lost"):
                return None, {}, {}, fault
            if fault in ("500", "502"):
                return int(fault), {}, {}, fault
            return 200, {"id": match[1], "type": 1, "token": match[2], "name": "trial"}, {}, None
        # Not before the time it was told to.
        if now < self.shut_until:
            self.impolite.append((now, method, self.shut_until - now))
            return self.slow_down(now, method, message, body, self.shut_until - now, None)
        while self.spent and now - self.spent[0] > 60:
            self.spent.popleft()
        recent = [at for at in self.spent if now - at < BUCKET_SECS]
        if len(recent) >= BUCKET or len(self.spent) >= A_MINUTE + BUCKET:
            self.impolite.append((now, method, 0))
            return self.slow_down(now, method, message, body, BUCKET_SECS, None)
        self.spent.append(now)
        headers = {
            "X-RateLimit-Limit": str(BUCKET),
            "X-RateLimit-Remaining": str(BUCKET - len(recent) - 1),
            "X-RateLimit-Reset-After": f"{BUCKET_SECS:.3f}",
            "X-RateLimit-Bucket": "trial",
        }
        fault = self.plan.draw(method, bool(message))
        if fault == "429":
            pause = self.plan.chance.uniform(0.5, 4.0)
            self.shut_until = now + pause
            return self.slow_down(now, method, message, body, pause, fault)
        if fault in ("500", "502"):
            return self.note(now, method, message, int(fault), fault, False, body), {}, {}, fault
        if fault == "404":
            self.messages.pop(message, None)
            self.gone.add(message)
        if fault == "lost":
            return self.note(now, method, message, None, fault, False, body), {}, {}, fault
        status, answer, message = self.take(method, message, query, body)
        taken = status == 200 and method in ("POST", "PATCH")
        if fault == "hang":
            return self.note(now, method, message, None, fault, taken, body), {}, {}, fault
        self.note(now, method, message, status, fault, taken, body)
        return status, answer, headers, fault

    def slow_down(self, now, method, message, body, pause, fault):
        status = self.note(now, method, message, 429, fault, False, body)
        headers = {"Retry-After": str(int(pause) + 1), "X-RateLimit-Scope": "user"}
        return status, {"message": "You are being rate limited.", "retry_after": round(pause, 3), "global": False}, headers, fault

    def take(self, method, message, query, body):
        """What Discord does with a request that it takes up."""
        if message and message not in self.messages:
            return 404, {"message": "Unknown Message", "code": 10008}, message
        if method == "GET":
            return 200, {"id": message, **self.messages[message]}, message
        if what := unfit(body):
            return 400, {"message": "Invalid Form Body", "code": 50035, "errors": {"embeds": what}}, message
        if not message:
            self.last_id += 1
            message = str(self.last_id)
        self.messages[message] = body
        return (200, {"id": message, **body}, message) if "wait=true" in query or method == "PATCH" else (204, {}, message)

    def note(self, now, method, message, status, fault, recorded, body):
        self.log.append(Entry(now, method, message, status, fault, recorded, body))
        return status

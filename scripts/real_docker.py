#!/usr/bin/env python3
"""Shows that the probe of Docker sees what a real Docker Engine does, and asks it for nothing that it need not.

    scripts/real_docker.py [--keep]

Starts a dockerd of its own (own data, socket, pid file, no bridge, no iptables rules), so that one that runs here already is left alone, and
thirty containers of a static busybox: healthy, unhealthy, looping, out of memory, paused, crashed, and plain ones. The exporter asks through
a proxy that lets only the documented GET requests through and writes all down. Then: the page equals `docker inspect` and `docker stats`
within one interval; each trouble is found within 5 s of its event, with the last error line of the container's log; what a user does
through Docker is no finding; what happened while the proxy was away, or would not let events through, is found once; an engine that is
restarted, politely or not, is thirty innocents; counters never fall, whatever is killed.

Needs root, dockerd, the docker command and busybox-static. Takes about a minute and a half in a temporary folder (--keep leaves it); exit
code 0 if all holds.
"""

import argparse
import collections
import http.client
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from exporter import ROOT, Exporter, is_counting, key, take_away

BEGUN = time.monotonic()
INTERVAL = 5
PLAIN = 24
# The plain container that holds so many bytes of memory, and how.
KEEPER = 4
KEPT_BYTES = 16 * 2**20
KEEPS = f"head -c {KEPT_BYTES} /dev/zero > /dev/shm/kept; exec sleep 1000"

CONFIG = """
[log]
level = "debug"
[probes.docker]
enabled = true
endpoint = "{endpoint}"
interval_secs = {interval}
"""

# What the probe may ask, as docs/probes.md says it.
ALLOWED = {
    "GET /containers/json": r"/containers/json\?all=1",
    "GET /containers/ID/json": r"/containers/[0-9a-f]{64}/json",
    "GET /containers/ID/stats": r"/containers/[0-9a-f]{64}/stats\?stream=0&one-shot=1",
    "GET /containers/ID/logs": r"/containers/[0-9a-f]{64}/logs\?stdout=1&stderr=1&tail=\d+",
    "GET /events": r"/events\?(since=[0-9.]+&)?filters=[A-Za-z0-9%_]+",
}

COUNTERS = "hostwarden_container_"


def fail(problem):
    sys.exit(f"FAILED: {problem}")


def say(text):
    print(f"{time.monotonic() - BEGUN:3.0f} s  {text}", flush=True)


def wait_until(holds, within, what):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if result := holds():
            return result
        time.sleep(0.1)
    fail(f"not within {within} s: {what}")


class Engine:
    """A Docker Engine of our own."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = str(folder / "docker.sock")
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_CONFIG": str(folder / "client")}
        self.process = None

    def start(self):
        log = open(self.folder / "dockerd.log", "ab")
        command = ["dockerd", "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/docker.pid"]
        command += ["--host", f"unix://{self.socket}", "--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs"]
        # It gives up when its containerd takes long, as on a busy machine after a kill; systemd would start it again, too.
        for _ in range(3):
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            wait_until(lambda: self.process.poll() is not None or self.is_up(), 60, "dockerd answers")
            if self.process.poll() is None:
                return
        tail = (self.folder / "dockerd.log").read_text(errors="replace").splitlines()[-8:]
        fail("\n".join([f"dockerd cannot run here (it ended with {self.process.returncode}); its last words:", *tail]))

    def is_up(self):
        return subprocess.run(["docker", "version"], env=self.environment, capture_output=True).returncode == 0

    def docker(self, *arguments, check=True):
        result = subprocess.run(["docker", *arguments], env=self.environment, capture_output=True, text=True)
        if check and result.returncode != 0:
            fail(f"docker {' '.join(arguments)}: {result.stderr.strip()}")
        return result.stdout

    def run(self, name, command, *options):
        self.docker("run", "--detach", "--name", name, "--network", "none", "--stop-timeout", "1", *options, "trial:1", "/bin/sh", "-c", command)

    def inspect(self):
        ids = self.docker("ps", "--all", "--quiet").split()
        return {one["Name"].lstrip("/"): one for one in json.loads(self.docker("inspect", *ids))}

    def image(self):
        """Makes an image of nothing but busybox: there is no registry here."""
        busybox = shutil.which("busybox") or fail("busybox is not installed: apt-get install busybox-static")
        with tarfile.open(self.folder / "image.tar", "w") as image:
            image.add(busybox, "bin/busybox")
            for name in ("sh", "sleep", "echo", "cat", "true", "false"):
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                image.addfile(link)
        self.docker("import", str(self.folder / "image.tar"), "trial:1")

    def events(self, since):
        """What happened, as [(time, action, container)]."""
        lines = self.docker("events", "--since", str(since), "--until", str(time.time()), "--format", "{{json .}}").splitlines()
        events = [json.loads(line) for line in lines]
        return [(e["timeNano"] / 1e9, e["Action"], e["Actor"]["Attributes"].get("name")) for e in events if e["Type"] == "container"]

    def end(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            if ids := self.docker("ps", "--all", "--quiet", check=False).split():
                self.docker("rm", "--force", *ids, check=False)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        # The daemon's own containerd, what holds its containers, and what it left mounted, if it was killed.
        for program in Path("/proc").glob("[0-9]*"):
            try:
                words = (program / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if Path(words[0]).name.startswith("containerd") and any(word.startswith(f"{self.folder}/") for word in words):
                    os.kill(int(program.name), signal.SIGTERM)
            except (FileNotFoundError, ProcessLookupError):
                pass
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((one for one in mounts if one.startswith(str(self.folder))), reverse=True):
            subprocess.run(["umount", "--lazy", mount], capture_output=True)


class Proxy:
    """Lets only what is allowed through to Docker, and writes down what was asked."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.asked = collections.Counter()
        self.refused = []
        self.no_events = False
        self.away = False
        self.open = set()
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                proxy.serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"tcp://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            if not (piece := client.recv(65536)):
                return
            head += piece
        line = head.split(b"\r\n", 1)[0].decode()
        method, path, _ = line.split(" ")
        kind = next((kind for kind, shape in ALLOWED.items() if method == "GET" and re.fullmatch(shape, path)), None)
        self.asked[kind] += 1
        if kind is None:
            self.refused.append(line)
        if self.away:
            return
        if kind is None or (self.no_events and kind == "GET /events"):
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\nConnection: close\r\n\r\nforbidden")
            return
        upstream = socket.socket(socket.AF_UNIX)
        try:
            upstream.connect(self.upstream)
        except OSError:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.open |= {client, upstream}
        try:
            upstream.sendall(head)
            while piece := upstream.recv(65536):
                client.sendall(piece)
        except OSError:
            pass
        finally:
            self.open -= {client, upstream}
            upstream.close()

    def cut(self):
        """Breaks all connections."""
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Findings:
    """Looks at the exporter's findings all the time, and knows when each was first seen."""

    def __init__(self, exporter):
        self.exporter = exporter
        self.seen = {}
        self.stopped = False
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.stopped:
            for finding in api(self.exporter, "findings?limit=500").get("findings", []):
                self.seen.setdefault(finding["id"], (time.time(), finding))
            time.sleep(0.1)

    def about(self, name):
        return [(at, finding) for at, finding in list(self.seen.values()) if finding["summary"].startswith(f"Container {name} ")]

    def expect(self, name, text, within=8):
        """The finding with this text about a container, and when it was seen."""
        wait_until(lambda: [one for one in self.about(name) if text in one[1]["summary"]], within, f"a finding that {name} {text}; there are {self.texts()}")
        found = [one for one in self.about(name) if text in one[1]["summary"]]
        if len(found) != 1:
            fail(f"{len(found)} findings that {name} {text}")
        return found[0]

    def texts(self):
        return [finding["summary"] for _, finding in self.seen.values()]


def api(exporter, path):
    status, _, body = exporter.get(f"/api/v1/{path}")
    return json.loads(body) if status == 200 else {}


def labels(name, service=""):
    return {"container": name, "service": service}


def size(text):
    """`780KiB` in bytes."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]+)", text.strip()).groups()
    return float(number) * {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]


def instant(text):
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text).replace("Z", "+00:00")).timestamp()


def start_containers(engine):
    loop = "echo starting; echo 'Fatal: no database' >&2; exit 3"
    engine.run("healthy", "exec sleep 1000", "--health-cmd", "true", "--health-interval", "1s")
    engine.run("paused", "exec sleep 1000")
    with ThreadPoolExecutor(4) as pool:
        service = ["--label", "com.docker.compose.service=workers"]
        list(pool.map(lambda n: engine.run(f"plain-{n:02}", KEEPS if n == KEEPER else "exec sleep 1000", *service), range(PLAIN)))
    engine.docker("pause", "paused")
    return {
        "unhealthy": ("exec sleep 1000", "--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1"),
        "looping": (loop, "--restart", "always"),
        "hungry": ("echo eating; x=a; while true; do x=$x$x; done", "--memory", "16m"),
        "crashed": ("echo fine; echo 'panic: index out of range'; sleep 1; echo bye; exit 139",),
    }


def check_findings(engine, findings, begun):
    """Each trouble is told within 5 s, once, with the container's last error line."""
    # What a person does meanwhile.
    engine.docker("stop", "plain-00")
    engine.docker("kill", "plain-01")
    engine.docker("rm", "--force", "plain-02")
    engine.docker("restart", "plain-03", "healthy")
    engine.run("plain-02", "exec sleep 1000", "--label", "com.docker.compose.service=workers")
    expected = {
        "unhealthy": ("became unhealthy", "health_status: unhealthy", 1, None),
        "looping": ("is in a restart loop: it died 3 times", "die", 3, "Fatal: no database"),
        "hungry": ("ran out of memory", "oom", 1, "eating"),
        "crashed": ("died by itself with exit code 139 (segmentation fault)", "die", 1, "panic: index out of range"),
    }
    late = {}
    for name, (text, action, count, words) in expected.items():
        seen, finding = findings.expect(name, text, 15)
        times = [at for at, what, who in engine.events(begun) if (what, who) == (action, name)]
        late[name] = seen - times[count - 1]
        if late[name] > 5:
            fail(f"{name}: told {late[name]:.1f} s after it happened")
        if words and not any(words in fact for fact in finding["evidence"]):
            fail(f"{name}: no {words!r} in {finding['evidence']}")
    time.sleep(1.5)
    innocent = [text for text in findings.texts() if re.match(r"Container (plain-|healthy|paused)", text)]
    if innocent:
        fail(f"what a user did was taken for trouble: {innocent}")
    if len(findings.about("hungry")) != 1 or len(findings.about("crashed")) != 1 or len(findings.about("looping")) > 2:
        fail(f"told more than once: {findings.texts()}")
    say("Findings, seconds after the event: " + ", ".join(f"{name} {secs:.1f}" for name, secs in late.items()) + "; users' stops are none.")


def check_metrics(engine, exporter):
    """The page equals what Docker says, one interval later."""
    before = engine.inspect()
    stats = {}
    for line in engine.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").splitlines():
        name, used, _, limit = line.split()
        stats[name] = (size(used), size(limit))
    time.sleep(INTERVAL + 2)
    values = exporter.wait_until(lambda v: v[key("hostwarden_probe_success", probe="docker")] == 1, 10, "a poll")
    after = engine.inspect()
    if len(after) != 30:
        fail(f"{len(after)} containers")
    problems = []
    for name, told in after.items():
        service = (told["Config"]["Labels"] or {}).get("com.docker.compose.service", "")
        state, get = told["State"], lambda metric, **more: values.get(key(COUNTERS + metric, **labels(name, service), **more))
        says = {one: get("state", state=one) for one in ("created", "running", "paused", "restarting", "removing", "exited", "dead")}
        if name == "looping":
            restarts = before[name]["RestartCount"], after[name]["RestartCount"]
            if not restarts[0] <= get("restarts_total") <= restarts[1]:
                problems.append(f"looping: {get('restarts_total')} restarts, Docker had {restarts}")
            continue
        if says != {one: float(one == state["Status"]) for one in says}:
            problems.append(f"{name}: {says}, Docker says {state['Status']}")
        health = state.get("Health", {}).get("Status")
        if get("healthy") != (None if health is None else float(health == "healthy")):
            problems.append(f"{name}: healthy {get('healthy')}, Docker says {health}")
        if abs(get("started_timestamp_seconds") - instant(state["StartedAt"])) > 0.01:
            problems.append(f"{name}: started {get('started_timestamp_seconds')}, Docker says {state['StartedAt']}")
        if get("restarts_total") != told["RestartCount"] or get("oom_kills_total") != float(name == "hungry"):
            problems.append(f"{name}: {get('restarts_total')} restarts, {get('oom_kills_total')} kills for lack of memory")
        if (get("memory_bytes") is None) != (name not in stats) or get("network_receive_bytes_total") != 0:
            problems.append(f"{name}: memory {get('memory_bytes')}, docker stats says {stats.get(name)}")
        # It rounds to four digits; each processor may hold a batch of pages that the kernel has charged and nobody uses yet (MEMCG_CHARGE_BATCH,
        # 64 pages); a health check is a process that comes and goes.
        slack = 64 * 4096 * (os.cpu_count() or 1) + (0 if health is None else 4 * 2**20)
        for what, metric in enumerate(("memory_bytes", "memory_limit_bytes")):
            if name in stats and stats[name][1] and abs(get(metric) - stats[name][what]) > 0.005 * stats[name][what] + slack:
                problems.append(f"{name}: {metric} {get(metric)}, docker stats says {stats[name][what]}")
    kept = values[key(COUNTERS + "memory_bytes", **labels(f"plain-{KEEPER:02}", "workers"))]
    if not KEPT_BYTES <= kept <= KEPT_BYTES + 4 * 2**20:
        problems.append(f"plain-{KEEPER:02}: holds {KEPT_BYTES} bytes, the page says {kept}")
    if problems:
        fail("the page is not what Docker says:\n" + "\n".join(problems))
    cpu = check_cpu(engine, exporter, values, after)
    listed = api(exporter, "containers?limit=500")
    if listed["total"] != 30 or {one["name"] for one in listed["containers"]} != set(after):
        fail(f"the API lists {listed['total']} containers")
    say(f"Metrics: 30 containers equal docker inspect and docker stats within one interval; {cpu:.2f} s of processor time by both.")


def check_cpu(engine, exporter, values, containers):
    """Processor time lies between two askings of Docker."""
    now = 0.0
    for name, told in containers.items():
        if not told["State"]["Running"] or name == "looping":
            continue
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(engine.socket)
        connection.request("GET", f"/containers/{told['Id']}/stats?stream=0&one-shot=1")
        total = json.load(connection.getresponse())["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
        connection.close()
        service = (told["Config"]["Labels"] or {}).get("com.docker.compose.service", "")
        shown = values[key(COUNTERS + "cpu_seconds_total", **labels(name, service))]
        now += total
        # Those restarted or made anew have more than Docker still knows.
        if not (shown <= total + 0.001 or name in ("plain-02", "plain-03", "healthy")) or (name.startswith("plain") and shown < total - 0.5):
            fail(f"{name}: {shown} s of processor time, Docker says {total}")
    return now


def check_cache(exporter, proxy):
    """Pages come from memory."""
    before, begun = proxy.asked["GET /containers/ID/stats"], time.monotonic()
    took = []
    for _ in range(50):
        start = time.monotonic()
        exporter.page()
        took.append(time.monotonic() - start)
    polls = 1 + (time.monotonic() - begun) // INTERVAL
    if proxy.asked["GET /containers/ID/stats"] - before > 31 * polls:
        fail("pages ask Docker")
    say(f"Pages: 50 of them asked Docker for nothing; the median took {sorted(took)[25] * 1000:.0f} ms.")


def check_gaps(engine, exporter, proxy, findings):
    """What happened while nobody could be asked is found, once."""
    proxy.away = True
    proxy.cut()
    engine.run("unseen", "echo 'error: gone meanwhile'; exit 9")
    time.sleep(1)
    proxy.away = False
    findings.expect("unseen", "died by itself with exit code 9", 20)
    proxy.no_events = True
    proxy.cut()
    time.sleep(1)
    engine.run("untold", "sleep 6; exit 11")
    findings.expect("untold", "died by itself with exit code 11", 6 + 3 * INTERVAL)
    proxy.no_events = False
    say("Gaps: a crash while the proxy was away and one while it refused events were found, each once.")
    return ["unseen", "untold"]


def check_engine_restart(engine, exporter, findings, how):
    known = set(findings.seen)
    values, _ = exporter.page()
    if how == "polite":
        engine.process.terminate()
    else:
        engine.process.kill()
    engine.process.wait(60)
    # A poll may have had its list before the engine went.
    gone = lambda v: v[key("hostwarden_probe_success", probe="docker")] == 0 and not any(name == COUNTERS + "state" for name, _ in v)
    exporter.wait_until(gone, 3 * INTERVAL, "a poll that fails, and no states of an engine that is away")
    never_fall(exporter, values, "while the engine was away")
    if how != "polite":
        # It would wait for its own pid.
        (engine.folder / "docker.pid").unlink(missing_ok=True)
    engine.start()
    running = [name for name, one in engine.inspect().items() if one["State"]["Status"] == "running"]
    engine.docker("start", *(f"plain-{number:02}" for number in range(2, PLAIN)))
    exporter.wait_until(lambda v: v.get(key(COUNTERS + "state", **labels("plain-04", "workers"), state="running")) == 1, 30, "containers are back")
    time.sleep(INTERVAL + 2)
    never_fall(exporter, values, "after the engine came back")
    new = [finding["summary"] for number, (_, finding) in findings.seen.items() if number not in known]
    guilty = [text for text in new if not re.match(r"Container (looping|unhealthy) ", text)]
    if guilty or len(new) > 4:
        fail(f"an engine that was restarted ({how}) is taken for crashes: {new}")
    say(f"Engine restarted ({how}): of 30 containers {len(running)} came up by themselves, and none was blamed.")


def never_fall(exporter, before, when):
    after = exporter.wait_until(lambda _: True, 10, "a page")
    _, types = exporter.page()
    fallen = [(series, before[series], after[series]) for series in after.keys() & before.keys() if is_counting(series[0], types) and after[series] < before[series]]
    if fallen:
        fail(f"counters fell {when}: {fallen[:5]}")


def check_exporter_restart(exporter, findings, endpoint):
    """A kill loses no counter, and tells nothing twice."""
    before, _ = exporter.page()
    known = len(findings.seen)
    exporter.kill()
    exporter.config.write_text(re.sub(r'endpoint = ".*"', f'endpoint = "{endpoint}"', exporter.config.read_text()))
    exporter.start()
    exporter.wait_until(lambda v: any(name == COUNTERS + "state" for name, _ in v), 30, "containers after a kill")
    never_fall(exporter, before, "when the exporter was killed")
    time.sleep(3)
    new = [finding["summary"] for number, (_, finding) in findings.seen.items() if number > known]
    if [text for text in new if not text.startswith("Container looping ")]:
        fail(f"told again after a kill: {new}")
    say("Exporter killed: no counter fell, nothing was told again.")


def check_questions(proxy):
    if proxy.refused:
        fail(f"asked for what is not documented: {proxy.refused[:5]}")
    docs = (ROOT / "docs/probes.md").read_text()
    for kind in ALLOWED:
        if not proxy.asked[kind]:
            fail(f"{kind} was never asked")
        if f"`{kind}`" not in docs:
            fail(f"docs/probes.md does not name {kind}")
    say("Questions: " + ", ".join(f"{count} {kind}" for kind, count in sorted(proxy.asked.items())) + "; no others.")


def trial(folder, ending):
    begun = time.time()
    engine = Engine(folder)
    ending.append(engine.end)
    engine.start()
    engine.image()
    troubles = start_containers(engine)
    proxy = Proxy(engine.socket)
    exporter = Exporter(folder, CONFIG.format(endpoint=proxy.endpoint, interval=INTERVAL))
    ending.append(lambda: exporter.process and exporter.process.poll() is None and exporter.kill())
    exporter.start()
    exporter.wait_until(lambda v: key(COUNTERS + "state", **labels("paused"), state="paused") in v, 20, "a first look")
    findings = Findings(exporter)
    for name, (command, *options) in troubles.items():
        engine.run(name, command, *options)
    check_findings(engine, findings, begun)
    check_metrics(engine, exporter)
    check_cache(exporter, proxy)
    check_gaps(engine, exporter, proxy, findings)
    check_engine_restart(engine, exporter, findings, "polite")
    check_engine_restart(engine, exporter, findings, "killed")
    check_questions(proxy)
    check_exporter_restart(exporter, findings, f"unix://{engine.socket}")
    findings.stopped = True
    if exporter.stop() != 0:
        exporter.explain("a polite stop failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    for program, package in (("dockerd", "docker.io"), ("docker", "docker.io")):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            fail(f"{program} is not installed: apt-get install {package}")
    if os.getuid() != 0:
        fail("dockerd needs root: run this as root")
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-docker-"))
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

"""The exporter under trial: start it, ask it, kill it, and read its page. Shared by the other scripts; shows nothing by itself.

Every process started here is ended here, by its own id.
"""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TEXT = "text/plain; version=0.0.4"

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \S+)?$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def binary(name="hostwarden", variable="HOSTWARDEN_BIN"):
    """The program to try: as the environment names it, else the newest build."""
    if named := os.environ.get(variable):
        return named
    built = [path for profile in ("release", "debug") if (path := ROOT / "target" / profile / name).is_file()]
    if not built:
        sys.exit(f"{name} is not built: run `make build`, for generate_logs `cargo build --example generate_logs`, or set {variable}")
    return str(max(built, key=lambda path: path.stat().st_mtime))


def take_away(folder, keep):
    """Removes a trial's temporary folder, or says where it is if it is to be kept."""
    if keep:
        print(f"left in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


def free_port():
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def key(name, **labels):
    """How a series is found in a page: `le` as a number, since the two formats write it differently."""
    if "le" in labels:
        labels["le"] = float(labels["le"])
    return (name, frozenset(labels.items()))


def parse(page):
    """A page as {series: value}, and each family's type."""
    values, types = {}, {}
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            types[name] = kind
        if not line or line.startswith("#"):
            continue
        match = SAMPLE.match(line)
        if not match:
            raise ValueError(f"no sample: {line!r}")
        name, labels, value = match.groups()
        pairs = {k: re.sub(r"\\.", lambda m: ESCAPES.get(m[0], m[0]), v) for k, v in LABEL.findall(labels or "")}
        series = key(name, **pairs)
        if series in values:
            raise ValueError(f"stands twice: {line!r}")
        values[series] = float(value)
    return values, types


def is_counting(name, types):
    """Whether a sample of this name must never fall: counters, buckets, sums and counts."""
    if types.get(name) == "counter" or (name.endswith("_total") and types.get(name[: -len("_total")]) == "counter"):
        return True
    return any(name.endswith(end) and types.get(name[: -len(end)]) == "histogram" for end in ("_bucket", "_sum", "_count"))


class Exporter:
    """One exporter with its own folder, configuration, state and port."""

    def __init__(self, folder, config, program=None):
        self.folder = Path(folder)
        self.program = program or binary()
        self.port = free_port()
        self.process = None
        self.log = open(self.folder / "exporter.log", "ab")
        self.config = self.folder / "hostwarden.toml"
        front = f'[server]\nlisten = ["127.0.0.1:{self.port}"]\n[state]\ndir = "{self.folder}/state"\n'
        self.config.write_text(front + config)

    def start(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOSTWARDEN_")}
        self.process = subprocess.Popen(
            [self.program, "--config", str(self.config), "run"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment
        )

    def kill(self):
        """As a power cut would: SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self, within=15):
        """As an operator would: SIGTERM; gives the exit code."""
        if self.process is None or self.process.poll() is not None:
            return None if self.process is None else self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def get(self, path, accept=TEXT, timeout=10):
        """Status, content type and body; status 0 if nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Accept": accept})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, "", ""
        finally:
            connection.close()

    def page(self, accept=TEXT):
        """The page as `parse` gives it; nothing while it is not served."""
        status, _, body = self.get("/metrics", accept)
        return parse(body) if status == 200 else (None, None)

    def wait_until(self, holds, within, what):
        """Asks for pages until `holds(values)`; gives that page, or ends the program with what is still missing."""
        deadline = time.monotonic() + within
        values = None
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.explain(f"the exporter ended by itself with {self.process.returncode}")
            values, _ = self.page()
            if values is not None and holds(values):
                return values
            time.sleep(0.1)
        self.explain(f"not within {within} s: {what}")

    def explain(self, problem):
        """Ends the program with the problem and the end of the exporter's log."""
        self.log.flush()
        tail = (self.folder / "exporter.log").read_bytes().decode(errors="replace").splitlines()[-15:]
        sys.exit("\n".join([f"FAILED: {problem}", "The exporter's last words:", *tail]))

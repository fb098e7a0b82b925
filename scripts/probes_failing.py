#!/usr/bin/env python3
"""Shows that nothing suffers when every probe fails at once.

    scripts/probes_failing.py [--seconds N]

Docker is a proxy that refuses everything, CrowdSec and SQL Server are ports where nobody answers (one refuses, one stays silent), the host's
root is an empty folder, nft cannot be found, and the folder of watched files is away. Meanwhile the page is asked for again and again: it
comes within 50 ms (the median; a busy machine may delay a few), each probe's success is 0, and each says why once and no more. Everything is
in a temporary folder of its own; exit code 0 if all holds.
"""

import argparse
import http.server
import json
import os
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path

from exporter import Exporter, free_port, key

CONFIG = """
[probes.docker]
enabled = true
interval_secs = 5
endpoint = "tcp://127.0.0.1:{refusing}"
[probes.host]
enabled = true
interval_secs = 5
root = "{folder}/nothing"
[probes.sqlserver]
enabled = true
timeout_secs = 5
instances = [
    {{ name = "closed", host = "127.0.0.1", port = {closed}, user = "a", password = "secret" }},
    {{ name = "silent", host = "127.0.0.1", port = {silent}, user = "a", password = "secret" }},
]
[probes.udp_ports]
enabled = true
interval_secs = 1
services = [{{ name = "game", port = 27015 }}]
[probes.crowdsec]
enabled = true
interval_secs = 1
url = "http://127.0.0.1:{closed}"
api_key = "0123456789abcdef"
[probes.integrity]
enabled = true
interval_secs = 10
"""

PROBES = ["docker", "host", "sqlserver", "udp_ports", "crowdsec", "integrity"]


class Refusing(http.server.BaseHTTPRequestHandler):
    """A socket proxy whose rules allow nothing."""

    def do_GET(self):
        self.send_error(403)

    def log_message(self, *_):
        pass


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=int, default=12, help="how long to look (default 12)")
    options = arguments.parse_args()
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    silent = socket.create_server(("127.0.0.1", 0))
    os.environ["PATH"] = ""
    with tempfile.TemporaryDirectory(prefix="hostwarden-failing-") as folder:
        ports = {"refusing": proxy.server_address[1], "silent": silent.getsockname()[1], "closed": free_port()}
        exporter = Exporter(Path(folder), CONFIG.format(folder=folder, **ports))
        try:
            exporter.start()
            look(exporter, Path(folder), options.seconds)
        finally:
            exporter.kill()
    proxy.shutdown()


def look(exporter, folder, seconds):
    exporter.wait_until(lambda values: True, 10, "a page")
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        values, _ = exporter.page()
        took.append(time.monotonic() - begun)
        time.sleep(0.05)
    success = {probe: values.get(key("hostwarden_probe_success", probe=probe)) for probe in PROBES}
    assert success == dict.fromkeys(PROBES, 0.0), success
    reasons = {probe["probe"]: probe["problem"] for probe in json.loads(exporter.get("/api/v1/probes")[2])["probes"]}
    for probe in PROBES:
        print(f"  {probe}: {reasons[probe]}")
    log = (folder / "exporter.log").read_text()
    said = [line for line in log.splitlines() if "A probe fails" in line]
    for probe in PROBES:
        lines = [line for line in said if f'probe="{probe}"' in line]
        assert len(lines) == 1, (probe, lines)
    assert "secret" not in log + json.dumps(reasons), "a password is told"
    print(f"  {len(took)} pages: median {statistics.median(took) * 1000:.1f} ms, longest {max(took) * 1000:.1f} ms, reading included")
    assert statistics.median(took) < 0.05, "the page is late"
    print("All probes fail, and nothing suffers.")


if __name__ == "__main__":
    main()

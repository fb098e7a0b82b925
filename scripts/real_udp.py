#!/usr/bin/env python3
"""Shows that the exporter counts what arrives at UDP ports, in the kernel, with real nftables.

    scripts/real_udp.py [--seed 7] [--keep]

Makes three network namespaces: a sender, a host, and a container behind a port that the host publishes by DNAT, as Docker does. The
exporter runs in the host's. A thousand senders (forged, as raw packets) send to a port of a program on the host and to the published one,
over IPv4 and IPv6, and one sender is a player. Then: packets and bytes are exact, sources right within 1 %; a flood is told once, looks
spoofed, and names no player; a table that was flushed or deleted by hand is back within ten seconds, and nothing that was read before is
lost; a kill and a new start lose and double nothing; a stop leaves no table behind; and without the capability or without nft the probe
says so once and is down, while the page goes on.

Needs root (or CAP_SYS_ADMIN and CAP_NET_ADMIN), ip, nft, setpriv. Ends and removes all that it made; exit code 0 if all holds.
"""

import argparse
import ctypes
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from exporter import Exporter, key

# Of the host's program, and of the container's as the host publishes it and as it is inside.
HOST, PUBLISHED, INSIDE = 27015, 27016, 9000
SENDERS = 1000
PLAYER = "10.77.7.77"
TABLE = "hostwarden_udp"

PLAYERS = "time,event,name,ip,key,server\n{now},join,Alice,{player},abcdef,game\n"

CONFIG = """
[privacy]
salt = "{salt}"
[probes.udp_ports]
enabled = true
interval_secs = 1
window_secs = 10
[[probes.udp_ports.services]]
name = "host"
port = 27015
[[probes.udp_ports.services]]
name = "container"
port = 27016
packets_per_sec = 100
sources = 500
[detectors.udp_flood]
packets_cooldown_secs = 5
sources_cooldown_secs = 5
[[sources]]
name = "players"
file = "{folder}/players.csv"
format = "players_csv"
start = "beginning"
"""

DNAT = """
table inet trial {{
  chain prerouting {{
    type nat hook prerouting priority dstnat
    ip daddr 10.77.0.1 udp dport {published} dnat ip to 10.78.0.2:{inside}
    ip6 daddr fd77::1 udp dport {published} dnat ip6 to [fd78::2]:{inside}
  }}
}}
"""


def sh(command, check=True, **options):
    return subprocess.run(command.split(), check=check, capture_output=True, text=True, **options)


class Machines:
    """Three network namespaces, joined by two cables."""

    def __init__(self):
        self.sender, self.host, self.container = (f"hwudp{os.getpid()}{end}" for end in "shc")

    def make(self):
        for name in (self.sender, self.host, self.container):
            sh(f"ip netns add {name}")
            self.run(name, "ip link set lo up")
        self.cable(self.sender, "10.77.255.254/16", "fd77::ffff/64", self.host, "10.77.0.1/16", "fd77::1/64", "out")
        self.cable(self.container, "10.78.0.2/24", "fd78::2/64", self.host, "10.78.0.1/24", "fd78::1/64", "in")
        self.run(self.container, "ip route add default via 10.78.0.1")
        self.run(self.container, "ip -6 route add default via fd78::1")
        # What a container asks of a server elsewhere passes the host by, and has not arrived there.
        self.run(self.host, "ip route add default via 10.77.255.254")
        for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0"):
            self.run(self.host, f"sysctl -qw {setting}")
        self.run(self.host, "nft -f -", input=DNAT.format(published=PUBLISHED, inside=INSIDE))

    def cable(self, one, one_v4, one_v6, other, other_v4, other_v6, name):
        sh(f"ip link add {name} netns {one} type veth peer name {name} netns {other}")
        for machine, v4, v6 in ((one, one_v4, one_v6), (other, other_v4, other_v6)):
            self.run(machine, f"ip addr add {v4} dev {name}")
            self.run(machine, f"ip -6 addr add {v6} dev {name} nodad")
            self.run(machine, f"ip link set {name} up")

    def run(self, machine, command, **options):
        return sh(f"ip netns exec {machine} {command}", **options)

    def table(self):
        """The exporter's table on the host; nothing if there is none."""
        return self.run(self.host, f"nft list table inet {TABLE}", check=False).stdout

    def remove(self):
        for name in (self.sender, self.host, self.container):
            sh(f"ip netns del {name}", check=False)


def enter(machine):
    """A function for Popen that moves the child into a namespace."""

    def move():
        with open(f"/run/netns/{machine}") as namespace:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(namespace.fileno(), 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    return move


class Inside(Exporter):
    """An exporter in a namespace. Its page is asked for from there, too."""

    def __init__(self, folder, config, machine):
        super().__init__(folder, config)
        self.machine, self.limits, self.path = machine, [], os.environ["PATH"]

    def start(self):
        environment = {"PATH": self.path, "HOME": str(self.folder)}
        command = [*self.limits, self.program, "--config", str(self.config), "run"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment, preexec_fn=enter(self.machine)
        )

    def get(self, path, accept="text/plain", timeout=10):
        url = f"http://127.0.0.1:{self.port}{path}"
        command = ["ip", "netns", "exec", self.machine, "curl", "-s", "-m", str(timeout), "-H", f"Accept: {accept}", "-w", "\n%{http_code}", url]
        body, _, status = subprocess.run(command, capture_output=True, text=True).stdout.rpartition("\n")
        return int(status or 0), accept, body

    def counted(self, service, port, packets, bytes_):
        labels = {"service": service, "port": str(port)}
        names = [key(f"hostwarden_udp_received_{what}_total", **labels) for what in ("packets", "bytes")]
        want = [packets, bytes_]
        last = []

        def holds(values):
            last[:] = [values.get(name) for name in names]
            return last == want

        try:
            return self.wait_until(holds, 10, f"{service} counted {want}")
        except SystemExit as problem:
            sys.exit(f"{problem}\nseen at last: {last}")

    def findings(self):
        self.log.flush()
        lines = (self.folder / "exporter.log").read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


SEND = """
import random, socket, struct, sys, time
plan = eval(sys.stdin.read())
v4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
v6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF

for number, (source, port, size) in enumerate(plan):
    udp = struct.pack("!HHHH", 40000, port, 8 + size, 0) + bytes(size)
    if ":" in source:
        pseudo = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "fd77::1")
        check = checksum(pseudo + struct.pack("!IHBB", len(udp), 0, 0, 17) + udp + bytes(len(udp) % 2))
        udp = udp[:6] + struct.pack("!H", check) + udp[8:]
        packet = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + pseudo + udp
        v6.sendto(packet, ("fd77::1", 0))
    else:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number & 0xFFFF, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton("10.77.0.1"))
        v4.sendto(head + udp, ("10.77.0.1", 0))
    if number % 50 == 0:
        time.sleep(0.002)
"""


def send(machines, plan):
    """Sends packets (source, port, size); gives packets and bytes with their headers, by port."""
    subprocess.run(
        ["ip", "netns", "exec", machines.sender, sys.executable, "-c", SEND], input=repr(plan), text=True, check=True, timeout=60
    )
    sums = {}
    for source, port, size in plan:
        packets, total = sums.get(port, (0, 0))
        sums[port] = (packets + 1, total + size + 8 + (40 if ":" in source else 20))
    return sums


class Sums:
    def __init__(self):
        self.of = {HOST: (0, 0), PUBLISHED: (0, 0)}

    def add(self, sums):
        for port, (packets, total) in sums.items():
            self.of[port] = (self.of[port][0] + packets, self.of[port][1] + total)


def v4(number):
    return f"10.77.{1 + number // 250}.{1 + number % 250}"


def expect(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


def told(text):
    print(f"  {text}", flush=True)


def check_counts(exporter, sums):
    exporter.counted("host", HOST, *sums.of[HOST])
    return exporter.counted("container", PUBLISHED, *sums.of[PUBLISHED])


def counts(machines, exporter, sums, rng):
    """A thousand senders at both ports."""
    plan = [(v4(number), port, rng.randrange(0, 1200)) for number in range(SENDERS) for port in (HOST, PUBLISHED) for _ in range(2)]
    plan += [(f"fd77::1:{number:x}", port, 64) for number in range(100) for port in (HOST, PUBLISHED)]
    plan += [(PLAYER, port, 100) for port in (HOST, PUBLISHED) for _ in range(50)]
    rng.shuffle(plan)
    sums.add(send(machines, plan))
    values = check_counts(exporter, sums)
    for service, port in (("host", HOST), ("container", PUBLISHED)):
        sources = values[key("hostwarden_udp_sources", service=service, port=str(port))]
        expect(abs(sources - (SENDERS + 101)) <= (SENDERS + 101) / 100, f"{service}: {sources} sources, sent {SENDERS + 101}")
        told(f"{service}: {sums.of[port][0]:.0f} packets, {sums.of[port][1]:.0f} bytes, {sources:.0f} sources, as sent")


def floods(exporter):
    """Told by kind, spoofed-looking, without the player."""
    count = lambda values, kind: values[key("hostwarden_udp_floods_total", service="container", kind=kind)]
    exporter.wait_until(lambda values: count(values, "packets") == 1 and count(values, "sources") == 1, 15, "one flood of each kind")
    exporter.wait_until(lambda values: len(exporter.findings()) >= 4, 30, "each flood told when it begins and when it ends")
    findings = [finding for finding in exporter.findings() if finding["detector"] == "udp_flood"]
    begins = [finding for finding in findings if finding["severity"] == "warning"]
    expect(len(begins) == 2 and len(findings) == 4, f"two beginnings, two ends: {findings}")
    sources = [finding for finding in begins if "distinct sources" in finding["summary"]]
    expect(len(sources) == 1 and "looks spoofed" in sources[0]["summary"], f"it looks spoofed: {begins}")
    text = json.dumps(findings)
    expect("10.77." in text and PLAYER not in text and "can be forged" in text, f"sources without the player: {text}")
    expect(all("client" not in finding for finding in findings), "a flood is about a port, and nobody is blamed")
    told(f"floods told: {sources[0]['summary']}")


def outgoing(machines, exporter, sums):
    """What the container asks of a server elsewhere."""
    code = f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); [s.sendto(b'x', ('10.99.0.1', {HOST})) for _ in range(20)]"
    subprocess.run(["ip", "netns", "exec", machines.container, sys.executable, "-c", code], check=True)
    sums.add(send(machines, [(v4(1), HOST, 10)] * 5))
    check_counts(exporter, sums)


def mended(machines, exporter, sums, how):
    """After somebody's hand was in it."""
    check_counts(exporter, sums)
    machines.run(machines.host, how)
    begun = time.monotonic()
    while "update @v4_27016" not in machines.table():
        expect(time.monotonic() - begun < 10, f"the table is back within 10 s after: {how}")
        time.sleep(0.1)
    took = time.monotonic() - begun
    if "flush ruleset" in how:
        machines.run(machines.host, "nft -f -", input=DNAT.format(published=PUBLISHED, inside=INSIDE))
    sums.add(send(machines, [(v4(number), port, 10) for number in range(50) for port in (HOST, PUBLISHED)]))
    check_counts(exporter, sums)
    told(f"{how}: back after {took:.1f} s, nothing lost")


def killed(machines, exporter, sums):
    """SIGKILL: the table goes on counting, and is taken over."""
    exporter.kill()
    expect(TABLE in machines.table(), "a kill cleans nothing up")
    sums.add(send(machines, [(v4(number), port, 10) for number in range(300) for port in (HOST, PUBLISHED)]))
    exporter.start()
    check_counts(exporter, sums)
    sums.add(send(machines, [(v4(number), port, 10) for number in range(300) for port in (HOST, PUBLISHED)]))
    # What the last look missed is in the last words.
    expect(exporter.stop() == 0, "stops with 0")
    expect(not machines.table(), f"nothing is left behind: {machines.table()}")
    tables = machines.run(machines.host, "nft list tables").stdout
    expect(tables == "table inet trial\n", f"only the trial's own table is left: {tables}")
    exporter.start()
    check_counts(exporter, sums)
    expect(exporter.stop() == 0 and not machines.table(), "stops again")
    told("kill, new start, stop, new start: nothing lost, nothing doubled, nothing left")


def powerless(machines, exporter, sums, what, words):
    """Down, said once, and the page goes on."""
    before = len((exporter.folder / "exporter.log").read_text())
    exporter.start()
    exporter.wait_until(lambda values: values.get(key("hostwarden_probe_success", probe="udp_ports")) == 0, 10, f"down {what}")
    time.sleep(3)
    values, _ = exporter.page()
    packets = values[key("hostwarden_udp_received_packets_total", service="host", port=str(HOST))]
    expect(packets == sums.of[HOST][0], f"counters stay: {packets}")
    expect(key("hostwarden_udp_sources", service="host", port=str(HOST)) not in values, "nobody knows the sources now")
    expect(exporter.stop() == 0, "stops with 0")
    said = (exporter.folder / "exporter.log").read_text()[before:]
    expect(said.count("WARN") == 1 and words in said, f"said once, with {words!r}:\n{said}")
    told(f"{what}: {next(line for line in said.splitlines() if 'WARN' in line).split('error=')[-1]}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--keep", action="store_true")
    arguments = arguments.parse_args()
    if os.geteuid() != 0:
        sys.exit("This trial makes network namespaces: run it as root.")
    rng = random.Random(arguments.seed)
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-udp-"))
    machines, exporter, sums = Machines(), None, Sums()
    begun = time.monotonic()
    try:
        machines.make()
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        (folder / "players.csv").write_text(PLAYERS.format(now=now, player=PLAYER))
        exporter = Inside(folder, CONFIG.format(folder=folder, salt=rng.randbytes(32).hex()), machines.host)
        exporter.start()
        exporter.wait_until(lambda values: values.get(key("hostwarden_probe_success", probe="udp_ports")) == 1, 15, "the probe works")
        check_counts(exporter, sums)
        counts(machines, exporter, sums, rng)
        floods(exporter)
        outgoing(machines, exporter, sums)
        for how in (f"nft flush table inet {TABLE}", f"nft delete table inet {TABLE}", "nft flush ruleset"):
            mended(machines, exporter, sums, how)
        killed(machines, exporter, sums)
        exporter.limits = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
        powerless(machines, exporter, sums, "without the capability", "CAP_NET_ADMIN")
        exporter.limits, exporter.path = [], "/nowhere"
        powerless(machines, exporter, sums, "without nft", "install nftables")
        expect(not machines.table(), "nothing is left behind")
    finally:
        if exporter and exporter.process:
            exporter.stop()
        machines.remove()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"UDP ports: all holds ({time.monotonic() - begun:.0f} s).")


if __name__ == "__main__":
    main()

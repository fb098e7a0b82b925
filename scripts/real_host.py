#!/usr/bin/env python3
"""Shows that the probe of the host tells what this machine's kernel and `df` tell, also from a container.

    scripts/real_host.py [--keep]

Starts a program that burns a processor, holds memory and has connections open. Then two exporters look: one on the machine itself, and,
as root, one in process and mount namespaces of its own that sees the machine below another root, as in a container. Their numbers equal
those of /proc and `df` within what changes in between. Says what a look costs.

Needs nothing but Python, and util-linux for the second half. Everything is ended and gone afterwards; exit code 0 if all holds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from exporter import Exporter, binary, key, take_away

CONFIG = """
[probes.host]
enabled = true
interval_secs = 5
root = "{root}"
"""

BURNER = """
import os, socket, sys
open("/proc/self/comm", "w").write("hw-burner")
held = b"x" * (200 << 20)
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
pairs = [(socket.create_connection(listener.getsockname()), listener.accept()[0]) for _ in range(50)]
print(listener.getsockname()[1], flush=True)
while os.getppid() == int(sys.argv[1]):
    sum(range(100_000))
"""

# What a container is in this: it sees its own processes in /proc, and the machine below another folder.
CONTAINER = """#!/bin/sh
exec unshare --mount --pid --fork --kill-child sh -c 'mount --rbind / {root} && mount -t proc proc /proc && exec {program} "$@"' sh "$@"
"""


def fields(path):
    return {name.strip(): int(rest.split()[0]) for name, rest in (line.split(":") for line in Path(path).read_text().splitlines())}


def near(what, got, expected, within):
    if got is None or abs(got - expected) > within:
        sys.exit(f"FAILED: {what}: the page says {got}, the machine {expected} (within {within})")


def rows(values, name):
    return {tuple(sorted(dict(labels).items())): value for (row, labels), value in values.items() if row == name}


def check_kernel(values):
    ticks = os.sysconf("SC_CLK_TCK")
    stat = Path("/proc/stat").read_text().splitlines()
    modes = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
    for mode, count in zip(modes, stat[0].split()[1:]):
        near(f"cpu {mode}", values.get(key("hostwarden_host_cpu_seconds_total", mode=mode)), int(count) / ticks, 10 * os.cpu_count())
    boot = next(int(line.split()[1]) for line in stat if line.startswith("btime"))
    near("start", values.get(key("hostwarden_host_boot_timestamp_seconds")), boot, 2)
    memory = fields("/proc/meminfo")
    total, available = memory["MemTotal"] * 1024, memory["MemAvailable"] * 1024
    near("memory", values.get(key("hostwarden_host_memory_bytes", kind="total")), total, 0)
    near("available memory", values.get(key("hostwarden_host_memory_bytes", kind="available")), available, total / 20)
    near("used memory", values.get(key("hostwarden_host_memory_bytes", kind="used")), total - available, total / 20)
    near("swap", values.get(key("hostwarden_host_swap_bytes", kind="total")), memory["SwapTotal"] * 1024, 0)
    for minutes, load in zip(("1", "5", "15"), os.getloadavg()):
        near(f"load {minutes}", values.get(key("hostwarden_host_load", minutes=minutes)), load, 1)


def check_filesystems(values):
    listed = subprocess.run(["df", "-B1", "--output=target,size,avail"], capture_output=True, text=True).stdout.splitlines()[1:]
    known = {target: (int(size), int(free)) for target, size, free in (line.rsplit(None, 2) for line in listed)}
    shown = {dict(labels)["mount"] for labels in rows(values, "hostwarden_host_filesystem_bytes")}
    if "/" not in shown or not shown <= set(known):
        sys.exit(f"FAILED: the page shows the filesystems {shown}, df {set(known)}")
    for mount in shown:
        size, free = known[mount]
        near(f"size of {mount}", values.get(key("hostwarden_host_filesystem_bytes", mount=mount, kind="size")), size, 0)
        near(f"room on {mount}", values.get(key("hostwarden_host_filesystem_bytes", mount=mount, kind="available")), free, 1 << 30)
    return shown


def check_programs(values, burner, port):
    used = values.get(key("hostwarden_host_process_cpu_ratio", process="hw-burner"))
    # Others may want the processors, too; more than one it cannot use.
    if used is None or not 0.1 < used <= 1.05:
        sys.exit(f"FAILED: the page says that hw-burner takes {used} of a processor")
    resident = fields_of_status(burner.pid)["VmRSS"] * 1024
    near("memory of hw-burner", values.get(key("hostwarden_host_process_memory_bytes", process="hw-burner")), resident, resident / 20)
    for name in ("memory_bytes", "cpu_ratio"):
        if len(rows(values, f"hostwarden_host_process_{name}")) > 10:
            sys.exit(f"FAILED: more than ten programs by {name}")
    states = [line.split()[3] for table in ("tcp", "tcp6") if Path(f"/proc/net/{table}").exists()
              for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    established = values.get(key("hostwarden_host_connections", protocol="tcp", state="established"))
    near("connections", established, states.count("01"), 20)
    listen = values.get(key("hostwarden_host_connections", protocol="tcp", state="listen"))
    near("listening sockets", listen, states.count("0A"), 5)
    if listen <= 60 and key("hostwarden_host_listening", protocol="tcp", port=str(port), scope="loopback") not in values:
        sys.exit(f"FAILED: the page does not show that something listens on {port}")


def fields_of_status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: int(rest.split()[0]) for name, rest in (line.split(":", 1) for line in lines) if rest.split()[-1:] == ["kB"]}


def cpu_secs(pid):
    """Processor time of a process, all its threads together."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def check(exporter, burner, port, where):
    enough = key("hostwarden_host_process_cpu_ratio", process="hw-burner")
    values = exporter.wait_until(lambda page: enough in page, 30, "two looks at the host")
    check_kernel(values)
    shown = check_filesystems(values)
    check_programs(values, burner, port)
    near("success", values.get(key("hostwarden_probe_success", probe="host")), 1, 0)
    took = values[key("hostwarden_probe_duration_seconds", probe="host")]
    count = sum(1 for name, _ in values if name.startswith("hostwarden_host_"))
    print(f"{where}: {count} series, filesystems {', '.join(sorted(shown))}; equal to /proc and df. A look took {took * 1000:.1f} ms.")


def cost(exporter, secs=20):
    before, begun = cpu_secs(exporter.process.pid), time.monotonic()
    time.sleep(secs)
    looks = (time.monotonic() - begun) / 5.1
    used = cpu_secs(exporter.process.pid) - before
    processes = sum(1 for name in os.listdir("/proc") if name.isdigit())
    print(f"Cost: {used / looks * 1000:.1f} ms of a processor for each look at {processes} processes, all else that it does included.")


def trial(folder, root):
    burner = subprocess.Popen([sys.executable, "-c", BURNER, str(os.getpid())], stdout=subprocess.PIPE, text=True)
    exporters = []
    try:
        port = int(burner.stdout.readline())
        (folder / "plain").mkdir()
        exporters.append(Exporter(folder / "plain", CONFIG.format(root="/")))
        exporters[-1].start()
        check(exporters[-1], burner, port, "On the machine")
        cost(exporters[-1])
        can_contain = os.getuid() == 0 and subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True).returncode == 0
        if not can_contain:
            print("From a container: left out, that takes root and namespaces.")
            return
        (folder / "contained").mkdir()
        program = folder / "contained" / "program"
        program.write_text(CONTAINER.format(root=root, program=os.path.abspath(binary())))
        program.chmod(0o755)
        exporters.append(Exporter(folder / "contained", CONFIG.format(root=root), program=str(program)))
        exporters[-1].start()
        check(exporters[-1], burner, port, "From a container")
    finally:
        for exporter in exporters:
            if exporter.process and exporter.process.poll() is None:
                exporter.kill()
        burner.kill()
        burner.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="leave the folder")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="real_host."))
    # A folder of its own, which is taken away only if it is empty: the whole machine is mounted there, if only in another namespace.
    root = Path(tempfile.mkdtemp(prefix="real_host_root."))
    try:
        trial(folder, root)
    finally:
        root.rmdir()
        take_away(folder, arguments.keep)


if __name__ == "__main__":
    main()

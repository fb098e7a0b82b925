#!/usr/bin/env python3
"""Shows that the probe of SQL Server asks by sqlcmd in a container where that is turned on, with a real Docker Engine.

    scripts/real_sqlcmd.py [--keep]

Starts a dockerd of its own (as real_docker.py does) and containers of a static busybox in which sqlcmd is a script: it refuses arguments
other than the documented ones and a password that does not come by SQLCMDPASSWORD, and then tells a version, fails to log in, hangs, or
writes without end. Others have the older path only, no sqlcmd at all, do not run, or are not there. Each must have its version or its reason;
no password may stand in Docker's events or in the exporter's log; the one that hangs must end by itself and not be started again.

Needs root, dockerd, the docker command and busybox-static. Takes about 20 s in a temporary folder (--keep leaves it); exit code 0 if all holds.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from exporter import Exporter, key
from real_docker import Engine, fail

TIMEOUT = 5
PASSWORD = "Trial-9$(id)'\""
TOOLS18, TOOLS = "/opt/mssql-tools18/bin", "/opt/mssql-tools/bin"
# Nine tenths of TIMEOUT, in halves: what sqlcmd is told to hold to.
SECS = 2
# How long the one that hangs does: clearly longer than the probe waits.
HANGS = 2 * TIMEOUT

SQLCMD = r"""#!/bin/sh
expected="-S 127.0.0.1,1433 -U watcher $TRUST-l {secs} -t {secs} -h -1 -W -b -Q SET NOCOUNT ON; SELECT @@VERSION"
[ "$*" = "$expected" ] || {{ echo "not the documented arguments: $*" >&2; exit 3; }}
if [ "$DOES" = fail ] || [ "$SQLCMDPASSWORD" != "$WANTED" ]; then
  echo "Sqlcmd: Error: Microsoft ODBC Driver 18 for SQL Server : Login failed for user 'watcher'.." >&2
  exit 1
fi
case "$DOES" in
  hang) exec sleep {hang};;
  flood) i=0; while [ $i -lt 3000 ]; do echo "Microsoft SQL Server, again and again, and once more"; i=$((i + 1)); done;;
  *) echo "a warning" >&2; printf 'Microsoft SQL Server 2022 (%s) - 16.0.4125.3 (X64)\n\tCopyright\n' "$DOES";;
esac
"""

CONFIG = """
[probes.docker]
endpoint = "unix://{socket}"
[probes.sqlserver]
enabled = true
timeout_secs = {timeout}
"""

INSTANCE = """
[[probes.sqlserver.instances]]
name = "{name}"
exec_container = "{container}"
user = "watcher"
password = {password}
trust_certificate = {trust}
"""

# Instance: container, what its sqlcmd does, where it is, whether any certificate will do, and the version or the reason expected.
CASES = {
    "new": ("db-new", "new", TOOLS18, True, "Microsoft SQL Server 2022 (new) - 16.0.4125.3 (X64)"),
    "strict": ("db-strict", "strict", TOOLS18, False, "Microsoft SQL Server 2022 (strict) - 16.0.4125.3 (X64)"),
    "old": ("db-old", "old", TOOLS, True, "Microsoft SQL Server 2022 (old) - 16.0.4125.3 (X64)"),
    "refused": ("db-refused", "fail", TOOLS18, True, "wrong_password"),
    "hanging": ("db-hanging", "hang", TOOLS18, True, "timeout"),
    "flooding": ("db-flooding", "flood", TOOLS18, True, "garbage"),
    "without": ("db-without", "nothing", "/elsewhere", True, "unreachable"),
    "stopped": ("db-stopped", "nothing", TOOLS18, True, "unreachable"),
    "nowhere": ("db-nowhere", None, None, True, "unreachable"),
}


def start_containers(engine, folder):
    script = folder / "sqlcmd"
    script.write_text(SQLCMD.format(secs=SECS, hang=HANGS))
    script.chmod(0o755)
    for container, does, where, trust, _ in CASES.values():
        if does is None:
            continue
        environment = {"DOES": does, "WANTED": PASSWORD, "TRUST": "-C " if trust and where == TOOLS18 else ""}
        options = [option for name, value in environment.items() for option in ("--env", f"{name}={value}")]
        engine.run(container, "exec sleep 1000", *options, "--volume", f"{script}:{where}/sqlcmd:ro")
    engine.docker("stop", "db-stopped")


def check(exporter):
    values = exporter.wait_until(lambda values: key("hostwarden_sqlserver_up", instance="nowhere") in values, TIMEOUT + 10, "a first look")
    for name, (*_, expected) in CASES.items():
        if " " in expected:
            row = key("hostwarden_sqlserver_info", instance=name, version=expected)
            took = values.get(key("hostwarden_sqlserver_stage_duration_seconds", instance=name, stage="query"))
            is_right = values.get(row) == 1 and took is not None and took < TIMEOUT
        else:
            is_right = values.get(key("hostwarden_sqlserver_failures_total", instance=name, reason=expected)) == 1
        if not is_right or values.get(key("hostwarden_sqlserver_up", instance=name)) != float(" " in expected):
            rows = [(labels, value) for (metric, labels), value in values.items() if "sqlserver" in metric and ("instance", name) in labels and value]
            exporter.explain(f"{name}: expected {expected}, the page has {rows}; {problem(exporter)}")
    stages = [dict(labels)["stage"] for metric, labels in values if metric == "hostwarden_sqlserver_stage_duration_seconds"]
    if set(stages) != {"query"}:
        exporter.explain(f"stages that cannot be known: {stages}")


def problem(exporter):
    return next(one for one in json.loads(exporter.get("/api/v1/probes")[2])["probes"] if "sqlserver" in one.values())


def check_secrets(engine, exporter, folder, begun):
    events = engine.docker("events", "--since", str(begun), "--until", str(time.time()), "--format", "{{json .}}")
    if "exec_start" not in events or "sqlcmd" not in events:
        fail("Docker's events do not tell of sqlcmd")
    places = {"events": events, "log": (folder / "exporter.log").read_text(), "API": exporter.get("/api/v1/probes")[2]}
    for place, text in places.items():
        if PASSWORD in text or "Trial-9" in text:
            fail(f"the password stands in {place}")


def check_leftovers(engine):
    """What hung goes on, since nobody can stop it, and ends by itself: nothing started it again."""
    deadline = time.monotonic() + 2 * HANGS
    while f"sleep {HANGS}\n" in engine.docker("top", "db-hanging", "-o", "pid,args"):
        if time.monotonic() > deadline:
            fail("sqlcmd still runs")
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="hostwarden-sqlcmd-"))
    engine, exporter = Engine(folder), None
    try:
        engine.start()
        engine.image()
        start_containers(engine, folder)
        instances = [
            INSTANCE.format(name=name, container=container, password=json.dumps(PASSWORD), trust=str(trust).lower())
            for name, (container, _, _, trust, _) in CASES.items()
        ]
        exporter = Exporter(folder, CONFIG.format(socket=engine.socket, timeout=TIMEOUT) + "".join(instances))
        since = time.time()
        exporter.start()
        check(exporter)
        check_secrets(engine, exporter, folder, since)
        check_leftovers(engine)
        print(f"The probe says: {problem(exporter)['problem']}.")
    finally:
        if exporter:
            exporter.stop()
        engine.end()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(CASES)} instances had their version or their reason by sqlcmd, in {time.monotonic() - begun:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())

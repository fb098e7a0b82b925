#!/usr/bin/env python3
"""How dashboards in Python usually read these logs, as something to compare with in scripts/bench.py.

    scripts/python_readers.py json|bot FILE

`json` parses each line and counts by site, client and status; `bot` takes lines apart by a regular expression, their times by strptime,
and pairs each incoming message with the next outgoing one to the same sender. Prints the counts.
"""

import collections
import json
import re
import sys
from datetime import datetime

RECORD = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) \[(\w+)\] (\S+) \(\d+\): (.*)$")
MESSAGE = re.compile(r"^(Incoming message from|Outgoing message to) whatsapp:(\+\d+)")


def read_json(lines):
    sites, clients, statuses, seconds = collections.Counter(), collections.Counter(), collections.Counter(), 0.0
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        sites[record["host"]] += 1
        clients[record["ip"]] += 1
        statuses[record["status"]] += 1
        seconds += float(record["req_time"])
    return {"sites": len(sites), "clients": len(clients), "statuses": dict(statuses), "seconds": round(seconds, 3)}


def read_bot(lines):
    counts, waiting, replies = collections.Counter(), {}, []
    for line in lines:
        if line.startswith("Traceback (most recent call last):"):
            counts["traceback"] += 1
        match = RECORD.match(line)
        if not match:
            continue
        at = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").timestamp() + int(match[2]) / 1000
        if match[3] in ("ERROR", "CRITICAL"):
            counts[match[3].lower()] += 1
        if message := MESSAGE.match(match[5]):
            if message[1].startswith("Incoming"):
                counts["incoming"] += 1
                waiting.setdefault(message[2], []).append(at)
            else:
                counts["outgoing"] += 1
                replies.extend(at - since for since in waiting.pop(message[2], []))
    return {**counts, "replies": len(replies)}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("json", "bot"):
        sys.exit(__doc__.split("\n\n")[1].strip())
    with open(sys.argv[2], encoding="utf-8", errors="replace") as lines:
        print(json.dumps({"json": read_json, "bot": read_bot}[sys.argv[1]](lines)))


if __name__ == "__main__":
    main()

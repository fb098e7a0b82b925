#!/usr/bin/env python3
"""How dashboards in Python usually read these logs, as something to compare with in scripts/bench.py.

    scripts/python_readers.py json|dashboard|bot FILE

`json` parses each line and counts by site, client and status; `dashboard` also gives each request one of seven classes of attack, by
words of its path, and keeps what a page of attacks shows: by site, by client, by class and the last 500; `bot` takes lines apart by a
regular expression, their times by strptime, and pairs each incoming message with the next outgoing one to the same sender. Prints the
counts.
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


# The classes of the usual dashboards, in the order of importance, by words of the path.
CLASSES = [
    ("path_traversal", ("../", "%2e%2e", "..%2f")),
    ("rce_attempt", ("bin/sh", "bin/bash", "cmd.exe", "eval(", "system(", "allow_url_include", "auto_prepend_file", "<?php")),
    ("config_probe", ("/.env", "wp-config.php", "/.git/", "/.aws/", "id_rsa", "/config.php", "/config.json")),
]
CVES = ("/cgi-bin/", "phpmyadmin", "/actuator", "jndi:", "/solr/", "/boaform", "/hudson", "/vendor/phpunit")
LOGINS = ("/login", "/wp-login.php", "/auth", "/xmlrpc.php")
SCANNERS = re.compile(
    r"nuclei|masscan|nikto|zgrab|sqlmap|nmap|gobuster|dirbuster|feroxbuster|wpscan|acunetix|nessus|openvas|censys|l9explore", re.IGNORECASE
)
SUSPICIOUS = {400, 403, 404, 429, 444, 499, 500}


def classify(method, uri, status, is_scanner):
    for name, words in CLASSES:
        for word in words:
            if word in uri:
                return name
    if method == "POST" and 400 <= status < 410 and uri.startswith(LOGINS):
        return "login_brute"
    if is_scanner:
        return "scanner"
    for word in CVES:
        if word in uri:
            return "cve_probe"
    return "suspicious" if status in SUSPICIOUS else None


def read_dashboard(lines):
    def site():
        return {"requests": 0, "attacks": 0, "paths": collections.Counter(), "clients": collections.Counter()}

    def client():
        return {"requests": 0, "attacks": 0, "hours": set(), "paths": collections.Counter()}

    def kind():
        return {name: collections.Counter() for name in ("sites", "paths", "clients", "agents")}

    sites, clients, kinds = collections.defaultdict(site), collections.defaultdict(client), collections.defaultdict(kind)
    countries, recent, scanners = collections.Counter(), collections.deque(maxlen=500), {}
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        uri, agent, address = record.get("uri", ""), record.get("ua", ""), record["ip"]
        of_site, of_client = sites[record["host"]], clients[address]
        of_site["requests"] += 1
        of_client["requests"] += 1
        if (is_scanner := scanners.get(agent)) is None:
            is_scanner = scanners[agent] = SCANNERS.search(agent) is not None
        found = classify(record.get("method", ""), uri.lower(), record["status"], is_scanner)
        if found is None:
            continue
        path = uri.split("?")[0]
        of_site["attacks"] += 1
        of_site["paths"][path] += 1
        of_site["clients"][address] += 1
        of_client["attacks"] += 1
        of_client["hours"].add(record["time"][:14])
        of_client["paths"][path] += 1
        of_kind = kinds[found]
        of_kind["sites"][record["host"]] += 1
        of_kind["paths"][path] += 1
        of_kind["clients"][address] += 1
        of_kind["agents"][agent] += 1
        countries[record.get("country_code", "")] += 1
        recent.append({"time": record["time"], "ip": address, "host": record["host"], "uri": uri, "class": found})
    return {"sites": len(sites), "clients": len(clients), "attacks": {name: sum(of["sites"].values()) for name, of in kinds.items()}}


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
    readers = {"json": read_json, "dashboard": read_dashboard, "bot": read_bot}
    if len(sys.argv) != 3 or sys.argv[1] not in readers:
        sys.exit(__doc__.split("\n\n")[1].strip())
    with open(sys.argv[2], encoding="utf-8", errors="replace") as lines:
        print(json.dumps(readers[sys.argv[1]](lines)))


if __name__ == "__main__":
    main()

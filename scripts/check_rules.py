#!/usr/bin/env python3
"""Checks the rules, their tests, and the configuration of Prometheus and Alertmanager. Called by `make rules`.

    scripts/check_rules.py

What promtool and amtool check, and what they do not: that every alert has a test in which it fires and one in which it stays silent, has
all annotations, a runbook in docs/alerts.md and a dashboard that exists; that every recording rule is tested; that limits written down
twice agree; that the secret URL gets into Alertmanager's configuration unharmed, or not at all. Needs promtool, amtool and PyYAML.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PROMETHEUS = ROOT / "prometheus"
RUNBOOKS = "https://github.com/hostwarden/hostwarden/blob/main/docs/alerts.md#"
DASHBOARDS = {f"hostwarden-{name}" for name in "overview bot web security client containers games host self".split()}
SEVERITIES = {"critical", "warning", "info"}
# Always fires: that is its purpose.
NEVER_SILENT = {"Watchdog"}

# Labels of an alert, and the receiver that it goes to.
ROUTES = {
    "alertname=BotSilent severity=critical": "chat",
    "alertname=SiteSlow severity=warning": "chat",
    "alertname=BotNewErrorKind severity=info": "digest",
    "alertname=Watchdog severity=info": "watchdog",
    "alertname=SomebodysOwn": "chat",
}

# URLs as they may be, and what is made of them: put in as they are, left out, or refused.
URLS = {
    "https://discord.com/api/webhooks/1/abc-DEF_0?wait=true&thread_id=2": "in",
    r"https://chat.example/a&b|c;d$e,f'g(h)*%20~": "in",
    "": "out",
    'https://chat.example/"\n  - evil: "': "refused",
    "https://chat.example/a b": "refused",
    r"https://chat.example/a\n": "refused",
    "ftp://chat.example/": "refused",
    "discord.com/api/webhooks/1/2": "refused",
}

problems = []


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def run(*command, **more):
    """Runs a program; what it says of a failure is a problem."""
    result = subprocess.run(command, capture_output=True, text=True, **more)
    if result.returncode != 0:
        problems.append(f"{' '.join(map(str, command))}:\n{result.stdout}{result.stderr}".rstrip())
    return result


def rules_by_file():
    """Of each file of rules: its rules in order."""
    return {path.name: [rule for group in load(path)["groups"] for rule in group["rules"]] for path in sorted(PROMETHEUS.glob("rules/*.yml"))}


def anchors():
    """Headings of docs/alerts.md, as the runbook links name them."""
    text = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
    return {heading.strip().lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def check_alert(file, rule, runbooks):
    name, notes, labels = rule["alert"], rule.get("annotations", {}), rule.get("labels", {})
    say = lambda what: problems.append(f"{file}: {name}: {what}")
    for annotation in ("summary", "description", "runbook_url", "dashboard"):
        if not notes.get(annotation):
            say(f"no annotation {annotation}")
    if "for" not in rule:
        say("no for")
    if labels.get("severity") not in SEVERITIES:
        say(f"severity {labels.get('severity')}")
    if labels.get("subject") != Path(file).stem:
        say("subject is not the file's name")
    if notes.get("runbook_url") != RUNBOOKS + name.lower() or name.lower() not in runbooks:
        say("no runbook of its name in docs/alerts.md, or another link")
    if notes.get("dashboard") not in DASHBOARDS:
        say(f"dashboard {notes.get('dashboard')} is not one of ours")
    # One description for all alerts of a name: messages show it once, whatever they list.
    if "{{" in notes.get("description", ""):
        say("the description holds a value; values belong into the summary")


def tested():
    """Alerts that fire in a test, as (name, severity); those that stay silent in one; and all tested expressions."""
    firing, silent, expressions = set(), set(), []
    for path in PROMETHEUS.glob("tests/*.yml"):
        for case in load(path)["tests"]:
            for test in case.get("alert_rule_test", []):
                expected = test.get("exp_alerts") or []
                firing |= {(test["alertname"], alert["exp_labels"]["severity"]) for alert in expected}
                silent |= set() if expected else {test["alertname"]}
            expressions += [test["expr"] for test in case.get("promql_expr_test", [])]
    return firing, silent, " ".join(expressions)


def check_rules():
    runbooks, (firing, silent, expressions) = anchors(), tested()
    for file, rules in rules_by_file().items():
        for rule in rules:
            if name := rule.get("alert"):
                check_alert(file, rule, runbooks)
                if (name, rule.get("labels", {}).get("severity")) not in firing:
                    problems.append(f"{file}: {name} ({rule['labels'].get('severity')}): no test in which it fires")
                if name not in silent | NEVER_SILENT:
                    problems.append(f"{file}: {name}: no test in which it stays silent")
            elif rule["record"] not in expressions:
                problems.append(f"{file}: {rule['record']}: no test")
    return sum(len(rules) for rules in rules_by_file().values())


def check_limits():
    """SeriesNearLimit warns at four fifths of what Prometheus takes."""
    jobs = {job["job_name"]: job for job in load(PROMETHEUS / "prometheus.yml")["scrape_configs"]}
    for job, settings in jobs.items():
        for limit in ("sample_limit", "body_size_limit"):
            if not settings.get(limit):
                problems.append(f"prometheus.yml: job {job} has no {limit}")
    (near,) = [rule for rule in rules_by_file()["hostwarden.yml"] if rule.get("alert") == "SeriesNearLimit"]
    if int(near["expr"].split(">")[1]) != jobs["hostwarden"]["sample_limit"] * 4 // 5:
        problems.append("SeriesNearLimit is not four fifths of sample_limit")


def check_prometheus(folder):
    """promtool, on a copy that names a token that is there."""
    shutil.copytree(PROMETHEUS, folder / "prometheus")
    (folder / "token").write_text("0123456789abcdef")
    config = folder / "prometheus/prometheus.yml"
    config.write_text(config.read_text().replace("/etc/hostwarden-secrets/bearer_token", str(folder / "token")))
    run("promtool", "check", "config", "--lint=all", "--lint-fatal", config)
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *sorted(PROMETHEUS.glob("rules/*.yml")))


def check_alertmanager(folder):
    """amtool, on what is made of the template with and without a URL; and what is made of URLs that mean harm."""
    for number, (url, fate) in enumerate(URLS.items()):
        out = folder / f"alertmanager{number}.yml"
        command = ["sh", PROMETHEUS / "render-alertmanager.sh", PROMETHEUS / "alertmanager.yml", out]
        result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HOSTWARDEN_DISCORD_WEBHOOK_URL": url})
        if fate == "refused":
            if result.returncode == 0 or out.exists() or (url and url in result.stderr):
                problems.append(f"render-alertmanager.sh took {url!r}, left a file or showed it")
            continue
        run("amtool", "check-config", out)
        for labels, receiver in ROUTES.items():
            run("amtool", "config", "routes", "test", f"--config.file={out}", f"--verify.receivers={receiver}", *labels.split())
        found = {hook["webhook_url"] for receiver in load(out)["receivers"] for hook in receiver.get("discord_configs", [])}
        if found != ({url} if fate == "in" else set()):
            problems.append(f"render-alertmanager.sh made {found} of {url!r}")
        if out.stat().st_mode & 0o077:
            problems.append("render-alertmanager.sh: others can read what it wrote")


def main():
    missing = [program for program in ("promtool", "amtool") if not shutil.which(program)]
    if missing:
        sys.exit(f"Missing: {', '.join(missing)}. apt-get install prometheus prometheus-alertmanager")
    count = check_rules()
    check_limits()
    with tempfile.TemporaryDirectory(prefix="hostwarden-rules-") as folder, ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        tests = [pool.submit(run, "promtool", "test", "rules", path) for path in sorted(PROMETHEUS.glob("tests/*.yml"))]
        check_prometheus(Path(folder))
        check_alertmanager(Path(folder))
        for test in tests:
            test.result()
    if problems:
        sys.exit("\n".join(problems) + f"\nFAILED: {len(problems)} problems in prometheus/")
    print(f"{count} rules, each tested; Prometheus' and Alertmanager's configuration are sound.")


if __name__ == "__main__":
    main()

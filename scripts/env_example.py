#!/usr/bin/env python3
"""Writes .env.example out of docker-compose.yml, or says where the two differ.

    scripts/env_example.py [--write]

Names and defaults are those of docker-compose.yml; what each variable means stands below. A variable that is not explained here, or that
the compose file reads no more, is an error. Without --write nothing is written: exit code 1 if .env.example is not what it would be.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / ".env.example"

HEAD = """\
# What docker-compose.yml reads. Copy it, set the four values that come first, and start:
#
#   cp .env.example .env && chmod 600 .env
#   docker compose up -d
#
# Written by scripts/env_example.py. A variable behind a # has the value that is shown as its default; an empty one counts as not set.
# After a change: docker compose up -d --force-recreate
# The exporter knows many more settings: `hostwarden reference env` lists the variable of each, docs/configuration.md explains them. They
# go into a copy of exporter/stack.toml that HOSTWARDEN_CONFIG names.
"""

# Title, then (variable, what it is, the example's own value or None). In the order of the file.
SECTIONS = [
    ("Required. Nothing starts without these four, nor with values that everybody knows.", [
        ("GRAFANA_ADMIN_PASSWORD", "The password of Grafana's user `admin`, 10 characters at least: openssl rand -hex 16\nIt counts at Grafana's first start; docs/operations.md says how to change it later.", ""),
        ("HOSTWARDEN_SALT", "The key of the pseudonyms, 16 characters at least: openssl rand -hex 32\nKeep it: with another one, everybody becomes a stranger. Who has it can find the numbers behind the pseudonyms.", ""),
        ("HOSTWARDEN_BEARER_TOKEN", "What Prometheus shows the exporter, 16 characters at least, none of them blank: openssl rand -hex 32", ""),
        ("HOSTWARDEN_DISCORD_WEBHOOK_URL", "Where messages go. In Discord: the channel's settings, Integrations, Webhooks, New Webhook, Copy Webhook URL.\nOr `none`: then nobody is told, and alerts and incidents stand on the dashboards alone.", ""),
    ]),
    ("How much of it runs", [
        ("COMPOSE_PROFILES", "default: everything. small: without Loki, for machines with 1 GB; take HOSTWARDEN_LOKI_URL away then, too.\n`default,game` and `small,game`: with UDP counters. The demo needs no change here: docker compose up -d demo", "default"),
        ("HOSTWARDEN_LOKI_URL", "Where the feed is kept for searching; empty without Loki.", "http://172.31.97.10:3100"),
        ("COMPOSE_PROJECT_NAME", "What containers and volumes are named after.", "hostwarden"),
    ]),
    ("Logs: where they are on this machine, as a directory and a pattern in it. A pattern that matches nothing is no fault.", [
        ("HOSTWARDEN_LOG_DIR", "The system's logs.", None),
        ("HOSTWARDEN_SSH_LOGS", "sshd's, in HOSTWARDEN_LOG_DIR. Debian 12 and later write them with the package rsyslog only.", None),
        ("HOSTWARDEN_FIREWALL_LOGS", "The firewall's, in HOSTWARDEN_LOG_DIR. Without ufw: kern*.log", None),
        ("HOSTWARDEN_WEB_LOG_DIR", "The web server's. For example /srv/nginx/logs with the pattern *access.log", None),
        ("HOSTWARDEN_WEB_LOGS", "The pattern in it.", None),
        ("HOSTWARDEN_WEB_FORMAT", "Their format: nginx_combined, nginx_json, apache, caddy_json, traefik_json (docs/formats.md).", None),
        ("HOSTWARDEN_BOT_LOG_DIR", "The bot's. For example /srv/bot with the pattern panchi-bot*.log", None),
        ("HOSTWARDEN_BOT_LOGS", "The pattern in it.", None),
        ("HOSTWARDEN_BOT_FORMAT", "Its format: whatsapp_bot, or custom.NAME of your own configuration.", None),
        ("HOSTWARDEN_PLAYERS_LOG_DIR", "Those of game servers who write their players as CSV.", None),
        ("HOSTWARDEN_PLAYERS_LOGS", "The pattern in it.", None),
        ("HOSTWARDEN_TIMEZONE", "The time zone of log times that carry no offset, for example Europe/Madrid.", None),
        ("HOSTWARDEN_LOG_GROUP", "The number of the group that may read the logs: 4 is adm on Debian and Ubuntu (getent group adm).", None),
    ]),
    ("What is shown of people", [
        ("HOSTWARDEN_PRIVACY_SENDERS", "Who writes to the bot: hash, full, anon or agg.", None),
        ("HOSTWARDEN_PRIVACY_CLIENTS", "Addresses of clients: full, prefix or hash.", None),
    ]),
    ("What is known about this machine. Lists are written a,b", [
        ("HOSTWARDEN_HOST_NAME", "Its name on dashboards and in alerts: letters, digits, dots and dashes.", None),
        ("HOSTWARDEN_SITES", "Host names of your sites, for example shop.example.org,blog.example.org; others are counted as `other`.", None),
        ("HOSTWARDEN_TRUSTED_PROXIES", "Networks of your own proxies, whose X-Forwarded-For is believed, for example 172.18.0.0/16", None),
        ("HOSTWARDEN_LINK_PREFIXES", "Beginnings of links that people get one at a time; empty: /menu/,/pago/,/t/", None),
        ("HOSTWARDEN_NEVER_BAN_NETWORKS", "Networks that are never held to be attackers: your office, your monitors.", None),
    ]),
    ("When it is too much", [
        ("HOSTWARDEN_ENUMERATION_THRESHOLD", "More links than this of one client in five minutes are guessing.", None),
        ("HOSTWARDEN_SSH_THRESHOLD", "Failed logins of one client in ten minutes that make an attack.", None),
        ("HOSTWARDEN_UNANSWERED_AFTER_SECS", "A customer without a reply for so long counts as unanswered.", None),
        ("HOSTWARDEN_QUIET_HOURS", "When the exporter tells at once only what is critical, for example 23:00-07:30 (in HOSTWARDEN_TIMEZONE).", None),
    ]),
    ("Profile game: a UDP port to watch, and what makes a flood of it as means over ten seconds (0: nothing does)", [
        ("HOSTWARDEN_GAME_NAME", "Its name on dashboards.", None),
        ("HOSTWARDEN_GAME_PORT", "The port as players know it, of a container too.", None),
        ("HOSTWARDEN_GAME_PACKETS_PER_SEC", "Packets a second.", None),
        ("HOSTWARDEN_GAME_BYTES_PER_SEC", "Bytes a second.", None),
        ("HOSTWARDEN_GAME_SOURCES", "Different senders.", None),
        ("HOSTWARDEN_UDP_CONFIG", "The settings of the exporter that counts; a copy of your own may name more ports.", None),
    ]),
    ("Grafana and Prometheus", [
        ("GRAFANA_PORT", "Grafana's port on 127.0.0.1.", None),
        ("GRAFANA_ROOT_URL", "How browsers reach Grafana, if a proxy with TLS stands before it.", None),
        ("GRAFANA_COOKIE_SECURE", "true, once a proxy with TLS stands before it.", None),
        ("PROMETHEUS_RETENTION_TIME", "For how long Prometheus keeps values, …", None),
        ("PROMETHEUS_RETENTION_SIZE", "… and how much at most.", None),
    ]),
    ("Seldom changed", [
        ("HOSTWARDEN_CONFIG", "The exporter's settings. What stands above overrides them.", None),
        ("HOSTWARDEN_LOG_LEVEL", "How much the exporter says in `docker compose logs exporter`: error, warn, info, debug.", None),
        ("HOSTWARDEN_ROOT_MOUNT", "How this machine's / is mounted to be looked at. Where it is a shared mount (systemd: findmnt -o PROPAGATION /) take\nro,rslave: then what is mounted later is seen, too, and can be unmounted.", None),
        ("HOSTWARDEN_DOCKER_SOCKET", "Docker's socket.", None),
        ("HOSTWARDEN_REVISION", "The commit that the image is built from, for its label: git rev-parse --short=12 HEAD", None),
    ]),
]

# What Compose itself reads.
COMPOSE_OWN = {"COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"}

REFERENCE = re.compile(r"(?<!\$)\$(?:\{([A-Z_][A-Z0-9_]*)(?:(:?[-?])([^}]*))?\}|([A-Z_][A-Z0-9_]*))")


def read_by_compose():
    """{variable: default}; None for a required one. The same default everywhere."""
    text = "\n".join(line for line in (ROOT / "docker-compose.yml").read_text().splitlines() if not line.lstrip().startswith("#"))
    found = {}
    for name, mark, rest, bare in REFERENCE.findall(text):
        name = name or bare
        if mark not in (":-", ":?"):
            sys.exit(f"docker-compose.yml: ${name} has neither a default (:-) nor a demand (:?)")
        default = rest if mark == ":-" else None
        if found.setdefault(name, default) != default:
            sys.exit(f"docker-compose.yml: ${name} has two defaults: {found[name]!r} and {default!r}")
    return found


def passed_on(text, pattern):
    """{(setting, variable)} of the exporters' settings that a variable of .env decides."""
    return set(re.findall(pattern, text, re.MULTILINE))


def differences():
    """Between what the compose file passes on and what setup.sh looks at."""
    compose = passed_on((ROOT / "docker-compose.yml").read_text(), r"^\s+(HOSTWARDEN__\w+): .*\$\{(HOSTWARDEN_\w+):-")
    setup = passed_on((ROOT / "exporter/setup.sh").read_text(), r"^    (HOSTWARDEN__\w+)=(HOSTWARDEN_\w+)$")
    return [f"{setting}={variable} stands only in one of docker-compose.yml and exporter/setup.sh" for setting, variable in sorted(compose ^ setup)]


def example(defaults):
    lines = [HEAD]
    for title, variables in SECTIONS:
        lines.append(f"\n# --- {title}\n")
        for name, meaning, value in variables:
            lines += [f"# {line}" for line in meaning.splitlines()]
            lines.append(f"{name}={value}\n" if value is not None else f"#{name}={defaults[name]}\n")
    return "\n".join(lines).rstrip("\n") + "\n"


def main():
    defaults = read_by_compose()
    told = [name for _, variables in SECTIONS for name, _, _ in variables]
    wrong = [f"{name} is read by docker-compose.yml and not explained in scripts/env_example.py" for name in defaults if name not in told]
    wrong += [f"{name} is explained in scripts/env_example.py and not read by docker-compose.yml" for name in told if name not in defaults and name not in COMPOSE_OWN]
    wrong += [f"{name} is explained twice" for name in set(told) if told.count(name) > 1]
    required = [name for name, _, _ in SECTIONS[0][1]]
    wrong += [f"{name} is demanded and does not stand first" for name, default in defaults.items() if default is None and name not in required]
    wrong += differences()
    if wrong:
        sys.exit("\n".join(wrong))
    text = example(defaults)
    if sys.argv[1:] == ["--write"]:
        EXAMPLE.write_text(text)
    elif not EXAMPLE.is_file() or EXAMPLE.read_text() != text:
        sys.exit(".env.example is not what docker-compose.yml reads: scripts/env_example.py --write writes it anew")


if __name__ == "__main__":
    main()

#!/bin/sh
# What docker-compose.yml runs once before everything else, as root in the exporter's image without a network:
#
#   setup.sh secrets      looks at the values of .env, and writes the required ones into the volumes of those who read them, for nobody else
#   setup.sh targets      tells Prometheus of this machine's exporters: prometheus/targets, with the name that .env gives it
#   setup.sh target-udp, setup.sh target-demo     tells it of the exporters of the profiles game and demo
#
# A required value that is missing, too short, or known to everybody ends it, naming the variable and never the value; so does an optional
# one that the exporter would refuse, which would be restarted for ever, in the exporter's words. Then nothing starts.
set -eu
umask 077

volumes=/volumes
program=${SETUP_PROGRAM:-/usr/local/bin/hostwarden}
# Who reads: prometheus and alertmanager are nobody, grafana is 472 and loki 10001 in their images; the exporter is 9780 in ours.
nobody=65534 grafana=472 loki=10001 exporter=9780

problems=0
problem() { # VARIABLE WHAT
    echo "setup: $1 $2. Set it in .env, then: docker compose up -d" >&2
    problems=$((problems + 1))
}

# value_of VARIABLE
value_of() { eval "printf '%s' \"\${$1-}\""; }

# check VARIABLE LEAST HOW-TO-MAKE-ONE: not empty, no placeholder, at least LEAST characters, and nothing around it.
check() {
    value=$(value_of "$1")
    case $(printf '%s' "$value" | tr '[:upper:]' '[:lower:]') in
        '') problem "$1" "is empty; $3" ;;
        *changeme* | *change-me* | *change_me* | *replace-me* | *replace_me* | *your-* | *your_* | *example*) problem "$1" "is a placeholder; $3" ;;
        *) [ "${#value}" -ge "$2" ] || problem "$1" "has ${#value} characters and needs $2 at least; $3" ;;
    esac
    case $value in
        *"
"*) problem "$1" "has more than one line" ;;
        ' '* | *' ' | \"*\" | \'*\') problem "$1" "begins or ends with a blank or a quote" ;;
    esac
}

# opinion VARIABLE SETTING: what the exporter itself finds wrong with a value. It never tells the value.
opinion() { env -i "$2=$(value_of "$1")" "$program" check-config 2>&1 | sed -n "s/^$2: //p"; }

# check_key VARIABLE SETTING
check_key() {
    check "$1" 16 'openssl rand -hex 32 makes one'
    said=$(opinion "$1" "$2")
    [ -z "$said" ] || problem "$1" "$said"
}

# What password guessers try first, as far as it is long enough.
check_password() {
    check GRAFANA_ADMIN_PASSWORD 10 'openssl rand -hex 16 makes one'
    case $(printf '%s' "$GRAFANA_ADMIN_PASSWORD" | tr '[:upper:]' '[:lower:]') in
        *password* | *passw0rd* | administrator | adminadmin* | admin123* | prom-operator | grafana* | hostwarden* | 1234567890* | 0123456789* | qwertyuiop* | letmein*)
            problem GRAFANA_ADMIN_PASSWORD 'is among those that everybody knows; openssl rand -hex 16 makes one' ;;
    esac
}

# Alertmanager sends to any URL; the exporter only to one of Discord's form, since it edits what it sent.
events=yes
check_webhook() {
    url=$HOSTWARDEN_DISCORD_WEBHOOK_URL
    if [ "$url" = none ]; then
        HOSTWARDEN_DISCORD_WEBHOOK_URL='' events=no
        echo "setup: HOSTWARDEN_DISCORD_WEBHOOK_URL is none: nobody is told; alerts and incidents stand on the dashboards alone."
        return
    fi
    check HOSTWARDEN_DISCORD_WEBHOOK_URL 16 'Discord makes it: the channel'\''s settings, Integrations, Webhooks'
    # It goes into Alertmanager's configuration: nothing in it may end a string there.
    printf '%s' "$url" | grep -Eqx "https?://[][A-Za-z0-9._~:/?#@!&()*+,;=%-]+" || problem HOSTWARDEN_DISCORD_WEBHOOK_URL 'is no URL'
    said=$(opinion HOSTWARDEN_DISCORD_WEBHOOK_URL HOSTWARDEN_DISCORD_WEBHOOK_URL)
    case $said,$url in
        ,*) ;;
        *,https://discord.com/* | *,https://*.discord.com/* | *,https://discordapp.com/*) problem HOSTWARDEN_DISCORD_WEBHOOK_URL "$said" ;;
        *) events=no; echo "setup: HOSTWARDEN_DISCORD_WEBHOOK_URL $said: alerts are sent there, the exporter's own messages are not." ;;
    esac
}

# The variables of .env that docker-compose.yml passes on as settings of the exporters. scripts/env_example.py compares.
settings='
    HOSTWARDEN__SOURCES__0__FILE=HOSTWARDEN_WEB_LOGS
    HOSTWARDEN__SOURCES__0__FORMAT=HOSTWARDEN_WEB_FORMAT
    HOSTWARDEN__SOURCES__1__FILE=HOSTWARDEN_SSH_LOGS
    HOSTWARDEN__SOURCES__1__TIMEZONE=HOSTWARDEN_TIMEZONE
    HOSTWARDEN__SOURCES__2__FILE=HOSTWARDEN_FIREWALL_LOGS
    HOSTWARDEN__SOURCES__2__TIMEZONE=HOSTWARDEN_TIMEZONE
    HOSTWARDEN__SOURCES__3__FILE=HOSTWARDEN_BOT_LOGS
    HOSTWARDEN__SOURCES__3__FORMAT=HOSTWARDEN_BOT_FORMAT
    HOSTWARDEN__SOURCES__3__TIMEZONE=HOSTWARDEN_TIMEZONE
    HOSTWARDEN__SOURCES__4__FILE=HOSTWARDEN_PLAYERS_LOGS
    HOSTWARDEN__SOURCES__4__TIMEZONE=HOSTWARDEN_TIMEZONE
    HOSTWARDEN__PRIVACY__SENDERS=HOSTWARDEN_PRIVACY_SENDERS
    HOSTWARDEN__PRIVACY__CLIENTS=HOSTWARDEN_PRIVACY_CLIENTS
    HOSTWARDEN__WEB__SITES=HOSTWARDEN_SITES
    HOSTWARDEN__WEB__TRUSTED_PROXIES=HOSTWARDEN_TRUSTED_PROXIES
    HOSTWARDEN__WEB__LINK_PREFIXES=HOSTWARDEN_LINK_PREFIXES
    HOSTWARDEN__POLICY__NEVER_BAN__NETWORKS=HOSTWARDEN_NEVER_BAN_NETWORKS
    HOSTWARDEN__DETECTORS__ENUMERATION__THRESHOLD=HOSTWARDEN_ENUMERATION_THRESHOLD
    HOSTWARDEN__DETECTORS__SSH_BRUTE_FORCE__THRESHOLD=HOSTWARDEN_SSH_THRESHOLD
    HOSTWARDEN__DETECTORS__BOT_LATENCY__UNANSWERED_AFTER_SECS=HOSTWARDEN_UNANSWERED_AFTER_SECS
    HOSTWARDEN__NOTIFIERS__HOST=HOSTWARDEN_HOST_NAME
    HOSTWARDEN__NOTIFIERS__DISCORD__QUIET_HOURS=HOSTWARDEN_QUIET_HOURS
    HOSTWARDEN__NOTIFIERS__DISCORD__TIME_ZONE=HOSTWARDEN_TIMEZONE
    HOSTWARDEN__NOTIFIERS__LOKI__URL=HOSTWARDEN_LOKI_URL
    HOSTWARDEN__NOTIFIERS__LOKI__INSTANCE=HOSTWARDEN_HOST_NAME
    HOSTWARDEN__LOG__LEVEL=HOSTWARDEN_LOG_LEVEL
    HOSTWARDEN__PROBES__UDP_PORTS__SERVICES__0__NAME=HOSTWARDEN_GAME_NAME
    HOSTWARDEN__PROBES__UDP_PORTS__SERVICES__0__PORT=HOSTWARDEN_GAME_PORT
    HOSTWARDEN__PROBES__UDP_PORTS__SERVICES__0__PACKETS_PER_SEC=HOSTWARDEN_GAME_PACKETS_PER_SEC
    HOSTWARDEN__PROBES__UDP_PORTS__SERVICES__0__BYTES_PER_SEC=HOSTWARDEN_GAME_BYTES_PER_SEC
    HOSTWARDEN__PROBES__UDP_PORTS__SERVICES__0__SOURCES=HOSTWARDEN_GAME_SOURCES
'

# What the exporter itself finds wrong with them, each told by its name in .env.
check_settings() {
    said=$("$program" check-config 2>&1 >/dev/null) || true
    told=' '
    for pair in $settings; do
        variable=${pair#*=}
        why=$(printf '%s\n' "$said" | sed -n "s/^${pair%%=*}: //p" | head -n 1)
        case $why,$told in
            ,* | *" $variable "*) ;;
            *) problem "$variable" "$why"; told="$told$variable " ;;
        esac
    done
}

# write VOLUME FILE OWNER VALUE: whole or not at all, readable by its owner alone.
write() {
    printf '%s' "$4" >"$volumes/$1/.$2"
    chmod 400 "$volumes/$1/.$2"
    chown "$3" "$volumes/$1/.$2"
    mv "$volumes/$1/.$2" "$volumes/$1/$2"
    chmod 755 "$volumes/$1"
}

secrets() {
    check_password
    check_key HOSTWARDEN_SALT HOSTWARDEN_SALT
    check_key HOSTWARDEN_BEARER_TOKEN HOSTWARDEN__SERVER__BEARER_TOKEN
    check_webhook
    check_settings
    [ "$problems" = 0 ] || exit 2
    if [ "$HOSTWARDEN_SALT" = "$HOSTWARDEN_BEARER_TOKEN" ]; then
        problem HOSTWARDEN_BEARER_TOKEN 'is the same as HOSTWARDEN_SALT; each is a secret of its own'
        exit 2
    fi
    write exporter salt $exporter "$HOSTWARDEN_SALT"
    write exporter bearer_token $exporter "$HOSTWARDEN_BEARER_TOKEN"
    [ $events = yes ] && webhook=$HOSTWARDEN_DISCORD_WEBHOOK_URL || webhook=
    write exporter discord_webhook_url $exporter "$webhook"
    # Root, without the right to read what is others'.
    write udp bearer_token 0 "$HOSTWARDEN_BEARER_TOKEN"
    write udp discord_webhook_url 0 "$webhook"
    write prometheus bearer_token $nobody "$HOSTWARDEN_BEARER_TOKEN"
    write grafana admin_password $grafana "$GRAFANA_ADMIN_PASSWORD"
    /bin/sh /config/prometheus/render-alertmanager.sh /config/prometheus/alertmanager.yml /tmp/alertmanager.yml
    write alertmanager alertmanager.yml $nobody "$(cat /tmp/alertmanager.yml)
"
    chown "$loki" "$volumes/loki"
    echo "setup: all values are fine."
}

# name_of VARIABLE DEFAULT: what a label of Prometheus may hold without trouble.
name_of() {
    name=$(value_of "$1")
    name=${name:-$2}
    case $name in
        *[!A-Za-z0-9._-]*) problem "$1" 'may hold letters, digits, dots, dashes and underscores'; exit 2 ;;
    esac
    printf '%s' "$name"
}

# part NAME: a list of exporters on standard input, which joins those that are known already. Prometheus sees all of it or nothing.
part() {
    mkdir -p "$volumes/targets/parts"
    cat >"$volumes/targets/parts/$1"
    cat "$volumes"/targets/parts/* >"$volumes/targets/.hostwarden.yml"
    publish hostwarden.yml
}

publish() {
    chmod 644 "$volumes/targets/.$1"
    mv "$volumes/targets/.$1" "$volumes/targets/$1"
    chmod 755 "$volumes/targets"
}

# list ADDRESS INSTANCE [JOB]
list() { printf -- '- targets: ["%s"]\n  labels: {instance: %s%s}\n' "$1" "$2" "${3:+, job: $3}"; }

targets() {
    name=$(name_of HOSTWARDEN_HOST_NAME this-host)
    # Without the profile game there is no second exporter any more; setup-game, which comes later, says otherwise.
    rm -f "$volumes/targets/parts/udp"
    sed "s/\bthis-host\b/$name/g" /config/prometheus/targets/hostwarden.yml | part host
    sed "s/\bthis-host\b/$name/g" /config/prometheus/targets/node.yml >"$volumes/targets/.node.yml"
    publish node.yml
    echo "setup: Prometheus knows this machine as $name."
}

case ${1-} in
    secrets) secrets ;;
    targets) targets ;;
    target-udp)
        check_settings
        [ "$problems" = 0 ] || exit 2
        name=$(name_of HOSTWARDEN_HOST_NAME this-host)
        list host.docker.internal:9781 "$name" hostwarden-udp | part udp
        ;;
    target-demo) list demo:9780 demo | part demo ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

#!/bin/sh
# Makes Alertmanager's configuration of its template: puts the secret URL of the Discord webhook in, or leaves Discord out.
#
#   HOSTWARDEN_DISCORD_WEBHOOK_URL=https://... render-alertmanager.sh IN OUT
#
# Needs a shell and mv, nothing more. OUT is written whole or not at all, and can be read by its owner alone. The URL is never shown.
set -eu
[ $# = 2 ] || { echo "usage: render-alertmanager.sh IN OUT" >&2; exit 2; }
in=$1
out=$2
url=${HOSTWARDEN_DISCORD_WEBHOOK_URL:-}
mark=__DISCORD_WEBHOOK_URL__

fail() { echo "HOSTWARDEN_DISCORD_WEBHOOK_URL: $1" >&2; exit 1; }

# It goes between double quotes of YAML: nothing that ends or escapes them, no blank, no line end.
case $url in
    *[!A-Za-z0-9._~:/?#@!\$\&\'\(\)*+,\;=%\|-]*) fail "holds a character that no URL has (a blank, a quote, a line end?)" ;;
esac
case $url in
    '' | https://?* | http://?*) ;;
    *) fail "must begin with https://" ;;
esac

[ -r "$in" ] || { echo "cannot read $in" >&2; exit 1; }

render() {
    keep=yes
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            *"# discord:begin"*) [ -n "$url" ] || keep=no ;;
            *"# discord:end"*) keep=yes ;;
            *"$mark"*) [ $keep = no ] || printf '%s\n' "${line%%"$mark"*}$url${line#*"$mark"}" ;;
            *) [ $keep = no ] || printf '%s\n' "$line" ;;
        esac
    done
}

umask 077
trap 'rm -f "$out.new"' EXIT
rm -f "$out.new"
render <"$in" >"$out.new"
mv -f "$out.new" "$out"

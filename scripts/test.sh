#!/usr/bin/env bash
# Everything that can be tested on one machine, cheap things first; stops at the first failure. Called by `make test`.
#
#   scripts/test.sh
#
# Uses its own ports, folders and processes: an nginx or a Prometheus that runs here already is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/set_up.sh test
export PATH="$PWD/target/tools/bin:$PATH:/usr/sbin:/sbin" CARGO_TERM_COLOR=never

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

step formatting
cargo fmt --all --check

step lints
cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
# The fuzzer is a workspace of its own, for another compiler: at least what it depends on must be written down as it is.
cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null

step tests
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked --no-fail-fast --status-level fail --final-status-level fail
else
    cargo test --workspace --locked --quiet --no-fail-fast --all-targets
fi
cargo test --workspace --locked --quiet --doc

step documentation
RUSTDOCFLAGS='-D warnings' cargo doc --workspace --locked --no-deps --quiet --document-private-items
make --no-print-directory docs-check env-check

step "rules of Prometheus, routes of Alertmanager"
scripts/check_rules.py

step dependencies
cargo deny --locked check bans licenses sources

step "systemd unit"
# Its program is not installed here; the file is looked at for all else. Exposure in tenths: see docs/privileges.md.
unit=$(mktemp -d)
sed 's#^ExecStart=.*#ExecStart=/bin/true#' exporter/hostwarden.service >"$unit/hostwarden.service"
systemd-analyze verify "$unit/hostwarden.service"
systemd-analyze security --offline=true --threshold=20 --no-pager "$unit/hostwarden.service" | tail -n 1
rm -r "$unit"

step "the program, tried as users run it"
cargo build --locked --quiet --bin hostwarden --example generate_logs
export HOSTWARDEN_BIN="$PWD/target/debug/hostwarden" GENERATE_LOGS_BIN="$PWD/target/debug/examples/generate_logs"

step "real nginx, real Prometheus, promtool"
scripts/real_nginx.py --requests 600

step "every query of every dashboard, asked of a real Prometheus"
scripts/real_dashboards.py

step "an alert on its way: real Prometheus, real Alertmanager, a fake Discord"
scripts/real_alerts.py

step "every probe failing at once"
scripts/probes_failing.py

step "the logs of real containers"
scripts/real_docker_logs.py

step "a real journal"
scripts/real_journal.py

step "UDP ports in network namespaces, real nftables"
if [ "$(id -u)" = 0 ]; then scripts/real_udp.py; else echo "left out: needs root, to make network namespaces"; fi

step "the probe of the host: /proc and df say the same, also from a container"
scripts/real_host.py

step "real CrowdSec"
scripts/real_crowdsec.py

step "real Docker: thirty containers, and an engine that is restarted"
scripts/real_docker.py

# It waits most of its five minutes, in a network and with an Engine of its own: the next trials run beside it.
step "the whole stack begins: compose file, secrets, alerts, troubles, demo"
stack='' stack_says=$(mktemp)
if [ "$(id -u)" = 0 ]; then
    scripts/real_stack.py >"$stack_says" 2>&1 &
    stack=$!
    trap 'kill "$stack" 2>/dev/null && wait "$stack" || true; cat "$stack_says"' EXIT
else
    echo "left out: needs root, to run a Docker Engine" >"$stack_says"
fi

step "several hosts: file_sd, an agent that writes to another Prometheus"
scripts/real_several_hosts.py

step "sqlcmd in containers of a real Docker"
scripts/real_sqlcmd.py

step "Discord in trouble, kills in between: nothing lost, no limit broken"
scripts/real_discord.py

step "fifty kills, nothing lost and nothing counted twice"
scripts/torture.py --kills 50 --seconds 60

step "nothing leaks: every privacy mode, everything that comes out"
scripts/leak_test.py

step "the feed reaches its archive, through faults and kills"
scripts/real_feed.py

step "the whole stack, begun above"
if [ -n "$stack" ]; then wait "$stack"; fi
trap - EXIT
cat "$stack_says"
rm "$stack_says"

step "benchmark, small: does it run"
# The comparison needs ripgrep and mtail (`make bench` installs them) and is left out without them.
scripts/bench.py --lines 20000 --rounds 1 --idle-secs 3 --distinct 20000

printf '\nAll tests passed in %s s.\n' "$SECONDS"

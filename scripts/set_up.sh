#!/usr/bin/env bash
# Sees to what building, testing or benchmarking needs beside Rust, and says nothing when all of it is there.
#
#   scripts/set_up.sh build|test|bench|deny|rules
#
# Missing Debian packages are installed by apt-get as root or with passwordless sudo; services that come with them are not started.
# Without either, it says what to install and fails. cargo-deny is built into target/tools.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_install() {
    command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

# install PACKAGE…
install() {
    if ! can_install; then
        say "Missing here, and this user cannot install it: $*"
        say "Install it first, for example: sudo apt-get install $*"
        exit 1
    fi
    say "Installing (apt-get): $*"
    hold_back_services
    # A foreign source that cannot be reached must not stand in the way: what is wanted may be known already.
    as_root apt-get update -qq >&2 </dev/null || say "apt-get update failed; going on with what it knew."
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends "$@" >&2 </dev/null || {
        say "apt-get could not install: $*"
        exit 1
    }
    let_services_go
}

# A package must not start its daemon on this machine: Debian's own way to say so. It is taken away again however this script ends; one
# that somebody else put there stays.
guard=/usr/sbin/policy-rc.d
ours=no
hold_back_services() {
    [ ! -e "$guard" ] || return 0
    ours=yes
    trap let_services_go EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
    as_root chmod 755 "$guard"
}

let_services_go() {
    [ "$ours" = no ] || as_root rm -f "$guard"
    ours=no
}

# need COMMAND=PACKAGE…: installs the packages whose command is not there.
need() {
    local missing=() pair
    for pair in "$@"; do
        PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} = 0 ] || install "${missing[@]}"
}

# SQLite, zstd and the TLS library are compiled from C.
need_build() {
    command -v cargo >/dev/null || { say "Missing: Rust (cargo). Install it from https://rustup.rs"; exit 1; }
    need cc=gcc
    echo '#include <stdlib.h>' | cc -E -x c - >/dev/null 2>&1 || install libc6-dev
}

need_deny() {
    need_build
    if ! PATH="$PWD/target/tools/bin:$PATH" command -v cargo-deny >/dev/null; then
        say "Building cargo-deny into target/tools."
        # Unoptimised: it runs for a second, building it is what takes time.
        cargo install --locked --quiet --debug --root target/tools --target-dir target/tools/build cargo-deny >&2
        rm -rf target/tools/build
    fi
}

# Debian's package fails to configure where CrowdSec's central API cannot be reached, and would start a daemon: it is only unpacked.
need_crowdsec() {
    local into=target/tools/crowdsec
    [ ! -x "$into/usr/bin/cscli" ] || return 0
    ! PATH="$PATH:/usr/sbin:/sbin" command -v cscli >/dev/null || return 0
    # What the programs are linked with, beside libc.
    PATH="$PATH:/usr/sbin:/sbin" ldconfig -p | grep -q 'libsqlite3\.so\.0' || install libsqlite3-0
    say "Unpacking Debian's crowdsec into $into."
    local folder
    folder=$(mktemp -d)
    (cd "$folder" && apt-get download -qq crowdsec >&2 </dev/null) || {
        ! can_install || as_root apt-get update -qq >&2 </dev/null || say "apt-get update failed; going on with what it knew."
        (cd "$folder" && apt-get download -qq crowdsec >&2 </dev/null) || { say "apt-get could not download crowdsec"; exit 1; }
    }
    mkdir -p "$into"
    dpkg -x "$folder"/crowdsec_*.deb "$into"
    rm -rf "$folder"
}

need_rules() {
    need python3=python3 promtool=prometheus amtool=prometheus-alertmanager
    python3 -c 'import yaml' 2>/dev/null || install python3-yaml
}

case "${1:-}" in
    build) need_build ;;
    rules) need_rules ;;
    deny) need_deny ;;
    test)
        need_build
        need python3=python3 curl=curl nginx=nginx prometheus=prometheus promtool=prometheus zstd=zstd dpkg-deb=dpkg rpmbuild=rpm systemd-analyze=systemd
        need dockerd=docker.io docker=docker.io busybox=busybox-static docker-compose=docker-compose debootstrap=debootstrap
        need prometheus-alertmanager=prometheus-alertmanager prometheus-node-exporter=prometheus-node-exporter
        need ip=iproute2 nft=nftables setpriv=util-linux sysctl=procps
        need_rules
        need_crowdsec
        [ -x /lib/systemd/systemd-journal-remote ] || install systemd-journal-remote
        need_deny
        ;;
    bench)
        need_build
        need python3=python3 rg=ripgrep mtail=mtail
        ;;
    *)
        sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac

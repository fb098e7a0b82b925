# Hostwarden's few commands. On a fresh Debian machine Rust and make are enough: what else is missing is installed by apt-get (as root
# or with sudo), or named. Everything that is built or downloaded stays in target/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo test check fmt clippy rooms rules docs docs-check env-check dashboards scores deny bench profile build tools-build

# Arguments for `hostwarden`, for example: make run ARGS="--config my.toml"   make demo ARGS="--rate 50"
ARGS ?=

HOSTWARDEN := $(or $(CARGO_TARGET_DIR),target)/release/hostwarden
DENY := target/tools/bin/cargo-deny

# Who is not root and configured nothing cannot write to /var/lib/hostwarden: the state then stays here. Setting the variable, or naming
# a configuration, decides otherwise.
ifeq ($(HOSTWARDEN__STATE__DIR)$(findstring --config,$(ARGS))$(wildcard /etc/hostwarden/hostwarden.toml),)
ifneq ($(shell id -u),0)
run: export HOSTWARDEN__STATE__DIR = $(CURDIR)/state
endif
endif

## make run        build and run the exporter; http://127.0.0.1:9780/metrics
run: build
	@[ -z "$${HOSTWARDEN__STATE__DIR:-}" ] || echo "State is kept in $$HOSTWARDEN__STATE__DIR (HOSTWARDEN__STATE__DIR)."
	exec $(HOSTWARDEN) $(ARGS)

## make demo       the same on made-up logs in a temporary folder; touches nothing of this machine
demo: build
	exec $(HOSTWARDEN) demo $(ARGS)

# What runs says which commit it was built from.
build: export HOSTWARDEN_REVISION ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
build: tools-build
	cargo build --release --locked --bin hostwarden

tools-build:
	@scripts/set_up.sh build

## make test       everything that can be tested here, installing what the tests need
test:
	@scripts/test.sh

## make check      the quick part: formatting, lints, rooms, generated files, rules
check: tools-build fmt clippy rooms docs-check env-check rules

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

rooms:
	cargo test --locked --quiet --test rooms

## make rules      Prometheus' rules with their tests, its configuration and Alertmanager's
rules:
	@scripts/set_up.sh rules
	@PATH="$$PATH:/usr/sbin:/sbin" scripts/check_rules.py

# Generated files equal what the code says; `make docs` writes them anew.
docs-check:
	cargo test --locked --quiet --test config generated_files_are_up_to_date
	cargo run --locked --quiet --bin hostwarden -- reference metrics | diff -u docs/metrics.md - || { echo "make docs writes docs/metrics.md anew"; exit 1; }

# .env.example tells of every variable that docker-compose.yml reads, and of no other.
env-check:
	scripts/env_example.py
	@version=$$(sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml); \
	grep -q "image: hostwarden:$$version$$" docker-compose.yml && grep -q "HOSTWARDEN_VERSION=$$version$$" exporter/Dockerfile \
		|| { echo "docker-compose.yml or exporter/Dockerfile is of another version than Cargo.toml ($$version)"; exit 1; }

## make docs       write the generated files anew: configuration and metrics references, the commented example, .env.example
docs:
	BLESS=1 cargo test --locked --quiet --test config generated_files_are_up_to_date
	cargo run --locked --quiet --bin hostwarden -- reference metrics > docs/metrics.md
	scripts/env_example.py --write

## make dashboards   write Grafana's dashboards anew (docs/dashboards.md)
dashboards:
	cargo run --locked --quiet -p hostwarden-dashboards -- grafana/dashboards

## make scores     how well attacks are told from requests, on labelled data; BLESS=1 writes the table of docs/detection.md anew
scores:
	cargo test --locked --quiet --test scores -- --nocapture

## make deny       dependencies: duplicates, licences, sources (deny.toml)
deny:
	@scripts/set_up.sh deny
	PATH="$(CURDIR)/target/tools/bin:$$PATH" cargo deny --locked check bans licenses sources

## make bench      speed, memory and idle cost beside other tools, as a Markdown table (some minutes)
bench: build
	@scripts/set_up.sh bench
	cargo build --release --locked --example generate_logs
	scripts/bench.py $(ARGS)

## make profile    take anew what release builds are optimised by (a quarter of an hour; docs/decisions/0023-profile-guided.md, 0026)
profile: tools-build
	scripts/take_profile.py

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

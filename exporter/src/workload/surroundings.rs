//! What probes would see on the machine of the made-up logs: a few containers, a database, game servers, an intrusion prevention. All of
//! it follows from how long the machine has been running, so that counters only grow and nothing has to be remembered.

use std::sync::Arc;
use std::time::Duration;

use crate::event::Timestamp;
use crate::sample::Sample;
use crate::sample::crowdsec::{Decision, Decisions, Key, Target};
use crate::sample::docker::{Container, Containers, Details, Health, State, Usage};
use crate::sample::files::{FileState, Files, WatchedFile};
use crate::sample::host::{Filesystem, Host, Listener, Memory, Process, Processes, Scope, Sockets};
use crate::sample::sqlserver::Instance;
use crate::sample::udp_ports::{UdpPort, UdpPorts, UdpSources};

const MIB: f64 = (1 << 20) as f64;

/// The game servers' UDP ports.
pub const UDP_SERVICES: [(&str, u16); 2] = [("arena", 27_960), ("capture", 27_961)];
/// The name of the database.
pub const DATABASE: &str = "shop";

/// Name, share of a processor, memory in MiB, its limit in MiB, bytes received and sent per second.
const CONTAINERS: [(&str, f64, f64, f64, f64, f64); 6] = [
    ("nginx", 0.02, 24.0, 128.0, 9_000.0, 60_000.0),
    ("bot", 0.05, 140.0, 256.0, 4_000.0, 3_000.0),
    ("redis", 0.01, 18.0, 64.0, 1_500.0, 2_500.0),
    ("sqlserver", 0.12, 1_450.0, 2_048.0, 6_000.0, 8_000.0),
    ("arena", 0.18, 210.0, 512.0, 18_000.0, 40_000.0),
    ("capture", 0.11, 190.0, 512.0, 9_000.0, 20_000.0),
];
/// The container that crashes now and then, and after how long.
const CRASHING: (&str, u64) = ("bot", 1_800);

/// Networks of the made-up attackers, and what they were banned for.
const BANNED: [(&str, &str, &str, &str); 5] = [
    ("23.32.0.0/11", "crowdsec", "ban", "crowdsecurity/http-probing"),
    ("198.51.100.7/32", "crowdsec", "ban", "crowdsecurity/ssh-bf"),
    ("203.0.113.40/32", "crowdsec", "captcha", "crowdsecurity/http-bad-user-agent"),
    ("192.0.2.66/32", "cscli", "ban", "manual"),
    ("198.51.100.64/26", "CAPI", "ban", "crowdsecurity/http-cve"),
];

/// A machine that was started at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    booted: Timestamp,
}

impl Surroundings {
    /// Of a machine that was started then.
    pub fn new(booted: Timestamp) -> Self {
        Self { booted }
    }

    /// What the probe of this name sees; nothing, if there is none.
    pub fn look(&self, probe: &str, now: Timestamp) -> Vec<Sample> {
        let secs = now.since(self.booted).as_secs_f64();
        match probe {
            "docker" => vec![Sample::Containers(self.containers(now, secs))],
            "host" => vec![Sample::Host(Box::new(self.host(secs)))],
            "sqlserver" => vec![Sample::SqlServer(database(secs))],
            "udp_ports" => vec![Sample::UdpPorts(udp_ports(now, secs))],
            "crowdsec" => vec![Sample::CrowdSec(decisions(now))],
            "integrity" => vec![Sample::Files(files())],
            _ => Vec::new(),
        }
    }

    fn containers(&self, now: Timestamp, secs: f64) -> Containers {
        let mut list: Vec<Container> = (1..).zip(CONTAINERS).map(|(id, row)| self.container(id, row, now, secs)).collect();
        let ended = Details { started: Some(self.booted), finished: Some(self.booted.plus(Duration::from_secs(90))), ..Details::default() };
        list.push(Container { state: Some(State::Exited), details: Some(ended), ..container(7, "backup") });
        Containers { list, left_out: 0 }
    }

    fn container(&self, id: u32, row: (&'static str, f64, f64, f64, f64, f64), now: Timestamp, secs: f64) -> Container {
        let (name, share, memory, limit, received, sent) = row;
        let restarts = if name == CRASHING.0 { secs as u64 / CRASHING.1 } else { 0 };
        let started = self.booted.plus(Duration::from_secs(restarts * CRASHING.1));
        let up = now.since(started).as_secs_f64();
        let usage = Usage {
            cpu: Duration::from_secs_f64(up * share + wave_so_far(up, 240.0) * share / 2.0),
            memory_bytes: (memory * MIB * (1.0 + 0.08 * wave(secs, 420.0 + memory))) as u64,
            memory_limit_bytes: Some((limit * MIB) as u64),
            received_bytes: (up * received) as u64,
            transmitted_bytes: (up * sent) as u64,
        };
        Container {
            state: Some(State::Running),
            health: (name != "redis").then_some(Health::Healthy),
            details: Some(Details { started: Some(started), restarts, ..Details::default() }),
            usage: Some(usage),
            ..container(id, name)
        }
    }

    fn host(&self, secs: f64) -> Host {
        let (user, system, iowait) = (secs * 0.28 + wave_so_far(secs, 300.0) * 0.1, secs * 0.09, secs * 0.02);
        let steal = secs * 0.01;
        let gib = |gib: f64| (gib * 1_024.0 * MIB) as u64;
        let disk = |mount: &str, size: f64, used: f64| Filesystem {
            mount: mount.to_owned(),
            size: gib(size),
            available: gib(size - used - secs / 86_400.0).min(gib(size)),
        };
        let mut sockets = Sockets { connections: [0; 13], listeners: Vec::new() };
        for (state, count) in [(0, 42.0), (5, 31.0), (9, 9.0), (12, 6.0)] {
            sockets.connections[state] = (count * (1.0 + 0.2 * wave(secs, 180.0))) as u64;
        }
        let tcp =
            [(Scope::External, 22), (Scope::External, 80), (Scope::External, 443), (Scope::Loopback, 1_433), (Scope::Loopback, 6_379)];
        sockets.listeners.extend(tcp.map(|(scope, port)| Listener { scope, protocol: "tcp", port }));
        sockets.listeners.extend(UDP_SERVICES.map(|(_, port)| Listener { scope: Scope::External, protocol: "udp", port }));
        sockets.listeners.sort_unstable();
        Host {
            cpu: Some([user, 0.0, system, secs * 2.0 - user - system - iowait - steal, iowait, 0.0, 0.0, steal]),
            booted: Some(self.booted),
            memory: Some(Memory { total: gib(4.0), available: gib(1.5 + 0.2 * wave(secs, 600.0)) }),
            swap: Some(Memory { total: gib(2.0), available: gib(1.8) }),
            load: Some([0.6 + 0.3 * wave(secs, 300.0), 0.6 + 0.1 * wave(secs, 300.0), 0.6]),
            filesystems: vec![disk("/", 40.0, 21.0), disk("/srv", 100.0, 63.0)],
            processes: Some(processes(secs)),
            sockets: Some(sockets),
            failed_units: Some(Vec::new()),
        }
    }
}

/// One that was made and has done nothing yet.
fn container(id: u32, name: &str) -> Container {
    Container {
        id: format!("{id:064x}"),
        name: name.to_owned(),
        service: name.to_owned(),
        image: format!("{name}:1"),
        ..Container::default()
    }
}

fn processes(secs: f64) -> Processes {
    let process = |(pid, (name, share, memory, ..)): (i32, (&str, f64, f64, f64, f64, f64))| Process {
        pid,
        started_secs: 2.0,
        name: name.to_owned(),
        cpu_secs: secs * share,
        memory: (memory * MIB) as u64,
    };
    Processes { uptime_secs: secs, all: (1_000..).zip(CONTAINERS).map(process).collect() }
}

fn database(secs: f64) -> Instance {
    let stage = |millis: f64| Some(Duration::from_secs_f64(millis * (1.0 + 0.3 * wave(secs, 90.0 + millis)) / 1_000.0));
    let version = "Microsoft SQL Server 2022 (RTM-CU20) - 16.0.4205.1 (X64)";
    Instance { name: DATABASE.to_owned(), stages: [stage(1.2), stage(4.5), stage(6.0), stage(0.9)], version: Ok(version.to_owned()) }
}

fn udp_ports(now: Timestamp, secs: f64) -> UdpPorts {
    let port = |(place, (_, port)): (usize, (&str, u16))| {
        let players = 8.0 / (place + 1) as f64;
        let packets = (players * (30.0 * secs + 10.0 * wave_so_far(secs, 600.0))) as u64;
        let count = (players * (1.5 + 0.4 * wave(secs, 500.0))) as u64;
        UdpPort { port, packets, bytes: packets * 96, sources: Some(UdpSources { count, brief: 1, ..UdpSources::default() }) }
    };
    UdpPorts { at: now, table: 1, ports: UDP_SERVICES.into_iter().enumerate().map(port).collect() }
}

fn decisions(now: Timestamp) -> Decisions {
    let until = now.plus(Duration::from_secs(4 * 3_600));
    let decision = |(network, origin, kind, scenario): (&str, &str, &str, &str)| {
        let key = Key { target: Target::Network(network.parse().ok()?), kind: Arc::from(kind) };
        Some(Decision { key, origin: Arc::from(origin), scenario: Arc::from(scenario), until })
    };
    Decisions { is_all: true, deleted: Vec::new(), added: BANNED.into_iter().filter_map(decision).collect(), left_out: 0 }
}

fn files() -> Files {
    let file = |(path, bytes, mode): (&str, u64, u32)| WatchedFile {
        path: path.to_owned(),
        state: FileState { sha256: Some(format!("{bytes:064x}")), bytes, uid: 0, gid: 0, mode },
        explanation: None,
    };
    let watched = [("/etc/passwd", 1_843, 0o644), ("/etc/ssh/sshd_config", 3_264, 0o644), ("/etc/sudoers", 1_714, 0o440)];
    Files { patterns: vec!["/etc/*".to_owned()], files: watched.map(file).into(), complete: true, installing: false, packages_at: None }
}

/// From -1 to 1 and back, once in `period` seconds.
fn wave(secs: f64, period: f64) -> f64 {
    (secs * std::f64::consts::TAU / period).sin()
}

/// What a wave has added up to since 0: added to a sum that grows by at least one per second, it leaves that growing.
fn wave_so_far(secs: f64, period: f64) -> f64 {
    let turn = std::f64::consts::TAU / period;
    (1.0 - (secs * turn).cos()) / turn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_sees_something_and_counters_only_grow() {
        let machine = Surroundings::new(Timestamp::from_secs(1_000_000));
        let at = |secs: i64| Timestamp::from_secs(1_000_000 + secs);
        for probe in ["docker", "host", "sqlserver", "udp_ports", "crowdsec", "integrity"] {
            assert_eq!(machine.look(probe, at(0)).len(), 1, "{probe}");
        }
        assert!(machine.look("weather", at(0)).is_empty());
        let counters = |secs| {
            let mut all: Vec<f64> = machine.host(secs).cpu.unwrap().to_vec();
            all.extend(udp_ports(at(secs as i64), secs).ports.iter().map(|port| port.packets as f64));
            all.extend(processes(secs).all.iter().map(|process| process.cpu_secs));
            all
        };
        for secs in (0..4_000).step_by(7) {
            let (before, after) = (counters(f64::from(secs)), counters(f64::from(secs + 7)));
            assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "at {secs} s: {before:?} {after:?}");
        }
    }

    #[test]
    fn every_decision_is_about_a_network() {
        assert_eq!(decisions(Timestamp::from_secs(0)).added.len(), BANNED.len());
    }

    #[test]
    fn a_container_that_crashes_is_started_again() {
        let machine = Surroundings::new(Timestamp::from_secs(0));
        let bot = |secs: i64| machine.containers(Timestamp::from_secs(secs), secs as f64).list.remove(1);
        let (before, after) = (bot(1_799).details.unwrap(), bot(1_801).details.unwrap());
        assert_eq!((before.restarts, after.restarts, after.started), (0, 1, Some(Timestamp::from_secs(1_800))));
    }
}

//! The sections `[probes.NAME]`, one function each. What all have, `enabled`, `interval_secs` and `timeout_secs`, is read in one place.

use std::ops::RangeInclusive;

use super::lists::ListOf;
use super::parse::{any_pattern, base_url, container_name, directory, docker_endpoint, host_name, label_name, not_empty};
use super::secrets::Names;
use super::section::Section;
use super::values::Wrong;
use super::{CrowdSec, Integrity, Probe, Probes, Secret, UdpPorts};
use crate::detectors::udp_flood::Service;
use crate::docker_api::Endpoint;
use crate::probes::udp_ports::MAX_SOURCES;
use crate::probes::{docker, host, sqlserver};

/// The most UDP ports: the kernel may keep some 2 MiB for each.
const MAX_SERVICES: usize = 64;

/// Reads all of them.
pub(super) fn read(root: &mut Section<'_, '_>) -> Probes {
    root.section("probes", "What is found out about this machine besides its logs.", |probes| {
        let docker = docker(probes);
        Probes {
            host: host(probes),
            sqlserver: sqlserver(probes, &docker.config.endpoint),
            udp_ports: udp_ports(probes),
            crowdsec: crowdsec(probes),
            integrity: integrity(probes),
            docker,
            made_up: None,
        }
    })
}

fn docker(probes: &mut Section<'_, '_>) -> Probe<docker::Config> {
    let rhythm = Rhythm { interval_secs: 15, intervals: 5..=3_600, timeout_secs: 10 };
    probe(probes, docker::NAME, "Containers, by the Docker API; only GET is asked.", &rhythm, |docker| {
        docker::Config {
        endpoint: docker.text(
            "endpoint",
            "unix:///var/run/docker.sock",
            "Where Docker listens, or better a proxy that lets only GET through: unix:///path or tcp://host:port. For logs of containers, too.",
            docker_endpoint,
        ),
        inspect: docker.flag(
            "inspect",
            true,
            "Whether each container's details are asked for: start, restarts, exit code. They hold its environment, which is not kept.",
        ),
    }
    })
}

fn host(probes: &mut Section<'_, '_>) -> Probe<host::Config> {
    let rhythm = Rhythm { interval_secs: 15, intervals: 5..=3_600, timeout_secs: 5 };
    probe(probes, host::NAME, "Processor, memory, disks, processes, connections and failed units of this machine.", &rhythm, |host| {
        let doc = "Where the host's root is mounted: / on the host itself, for example /host in a container.";
        host::Config { root: host.text("root", "/", doc, directory) }
    })
}

/// The most instances: each is asked at the same time, and is a label value.
const MAX_INSTANCES: usize = 16;

fn sqlserver(probes: &mut Section<'_, '_>, engine: &Endpoint) -> Probe<sqlserver::Config> {
    let rhythm = Rhythm { interval_secs: 60, intervals: 60..=3_600, timeout_secs: 10 };
    let doc = "Whether SQL Server can be reached, logged in to and asked for its version.";
    let mut without_password = Vec::new();
    let settings = probe(probes, sqlserver::NAME, doc, &rhythm, |section| {
        let read = section.sections("instances", MAX_INSTANCES, "An instance of SQL Server.", instance);
        for (place, (path, (instance, has_password))) in read.iter().enumerate() {
            let is_taken = read.iter().take(place).any(|(_, (other, _))| other.name == instance.name);
            if is_taken && !instance.name.is_empty() {
                let what = format!("\"{}\" is taken", instance.name);
                section.reader.problem(&format!("{path}.name"), what, "give each instance its own");
            }
            if !has_password {
                without_password.push(format!("{path}.password"));
            }
        }
        sqlserver::Config { instances: read.into_iter().map(|(_, (instance, _))| instance).collect(), engine: engine.clone() }
    });
    if settings.enabled && settings.config.instances.is_empty() {
        let remedy = "write for example [[probes.sqlserver.instances]], with a name, a host and a user";
        probes.reader.problem("probes.sqlserver.instances", "is empty", remedy);
    }
    if settings.enabled && !probes.reader.broken {
        without_password.iter().for_each(|path| probes.reader.problem(path, "is missing", "set it, or password_file"));
    }
    settings
}

/// An instance, and whether it has a password.
fn instance(instance: &mut Section<'_, '_>) -> (sqlserver::Instance, bool) {
    let name = instance.required("name", "shop", "The label `instance` of its metrics; unique.", label_name);
    let doc = "The container to run sqlcmd in by Docker exec, in place of asking over the network; needs more rights of Docker: see docs/probes.md.";
    let exec_container = instance.optional("exec_container", "shop-db", doc, container_name);
    // In the container it is always its own loopback.
    let host = match exec_container.is_some() && !instance.holds("host") {
        true => None,
        false => instance.required("host", "db.example.org", "Host name or address; not needed with exec_container.", host_name),
    };
    let port = instance.number("port", 1_433, 1..=65_535, "TCP port.");
    let user = instance.required("user", "hostwarden", "A login that needs no right but to connect.", not_empty);
    let names = Names { text: "password", file: "password_file", alias: "" };
    let password = instance.secret(&names, "Its password.", |text| not_empty(text).map(drop));
    let encrypt = instance.flag("encrypt", true, "Whether all is encrypted; otherwise the login alone.");
    let doc = "Whether any certificate will do: who sits on the way can then read the password.";
    let trust_certificate = instance.flag("trust_certificate", false, doc);
    let read = sqlserver::Instance {
        name: name.unwrap_or_default(),
        host: host.unwrap_or_default(),
        port: u16::try_from(port).unwrap_or(1_433),
        user: user.unwrap_or_default(),
        password: sqlserver::Password::new(password.as_ref().map(Secret::expose).unwrap_or_default()),
        encrypt,
        trust_certificate,
        exec_container,
    };
    (read, password.is_some())
}

/// When a probe looks if nothing is configured, and what may be.
struct Rhythm {
    interval_secs: u64,
    intervals: RangeInclusive<u64>,
    timeout_secs: u64,
}

/// Reads `[probes.NAME]`.
fn probe<'d, T>(
    probes: &mut Section<'_, 'd>,
    name: &'static str,
    doc: &'static str,
    rhythm: &Rhythm,
    read: impl FnOnce(&mut Section<'_, 'd>) -> T,
) -> Probe<T> {
    probes.section(name, doc, |probe| {
        let enabled = probe.flag("enabled", false, "Whether it runs.");
        let doc = "From one look to the next, give or take a twentieth.";
        let interval_secs = probe.number("interval_secs", rhythm.interval_secs, rhythm.intervals.clone(), doc);
        let timeout_secs = probe.number("timeout_secs", rhythm.timeout_secs, 1..=300, "How long a look may take.");
        Probe { enabled, interval_secs, timeout_secs, config: read(probe) }
    })
}

fn integrity(probes: &mut Section<'_, '_>) -> Probe<Integrity> {
    let rhythm = Rhythm { interval_secs: 600, intervals: 10..=86_400, timeout_secs: 60 };
    probe(probes, "integrity", "Watches files that nobody should change unseen.", &rhythm, |integrity| {
        let kind = ListOf { default: &[], example: &["/etc/ssh/*", "/srv/app/.env"], max: 256, is_required: false, of_numbers: false };
        let doc = "Absolute paths, or patterns with * ? [a-z] or /**/ in them. Empty: sshd, keys, sudo, accounts, PAM, cron, systemd units, compose files.";
        let paths = integrity.list("paths", &kind, doc, any_pattern).into_iter().map(|(pattern, _)| pattern).collect();
        Integrity { paths }
    })
}

fn crowdsec(probes: &mut Section<'_, '_>) -> Probe<CrowdSec> {
    let doc = "Asks CrowdSec's local API whom it bans, as bouncers do; requests of those who still arrive are counted.";
    let rhythm = Rhythm { interval_secs: 10, intervals: 1..=3_600, timeout_secs: 10 };
    let settings = probe(probes, "crowdsec", doc, &rhythm, |crowdsec| {
        let url = crowdsec.text("url", "http://127.0.0.1:8080", "Where the local API is.", base_url);
        let names = Names { text: "api_key", file: "api_key_file", alias: "" };
        let doc = "The key of a bouncer of its own: cscli bouncers add hostwarden -o raw.";
        let is_text = |key: &str| if key.bytes().all(|b| b.is_ascii_graphic()) { Ok(()) } else { Err(no_key()) };
        CrowdSec { url, api_key: crowdsec.secret(&names, doc, is_text) }
    });
    if settings.enabled && settings.config.api_key.is_none() {
        let remedy = "name a file with api_key_file; make a key with: cscli bouncers add hostwarden -o raw";
        probes.reader.problem("probes.crowdsec.api_key", "is missing", remedy);
    }
    settings
}

fn no_key() -> Wrong {
    let what = "holds blanks, line ends or characters beyond ASCII".to_owned();
    Wrong { what, remedy: "make one with: cscli bouncers add hostwarden -o raw".to_owned() }
}

fn udp_ports(probes: &mut Section<'_, '_>) -> Probe<UdpPorts> {
    let doc = "Counts what arrives at UDP ports, of this machine's programs and of containers: packets, bytes, sources. Needs the command \
               nft and the capability CAP_NET_ADMIN; makes the nftables table inet hostwarden_udp and takes it away at the end.";
    let rhythm = Rhythm { interval_secs: 5, intervals: 1..=60, timeout_secs: 10 };
    let settings = probe(probes, "udp_ports", doc, &rhythm, |udp| {
        let doc = "Over how long rates are means, and how long a sender counts as a source after its last packet.";
        let window_secs = udp.number("window_secs", 10, 1..=600, doc);
        let doc = "A UDP port to watch, and what makes a flood of it (0: nothing does), each as the mean over the window.";
        let services = udp.sections("services", MAX_SERVICES, doc, |service| {
            let name = service.required("name", "game", "The label `service` of its metrics; may have several ports.", label_name);
            let port = service.required_number("port", 27_015, 1..=65_535, "The port, as packets from outside name it.");
            let thresholds = [
                service.number("packets_per_sec", 0, 0..=u64::from(u32::MAX), "Packets per second."),
                service.number("bytes_per_sec", 0, 0..=1 << 40, "Bytes per second, with the headers of IP and UDP."),
                service.number("sources", 0, 0..=MAX_SOURCES, "Distinct sources in the window."),
            ];
            Service { name: name.unwrap_or_default(), port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default(), thresholds }
        });
        let mut known: Vec<Service> = Vec::new();
        for (path, service) in services {
            if service.port != 0 && known.iter().any(|other| other.port == service.port) {
                udp.reader.problem(&format!("{path}.port"), format!("{} stands twice", service.port), "name each port once");
            }
            known.push(service);
        }
        UdpPorts { services: known, window_secs }
    });
    if settings.enabled && settings.config.services.is_empty() {
        let remedy = "write for example [[probes.udp_ports.services]], with a name and a port";
        probes.reader.problem("probes.udp_ports.services", "is empty", remedy);
    }
    settings
}

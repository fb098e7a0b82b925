//! The sections `[probes.NAME]`, one function each. What all have, `enabled`, `interval_secs` and `timeout_secs`, is read in one place.

use std::ops::RangeInclusive;

use super::lists::ListOf;
use super::parse::{any_pattern, label_name};
use super::section::Section;
use super::{Integrity, Probe, Probes, UdpPorts};
use crate::detectors::udp_flood::Service;
use crate::probes::udp_ports::MAX_SOURCES;

/// The most UDP ports: the kernel may keep some 2 MiB for each.
const MAX_SERVICES: usize = 64;

/// Reads all of them.
pub(super) fn read(root: &mut Section<'_, '_>) -> Probes {
    root.section("probes", "What is found out about this machine besides its logs.", |probes| Probes {
        udp_ports: udp_ports(probes),
        integrity: integrity(probes),
    })
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

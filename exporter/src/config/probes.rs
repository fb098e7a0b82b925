//! The sections `[probes.NAME]`, one function each. What all have, `enabled`, `interval_secs` and `timeout_secs`, is read in one place.

use std::ops::RangeInclusive;

use super::lists::ListOf;
use super::parse::any_pattern;
use super::section::Section;
use super::{Integrity, Probe, Probes};

/// Reads all of them.
pub(super) fn read(root: &mut Section<'_, '_>) -> Probes {
    root.section("probes", "What is found out about this machine besides its logs.", |probes| Probes { integrity: integrity(probes) })
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

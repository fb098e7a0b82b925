//! The sections `[probes.NAME]`, one function each. What all have, `enabled`, `interval_secs` and `timeout_secs`, is read in one place.

use std::ops::RangeInclusive;

use super::parse::directory;
use super::section::Section;
use super::{Probe, Probes};
use crate::probes::host;

/// Reads all of them.
pub(super) fn read(root: &mut Section<'_, '_>) -> Probes {
    root.section("probes", "What is found out about this machine besides its logs.", |probes| Probes { host: host(probes) })
}

fn host(probes: &mut Section<'_, '_>) -> Probe<host::Config> {
    let rhythm = Rhythm { interval_secs: 15, intervals: 5..=3_600, timeout_secs: 5 };
    probe(probes, host::NAME, "Processor, memory, disks, processes, connections and failed units of this machine.", &rhythm, |host| {
        let doc = "Where the host's root is mounted: / on the host itself, for example /host in a container.";
        host::Config { root: host.text("root", "/", doc, directory) }
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

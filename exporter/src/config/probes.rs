//! The sections `[probes.NAME]`, one function each. What all have, `enabled`, `interval_secs` and `timeout_secs`, is read in one place.

use std::ops::RangeInclusive;

use super::section::Section;
use super::values::{Wrong, wrong};
use super::{Probe, Probes};
use crate::probes::docker;

/// Reads all of them.
pub(super) fn read(root: &mut Section<'_, '_>) -> Probes {
    root.section("probes", "What is found out about this machine besides its logs.", |probes| Probes { docker: docker(probes) })
}

fn docker(probes: &mut Section<'_, '_>) -> Probe<docker::Config> {
    let rhythm = Rhythm { interval_secs: 15, intervals: 5..=3_600, timeout_secs: 10 };
    probe(probes, docker::NAME, "Containers, by the Docker API; only GET is asked.", &rhythm, |docker| docker::Config {
        endpoint: docker.text(
            "endpoint",
            "unix:///var/run/docker.sock",
            "Where Docker listens, or better a proxy that lets only GET through.",
            endpoint,
        ),
        inspect: docker.flag(
            "inspect",
            true,
            "Whether each container's details are asked for: start, restarts, exit code. They hold its environment, which is not kept.",
        ),
    })
}

fn endpoint(text: &str) -> Result<docker::Endpoint, Wrong> {
    let remedy = "write \"unix:///var/run/docker.sock\" or for example \"tcp://127.0.0.1:2375\"";
    docker::Endpoint::parse(text).ok_or_else(|| wrong(text, "is no endpoint of Docker", remedy))
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

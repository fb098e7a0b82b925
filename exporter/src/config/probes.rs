//! The sections `[probes.NAME]`, one function each. What all have, `enabled`, `interval_secs` and `timeout_secs`, is read in one place.

use std::ops::RangeInclusive;

use super::parse::docker_endpoint;
use super::section::Section;
use super::{Docker, Probe, Probes};

/// Where the Docker Engine listens if nothing else is said.
const DOCKER_ENDPOINT: &str = "unix:///var/run/docker.sock";

/// Reads all of them.
pub(super) fn read(root: &mut Section<'_, '_>) -> Probes {
    root.section("probes", "What is found out about this machine besides its logs.", |probes| Probes { docker: docker(probes) })
}

fn docker(probes: &mut Section<'_, '_>) -> Docker {
    probes.section("docker", "Containers, as the Docker Engine tells of them.", |docker| {
        let doc = "Where the Docker Engine, or a proxy before it, listens: unix:///path or tcp://host:port. For logs of containers, too.";
        let endpoint = docker.text("endpoint", DOCKER_ENDPOINT, doc, docker_endpoint);
        Docker { endpoint }
    })
}

/// When a probe looks if nothing is configured, and what may be.
struct Rhythm {
    interval_secs: u64,
    intervals: RangeInclusive<u64>,
    timeout_secs: u64,
}

/// Reads `[probes.NAME]`.
#[expect(dead_code, reason = "the first probe uses it")]
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

//! The probes that are switched on: who looks, and what the engine keeps of it. The list of all probes.

use std::time::Duration;

use crate::config::{Config, Probe as Settings};
use crate::engine::probes::{self as subjects, Subject};
use crate::probes::docker::Docker;
use crate::probes::{Planned, Probe};

/// What runs.
#[derive(Default)]
pub(super) struct Probes {
    /// What the engine keeps of each.
    pub(super) subjects: Vec<Box<dyn Subject>>,
    /// Who looks, and when.
    pub(super) planned: Vec<Planned>,
}

/// All that are switched on.
///
/// # Errors
///
/// Why one cannot be built.
pub(super) fn probes(config: &Config) -> anyhow::Result<Probes> {
    let (settings, detectors) = (&config.probes, &config.detectors);
    let mut probes = Probes::default();
    probes.add(&settings.docker, |docker| {
        let probe = Docker::new(docker, Duration::from_secs(settings.docker.timeout_secs));
        let subject = subjects::docker::Docker::new(super::wanted(&detectors.containers));
        Ok((Box::new(probe), Box::new(subject)))
    })?;
    Ok(probes)
}

impl Probes {
    /// Adds a probe, if it is switched on.
    fn add<T>(
        &mut self,
        settings: &Settings<T>,
        build: impl FnOnce(&T) -> anyhow::Result<(Box<dyn Probe>, Box<dyn Subject>)>,
    ) -> anyhow::Result<()> {
        if !settings.enabled {
            return Ok(());
        }
        let (probe, subject) = build(&settings.config)?;
        let (interval, timeout) = (Duration::from_secs(settings.interval_secs), Duration::from_secs(settings.timeout_secs));
        self.planned.push(Planned { probe, interval, timeout });
        self.subjects.push(subject);
        Ok(())
    }
}

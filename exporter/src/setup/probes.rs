//! The probes that are switched on: who looks, and what the engine keeps of it. The list of all probes.

use std::time::Duration;

use crate::config::{self, Probe as Settings};
use crate::engine::{self, probes::Subject};
use crate::probes::{Planned, Probe, host, sqlserver};

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
pub(super) fn probes(config: &config::Probes) -> anyhow::Result<Probes> {
    let mut probes = Probes::default();
    probes.add(&config.host, |settings| {
        Ok((Box::new(host::HostProbe::new(settings.clone())), Box::<engine::probes::host::Host>::default()))
    })?;
    let limit = Duration::from_secs(config.sqlserver.timeout_secs);
    probes.add(&config.sqlserver, |settings| {
        let names = settings.instances.iter().map(|instance| instance.name.clone());
        let subject = engine::probes::sqlserver::SqlServer::new(names);
        Ok((Box::new(sqlserver::SqlServer::new(settings.clone(), limit)), Box::new(subject)))
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

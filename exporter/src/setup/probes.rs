//! The probes that are switched on: who looks, and what the engine keeps of it. The list of all probes.

use std::path::Path;
use std::time::Duration;

use crate::config::{self, Config, Probe as Settings};
use crate::demo::probes::MadeUp;
use crate::engine::probes::{self as subjects, Subject};
use crate::probes::crowdsec::{self, CrowdSec};
use crate::probes::docker::Docker;
use crate::probes::integrity::{self, Integrity};
use crate::probes::sqlserver::SqlServer;
use crate::probes::udp_ports::{self, UdpPorts};
use crate::probes::{Planned, Probe, host};
use crate::workload::surroundings::Surroundings;

/// What runs.
#[derive(Default)]
pub(super) struct Probes {
    /// What the engine keeps of each.
    pub(super) subjects: Vec<Box<dyn Subject>>,
    /// Who looks, and when.
    pub(super) planned: Vec<Planned>,
    made_up: Option<Surroundings>,
}

/// All that are switched on.
///
/// # Errors
///
/// Why one cannot be built.
pub(super) fn probes(config: &Config) -> anyhow::Result<Probes> {
    let mut all = Probes { made_up: config.probes.made_up, ..Probes::default() };
    let settings = &config.probes;
    all.add(&settings.docker, |docker| {
        let probe = Docker::new(docker, Duration::from_secs(settings.docker.timeout_secs));
        let subject = subjects::docker::Docker::new(super::wanted(&config.detectors.containers));
        Ok((Box::new(probe), Box::new(subject)))
    })?;
    all.add(&settings.host, |host| Ok((Box::new(host::HostProbe::new(host.clone())), Box::<subjects::host::Host>::default())))?;
    let limit = Duration::from_secs(settings.sqlserver.timeout_secs);
    all.add(&settings.sqlserver, |sqlserver| {
        let names = sqlserver.instances.iter().map(|instance| instance.name.clone());
        let subject = subjects::sqlserver::SqlServer::new(names);
        Ok((Box::new(SqlServer::new(sqlserver.clone(), limit)), Box::new(subject)))
    })?;
    all.add(&settings.crowdsec, |asked| {
        let api_key = asked.api_key.as_ref().map(|key| key.expose().to_owned()).unwrap_or_default();
        let probe = CrowdSec::new(&crowdsec::Config { url: asked.url.clone(), api_key })?;
        Ok((Box::new(probe), Box::new(subjects::CrowdSec)))
    })?;
    all.add(&settings.udp_ports, |udp| {
        let ports = udp.services.iter().map(|service| service.port).collect();
        let probe = UdpPorts::new(udp_ports::Config { ports, window_secs: udp.window_secs });
        let subject = subjects::UdpPorts::new(udp.services.clone(), udp.window_secs, &config.detectors.udp_flood);
        Ok((Box::new(probe), Box::new(subject)))
    })?;
    all.add(&settings.integrity, |files| {
        let probe = Integrity::new(integrity(files, &settings.host.config.root));
        Ok((Box::new(probe), Box::<subjects::Integrity>::default()))
    })?;
    Ok(all)
}

fn integrity(settings: &config::Integrity, root: &Path) -> integrity::Config {
    let defaults = || integrity::DEFAULT_PATHS.map(str::to_owned).to_vec();
    let paths = if settings.paths.is_empty() { defaults() } else { settings.paths.clone() };
    integrity::Config { paths, root: root.to_owned() }
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
        let (mut probe, subject) = build(&settings.config)?;
        if let Some(machine) = self.made_up {
            probe = Box::new(MadeUp::instead_of(probe.name(), machine));
        }
        let (interval, timeout) = (Duration::from_secs(settings.interval_secs), Duration::from_secs(settings.timeout_secs));
        self.planned.push(Planned { probe, interval, timeout });
        self.subjects.push(subject);
        Ok(())
    }
}

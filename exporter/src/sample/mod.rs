#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What the probes saw: plain owned data, one file per probe. A probe tells what is; what to make of it is for the engine.

use std::time::Duration;

pub mod crowdsec;
pub mod docker;
pub mod files;
pub mod host;
pub mod sqlserver;
pub mod udp_ports;

/// What one probe handed in at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The probe's name, as in labels.
    pub probe: &'static str,
    /// How its poll went; `None`: it saw something between two polls.
    pub polled: Option<Polled>,
    /// What it saw. May hold something even if the poll failed in part.
    pub samples: Vec<Sample>,
}

/// How a poll went.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    /// How long it took.
    pub took: Duration,
    /// Why it failed, for people: thing, what and cause. `None`: it did not.
    pub problem: Option<String>,
}

/// What a probe saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// All containers.
    Containers(docker::Containers),
    /// Something happened to one container.
    ContainerEvent(docker::ContainerEvent),
    /// The watched files.
    Files(files::Files),
    /// What CrowdSec has decided.
    CrowdSec(crowdsec::Decisions),
    /// What arrived at UDP ports.
    UdpPorts(udp_ports::UdpPorts),
    /// The machine itself.
    Host(Box<host::Host>),
    /// An instance of SQL Server.
    SqlServer(sqlserver::Instance),
}

//! What can be found out about this machine besides its logs. A probe looks and tells, one file each; it keeps nothing that a finding
//! could hang on, and decides nothing.
//!
//! Who runs the probes (`app/probes.rs`) gives each its interval, jitter and time-out, times it, and tells how it went, so that no probe
//! has to remember to.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::sample::{Report, Sample};

pub mod crowdsec;
pub mod docker;
pub mod host;
pub mod integrity;
mod socket_table;
pub mod sqlserver;
pub mod surroundings;
pub mod udp_ports;

/// One probe.
pub trait Probe: Send {
    /// Its name, as in labels and in the configuration.
    fn name(&self) -> &'static str;

    /// Looks once.
    fn poll(&mut self) -> Work<'_>;

    /// What it sees between two polls, if it can: runs beside them until the end, waits out whatever fails, and hands in what it sees.
    fn watch(&mut self, outlet: Outlet) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        drop(outlet);
        None
    }

    /// Takes back what it did to the machine, when the exporter stops.
    fn close(&mut self) -> Option<Work<'_>> {
        None
    }
}

/// A piece of a probe's work.
pub enum Work<'a> {
    /// Waits for others, and does little itself.
    Async(Pin<Box<dyn Future<Output = Seen> + Send + 'a>>),
    /// Asks the kernel or a disk, which may take its time: runs on a thread of its own.
    Blocking(Box<dyn FnOnce() -> Seen + Send>),
}

/// What a piece of work saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// What it saw; may hold something even if a part failed.
    pub samples: Vec<Sample>,
    /// What failed.
    pub problem: Option<Error>,
}

impl From<Result<Vec<Sample>, Error>> for Seen {
    fn from(result: Result<Vec<Sample>, Error>) -> Self {
        match result {
            Ok(samples) => Self { samples, problem: None },
            Err(problem) => Self { samples: Vec::new(), problem: Some(problem) },
        }
    }
}

/// Why a probe failed: always weather, tried again at the next interval.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something could not be asked or did not answer as it should.
    #[error("{what}: {cause}")]
    Failed {
        /// What was done, on what: `ask http://127.0.0.1:8080`.
        what: String,
        /// Why it failed.
        cause: String,
    },
    /// No answer came in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
}

impl Error {
    /// What was done on what, and why it failed.
    pub fn failed(what: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Failed { what: what.into(), cause: cause.to_string() }
    }
}

/// Where a probe hands in what it sees between two polls.
pub struct Outlet {
    probe: &'static str,
    reports: mpsc::Sender<Report>,
    soon: Arc<Notify>,
}

impl Outlet {
    /// For this probe; `soon` wakes who polls it.
    pub fn new(probe: &'static str, reports: mpsc::Sender<Report>, soon: Arc<Notify>) -> Self {
        Self { probe, reports, soon }
    }

    /// Asks for the next poll now.
    pub fn poll_soon(&self) {
        self.soon.notify_one();
    }

    /// Hands in what was seen; waits for room. `false`: nobody takes it any more.
    pub async fn send(&self, samples: Vec<Sample>) -> bool {
        self.reports.send(Report { probe: self.probe, polled: None, samples }).await.is_ok()
    }
}

/// A probe and when it looks.
pub struct Planned {
    /// The probe.
    pub probe: Box<dyn Probe>,
    /// From one poll to the next, give or take a twentieth.
    pub interval: Duration,
    /// How long a poll may take.
    pub timeout: Duration,
}

//! What arrives at UDP ports, of the host's programs and of containers alike: counted by the kernel in an nftables table of our own, which
//! is made at the first look, mended at the next one if somebody flushed it, and taken away at the end.
//!
//! A table that is there already, because the last run was killed, is taken over if it counts the same things: nothing is lost then. Any
//! other is read for the last time before it is replaced.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Probe, Seen, Work};
use crate::clock;
use crate::sample::Sample;
use crate::sample::udp_ports::UdpPorts as Counted;

mod netlink;
mod nft;
mod table;

use netlink::{Failure, Netlink};
use nft::Layout;
use table::Table;

/// Its name.
pub const NAME: &str = "udp_ports";
/// The most senders of one address family that are told apart at a port.
pub const MAX_SOURCES: u64 = nft::SET_SIZE as u64;

/// Settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The ports that are counted, each once.
    pub ports: Vec<u16>,
    /// Who sent nothing for this long is no source any more.
    pub window_secs: u64,
}

/// The probe.
pub struct UdpPorts {
    config: Arc<Config>,
    /// Whether the table has been taken away for good. A look that was given up on may still be under way: it must make none behind that.
    closed: Arc<Mutex<bool>>,
}

impl UdpPorts {
    /// Does nothing yet.
    pub fn new(config: Config) -> Self {
        Self { config: Arc::new(config), closed: Arc::default() }
    }
}

impl Probe for UdpPorts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn poll(&mut self) -> Work<'_> {
        let (config, closed) = (Arc::clone(&self.config), Arc::clone(&self.closed));
        Work::Blocking(Box::new(move || {
            let closed = closed.lock().unwrap_or_else(PoisonError::into_inner);
            if *closed { Seen::default() } else { look(&config).into() }
        }))
    }

    fn close(&mut self) -> Option<Work<'_>> {
        let closed = Arc::clone(&self.closed);
        Some(Work::Blocking(Box::new(move || {
            *closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
            remove()
        })))
    }
}

fn look(config: &Config) -> Result<Vec<Sample>, Error> {
    let layout = Layout::new(config);
    let mut netlink = Netlink::open().map_err(|error| failed(error.into()))?;
    let mut found = table::read(&mut netlink).map_err(failed)?;
    let mut samples = Vec::new();
    let is_intact = |table: &Table| table.made.is_some_and(|(_, number)| number == layout.number) && table.rules == layout.rules;
    if !is_intact(&found) {
        samples.extend(counted(found));
        layout.make(clock::now().micros())?;
        found = table::read(&mut netlink).map_err(failed)?;
        if !is_intact(&found) {
            return Err(failed(std::io::Error::other("it was changed at once").into()));
        }
    }
    for port in &mut found.ports {
        port.sources = Some(table::sources(&mut netlink, port.port).map_err(failed)?);
    }
    samples.extend(counted(found));
    Ok(samples)
}

/// The last words of the table, and its end. Who may not look has made none.
fn remove() -> Seen {
    let found = match Netlink::open().map_err(Failure::from).and_then(|mut netlink| table::read(&mut netlink)) {
        Ok(found) => found,
        Err(Failure::NotPermitted) => return Seen::default(),
        Err(error) => return Seen { samples: Vec::new(), problem: Some(failed(error)) },
    };
    // Nothing of the name, or made by somebody else.
    if found.made.is_none() {
        return Seen::default();
    }
    Seen { samples: counted(found).into_iter().collect(), problem: nft::remove().err() }
}

fn counted(Table { made, ports, .. }: Table) -> Option<Sample> {
    let (table, _) = made?;
    Some(Sample::UdpPorts(Counted { at: clock::now(), table, ports }))
}

fn failed(failure: Failure) -> Error {
    Error::failed(format!("read the nftables table inet {}", nft::TABLE), failure)
}

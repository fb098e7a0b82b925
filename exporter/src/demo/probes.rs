//! Stands in for every probe in the demo: sees what is made up, and touches nothing of this machine.

use crate::clock;
use crate::probes::{Probe, Seen, Work};
use crate::workload::surroundings::Surroundings;

/// A probe that sees what is made up.
pub struct MadeUp {
    name: &'static str,
    machine: Surroundings,
}

impl MadeUp {
    /// In place of the probe of this name.
    pub fn instead_of(name: &'static str, machine: Surroundings) -> Self {
        Self { name, machine }
    }
}

impl Probe for MadeUp {
    fn name(&self) -> &'static str {
        self.name
    }

    fn poll(&mut self) -> Work<'_> {
        let (name, machine) = (self.name, self.machine);
        Work::Blocking(Box::new(move || Seen { samples: machine.look(name, clock::now()), problem: None }))
    }
}

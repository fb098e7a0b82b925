//! The host: its rows, and units that failed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Subject;
use crate::detectors::failed_units::{FailedUnits, MAX_UNITS};
use crate::event::Timestamp;
use crate::finding::Found;
use crate::metrics::Page;
use crate::metrics::host::Host as Rows;
use crate::metrics::own::Table;
use crate::sample::Sample;
use crate::snapshot::Section;

/// What is kept of the host.
#[derive(Default)]
pub struct Host {
    rows: Rows,
    units: FailedUnits,
}

impl Subject for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn take(&mut self, now: Timestamp, sample: Sample, out: &mut Vec<Found>) {
        let Sample::Host(host) = sample else { return };
        if let Some(failed) = &host.failed_units {
            self.units.observe(now, failed, out);
        }
        self.rows.take(*host);
    }

    fn lose(&mut self) {
        self.rows.lose();
    }

    fn show(&self, _now: Timestamp, page: &mut Page) {
        self.rows.show(page);
    }

    fn view(&self) -> Value {
        self.rows.view()
    }

    fn tables(&self) -> Vec<Table> {
        vec![Table { name: "failed_units", tracked: self.units.len(), limit: MAX_UNITS, evicted: 0 }]
    }

    fn save(&self) -> Value {
        json!({ "failed_units": self.units.save() })
    }

    fn load(&mut self, saved: &Value, _sections: &BTreeMap<String, Section>) {
        self.units.load(&saved["failed_units"]);
    }
}

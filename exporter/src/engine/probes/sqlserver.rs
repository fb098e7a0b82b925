//! SQL Server: its rows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Subject;
use crate::event::Timestamp;
use crate::finding::Found;
use crate::metrics::Page;
use crate::metrics::sqlserver::SqlServer as Rows;
use crate::sample::Sample;
use crate::snapshot::Section;

/// What is kept of SQL Server.
pub struct SqlServer {
    rows: Rows,
}

impl SqlServer {
    /// For the instances of these names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self { rows: Rows::new(names) }
    }
}

impl Subject for SqlServer {
    fn name(&self) -> &'static str {
        "sqlserver"
    }

    fn take(&mut self, _now: Timestamp, sample: Sample, _out: &mut Vec<Found>) {
        if let Sample::SqlServer(instance) = sample {
            self.rows.take(instance);
        }
    }

    fn lose(&mut self) {
        self.rows.lose();
    }

    fn show(&self, _now: Timestamp, page: &mut Page) {
        self.rows.show(page);
    }

    fn save(&self) -> Value {
        self.rows.save()
    }

    fn load(&mut self, counters: &Value, _saved: &BTreeMap<String, Section>) {
        self.rows.load(counters);
    }
}

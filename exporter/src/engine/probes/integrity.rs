//! What the engine keeps of the watched files.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Subject;
use crate::detectors::integrity::{self, Changes};
use crate::event::Timestamp;
use crate::finding::Found;
use crate::metrics::{Page, integrity as metrics};
use crate::sample::Sample;
use crate::snapshot::{Section, Write};

const SECTION: &str = "integrity";

/// The baseline and the counters.
#[derive(Default)]
pub struct Integrity {
    metrics: metrics::Integrity,
    detector: integrity::Integrity,
}

impl Subject for Integrity {
    fn name(&self) -> &'static str {
        integrity::NAME
    }

    fn take(&mut self, now: Timestamp, sample: Sample, out: &mut Vec<Found>) {
        let Sample::Files(files) = sample else { return };
        let unreadable = files.files.iter().filter(|file| file.state.sha256.is_none()).count();
        let Changes { explained, unexplained } = self.detector.observe(now, files, out);
        self.metrics.look(self.detector.files() as u64, unreadable as u64, explained, unexplained);
    }

    fn lose(&mut self) {
        self.metrics.lose();
    }

    fn show(&self, _now: Timestamp, page: &mut Page) {
        self.metrics.show(page);
    }

    fn save(&self) -> Value {
        self.metrics.save()
    }

    fn load(&mut self, counters: &Value, saved: &BTreeMap<String, Section>) {
        self.metrics.load(counters);
        self.detector = integrity::Integrity::new(SECTION, saved.get(SECTION));
    }

    fn save_sections(&mut self) -> Vec<Write> {
        self.detector.save().into_iter().collect()
    }

    fn save_all_again(&mut self) {
        self.detector.save_all_again();
    }
}

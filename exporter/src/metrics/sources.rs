//! How the logs are doing: lines, records, lag, loss.

use serde_json::{Value, json};

use super::names::*;
use super::page::Page;
use crate::batch::{Batch, Status};
use crate::event::Timestamp;

/// Counters of one source.
#[derive(Debug, Default)]
pub struct Source {
    lines: u64,
    bytes: u64,
    parsed: u64,
    skipped: u64,
    /// By reason. The reasons are fixed words of the formats, so there are few.
    malformed: Vec<(String, u64)>,
    cut_lines: u64,
    lost_bytes: u64,
    rotations: u64,
    last_record: Option<Timestamp>,
    status: Status,
    /// Whether requests looked as if a proxy hid the client, newest in the lowest bit: one sample a batch, 64 batches back.
    hidden_clients: u64,
    samples: u32,
}

impl Source {
    /// Counts what a batch says of itself; its lines are counted by [`Source::read`] and the outcome methods.
    pub fn take(&mut self, batch: &Batch) {
        self.bytes += batch.read_bytes;
        self.cut_lines += batch.cut_lines;
        self.lost_bytes += batch.lost_bytes;
        self.rotations += batch.rotations;
        self.status.clone_from(&batch.status);
    }

    /// `lines` more were read.
    pub fn read(&mut self, lines: u64) {
        self.lines += lines;
    }

    /// A record of `at` told something.
    pub fn parsed(&mut self, at: Timestamp) {
        self.parsed += 1;
        self.last_record = self.last_record.max(Some(at));
    }

    /// A record told nothing.
    pub fn skipped(&mut self) {
        self.skipped += 1;
    }

    /// A record was malformed.
    pub fn malformed(&mut self, reason: &str) {
        match self.malformed.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => self.malformed.push((reason.to_owned(), 1)),
        }
    }

    /// Notes whether a sampled request hid its client.
    pub fn sample_client(&mut self, hidden: bool) {
        self.hidden_clients = self.hidden_clients << 1 | u64::from(hidden);
        self.samples = self.samples.saturating_add(1);
    }

    /// Whether a proxy plainly stands for all clients: at least nine in ten of the last samples (and eight of them) say so.
    pub fn proxy_suspected(&self) -> bool {
        let seen = self.samples.min(64);
        seen >= 8 && self.hidden_clients.count_ones() * 10 >= seen * 9
    }

    /// How the source stands.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Lines read.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Records parsed, skipped and malformed.
    pub fn records(&self) -> [u64; 3] {
        [self.parsed, self.skipped, self.malformed.iter().map(|(_, count)| count).sum()]
    }

    /// Malformed records by reason.
    pub fn malformed_by_reason(&self) -> &[(String, u64)] {
        &self.malformed
    }

    /// Bytes lost.
    pub fn lost_bytes(&self) -> u64 {
        self.lost_bytes
    }

    /// Time of the newest record.
    pub fn last_record(&self) -> Option<Timestamp> {
        self.last_record
    }

    /// Writes this source's rows.
    pub fn show(&self, name: &str, page: &mut Page) {
        let [parsed, skipped, malformed] = self.records();
        page.gauge(&SOURCE_UP, &[name], f64::from(u8::from(self.status.up)));
        page.gauge(&SOURCE_FILES, &[name], self.status.files as f64);
        page.counter(&SOURCE_LINES, &[name], self.lines);
        page.counter(&SOURCE_BYTES, &[name], self.bytes);
        page.counter(&SOURCE_RECORDS, &[name, "parsed"], parsed);
        page.counter(&SOURCE_RECORDS, &[name, "skipped"], skipped);
        page.counter(&SOURCE_RECORDS, &[name, "malformed"], malformed);
        for (reason, count) in &self.malformed {
            page.counter(&SOURCE_MALFORMED, &[name, reason], *count);
        }
        page.counter(&SOURCE_CUT_LINES, &[name], self.cut_lines);
        page.gauge(&SOURCE_LAG, &[name], self.status.lag_bytes as f64);
        page.counter(&SOURCE_LOST, &[name], self.lost_bytes);
        page.counter(&SOURCE_ROTATIONS, &[name], self.rotations);
        if let Some(at) = self.last_record {
            page.gauge(&SOURCE_LAST_RECORD, &[name], at.as_secs_f64());
        }
        page.gauge(&SOURCE_PROXY_SUSPECTED, &[name], f64::from(u8::from(self.proxy_suspected())));
    }

    /// For [`Source::load`].
    pub fn save(&self) -> Value {
        json!({
            "lines": self.lines, "bytes": self.bytes, "parsed": self.parsed, "skipped": self.skipped, "malformed": self.malformed,
            "cut_lines": self.cut_lines, "lost_bytes": self.lost_bytes, "rotations": self.rotations, "last_record": self.last_record,
        })
    }

    /// Takes up what [`Source::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        let number = |key: &str| saved.get(key).and_then(Value::as_u64).unwrap_or(0);
        self.lines = number("lines");
        self.bytes = number("bytes");
        self.parsed = number("parsed");
        self.skipped = number("skipped");
        self.cut_lines = number("cut_lines");
        self.lost_bytes = number("lost_bytes");
        self.rotations = number("rotations");
        self.malformed = serde_json::from_value(saved["malformed"].clone()).unwrap_or_default();
        self.last_record = serde_json::from_value(saved["last_record"].clone()).unwrap_or_default();
    }
}

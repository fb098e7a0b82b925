//! The exporter about itself: saving, bounds, findings.

use std::time::Duration;

use serde_json::{Value, json};

use super::histogram::{COMMIT_EDGES, Histogram};
use super::names::*;
use super::page::Page;
use crate::finding::Severity;

/// A bounded table's fill, as shown.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its label.
    pub name: &'static str,
    /// Entries in it.
    pub tracked: usize,
    /// Entries it takes.
    pub limit: usize,
    /// Entries dropped for new ones.
    pub evicted: u64,
}

/// The exporter's own counters.
pub struct Own {
    commits: Histogram,
    commit_failures: u64,
    set_aside: u64,
    /// By detector and severity; there from the start.
    findings: Vec<(&'static str, [u64; Severity::ALL.len()])>,
}

impl Own {
    /// Nothing counted yet; findings will come from these detectors.
    pub fn new(detectors: &[&'static str]) -> Self {
        let findings = detectors.iter().map(|name| (*name, Default::default())).collect();
        Self { commits: Histogram::new(COMMIT_EDGES), commit_failures: 0, set_aside: 0, findings }
    }

    /// Counts a commit.
    pub fn commit(&mut self, took: Duration, ok: bool) {
        if ok {
            self.commits.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        } else {
            self.commit_failures += 1;
        }
    }

    /// Counts a state that was kept aside.
    pub fn set_aside(&mut self) {
        self.set_aside += 1;
    }

    /// Counts a finding.
    pub fn finding(&mut self, detector: &str, severity: Severity) {
        if let Some((_, counts)) = self.findings.iter_mut().find(|(name, _)| *name == detector) {
            counts[severity as usize] += 1;
        }
    }

    /// Writes these rows.
    pub fn show(&self, page: &mut Page) {
        for (detector, counts) in &self.findings {
            for (severity, count) in Severity::ALL.iter().zip(counts) {
                page.counter(&FINDINGS, &[detector, severity.as_str()], *count);
            }
        }
        page.histogram(&STATE_COMMIT_DURATION, &[], &self.commits);
        page.counter(&STATE_COMMIT_FAILURES, &[], self.commit_failures);
        page.counter(&STATE_SET_ASIDE, &[], self.set_aside);
    }

    /// Writes the rows of the bounded tables.
    pub fn show_tables(tables: &[Table], page: &mut Page) {
        for table in tables {
            page.gauge(&TRACKED, &[table.name], table.tracked as f64);
            page.gauge(&TRACKED_LIMIT, &[table.name], table.limit as f64);
            page.counter(&EVICTED, &[table.name], table.evicted);
        }
    }

    /// For [`Own::load`].
    pub fn save(&self) -> Value {
        let findings: serde_json::Map<_, _> = self.findings.iter().map(|(name, counts)| ((*name).to_owned(), json!(counts))).collect();
        json!({ "commits": self.commits.save(), "commit_failures": self.commit_failures, "set_aside": self.set_aside, "findings": findings })
    }

    /// Takes up what [`Own::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        self.commits.load(&saved["commits"]);
        self.commit_failures = saved["commit_failures"].as_u64().unwrap_or(0);
        self.set_aside = saved["set_aside"].as_u64().unwrap_or(0);
        for (name, counts) in &mut self.findings {
            counts.iter_mut().enumerate().for_each(|(index, count)| *count = saved["findings"][*name][index].as_u64().unwrap_or(0));
        }
    }
}

//! What the engine keeps of the probes: how each stands, and what it made of what they saw. One file per probe.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::event::Timestamp;
use crate::finding::Found;
use crate::metrics::own::Table;
use crate::metrics::{Page, names};
use crate::sample::{Polled, Report, Sample};
use crate::snapshot::{Section, Write};

mod crowdsec;
pub mod docker;
pub mod host;
mod integrity;
pub mod sqlserver;
mod udp_ports;

pub use crowdsec::CrowdSec;
pub use integrity::Integrity;
pub use udp_ports::UdpPorts;

/// What is kept of one probe.
pub trait Subject: Send {
    /// The probe's name.
    fn name(&self) -> &'static str;

    /// Takes what the probe saw.
    fn take(&mut self, now: Timestamp, sample: Sample, out: &mut Vec<Found>);

    /// The probe failed: what it saw before may be wrong by now and is not shown.
    fn lose(&mut self) {}

    /// Time passed.
    fn on_tick(&mut self, _now: Timestamp, _out: &mut Vec<Found>) {}

    /// Writes its rows.
    fn show(&self, now: Timestamp, page: &mut Page);

    /// What it saw that has no place on the page, for people.
    fn view(&self) -> Value {
        Value::Null
    }

    /// What it knows of each thing that it looks at, for people: entries of a list of the API.
    fn entries(&self) -> Vec<Value> {
        Vec::new()
    }

    /// The fill of its bounded tables.
    fn tables(&self) -> Vec<Table> {
        Vec::new()
    }

    /// Its counters, saved with each commit.
    fn save(&self) -> Value {
        Value::Null
    }

    /// Takes up what was saved: its counters, and sections of its own.
    fn load(&mut self, _counters: &Value, _saved: &BTreeMap<String, Section>) {}

    /// What changed in sections of its own, for what is too large for [`Subject::save`].
    fn save_sections(&mut self) -> Vec<Write> {
        Vec::new()
    }

    /// After a commit that failed.
    fn save_all_again(&mut self) {}
}

/// All probes.
pub(super) struct Probes {
    probes: Vec<(Box<dyn Subject>, Standing)>,
}

/// How a probe stands.
#[derive(Default)]
struct Standing {
    /// The last poll, and when it ended.
    last: Option<(Timestamp, Polled)>,
    last_success: Option<Timestamp>,
}

/// Where the counters of all probes are saved.
const SECTION: &str = "probes";

impl Probes {
    /// Takes up what was saved.
    pub(super) fn new(subjects: Vec<Box<dyn Subject>>, saved: &BTreeMap<String, Section>, counters: &Value) -> Self {
        let take_up = |mut subject: Box<dyn Subject>| {
            let counters = &counters[SECTION][subject.name()];
            subject.load(&counters["counters"], saved);
            let last_success = counters["last_success"].as_i64().map(Timestamp::from_secs);
            (subject, Standing { last: None, last_success })
        };
        Self { probes: subjects.into_iter().map(take_up).collect() }
    }

    /// Takes a report: how the probe stands, what it saw. Gives what follows from that.
    pub(super) fn take(&mut self, now: Timestamp, report: Report) -> Vec<Found> {
        let mut found = Vec::new();
        let Some((subject, standing)) = self.probes.iter_mut().find(|(subject, _)| subject.name() == report.probe) else { return found };
        if let Some(polled) = report.polled {
            match polled.problem {
                None => standing.last_success = Some(now),
                Some(_) => subject.lose(),
            }
            standing.last = Some((now, polled));
        }
        report.samples.into_iter().for_each(|sample| subject.take(now, sample, &mut found));
        found
    }

    /// Time passed. Gives what follows from that, by probe.
    pub(super) fn on_tick(&mut self, now: Timestamp) -> Vec<(&'static str, Vec<Found>)> {
        let tick = |(subject, _): &mut (Box<dyn Subject>, Standing)| {
            let mut found = Vec::new();
            subject.on_tick(now, &mut found);
            (subject.name(), found)
        };
        self.probes.iter_mut().map(tick).filter(|(_, found)| !found.is_empty()).collect()
    }

    /// Writes the rows of all.
    pub(super) fn show(&self, now: Timestamp, page: &mut Page) {
        for (subject, standing) in &self.probes {
            let name = [subject.name()];
            if let Some((_, polled)) = &standing.last {
                page.gauge(&names::PROBE_SUCCESS, &name, f64::from(u8::from(polled.problem.is_none())));
                page.gauge(&names::PROBE_DURATION, &name, polled.took.as_secs_f64());
            }
            if let Some(at) = standing.last_success {
                page.gauge(&names::PROBE_LAST_SUCCESS, &name, at.secs() as f64);
            }
            subject.show(now, page);
        }
    }

    /// How each stands, for people.
    pub(super) fn view(&self) -> Value {
        let probe = |(subject, standing): &(Box<dyn Subject>, Standing)| {
            let polled = standing.last.as_ref();
            json!({
                "probe": subject.name(),
                "success": polled.map(|(_, polled)| polled.problem.is_none()),
                "problem": polled.and_then(|(_, polled)| polled.problem.clone()),
                "duration_seconds": polled.map(|(_, polled)| polled.took.as_secs_f64()),
                "last_poll": polled.and_then(|(at, _)| at.to_rfc3339()),
                "last_success": standing.last_success.and_then(Timestamp::to_rfc3339),
                "seen": subject.view(),
            })
        };
        json!({ "probes": self.probes.iter().map(probe).collect::<Vec<_>>() })
    }

    /// The entries that a probe has for the API; none if it does not run.
    pub(super) fn view_of(&self, probe: &str) -> Vec<Value> {
        self.probes.iter().filter(|(subject, _)| subject.name() == probe).flat_map(|(subject, _)| subject.entries()).collect()
    }

    /// The fill of all bounded tables.
    pub(super) fn tables(&self) -> Vec<Table> {
        self.probes.iter().flat_map(|(subject, _)| subject.tables()).collect()
    }

    /// For the engine's own section: the counters.
    pub(super) fn save_counters(&self, own: &mut Value) {
        let counters = |(subject, standing): &(Box<dyn Subject>, Standing)| {
            let last_success = standing.last_success.map(Timestamp::secs);
            (subject.name().to_owned(), json!({ "counters": subject.save(), "last_success": last_success }))
        };
        own[SECTION] = self.probes.iter().map(counters).collect::<serde_json::Map<_, _>>().into();
    }

    /// The writes that save what changed in the probes' own sections.
    pub(super) fn save(&mut self) -> Vec<Write> {
        self.probes.iter_mut().flat_map(|(subject, _)| subject.save_sections()).collect()
    }

    /// After a commit that failed.
    pub(super) fn save_all_again(&mut self) {
        self.probes.iter_mut().for_each(|(subject, _)| subject.save_all_again());
    }
}

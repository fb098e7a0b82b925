//! What is kept of Docker's containers: their counters, and what was found about each.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Subject;
use crate::detectors::containers::{self, Containers as Detector};
use crate::event::Timestamp;
use crate::finding::{About, Found};
use crate::metrics::Page;
use crate::metrics::containers::Containers;
use crate::metrics::own::Table;
use crate::sample::Sample;
use crate::sample::docker::{Container, Happening};
use crate::snapshot::Section;

/// The probe's name.
const NAME: &str = "docker";
/// Containers of which the last finding is kept for people.
const MAX_FINDINGS: usize = 512;

/// What is kept of Docker.
pub struct Docker {
    containers: Containers,
    detector: Option<Detector>,
    /// The last finding by what it is about: when, how urgent, what.
    last_findings: BTreeMap<String, (Timestamp, &'static str, String)>,
}

impl Docker {
    /// Knows nothing yet; `None`: nothing is to be found.
    pub fn new(config: Option<containers::Config>) -> Self {
        Self { containers: Containers::default(), detector: config.map(Detector::new), last_findings: BTreeMap::new() }
    }

    fn keep(&mut self, found: &[Found]) {
        for found in found {
            let About::Thing(thing) = &found.about else { continue };
            if self.last_findings.len() >= MAX_FINDINGS && !self.last_findings.contains_key(thing) {
                let oldest = self.last_findings.iter().min_by_key(|(_, (at, ..))| *at).map(|(thing, _)| thing.clone());
                self.last_findings.remove(&oldest.unwrap_or_default());
            }
            self.last_findings.insert(thing.clone(), (found.at, found.severity.as_str(), found.summary.clone()));
        }
    }

    /// A container for people.
    fn container(&self, container: &Container, [restarts, oom_kills]: [u64; 2], cpu_secs: f64) -> Value {
        let (details, usage) = (container.details, container.usage);
        let finding = self.last_findings.get(&format!("Container {}", container.name));
        let exit_code = details.filter(|details| details.finished.is_some() && !container.state.is_some_and(|state| state.is_alive()));
        json!({
            "name": container.name, "service": container.service, "image": container.image,
            "state": container.state.map(|state| state.as_str()), "health": container.health.map(|health| health.as_str()),
            "started": details.and_then(|details| details.started).and_then(Timestamp::to_rfc3339),
            "exit_code": exit_code.map(|details| details.exit_code),
            "cpu_seconds": cpu_secs,
            "memory_bytes": usage.map(|usage| usage.memory_bytes),
            "memory_limit_bytes": usage.and_then(|usage| usage.memory_limit_bytes),
            "restarts": restarts, "oom_kills": oom_kills,
            "last_finding": finding.map(|(at, severity, text)| json!({ "at": at.to_rfc3339(), "severity": severity, "summary": text })),
        })
    }
}

impl Subject for Docker {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&mut self, now: Timestamp, sample: Sample, out: &mut Vec<Found>) {
        let known = out.len();
        match sample {
            Sample::Containers(seen) => {
                if let Some(detector) = &mut self.detector {
                    detector.look(now, &seen, out);
                }
                self.containers.take(now, seen);
            }
            Sample::ContainerEvent(event) => {
                if event.what == Happening::OomKilled {
                    self.containers.oom_killed(now, event.at.min(now), &event.name);
                }
                if let Some(detector) = &mut self.detector {
                    detector.observe(now, event, out);
                }
            }
            _ => {}
        }
        self.keep(out.get(known..).unwrap_or_default());
    }

    fn lose(&mut self) {
        self.containers.lose();
        self.detector.iter_mut().for_each(Detector::lose);
    }

    fn on_tick(&mut self, now: Timestamp, out: &mut Vec<Found>) {
        let known = out.len();
        self.detector.iter_mut().for_each(|detector| detector.on_tick(now, out));
        self.keep(out.get(known..).unwrap_or_default());
    }

    fn show(&self, _now: Timestamp, page: &mut Page) {
        self.containers.show(page);
    }

    fn tables(&self) -> Vec<Table> {
        vec![self.containers.table()]
    }

    fn entries(&self) -> Vec<Value> {
        self.containers.list().map(|(container, counts, cpu_secs)| self.container(container, counts, cpu_secs)).collect()
    }

    fn save(&self) -> Value {
        json!({ "counters": self.containers.save(), "detector": self.detector.as_ref().map(Detector::save) })
    }

    fn load(&mut self, counters: &Value, _saved: &BTreeMap<String, Section>) {
        self.containers.load(&counters["counters"]);
        if let Some(detector) = &mut self.detector {
            detector.load(&counters["detector"]);
        }
    }
}

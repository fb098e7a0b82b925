//! What is kept of UDP ports: counters that go on over tables and restarts, and floods.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Subject;
use crate::detectors::udp_flood::{Config, Service, UdpFlood};
use crate::event::Timestamp;
use crate::finding::Found;
use crate::metrics::Page;
use crate::metrics::udp::Udp;
use crate::sample::Sample;
use crate::snapshot::Section;

/// The services that are watched.
pub struct UdpPorts {
    metrics: Udp,
    /// `None`: nobody wants to know of floods.
    floods: Option<UdpFlood>,
}

impl UdpPorts {
    /// Watches these; senders are counted over the window.
    pub fn new(services: Vec<Service>, window_secs: u64, floods: &Config) -> Self {
        let metrics = Udp::new(services.iter().map(|service| (service.name.clone(), service.port)));
        Self { metrics, floods: floods.enabled.then(|| UdpFlood::new(floods, window_secs, services)) }
    }
}

impl Subject for UdpPorts {
    fn name(&self) -> &'static str {
        "udp_ports"
    }

    fn take(&mut self, _now: Timestamp, sample: Sample, out: &mut Vec<Found>) {
        let Sample::UdpPorts(seen) = sample else { return };
        self.metrics.read(seen.table);
        for port in &seen.ports {
            let Some((place, totals)) = self.metrics.take(port) else { continue };
            let Some((floods, sources)) = self.floods.as_mut().zip(port.sources.as_ref()) else { continue };
            let begun = floods.observe(seen.at, place, totals, sources, out);
            (0..begun.len()).filter(|kind| begun[*kind]).for_each(|kind| self.metrics.flood(place, kind));
        }
    }

    fn lose(&mut self) {
        self.metrics.lose();
    }

    fn show(&self, _now: Timestamp, page: &mut Page) {
        self.metrics.show(page);
    }

    fn save(&self) -> Value {
        json!({ "ports": self.metrics.save(), "floods": self.floods.as_ref().map(UdpFlood::save) })
    }

    fn load(&mut self, counters: &Value, _saved: &BTreeMap<String, Section>) {
        self.metrics.load(&counters["ports"]);
        if let Some(floods) = &mut self.floods {
            floods.load(&counters["floods"]);
        }
    }
}

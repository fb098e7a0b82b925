//! Metrics that are not the exporter's own: Prometheus' about its scrapes and alerts, node-exporter's.

use hostwarden::metrics::names::{Kind, Metric};

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

/// Whether a target could be scraped.
pub const UP: Metric = gauge("up", &[], "Whether the last scrape worked.");
/// How long a scrape took.
pub const SCRAPE_DURATION: Metric = gauge("scrape_duration_seconds", &[], "Time taken by the last scrape.");
/// How much a scrape gave.
pub const SCRAPE_SAMPLES: Metric = gauge("scrape_samples_scraped", &[], "Samples of the last scrape.");
/// Alerts of Prometheus' rules.
pub const ALERTS: Metric = gauge("ALERTS", &["alertname", "alertstate", "severity"], "Always 1, for each alert that is pending or firing.");

/// Bytes that came in over an interface.
pub const NODE_RECEIVED: Metric = counter("node_network_receive_bytes_total", &["device"], "Bytes received.");
/// Bytes that went out over an interface.
pub const NODE_TRANSMITTED: Metric = counter("node_network_transmit_bytes_total", &["device"], "Bytes sent.");
/// How long a disk was busy.
pub const NODE_DISK_BUSY: Metric = counter("node_disk_io_time_seconds_total", &["device"], "Time spent on reading and writing.");

/// All of them.
pub const ALL: &[&Metric] = &[&UP, &SCRAPE_DURATION, &SCRAPE_SAMPLES, &ALERTS, &NODE_RECEIVED, &NODE_TRANSMITTED, &NODE_DISK_BUSY];

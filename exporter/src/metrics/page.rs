//! One `/metrics` page: rows by metric, made by the areas, rendered once as OpenMetrics and from that as text 0.0.4.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::histogram::Histogram;
use super::names::{EXPOSED_SERIES, Kind, Metric};

/// The rows of a page.
#[derive(Debug, Default)]
pub struct Page {
    families: Vec<Family>,
    series: u64,
}

#[derive(Debug)]
struct Family {
    metric: &'static Metric,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    labels: Vec<(&'static str, String)>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Counter(u64),
    CounterF64(f64),
    Gauge(f64),
    Histogram { sum: f64, count: u64, buckets: Vec<(f64, u64)> },
    Info,
}

/// What the page is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus text format 0.0.4.
    Text,
}

impl Exposition {
    /// The `Content-Type` that goes with it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Page {
    /// Adds a counter's row; `labels` are values in the metric's order.
    pub fn counter(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        self.push(metric, labels, Value::Counter(value), 1);
    }

    /// Adds the row of a counter that is not counted in whole ones: seconds.
    pub fn counter_f64(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        self.push(metric, labels, Value::CounterF64(value), 1);
    }

    /// Adds to the row of a counter that several sources share.
    pub fn add_counter(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        match self.shared(metric, labels) {
            Some(Value::Counter(sum)) => *sum += value,
            _ => self.counter(metric, labels, value),
        }
    }

    /// Adds to the row of a gauge that several sources share.
    pub fn add_gauge(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        match self.shared(metric, labels) {
            Some(Value::Gauge(sum)) => *sum += value,
            _ => self.gauge(metric, labels, value),
        }
    }

    fn shared(&mut self, metric: &'static Metric, labels: &[&str]) -> Option<&mut Value> {
        let family = self.families.iter_mut().find(|family| family.metric.name == metric.name)?;
        let is_same = |row: &Row| row.labels.iter().map(|(_, value)| value.as_str()).eq(labels.iter().copied());
        family.rows.iter_mut().find(|row| is_same(row)).map(|row| &mut row.value)
    }

    /// Adds a gauge's row.
    pub fn gauge(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        self.push(metric, labels, Value::Gauge(value), 1);
    }

    /// Adds a histogram's row.
    pub fn histogram(&mut self, metric: &'static Metric, labels: &[&str], histogram: &Histogram) {
        let buckets = histogram.buckets();
        let series = buckets.len() as u64 + 2;
        self.push(metric, labels, Value::Histogram { sum: histogram.sum_secs(), count: histogram.count(), buckets }, series);
    }

    /// Adds an info's row.
    pub fn info(&mut self, metric: &'static Metric, labels: &[&str]) {
        self.push(metric, labels, Value::Info, 1);
    }

    fn push(&mut self, metric: &'static Metric, labels: &[&str], value: Value, series: u64) {
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let labels = metric.labels.iter().zip(labels).map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.series += series;
        let row = Row { labels, value };
        match self.families.iter_mut().find(|family| std::ptr::eq(family.metric, metric) || family.metric.name == metric.name) {
            Some(family) => family.rows.push(row),
            None => self.families.push(Family { metric, rows: vec![row] }),
        }
    }

    /// How many series the page has, its own row about that included once it is rendered.
    pub fn series(&self) -> u64 {
        self.series
    }

    /// Writes the page.
    pub fn render(mut self, exposition: Exposition) -> String {
        let series = self.series + 1;
        self.gauge(&EXPOSED_SERIES, &[], series as f64);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        if encode(&mut text, &registry).is_err() {
            unreachable!("writing to a string cannot fail, and no histogram is without buckets");
        }
        match exposition {
            Exposition::OpenMetrics => text,
            Exposition::Text => text_0_0_4(&text),
        }
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.families {
            let (name, unit) = library_name(family.metric);
            let mut encoder = encoder.encode_descriptor(name, family.metric.help, unit.as_ref(), metric_type(family.metric.kind))?;
            for row in &family.rows {
                row.encode(&mut encoder)?;
            }
        }
        Ok(())
    }
}

impl Row {
    fn encode(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        if let Value::Info = self.value {
            return encoder.encode_info(&self.labels);
        }
        if self.labels.is_empty() {
            return self.value.encode(encoder);
        }
        let mut encoder = encoder.encode_family(&self.labels)?;
        self.value.encode(&mut encoder)
    }
}

impl Value {
    fn encode(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter(value) => encoder.encode_counter::<NoLabelSet, _, u64>(value, None),
            Self::CounterF64(value) => encoder.encode_counter::<NoLabelSet, _, u64>(value, None),
            Self::Gauge(value) => encoder.encode_gauge(value),
            Self::Histogram { sum, count, buckets } => encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None),
            Self::Info => Ok(()),
        }
    }
}

const fn metric_type(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    }
}

/// The library writes `_total`, `_info` and the unit itself, so they come off the name here.
fn library_name(metric: &Metric) -> (&'static str, Option<Unit>) {
    let name = match metric.kind {
        Kind::Counter => metric.name.strip_suffix("_total"),
        Kind::Info => metric.name.strip_suffix("_info"),
        Kind::Gauge | Kind::Histogram => None,
    }
    .unwrap_or(metric.name);
    for (suffix, unit) in [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)] {
        if let Some(base) = name.strip_suffix(suffix) {
            return (base, Some(unit));
        }
    }
    (name, None)
}

/// OpenMetrics as text 0.0.4: counters are named with `_total` in HELP and TYPE too, info is a gauge, UNIT and EOF are not known.
fn text_0_0_4(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // HELP comes before TYPE, which alone tells how the family is to be named.
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take() {
                text.push_str(&format!("# HELP {name}{suffix} {help}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::histogram::{COMMIT_EDGES, Histogram};
    use super::super::names::*;
    use super::*;

    fn page() -> Page {
        let mut page = Page::default();
        page.info(&BUILD_INFO, &["1.0", "abc"]);
        page.counter(&SOURCE_LOST, &["web"], 7);
        page.counter(&SOURCE_LOST, &["we\"b\\\n"], 8);
        page.gauge(&SOURCE_LAST_RECORD, &["web"], 1_775_253_600.342);
        let mut histogram = Histogram::new(COMMIT_EDGES);
        histogram.observe(3_000);
        page.histogram(&STATE_COMMIT_DURATION, &[], &histogram);
        page
    }

    #[test]
    fn open_metrics_is_what_the_specification_wants() {
        let text = page().render(Exposition::OpenMetrics);
        assert!(text.contains("# TYPE hostwarden_source_lost_bytes counter\n# UNIT hostwarden_source_lost_bytes bytes\n"), "{text}");
        assert!(text.contains("hostwarden_source_lost_bytes_total{source=\"web\"} 7\n"), "{text}");
        assert!(text.contains("hostwarden_source_lost_bytes_total{source=\"we\\\"b\\\\\\n\"} 8\n"), "{text}");
        assert!(text.contains("hostwarden_build_info{version=\"1.0\",revision=\"abc\"} 1\n"), "{text}");
        assert!(text.contains("hostwarden_source_last_record_timestamp_seconds{source=\"web\"} 1775253600.342\n"), "{text}");
        assert!(text.contains("hostwarden_state_commit_duration_seconds_bucket{le=\"0.005\"} 1\n"), "{text}");
        assert!(text.contains("hostwarden_state_commit_duration_seconds_bucket{le=\"+Inf\"} 1\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn text_names_each_family_as_its_samples() {
        let text = page().render(Exposition::Text);
        assert!(text.contains("# TYPE hostwarden_source_lost_bytes_total counter\n"), "{text}");
        assert!(text.contains("# TYPE hostwarden_build_info gauge\n"), "{text}");
        assert!(text.contains("# TYPE hostwarden_state_commit_duration_seconds histogram\n"), "{text}");
        assert!(!text.contains("# UNIT") && !text.contains("# EOF"));
    }

    #[test]
    fn the_page_counts_its_series() {
        let text = page().render(Exposition::Text);
        let samples = text.lines().filter(|line| !line.starts_with('#')).count();
        assert!(text.contains(&format!("hostwarden_exposed_series {samples}.0\n")), "{text}");
    }
}

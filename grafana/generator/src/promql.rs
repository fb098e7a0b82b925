//! PromQL, typed as far as pays: what may be asked of a metric depends on its kind, and labels are those that it has.
//!
//! Every selector is limited to the dashboard's jobs and instances. Names of labels are checked when an expression is made, which the golden
//! test does for all of them.

use std::marker::PhantomData;

use hostwarden::metrics::names::{Kind, Metric};

/// The dashboard's whole time range.
pub const RANGE: &str = "$__range";
/// One step of a graph, four scrapes at least.
pub const STEP: &str = "$__rate_interval";

/// Marks a selector of a counter.
#[derive(Clone, Copy)]
pub struct Grows;
/// Marks a selector of a gauge, or of what is always 1.
#[derive(Clone, Copy)]
pub struct Moves;
/// Marks a selector of a histogram.
#[derive(Clone, Copy)]
pub struct Buckets;

/// The series of one metric.
#[derive(Clone)]
pub struct Selector<K> {
    metric: &'static Metric,
    matchers: Vec<String>,
    is_everywhere: bool,
    kind: PhantomData<K>,
}

/// What a query gives, and the labels that are known to be on it.
#[derive(Clone)]
pub struct Expr {
    text: String,
    labels: Vec<&'static str>,
    /// Whether it needs no parentheses as a part of another.
    is_atom: bool,
}

/// A counter of [`hostwarden::metrics::names`]; anything else does not compile.
///
/// ```compile_fail
/// hostwarden_dashboards::counter!(hostwarden::metrics::names::SOURCE_UP).rate();
/// ```
#[macro_export]
macro_rules! counter {
    ($metric:path) => {
        $crate::promql::Selector::<$crate::promql::Grows>::of(const { $crate::promql::check_counter(&$metric) })
    };
}

/// A gauge or an info; anything else does not compile.
#[macro_export]
macro_rules! gauge {
    ($metric:path) => {
        $crate::promql::Selector::<$crate::promql::Moves>::of(const { $crate::promql::check_gauge(&$metric) })
    };
}

/// A histogram; anything else does not compile.
#[macro_export]
macro_rules! histogram {
    ($metric:path) => {
        $crate::promql::Selector::<$crate::promql::Buckets>::of(const { $crate::promql::check_histogram(&$metric) })
    };
}

/// The metric again, if it only grows.
pub const fn check_counter(metric: &'static Metric) -> &'static Metric {
    assert!(matches!(metric.kind, Kind::Counter), "this metric is no counter");
    metric
}

/// The metric again, if it is a gauge or an info.
pub const fn check_gauge(metric: &'static Metric) -> &'static Metric {
    assert!(matches!(metric.kind, Kind::Gauge | Kind::Info), "this metric is no gauge");
    metric
}

/// The metric again, if it is a histogram.
pub const fn check_histogram(metric: &'static Metric) -> &'static Metric {
    assert!(matches!(metric.kind, Kind::Histogram), "this metric is no histogram");
    metric
}

impl<K> Selector<K> {
    /// All series of this metric; the macros see to it that the kind fits.
    pub fn of(metric: &'static Metric) -> Self {
        Self { metric, matchers: Vec::new(), is_everywhere: false, kind: PhantomData }
    }

    /// Whatever jobs and instances are chosen: for what may have neither.
    pub fn everywhere(self) -> Self {
        Self { is_everywhere: true, ..self }
    }

    /// Those whose label is this.
    pub fn eq(self, label: &str, value: &str) -> Self {
        self.matching(label, "=", value)
    }

    /// Those whose label is not this.
    pub fn ne(self, label: &str, value: &str) -> Self {
        self.matching(label, "!=", value)
    }

    /// Those whose label fits a regular expression.
    pub fn re(self, label: &str, value: &str) -> Self {
        self.matching(label, "=~", value)
    }

    /// Those whose label does not fit a regular expression.
    pub fn not_re(self, label: &str, value: &str) -> Self {
        self.matching(label, "!~", value)
    }

    /// Those whose label is among what the dashboard's variable of the same name holds.
    pub fn var(self, label: &str) -> Self {
        let value = format!("${label}");
        self.matching(label, "=~", &value)
    }

    /// # Panics
    ///
    /// The metric has no such label.
    fn matching(mut self, label: &str, operator: &str, value: &str) -> Self {
        let label = known(self.metric.name, &labels(self.metric), label);
        self.matchers.push(format!("{label}{operator}\"{value}\""));
        self
    }

    fn series(&self, suffix: &str) -> String {
        let chosen: &[&str] = if self.is_everywhere { &[] } else { &["job=~\"$job\"", "instance=~\"$instance\""] };
        let matchers: Vec<&str> = chosen.iter().copied().chain(self.matchers.iter().map(String::as_str)).collect();
        format!("{}{suffix}{{{}}}", self.metric.name, matchers.join(", "))
    }

    fn expr(&self, text: String) -> Expr {
        Expr { text, labels: labels(self.metric), is_atom: true }
    }
}

impl Selector<Grows> {
    /// By how much it grows per second.
    pub fn rate(self) -> Expr {
        self.expr(format!("rate({}[{STEP}])", self.series("")))
    }

    /// By how much it grew over [`RANGE`], [`STEP`] or a time such as `1h`.
    pub fn increase(self, over: &str) -> Expr {
        self.expr(format!("increase({}[{over}])", self.series("")))
    }
}

impl Selector<Moves> {
    /// What it is.
    pub fn now(self) -> Expr {
        self.expr(self.series(""))
    }

    /// What it was so long ago.
    pub fn before(self, offset: &str) -> Expr {
        self.expr(format!("{} offset {offset}", self.series("")))
    }

    /// How often it changed.
    pub fn changes(self, over: &str) -> Expr {
        self.expr(format!("changes({}[{over}])", self.series("")))
    }
}

impl Selector<Buckets> {
    /// A quantile of each group, estimated within its bucket.
    pub fn quantile(self, quantile: f64, by: &[&'static str]) -> Expr {
        let buckets = Expr { text: format!("rate({}[{STEP}])", self.series("_bucket")), labels: labels(self.metric), is_atom: true };
        let mut groups: Vec<&'static str> = by.to_vec();
        for label in by {
            known(self.metric.name, &buckets.labels, label);
        }
        groups.insert(0, "le");
        Expr {
            text: format!("histogram_quantile({quantile}, sum by ({}) ({}))", groups.join(", "), buckets.text),
            labels: by.to_vec(),
            is_atom: true,
        }
    }

    /// Which part was at most `edge`, over a time; the edge is one of the histogram's buckets (`5.0`).
    pub fn share_within(self, edge: &str, over: &str) -> Expr {
        let within = format!("sum(increase({}[{over}]))", self.clone().bucket(edge));
        Expr { text: format!("{within} / sum(increase({}[{over}]))", self.series("_count")), labels: Vec::new(), is_atom: false }
    }

    /// How many per second.
    pub fn rate(self) -> Expr {
        self.expr(format!("rate({}[{STEP}])", self.series("_count")))
    }

    fn bucket(mut self, edge: &str) -> String {
        self.matchers.push(format!("le=\"{edge}\""));
        self.series("_bucket")
    }
}

impl Expr {
    /// The query.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether series of the result have this label.
    pub fn has_label(&self, label: &str) -> bool {
        self.labels.contains(&label)
    }

    /// Sees to it that series of the result have this label.
    ///
    /// # Panics
    ///
    /// They have not.
    pub fn check_label(&self, label: &str) {
        known(&self.text, &self.labels, label);
    }

    /// The sum of everything.
    pub fn sum(self) -> Self {
        self.aggregate("sum", &[])
    }

    /// The sum of each group.
    pub fn sum_by(self, by: &[&'static str]) -> Self {
        self.aggregate("sum", by)
    }

    /// The greatest of everything.
    pub fn max(self) -> Self {
        self.aggregate("max", &[])
    }

    /// The greatest of each group.
    pub fn max_by(self, by: &[&'static str]) -> Self {
        self.aggregate("max", by)
    }

    /// The smallest of everything.
    pub fn min(self) -> Self {
        self.aggregate("min", &[])
    }

    /// The smallest of each group.
    pub fn min_by(self, by: &[&'static str]) -> Self {
        self.aggregate("min", by)
    }

    /// How many there are.
    pub fn count(self) -> Self {
        self.aggregate("count", &[])
    }

    /// How many there are in each group.
    pub fn count_by(self, by: &[&'static str]) -> Self {
        self.aggregate("count", by)
    }

    fn aggregate(self, how: &str, by: &[&'static str]) -> Self {
        for label in by {
            self.check_label(label);
        }
        let groups = if by.is_empty() { String::new() } else { format!(" by ({}) ", by.join(", ")) };
        Self { text: format!("{how}{groups}({})", self.text), labels: by.to_vec(), is_atom: true }
    }

    /// The greatest `k`.
    pub fn topk(self, k: u32) -> Self {
        Self { text: format!("topk({k}, {})", self.text), ..self }
    }

    /// Seconds since the time that it says.
    pub fn age(self) -> Self {
        Self { text: format!("time() - {}", self.part()), is_atom: false, ..self }
    }

    /// One without it.
    pub fn complement(self) -> Self {
        Self { text: format!("1 - {}", self.part()), is_atom: false, ..self }
    }

    /// Below zero, for what is drawn downwards.
    pub fn negative(self) -> Self {
        Self { text: format!("-{}", self.part()), is_atom: false, ..self }
    }

    /// Times a number.
    pub fn times(self, factor: f64) -> Self {
        Self { text: format!("{} * {factor}", self.part()), is_atom: false, ..self }
    }

    /// Divided by another, matched by the labels of both.
    pub fn over(self, other: Self) -> Self {
        self.binary("/", other)
    }

    /// Divided by one number for all.
    pub fn over_scalar(self, other: Self) -> Self {
        Self { text: format!("{} / scalar({})", self.part(), other.text), is_atom: false, ..self }
    }

    /// Divided by another that has fewer labels, those in `on`.
    pub fn over_group(self, on: &[&'static str], other: Self) -> Self {
        let operator = format!("/ on ({}) group_left", on.join(", "));
        self.binary(&operator, other)
    }

    /// Without another, matched by the labels of both.
    pub fn minus(self, other: Self) -> Self {
        self.binary("-", other)
    }

    /// And another, matched by the labels of both.
    pub fn plus(self, other: Self) -> Self {
        self.binary("+", other)
    }

    /// Where another has a series, too, going by these labels.
    pub fn and_on(self, on: &[&'static str], other: Self) -> Self {
        let operator = format!("and on ({})", on.join(", "));
        self.binary(&operator, other)
    }

    /// Where another has no such series.
    pub fn unless(self, other: Self) -> Self {
        self.binary("unless", other)
    }

    fn binary(self, operator: &str, other: Self) -> Self {
        Self { text: format!("{} {operator} {}", self.part(), other.part()), is_atom: false, labels: self.labels }
    }

    /// Zero where there is nothing at all.
    pub fn or_zero(self) -> Self {
        Self { text: format!("{} or vector(0)", self.part()), is_atom: false, ..self }
    }

    /// Only what is above this.
    pub fn above(self, limit: f64) -> Self {
        Self { text: format!("{} > {limit}", self.part()), is_atom: false, ..self }
    }

    /// Only what is this.
    pub fn equal(self, value: f64) -> Self {
        Self { text: format!("{} == {value}", self.part()), is_atom: false, ..self }
    }

    fn part(&self) -> String {
        if self.is_atom { self.text.clone() } else { format!("({})", self.text) }
    }
}

/// The labels in Prometheus: the target's own come first, and push a label `instance` of ours aside.
fn labels(metric: &'static Metric) -> Vec<&'static str> {
    let own = metric.labels.iter().map(|label| if *label == "instance" { "exported_instance" } else { label });
    ["job", "instance"].into_iter().chain(own).collect()
}

/// # Panics
///
/// The label is none of these.
fn known<'a>(what: &str, labels: &[&'static str], label: &'a str) -> &'a str {
    assert!(labels.contains(&label), "{what} has no label `{label}`; it has {labels:?}");
    label
}

#[cfg(test)]
mod tests {
    use hostwarden::metrics::names;

    #[test]
    fn expressions_are_written_as_meant() {
        let rate = counter!(names::HTTP_REQUESTS).eq("code", "5xx").var("site").rate();
        let series = "hostwarden_http_requests_total{job=~\"$job\", instance=~\"$instance\", code=\"5xx\", site=~\"$site\"}";
        assert_eq!(rate.clone().sum_by(&["site"]).text(), format!("sum by (site) (rate({series}[$__rate_interval]))"));
        assert_eq!(rate.clone().sum().over(rate.clone().sum().plus(rate.sum())).text().matches(series).count(), 3);
        let age = gauge!(names::HOST_BOOT).now().age().max();
        assert_eq!(age.text(), "max(time() - hostwarden_host_boot_timestamp_seconds{job=~\"$job\", instance=~\"$instance\"})");
        let p95 = histogram!(names::BOT_REPLY_DURATION).quantile(0.95, &["source"]);
        assert!(p95.text().starts_with("histogram_quantile(0.95, sum by (le, source) (rate(hostwarden_bot_reply_duration_seconds_bucket{"));
    }

    #[test]
    #[should_panic(expected = "hostwarden_udp_floods_total has no label `dir`")]
    fn unknown_labels_are_refused() {
        counter!(names::UDP_FLOODS).eq("dir", "in");
    }

    #[test]
    #[should_panic(expected = "has no label `class`")]
    fn labels_that_were_summed_away_are_gone() {
        counter!(names::HTTP_ATTACKS).rate().sum_by(&["site"]).sum_by(&["class"]);
    }

    #[test]
    fn a_label_that_prometheus_claims_is_renamed() {
        assert!(gauge!(names::SQLSERVER_UP).now().min_by(&["exported_instance"]).text().starts_with("min by (exported_instance)"));
    }
}

//! Every query parses, and asks for metrics and labels that there are.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hostwarden::metrics::names::{self, Kind, Metric};
use hostwarden_dashboards::{dashboards, foreign};
use promql_parser::parser::{self, Expr, VectorSelector};
use regex::Regex;

/// All metrics that may be named.
fn known() -> impl Iterator<Item = &'static Metric> {
    names::ALL.iter().chain(names::PROCESS).chain(foreign::ALL).copied()
}

/// What Prometheus calls the series of a metric.
fn series(metric: &Metric) -> Vec<String> {
    let suffixes: &[&str] = if metric.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
    suffixes.iter().map(|suffix| format!("{}{suffix}", metric.name)).collect()
}

/// All queries to Prometheus, with where they stand: of panels, annotations and variables.
fn queries() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for dashboard in dashboards::all() {
        let prometheus = |kind: &str| kind == "prometheus";
        for panel in dashboard.all_panels() {
            let targets = panel.targets.iter().filter(|target| prometheus(target.datasource.kind));
            all.extend(targets.map(|target| (format!("{}: {}", dashboard.uid, panel.title), target.expr.clone())));
        }
        let marks = dashboard.annotations.list.iter().filter(|mark| prometheus(mark.datasource.kind));
        all.extend(marks.map(|mark| (format!("{}: {}", dashboard.uid, mark.name), mark.expr.clone())));
        for variable in dashboard.templating.list.iter().filter(|variable| variable.kind == "query") {
            let query = variable.definition.clone().unwrap();
            let inner = query.strip_prefix("label_values(").unwrap().rsplit_once(',').unwrap().0.to_owned();
            all.push((format!("{}: ${}", dashboard.uid, variable.name), inner));
        }
    }
    all
}

/// As Grafana would hand it on.
fn substituted(query: &str) -> String {
    let query = query.replace("$__rate_interval", "1m").replace("$__range", "6h").replace("$__interval", "15s");
    Regex::new(r"\$\{?[a-z_]+(:[a-z]+)?\}?").unwrap().replace_all(&query, ".+").into_owned()
}

#[test]
fn every_query_parses_and_asks_for_what_there_is() {
    for (what, query) in queries() {
        let parsed = parser::parse(&substituted(&query)).unwrap_or_else(|error| panic!("{what}: {query}: {error}"));
        for selector in selectors(&parsed) {
            let name = selector.name.as_deref().unwrap();
            let metric = known().find(|metric| series(metric).iter().any(|series| series == name));
            let metric = metric.unwrap_or_else(|| panic!("{what}: no metric {name}"));
            for matcher in &selector.matchers.matchers {
                let is_own = metric.labels.contains(&matcher.name.as_str()) || (matcher.name == "le" && metric.kind == Kind::Histogram);
                assert!(is_own || ["job", "instance"].contains(&matcher.name.as_str()), "{what}: {name} has no label {}", matcher.name);
            }
        }
    }
}

#[test]
fn edges_of_histograms_are_written_as_they_are_stored() {
    let edges = Regex::new("\\ble=\"([^\"]*)\"").unwrap();
    for (what, query) in queries() {
        for edge in edges.captures_iter(&query) {
            assert!(edge[1].contains('.'), "{what}: Prometheus 3 stores le=\"{}.0\"", &edge[1]);
            assert!(
                hostwarden::metrics::histogram::REPLY_EDGES.iter().any(|micros| format!("{:?}", *micros as f64 / 1e6) == edge[1]),
                "{what}"
            );
        }
    }
}

fn selectors(expr: &Expr) -> Vec<&VectorSelector> {
    match expr {
        Expr::VectorSelector(selector) => vec![selector],
        Expr::MatrixSelector(matrix) => vec![&matrix.vs],
        Expr::Aggregate(aggregate) => aggregate.param.iter().flat_map(|param| selectors(param)).chain(selectors(&aggregate.expr)).collect(),
        Expr::Unary(unary) => selectors(&unary.expr),
        Expr::Binary(binary) => selectors(&binary.lhs).into_iter().chain(selectors(&binary.rhs)).collect(),
        Expr::Paren(paren) => selectors(&paren.expr),
        Expr::Subquery(subquery) => selectors(&subquery.expr),
        Expr::Call(call) => call.args.args.iter().flat_map(|argument| selectors(argument)).collect(),
        _ => Vec::new(),
    }
}

/// Metrics that are on no panel and in no rule, and why.
const FOR_PEOPLE: &[(&str, &str)] = &[];

/// All files below a folder of the repository; none if it is not there (yet).
fn files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((path.display().to_string(), text));
            }
        }
    }
    found
}

#[test]
fn every_metric_named_exists_and_every_metric_is_used() {
    let word = Regex::new(r"[a-z0-9_:]*\bhostwarden_[a-z0-9_:]+").unwrap();
    let there: BTreeSet<String> = names::ALL.iter().flat_map(|metric| series(metric)).collect();
    let mut used = BTreeSet::new();
    for folder in ["grafana/dashboards", "grafana/provisioning", "prometheus"] {
        for (path, text) in files(folder) {
            // With colons it is a recording rule's, `level:metric:operations`.
            for name in word.find_iter(&text).map(|found| found.as_str()).filter(|name| !name.contains(':')) {
                let is_known = there.contains(name) || there.iter().any(|series| series.strip_suffix("_total") == Some(name));
                assert!(is_known || names::ALL.iter().any(|metric| metric.name == name), "{path}: there is no metric {name}");
                used.insert(name.to_owned());
            }
        }
    }
    assert!(!files("grafana/dashboards").is_empty());
    for metric in names::ALL.iter() {
        let is_used = series(metric).iter().any(|series| used.contains(series));
        let reason = FOR_PEOPLE.iter().find(|(name, _)| *name == metric.name);
        assert!(is_used || reason.is_some(), "{} is on no panel and in no rule", metric.name);
        assert!(!(is_used && reason.is_some()), "{} is used: take it off the list", metric.name);
    }
}

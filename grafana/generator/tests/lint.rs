//! The rules of Grafana's dashboard-linter that apply, by their names there; what is left out stands in `grafana/dashboards/.lint`, too.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use hostwarden_dashboards::dashboards;
use hostwarden_dashboards::model::{Dashboard, Panel, Target, Variable};
use regex::Regex;
use serde_json::json;

/// Queries that say nothing of jobs and instances, and why.
const EVERYWHERE: &[(&str, &str)] = &[("ALERTS", "an alert about a sum has neither a job nor an instance")];

/// Grafana's ids of units, of those in use.
const UNITS: &[&str] = &["short", "s", "bytes", "binBps", "percentunit", "reqps", "pps", "cps", "cpm"];

fn variable<'a>(dashboard: &'a Dashboard, name: &str) -> &'a Variable {
    dashboard
        .templating
        .list
        .iter()
        .find(|variable| variable.name == name)
        .unwrap_or_else(|| panic!("{}: no variable {name}", dashboard.uid))
}

fn queries(dashboard: &Dashboard, plugin: &str) -> Vec<(String, Target)> {
    let of = |panel: &Panel| {
        panel.targets.iter().map(|target| (format!("{}: {}", dashboard.uid, panel.title), target.clone())).collect::<Vec<_>>()
    };
    dashboard.all_panels().flat_map(of).filter(|(_, target)| target.datasource.kind == plugin).collect()
}

#[test]
fn template_datasource_rule() {
    for dashboard in dashboards::all() {
        let first = &dashboard.templating.list[0];
        assert_eq!((first.kind, first.name, first.label), ("datasource", "prometheus_datasource", "Prometheus data source"));
        let second = variable(&dashboard, "loki_datasource");
        assert_eq!((second.kind, second.label, &second.query), ("datasource", "Loki data source", &json!("loki")));
    }
}

#[test]
fn template_job_and_instance_rules() {
    for dashboard in dashboards::all() {
        for (name, label) in [("job", "Job"), ("instance", "Instance")] {
            let variable = variable(&dashboard, name);
            assert_eq!((variable.kind, variable.label, variable.multi, variable.all_value), ("query", label, true, Some(".+")));
            assert_eq!(variable.datasource.unwrap().uid, "${prometheus_datasource}");
        }
    }
}

#[test]
fn template_label_promql_and_on_time_change_reload_rules() {
    let call = Regex::new(r"^label_values\(.+, [a-z_]+\)$").unwrap();
    for dashboard in dashboards::all() {
        for variable in dashboard.templating.list.iter().filter(|variable| variable.kind == "query") {
            assert!(call.is_match(variable.definition.as_deref().unwrap()), "{}: {}", dashboard.uid, variable.name);
            assert_eq!(variable.refresh, 2, "{}: {}", dashboard.uid, variable.name);
        }
    }
}

#[test]
fn panel_datasource_and_no_targets_rules() {
    for dashboard in dashboards::all() {
        for panel in dashboard.all_panels().filter(|panel| panel.kind != "row") {
            let source = panel.datasource.unwrap();
            assert!(["${prometheus_datasource}", "${loki_datasource}"].contains(&source.uid), "{}: {}", dashboard.uid, panel.title);
            assert!(!panel.targets.is_empty(), "{}: {}", dashboard.uid, panel.title);
            assert!(panel.targets.iter().all(|target| target.datasource.uid == source.uid), "{}: {}", dashboard.uid, panel.title);
            let ids: std::collections::BTreeSet<_> = panel.targets.iter().map(|target| &target.ref_id).collect();
            assert_eq!(ids.len(), panel.targets.len(), "{}: {}", dashboard.uid, panel.title);
        }
    }
}

#[test]
fn panel_title_description_and_units_rules() {
    for dashboard in dashboards::all() {
        for panel in dashboard.all_panels().filter(|panel| panel.kind != "row") {
            assert!(!panel.title.is_empty() && !panel.description.is_empty(), "{}: {}", dashboard.uid, panel.title);
            let unit = panel.field_config.as_ref().unwrap().defaults.unit.unwrap();
            assert!(UNITS.contains(&unit), "{}: {}: {unit}", dashboard.uid, panel.title);
        }
    }
}

#[test]
fn target_job_and_instance_rules() {
    let selector = Regex::new(r"([A-Za-z_:][A-Za-z0-9_:]*)\{([^}]*)\}").unwrap();
    for dashboard in dashboards::all() {
        for (what, target) in queries(&dashboard, "prometheus") {
            let mut selectors = 0;
            for found in selector.captures_iter(&target.expr.replace("${", "$(")) {
                selectors += 1;
                let is_limited = found[2].starts_with(r#"job=~"$job", instance=~"$instance""#);
                assert!(is_limited || EVERYWHERE.iter().any(|(name, _)| *name == &found[1]), "{what}: {}", &found[0]);
            }
            assert!(selectors > 0, "{what}: {}", target.expr);
        }
    }
}

#[test]
fn target_rate_interval_and_counter_agg_rules() {
    let rate = Regex::new(r"\bi?rate\([^\[]+\[([^\]]+)\]").unwrap();
    let bare = Regex::new(r"(\w*)\(?[a-z_]+_total\{[^}]*\}(\[?)").unwrap();
    for dashboard in dashboards::all() {
        for (what, target) in queries(&dashboard, "prometheus") {
            for found in rate.captures_iter(&target.expr) {
                assert_eq!(&found[1], "$__rate_interval", "{what}");
            }
            for found in bare.captures_iter(&target.expr) {
                assert!(["rate", "increase"].contains(&&found[1]) && &found[2] == "[", "{what}: {}", &found[0]);
            }
        }
    }
}

#[test]
fn target_logql_and_auto_rules() {
    // As much of the grammar as is used: streams, filters of lines, filters of labels; a count over `$__auto`.
    let lines = r#"\{[a-z]+=~?"[^"]*"(, [a-z]+=~?"[^"]*")*\}( \|~ `[^`]*`| \| [a-z]+=~?(`[^`]*`|"[^"]*"))*"#;
    let query = Regex::new(&format!(r"^({lines}|sum by \([a-z]+\) \(count_over_time\({lines} \[\$__auto\]\)\))$")).unwrap();
    let mut seen = 0;
    for dashboard in dashboards::all() {
        for (what, target) in queries(&dashboard, "loki") {
            seen += 1;
            assert!(query.is_match(&target.expr), "{what}: {}", target.expr);
            assert!(target.expr.contains(r#"{job="hostwarden", instance=~"$instance", feed"#), "{what}: {}", target.expr);
        }
    }
    assert!(seen > 0);
}

#[test]
fn uneditable_dashboard() {
    for dashboard in dashboards::all() {
        assert!(!dashboard.editable && dashboard.schema_version == 42 && dashboard.graph_tooltip == 1, "{}", dashboard.uid);
    }
}

#[test]
fn dashboards_find_one_another() {
    for dashboard in dashboards::all() {
        let link = &dashboard.links[0];
        assert!(link.kind == "dashboards" && link.as_dropdown && link.keep_time && link.include_vars, "{}", dashboard.uid);
        assert!(link.tags.iter().all(|tag| dashboard.tags.contains(tag)), "{}", dashboard.uid);
    }
}

//! What all dashboards share: variables, marks in graphs, the way to one another, and how panels are put on the grid.

use hostwarden::metrics::names;
use serde_json::json;

use crate::model::{
    Annotation, AnnotationTarget, Dashboard, DashboardLink, DataSource, LOKI, List, PROMETHEUS, Panel, SCHEMA_VERSION, TimeRange, Variable,
};
use crate::panels::{Draft, Row};
use crate::{foreign, gauge};

/// By this tag dashboards find one another.
pub const TAG: &str = "hostwarden";

/// What a dashboard is about.
pub struct About {
    /// One of [`crate::links::uid`].
    pub uid: &'static str,
    /// Its name.
    pub title: &'static str,
    /// The questions that it answers.
    pub questions: &'static str,
    /// The metric whose jobs and hosts can be chosen: all that show it do.
    pub known_by: &'static str,
    /// Variables beside those that all have.
    pub variables: Vec<Variable>,
    /// How far back it looks at first.
    pub from: &'static str,
}

/// Puts a dashboard together.
pub fn dashboard(about: About, rows: Vec<Row>) -> Dashboard {
    let About { uid, title, questions, known_by, variables, from } = about;
    let mut all = vec![
        data_source("prometheus_datasource", "Prometheus data source", "prometheus"),
        data_source("loki_datasource", "Loki data source", "loki"),
        query("job", "Job", "Which scrape jobs.", format!("label_values({known_by}, job)")),
        query("instance", "Instance", "Which hosts.", format!("label_values({known_by}{{job=~\"$job\"}}, instance)")),
    ];
    all.extend(variables);
    Dashboard {
        uid,
        title,
        description: questions,
        tags: vec![TAG],
        editable: false,
        graph_tooltip: 1,
        time: TimeRange { from, to: "now" },
        refresh: "30s",
        timezone: "browser",
        week_start: "monday",
        fiscal_year_start_month: 0,
        schema_version: SCHEMA_VERSION,
        version: 1,
        live_now: false,
        annotations: List { list: annotations() },
        links: vec![others()],
        templating: List { list: all },
        panels: placed(rows),
    }
}

fn data_source(name: &'static str, label: &'static str, plugin: &'static str) -> Variable {
    let current = json!({ "text": plugin, "value": plugin });
    Variable { refresh: 1, ..variable("datasource", name, label, "Where the data come from.", json!(plugin), current) }
}

/// A variable whose values are those of a label; all of them at first, several can be chosen.
pub fn query(name: &'static str, label: &'static str, description: &'static str, query: String) -> Variable {
    let object = json!({ "qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery" });
    Variable {
        datasource: Some(PROMETHEUS),
        definition: Some(query),
        multi: true,
        include_all: true,
        all_value: Some(".+"),
        refresh: 2,
        sort: 1,
        ..variable("query", name, label, description, object, json!({ "text": ["All"], "value": ["$__all"] }))
    }
}

/// A variable whose values are those of a label of a metric, on the chosen hosts.
///
/// # Panics
///
/// The metric has no such label.
pub fn label_of(metric: &names::Metric, name: &'static str, label: &'static str, description: &'static str) -> Variable {
    assert!(metric.labels.contains(&name), "{} has no label {name}", metric.name);
    let series = if metric.kind == names::Kind::Histogram { format!("{}_count", metric.name) } else { metric.name.to_owned() };
    query(name, label, description, format!("label_values({series}{{job=~\"$job\", instance=~\"$instance\"}}, {name})"))
}

/// A variable that people type.
pub fn text(name: &'static str, label: &'static str, description: &'static str) -> Variable {
    variable("textbox", name, label, description, json!(""), json!({ "text": "", "value": "" }))
}

fn variable(
    kind: &'static str,
    name: &'static str,
    label: &'static str,
    description: &'static str,
    query: serde_json::Value,
    current: serde_json::Value,
) -> Variable {
    Variable {
        kind,
        name,
        label,
        description,
        datasource: None,
        query,
        definition: None,
        current,
        options: Vec::new(),
        multi: false,
        include_all: false,
        all_value: None,
        regex: "",
        refresh: 0,
        sort: 0,
        hide: 0,
        skip_url_sync: false,
    }
}

fn others() -> DashboardLink {
    DashboardLink {
        title: "Hostwarden".to_owned(),
        kind: "dashboards",
        as_dropdown: true,
        icon: "external link",
        include_vars: true,
        keep_time: true,
        tags: vec![TAG],
        target_blank: false,
        tooltip: "The other dashboards, with the same hosts and time",
        url: String::new(),
    }
}

/// What happened to the machine and to the exporter, so that a jump in a graph is not taken for something else.
fn annotations() -> Vec<Annotation> {
    let restarts = gauge!(names::PROCESS_START).eq("job", "hostwarden").changes("1m").above(0.0);
    // A build that was not there a minute ago, where another one was.
    let before = || gauge!(names::BUILD_INFO).before("1m");
    let deploys = gauge!(names::BUILD_INFO).now().unless(before()).and_on(&["job", "instance"], before());
    let containers = gauge!(names::CONTAINER_STARTED).changes("1m").above(0.0);
    // Alerts about a sum have no instance: these are shown whatever is chosen.
    let firing = gauge!(foreign::ALERTS).everywhere().eq("alertstate", "firing").ne("alertname", "Watchdog");
    let alerts = firing.now().max_by(&["alertname", "severity"]);
    vec![
        mark("Alerts", "red", PROMETHEUS, alerts.text(), ["{{alertname}}", "An alert of severity {{severity}} is firing.", "severity"]),
        mark(
            "Exporter restarts",
            "purple",
            PROMETHEUS,
            restarts.text(),
            ["Restart", "The exporter on {{instance}} was started again.", "instance"],
        ),
        mark("Deploys", "blue", PROMETHEUS, deploys.text(), ["Deploy", "{{instance}} now runs {{version}} ({{revision}}).", "instance"]),
        mark(
            "Container restarts",
            "orange",
            PROMETHEUS,
            containers.text(),
            ["{{container}}", "The container {{container}} was started.", "container"],
        ),
        mark("Incidents", "yellow", LOKI, INCIDENTS, ["Incident", "", "severity,detector"]),
    ]
}

/// The lines that are worth a mark.
const INCIDENTS: &str = r#"{job="hostwarden", instance=~"$instance", feed="incident"} | severity="critical""#;

/// Marks where a query gives something above zero, or a line; in words for title and text, and labels that become tags.
fn mark(name: &'static str, icon_color: &'static str, datasource: DataSource, expr: &str, words: [&'static str; 3]) -> Annotation {
    let [title_format, text_format, tag_keys] = words;
    let step = "60s";
    Annotation {
        name,
        datasource,
        enable: true,
        hide: false,
        icon_color,
        target: AnnotationTarget { expr: expr.to_owned(), interval: step, ref_id: "Mark" },
        expr: expr.to_owned(),
        step,
        title_format,
        text_format,
        tag_keys,
        use_value_for_time: false,
    }
}

/// The grid's columns.
pub const COLUMNS: u32 = 24;

/// Rows one below the other, panels from left to right; ids in this order.
fn placed(rows: Vec<Row>) -> Vec<Panel> {
    let (mut panels, mut y, mut id) = (Vec::new(), 0, 0);
    for Row { title, is_open, drafts } in rows {
        let mut inside = Vec::new();
        let top = y;
        y += 1;
        let (mut x, mut tallest) = (0, 0);
        id += 1;
        let own_id = id;
        for Draft { mut panel, .. } in drafts {
            if x + panel.grid_pos.w > COLUMNS {
                y += tallest;
                (x, tallest) = (0, 0);
            }
            (panel.grid_pos.x, panel.grid_pos.y) = (x, y);
            x += panel.grid_pos.w;
            tallest = tallest.max(panel.grid_pos.h);
            id += 1;
            panel.id = id;
            inside.push(panel);
        }
        y += tallest;
        let mut row = Panel {
            id: own_id,
            kind: "row",
            title: title.to_owned(),
            collapsed: Some(!is_open),
            panels: Some(Vec::new()),
            ..Panel::default()
        };
        (row.grid_pos.w, row.grid_pos.h, row.grid_pos.y) = (COLUMNS, 1, top);
        if is_open {
            panels.push(row);
            panels.append(&mut inside);
        } else {
            row.panels = Some(inside);
            panels.push(row);
            y = top + 1;
        }
    }
    panels
}

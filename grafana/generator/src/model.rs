//! The JSON that Grafana reads: its Classic model, schema version 42. Only what is used, as plain data; who fills it in is
//! [`crate::panels`] and [`crate::frame`].

use serde::Serialize;
use serde_json::Value;

/// The version of the model, the last of the Classic ones.
pub const SCHEMA_VERSION: u32 = 42;

/// A dashboard.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// Known for good: links and bookmarks lead here.
    pub uid: &'static str,
    /// Its name.
    pub title: &'static str,
    /// The questions that it answers.
    pub description: &'static str,
    /// The first is the one that all dashboards share.
    pub tags: Vec<&'static str>,
    /// Always false: what is provisioned is changed where it comes from.
    pub editable: bool,
    /// 1: the crosshair is shared.
    pub graph_tooltip: u8,
    /// What is shown at first.
    pub time: TimeRange,
    /// How often it asks anew.
    pub refresh: &'static str,
    /// The viewer's.
    pub timezone: &'static str,
    /// Monday.
    pub week_start: &'static str,
    /// January is 0.
    pub fiscal_year_start_month: u8,
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Grafana counts on from here.
    pub version: u32,
    /// None: it is not made by hand.
    pub live_now: bool,
    /// Marks in all graphs.
    pub annotations: List<Annotation>,
    /// The way to the other dashboards.
    pub links: Vec<DashboardLink>,
    /// Variables.
    pub templating: List<Variable>,
    /// Panels and rows.
    pub panels: Vec<Panel>,
}

impl Dashboard {
    /// Its uid, which nothing else in the folder is called.
    pub fn file_name(&self) -> String {
        format!("{}.json", self.uid)
    }

    /// The file.
    ///
    /// # Errors
    ///
    /// None that is known: all keys are text.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// All panels, those in collapsed rows too.
    pub fn all_panels(&self) -> impl Iterator<Item = &Panel> {
        self.panels.iter().flat_map(|panel| std::iter::once(panel).chain(panel.panels.iter().flatten()))
    }
}

/// A list in an object, as Grafana has it.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// The list.
    pub list: Vec<T>,
}

/// From when to when.
#[derive(Debug, Serialize)]
pub struct TimeRange {
    /// `now-6h`.
    pub from: &'static str,
    /// `now`.
    pub to: &'static str,
}

/// Which data source.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DataSource {
    /// The plugin.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// A variable of the dashboard.
    pub uid: &'static str,
}

/// Prometheus, as chosen in the dashboard.
pub const PROMETHEUS: DataSource = DataSource { kind: "prometheus", uid: "${prometheus_datasource}" };
/// Loki, as chosen in the dashboard.
pub const LOKI: DataSource = DataSource { kind: "loki", uid: "${loki_datasource}" };

/// A mark in all graphs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotation {
    /// What it marks.
    pub name: &'static str,
    /// Where it comes from.
    pub datasource: DataSource,
    /// Whether it is shown at first.
    pub enable: bool,
    /// Whether its switch is hidden.
    pub hide: bool,
    /// Its colour.
    pub icon_color: &'static str,
    /// The query.
    pub target: AnnotationTarget,
    /// The query again, where readers before Grafana 11 (and Loki's) look for it.
    pub expr: String,
    /// The query's steps, for them.
    pub step: &'static str,
    /// Title of a mark, with labels as `{{label}}`.
    pub title_format: &'static str,
    /// Text of a mark.
    pub text_format: &'static str,
    /// Labels that become tags.
    pub tag_keys: &'static str,
    /// Whether the value is the time; it is not.
    pub use_value_for_time: bool,
}

/// What a mark asks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnnotationTarget {
    /// The query.
    pub expr: String,
    /// The query's steps.
    pub interval: &'static str,
    /// Its name.
    pub ref_id: &'static str,
}

/// A link of a dashboard or of a panel.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DashboardLink {
    /// Its text.
    pub title: String,
    /// `dashboards` (all with the tags) or `link`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether it is a drop-down list.
    pub as_dropdown: bool,
    /// A symbol.
    pub icon: &'static str,
    /// Whether the variables go with it.
    pub include_vars: bool,
    /// Whether the time range goes with it.
    pub keep_time: bool,
    /// Whose tags.
    pub tags: Vec<&'static str>,
    /// Whether it opens a new tab.
    pub target_blank: bool,
    /// Shown on hovering.
    pub tooltip: &'static str,
    /// Where a `link` leads.
    pub url: String,
}

/// A variable of a dashboard.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// `datasource`, `query` or `textbox`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// As in `$name`.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// Shown on hovering.
    pub description: &'static str,
    /// Where its values come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datasource: Option<DataSource>,
    /// A data source's plugin, a query, or a first text.
    pub query: Value,
    /// The query again, for older readers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// What is chosen at first.
    pub current: Value,
    /// Filled by Grafana.
    pub options: Vec<Value>,
    /// Whether several can be chosen.
    pub multi: bool,
    /// Whether all can be chosen.
    pub include_all: bool,
    /// What all means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_value: Option<&'static str>,
    /// Limits the values.
    pub regex: &'static str,
    /// 2: asked anew whenever the time range changes.
    pub refresh: u8,
    /// 1: by alphabet.
    pub sort: u8,
    /// 0: shown.
    pub hide: u8,
    /// Whether a change leaves the address alone.
    pub skip_url_sync: bool,
}

/// A panel or a row.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Panel {
    /// Unique in its dashboard.
    pub id: u32,
    /// What kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// A noun.
    pub title: String,
    /// What it means and what to do; none for rows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where it stands.
    pub grid_pos: GridPos,
    /// Where its data come from; none for rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datasource: Option<DataSource>,
    /// What is asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// How fields look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_config: Option<FieldConfig>,
    /// Of the kind of panel.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub options: Value,
    /// What is done with the data before it is shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transformations: Vec<Value>,
    /// Links of the panel's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<DashboardLink>,
    /// Rows only: whether it is closed at first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapsed: Option<bool>,
    /// Rows only: collapsed ones hold their panels, open ones none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panels: Option<Vec<Panel>>,
}

/// Where a panel stands: 24 columns, rows of 30 pixels.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct GridPos {
    /// Columns.
    pub w: u32,
    /// Rows.
    pub h: u32,
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
}

/// One query of a panel.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// `A`, `B` and so on.
    pub ref_id: String,
    /// Whom it asks.
    pub datasource: DataSource,
    /// The query.
    pub expr: String,
    /// As text, not as blocks.
    pub editor_mode: &'static str,
    /// `time_series`, `table` or `heatmap`; Prometheus only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
    /// Only the newest value; Prometheus only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instant: Option<bool>,
    /// Values over time; Prometheus only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<bool>,
    /// `range` or `instant`; Loki only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_type: Option<&'static str>,
    /// How many lines at most; Loki only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lines: Option<u32>,
    /// The name of a series, with labels as `{{label}}`.
    pub legend_format: String,
}

/// How fields look.
#[derive(Debug, Default, Serialize)]
pub struct FieldConfig {
    /// All of them.
    pub defaults: Defaults,
    /// Some of them.
    pub overrides: Vec<Override>,
}

/// How all fields look.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// One of Grafana's units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'static str>,
    /// Digits behind the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    /// Where the axis begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Where the axis ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// What stands there when there are no data.
    pub no_value: String,
    /// Colours.
    pub color: Value,
    /// From which value on which colour.
    pub thresholds: Thresholds,
    /// Words instead of values.
    pub mappings: Vec<Value>,
    /// Where a value leads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Of the kind of panel.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub custom: Value,
}

/// From which value on which colour.
#[derive(Debug, Serialize)]
pub struct Thresholds {
    /// `absolute`.
    pub mode: &'static str,
    /// In order.
    pub steps: Vec<Step>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { mode: "absolute", steps: vec![Step { value: None, color: "green" }] }
    }
}

/// One threshold.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Step {
    /// From here on; `null` for the first.
    pub value: Option<f64>,
    /// The colour.
    pub color: &'static str,
}

/// How some fields look.
#[derive(Clone, Debug, Serialize)]
pub struct Override {
    /// Which.
    pub matcher: Value,
    /// What of them.
    pub properties: Vec<Value>,
}

/// A link.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Its text.
    pub title: String,
    /// Where it leads.
    pub url: String,
    /// Whether it opens a new tab.
    pub target_blank: bool,
}

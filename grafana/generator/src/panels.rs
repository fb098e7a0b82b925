//! How a question is answered: one function for each kind of panel, and what can be said of each.
//!
//! Every panel says its unit, what it means and what to do, and what it means when there is nothing to show.

use serde_json::{Value, json};

use crate::logql::Lines;
use crate::model::{DashboardLink, Defaults, FieldConfig, GridPos, LOKI, Link, Override, PROMETHEUS, Panel, Step, Target, Thresholds};
use crate::promql::Expr;

/// Grafana's ids of units.
pub mod unit {
    /// A number.
    pub const COUNT: &str = "short";
    /// Seconds.
    pub const SECONDS: &str = "s";
    /// Bytes, in steps of 1024.
    pub const BYTES: &str = "bytes";
    /// Bytes per second.
    pub const BYTES_PER_SEC: &str = "binBps";
    /// A ratio, shown in percent.
    pub const RATIO: &str = "percentunit";
    /// Requests per second.
    pub const REQUESTS_PER_SEC: &str = "reqps";
    /// Packets per second.
    pub const PACKETS_PER_SEC: &str = "pps";
    /// Anything per second.
    pub const PER_SEC: &str = "cps";
    /// Anything per minute.
    pub const PER_MIN: &str = "cpm";
}

/// Panels below a heading.
pub struct Row {
    /// The heading.
    pub title: &'static str,
    /// Whether it is open at first.
    pub is_open: bool,
    /// The panels, from left to right.
    pub drafts: Vec<Draft>,
}

/// An open row.
pub fn row(title: &'static str, drafts: Vec<Draft>) -> Row {
    Row { title, is_open: true, drafts }
}

/// A row that is closed at first: details.
pub fn closed_row(title: &'static str, drafts: Vec<Draft>) -> Row {
    Row { title, is_open: false, drafts }
}

/// A panel in the making.
pub struct Draft {
    pub(crate) panel: Panel,
}

/// What a panel says of itself: a noun, a unit, what it means and what to do, what it means when it is empty.
pub type Words<'a> = (&'a str, &'static str, &'a str, &'a str);

/// One number, coloured by [`Draft::steps`].
pub fn stat(words: Words<'_>, expr: Expr) -> Draft {
    let options = json!({
        "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "percentChangeColorMode": "standard",
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false }, "showPercentChange": false, "textMode": "auto", "wideLayout": true,
    });
    let mut draft = draft("stat", words, options, json!({ "mode": "thresholds" }), Value::Null).wide(4).high(4);
    draft.panel.targets.push(target(expr.text(), String::new(), true));
    draft
}

/// Values over time.
pub fn graph(words: Words<'_>) -> Draft {
    let options = json!({
        "legend": { "calcs": ["mean", "max", "lastNotNull"], "displayMode": "table", "placement": "bottom", "showLegend": true, "sortBy": "Last *", "sortDesc": true },
        "tooltip": { "hideZeros": false, "mode": "multi", "sort": "desc" },
    });
    let custom = json!({
        "axisBorderShow": false, "axisCenteredZero": false, "axisColorMode": "text", "axisLabel": "", "axisPlacement": "auto",
        "barAlignment": 0, "drawStyle": "line", "fillOpacity": 10, "gradientMode": "none", "hideFrom": { "legend": false, "tooltip": false, "viz": false },
        "insertNulls": false, "lineInterpolation": "linear", "lineWidth": 1, "pointSize": 5, "scaleDistribution": { "type": "linear" },
        "showPoints": "auto", "spanNulls": false, "stacking": { "group": "A", "mode": "none" }, "thresholdsStyle": { "mode": "off" },
    });
    let mut draft = draft("timeseries", words, options, json!({ "mode": "palette-classic-by-name" }), custom).wide(12).high(8);
    draft.defaults().min = Some(0.0);
    draft
}

/// One state over time for each series; the words come from [`Draft::says`].
pub fn states(words: Words<'_>, expr: Expr, label: &'static str) -> Draft {
    let options = json!({
        "alignValue": "left", "mergeValues": true, "rowHeight": 0.8, "showValue": "auto",
        "legend": { "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true },
        "tooltip": { "hideZeros": false, "mode": "single", "sort": "none" },
    });
    let custom = json!({ "fillOpacity": 70, "hideFrom": { "legend": false, "tooltip": false, "viz": false }, "lineWidth": 0 });
    draft("state-timeline", words, options, json!({ "mode": "thresholds" }), custom).wide(24).high(8).ask(expr, label)
}

/// One bar for each series.
pub fn bars(words: Words<'_>, expr: Expr, legend: &str) -> Draft {
    let options = json!({
        "displayMode": "basic", "legend": { "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false },
        "maxVizHeight": 300, "minVizHeight": 16, "minVizWidth": 8, "namePlacement": "auto", "orientation": "horizontal",
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false }, "showUnfilled": true, "sizing": "auto", "valueMode": "color",
    });
    let mut draft = draft("bargauge", words, options, json!({ "mode": "thresholds" }), Value::Null).wide(12).high(8);
    draft.defaults().min = Some(0.0);
    check_legend(&expr, legend);
    draft.panel.targets.push(target(expr.text(), legend.to_owned(), true));
    draft
}

/// A table: the columns that are shown, by what the queries call them (`Value #A` is the value of the first, `Value` that of the only one)
/// and by what people do.
///
/// # Panics
///
/// No query has such a label.
pub fn table(words: Words<'_>, queries: Vec<Expr>, columns: &[(&'static str, &str)]) -> Draft {
    let options = json!({ "cellHeight": "sm", "enablePagination": false, "showHeader": true });
    let custom = json!({ "align": "auto", "cellOptions": { "type": "auto" }, "filterable": false, "inspect": false });
    let mut draft = draft("table", words, options, json!({ "mode": "thresholds" }), custom).wide(12).high(9);
    let is_single = queries.len() == 1;
    for (column, _) in columns.iter().filter(|(column, _)| !column.starts_with("Value")) {
        assert!(queries.iter().any(|expr| expr.has_label(column)), "no query of the table has a label `{column}`");
    }
    for expr in queries {
        let mut target = target(expr.text(), String::new(), true);
        (target.format, target.ref_id) = (Some("table"), letter(draft.panel.targets.len()));
        draft.panel.targets.push(target);
    }
    if !is_single {
        draft.panel.transformations.push(json!({ "id": "merge", "options": {} }));
    }
    let order: serde_json::Map<String, Value> =
        columns.iter().enumerate().map(|(at, (column, _))| ((*column).to_owned(), json!(at))).collect();
    let names: serde_json::Map<String, Value> = columns.iter().map(|(column, name)| ((*column).to_owned(), json!(name))).collect();
    let shown: Vec<_> = columns.iter().map(|(column, _)| *column).collect();
    draft.panel.transformations.push(json!({ "id": "filterFieldsByName", "options": { "include": { "names": shown } } }));
    draft
        .panel
        .transformations
        .push(json!({ "id": "organize", "options": { "excludeByName": {}, "indexByName": order, "renameByName": names } }));
    draft
}

/// A map of the world: a value for each country, by its code in the label `country`.
///
/// # Panics
///
/// The result has no such label.
pub fn world_map(words: Words<'_>, expr: Expr) -> Draft {
    expr.check_label("country");
    let marker = json!({
        "color": { "field": "Value", "fixed": "dark-orange" }, "opacity": 0.6, "rotation": { "fixed": 0, "max": 360, "min": -360, "mode": "mod" },
        "size": { "field": "Value", "fixed": 6, "max": 24, "min": 4 }, "symbol": { "fixed": "img/icons/marker/circle.svg", "mode": "fixed" },
        "symbolAlign": { "horizontal": "center", "vertical": "center" }, "text": { "field": "country", "fixed": "", "mode": "field" },
        "textConfig": { "fontSize": 10, "offsetX": 0, "offsetY": 0, "textAlign": "center", "textBaseline": "middle" },
    });
    let options = json!({
        "basemap": { "config": {}, "name": "Base map", "type": "default" },
        "controls": { "mouseWheelZoom": false, "showAttribution": true, "showDebug": false, "showMeasure": false, "showScale": false, "showZoom": true },
        "layers": [{
            "config": { "showLegend": true, "style": marker },
            "location": { "gazetteer": "public/gazetteer/countries.json", "lookup": "country", "mode": "lookup" },
            "name": "Countries", "tooltip": true, "type": "markers",
        }],
        "tooltip": { "mode": "details" },
        "view": { "allLayers": true, "id": "coords", "lat": 25, "lon": 10, "zoom": 1.5 },
    });
    let custom = json!({ "hideFrom": { "legend": false, "tooltip": false, "viz": false } });
    let mut draft = draft("geomap", words, options, json!({ "mode": "continuous-BlYlRd" }), custom).wide(16).high(12);
    let mut target = target(expr.text(), String::new(), true);
    target.format = Some("table");
    draft.panel.targets.push(target);
    draft
}

/// Lines of the feed, the newest first.
pub fn logs(title: &str, description: &str, empty: &str, lines: &Lines) -> Draft {
    let options = json!({
        "dedupStrategy": "none", "enableInfiniteScrolling": true, "enableLogDetails": true, "prettifyLogMessage": false, "showCommonLabels": false,
        "showLabels": false, "showLogContextToggle": false, "showTime": true, "sortOrder": "Descending", "wrapLogMessage": true,
    });
    let mut draft =
        draft("logs", (title, unit::COUNT, description, empty), options, json!({ "mode": "thresholds" }), Value::Null).wide(24).high(10);
    draft.panel.datasource = Some(LOKI);
    draft.panel.targets.push(lines_target(lines.text().to_owned(), String::new()));
    draft
}

/// How many lines, over time; of Loki.
pub fn line_counts(words: Words<'_>, query: String, legend: &str) -> Draft {
    let mut draft = graph(words).as_bars();
    draft.panel.datasource = Some(LOKI);
    let mut target = lines_target(query, legend.to_owned());
    target.max_lines = None;
    draft.panel.targets.push(target);
    draft
}

fn draft(kind: &'static str, (title, unit, description, empty): Words<'_>, options: Value, color: Value, custom: Value) -> Draft {
    let defaults = Defaults { unit: Some(unit), no_value: empty.to_owned(), color, custom, ..Defaults::default() };
    let panel = Panel {
        kind,
        title: title.to_owned(),
        description: description.to_owned(),
        datasource: Some(PROMETHEUS),
        field_config: Some(FieldConfig { defaults, overrides: Vec::new() }),
        options,
        ..Panel::default()
    };
    Draft { panel }
}

fn target(expr: &str, legend_format: String, instant: bool) -> Target {
    Target {
        ref_id: "A".to_owned(),
        datasource: PROMETHEUS,
        expr: expr.to_owned(),
        editor_mode: "code",
        format: Some("time_series"),
        instant: Some(instant),
        range: Some(!instant),
        query_type: None,
        max_lines: None,
        legend_format,
    }
}

fn lines_target(expr: String, legend_format: String) -> Target {
    Target {
        datasource: LOKI,
        expr,
        format: None,
        instant: None,
        range: None,
        query_type: Some("range"),
        max_lines: Some(500),
        ..target("", legend_format, false)
    }
}

fn letter(index: usize) -> String {
    char::from(b'A' + u8::try_from(index).unwrap_or(25).min(25)).to_string()
}

/// # Panics
///
/// A label that the legend names is not on the result.
fn check_legend(expr: &Expr, legend: &str) {
    for part in legend.split("{{").skip(1) {
        expr.check_label(part.split("}}").next().unwrap_or_default());
    }
}

impl Draft {
    /// A query, its series named by a label.
    pub fn ask(self, expr: Expr, label: &'static str) -> Self {
        let legend = format!("{{{{{label}}}}}");
        self.series(expr, &legend)
    }

    /// A query, its series named by a text that may hold labels as `{{label}}`.
    ///
    /// # Panics
    ///
    /// The result has no such label.
    pub fn series(mut self, expr: Expr, legend: &str) -> Self {
        check_legend(&expr, legend);
        let mut target = target(expr.text(), legend.to_owned(), false);
        target.ref_id = letter(self.panel.targets.len());
        self.panel.targets.push(target);
        self
    }

    /// Columns, of 24.
    pub fn wide(mut self, columns: u32) -> Self {
        self.panel.grid_pos = GridPos { w: columns, ..self.panel.grid_pos };
        self
    }

    /// Rows of 30 pixels.
    pub fn high(mut self, rows: u32) -> Self {
        self.panel.grid_pos = GridPos { h: rows, ..self.panel.grid_pos };
        self
    }

    /// Colours: green below the first value, then orange, then red.
    pub fn steps(mut self, orange: f64, red: f64) -> Self {
        let step = |value, color| Step { value, color };
        let steps = vec![step(None, "green"), step(Some(orange), "orange"), step(Some(red), "red")];
        self.defaults().thresholds = Thresholds { steps, ..Thresholds::default() };
        self
    }

    /// Colours where more is better: red below the first value, then orange, then green.
    pub fn steps_up(mut self, orange: f64, green: f64) -> Self {
        let step = |value, color| Step { value, color };
        let steps = vec![step(None, "red"), step(Some(orange), "orange"), step(Some(green), "green")];
        self.defaults().thresholds = Thresholds { steps, ..Thresholds::default() };
        self
    }

    /// One neutral colour: the number is neither good nor bad.
    pub fn neutral(mut self) -> Self {
        self.defaults().thresholds = Thresholds { steps: vec![Step { value: None, color: "blue" }], ..Thresholds::default() };
        self
    }

    /// Words for values, each with its colour.
    pub fn says(mut self, words: &[(u32, &str, &str)]) -> Self {
        let options: serde_json::Map<String, Value> = words
            .iter()
            .enumerate()
            .map(|(at, (value, text, color))| (value.to_string(), json!({ "color": color, "index": at, "text": text })))
            .collect();
        self.defaults().mappings.push(json!({ "type": "value", "options": options }));
        self
    }

    /// A word for everything from a value on.
    pub fn says_from(mut self, from: f64, text: &str, color: &str) -> Self {
        let result = json!({ "color": color, "index": 9, "text": text });
        self.defaults().mappings.push(json!({ "type": "range", "options": { "from": from, "to": null, "result": result } }));
        self
    }

    /// The axis or scale ends here.
    pub fn up_to(mut self, max: f64) -> Self {
        self.defaults().max = Some(max);
        self
    }

    /// The axis may go below zero: something is drawn downwards.
    pub fn both_ways(mut self) -> Self {
        self.defaults().min = None;
        self.custom("axisCenteredZero", json!(true))
    }

    /// Digits behind the point.
    pub fn decimals(mut self, digits: u8) -> Self {
        self.defaults().decimals = Some(digits);
        self
    }

    /// Series one on top of the other.
    pub fn stacked(self) -> Self {
        self.custom("stacking", json!({ "group": "A", "mode": "normal" })).custom("fillOpacity", json!(30))
    }

    /// Bars, for what happens now and then.
    pub fn as_bars(self) -> Self {
        self.custom("drawStyle", json!("bars"))
            .custom("fillOpacity", json!(60))
            .custom("stacking", json!({ "group": "A", "mode": "normal" }))
    }

    /// A line at the threshold of this colour.
    pub fn limit(mut self, value: f64) -> Self {
        let steps = vec![Step { value: None, color: "transparent" }, Step { value: Some(value), color: "red" }];
        self.defaults().thresholds = Thresholds { steps, ..Thresholds::default() };
        self.custom("thresholdsStyle", json!({ "mode": "dashed" }))
    }

    fn custom(mut self, key: &str, value: Value) -> Self {
        if let Value::Object(custom) = &mut self.defaults().custom {
            custom.insert(key.to_owned(), value);
        }
        self
    }

    /// Where a value leads.
    pub fn leads(mut self, link: Link) -> Self {
        self.defaults().links.push(link);
        self
    }

    /// A link of the panel, beside its title.
    pub fn linked(mut self, link: Link) -> Self {
        let Link { title, url, target_blank } = link;
        let (icon, tooltip, tags) = ("external link", "", Vec::new());
        let link = DashboardLink {
            title,
            kind: "link",
            as_dropdown: false,
            icon,
            include_vars: false,
            keep_time: false,
            tags,
            target_blank,
            tooltip,
            url,
        };
        self.panel.links.push(link);
        self
    }

    /// How one column, or one series, looks.
    pub fn field(mut self, name: &str, look: &[(&str, Value)]) -> Self {
        let properties = look.iter().map(|(id, value)| json!({ "id": id, "value": value })).collect();
        self.config().overrides.push(Override { matcher: json!({ "id": "byName", "options": name }), properties });
        self
    }

    /// What one column is measured in.
    pub fn column_unit(self, name: &str, unit: &str) -> Self {
        self.field(name, &[("unit", json!(unit))])
    }

    /// Where one column leads.
    pub fn column_leads(self, name: &str, links: &[Link]) -> Self {
        self.field(name, &[("links", json!(links))])
    }

    /// Words for one column's values.
    pub fn column_says(self, name: &str, words: &[(u32, &str, &str)]) -> Self {
        let options: serde_json::Map<String, Value> = words
            .iter()
            .enumerate()
            .map(|(at, (value, text, color))| (value.to_string(), json!({ "color": color, "index": at, "text": text })))
            .collect();
        let cell = json!({ "mode": "basic", "type": "color-text" });
        self.field(name, &[("mappings", json!([{ "type": "value", "options": options }])), ("custom.cellOptions", cell)])
    }

    /// A table's rows by this column, the greatest first; its values as bars of a scale from blue to red.
    pub fn sorted_by(mut self, name: &str) -> Self {
        if let Value::Object(options) = &mut self.panel.options {
            options.insert("sortBy".to_owned(), json!([{ "desc": true, "displayName": name }]));
        }
        let cell = json!({ "mode": "basic", "type": "gauge", "valueDisplayMode": "text" });
        self.field(name, &[("custom.cellOptions", cell), ("color", json!({ "mode": "continuous-BlYlRd" })), ("min", json!(0))])
    }

    fn config(&mut self) -> &mut FieldConfig {
        self.panel.field_config.get_or_insert_default()
    }

    fn defaults(&mut self) -> &mut Defaults {
        &mut self.config().defaults
    }
}

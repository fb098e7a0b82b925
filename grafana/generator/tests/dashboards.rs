//! The committed dashboards are what the generator writes, and hold together: ids, grid, links, words.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use hostwarden_dashboards::dashboards;
use hostwarden_dashboards::frame::COLUMNS;
use hostwarden_dashboards::model::{Dashboard, Link, Panel};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards")
}

#[test]
fn committed_dashboards_are_up_to_date() {
    let made: BTreeMap<_, _> = dashboards::all().iter().map(|dashboard| (dashboard.file_name(), dashboard.to_json().unwrap())).collect();
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<_> = files.filter(|name| name.ends_with(".json")).collect();
    assert_eq!(there, made.keys().cloned().collect(), "`make dashboards` writes them anew; remove what is no more");
    for (name, json) in &made {
        let committed = fs::read_to_string(folder().join(name)).unwrap();
        assert!(committed == *json, "{name} is not what the generator writes: `make dashboards`");
    }
}

#[test]
fn all_are_known_by_fixed_ids() {
    let uids: Vec<_> = dashboards::all().iter().map(|dashboard| dashboard.uid).collect();
    let promised = ["overview", "bot", "web", "security", "client", "containers", "games", "host", "self"];
    assert_eq!(uids, promised.map(|name| format!("hostwarden-{name}")));
}

#[test]
fn panels_have_their_own_ids_and_places() {
    for dashboard in dashboards::all() {
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in dashboard.all_panels() {
            assert!(panel.id > 0 && ids.insert(panel.id), "{}: id {} stands twice", dashboard.uid, panel.id);
        }
        for panel in &dashboard.panels {
            place(dashboard.uid, panel, &mut taken);
        }
        for row in dashboard.panels.iter().filter(|panel| panel.collapsed == Some(true)) {
            let mut taken = BTreeSet::new();
            row.panels.iter().flatten().for_each(|panel| place(dashboard.uid, panel, &mut taken));
        }
    }
}

/// Sees to it that nothing else stands where this panel does.
fn place(uid: &str, panel: &Panel, taken: &mut BTreeSet<(u32, u32)>) {
    let at = panel.grid_pos;
    assert!(at.w > 0 && at.h > 0 && at.x + at.w <= COLUMNS, "{uid}: {} stands beside the grid: {at:?}", panel.title);
    for cell in (at.x..at.x + at.w).flat_map(|x| (at.y..at.y + at.h).map(move |y| (x, y))) {
        assert!(taken.insert(cell), "{uid}: {} covers another panel at {cell:?}", panel.title);
    }
}

#[test]
fn every_panel_says_what_it_means() {
    for (dashboard, panel) in panels() {
        let what = format!("{dashboard}: {}", panel.title);
        assert!(!panel.title.is_empty() && !panel.title.ends_with(['?', '.']), "{what}: the title is a noun");
        assert!(panel.description.len() >= 20 && panel.description.ends_with(['.', '?']), "{what}: says what it means");
        let defaults = &panel.field_config.as_ref().unwrap().defaults;
        assert!(!defaults.no_value.is_empty(), "{what}: says what it means to be empty");
        assert!(defaults.unit.is_some(), "{what}: has a unit");
        if panel.kind == "timeseries" {
            let is_both_ways = panel.targets.iter().any(|target| target.expr.starts_with('-'));
            assert_eq!(defaults.min.is_none(), is_both_ways, "{what}: its axis begins at 0, unless something is drawn downwards");
            assert_eq!(panel.options["legend"]["displayMode"], "table", "{what}");
        }
    }
}

#[test]
fn states_are_told_in_words() {
    for (dashboard, panel) in panels() {
        let defaults = &panel.field_config.as_ref().unwrap().defaults;
        let asks_for_state = ["_up{", "_healthy{", "_success{", "_suspected{"].iter().any(|part| panel.targets[0].expr.contains(part));
        let is_number = panel.targets[0].expr.contains("1 - ");
        if panel.kind == "state-timeline" || (panel.kind == "stat" && asks_for_state && !is_number) {
            assert!(!defaults.mappings.is_empty(), "{dashboard}: {} shows a state by its colour alone", panel.title);
        }
    }
}

#[test]
fn titles_are_unique_within_a_row() {
    for dashboard in dashboards::all() {
        let mut titles = BTreeSet::new();
        for panel in dashboard.all_panels() {
            if panel.kind == "row" {
                titles.clear();
                continue;
            }
            assert!(titles.insert(panel.title.clone()), "{}: two panels of one row are called {}", dashboard.uid, panel.title);
        }
    }
}

#[test]
fn links_lead_to_what_there_is() {
    let all = dashboards::all();
    for dashboard in &all {
        for (panel, link) in links(dashboard) {
            let what = format!("{}: {panel}: {}", dashboard.uid, link.url);
            assert!(!link.title.is_empty(), "{what}");
            let Some(path) = link.url.strip_prefix("/d/") else {
                assert!(link.url.starts_with("https://") || link.url.starts_with("/explore?"), "{what}");
                assert!(link.target_blank, "{what}: leads away, so in a new tab");
                continue;
            };
            let (uid, query) = path.split_once('?').unwrap();
            let target = all.iter().find(|other| other.uid == uid).unwrap_or_else(|| panic!("{what}: no such dashboard"));
            for value in query.split('&').filter_map(|part| part.strip_prefix("var-")) {
                let name = value.split('=').next().unwrap();
                assert!(target.templating.list.iter().any(|variable| variable.name == name), "{what}: no variable {name} there");
            }
        }
    }
}

#[test]
fn alerts_name_dashboards_that_there_are() {
    let uids: BTreeSet<_> = dashboards::all().iter().map(|dashboard| dashboard.uid).collect();
    let named = regex::Regex::new(r"(?m)^\s*dashboard: *(\S+)$").unwrap();
    // No rules, no alerts: then there is nothing to name one.
    for entry in fs::read_dir(folder().join("../../prometheus/rules")).into_iter().flatten() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for found in named.captures_iter(&text) {
            assert!(uids.contains(&found[1]), "{}: no dashboard {}", path.display(), &found[1]);
        }
    }
}

/// All links of a dashboard's panels: of values, of columns, of panels.
fn links(dashboard: &Dashboard) -> Vec<(String, Link)> {
    let mut all = Vec::new();
    for panel in dashboard.all_panels().filter(|panel| panel.kind != "row") {
        let config = panel.field_config.as_ref().unwrap();
        let of_columns = config.overrides.iter().flat_map(|look| &look.properties).filter(|property| property["id"] == "links");
        let of_columns = of_columns.flat_map(|property| property["value"].as_array().unwrap()).map(|link| Link {
            title: link["title"].as_str().unwrap().to_owned(),
            url: link["url"].as_str().unwrap().to_owned(),
            target_blank: link["targetBlank"].as_bool().unwrap(),
        });
        let of_panel =
            panel.links.iter().map(|link| Link { title: link.title.clone(), url: link.url.clone(), target_blank: link.target_blank });
        all.extend(of_panel.chain(config.defaults.links.iter().cloned()).chain(of_columns).map(|link| (panel.title.clone(), link)));
    }
    all
}

#[test]
fn looks_are_given_to_columns_that_there_are() {
    for (dashboard, panel) in panels().into_iter().filter(|(_, panel)| panel.kind == "table") {
        let organize = panel.transformations.iter().find(|step| step["id"] == "organize").unwrap();
        let names: BTreeSet<_> =
            organize["options"]["renameByName"].as_object().unwrap().values().map(|name| name.as_str().unwrap()).collect();
        for look in &panel.field_config.as_ref().unwrap().overrides {
            let column = look.matcher["options"].as_str().unwrap();
            assert!(names.contains(column), "{dashboard}: {} has no column {column}", panel.title);
        }
    }
}

#[test]
fn used_variables_are_declared() {
    let name = regex::Regex::new(r"\$\{?([a-z_]+)\b").unwrap();
    for dashboard in dashboards::all() {
        let declared: BTreeSet<_> = dashboard.templating.list.iter().map(|variable| variable.name).collect();
        for panel in dashboard.all_panels() {
            for target in &panel.targets {
                for used in
                    name.captures_iter(&target.expr).map(|found| found.get(1).unwrap().as_str()).filter(|name| !name.starts_with("__"))
                {
                    assert!(declared.contains(used), "{}: {} uses ${used}", dashboard.uid, panel.title);
                }
            }
        }
    }
}

/// All panels but rows, with their dashboard's uid.
fn panels() -> Vec<(&'static str, Panel)> {
    let opened = |panel: Panel| if panel.kind == "row" { panel.panels.unwrap_or_default() } else { vec![panel] };
    let of =
        |dashboard: Dashboard| dashboard.panels.into_iter().flat_map(opened).map(move |panel| (dashboard.uid, panel)).collect::<Vec<_>>();
    dashboards::all().into_iter().flat_map(of).collect()
}

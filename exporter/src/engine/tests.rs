//! The engine: what is answered when, and that no crash changes a total.

use super::*;
use crate::batch::{Bookmark, Change, FileBookmark, Status};
use crate::detectors::{enumeration, slow_attacker};
use crate::feed::{self, Pushed};
use crate::formats::nginx_combined::NginxCombined;
use crate::incident::{Delivered, Delivery};
use crate::metrics::Exposition;
use crate::policy::never_ban::NeverBan;
use crate::privacy::{ClientMode, SenderMode};

mod pages;

const NOW: Timestamp = Timestamp::from_secs(1_775_262_600);

fn engine(saved: BTreeMap<String, Section>) -> Engine {
    engine_with(FeedSettings { max_entries: 100, per_second: 1, bot_text: false, push: None }, saved)
}

fn engine_with(feed: FeedSettings, saved: BTreeMap<String, Section>) -> Engine {
    Engine::new(setup(feed, saved))
}

fn setup(feed: FeedSettings, saved: BTreeMap<String, Section>) -> Setup {
    let source = SourceSetup {
        name: "web".into(),
        pattern: "/var/log/nginx/access.log".into(),
        format_name: "nginx_combined".into(),
        format: Box::new(NginxCombined::new()),
        about: About::Web { sites: Arc::from([]) },
    };
    let privacy = Arc::new(Privacy::new(SenderMode::Hash, ClientMode::Full, b"0123456789abcdef", 160));
    Setup {
        sources: vec![source],
        proxies: TrustedProxies::default(),
        privacy,
        detection: detection(),
        feed: Some(feed),
        probes: Vec::new(),
        build: ["0", "0"],
        saved,
        set_aside: false,
        first_writes: Vec::new(),
    }
}

fn detection() -> DetectionSetup {
    let some = |number| std::num::NonZeroUsize::new(number).unwrap();
    DetectionSetup {
        asks_crowdsec: false,
        notices: notices::Setup { outboxes: vec![("discord", Default::default())], ..notices::Setup::default() },
        link_prefixes: vec!["/t/".to_owned()],
        max_clients: some(1_000),
        scores: crate::detectors::suspicion::Config::default(),
        judges_suspicion: true,
        slow_attacker: Some(slow_attacker::Config {
            attacks: 8,
            hours: 3,
            days: 5,
            distinct: 3,
            forgive_after_days: 7,
            max_clients: some(100),
        }),
        enumeration: Some(enumeration::Config {
            threshold: 15,
            window_secs: 300,
            slow_threshold: 40,
            network_threshold: 30,
            max_clients: some(100),
        }),
        never_ban: NeverBan::new(Default::default()),
        locate: Arc::new(()),
    }
}

fn line(number: u64) -> String {
    let status = [200, 304, 404, 500][(number % 4) as usize];
    let method = ["GET", "POST", "HEAD"][(number % 3) as usize];
    // A few clients attack, slowly and all at once, and one guesses links; the others are visitors.
    let (client, path) = match number % 250 {
        7 => (7, format!("/{}/.env", number / 250)),
        8 => (8, format!("/{}/.env", number % 4)),
        n if n < 100 && number > 2_000 => (9, format!("/t/{number}")),
        n => (n, format!("/{number}")),
    };
    let secs = number * 10;
    format!(
        "198.51.100.{client} - - [03/Apr/2026:{:02}:{:02}:{:02} +0000] \"{method} {path} HTTP/1.1\" {status} {number} \"-\" \"test\" 0.{:03}\n",
        10 + secs / 3_600,
        secs / 60 % 60,
        secs % 60,
        number % 1000
    )
}

/// Lines `from..to` as one batch that leaves the bookmark at `to`.
fn batch(from: u64, to: u64) -> Batch {
    let lines: String = (from..to).map(line).collect();
    let bookmark = FileBookmark {
        path: "/var/log/nginx/access.log".into(),
        device: 1,
        inode: 2,
        offset: to,
        head_bytes: 0,
        head_hash: 0,
        tail_bytes: 0,
        tail_hash: 0,
        seen_bytes: to,
        modified: NOW,
        finished: false,
    };
    Batch {
        read_bytes: lines.len() as u64,
        lines: lines.into_bytes(),
        bookmarks: vec![(1, Change::Set(bookmark.into()))],
        status: Status { up: true, caught_up: true, files: 1, ..Status::default() },
        ..Batch::default()
    }
}

/// Where the first source's file was read to.
fn offset(engine: &Engine) -> u64 {
    match engine.bookmarks(0).1.first() {
        Some((_, Bookmark::File(bookmark))) => bookmark.offset,
        _ => 0,
    }
}

/// A store in memory.
#[derive(Clone, Default)]
struct Saved(BTreeMap<String, Section>);

impl Saved {
    fn apply(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Put { section, pieces } => self.0.insert(section, pieces).map_or((), drop),
                Write::Append { section, pieces } => self.0.entry(section).or_default().extend(pieces),
                Write::Delete { section } => self.0.remove(&section).map_or((), drop),
            }
        }
    }
}

fn committed() -> Input {
    Input::Committed { ok: true, took: Duration::from_millis(3) }
}

/// Carries out the commits among `actions` and gives the other actions.
fn settle(engine: &mut Engine, saved: &mut Saved, actions: Vec<Action>) -> Vec<Action> {
    let mut rest = Vec::new();
    for action in actions {
        match action {
            Action::Commit(writes) => {
                saved.apply(writes);
                let more = engine.step(NOW, committed());
                rest.extend(settle(engine, saved, more));
            }
            other => rest.push(other),
        }
    }
    rest
}

fn commits(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Commit(_))).count()
}

fn answers(actions: &[Action]) -> Vec<Token> {
    actions.iter().filter_map(|action| if let Action::Answer(token, Answer::Page(_)) = action { Some(*token) } else { None }).collect()
}

#[test]
fn nothing_is_shown_before_it_is_saved() {
    let mut engine = engine(BTreeMap::new());
    let ask = |token| Input::Ask(token, Ask::Page { inbox: 0 });
    assert!(matches!(engine.step(NOW, ask(1))[..], [Action::Answer(1, Answer::NotReady)]), "not caught up");
    assert_eq!(commits(&engine.step(NOW, Input::Lines(batch(0, 10)))), 1, "caught up: the first commit");
    assert!(matches!(engine.step(NOW, ask(2))[..], [Action::Answer(2, Answer::NotReady)]), "caught up but not saved");
    assert!(engine.step(NOW, committed()).is_empty());
    assert!(matches!(engine.step(NOW, Input::Ask(3, Ask::Ready))[..], [Action::Answer(3, Answer::Ready)]));

    let actions = engine.step(NOW, ask(4));
    assert_eq!((commits(&actions), answers(&actions)), (1, vec![]), "asked: saved first");
    assert!(engine.step(NOW, ask(5)).is_empty() && engine.step(NOW, ask(6)).is_empty(), "asked during a commit: wait for the next");
    let actions = engine.step(NOW, committed());
    assert_eq!((commits(&actions), answers(&actions)), (1, vec![4]));
    let actions = engine.step(NOW, committed());
    assert_eq!((commits(&actions), answers(&actions)), (0, vec![5, 6]));
}

#[test]
fn a_log_that_nobody_knew_is_noted_at_once() {
    let mut engine = engine(BTreeMap::new());
    let mut saved = Saved::default();
    let behind = |batch: Batch| Batch { status: Status { caught_up: false, ..batch.status.clone() }, ..batch };
    let first = engine.step(NOW, Input::Lines(behind(batch(0, 10))));
    assert_eq!(commits(&first), 1, "were it rotated away now, it could not be found again");
    assert_eq!(commits(&engine.step(NOW, Input::Lines(batch(10, 20)))), 0, "one at a time");
    let second = {
        let writes = first.into_iter().filter_map(|action| if let Action::Commit(writes) = action { Some(writes) } else { None });
        writes.for_each(|writes| saved.apply(writes));
        assert_eq!(offset(&self::engine(saved.0.clone())), 10);
        engine.step(NOW, committed())
    };
    let ready = |engine: &mut Engine| matches!(engine.step(NOW, Input::Ask(1, Ask::Ready))[..], [Action::Answer(1, Answer::Ready)]);
    assert!(second.is_empty() && !ready(&mut engine), "what was caught up since is not saved yet");
    assert_eq!(engine_tick(&mut engine, &mut saved, 1), 1);
    assert!(ready(&mut engine));
    assert_eq!(offset(&self::engine(saved.0.clone())), 20);

    let mut again = self::engine(saved.0);
    assert_eq!(commits(&again.step(NOW, Input::Lines(behind(batch(20, 30))))), 0, "a log that is known waits for the next commit");
}

#[test]
fn a_log_of_another_format_is_told_of_once() {
    let mut engine = engine(BTreeMap::new());
    let told = |actions: &[Action]| actions.iter().filter(|action| matches!(action, Action::FormatSuspected { .. })).count();
    let garbage = |lines: &[u8]| Input::Lines(Batch { lines: lines.to_vec(), ..batch(0, 0) });
    assert_eq!(told(&engine.step(NOW, garbage(&b"{}\n".repeat(19)))), 0);
    let actions = engine.step(NOW, garbage(b"{}\n"));
    let problems: Vec<&str> = actions
        .iter()
        .filter_map(|action| if let Action::FormatSuspected { problem, .. } = action { Some(problem.as_str()) } else { None })
        .collect();
    assert_eq!(problems, ["none of 20 lines fits the format nginx_combined"]);
    assert_eq!(told(&engine.step(NOW, garbage(b"{}\n"))), 0);
    let mut fitting = self::engine(BTreeMap::new());
    fitting.step(NOW, Input::Lines(batch(0, 1)));
    assert_eq!(told(&fitting.step(NOW, garbage(&b"{}\n".repeat(40)))), 0);
}

#[test]
fn a_failed_commit_is_counted_and_everything_is_written_again() {
    let mut engine = engine(BTreeMap::new());
    let mut saved = Saved::default();
    let actions = engine.step(NOW, Input::Lines(batch(0, 10)));
    settle(&mut engine, &mut saved, actions);
    engine.step(NOW, Input::Ask(1, Ask::Page { inbox: 0 }));
    let actions = engine.step(NOW, Input::Committed { ok: false, took: Duration::ZERO });
    assert_eq!(answers(&actions), [1], "the page is served all the same");
    let actions = engine.step(NOW, Input::Ask(2, Ask::Page { inbox: 0 }));
    let Some(Action::Commit(writes)) = actions.first() else { panic!("{actions:?}") };
    let put = |section: &str| writes.iter().any(|write| matches!(write, Write::Put { section: name, .. } if name == section));
    assert!(put("source/web") && put("own") && put("window/web/0"), "{writes:?}");
}

/// What is handed to notifiers, in the order of the incidents.
fn deliveries(actions: Vec<Action>) -> Vec<Delivery> {
    actions.into_iter().filter_map(|action| if let Action::Deliver { delivery, .. } = action { Some(delivery) } else { None }).collect()
}

#[test]
fn a_crash_repeats_the_message_that_was_under_way_and_no_other() {
    let mut saved = Saved::default();
    let (mut opened, mut crashes) = (Vec::new(), 0);
    for run in 0..4 {
        let mut engine = engine(saved.0.clone());
        for step in 0..6 {
            let read = offset(&engine);
            let actions = engine.step(NOW, Input::Lines(batch(read, read + 500)));
            let mut sent = deliveries(settle(&mut engine, &mut saved, actions));
            let actions = engine.step(NOW.plus(Duration::from_secs(run * 10 + step)), Input::Tick);
            sent.extend(deliveries(settle(&mut engine, &mut saved, actions)));
            assert!(sent.len() <= 1, "{sent:?}");
            let fresh = sent.iter().flat_map(|delivery| &delivery.told).filter(|told| told.change == crate::incident::Change::Opened);
            opened.extend(fresh.map(|told| told.incident.id));
            // The last of each run is under way when the crash comes.
            if !sent.is_empty() && step < 5 {
                let outcome = crate::incident::Outcome::Sent { message: Some("m".into()) };
                engine.step(NOW, Input::Delivered(Delivered { notifier: "discord", outcome, wait: Duration::ZERO }));
            } else {
                crashes += usize::from(!sent.is_empty());
            }
        }
    }
    let told: std::collections::BTreeSet<u64> = opened.iter().copied().collect();
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [1, 2, 3], "three incidents are in these lines: {opened:?}");
    assert!(opened.len() <= 3 + crashes, "{crashes} crashes: {opened:?}");
}

#[test]
fn stopping_saves_what_is_left() {
    let mut engine = engine(BTreeMap::new());
    let mut saved = Saved::default();
    let actions = engine.step(NOW, Input::Lines(batch(0, 10)));
    settle(&mut engine, &mut saved, actions);
    engine.step(NOW, Input::Lines(batch(10, 20)));
    let actions = engine.step(NOW, Input::Stop);
    assert_eq!(commits(&actions), 1);
    let rest = settle(&mut engine, &mut saved, actions);
    assert!(matches!(rest[..], [Action::Stopped]));
    assert_eq!(offset(&self::engine(saved.0)), 20);
}

#[test]
fn stopping_during_a_commit_saves_what_came_since() {
    let mut engine = engine(BTreeMap::new());
    let mut saved = Saved::default();
    let actions = engine.step(NOW, Input::Lines(batch(0, 10)));
    settle(&mut engine, &mut saved, actions);
    let asked = engine.step(NOW, Input::Ask(1, Ask::Page { inbox: 0 }));
    engine.step(NOW, Input::Lines(batch(10, 20)));
    assert!(engine.step(NOW, Input::Stop).is_empty(), "a commit is under way");
    let rest = settle(&mut engine, &mut saved, asked);
    assert!(matches!(rest[..], [Action::Answer(1, _), Action::Stopped]), "{rest:?}");
    assert_eq!(offset(&self::engine(saved.0)), 20);
}

#[test]
fn an_idle_engine_saves_nothing_but_once_a_minute() {
    let mut engine = engine(BTreeMap::new());
    let mut saved = Saved::default();
    let actions = engine.step(NOW, Input::Lines(batch(0, 10)));
    settle(&mut engine, &mut saved, actions);
    let ticks = (0..600).map(|secs| engine_tick(&mut engine, &mut saved, secs)).sum::<usize>();
    assert!(ticks <= 10, "{ticks} commits in ten minutes");
}

#[test]
fn findings_are_saved_at_once_or_soon_after_the_last_commit() {
    let feed = FeedSettings { max_entries: 100, per_second: 1, bot_text: false, push: None };
    // For notifiers a new incident is saved at the next tick; here are none.
    let detection = || DetectionSetup { notices: notices::Setup::default(), ..detection() };
    let mut engine = Engine::new(Setup { detection: detection(), ..setup(feed, BTreeMap::new()) });
    let mut saved = Saved::default();
    let (mut found, mut commits_at) = (0, Vec::new());
    for secs in 0..40 {
        let lines = match secs {
            1 => 1_400,
            30 => 700,
            _ => 0,
        };
        let read = offset(&engine);
        let actions = engine.step(NOW, Input::Lines(batch(read, read + lines)));
        assert_eq!(findings(&actions).is_empty(), lines == 0, "{secs}");
        found += findings(&actions).len();
        settle(&mut engine, &mut saved, actions);
        if engine_tick(&mut engine, &mut saved, secs) > 0 {
            commits_at.push(secs);
        }
    }
    assert_eq!(commits_at, [5, 30], "besides the first commit, once all was read");
    let kept = findings::Findings::new(saved.0.get(findings::SECTION));
    assert_eq!(kept.recent().count(), found);

    // A clock that was put back holds nothing back.
    let mut engine = Engine::new(Setup { detection: detection(), ..setup(feed, BTreeMap::new()) });
    let actions = engine.step(NOW.plus(Duration::from_secs(3_600)), Input::Lines(batch(0, 10)));
    settle(&mut engine, &mut saved, actions);
    engine.step(NOW, Input::Lines(batch(10, 1_400)));
    assert_eq!(engine_tick(&mut engine, &mut saved, 0), 1);
}

#[test]
fn a_new_incident_that_somebody_is_to_be_told_of_is_saved_at_the_next_tick() {
    let mut engine = engine(BTreeMap::new());
    let mut saved = Saved::default();
    let actions = engine.step(NOW, Input::Lines(batch(0, 1_400)));
    settle(&mut engine, &mut saved, actions);
    engine_tick(&mut engine, &mut saved, 0);
    engine.step(NOW, Input::Lines(batch(1_400, 2_100)));
    assert_eq!(engine_tick(&mut engine, &mut saved, 1), 1);
}

#[test]
fn an_incident_lasts_until_the_last_thing_that_its_client_did() {
    let mut engine = engine(BTreeMap::new());
    let last = |engine: &mut Engine| {
        let window = Window { offset: 0, limit: None };
        let incidents = engine.query(NOW, &Query::Incidents(window, IncidentFilter::default())).unwrap();
        let lasts = incidents["incidents"].as_array().unwrap().iter().map(|incident| {
            assert_eq!(engine.query(NOW, &Query::Incident(incident["id"].as_u64().unwrap())).as_ref(), Some(incident));
            let client = incident["client"].as_str().unwrap().to_owned();
            let seen = engine.query(NOW, &Query::Client(client.clone())).unwrap()["last_seen"].clone();
            (client, (incident["last"].clone(), seen, incident["findings"].clone()))
        });
        lasts.collect::<BTreeMap<_, _>>()
    };
    engine.step(NOW, Input::Lines(batch(0, 1_400)));
    let before = last(&mut engine);
    engine.step(NOW, Input::Lines(batch(1_400, 1_600)));
    let after = last(&mut engine);
    assert!(before.len() == after.len() && !before.is_empty(), "{before:?} {after:?}");
    assert!(before.values().chain(after.values()).all(|(last, seen, _)| last == seen), "{before:?} {after:?}");
    assert!(
        before.iter().all(|(client, (last, _, findings))| after[client].0 != *last && after[client].2 == *findings),
        "{before:?} {after:?}"
    );
}

fn engine_tick(engine: &mut Engine, saved: &mut Saved, secs: u64) -> usize {
    let actions = engine.step(NOW.plus(Duration::from_secs(secs)), Input::Tick);
    let count = commits(&actions);
    settle(engine, saved, actions);
    count
}

fn findings(actions: &[Action]) -> Vec<String> {
    actions.iter().filter_map(|action| if let Action::Finding(finding) = action { Some(finding.detector.clone()) } else { None }).collect()
}

/// The rows that come from the log, which no crash may change.
fn log_rows(engine: &Engine) -> String {
    let text = engine.page(NOW, 0).render(Exposition::Text);
    text.lines().filter(|row| !row.contains("_state_commit_")).map(|row| format!("{row}\n")).collect()
}

/// What the API says about attackers.
fn told(engine: &mut Engine) -> String {
    let window = Window { offset: 0, limit: Some(500) };
    let queries = [
        Query::Findings(window),
        Query::Clients(window),
        Query::Client("198.51.100.7".to_owned()),
        Query::Watchlist(window),
        Query::Attacks(window, Filter::default()),
        Query::AttacksBy(By::Class),
    ];
    queries.iter().filter_map(|query| engine.query(NOW, query)).map(|answer| format!("{answer:#}\n")).collect()
}

#[test]
fn the_last_attacks_are_there_whatever_the_feed_has_room_for() {
    let attack = |number: u64| {
        let at = Timestamp::from_secs(NOW.secs() + number as i64 / 4);
        let clock = jiff::Timestamp::from_second(at.secs()).unwrap().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
        format!("203.0.113.{} - - [{clock}] \"GET /{number}?q=<script>alert(1)</script> HTTP/1.1\" 404 5 \"-\" \"-\"\n", number % 90)
    };
    let shown = |engine: &mut Engine, limit| {
        let window = Window { offset: 0, limit: Some(limit) };
        let answer = engine.query(NOW, &Query::Attacks(window, Filter::default())).unwrap();
        let path = |attack: &serde_json::Value| attack["path"].as_str().unwrap().split(['/', '?']).nth(1).unwrap().parse::<u64>().unwrap();
        answer["attacks"].as_array().unwrap().iter().map(path).collect::<Vec<_>>()
    };
    let room = |max_entries, per_second| Some(FeedSettings { max_entries, per_second, bot_text: false, push: None });
    for feed in [None, room(100, 1), room(100, 1_000), room(5_000, 2), room(5_000, 1_000)] {
        let setup = |saved| Setup { feed, ..setup(FeedSettings { max_entries: 100, per_second: 1, bot_text: false, push: None }, saved) };
        let (mut engine, mut saved) = (Engine::new(setup(BTreeMap::new())), Saved::default());
        // The last commit has more of them than the ring behind it, and a restart takes up what was saved.
        for range in [0..3, 3..400, 400..520, 520..521, 521..2_000, 2_000..2_040] {
            let lines = range.clone().map(attack).collect::<String>().into_bytes();
            let status = Status { caught_up: true, ..Status::default() };
            let actions = engine.step(NOW, Input::Lines(Batch { lines, status, ..Batch::default() }));
            settle(&mut engine, &mut saved, actions);
            let last: Vec<u64> = (0..range.end).rev().take(500).collect();
            assert!(shown(&mut engine, 500) == last, "{feed:?} {range:?}");
            let actions = engine.step(NOW, Input::Ask(1, Ask::Page { inbox: 0 }));
            if range.end == 520 && commits(&actions) > 0 {
                engine.step(NOW, Input::Committed { ok: false, took: Duration::ZERO });
                continue;
            }
            settle(&mut engine, &mut saved, actions);
            if range.end % 2 == 0 {
                engine = Engine::new(setup(saved.0.clone()));
                assert!(shown(&mut engine, 500) == last, "{feed:?} {range:?}, after a restart");
            }
        }
    }
}

#[test]
fn crashes_at_any_instant_change_no_total_and_no_bucket() {
    let mut whole = engine(BTreeMap::new());
    let found = findings(&whole.step(NOW, Input::Lines(batch(0, 3_000))));
    assert!(["suspicion", "slow_attacker", "enumeration"].iter().all(|name| found.contains(&(*name).to_owned())), "{found:?}");
    for seed in 1..40_u64 {
        let mut random = seed;
        let mut below = move |limit: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % limit
        };
        let mut saved = Saved::default();
        let mut engine = self::engine(saved.0.clone());
        let mut at = 0;
        while at < 3_000 {
            let to = (at + 1 + below(200)).min(3_000);
            let actions = engine.step(NOW, Input::Lines(batch(at, to)));
            settle(&mut engine, &mut saved, actions);
            at = to;
            match below(4) {
                0 => {
                    let actions = engine.step(NOW, Input::Ask(1, Ask::Page { inbox: 0 }));
                    settle(&mut engine, &mut saved, actions);
                }
                1 => {
                    engine = self::engine(saved.0.clone());
                    at = offset(&engine);
                }
                _ => {}
            }
        }
        // What the status says is news of the running process; a batch without lines brings it.
        engine.step(NOW, Input::Lines(batch(3_000, 3_000)));
        assert_eq!(log_rows(&engine), log_rows(&whole), "seed {seed}");
        assert_eq!(told(&mut engine), told(&mut whole), "seed {seed}");
    }
}

#[test]
fn what_an_archive_missed_is_pushed_without_waiting_for_the_clock() {
    let push = PushSettings { batch_entries: 10, batch_bytes: 1 << 20, interval: Duration::from_secs(1) };
    let feed = FeedSettings { max_entries: 100, per_second: 100, bot_text: false, push: Some(push) };
    let (mut engine, mut saved) = (engine_with(feed, BTreeMap::new()), Saved::default());
    // Every line is an attack, and so an entry.
    let lines: String = (0..45).map(|_| line(7)).collect();
    let mut actions = engine.step(NOW, Input::Lines(Batch { lines: lines.into_bytes(), ..batch(0, 0) }));
    actions.extend(engine.step(NOW, Input::Tick));
    let mut pushed = Vec::new();
    loop {
        let rest = settle(&mut engine, &mut saved, actions);
        let batch = rest.into_iter().find_map(|action| if let Action::Push(batch) = action { Some(batch) } else { None });
        let Some(batch) = batch else { break };
        pushed.push(batch.len());
        actions = engine.step(NOW, Input::Pushed(Pushed { outcome: feed::Outcome::Taken, wait: Duration::ZERO }));
    }
    assert_eq!(pushed, [10, 10, 10, 10], "five are no batch before the interval is over");
}

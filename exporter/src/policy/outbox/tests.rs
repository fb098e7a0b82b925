use super::*;
use crate::finding::Finding;
use crate::policy::incidents;

const START: i64 = 1_795_255_200;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

fn settings() -> Settings {
    Settings { least: Severity::Info, muted: vec!["noise".into()], quiet: None, digest_from: 3, digest_max: 4, max_posts: 5, edits: true }
}

fn finding(secs: i64, about: &str, severity: Severity) -> Finding {
    Finding {
        id: 0,
        at: at(secs),
        detector: about.split('-').next().unwrap_or_default().into(),
        severity,
        source: "web".into(),
        about: about.into(),
        client: None,
        country: None,
        summary: String::new(),
        evidence: Vec::new(),
    }
}

/// Incidents, an outbox, and what of both is on disk.
struct Desk {
    incidents: Incidents,
    outbox: Outbox,
    disk: [Section; 2],
    counts: Counts,
    settings: Settings,
}

impl Desk {
    fn new(settings: Settings) -> Self {
        let limits = incidents::Settings { quiet_secs: 900, cooldown_secs: 3_600, max: 5_000 };
        let incidents = Incidents::new(limits, None, 0);
        let outbox = Outbox::new("discord", settings.clone(), None, Counts::default());
        Self { incidents, outbox, disk: Default::default(), counts: Counts::default(), settings }
    }

    fn find(&mut self, secs: i64, about: &str, severity: Severity) {
        let changed = self.incidents.take(at(secs), &finding(secs, about, severity), 0, None);
        self.outbox.note(at(secs), self.incidents.get(changed.id).unwrap(), changed);
    }

    fn tick(&mut self, secs: i64) {
        for changed in self.incidents.on_tick(at(secs), |_| None) {
            self.outbox.note(at(secs), self.incidents.get(changed.id).unwrap(), changed);
        }
    }

    fn commit(&mut self) {
        for (section, write) in self.disk.iter_mut().zip([self.incidents.save(), self.outbox.save()]) {
            match write {
                Some(Write::Put { pieces, .. }) => *section = pieces,
                Some(Write::Append { pieces, .. }) => section.extend(pieces),
                _ => {}
            }
        }
        self.counts = self.outbox.counts();
        self.outbox.saved();
    }

    fn crash(&mut self) {
        let limits = incidents::Settings { quiet_secs: 900, cooldown_secs: 3_600, max: 5_000 };
        self.incidents = Incidents::new(limits, Some(&self.disk[0]), 0);
        self.outbox = Outbox::new("discord", self.settings.clone(), Some(&self.disk[1]), self.counts);
    }

    /// What is sent next, in short: each incident's number and change, and the message that is edited.
    fn next(&mut self, secs: i64) -> Option<(String, Option<String>)> {
        let delivery = self.outbox.next(at(secs), &self.incidents)?;
        let told: Vec<String> = delivery.told.iter().map(|told| format!("{} {:?}", told.incident.id, told.change)).collect();
        Some((told.join(", "), delivery.edits))
    }

    fn done(&mut self, secs: i64, outcome: Outcome, wait: u64) {
        let delivered = Delivered { notifier: "discord", outcome, wait: Duration::from_secs(wait) };
        self.outbox.done(at(secs), &delivered, &self.incidents);
        self.commit();
    }
}

fn sent(message: &str) -> Outcome {
    Outcome::Sent { message: Some(message.to_owned()) }
}

#[test]
fn an_incident_is_one_message_that_is_edited_and_closed() {
    let mut desk = Desk::new(settings());
    desk.find(0, "scan-a", Severity::Warning);
    assert_eq!(desk.next(0), None, "it is not saved yet");
    desk.commit();
    assert_eq!(desk.next(0), Some(("1 Opened".into(), None)));
    assert_eq!(desk.next(0), None, "one is under way");
    desk.done(1, sent("m1"), 2);
    let edit = |change: &str| Some((format!("1 {change}"), Some("m1".to_owned())));
    // News comes ever more rarely: after a minute, ten, an hour.
    for (found, early, due) in [(10, 69, 70), (200, 799, 800), (1_000, 4_599, 4_600)] {
        desk.find(found, "scan-a", Severity::Info);
        desk.commit();
        assert_eq!(desk.next(early), None, "{early}");
        assert_eq!(desk.next(due), edit("Updated"), "{due}");
        desk.done(due, sent("m1"), 0);
    }
    // The fifth is kept for the end.
    desk.find(5_000, "scan-a", Severity::Info);
    desk.commit();
    assert_eq!(desk.next(9_000), None);
    desk.tick(9_000);
    desk.commit();
    assert_eq!(desk.next(9_000), edit("Closed"));
    desk.done(9_000, sent("m1"), 0);
    desk.find(9_010, "scan-a", Severity::Info);
    desk.commit();
    assert_eq!(desk.next(99_000), None, "five is enough, though it goes on");
    assert_eq!(desk.outbox.counts(), Counts { sent: 5, merged: 2, retried: 0, dropped: 0 });
}

#[test]
fn what_becomes_critical_makes_a_sound() {
    let mut desk = Desk::new(settings());
    desk.find(0, "scan-a", Severity::Warning);
    desk.commit();
    desk.next(0);
    desk.done(0, sent("m1"), 0);
    desk.find(5, "scan-a", Severity::Critical);
    desk.commit();
    assert_eq!(desk.next(5), Some(("1 Updated".into(), None)));
    desk.done(5, sent("m2"), 0);
    desk.tick(1_000);
    desk.commit();
    assert_eq!(desk.next(1_000), Some(("1 Closed".into(), Some("m2".into()))));
}

#[test]
fn a_flood_is_told_in_digests_and_nothing_of_it_is_lost() {
    let mut desk = Desk::new(settings());
    for number in 0..10 {
        desk.find(number, &format!("scan-{number}"), Severity::Warning);
    }
    desk.find(11, "noise-x", Severity::Critical);
    desk.commit();
    let opened = |ids: std::ops::RangeInclusive<u64>| Some((ids.map(|id| format!("{id} Opened")).collect::<Vec<_>>().join(", "), None));
    for (secs, ids) in [(20, 1..=4), (22, 5..=8)] {
        assert_eq!(desk.next(secs), opened(ids));
        desk.done(secs, sent("digest"), 2);
        assert_eq!(desk.next(secs + 1), None, "the other side wants to be left alone");
        desk.find(secs, "scan-1", Severity::Warning);
    }
    assert_eq!(desk.next(30), opened(9..=9));
    desk.done(30, sent("m9"), 0);
    assert_eq!(desk.next(30), opened(10..=10));
    desk.done(30, sent("m10"), 0);
    desk.tick(2_000);
    desk.commit();
    assert_eq!(desk.next(2_000), Some(("9 Closed".into(), Some("m9".into()))), "a digest is not edited");
    assert_eq!(desk.outbox.waiting().0, 2);
}

#[test]
fn at_night_only_what_is_critical_is_told() {
    let quiet = QuietHours { from: 0, until: 24 * 60 - 1, zone: jiff::tz::TimeZone::UTC };
    let mut desk = Desk::new(Settings { quiet: Some(quiet), ..settings() });
    let night = START.rem_euclid(86_400);
    desk.find(0, "scan-a", Severity::Warning);
    desk.find(0, "scan-b", Severity::Critical);
    desk.commit();
    assert_eq!(desk.next(0), Some(("2 Opened".into(), None)));
    desk.done(0, sent("m2"), 0);
    assert_eq!(desk.next(10), None);
    assert_eq!(desk.next(86_400 - night - 30), Some(("1 Opened".into(), None)));
}

#[test]
fn what_nobody_wants_to_hear_of_is_not_sent_again() {
    for (outcome, dropped) in [(Outcome::Refused, 1), (Outcome::Gone, 0)] {
        let mut desk = Desk::new(settings());
        desk.find(0, "scan-a", Severity::Warning);
        desk.commit();
        desk.next(0);
        desk.done(0, outcome, 0);
        desk.find(10, "scan-a", Severity::Warning);
        desk.tick(5_000);
        desk.commit();
        assert_eq!((desk.next(5_000), desk.outbox.counts().dropped), (None, dropped));
    }
}

/// Random findings, faults, crashes: everything is told once, in order, five times at most, and a crash repeats one delivery at most.
#[test]
fn nothing_is_lost_whatever_happens() {
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
    for seed in (0..8).map(|run| seed.wrapping_add(run)) {
        simulate(seed);
    }
}

fn simulate(seed: u64) {
    let mut random = seed | 1;
    let mut chance = move |of: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % of
    };
    let edits = chance(2) == 0;
    let mut desk = Desk::new(Settings { edits, ..settings() });
    let (mut arrived, mut order, mut repeated, mut crashes): (BTreeMap<u64, u32>, Vec<u64>, u64, u64) = Default::default();
    let mut lost_outcome: Vec<u64> = Vec::new();
    let mut secs = 0;
    for step in 0..2_000_u64 {
        secs += 1 + i64::try_from(chance(3)).unwrap();
        if step < 1_000 {
            let severity = Severity::ALL[usize::try_from(chance(3)).unwrap()];
            desk.find(secs, &format!("scan-{}", chance(200)), severity);
        } else {
            secs += 10;
        }
        desk.tick(secs);
        if chance(3) > 0 {
            desk.commit();
        }
        if let Some(delivery) = desk.outbox.next(at(secs), &desk.incidents) {
            let ids: Vec<u64> = delivery.told.iter().map(|told| told.incident.id).collect();
            let (outcome, reached) = match chance(8) {
                0 => (Outcome::Retry { may_have_arrived: false }, false),
                1 if step % 5 == 0 => (Outcome::Retry { may_have_arrived: true }, true),
                _ => (sent("m"), true),
            };
            let is_first = reached && delivery.told.iter().all(|told| told.change == Change::Opened);
            if is_first {
                repeated += u64::from(!lost_outcome.is_empty() && lost_outcome.iter().any(|id| ids.contains(id)));
                order.extend(ids.iter().filter(|id| !arrived.contains_key(id)).copied().collect::<Vec<_>>());
            }
            lost_outcome.clear();
            if reached {
                ids.iter().for_each(|id| *arrived.entry(*id).or_default() += 1);
            }
            if chance(10) == 0 {
                lost_outcome = if reached { ids } else { Vec::new() };
                crashes += 1;
                desk.crash();
            } else {
                desk.done(secs, outcome, chance(4));
            }
        }
    }
    let told: BTreeSet<u64> = arrived.keys().copied().collect();
    let all: BTreeSet<u64> = desk.incidents.iter().map(|incident| incident.id).collect();
    assert_eq!(all.difference(&told).count() as u64, desk.outbox.counts().dropped, "seed {seed}: not told");
    assert!(order.is_sorted(), "seed {seed}: {order:?}");
    assert!(repeated <= crashes, "seed {seed}: {repeated} repeats in {crashes} crashes");
    let most = arrived.values().max().copied().unwrap_or(0);
    assert!(most <= 5 + u32::try_from(crashes).unwrap(), "seed {seed}: {most} posts");
    assert_eq!(desk.outbox.waiting().0, 0, "seed {seed}: still waiting");
}

use std::time::Duration;

use super::*;
use crate::feed::Outcome;
use crate::privacy::{ClientMode, SenderMode};

const NOW: Timestamp = Timestamp::from_secs(1_795_255_200);
const PUSH: PushSettings = PushSettings { batch_entries: 3, batch_bytes: 1 << 20, interval: Duration::from_secs(5) };

fn settings(push: bool) -> Settings {
    Settings { max_entries: 100, per_second: 1_000, bot_text: false, push: push.then_some(PUSH) }
}

/// A feed and what is on its disk.
struct Rig {
    feeds: Feeds,
    privacy: Privacy,
    disk: BTreeMap<String, Section>,
    own: Value,
    settings: Settings,
}

impl Rig {
    fn new(settings: Settings) -> Self {
        let privacy = Privacy::new(SenderMode::Hash, ClientMode::Full, b"salt", 160);
        let (disk, own) = (BTreeMap::new(), Value::Null);
        Self { feeds: Feeds::new(Some(settings), &privacy, &disk, &own), privacy, disk, own, settings }
    }

    fn add(&mut self, feed: Feed, text: &str) {
        self.feeds.add(feed, NOW, "test", || Said { text: text.to_owned(), fields: vec![("a".into(), "b".to_owned())] });
    }

    fn commit(&mut self) {
        match self.feeds.save(&self.privacy) {
            Some(Write::Put { section, pieces }) => drop(self.disk.insert(section, pieces)),
            Some(Write::Append { section, pieces }) => self.disk.entry(section).or_default().extend(pieces),
            Some(Write::Delete { section }) => drop(self.disk.remove(&section)),
            None => {}
        }
        self.own = json!({});
        self.feeds.save_counters(&mut self.own);
        self.feeds.committed(true);
    }

    fn crash(&mut self) {
        self.feeds = Feeds::new(Some(self.settings), &self.privacy, &self.disk, &self.own);
    }

    fn all(&self) -> Vec<(u64, String)> {
        let showing = entries::showing(&self.privacy);
        let written = |entry| self.feeds.written(entry, &showing);
        self.feeds.newest(0, None).filter_map(written).map(|entry| (entry.id, entry.text)).collect()
    }

    /// The numbers of the entries that are pushed now.
    fn pushed(&mut self, at: Timestamp) -> Vec<u64> {
        self.feeds.next_push(at, &self.privacy).map(|batch| batch.iter().map(|entry| entry.id).collect()).unwrap_or_default()
    }

    fn answer(&mut self, at: Timestamp, outcome: Outcome, wait: u64) {
        self.feeds.pushed(at, Pushed { outcome, wait: Duration::from_secs(wait) });
    }
}

fn later(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

#[test]
fn what_is_saved_is_there_again_and_numbers_go_on() {
    let mut rig = Rig::new(settings(false));
    for round in 0..20 {
        (0..50).for_each(|number| rig.add(Feed::ALL[number % 5], &format!("{round} {number}")));
        rig.commit();
        let before = rig.all();
        rig.add(Feed::Web, "lost in the crash, and read again behind it");
        rig.crash();
        assert_eq!(rig.all(), before, "round {round}");
        assert_eq!(rig.feeds.last_id(), (round + 1) * 50);
    }
    assert_eq!(rig.feeds.len(), 100);
}

#[test]
fn a_flood_drives_out_no_other_feed_and_is_cut() {
    let mut rig = Rig::new(Settings { per_second: 100, ..settings(false) });
    rig.add(Feed::Incident, "found");
    (0..50_000).for_each(|number| rig.add(Feed::Web, &number.to_string()));
    rig.add(Feed::Bot, "hello");
    assert_eq!(rig.feeds.newest(0, Some(Feed::Incident)).count() + rig.feeds.newest(0, Some(Feed::Bot)).count(), 2);
    assert_eq!(rig.feeds.counts[Feed::Web as usize], [1_000, 49_000]);
    assert_eq!(rig.feeds.len(), 100);
    assert_eq!(rig.feeds.newest(rig.feeds.last_id() - 2, None).map(Kept::feed).collect::<Vec<_>>(), [Feed::Bot, Feed::Web]);
}

#[test]
fn entries_of_another_privacy_are_forgotten() {
    let mut rig = Rig::new(settings(false));
    rig.add(Feed::Bot, "Message from +34600123456");
    rig.commit();
    rig.privacy = Privacy::new(SenderMode::Anon, ClientMode::Full, b"salt", 160);
    rig.crash();
    assert!(rig.all().is_empty());
    assert_eq!(rig.feeds.last_id(), 1, "numbers are not used again");
    rig.commit();
    assert_eq!(rig.disk[SECTION], [Vec::<u8>::new()], "nor does the disk hold them");
    // Switched off, nothing is left of it.
    rig.add(Feed::Bot, "Message");
    rig.commit();
    let mut off = Feeds::new(None, &rig.privacy, &rig.disk, &rig.own);
    assert!(matches!(off.save(&rig.privacy), Some(Write::Delete { .. })));
    off.committed(true);
    assert!(off.save(&rig.privacy).is_none());
}

#[test]
fn only_what_is_saved_is_pushed_and_a_batch_after_the_other() {
    let mut rig = Rig::new(settings(true));
    (0..5).for_each(|number| rig.add(Feed::Ssh, &number.to_string()));
    assert!(rig.feeds.wants_commit(NOW));
    assert_eq!(rig.pushed(NOW), [0u64; 0], "not saved yet");
    rig.commit();
    assert_eq!(rig.pushed(NOW), [1, 2, 3]);
    assert_eq!(rig.pushed(NOW), [0u64; 0], "one at a time");
    rig.answer(NOW, Outcome::Taken, 0);
    assert_eq!(rig.pushed(later(9)), [0u64; 0], "the taking is not saved yet");
    assert!(!rig.feeds.wants_commit(later(1)) && rig.feeds.wants_commit(later(5)), "two are no batch before the interval is over");
    rig.commit();
    assert_eq!(rig.pushed(later(5)), [4, 5]);
    rig.crash();
    assert_eq!(rig.pushed(later(5)), [4, 5], "a crash repeats what was under way");
    rig.answer(later(5), Outcome::Taken, 0);
    rig.commit();
    let state = rig.feeds.push_state().unwrap();
    assert_eq!((state.counts, state.waiting, state.oldest), (Counts { sent: 5, retried: 0, dropped: 0 }, 0, None));
    assert!(!rig.feeds.wants_commit(later(60)));
}

#[test]
fn a_batch_is_tried_again_as_it_was_until_it_is_taken_or_refused() {
    let mut rig = Rig::new(settings(true));
    rig.add(Feed::Bot, "first");
    rig.commit();
    assert_eq!(rig.pushed(NOW), [1]);
    rig.answer(NOW, Outcome::Retry, 30);
    // The ring turns over meanwhile: what is being tried is still there, what was driven out is counted.
    (0..150).for_each(|number| rig.add(Feed::Bot, &number.to_string()));
    assert!(!rig.feeds.wants_commit(later(20)), "nothing can be pushed yet");
    rig.commit();
    assert_eq!(rig.pushed(later(29)), [0u64; 0]);
    assert_eq!(rig.pushed(later(30)), [1]);
    rig.answer(later(30), Outcome::Refused, 0);
    rig.commit();
    let state = rig.feeds.push_state().unwrap();
    assert_eq!((state.counts, state.waiting), (Counts { sent: 0, retried: 1, dropped: 1 + 50 }, 100));
    assert_eq!(rig.pushed(later(31)), [52, 53, 54], "a full batch waits for nobody");
    assert_eq!(state.oldest, Some(NOW));
    // A clock that was put back by an hour holds nothing back.
    rig.answer(later(31), Outcome::Retry, 60);
    assert_eq!(rig.pushed(Timestamp::from_secs(NOW.secs() - 3_600)), [52, 53, 54]);
}

#[test]
fn strangers_cannot_write_lines() {
    let mut rig = Rig::new(settings(false));
    rig.add(Feed::Web, "GET /\n2026 ERROR\u{202e}x\0");
    assert_eq!(rig.all(), [(1, "GET / 2026 ERROR\u{fffd}x\u{fffd}".to_owned())]);
}

#[test]
fn messages_are_told_as_the_mode_allows() {
    let text = "call +34 600 98 71 23, https://a.example/pago/X7";
    let said = |mode, shows_text| {
        let privacy = Privacy::new(mode, ClientMode::Full, b"0123456789abcdef0123456789abcdef", 160);
        let sender = privacy.sender(b"+34600123456").unwrap();
        let message = crate::event::BotMessage { direction: crate::event::Direction::Outgoing, sender, text: text.as_bytes() };
        Message::new(&privacy, shows_text, &message, Some(3_250_000)).said().text
    };
    let waited = "who waited 3.250 s for it";
    let scrubbed = "call <number>, https://a.example/…";
    for (mode, sender, allowed) in [
        (SenderMode::Full, "+34600123456", text),
        (SenderMode::Hash, "937b31fd3a448f6d", scrubbed),
        (SenderMode::Anon, "+34 *** *** *56", scrubbed),
    ] {
        assert_eq!(said(mode, true), format!("Message to {sender}, {waited}: {allowed}"));
        let silent = if mode == SenderMode::Full { format!(": {text}") } else { String::new() };
        assert_eq!(said(mode, false), format!("Message to {sender}, {waited}{silent}"));
    }
    assert_eq!(said(SenderMode::Agg, true), format!("Message to a customer, {waited}"));
}

#[test]
fn users_who_may_be_passwords_are_not_told() {
    use crate::event::{SshAuth, SshOutcome};
    let said = |mode, outcome, user: &str| {
        let privacy = Privacy::new(mode, ClientMode::Full, b"salt", 160);
        let auth = SshAuth { outcome, user: user.as_bytes(), attempts: 1, ..SshAuth::default() };
        entries::login(&privacy, entries::From { client: "192.0.2.1", country: "ES" }, &auth).text
    };
    for (mode, outcome, user, expected) in [
        (SenderMode::Hash, SshOutcome::InvalidUser, "Hunter2!", "192.0.2.1 (ES) tried to log in without an account over SSH"),
        (SenderMode::Hash, SshOutcome::InvalidUser, "admin", "192.0.2.1 (ES) tried to log in without an account as admin over SSH"),
        (SenderMode::Agg, SshOutcome::Failed, "ana", "192.0.2.1 (ES) failed to log in over SSH"),
        (SenderMode::Agg, SshOutcome::Accepted, "ana", "192.0.2.1 (ES) logged in as ana over SSH"),
        (SenderMode::Full, SshOutcome::Failed, "Hunter2!", "192.0.2.1 (ES) failed to log in as Hunter2! over SSH"),
    ] {
        assert_eq!(said(mode, outcome, user), expected);
    }
}

#[test]
fn attacks_are_told_by_what_was_logged_and_as_they_were_before_a_restart() {
    use crate::event::{Attack, AttackClass, HttpRequest};
    use crate::subject::Client;
    let mut rig = Rig::new(settings(true));
    let attack = Attack { class: AttackClass::Xss, why: "why", meaning: "what" };
    let add = |rig: &mut Rig, number: u32| {
        let target = format!("/{number}?mail=ana@example.org");
        let request = HttpRequest { method: b"GET", target: target.as_bytes(), status: 404, ..HttpRequest::default() };
        let seen =
            Seen { number: number.into(), source: "web", site: "shop", path: b"", client: Client::V4(number), deeds: 1, country: *b"ES" };
        assert!(rig.feeds.attack(NOW, &seen, &request, attack));
        rig.add(Feed::Ssh, &number.to_string());
    };
    (0..80).for_each(|number| add(&mut rig, number));
    rig.commit();
    let before = rig.all();
    assert_eq!(before.len(), 100);
    assert_eq!(before[1].1, "0.0.0.79 (ES) tried xss on shop: GET /79?mail=<address>.org, answered 404");
    rig.crash();
    assert_eq!(rig.all(), before);
    // Those from before the restart are driven out before those since.
    (80..200).for_each(|number| add(&mut rig, number));
    let after = rig.all();
    assert_eq!(after.len(), 100);
    assert!(after[1].1.starts_with("0.0.0.199 (") && after[99].1.starts_with("0.0.0.150 ("), "{} {}", after[1].1, after[99].1);
    rig.commit();
    let state = rig.feeds.push_state().unwrap();
    assert_eq!((state.waiting as u64, state.counts.dropped), (100, 300), "what was driven out unpushed is counted");
    assert_eq!(rig.pushed(NOW), [301, 302, 303]);
}

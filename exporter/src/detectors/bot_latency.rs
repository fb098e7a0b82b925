//! Pairs each incoming message with the next outgoing one to the same sender, and knows who still waits.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use serde_json::{Value, json};

use crate::event::{BotMessage, Direction, SendersNow, Timestamp};
use crate::privacy::SenderKey;
use crate::snapshot::{ChangeLog, Lines, Section, Write, json_lines};

/// Messages of one sender that may wait at once; a sender who writes more has the rest left out, and counted as evicted.
const MAX_WAITING: usize = 16;

/// The last hour: who counts as active.
const ACTIVE: Duration = Duration::from_secs(3600);

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// From when on a waiting sender counts as unanswered.
    pub unanswered_after: Duration,
    /// After this long a message outgoing is no reply any more, and who still waits is forgotten.
    pub forget_after: Duration,
    /// The most senders remembered.
    pub max_senders: NonZeroUsize,
}

/// Who wrote and who waits.
pub struct BotLatency {
    config: Config,
    /// In the order of their last messages. Keys are keyed hashes, so nobody can aim at a slot.
    senders: LruCache<SenderKey, Sender>,
    changed: Vec<SenderKey>,
    removed: Vec<SenderKey>,
    evicted: u64,
    log: ChangeLog,
}

#[derive(Debug, Default)]
struct Sender {
    last_message: Timestamp,
    /// When the messages came that no reply followed yet.
    waiting: Vec<Timestamp>,
    changed: bool,
}

impl BotLatency {
    /// Takes up the table saved in `section`, if there is one.
    pub fn new(config: Config, section: String, saved: Option<&Section>) -> Self {
        let mut latency = Self {
            senders: LruCache::unbounded(),
            config,
            changed: Vec::new(),
            removed: Vec::new(),
            evicted: 0,
            log: ChangeLog::new(section, saved),
        };
        if let Some(saved) = saved {
            latency.load(saved);
        }
        latency
    }

    /// Takes a message; `replied` gets the microseconds that each waiting message of this sender waited for it.
    pub fn message(&mut self, at: Timestamp, message: &BotMessage<'_>, mut replied: impl FnMut(u64)) {
        let key = message.sender.key();
        let forget_after = self.config.forget_after;
        let sender = self.senders.get_or_insert_mut(key, Sender::default);
        sender.last_message = sender.last_message.max(at);
        match message.direction {
            Direction::Incoming if sender.waiting.len() < MAX_WAITING => sender.waiting.push(at),
            Direction::Incoming => self.evicted += 1,
            Direction::Outgoing => {
                let waited = sender.waiting.drain(..).map(|since| at.since(since)).filter(|waited| *waited <= forget_after);
                waited.for_each(|waited| replied(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX)));
            }
        }
        if !std::mem::replace(&mut sender.changed, true) {
            self.changed.push(key);
        }
        if self.senders.len() > self.config.max_senders.get()
            && let Some((oldest, _)) = self.senders.pop_lru()
        {
            self.evicted += 1;
            self.removed.push(oldest);
        }
        // So many changes between two saves are more than the table itself: they are not kept, the whole is written.
        if self.removed.len() + self.changed.len() > 2 * self.config.max_senders.get() {
            self.save_whole();
        }
    }

    fn save_whole(&mut self) {
        self.removed.clear();
        for key in self.changed.drain(..) {
            if let Some(sender) = self.senders.peek_mut(&key) {
                sender.changed = false;
            }
        }
        self.log.rewrite();
    }

    /// Forgets who has not written for longer than anyone asks about.
    pub fn on_tick(&mut self, now: Timestamp) {
        let keep = self.config.forget_after.max(ACTIVE);
        while self.senders.peek_lru().is_some_and(|(_, sender)| now.since(sender.last_message) > keep) {
            self.removed.extend(self.senders.pop_lru().map(|(key, _)| key));
        }
    }

    /// Who waits and who is active at `now`.
    pub fn senders(&self, now: Timestamp) -> SendersNow {
        let mut all = SendersNow::default();
        for (_, sender) in &self.senders {
            all.active += u64::from(now.since(sender.last_message) < ACTIVE);
            let overdue = |since: &&Timestamp| (self.config.unanswered_after..=self.config.forget_after).contains(&now.since(**since));
            if let Some(&since) = sender.waiting.iter().find(overdue) {
                all.unanswered += 1;
                all.oldest = Some(all.oldest.map_or(since, |oldest| oldest.min(since)));
            }
        }
        all
    }

    /// Senders remembered, and how many were dropped for new ones.
    pub fn fill(&self) -> (usize, u64) {
        (self.senders.len(), self.evicted)
    }

    /// What changed since the last call.
    pub fn save(&mut self) -> Option<Write> {
        let mut changes = Lines::default();
        let changed = std::mem::take(&mut self.changed);
        let removed = std::mem::take(&mut self.removed);
        // Removals first: who was removed and came back stands among the changed too.
        removed.iter().for_each(|key| changes.push(&json!([key])));
        for key in changed {
            if let Some(sender) = self.senders.peek_mut(&key) {
                sender.changed = false;
                changes.push(&sender.save(key));
            }
        }
        if !changes.is_empty() {
            changes.push(&json!({ "evicted": self.evicted }));
        }
        let (senders, evicted) = (&self.senders, self.evicted);
        let whole = || {
            let mut lines = Lines::default();
            senders.iter().rev().for_each(|(key, sender)| lines.push(&sender.save(*key)));
            lines.push(&json!({ "evicted": evicted }));
            lines
        };
        self.log.write(|| changes, whole)
    }

    /// After a commit that failed.
    pub fn save_all_again(&mut self) {
        self.save_whole();
    }

    fn load(&mut self, saved: &Section) {
        for line in json_lines(saved) {
            if let Some(evicted) = line["evicted"].as_u64() {
                self.evicted = evicted;
            }
            let Ok(key) = serde_json::from_value::<SenderKey>(line[0].clone()) else { continue };
            match Sender::load(&line) {
                Some(sender) => self.senders.put(key, sender),
                None => self.senders.pop(&key),
            };
        }
        while self.senders.len() > self.config.max_senders.get() {
            self.senders.pop_lru();
        }
    }
}

impl Sender {
    fn save(&self, key: SenderKey) -> Value {
        json!([key, self.last_message, self.waiting])
    }

    fn load(line: &Value) -> Option<Self> {
        let last_message = serde_json::from_value(line.get(1)?.clone()).ok()?;
        let mut waiting: Vec<Timestamp> = serde_json::from_value(line.get(2)?.clone()).ok()?;
        waiting.truncate(MAX_WAITING);
        Some(Self { last_message, waiting, changed: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::{ClientMode, Privacy, SenderMode};

    const START: i64 = 1_775_253_600;

    fn latency(max_senders: usize, saved: Option<&Section>) -> BotLatency {
        let config = Config {
            unanswered_after: Duration::from_secs(300),
            forget_after: Duration::from_secs(86_400),
            max_senders: NonZeroUsize::new(max_senders).unwrap(),
        };
        BotLatency::new(config, "senders/bot".into(), saved)
    }

    fn play(latency: &mut BotLatency, messages: &[(i64, &str, Direction)]) -> Vec<u64> {
        let privacy = Privacy::new(SenderMode::Hash, ClientMode::Full, b"0123456789abcdef", 160);
        let mut replies = Vec::new();
        for (secs, sender, direction) in messages {
            let message = BotMessage { direction: *direction, sender: privacy.sender(sender.as_bytes()).unwrap(), text: b"" };
            latency.message(Timestamp::from_secs(START + secs), &message, |micros| replies.push(micros / 1_000_000));
        }
        replies
    }

    use Direction::{Incoming, Outgoing};

    #[test]
    fn each_incoming_message_is_paired_with_the_next_outgoing_one() {
        let mut latency = latency(10, None);
        let replies = play(
            &mut latency,
            &[(0, "+1", Incoming), (1, "+2", Incoming), (2, "+1", Incoming), (5, "+1", Outgoing), (6, "+1", Outgoing), (9, "+2", Outgoing)],
        );
        assert_eq!(replies, [5, 3, 8]);
    }

    #[test]
    fn a_reply_a_day_later_is_none() {
        let mut latency = latency(10, None);
        assert!(play(&mut latency, &[(0, "+1", Incoming), (86_401, "+1", Outgoing)]).is_empty());
        assert_eq!(play(&mut latency, &[(90_000, "+1", Incoming), (89_999, "+1", Outgoing)]), [0], "clocks of two processes differ");
    }

    #[test]
    fn who_waits_too_long_is_unanswered() {
        let mut latency = latency(10, None);
        play(&mut latency, &[(0, "+1", Incoming), (100, "+2", Incoming), (110, "+3", Incoming), (120, "+3", Outgoing)]);
        let at = |secs| Timestamp::from_secs(START + secs);
        assert_eq!(latency.senders(at(299)), SendersNow { unanswered: 0, oldest: None, active: 3 });
        assert_eq!(latency.senders(at(300)), SendersNow { unanswered: 1, oldest: Some(at(0)), active: 3 });
        assert_eq!(latency.senders(at(4_000)), SendersNow { unanswered: 2, oldest: Some(at(0)), active: 0 });
        assert_eq!(latency.senders(at(86_450)), SendersNow { unanswered: 1, oldest: Some(at(100)), active: 0 });
        latency.on_tick(at(200_000));
        assert_eq!(latency.fill(), (0, 0));
    }

    #[test]
    fn the_table_is_bounded_and_says_so() {
        let mut latency = latency(100, None);
        let numbers: Vec<String> = (0..1_000).map(|n| format!("+{n}")).collect();
        let messages: Vec<_> = numbers.iter().map(|number| (0, number.as_str(), Incoming)).collect();
        play(&mut latency, &messages);
        assert_eq!(latency.fill(), (100, 900));
        play(&mut latency, &[(1, "+999", Incoming); 20]);
        assert_eq!(latency.fill(), (100, 905), "one sender waits with sixteen messages at most");
        assert!(latency.removed.len() + latency.changed.len() <= 200, "changes between two saves are bounded too");
        let Some(Write::Put { pieces, .. }) = latency.save() else { panic!("so many changes are saved whole") };
        assert_eq!(self::latency(100, Some(&pieces)).fill(), latency.fill());
    }

    #[test]
    fn saving_again_and_again_gives_the_same_table() {
        let mut latency = latency(50, None);
        let mut section: Section = Vec::new();
        let mut seed = 7_u64;
        for round in 0..300 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let sender = format!("+{}", seed >> 57);
            play(&mut latency, &[(round, &sender, if seed & 4096 == 0 { Incoming } else { Outgoing })]);
            if seed & 7 == 0 {
                match latency.save() {
                    Some(Write::Put { pieces, .. }) => section = pieces,
                    Some(Write::Append { pieces, .. }) => section.extend(pieces),
                    other => assert!(other.is_none()),
                }
            }
        }
        match latency.save() {
            Some(Write::Append { pieces, .. }) => section.extend(pieces),
            other => assert!(other.is_none()),
        }
        let again = self::latency(50, Some(&section));
        let table = |latency: &BotLatency| {
            latency.senders.iter().map(|(key, sender)| sender.save(*key).to_string()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(table(&again), table(&latency));
        assert_eq!(again.fill(), latency.fill());
        assert!(section.len() > 5, "the test must have appended");
    }
}

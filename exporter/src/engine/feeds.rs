//! The feed as the engine keeps it: the last entries of each kind, numbered, bounded in number and rate, saved with the bookmarks of the
//! lines that they come from. So a crash loses none, makes none twice, and whoever runs no archive has them all the same.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::{Value, json};

use super::CLOCK_AHEAD;
use super::ledger::first_recent;
use super::logged::{LoggedAttacks, Seen, Showing};
use crate::event::{Attack, BotMessage, HttpRequest, Timestamp, rfc3339_or_null};
use crate::feed::{Batch, Entry, Feed, Field, Pushed};
use crate::metrics::{Page, names, notifications};
use crate::privacy::Privacy;
use crate::snapshot::{ChangeLog, Section, Write, json_lines};

pub(super) mod entries;
mod kept;
mod pushing;
mod rates;

use entries::Message;
use kept::{Kept, KeptMessage};
pub use pushing::Settings as PushSettings;
use pushing::{Counts, Pushing};
use rates::{Bucket, Rate};

/// The section that entries are saved in; it is sealed as all that names clients.
const SECTION: &str = "clients/feed";
/// Counters of the feed, in the engine's own section.
const OWN: &str = "feed";
/// The archive's name among those who are told, in labels.
const LOKI: &str = "loki";
/// A feed may have as many entries at once as in so many seconds.
const BURST_SECS: u64 = 10;
/// The oldest entries of a full feed go in shares, one of so many: they are not in the processor's cache any more, and each would be waited
/// for alone.
const SHARES: usize = 64;
/// Blocked packets are the noise of the internet: a sample of them will do.
const FIREWALL_SHARE: u64 = 10;

/// How the feed is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most entries, of all feeds.
    pub max_entries: usize,
    /// The most entries a second of each feed, in the long run.
    pub per_second: u64,
    /// Whether texts of messages are shown, scrubbed, where senders are hashed or masked.
    pub bot_text: bool,
    /// How they are pushed; `None`: they are not.
    pub push: Option<PushSettings>,
}

/// What an entry says.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) fields: Vec<Field>,
}

impl Said {
    /// The entry that says it: each text in one line, facts that are not known left out.
    fn entry(self, id: u64, at: Timestamp, feed: Feed, source: String) -> Entry {
        let fields = self.fields.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, entries::one_line(value)));
        Entry { id, at, feed, source, text: entries::one_line(self.text), fields: fields.collect() }
    }
}

/// How pushing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct PushState {
    #[serde(flatten)]
    pub(super) counts: Counts,
    /// Entries that have not been taken yet.
    pub(super) waiting: usize,
    /// When the oldest of them happened.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub(super) oldest: Option<Timestamp>,
}

/// The feed. Without settings it is off: takes nothing, keeps nothing.
pub(super) struct Feeds {
    settings: Option<Settings>,
    /// By feed, oldest first: when room is needed it is taken from who has most, so that a flood drives out no other feed.
    rings: [VecDeque<Kept>; Feed::ALL.len()],
    /// What the entries of attacks in the rings are about, and the ledger's last attacks. The rings need those from this number on.
    attacks: LoggedAttacks,
    needed: u64,
    buckets: [Bucket; Feed::ALL.len()],
    /// Kept, and dropped for their number, by feed.
    counts: [[u64; 2]; Feed::ALL.len()],
    last_id: u64,
    /// The last number that is on disk, and that the commit under way writes; with what was pushed by then.
    saved: u64,
    saving: (u64, u64),
    log: ChangeLog,
    /// Under which privacy the entries were made: others may not be shown any more.
    privacy: Value,
    pushing: Option<Pushing>,
    /// The feed was switched off: what it left on disk is to go.
    is_stale: bool,
}

impl Feeds {
    /// Takes up what was saved.
    pub(super) fn new(settings: Option<Settings>, privacy: &Privacy, saved: &BTreeMap<String, Section>, own: &Value) -> Self {
        let own = &own[OWN];
        let privacy = json!([privacy.sender_mode(), privacy.client_mode(), settings.is_some_and(|settings| settings.bot_text)]);
        let section = saved.get(SECTION).filter(|_| own["privacy"] == privacy && settings.is_some());
        let mut feeds = Self {
            settings,
            rings: Default::default(),
            attacks: LoggedAttacks::default(),
            needed: 0,
            buckets: serde_json::from_value(own["buckets"].clone()).unwrap_or_default(),
            counts: Default::default(),
            last_id: own["last_id"].as_u64().unwrap_or(0),
            saved: 0,
            saving: (0, 0),
            log: ChangeLog::new(SECTION.to_owned(), section),
            privacy,
            pushing: None,
            is_stale: settings.is_none() && saved.contains_key(SECTION),
        };
        for (feed, counts) in Feed::ALL.iter().zip(&mut feeds.counts) {
            counts.iter_mut().enumerate().for_each(|(index, count)| *count = own["counts"][feed.as_str()][index].as_u64().unwrap_or(0));
        }
        for entry in section.into_iter().flat_map(json_lines).filter_map(|line| serde_json::from_value(line).ok()) {
            feeds.push(Kept::Written(Box::new(entry)));
        }
        feeds.saved = feeds.last_id;
        feeds.pushing = settings.and_then(|settings| settings.push).map(|push| Pushing::new(push, &own["push"]));
        feeds
    }

    /// Adds an entry, if the feed has room for it now; only then it is written.
    pub(super) fn add(&mut self, feed: Feed, at: Timestamp, source: &str, say: impl FnOnce() -> Said) {
        if self.has_room(feed, at) {
            let source = source.to_owned();
            self.push(Kept::Written(Box::new(say().entry(self.last_id + 1, at, feed, source))));
        }
    }

    /// Adds an attack, as [`Feeds::add`]; whether there was room for it.
    pub(super) fn attack(&mut self, at: Timestamp, seen: &Seen<'_>, request: &HttpRequest<'_>, attack: Attack) -> bool {
        let has_room = self.has_room(Feed::Web, at);
        if has_room {
            self.attacks.push(at, seen, request, attack);
            self.push(Kept::Attack { id: self.last_id + 1, at, number: seen.number });
            self.attacks.forget_until(self.needed.min(first_recent(seen.number + 1)));
        }
        has_room
    }

    /// The attacks that are kept.
    pub(super) fn attacks(&self) -> &LoggedAttacks {
        &self.attacks
    }

    /// Adds a message of a bot, as [`Feeds::add`]. `waited` is for how long the customer waited for this reply, in microseconds.
    pub(super) fn message(&mut self, privacy: &Privacy, at: Timestamp, source: &str, message: &BotMessage<'_>, waited: Option<u64>) {
        if self.has_room(Feed::Bot, at) {
            let shows_text = self.settings.is_some_and(|settings| settings.bot_text);
            let message = Message::new(privacy, shows_text, message, waited);
            self.push(Kept::Message(Box::new(KeptMessage { id: self.last_id + 1, at, source: source.into(), message })));
        }
    }

    /// Whether a feed may have one more entry now; it is counted.
    fn has_room(&mut self, feed: Feed, at: Timestamp) -> bool {
        let Some(settings) = self.settings else { return false };
        let share = if feed == Feed::Firewall { FIREWALL_SHARE } else { 1 };
        let per_second = (settings.per_second / share).max(1);
        let has_room = self.buckets[feed as usize].take(at, Rate { per_second, burst: per_second * BURST_SECS });
        let [kept, dropped] = &mut self.counts[feed as usize];
        *(if has_room { kept } else { dropped }) += 1;
        has_room
    }

    fn push(&mut self, entry: Kept) {
        self.last_id = self.last_id.max(entry.id());
        self.rings[entry.feed() as usize].push_back(entry);
        let max = self.settings.map_or(0, |settings| settings.max_entries);
        if self.len() <= max {
            return;
        }
        let Some(fullest) = self.rings.iter_mut().max_by_key(|ring| ring.len()) else { return };
        let count = (max / SHARES).clamp(1, fullest.len());
        for gone in fullest.drain(..count) {
            if let Some(pushing) = &mut self.pushing {
                pushing.gone(gone.id());
            }
            // Of a ring the oldest one goes: the next attack that has room lets those go that nobody needs.
            if let Kept::Attack { number, .. } = gone {
                self.needed = number + 1;
            }
        }
    }

    fn len(&self) -> usize {
        self.rings.iter().map(VecDeque::len).sum()
    }

    /// How many entries have a number higher than `id`.
    fn count_behind(&self, id: u64) -> usize {
        self.rings.iter().map(|ring| ring.len() - ring.partition_point(|entry| entry.id() <= id)).sum()
    }

    /// Entries with a higher number than `id`, the highest first, of one feed if it is named.
    pub(super) fn newest(&self, id: u64, feed: Option<Feed>) -> impl Iterator<Item = &Kept> {
        behind(&self.rings, id).into_iter().rev().filter(move |entry| feed.is_none_or(|feed| feed == entry.feed()))
    }

    /// An entry, written out; `None` if it is about an attack that is not kept any more.
    pub(super) fn written(&self, entry: &Kept, showing: &Showing<'_>) -> Option<Entry> {
        written(entry, &self.attacks, showing)
    }

    /// The number of the last entry; 0: there never was one.
    pub(super) fn last_id(&self) -> u64 {
        self.last_id
    }

    /// Whether entries wait for a commit to be pushed.
    pub(super) fn wants_commit(&self, now: Timestamp) -> bool {
        self.pushing.as_ref().is_some_and(|pushing| pushing.wants_commit(now, self.waiting(), self.count_behind(self.saved)))
    }

    /// How many entries wait to be pushed.
    fn waiting(&self) -> usize {
        self.pushing.as_ref().map_or(0, |pushing| self.count_behind(pushing.pushed()))
    }

    /// `now` is the clock's time.
    pub(super) fn on_tick(&mut self, now: Timestamp) {
        self.buckets.iter_mut().for_each(|bucket| bucket.on_tick(now.plus(CLOCK_AHEAD)));
    }

    /// What is to be pushed now.
    pub(super) fn next_push(&mut self, now: Timestamp, privacy: &Privacy) -> Option<Batch> {
        let waiting = self.waiting();
        let pushing = self.pushing.as_mut()?;
        let (pushed, saved) = (pushing.pushed(), self.saved);
        let entries = || behind(&self.rings, pushed).into_iter().take_while(|entry| entry.id() <= saved);
        let showing = entries::showing(privacy);
        pushing.next(now, waiting, || entries().filter_map(|entry| written(entry, &self.attacks, &showing)))
    }

    /// How pushing stands; `None`: nothing is pushed. What `hostwarden_notifications_total{notifier="loki"}` and the outbox's gauges are
    /// made of.
    pub(super) fn push_state(&self) -> Option<PushState> {
        let pushing = self.pushing.as_ref()?;
        let oldest = self.rings.iter().filter_map(|ring| ring.get(ring.partition_point(|entry| entry.id() <= pushing.pushed())));
        Some(PushState { counts: pushing.counts(), waiting: self.waiting(), oldest: oldest.map(Kept::at).min() })
    }

    /// Takes what became of a push.
    pub(super) fn pushed(&mut self, now: Timestamp, pushed: Pushed) {
        if let Some(pushing) = &mut self.pushing {
            pushing.take(now, pushed);
        }
    }

    /// Writes the rows.
    pub(super) fn show(&self, page: &mut Page) {
        for (feed, [kept, dropped]) in Feed::ALL.iter().zip(self.counts) {
            page.counter(&names::FEED_ENTRIES, &[feed.as_str()], kept);
            page.counter(&names::FEED_DROPPED, &[feed.as_str()], dropped);
        }
        if let Some(PushState { counts, waiting, oldest }) = self.push_state() {
            // No entry is told together with another.
            let outcomes = [counts.sent, 0, counts.retried, counts.dropped];
            notifications::show(LOKI, &notifications::Now { outcomes, waiting, oldest }, page);
        }
    }

    /// For the engine's own section: the counters.
    pub(super) fn save_counters(&self, own: &mut Value) {
        let counts: serde_json::Map<_, _> =
            Feed::ALL.iter().zip(self.counts).map(|(feed, counts)| (feed.as_str().to_owned(), json!(counts))).collect();
        let push = self.pushing.as_ref().map(Pushing::save);
        own[OWN] = json!({
            "counts": counts, "buckets": self.buckets, "last_id": self.last_id, "privacy": self.privacy, "push": push,
        });
    }

    /// The write that saves what is new.
    pub(super) fn save(&mut self, privacy: &Privacy) -> Option<Write> {
        if self.settings.is_none() {
            return self.is_stale.then(|| Write::Delete { section: SECTION.to_owned() });
        }
        let already = self.saving.0.max(self.saved);
        self.saving = (self.last_id, self.pushing.as_ref().map_or(0, Pushing::pushed));
        let (rings, attacks, showing) = (&self.rings, &self.attacks, entries::showing(privacy));
        let lines = |id| behind(rings, id).into_iter().filter_map(|entry| written(entry, attacks, &showing)).collect();
        self.log.write(|| lines(already), || lines(0))
    }

    /// After a commit. One that failed is written again whole; what it held is pushed all the same, as reading goes on.
    pub(super) fn committed(&mut self, ok: bool) {
        let (saved, pushed) = self.saving;
        self.saved = self.saved.max(saved);
        if let Some(pushing) = &mut self.pushing {
            pushing.committed(pushed);
        }
        self.is_stale &= !ok;
        if !ok {
            self.log.rewrite();
        }
    }
}

fn written(entry: &Kept, attacks: &LoggedAttacks, showing: &Showing<'_>) -> Option<Entry> {
    let (said, source) = match entry {
        Kept::Written(entry) => return Some(entry.as_ref().clone()),
        Kept::Attack { number, .. } => {
            let logged = attacks.get(*number)?;
            (entries::attack(showing, &logged), String::from_utf8_lossy(logged.texts().source).into_owned())
        }
        Kept::Message(kept) => (kept.message.said(), kept.source.to_string()),
    };
    Some(said.entry(entry.id(), entry.at(), entry.feed(), source))
}

/// Entries with a higher number than `id`, in the order of their numbers.
fn behind(rings: &[VecDeque<Kept>], id: u64) -> Vec<&Kept> {
    let mut entries: Vec<&Kept> = rings.iter().flat_map(|ring| ring.range(ring.partition_point(|entry| entry.id() <= id)..)).collect();
    entries.sort_unstable_by_key(|entry| entry.id());
    entries
}

#[cfg(test)]
mod tests;

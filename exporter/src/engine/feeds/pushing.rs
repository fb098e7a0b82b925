//! Which entries an archive has already taken. Only what is saved is pushed, and the next batch goes out only when the taking of the last
//! one is saved: so a crash repeats one batch at most, and that one to the letter.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::event::Timestamp;
use crate::feed::{Batch, Entry, Outcome, Pushed};

/// How entries are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most entries of a batch.
    pub batch_entries: usize,
    /// The most bytes of a batch, roughly: texts and facts.
    pub batch_bytes: usize,
    /// How long entries wait for others to come with them.
    pub interval: Duration,
}

/// What was pushed, and what waits.
pub(super) struct Pushing {
    settings: Settings,
    /// The last number that was taken or refused.
    pushed: u64,
    /// The same, as it stands on disk.
    saved: u64,
    /// What is on its way, or waits to be tried again.
    batch: Option<Batch>,
    is_under_way: bool,
    /// Since when, and for how long, the other side wants to be left alone.
    left_alone: (Timestamp, Duration),
    /// When a batch was handed out last.
    last: Timestamp,
    counts: Counts,
}

/// Of entries, by what became of them; each try that failed counts its entries once more as retried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::engine) struct Counts {
    pub(in crate::engine) sent: u64,
    pub(in crate::engine) retried: u64,
    pub(in crate::engine) dropped: u64,
}

impl Pushing {
    /// Takes up what was saved.
    pub(super) fn new(settings: Settings, saved: &Value) -> Self {
        let number = |name: &str| saved[name].as_u64().unwrap_or(0);
        let counts = Counts { sent: number("sent"), retried: number("retried"), dropped: number("dropped") };
        Self {
            settings,
            pushed: number("pushed"),
            saved: number("pushed"),
            batch: None,
            is_under_way: false,
            left_alone: Default::default(),
            last: Timestamp::default(),
            counts,
        }
    }

    /// For [`Pushing::new`].
    pub(super) fn save(&self) -> Value {
        let Counts { sent, retried, dropped } = self.counts;
        json!({ "pushed": self.pushed, "sent": sent, "retried": retried, "dropped": dropped })
    }

    /// What became of entries so far.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// The last number that needs no pushing any more.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// As it was when the commit that has ended began.
    pub(super) fn committed(&mut self, pushed: u64) {
        self.saved = pushed;
    }

    /// An entry left the ring: if it has not been pushed, it never will be.
    pub(super) fn gone(&mut self, id: u64) {
        let is_held = self.batch.as_ref().and_then(|batch| batch.last()).is_some_and(|last| id <= last.id);
        self.counts.dropped += u64::from(id > self.pushed && !is_held);
    }

    /// Whether a commit would let a push begin. `waiting` and `unsaved` entries are there.
    pub(super) fn wants_commit(&self, now: Timestamp, waiting: usize, unsaved: usize) -> bool {
        let is_unsaved = unsaved > 0 || self.saved != self.pushed;
        self.batch.is_none() && waiting > 0 && is_unsaved && self.is_time(now, waiting)
    }

    /// What is to be pushed now: of `entries`, in the order of their numbers, those that are saved and not pushed yet.
    pub(super) fn next<E: Iterator<Item = Entry>>(&mut self, now: Timestamp, waiting: usize, entries: impl FnOnce() -> E) -> Option<Batch> {
        if self.is_under_way || !now.has_passed(self.left_alone.1, self.left_alone.0) {
            return None;
        }
        if self.batch.is_none() && waiting > 0 && self.saved == self.pushed && self.is_time(now, waiting) {
            let mut room = self.settings.batch_bytes;
            let fits = |entry: &Entry| {
                let is_first = room == self.settings.batch_bytes;
                let left = room.checked_sub(bytes(entry));
                room = left.unwrap_or(0);
                is_first || left.is_some()
            };
            let batch: Vec<Entry> = entries().take(self.settings.batch_entries).take_while(fits).collect();
            self.batch = (!batch.is_empty()).then(|| batch.into());
        }
        self.batch.clone().inspect(|_| (self.is_under_way, self.last) = (true, now))
    }

    /// Takes what became of the batch.
    pub(super) fn take(&mut self, now: Timestamp, pushed: Pushed) {
        self.is_under_way = false;
        self.left_alone = (now, pushed.wait);
        let entries = self.batch.as_ref().map_or(0, |batch| batch.len() as u64);
        match pushed.outcome {
            Outcome::Retry => return self.counts.retried += entries,
            Outcome::Taken => self.counts.sent += entries,
            Outcome::Refused => self.counts.dropped += entries,
        }
        let last = self.batch.take().and_then(|batch| batch.last().map(|entry| entry.id));
        self.pushed = self.pushed.max(last.unwrap_or(0));
    }

    fn is_time(&self, now: Timestamp, waiting: usize) -> bool {
        waiting >= self.settings.batch_entries || now.has_passed(self.settings.interval, self.last)
    }
}

/// About what an entry takes on its way.
fn bytes(entry: &Entry) -> usize {
    const AROUND: usize = 64;
    AROUND + entry.text.len() + entry.fields.iter().map(|(name, value)| name.len() + value.len() + 6).sum::<usize>()
}

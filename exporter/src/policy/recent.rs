//! Clients that something was learnt about, for a time: bounded, the one that was renewed longest ago goes first.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;

use crate::event::Timestamp;
use crate::subject::Client;

/// What is known of clients, and since when.
#[derive(Debug)]
pub(super) struct Recent<T> {
    known: LruCache<Client, (T, Timestamp), foldhash::fast::RandomState>,
    lasts: Duration,
}

impl<T: Copy> Recent<T> {
    /// At most `limit` clients, each for as long as `lasts`.
    pub(super) fn new(limit: NonZeroUsize, lasts: Duration) -> Self {
        // Grows as it fills: most machines never know more than a few clients.
        Self { known: LruCache::unbounded_with_hasher(foldhash::fast::RandomState::default()), lasts }.with_limit(limit)
    }

    fn with_limit(mut self, limit: NonZeroUsize) -> Self {
        self.known.resize(limit);
        self
    }

    /// `what` is known of `client` since `at`; later knowledge replaces earlier, and an older record says nothing new.
    pub(super) fn note(&mut self, client: Client, what: T, at: Timestamp) {
        let at = self.known.peek(&client).map_or(at, |&(_, before)| before.max(at));
        self.known.put(client, (what, at));
    }

    /// What is known of `client`, and since when.
    pub(super) fn get(&self, client: Client, now: Timestamp) -> Option<(T, Timestamp)> {
        self.known.peek(&client).copied().filter(|&(_, at)| now.since(at) < self.lasts)
    }

    /// Nothing more is known of `client`.
    pub(super) fn forget(&mut self, client: Client) {
        self.known.pop(&client);
    }

    /// How many clients are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

//! How many entries a feed may have: a bucket of tokens that fills with the log's time, so that a log that is read late gives what it
//! would have given live, and a flood costs a comparison.

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// A token, in millionths: as many as a microsecond brings at one entry per second.
const TOKEN: u64 = 1_000_000;

/// What is left of a feed's share.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Bucket {
    tokens: u64,
    last: Timestamp,
}

/// A feed's share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Entries per second in the long run.
    pub(super) per_second: u64,
    /// Entries at once.
    pub(super) burst: u64,
}

impl Bucket {
    /// Whether there is room for an entry at this time. Time that goes back brings nothing.
    pub(super) fn take(&mut self, at: Timestamp, rate: Rate) -> bool {
        let full = rate.burst * TOKEN;
        if at > self.last {
            let micros = u64::try_from(at.since(self.last).as_micros()).unwrap_or(u64::MAX);
            self.tokens = micros.saturating_mul(rate.per_second).saturating_add(self.tokens).min(full);
            self.last = at;
        }
        let has_room = self.tokens >= TOKEN;
        self.tokens -= if has_room { TOKEN } else { 0 };
        has_room
    }

    /// No record can be behind `latest`: time that the bucket saw by a clock that was ahead is not waited for.
    pub(super) fn on_tick(&mut self, latest: Timestamp) {
        self.last = self.last.min(latest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_to_its_share() {
        let rate = Rate { per_second: 10, burst: 100 };
        let mut bucket = Bucket::default();
        let mut taken = |secs: std::ops::Range<i64>, per_second: i64| {
            let at = secs.flat_map(|sec| (0..per_second).map(move |n| sec * 1_000_000 + n * 1_000_000 / per_second));
            at.filter(|at| bucket.take(Timestamp::from_micros(1_800_000_000_000_000 + at), rate)).count()
        };
        assert_eq!(taken(0..10, 10_000), 100 + 99, "the burst, then the rate");
        assert_eq!(taken(0..5, 1_000), 0, "time that goes back brings nothing");
        assert_eq!(taken(100..160, 5), 300, "less than the rate passes whole");
    }

    #[test]
    fn a_clock_that_was_put_back_holds_nothing_back() {
        let rate = Rate { per_second: 1, burst: 10 };
        let mut bucket = Bucket::default();
        let mut taken = |latest: Option<i64>, secs: std::ops::Range<i64>| {
            latest.into_iter().for_each(|secs| bucket.on_tick(Timestamp::from_secs(secs)));
            secs.filter(|secs| bucket.take(Timestamp::from_secs(*secs), rate)).count()
        };
        assert_eq!(taken(None, 90_000..90_001), 1);
        assert_eq!(taken(None, 1_000..1_100), 9, "what was left");
        assert_eq!(taken(Some(1_160), 1_100..1_200), 39, "one a second from there on");
    }
}

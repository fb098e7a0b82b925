//! How long to wait after failures, and how they are told: once, and once more when all is well again.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use tracing::{info, warn};

/// Twice as long after each failure in a row.
#[derive(Debug)]
pub(super) struct BackOff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl BackOff {
    /// From `first` on, never longer than `most`.
    pub(super) const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    pub(super) fn worked(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after one more failure: up to a quarter longer, by `random`, so that not everybody comes back at once.
    pub(super) fn failed(&mut self, random: u64) -> Duration {
        let wait = self.first.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1).min(30);
        wait.mul_f64(1.0 + (random % 1_024) as f64 / 4_096.0).min(self.most)
    }
}

/// Not a number that anybody has to guess or not.
pub(super) fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// Tells how a notifier stands when that changes, and not each time.
#[derive(Debug, Default)]
pub(super) struct Health {
    problem: Option<&'static str>,
}

impl Health {
    /// `problem`: what is the matter, in words of ours; `cause`: what the other side says.
    pub(super) fn fails(&mut self, notifier: &'static str, problem: &'static str, cause: &str) {
        if self.problem.replace(problem) != Some(problem) {
            warn!(notifier, error = cause, "{problem}");
        }
    }

    pub(super) fn works(&mut self, notifier: &'static str) {
        if self.problem.take().is_some() {
            info!(notifier, "Messages arrive again.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_begin_anew() {
        let mut back_off = BackOff::new(Duration::from_secs(2), Duration::from_secs(60));
        let secs: Vec<u64> = (0..7).map(|_| back_off.failed(0).as_secs()).collect();
        assert_eq!(secs, [2, 4, 8, 16, 32, 60, 60]);
        (0..100).for_each(|_| assert!(back_off.failed(u64::MAX) <= Duration::from_secs(60)));
        assert_eq!(back_off.failed(u64::MAX), Duration::from_secs(60));
        back_off.worked();
        assert!(Duration::from_millis(2_400) < back_off.failed(1_023) && back_off.failed(1_023) < Duration::from_secs(5));
    }
}

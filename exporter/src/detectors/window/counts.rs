//! Counts by minute or hour, of any size: where one byte a slot ([`super::Slots`]) is too small.

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// How often something happened lately, by minute or hour: a few numbers, however often.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(Vec<(i64, u64)>);

impl Counts {
    /// Counts `count` times more at `at`, in steps of `step_secs`, and forgets what is older than `keep` steps.
    pub fn add(&mut self, at: Timestamp, count: u64, step_secs: i64, keep: i64) {
        let step = at.secs().div_euclid(step_secs.max(1));
        match self.0.iter_mut().find(|(known, _)| *known == step) {
            Some((_, known)) => *known = known.saturating_add(count),
            None => self.0.push((step, count)),
        }
        let newest = self.0.iter().map(|(step, _)| *step).max().unwrap_or(step);
        self.0.retain(|(step, _)| newest - step <= keep);
    }

    /// How often in the steps that reach into the `secs` seconds before `at`.
    pub fn sum(&self, at: Timestamp, secs: i64, step_secs: i64) -> u64 {
        let from = (at.secs() - secs).div_euclid(step_secs.max(1));
        self.0.iter().filter(|(step, _)| *step > from).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// In how many of those steps.
    pub fn steps(&self, at: Timestamp, secs: i64, step_secs: i64) -> usize {
        let from = (at.secs() - secs).div_euclid(step_secs.max(1));
        self.0.iter().filter(|(step, _)| *step > from).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_of_the_last_steps() {
        let mut counts = Counts::default();
        let at = |minutes: i64| Timestamp::from_secs(minutes * 60);
        (0..100).for_each(|minute| counts.add(at(minute), 2, 60, 60));
        assert_eq!((counts.sum(at(99), 600, 60), counts.steps(at(99), 600, 60), counts.0.len()), (20, 10, 61));
    }
}

//! When people are told of somebody again who goes on and on.

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// A quiet day ends an incident, in seconds.
pub const QUIET_SECS: i64 = 86_400;

/// When people are told of the same one again: first, when it has grown tenfold, and when it begins anew after a quiet day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// How much it is in all.
    pub total: u64,
    /// How much it was when it was told; 0: not yet.
    told: u64,
    /// When it last happened.
    pub last: Timestamp,
}

impl Incident {
    /// Takes what happened.
    pub fn add(&mut self, at: Timestamp, count: u64) {
        if at.secs() - self.last.secs() > QUIET_SECS {
            *self = Self::default();
        }
        self.total = self.total.saturating_add(count);
        self.last = self.last.max(at);
    }

    /// Whether it is time to tell, given that it is one; then it is told.
    pub fn tell(&mut self) -> bool {
        let is_due = self.told == 0 || self.total >= self.told.saturating_mul(10);
        if is_due {
            self.told = self.total;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_told_again_when_it_grows_or_returns() {
        let mut incident = Incident::default();
        let told: Vec<u64> = (1..=1_000_u64)
            .filter(|count| {
                incident.add(Timestamp::from_secs(*count as i64), 1);
                incident.total >= 5 && incident.tell()
            })
            .collect();
        assert_eq!(told, [5, 50, 500]);
        incident.add(Timestamp::from_secs(1_001 + QUIET_SECS), 5);
        assert!(incident.tell());
    }
}

//! Units of systemd that failed: told once, and again only after they have been well for a while.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::event::Timestamp;
use crate::finding::{About, Found, Severity};

/// Its name in `findings_total`.
pub const NAME: &str = "failed_units";

/// A unit that was well for less than this still has the same trouble. In seconds.
const WELL_SECS: i64 = 900;
/// The most units remembered; of more that fail at once, only so many are told.
pub const MAX_UNITS: usize = 256;

/// Which units have failed.
#[derive(Default)]
pub struct FailedUnits {
    /// When each was last seen failed, in seconds.
    known: BTreeMap<String, i64>,
}

impl FailedUnits {
    /// Takes the names of all units that are failed now.
    pub fn observe(&mut self, now: Timestamp, failed: &[String], out: &mut Vec<Found>) {
        for unit in failed {
            if let Some(last) = self.known.get_mut(unit) {
                *last = now.secs();
            } else if self.known.len() < MAX_UNITS {
                self.known.insert(unit.clone(), now.secs());
                let (about, summary) = (About::Thing(format!("Unit {unit}")), "of systemd has failed".to_owned());
                out.push(Found {
                    at: now,
                    detector: NAME,
                    severity: Severity::Warning,
                    about,
                    summary,
                    reckoned: Vec::new(),
                    evidence: Vec::new(),
                });
            }
        }
        self.known.retain(|_, last| now.secs() - *last < WELL_SECS);
    }

    /// Units remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no unit is remembered.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// For [`FailedUnits::load`].
    pub fn save(&self) -> Value {
        json!(self.known)
    }

    /// Takes up what [`FailedUnits::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        let known = saved.as_object().into_iter().flatten().take(MAX_UNITS);
        self.known = known.map(|(unit, last)| (unit.clone(), last.as_i64().unwrap_or(0))).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(units: &mut FailedUnits, secs: i64, failed: &[&str]) -> Vec<About> {
        let mut out = Vec::new();
        units.observe(Timestamp::from_secs(secs), &failed.iter().map(|unit| (*unit).to_owned()).collect::<Vec<_>>(), &mut out);
        out.into_iter().map(|found| found.about).collect()
    }

    #[test]
    fn a_failure_is_told_once_and_a_later_one_again() {
        let mut units = FailedUnits::default();
        let nginx = || vec![About::Thing("Unit nginx.service".to_owned())];
        assert_eq!(told(&mut units, 1_000, &["nginx.service"]), nginx());
        assert!(told(&mut units, 100_000, &["nginx.service"]).is_empty(), "still the same");
        let mut after_restart = FailedUnits::default();
        after_restart.load(&units.save());
        assert!(told(&mut after_restart, 100_060, &["nginx.service"]).is_empty(), "known before");
        assert!(told(&mut units, 100_060, &[]).is_empty());
        assert!(told(&mut units, 100_120, &["nginx.service"]).is_empty(), "on and off is one trouble");
        assert!(told(&mut units, 100_120 + WELL_SECS, &[]).is_empty());
        assert_eq!(told(&mut units, 100_180 + WELL_SECS, &["nginx.service"]), nginx());
    }

    #[test]
    fn units_are_bounded() {
        let mut units = FailedUnits::default();
        let names: Vec<String> = (0..1_000).map(|n| format!("u{n}.service")).collect();
        let mut out = Vec::new();
        units.observe(Timestamp::from_secs(0), &names, &mut out);
        assert_eq!((out.len(), units.len()), (MAX_UNITS, MAX_UNITS));
    }
}

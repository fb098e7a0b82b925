//! Logins over SSH.

use serde_json::{Value, json};

use super::names::SSH_AUTH;
use super::page::Page;
use crate::event::{SshAuth, SshOutcome};

/// Counters of one sshd.
#[derive(Default)]
pub struct Ssh {
    attempts: [u64; OUTCOMES.len()],
}

/// What is counted; a connection that ends is no attempt by itself.
const OUTCOMES: [SshOutcome; 3] = [SshOutcome::Accepted, SshOutcome::Failed, SshOutcome::InvalidUser];

impl Ssh {
    /// Counts what is new with a record.
    pub fn observe(&mut self, auth: &SshAuth<'_>) {
        if let Some(place) = OUTCOMES.iter().position(|outcome| *outcome == auth.outcome) {
            self.attempts[place] = self.attempts[place].saturating_add(u64::from(auth.attempts));
        }
    }

    /// Attempts by outcome, as labelled.
    pub fn attempts(&self) -> [(&'static str, u64); OUTCOMES.len()] {
        let mut counts = OUTCOMES.map(|outcome| (outcome.as_str(), 0));
        counts.iter_mut().zip(self.attempts).for_each(|((_, count), attempts)| *count = attempts);
        counts
    }

    /// Writes these rows.
    pub fn show(&self, source: &str, page: &mut Page) {
        for (outcome, count) in self.attempts() {
            page.counter(&SSH_AUTH, &[source, outcome], count);
        }
    }

    /// For [`Ssh::load`].
    pub fn save(&self) -> Value {
        json!(self.attempts)
    }

    /// Takes up what [`Ssh::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        self.attempts.iter_mut().enumerate().for_each(|(place, count)| *count = saved[place].as_u64().unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_and_saved() {
        let mut ssh = Ssh::default();
        for (outcome, attempts) in [
            (SshOutcome::Failed, 1),
            (SshOutcome::Failed, 0),
            (SshOutcome::InvalidUser, 5),
            (SshOutcome::Disconnected, 1),
            (SshOutcome::Accepted, 1),
        ] {
            ssh.observe(&SshAuth { outcome, attempts, ..SshAuth::default() });
        }
        let mut again = Ssh::default();
        again.load(&ssh.save());
        assert_eq!(again.attempts(), [("accepted", 1), ("failed", 1), ("invalid_user", 5)]);
    }
}

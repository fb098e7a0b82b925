//! Incidents, and messages about them.

use super::names::{INCIDENTS_OPEN, NOTIFICATIONS, OUTBOX_LENGTH, OUTBOX_OLDEST};
use super::page::Page;
use crate::event::Timestamp;
use crate::finding::Severity;

/// What becomes of messages and of what is to be told, in the order of [`Now::outcomes`].
pub const OUTCOMES: [&str; 4] = ["sent", "merged", "retried", "dropped"];

/// How one notifier stands.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// By [`OUTCOMES`].
    pub outcomes: [u64; 4],
    /// What waits to be told.
    pub waiting: usize,
    /// Since when.
    pub oldest: Option<Timestamp>,
}

/// Writes the rows of one notifier. Nothing waits: there is no oldest.
pub fn show(notifier: &str, now: &Now, page: &mut Page) {
    for (outcome, count) in OUTCOMES.iter().zip(now.outcomes) {
        page.counter(&NOTIFICATIONS, &[notifier, outcome], count);
    }
    page.gauge(&OUTBOX_LENGTH, &[notifier], now.waiting as f64);
    if let Some(oldest) = now.oldest {
        page.gauge(&OUTBOX_OLDEST, &[notifier], oldest.as_secs_f64());
    }
}

/// Writes how many incidents are open, by severity.
pub fn show_open(open: [u64; 3], page: &mut Page) {
    for (severity, count) in Severity::ALL.iter().zip(open) {
        page.gauge(&INCIDENTS_OPEN, &[severity.as_str()], count as f64);
    }
}

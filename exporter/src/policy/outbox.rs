//! What waits to be told by one notifier: who has to hear of what, when, and in how many messages.

use super::quiet_hours::QuietHours;
use crate::finding::Severity;

/// How one notifier is to be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The least severity that is told.
    pub least: Severity,
    /// Kinds that are not told.
    pub muted: Vec<String>,
    /// When only what is critical is told; the rest waits.
    pub quiet: Option<QuietHours>,
    /// So many or more incidents that wait to be told of for the first time are told in one digest.
    pub digest_from: usize,
    /// The most incidents in a digest.
    pub digest_max: usize,
    /// The most messages and edits for one incident.
    pub max_posts: u32,
}

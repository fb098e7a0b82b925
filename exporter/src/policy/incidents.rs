//! Which incident a finding belongs to, and when an incident is over.

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// An incident is over when nothing more of it has been found for this long, in seconds.
    pub quiet_secs: u64,
    /// What begins anew within this time after its end goes on being the same incident, in seconds.
    pub cooldown_secs: u64,
    /// The most incidents that are kept, open and closed.
    pub max: usize,
}

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What a detector tells: plain data, fit to be shown to people.

use serde::Serialize;

use crate::event::{Timestamp, rfc3339};

/// How urgent a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it today.
    Warning,
    /// Look at it now.
    Critical,
}

impl Severity {
    /// All, in the order of the metrics.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something that a person should know. Its texts are scrubbed already.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// When it happened, by the log's clock.
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// Which detector found it.
    pub detector: &'static str,
    /// How urgent it is.
    pub severity: Severity,
    /// In which source.
    pub source: String,
    /// What was found, in a sentence.
    pub summary: String,
}

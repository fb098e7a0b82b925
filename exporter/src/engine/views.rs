//! What the API and the page show of the engine's state: plain data for people.

use serde::Serialize;

use crate::event::{Timestamp, rfc3339, rfc3339_or_null};

/// How a source stands, for people and the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// What it reads.
    pub file: String,
    /// Its format.
    pub format: String,
    /// Whether it can be read.
    pub up: bool,
    /// Whether everything that was there at the start has been read.
    pub caught_up: bool,
    /// Files being followed.
    pub files: u64,
    /// Bytes not read yet.
    pub lag_bytes: u64,
    /// Bytes that never will be read.
    pub lost_bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Records that told something.
    pub parsed: u64,
    /// Records that told nothing.
    pub skipped: u64,
    /// Records that were malformed.
    pub malformed: u64,
    /// When the newest record happened.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub last_record: Option<Timestamp>,
    /// What is wrong, if anything is.
    pub problem: Option<String>,
}

/// An error of a bot. Its texts are scrubbed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ErrorView {
    /// Which source.
    pub source: String,
    /// When, by the log's own clock.
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// `error`, `critical` or `traceback`.
    pub kind: String,
    /// One line that says what it was.
    pub summary: String,
    /// The whole record.
    pub context: String,
}

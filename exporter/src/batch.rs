#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What a source hands to the engine: lines, and how far it is when they are counted. One batch is applied whole, so that bookmarks
//! and counters never come apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// Lines of one source, with everything that must be counted or remembered together with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Which source: its place in the configuration's list.
    pub source: usize,
    /// Whole lines of one log; each ends with `\n`, but the last line of a file that is gone may lack it. Often empty.
    pub lines: Vec<u8>,
    /// Bytes of log that were taken up by these lines, line ends and cut-off rests included.
    pub read_bytes: u64,
    /// How many of the lines were longer than the limit and are here only up to it.
    pub cut_lines: u64,
    /// Bytes that were seen in a log and can never be read: cut off or deleted before we got to them.
    pub lost_bytes: u64,
    /// Files that were replaced or truncated, and containers that were made anew.
    pub rotations: u64,
    /// Bookmarks that changed, by a key that stays the same for one log as long as it is remembered.
    pub bookmarks: Vec<(u64, Change)>,
    /// What was read may not be there a second time: it should be saved soon.
    pub is_fleeting: bool,
    /// How the source stands after this batch.
    pub status: Status,
}

/// What becomes of a bookmark.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It stands here now.
    Set(Bookmark),
    /// The log is forgotten.
    Forget,
}

/// How a source stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The source can be read: at least one of its files (or, for a glob, its directory) is there and open, or its
    /// container or journal is there.
    pub up: bool,
    /// Whether everything that was there at the start has been read once.
    pub caught_up: bool,
    /// Bytes written but not read yet, as far as they can be known.
    pub lag_bytes: u64,
    /// Files being followed, or containers.
    pub files: u64,
    /// Why the source is not up, for people: thing, what and cause.
    pub problem: Option<String>,
}

/// How far a log was read. Plain data: saved by the engine, understood by `sources/`. Each kind is told by the names of its fields, so
/// that what earlier versions saved, when there were only files, can be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bookmark {
    /// In a file.
    File(FileBookmark),
    /// In a container's log.
    Container(ContainerBookmark),
    /// In systemd's journal.
    Journal(JournalBookmark),
}

impl From<FileBookmark> for Bookmark {
    fn from(bookmark: FileBookmark) -> Self {
        Self::File(bookmark)
    }
}

/// A place in systemd's journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JournalBookmark {
    /// The number of the last entry that was looked at, by the series of numbers that it belongs to.
    pub read: BTreeMap<String, u64>,
}

/// A place in a container's log, as the Docker Engine gives it: lines with times, of two streams.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerBookmark {
    /// The container's id; empty if there was none when it was looked for.
    pub container: String,
    /// How far standard output and standard error were read; `None`: nothing of it was.
    pub streams: [Option<StreamMark>; 2],
}

/// A place in one stream of a container's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamMark {
    /// The time of the last line read, in nanoseconds since the epoch.
    pub at: i64,
    /// How many lines of exactly this time were read, one after the other.
    pub count: u64,
    /// The latest time of any line read: later than `at` if the clock was set back.
    pub highest: i64,
}

/// A place in a file, and what tells that file from any other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileBookmark {
    /// The path that the file was followed under, symbolic links resolved.
    pub path: String,
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Bytes read, counted in the uncompressed log; always behind a line end (or at the end of a file that is gone).
    pub offset: u64,
    /// How many of the file's first bytes `head_hash` covers; zeros before them do not count.
    pub head_bytes: u64,
    /// Fingerprint of the file's first bytes.
    pub head_hash: u64,
    /// How many bytes before `offset` `tail_hash` covers.
    pub tail_bytes: u64,
    /// Fingerprint of the bytes just before `offset`.
    pub tail_hash: u64,
    /// The largest size seen.
    pub seen_bytes: u64,
    /// The last modification time seen.
    pub modified: Timestamp,
    /// Whether the file has been rotated away and read to its end.
    pub finished: bool,
}

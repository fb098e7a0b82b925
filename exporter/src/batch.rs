#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What a source hands to the engine: lines, and how far it is when they are counted. One batch is applied whole, so that bookmarks
//! and counters never come apart.

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// Lines of one source, with everything that must be counted or remembered together with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Which source: its place in the configuration's list.
    pub source: usize,
    /// Whole lines of one file; each ends with `\n`, but the last line of a file that is gone may lack it. Often empty.
    pub lines: Vec<u8>,
    /// Bytes of log that were taken up by these lines, line ends and cut-off rests included.
    pub read_bytes: u64,
    /// How many of the lines were longer than the limit and are here only up to it.
    pub cut_lines: u64,
    /// Bytes that were seen in a file and can never be read: cut off or deleted before we got to them.
    pub lost_bytes: u64,
    /// Files that were replaced or truncated.
    pub rotations: u64,
    /// Bookmarks that changed, by a key that stays the same for one file as long as it is remembered.
    pub bookmarks: Vec<(u64, Change)>,
    /// How the source stands after this batch.
    pub status: Status,
}

/// What becomes of a bookmark.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It stands here now.
    Set(Bookmark),
    /// The file is forgotten.
    Forget,
}

/// How a source stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The source can be read: at least one of its files (or, for a glob, its directory) is there and open.
    pub up: bool,
    /// Whether everything that was there at the start has been read once.
    pub caught_up: bool,
    /// Bytes written but not read yet.
    pub lag_bytes: u64,
    /// Files being followed.
    pub files: u64,
    /// Why the source is not up, for people: thing, what and cause.
    pub problem: Option<String>,
}

/// A place in a file, and what tells that file from any other. Plain data: saved by the engine, understood by `sources/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bookmark {
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

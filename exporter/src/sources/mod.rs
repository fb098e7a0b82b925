//! Logs to batches of lines, each line exactly once, whatever happens to the log or to this process.
//!
//! [`file::FileSource`] looks at files and reads them when it is told to; [`watch`] is the alarm clock that says when; [`reader`] is the
//! loop of the one thread that does both. [`docker_logs`] follows containers, [`journal`] reads systemd's files. Nothing here knows what a line means.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::batch::{Bookmark, Status};

mod bookmark;
pub mod buffers;
mod content;
mod discover;
pub mod docker_logs;
pub mod file;
mod followed;
pub mod journal;
pub(crate) mod lines;
mod look;
mod memory;
mod missing;
mod pattern;
pub mod reader;
mod rotated;
mod status;
pub mod watch;

/// Bytes read in one go: enough to make looking at the file again with each of them cheap.
const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes that one source reads in one turn, before the others have theirs.
const SHARE_BYTES: u64 = 1024 * 1024;
/// Files that one source follows at most.
const MAX_FILES: usize = 1000;
/// Finished files that one source remembers at most: so many rotations late writes and returning files are told from new ones.
const MAX_FINISHED: usize = 64;
/// How long a file that was rotated away must stay as it is before it counts as finished. Writers are told to reopen within seconds.
const GRACE: Duration = Duration::from_secs(10);
/// How long a source that is busy reading may go without looking for new and replaced files.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A log file, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The `source` label.
    pub name: String,
    /// A path, or a pattern with `*`, `?`, `**` and `[…]`.
    pub pattern: String,
    /// Where to begin in files that are there when this source is seen for the first time.
    pub start: Start,
    /// Lines longer than this, their end not counted, are cut.
    pub max_line_bytes: usize,
}

/// Where to begin in a file that is there when its source is seen for the first time. Later files are always read whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Read what is written from now on.
    #[default]
    End,
    /// Read all of it.
    Beginning,
}

/// What was saved for a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// The pattern that it was read under; `None` if the source was never seen.
    pub pattern: Option<String>,
    /// Its bookmarks, by the keys that they came with.
    pub bookmarks: Vec<(u64, Bookmark)>,
}

/// What a turn of a source left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Poll {
    /// There is more to read right away.
    pub more: bool,
    /// [`file::FileSource::targets`] gives something else than before.
    pub targets_changed: bool,
}

/// Why a file cannot be read. All of it is weather: told, and tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened or examined.
    #[error("open {}: {}", path.display(), cause(source))]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Reading failed.
    #[error("read {}: {}", path.display(), cause(source))]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory cannot be listed.
    #[error("list {}: {}", path.display(), cause(source))]
    List {
        /// Which directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is something there, but nothing that holds a log.
    #[error("open {}: not a file but a {kind}", path.display())]
    NotAFile {
        /// Which path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The pattern is none.
    #[error("match {pattern}: {problem} at character {position}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        problem: &'static str,
        /// Where.
        position: usize,
    },
    /// There is no file of systemd's journal.
    #[error("find the journal: there is none in {dirs}")]
    Journal {
        /// Where it was looked for.
        dirs: String,
    },
    /// No file has such a name yet.
    #[error("match {pattern}: no file is there yet")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// More files than are followed at once.
    #[error("follow {pattern}: more than {MAX_FILES} files match")]
    TooMany {
        /// The pattern.
        pattern: String,
    },
}

impl Error {
    fn open(path: &Path, source: io::Error) -> Self {
        Self::Open { path: path.to_owned(), source }
    }

    fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    fn list(path: &Path, source: io::Error) -> Self {
        Self::List { path: path.to_owned(), source }
    }

    /// Whether it only says that nothing is there.
    fn is_missing(&self) -> bool {
        match self {
            Self::Open { source, .. } | Self::List { source, .. } => is_missing(source),
            _ => false,
        }
    }

    /// Whether this user may not read it.
    fn is_denied(&self) -> bool {
        matches!(self, Self::Open { source, .. } | Self::List { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// Tells the log when a source that is no file goes down or can be read again, and not each time that it is tried.
fn note_up(source: &str, before: Option<&Status>, now: &Status) {
    match (before.is_none_or(|before| before.up), now.up, &now.problem) {
        (true, false, Some(problem)) => tracing::warn!(source, problem, "A source cannot be read; it is tried again."),
        (false, true, _) => tracing::info!(source, "A source can be read now."),
        _ => {}
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The system's words for an error, without its number and in lower case.
fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

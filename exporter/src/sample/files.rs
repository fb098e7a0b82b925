//! Watched files at one moment.

use crate::event::Timestamp;

/// What a look at the watched files gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Files {
    /// The patterns that they were found by.
    pub patterns: Vec<String>,
    /// The files, by path as the host knows it.
    pub files: Vec<WatchedFile>,
    /// Whether every directory could be listed: only then is a file that is not there gone.
    pub complete: bool,
    /// Whether a package manager is at work right now: what it has begun, it may not have written down yet.
    pub installing: bool,
    /// When packages were last installed or removed.
    pub packages_at: Option<Timestamp>,
}

/// One watched file.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchedFile {
    /// Its path.
    pub path: String,
    /// What it is now.
    pub state: FileState,
    /// What makes a change of it one of the package manager's, if anything does.
    pub explanation: Option<Explanation>,
}

/// What a change is told by.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileState {
    /// SHA-256 in hex of the contents (of a symbolic link: of its target's name as well); `None`: it may not be read.
    pub sha256: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits, with set-user-id and the like.
    pub mode: u32,
}

/// Why a file may have changed without anybody's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// It is as its package ships it.
    AsShipped,
    /// No package ships it, and it changed while packages were being installed or removed: their scripts do that.
    WhileInstalling,
}

//! The embedded database (SQLite): keeps named sections of bytes and does not know what is in them.
//!
//! A commit is one transaction and on disk when it returns. Called on a blocking thread; nothing here waits for anything but the disk.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::event::Timestamp;
use crate::snapshot::Write;

mod database;
mod look;

pub use look::{Look, look};

use database::Refused;

/// The database's file name in the state directory; SQLite adds `-wal` and `-shm` beside it.
const DATABASE: &str = "state.db";
/// Who has the directory holds a lock on this.
const LOCK: &str = "state.lock";

/// What may be told from a failure of the store. A cause is part of the text, and so is no `source`: who prints the chain would tell it twice.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the directory: give up.
    #[error("open state directory {}: another hostwarden is using it", .dir.display())]
    InUse {
        /// The state directory.
        dir: PathBuf,
    },
    /// The directory or a file in it cannot be made, opened, renamed or written: somebody has to look at permissions and mounts.
    #[error("open {}: {cause}", .path.display())]
    Unwritable {
        /// What was to be opened.
        path: PathBuf,
        /// Why it could not.
        cause: io::Error,
    },
    /// No space left: nothing was saved, and a later commit may succeed.
    #[error("write {}: no space left", .path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// Anything else that the database says: nothing was saved, and a later commit may succeed.
    #[error("use {}: {cause}", .path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        cause: rusqlite::Error,
    },
}

impl Error {
    fn of(path: &Path, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full { path: path.to_owned() },
            Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::PermissionDenied) => {
                Self::Unwritable { path: path.to_owned(), cause: io::Error::other(source) }
            }
            _ => Self::Database { path: path.to_owned(), cause: source },
        }
    }

    /// Whether another user might succeed.
    pub fn is_permission_denied(&self) -> bool {
        matches!(self, Self::Unwritable { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied)
    }

    fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Unwritable { path, cause }
    }
}

/// An opened store and everything that was in it.
#[derive(Debug)]
pub struct Opened {
    /// Where commits go from now on.
    pub store: Store,
    /// The sections: what was put first, then what was appended, in order.
    pub sections: BTreeMap<String, Vec<Vec<u8>>>,
    /// A database that was broken, foreign or of a newer version was renamed to this, and `sections` is empty.
    pub set_aside: Option<PathBuf>,
}

/// The open database. One process has it at a time.
#[derive(Debug)]
pub struct Store {
    // Dropped in this order: the database is closed before the next process may open it.
    connection: Connection,
    path: PathBuf,
    _lock: File,
}

/// Opens the database in `dir`; makes both if they are not there. A database that cannot be used is renamed to
/// `state.bad-<seconds of now>` (its `-wal` and `-shm` with it), and a new one takes its place.
pub fn open(dir: &Path, now: Timestamp) -> Result<Opened, Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::unwritable(dir))?;
    let lock = lock(dir)?;
    let path = dir.join(DATABASE);
    let (connection, sections, set_aside) = match database::open(&path) {
        Ok((connection, sections)) => (connection, sections, None),
        Err(Refused::Failed(error)) => return Err(error),
        Err(Refused::Unusable(reason)) => {
            let aside = set_aside(dir, now)?;
            tracing::error!(reason, kept = %aside.display(), "The saved state cannot be used and was put aside; starting empty.");
            match database::open(&path) {
                Ok((connection, sections)) => (connection, sections, Some(aside)),
                Err(Refused::Failed(error)) => return Err(error),
                Err(Refused::Unusable(reason)) => {
                    return Err(Error::Unwritable { path, cause: io::Error::other(format!("a new database is unusable: {reason}")) });
                }
            }
        }
    };
    Ok(Opened { store: Store { connection, path, _lock: lock }, sections, set_aside })
}

fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(LOCK);
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(Error::unwritable(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(Error::Unwritable { path, cause }),
    }
}

/// Renames the database and what SQLite keeps beside it; gives the new name of the database.
fn set_aside(dir: &Path, now: Timestamp) -> Result<PathBuf, Error> {
    let wanted = format!("state.bad-{}", now.secs());
    let free = |name: &String| !dir.join(name).exists();
    let name = std::iter::once(wanted.clone()).chain((1..).map(|n| format!("{wanted}.{n}"))).find(free).unwrap_or(wanted);
    for suffix in ["-wal", "-shm", "-journal", ""] {
        let from = dir.join(format!("{DATABASE}{suffix}"));
        match std::fs::rename(&from, dir.join(format!("{name}{suffix}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::Unwritable { path: from, cause: error }),
            _ => {}
        }
    }
    Ok(dir.join(name))
}

impl Store {
    /// Makes all of `writes`, in order, or none of them. What it reports as done survives a crash and a loss of power.
    /// After an error the store is as before and can be used again.
    pub fn commit(&mut self, writes: impl IntoIterator<Item = Write>) -> Result<(), Error> {
        self.transact(writes).map_err(|source| Error::of(&self.path, source))
    }

    fn transact(&mut self, writes: impl IntoIterator<Item = Write>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Each piece is freed when it is written: the first commit after much was read holds megabytes.
        let lay_down = |statement, section: &str, piece: Vec<u8>| {
            transaction.prepare_cached(statement)?.execute((section, database::checksum(&piece), &piece))
        };
        for write in writes {
            match write {
                Write::Put { section, pieces } => {
                    transaction.prepare_cached(database::DROP_APPENDS)?.execute([&section])?;
                    for (place, piece) in pieces.into_iter().enumerate() {
                        lay_down(if place == 0 { database::PUT } else { database::APPEND }, &section, piece)?;
                    }
                }
                Write::Append { section, pieces } => {
                    for piece in pieces {
                        lay_down(database::APPEND, &section, piece)?;
                    }
                }
                Write::Delete { section } => {
                    transaction.prepare_cached(database::DELETE)?.execute([section])?;
                }
            }
        }
        transaction.commit()
    }
}

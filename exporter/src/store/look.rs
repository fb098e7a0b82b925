//! A look at the state directory before anything runs: whether the store could be opened there. Nothing is made or written.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::{DATABASE, Error, LOCK};

/// How a state directory stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is not there, and can be made.
    Absent,
    /// It is there and can be written.
    Ready,
    /// A running exporter has it.
    InUse,
}

/// Looks at `dir`.
///
/// # Errors
///
/// What [`super::open`] would say of permissions.
pub fn look(dir: &Path) -> Result<Look, Error> {
    match dir.metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(Error::unwritable(dir)(io::ErrorKind::NotADirectory.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return can_be_made(dir),
        Err(error) => return Err(Error::unwritable(dir)(error)),
    }
    may(dir, Access::WRITE_OK | Access::EXEC_OK)?;
    let database = dir.join(DATABASE);
    let files = [dir.join(LOCK), database.with_extension("db-wal"), database.with_extension("db-shm"), database];
    for file in files.iter().filter(|file| !matches!(file.try_exists(), Ok(false))) {
        may(file, Access::READ_OK | Access::WRITE_OK)?;
    }
    let [lock, ..] = files;
    let Ok(file) = File::open(&lock) else { return Ok(Look::Ready) };
    // Held for this moment only, and by whoever looks together; an exporter that starts in it finds the directory in use and gives up.
    match file.try_lock_shared() {
        Ok(()) => Ok(Look::Ready),
        Err(TryLockError::WouldBlock) => Ok(Look::InUse),
        Err(TryLockError::Error(cause)) => Err(Error::unwritable(&lock)(cause)),
    }
}

/// The nearest directory above must be one that a directory may be made in.
fn can_be_made(dir: &Path) -> Result<Look, Error> {
    let above = dir.ancestors().skip(1).map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let nearest = above.into_iter().find(|above| above.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    if !nearest.is_dir() {
        return Err(Error::unwritable(nearest)(io::ErrorKind::NotADirectory.into()));
    }
    may(nearest, Access::WRITE_OK | Access::EXEC_OK).map(|()| Look::Absent)
}

/// Whether this process may do so, as its effective user.
fn may(path: &Path, access: Access) -> Result<(), Error> {
    accessat(CWD, path, access, AtFlags::EACCESS).map_err(|error| Error::unwritable(path)(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_looked_at_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a/state");
        assert_eq!(look(&dir).unwrap(), Look::Absent);
        assert!(!folder.path().join("a").exists());
        let opened = super::super::open(&dir, crate::event::Timestamp::from_secs(1)).unwrap();
        let names = || std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>();
        let before = names();
        assert_eq!(look(&dir).unwrap(), Look::InUse);
        assert_eq!(names(), before);
        drop(opened);
        assert_eq!(look(&dir).unwrap(), Look::Ready);
        // Whoever looked holds nobody up.
        assert!(super::super::open(&dir, crate::event::Timestamp::from_secs(2)).is_ok());
    }

    #[test]
    fn what_is_in_the_way_is_named_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for dir in [file.clone(), file.join("state"), file.join("a/b")] {
            let told = look(&dir).unwrap_err().to_string();
            assert!(told.starts_with(&format!("open {}", file.display())), "{told}");
            assert_eq!(told.to_lowercase().matches("not a directory").count(), 1, "{told}");
        }
        // Nobody may write there, whoever this is.
        assert!(look(Path::new("/proc/self/state")).is_err());
    }
}

//! The alarm clock: the kernel's notice that a file was written, or that files came or went. It says when to look, never what to find.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};

/// Something to be watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A directory: files in it that come, go or change their permissions.
    Directory(PathBuf),
    /// A file: writes to it.
    File {
        /// A path that leads to it.
        path: PathBuf,
        /// Device number.
        device: u64,
        /// Inode number: with the device, what tells it from any other.
        inode: u64,
    },
}

/// What a target is told by: a file may be open under another path by the time it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Directory(PathBuf),
    File(u64, u64),
}

impl Target {
    fn key(&self) -> Key {
        match self {
            Self::Directory(path) => Key::Directory(path.clone()),
            Self::File { device, inode, .. } => Key::File(*device, *inode),
        }
    }

    fn path_and_mask(&self) -> (&PathBuf, WatchMask) {
        match self {
            Self::Directory(path) => {
                let news = WatchMask::CREATE | WatchMask::MOVE | WatchMask::DELETE | WatchMask::ATTRIB;
                (path, news | WatchMask::DELETE_SELF | WatchMask::MOVE_SELF | WatchMask::ONLYDIR)
            }
            Self::File { path, .. } => (path, WatchMask::MODIFY),
        }
    }
}

/// Watches over files and directories.
pub struct Watch {
    inotify: Option<Inotify>,
    watched: HashMap<Key, WatchDescriptor>,
    complete: bool,
}

impl Watch {
    /// Asks the kernel for its notice. Without it (there is a limit per user) everything still works, by looking more often.
    pub fn new() -> Self {
        let inotify = Inotify::init().map_err(|error| say_blind(&error)).ok();
        Self { complete: inotify.is_some(), inotify, watched: HashMap::new() }
    }

    /// Whether every target is watched.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Watches these and nothing else. Gives whether some are new: what happened to them before now rang no bell.
    pub fn set(&mut self, targets: &[Target]) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        let mut added = false;
        let mut watches = inotify.watches();
        let mut before = std::mem::take(&mut self.watched);
        let mut failure = None;
        for target in targets {
            let Entry::Vacant(entry) = self.watched.entry(target.key()) else { continue };
            if let Some(descriptor) = before.remove(entry.key()) {
                entry.insert(descriptor);
                continue;
            }
            let (path, mask) = target.path_and_mask();
            match watches.add(path, mask) {
                Ok(descriptor) => {
                    entry.insert(descriptor);
                    added = true;
                }
                // Gone again: then it is no target any more at the next look.
                Err(error) if super::is_missing(&error) => {}
                Err(error) => failure = Some(error),
            }
        }
        for descriptor in before.into_values() {
            // One inode has one watch: never take it away from another target.
            if !self.watched.values().any(|kept| *kept == descriptor) {
                // Fails if the file is gone, and the watch with it.
                watches.remove(descriptor).unwrap_or_default();
            }
        }
        if let Some(error) = failure.as_ref().filter(|_| self.complete) {
            say_blind(error);
        }
        self.complete = failure.is_none();
        added
    }

    /// Takes up all notices that are waiting, and forgets watches that ended with their files. Never waits.
    /// Gives whether a watch ended: then [`Watch::set`] is due.
    pub fn drain(&mut self) -> bool {
        let Some(inotify) = &mut self.inotify else { return false };
        let mut buffer = [0; 16 * 1024];
        let mut ended = false;
        // Ends with an error: nothing is waiting.
        while let Ok(events) = inotify.read_events(&mut buffer) {
            for event in events {
                if event.mask.intersects(EventMask::IGNORED | EventMask::MOVE_SELF) {
                    self.watched.retain(|_, descriptor| *descriptor != event.wd);
                    ended = true;
                }
            }
        }
        ended
    }

    /// Becomes readable when there is a notice.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

fn say_blind(error: &io::Error) {
    tracing::warn!(%error, "The kernel's notice of file changes cannot be had, so files are looked at more often.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    fn file(path: &Path) -> Target {
        let metadata = fs::metadata(path).unwrap();
        Target::File { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() }
    }

    fn rings(watch: &mut Watch) -> bool {
        let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let descriptor = watch.descriptor().unwrap();
        let mut polled = [rustix::event::PollFd::from_borrowed_fd(descriptor, rustix::event::PollFlags::IN)];
        let ready = rustix::event::poll(&mut polled, Some(&timeout)).unwrap() > 0;
        watch.drain();
        ready
    }

    #[test]
    fn writes_creations_and_moves_ring_and_others_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let other = directory.path().join("other");
        fs::write(&path, "one\n").unwrap();
        fs::write(&other, "one\n").unwrap();
        let mut watch = Watch::new();
        let targets = [Target::Directory(directory.path().into()), file(&path), file(&path)];
        assert!(watch.set(&targets));
        assert!(!watch.set(&targets), "nothing new");
        assert!(watch.is_complete());
        assert!(!rings(&mut watch));
        let mut log = fs::File::options().append(true).open(&path).unwrap();
        log.write_all(b"two\n").unwrap();
        assert!(rings(&mut watch), "a write");
        fs::File::options().append(true).open(&other).unwrap().write_all(b"two\n").unwrap();
        assert!(!rings(&mut watch), "somebody else's write");
        fs::rename(&path, directory.path().join("a.log.1")).unwrap();
        assert!(rings(&mut watch), "a move");
        log.write_all(b"late\n").unwrap();
        assert!(rings(&mut watch), "a write to the moved file");
        fs::write(&path, "").unwrap();
        assert!(rings(&mut watch), "a creation");
    }

    #[test]
    fn a_dropped_target_is_silent_and_one_that_went_away_is_watched_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs");
        fs::create_dir(&path).unwrap();
        let mut watch = Watch::new();
        let targets = [Target::Directory(path.clone())];
        watch.set(&targets);
        fs::remove_dir(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(watch.drain(), "the watch ended with the directory");
        watch.set(&targets);
        fs::write(path.join("a.log"), "").unwrap();
        assert!(rings(&mut watch));
        watch.set(&[]);
        watch.drain();
        fs::write(path.join("b.log"), "").unwrap();
        assert!(!rings(&mut watch));
        assert!(watch.is_complete());
    }
}

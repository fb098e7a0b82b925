//! Files that are remembered but not open: found again by their inode numbers, sought among the siblings of their logs, or given up.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::discover::Occasion;
use super::file::FileSource;
use super::followed::{Followed, Role};
use super::{Error, GRACE, memory};
use crate::batch::FileBookmark;
use crate::event::Timestamp;

/// The files of a directory by their inode numbers.
type Listing = HashMap<u64, Vec<PathBuf>>;

impl FileSource {
    /// Opens remembered files that are not open, by their inode numbers: in the directory that they were in, under whatever name.
    /// Gives those that may be there but cannot be examined now.
    pub(super) fn relocate(&mut self, now: Timestamp) -> BTreeSet<u64> {
        let mut unreadable = BTreeSet::new();
        let mut listings: HashMap<PathBuf, Result<Listing, Error>> = HashMap::new();
        for (key, bookmark) in self.memory.sought(!self.looked) {
            if self.open.contains_key(&key) {
                continue;
            }
            let path = PathBuf::from(&bookmark.path);
            let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
            let outcome = match listings.entry(directory.clone()).or_insert_with(|| list(&directory)) {
                Ok(listing) => find_inode(listing, &bookmark),
                Err(error) if error.is_missing() => Ok(None),
                Err(_) => {
                    unreadable.insert(key);
                    continue;
                }
            };
            // Live until it turns out that no name leads to it: then its successors are looked for.
            let role = if bookmark.finished { Role::Leaving(now) } else { Role::Live };
            let lane = self.lane(&path, None);
            let resume = |content| Followed::resume(content, &bookmark, lane, role).map_err(|source| Error::read(&path, source));
            match outcome.and_then(|found| found.map(resume).transpose()) {
                Ok(Some(file)) if self.open_key(&file.content).is_some() => self.memory.forget(key),
                Ok(Some(file)) => self.follow(key, file),
                Ok(None) => {}
                Err(_) => {
                    unreadable.insert(key);
                }
            }
        }
        unreadable
    }

    /// Looks for remembered files that are not where they were, and gives up those that are nowhere.
    pub(super) fn search_missing(&mut self, now: Timestamp, unreadable: &BTreeSet<u64>) {
        for key in self.memory.unfinished() {
            let Some(path) = self.memory.get(key).map(|known| PathBuf::from(&known.path)) else { continue };
            if self.open.contains_key(&key) || unreadable.contains(&key) {
                continue;
            }
            let first = !self.missing.contains_key(&key);
            let since = *self.missing.entry(key).or_insert(now);
            let replaced = self.open.values().any(|file| file.role == Role::Live && file.path == path);
            // A log whose directory is not there yet may come with it: nothing is given up at once unless there is a successor.
            let overdue = now.since(since) >= GRACE;
            if !(first || replaced || overdue) {
                continue;
            }
            let lane = self.lane(&path, None);
            if first
                && let Ok(content) = Content::open(&path)
                && self.open_key(&content).is_none()
            {
                // An empty file where a name led to once: its path and its inode are all that it has.
                if self.memory.blank(&content, &path.to_string_lossy()) == Some(key) {
                    self.take_up(key, content, lane, now);
                    continue;
                }
            }
            let all_seen = self.discover(&path, lane, Occasion::Doubt, now).unwrap_or(false);
            if !self.open.contains_key(&key) && (overdue || (replaced && all_seen)) {
                self.give_up(key);
            }
        }
    }

    /// Looks for files that came and went while nobody looked, where no log is there now that would lead to them.
    pub(super) fn search_successors(&mut self, now: Timestamp) {
        for path in self.memory.paths() {
            let path = PathBuf::from(path);
            if !self.open.values().any(|file| file.path == path) {
                let lane = self.lane(&path, None);
                self.read_problem = self.discover(&path, lane, Occasion::Doubt, now).err().filter(|problem| !problem.is_missing());
            }
        }
    }

    /// What was seen of this file and not read is lost. It stays known: should it turn up after all, it is not read again.
    fn give_up(&mut self, key: u64) {
        self.missing.remove(&key);
        let lost = self.memory.get(key).map_or(0, |known| known.seen_bytes.saturating_sub(known.offset));
        self.memory.lose(lost);
        self.memory.finish(key);
    }
}

fn list(directory: &Path) -> Result<Listing, Error> {
    let error = |source| Error::list(directory, source);
    let mut listing = Listing::new();
    for entry in fs::read_dir(directory).map_err(error)? {
        let entry = entry.map_err(error)?;
        listing.entry(entry.ino()).or_default().push(entry.path());
    }
    Ok(listing)
}

/// The file with the bookmark's inode number, if it is the same file.
fn find_inode(listing: &Listing, bookmark: &FileBookmark) -> Result<Option<Content>, Error> {
    for path in listing.get(&bookmark.inode).into_iter().flatten() {
        match Content::open(path) {
            Ok(mut content) => {
                let error = |source| Error::read(path, source);
                // A finished file is of interest only if somebody has written to it since.
                let wanted = !bookmark.finished || content.stat().map_err(error)?.size > bookmark.offset;
                if wanted && memory::is_same(&mut content, bookmark).map_err(error)? {
                    return Ok(Some(content));
                }
            }
            Err(Error::NotAFile { .. }) => {}
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

//! What became of files that were moved, copied or packed away while nobody looked.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use super::bookmark::Print;
use super::content::Content;
use super::file::FileSource;
use super::followed::{Followed, Role};
use super::memory::{self, Found};
use super::rotated::{self, Sibling};
use super::{Error, GRACE, MAX_FILES};
use crate::batch::Bookmark;
use crate::event::Timestamp;

/// The files of a directory by their inode numbers.
type Listing = HashMap<u64, Vec<PathBuf>>;

impl FileSource {
    /// Opens remembered files that are not open, by their inode numbers: in the directory that they were in, under whatever name.
    /// Gives those that may be there but cannot be examined now.
    pub(super) fn relocate(&mut self, now: Timestamp) -> BTreeSet<u64> {
        let mut unreadable = BTreeSet::new();
        let mut listings: HashMap<PathBuf, Result<Listing, Error>> = HashMap::new();
        for (key, path) in self.memory.unfinished() {
            if self.open.contains_key(&key) {
                continue;
            }
            let Some(bookmark) = self.memory.get(key).cloned() else { continue };
            let directory = Path::new(&path).parent().unwrap_or(Path::new("/")).to_owned();
            let outcome = match listings.entry(directory.clone()).or_insert_with(|| list(&directory)) {
                Ok(listing) => find_inode(listing, &bookmark),
                Err(error) if error.is_missing() => Ok(None),
                Err(_) => {
                    unreadable.insert(key);
                    continue;
                }
            };
            let lane = self.lane(Path::new(&path), None);
            match outcome.and_then(|found| found.map(|content| resume(content, &bookmark, lane, now)).transpose()) {
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
        for (key, path) in self.memory.unfinished() {
            if self.open.contains_key(&key) || unreadable.contains(&key) {
                continue;
            }
            let first = !self.missing.contains_key(&key);
            let since = *self.missing.entry(key).or_insert(now);
            let path = PathBuf::from(path);
            let replaced = self.open.values().any(|file| file.role == Role::Live && file.path == path);
            // A log whose directory is not there yet may come with it: nothing is given up at once unless there is a successor.
            let overdue = now.since(since) >= GRACE;
            if !(first || replaced || overdue) {
                continue;
            }
            let lane = self.lane(&path, None);
            let all_seen = self.discover(&path, lane, None, now).unwrap_or(false);
            if !self.open.contains_key(&key) && (overdue || (replaced && all_seen)) {
                self.give_up(key);
            }
        }
    }

    /// What was seen of this file and not read is lost. It stays known: should it turn up after all, it is not read again.
    fn give_up(&mut self, key: u64) {
        self.missing.remove(&key);
        if let Some(bookmark) = self.memory.get(key).cloned() {
            self.memory.lose(bookmark.seen_bytes.saturating_sub(bookmark.offset));
            self.memory.set(key, Bookmark { finished: true, ..bookmark });
        }
    }

    /// An open file is not what it was: truncated, or rewritten; or it was empty, and may have been filled and emptied since.
    pub(super) fn changed(&mut self, key: u64, now: Timestamp) -> Result<(), Error> {
        let Some(old) = self.open.get_mut(&key) else { return Ok(()) };
        let (path, lane) = (old.path.clone(), old.lane);
        if old.is_blank() {
            self.discover(&path, lane, None, now)?;
            return match self.open.get_mut(&key) {
                Some(file) => file.accept().map_err(|source| Error::read(&path, source)),
                None => Ok(()),
            };
        }
        let Some(old) = self.open.remove(&key) else { return Ok(()) };
        self.memory.set(key, old.bookmark());
        let lag = old.lag_bytes();
        let role = if old.role == Role::Live { Role::Live } else { Role::Leaving(now) };
        let file = Followed::new(old.content, path.clone(), lane, role, 0).map_err(|source| Error::read(&path, source))?;
        let new_key = self.memory.new_key();
        self.follow(new_key, file);
        for name in self.names.values_mut().filter(|name| name.key == key) {
            name.key = new_key;
        }
        self.memory.count_rotation();
        let all_seen = self.discover(&path, lane, Some((key, &old.print)), now)?;
        if all_seen && !self.open.contains_key(&key) {
            self.memory.lose(lag);
            self.memory.forget(key);
        }
        Ok(())
    }

    /// Walks the rotated siblings of a log from the newest on. Remembered ones are taken up where their bookmarks stand; those newer than
    /// all that is remembered were never seen and are read whole. `truncated` is a file that has just lost its content, with what
    /// was known of it. Gives whether all siblings could be examined.
    pub(super) fn discover(&mut self, live: &Path, lane: u64, truncated: Option<(u64, &Print)>, now: Timestamp) -> Result<bool, Error> {
        let path = live.to_string_lossy().into_owned();
        let mut unseen = Vec::new();
        let mut anchored = false;
        let mut all_seen = true;
        for sibling in rotated::siblings(live)? {
            if self.is_live(&sibling.path) {
                continue;
            }
            if anchored && !self.is_wanting(&path) {
                break;
            }
            let mut content = match Content::open(&sibling.path) {
                Ok(content) => content,
                Err(error) => {
                    all_seen &= error.is_missing();
                    continue;
                }
            };
            match self.recognise_sibling(&mut content, &path, truncated) {
                Ok(Some(Found::Whole(key))) => {
                    anchored = true;
                    self.take_up(key, content, lane, now);
                }
                Ok(Some(Found::Shorter(_))) => anchored = true,
                Ok(None) if !anchored => unseen.push((sibling, content)),
                Ok(None) => {}
                Err(_) => all_seen = false,
            }
        }
        if !anchored {
            let newest = self.last_modified(&path);
            unseen.retain(|(sibling, _)| newest.is_some_and(|newest| sibling.modified > newest));
        }
        self.follow_unseen(live, lane, unseen, now);
        Ok(all_seen)
    }

    fn recognise_sibling(&self, content: &mut Content, path: &str, truncated: Option<(u64, &Print)>) -> std::io::Result<Option<Found>> {
        if let Some(key) = self.open_key(content) {
            return Ok(Some(Found::Whole(key)));
        }
        let print = |key| match truncated {
            Some((truncated, print)) if truncated == key => Some(print),
            _ => self.open.get(&key).map(|file| &file.print),
        };
        self.memory.recognise(content, path, print, |_| true)
    }

    /// Goes on with a remembered file that was found again, if there is anything left to read in it.
    fn take_up(&mut self, key: u64, content: Content, lane: u64, now: Timestamp) {
        let Some(bookmark) = self.memory.get(key) else { return };
        let has_grown = content.stat().is_ok_and(|stat| stat.size > bookmark.offset) && !content.is_archive();
        if self.open.contains_key(&key) || (bookmark.finished && !has_grown) {
            return;
        }
        // Failing here leaves it missing: it is looked for again.
        if let Ok(file) = Followed::resume(content, bookmark, lane, Role::Leaving(now)) {
            self.follow(key, file);
        }
    }

    /// Reads files whole that came and went since the last look, oldest first.
    fn follow_unseen(&mut self, live: &Path, lane: u64, unseen: Vec<(Sibling, Content)>, now: Timestamp) {
        for (_, content) in unseen.into_iter().rev() {
            if self.open.len() > 2 * MAX_FILES {
                return;
            }
            if let Ok(file) = Followed::new(content, live.to_owned(), lane, Role::Leaving(now), 0) {
                let key = self.memory.new_key();
                self.follow(key, file);
                self.memory.count_rotation();
            }
        }
    }

    fn is_live(&self, path: &Path) -> bool {
        self.names.values().filter_map(|name| self.open.get(&name.key)).any(|file| file.role == Role::Live && file.path == path)
    }

    /// Whether a file that was followed under this path is still to be found.
    fn is_wanting(&self, path: &str) -> bool {
        self.memory.unfinished().iter().any(|(key, known)| known == path && !self.open.contains_key(key))
    }

    /// When anything under this path was last written to, as far as was seen.
    fn last_modified(&self, path: &str) -> Option<Timestamp> {
        let open = self.open.values().filter(|file| file.path == Path::new(path)).map(|file| file.modified).max();
        self.memory.last_modified(path).max(open)
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
fn find_inode(listing: &Listing, bookmark: &Bookmark) -> Result<Option<Content>, Error> {
    for path in listing.get(&bookmark.inode).into_iter().flatten() {
        match Content::open(path) {
            Ok(mut content) => {
                if memory::is_same(&mut content, bookmark).map_err(|source| Error::read(path, source))? {
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

fn resume(content: Content, bookmark: &Bookmark, lane: u64, now: Timestamp) -> Result<Followed, Error> {
    Followed::resume(content, bookmark, lane, Role::Leaving(now)).map_err(|source| Error::read(Path::new(&bookmark.path), source))
}

//! What became of files that were moved, copied or packed away: the siblings of a log, judged by what is known.

use std::io;
use std::path::Path;

use super::bookmark::Print;
use super::content::Content;
use super::file::FileSource;
use super::followed::{Followed, Role};
use super::memory::Found;
use super::rotated::{self, Sibling};
use super::{Error, MAX_FILES};
use crate::batch::FileBookmark;
use crate::event::Timestamp;

/// Why the siblings of a log are looked through.
pub(super) enum Occasion<'a> {
    /// A file is missing, or may have been replaced.
    Doubt,
    /// This file is new.
    New(u64),
    /// This file was empty when it was last looked at, and unchanged since that time: it may have been filled and copied away in between.
    Filled(u64, Timestamp),
    /// This file has just lost its content, whose old key and bookmark these are, with what was known of it.
    Truncated(u64, &'a (u64, FileBookmark, Print)),
}

impl Occasion<'_> {
    /// The key of the file in question.
    fn key(&self) -> Option<u64> {
        match self {
            Self::Doubt => None,
            Self::New(key) | Self::Filled(key, _) | Self::Truncated(key, _) => Some(*key),
        }
    }
}

/// What a sibling is to the files that are known.
enum Kinship {
    None,
    /// It is the file in question or a copy of it, and was rotated away since. Older ones may well hold what it held before.
    Itself,
    Known(Found),
    /// Copied from the live file, which is not truncated yet or never will be.
    CopyOfLive,
}

impl FileSource {
    /// An open file is not what it was: truncated, or rewritten; or it was empty, and may have been filled and emptied since.
    pub(super) fn changed(&mut self, key: u64, now: Timestamp) -> Result<(), Error> {
        let Some(mut old) = self.open.remove(&key) else { return Ok(()) };
        let (path, lane) = (old.path.clone(), old.lane);
        let error = |source| Error::read(&path, source);
        if old.is_blank() {
            let modified = old.modified;
            let accepted = old.accept().map_err(error);
            self.memory.set(key, old.bookmark());
            self.open.insert(key, old);
            accepted?;
            let discovered = self.discover(&path, lane, Occasion::Filled(key, modified), now);
            if self.names_are_true && self.names.values().any(|name| name.key == key) {
                self.renew(key, key);
                self.memory.forget(key);
            }
            return discovered.map(|_| ());
        }
        let bookmark = FileBookmark { finished: false, ..old.bookmark() };
        self.memory.set(key, bookmark.clone());
        let lag = old.lag_bytes();
        let role = if old.role == Role::Live { Role::Live } else { Role::Leaving(now) };
        let file = Followed::new(old.content, path.clone(), lane, role, 0).map_err(error)?;
        self.memory.count_rotation();
        let held = self.hold(file);
        // What it holds now comes right after what it held, wherever that is found.
        if let Some(at) = self.order.iter().position(|placed| *placed == key) {
            self.order.insert(at + 1, held);
        }
        let discovered = self.discover(&path, lane, Occasion::Truncated(held, &(key, bookmark, old.print)), now);
        self.renew(held, key);
        let all_seen = discovered?;
        if all_seen && !self.open.contains_key(&key) && self.memory.get(key).is_some_and(|known| !known.finished) {
            self.memory.lose(lag);
            self.memory.forget(key);
        }
        Ok(())
    }

    /// Gives a live file the newest key, so that it comes after what was found just now, in the next process too. Names know it by `known`.
    fn renew(&mut self, held: u64, known: u64) {
        let key = self.release(held);
        for name in self.names.values_mut().filter(|name| name.key == known) {
            name.key = key;
        }
    }

    /// Walks the rotated siblings of a log from the newest on. Remembered ones are taken up where their bookmarks stand; those newer than
    /// all that is remembered were never seen and are read whole. Gives whether all siblings could be examined.
    pub(super) fn discover(&mut self, live: &Path, lane: u64, occasion: Occasion<'_>, now: Timestamp) -> Result<bool, Error> {
        let path = live.to_string_lossy().into_owned();
        // Files are told from their copies by what is known of them: it must be true.
        let open: Vec<u64> = self.open.iter().filter(|(_, file)| file.path == live).map(|(key, _)| *key).collect();
        for key in open {
            if self.open.get_mut(&key).is_some_and(|file| matches!(file.is_as_known(), Ok(false))) {
                self.changed(key, now)?;
            }
        }
        let (mut unseen, mut shorter, mut visited) = (Vec::new(), Vec::new(), Vec::new());
        let empty_since = self
            .memory
            .unfinished()
            .into_iter()
            .filter(|key| !self.open.contains_key(key))
            .filter_map(|key| self.memory.empty_since(key, &path))
            .min();
        let is_late = |sibling: &Sibling| empty_since.is_some_and(|since| sibling.modified > since);
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
            visited.push((content.device, content.inode));
            match self.recognise_sibling(&mut content, &path, &occasion) {
                // These say nothing about the files between.
                Ok(Kinship::CopyOfLive | Kinship::Itself) => {}
                Ok(Kinship::Known(Found::Whole(key))) => {
                    anchored = true;
                    self.take_up(key, content, lane, now);
                }
                Ok(Kinship::Known(Found::Shorter(key))) => {
                    anchored = true;
                    shorter.push((key, content));
                }
                Ok(Kinship::None) if self.is_still_empty(&content, &path) => self.take_up_empty(content, &path, lane, now),
                Ok(Kinship::None) if !anchored => unseen.push((sibling, content)),
                // What an empty file that is missing became: it was written to after it had been rotated away.
                Ok(Kinship::None) if is_late(&sibling) => unseen.push((sibling, content)),
                Ok(Kinship::None) => {}
                Err(_) => all_seen = false,
            }
        }
        if !anchored {
            let until = self.known_until(&path, &occasion);
            unseen.retain(|(sibling, _)| until.is_some_and(|until| sibling.modified > until) || is_late(sibling));
        }
        for (key, content) in shorter {
            self.settle_for(key, content, live);
        }
        self.follow_unseen(live, lane, unseen, now);
        self.place(live, &visited, occasion.key());
        Ok(all_seen)
    }

    fn recognise_sibling(&self, sibling: &mut Content, path: &str, occasion: &Occasion<'_>) -> io::Result<Kinship> {
        if let Some(open) = self.open_key(sibling) {
            return Ok(if occasion.key() == Some(open) { Kinship::Itself } else { Kinship::Known(Found::Whole(open)) });
        }
        let print = |key| match occasion {
            Occasion::Truncated(_, (truncated, _, print)) if *truncated == key => Some(print),
            _ => self.open.get(&key).map(|file| &file.print),
        };
        let Some(found) = self.memory.recognise(sibling, path, print, |_| true)? else { return Ok(Kinship::None) };
        let (Found::Whole(key) | Found::Shorter(key)) = found;
        match self.open.get(&key) {
            // What is longer than the file that it looks like is no copy of it: they only begin alike.
            Some(file) if !file.content.is_archive() && sibling.end()? > file.content.stat()?.size => Ok(Kinship::None),
            Some(_) if occasion.key() == Some(key) => Ok(Kinship::Itself),
            Some(file) if file.role == Role::Live => Ok(Kinship::CopyOfLive),
            _ => Ok(Kinship::Known(found)),
        }
    }

    /// Whether it was empty when it was last seen, and still is. Nothing but its inode tells so, but then there is nothing to be mistaken about.
    fn is_still_empty(&self, content: &Content, path: &str) -> bool {
        self.memory.blank(content, path).is_some() && content.stat().is_ok_and(|stat| stat.size == 0)
    }

    /// Goes on waiting for late writes to a file that was rotated away empty.
    fn take_up_empty(&mut self, content: Content, path: &str, lane: u64, now: Timestamp) {
        if let Some(key) = self.memory.blank(&content, path) {
            self.take_up(key, content, lane, now);
        }
    }

    /// Goes on with a remembered file that was found again, if there is anything left to read in it.
    pub(super) fn take_up(&mut self, key: u64, content: Content, lane: u64, now: Timestamp) {
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

    /// Gives new files their place in the order of reading. Siblings are given newest first; what is live is newer than all of them.
    fn place(&mut self, live: &Path, siblings: &[(u64, u64)], asked: Option<u64>) {
        let is_sibling = |id: &(u64, u64), file: &Followed| *id == (file.content.device, file.content.inode);
        let mut chain: Vec<u64> = Vec::new();
        for id in siblings.iter().rev() {
            chain.extend(self.open.iter().filter(|(_, file)| is_sibling(id, file)).map(|(key, _)| *key));
        }
        // A predecessor may still count as live: the newest is meant, unless it is known better by now.
        let newest = self.open.iter().rev().find(|(_, file)| file.role == Role::Live && file.path == live).map(|(key, _)| *key);
        chain.extend(newest.filter(|key| !chain.contains(key)));
        for (index, key) in chain.iter().enumerate() {
            let position = |key: &u64| self.order.iter().position(|placed| placed == key);
            if position(key).is_none() {
                // The file in question may be deleted: then only the times tell whether this is what it held before.
                let modified = |key: &u64| self.open.get(key).map(|file| file.modified);
                let asked = asked.filter(|asked| !chain.contains(asked) && modified(key) < modified(asked));
                let newer = chain.iter().skip(index).chain(asked.as_ref()).find_map(position);
                self.order.insert(newer.unwrap_or(self.order.len()), *key);
            }
        }
        // Keys are not always given in the order of age, and the order of the last process is known by keys only.
        let mut places: Vec<usize> = chain.iter().filter_map(|key| self.order.iter().position(|placed| placed == key)).collect();
        places.sort_unstable();
        for (place, key) in places.into_iter().zip(chain) {
            if let Some(placed) = self.order.get_mut(place) {
                *placed = key;
            }
        }
    }

    /// All that is left of a file is a copy that was made before it was read as far as it was. There is nothing to read in the copy,
    /// but it must be known again.
    fn settle_for(&mut self, key: u64, mut content: Content, live: &Path) {
        let Some(bookmark) = self.memory.get(key).filter(|known| !known.finished && !self.open.contains_key(&key)) else { return };
        let lost = bookmark.seen_bytes.saturating_sub(bookmark.offset);
        let copy = content.end().and_then(|end| Followed::new(content, live.to_owned(), 0, Role::Kept, end));
        if let Ok(copy) = copy {
            self.memory.lose(lost);
            self.memory.set(key, FileBookmark { finished: true, ..copy.bookmark() });
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
        self.memory
            .unfinished()
            .iter()
            .any(|key| !self.open.contains_key(key) && self.memory.get(*key).is_some_and(|known| known.path == path))
    }

    /// What was written to after this time and is not known was never seen.
    fn known_until(&self, path: &str, occasion: &Occasion<'_>) -> Option<Timestamp> {
        match occasion {
            Occasion::Filled(_, since) => return Some(*since),
            Occasion::Truncated(_, (_, old, _)) => return Some(old.modified),
            Occasion::Doubt | Occasion::New(_) => {}
        }
        let others = self.open.iter().filter(|(key, file)| Some(**key) != occasion.key() && file.path == Path::new(path));
        self.memory.last_modified(path, occasion.key()).max(others.map(|(_, file)| file.modified).max())
    }
}

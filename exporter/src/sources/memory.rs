//! Every file that a source remembers, and what must be told about them with the next batch.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::MAX_FINISHED;
use super::bookmark::{self, Head, Print};
use super::content::Content;
use crate::batch::{Batch, Bookmark, Change, FileBookmark};
use crate::event::Timestamp;

/// From this many equal first bytes on, two files are taken for the same wherever they are. Fewer may be a banner.
const TELLING_BYTES: u64 = 1024;

/// The bookmarks by their keys: older content has the smaller key.
#[derive(Default)]
pub(super) struct Memory {
    known: BTreeMap<u64, FileBookmark>,
    last_key: u64,
    changes: BTreeMap<u64, Change>,
    lost_bytes: u64,
    rotations: u64,
}

/// A remembered file that was found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All that was read of it is there.
    Whole(u64),
    /// It is a copy that ends before the place that was read to.
    Shorter(u64),
}

impl Memory {
    /// Knows these files. Places in other kinds of logs, which a source of this name read before, are forgotten.
    pub(super) fn new(bookmarks: Vec<(u64, Bookmark)>) -> Self {
        let last_key = bookmarks.iter().map(|(key, _)| *key).max().unwrap_or(0);
        let mut memory = Self { last_key, ..Self::default() };
        for (key, bookmark) in bookmarks {
            match bookmark {
                Bookmark::File(bookmark) => drop(memory.known.insert(key, bookmark)),
                _ => drop(memory.changes.insert(key, Change::Forget)),
            }
        }
        memory
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// A key that no file had before.
    pub(super) fn new_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    /// Knows a file for now under a key of its own, without telling: others that are found meanwhile are older, and need smaller keys.
    pub(super) fn hold(&mut self, bookmark: FileBookmark) -> u64 {
        let key = (0..=u64::MAX).rev().find(|key| !self.known.contains_key(key)).unwrap_or_default();
        self.known.insert(key, bookmark);
        key
    }

    /// Ends [`Memory::hold`].
    pub(super) fn release(&mut self, key: u64) {
        self.known.remove(&key);
        self.changes.remove(&key);
    }

    pub(super) fn get(&self, key: u64) -> Option<&FileBookmark> {
        self.known.get(&key)
    }

    pub(super) fn set(&mut self, key: u64, bookmark: FileBookmark) {
        self.changes.insert(key, Change::Set(bookmark.clone().into()));
        self.known.insert(key, bookmark);
    }

    pub(super) fn forget(&mut self, key: u64) {
        self.known.remove(&key);
        self.changes.insert(key, Change::Forget);
    }

    /// Nothing more is expected of this file. An empty one is forgotten, unless it is the last that tells that its log was ever seen.
    pub(super) fn finish(&mut self, key: u64) {
        let Some(bookmark) = self.known.get(&key).cloned() else { return };
        let is_last = !self.known.iter().any(|(other, known)| *other != key && known.path == bookmark.path);
        if bookmark.head_bytes > 0 || is_last {
            self.set(key, FileBookmark { finished: true, ..bookmark });
        } else {
            self.forget(key);
        }
    }

    /// These bytes were seen and cannot be read any more.
    pub(super) fn lose(&mut self, bytes: u64) {
        self.lost_bytes += bytes;
    }

    /// A file was replaced or truncated.
    pub(super) fn count_rotation(&mut self) {
        self.rotations += 1;
    }

    /// Drops the oldest finished files beyond the bound; `in_use` ones stay.
    pub(super) fn prune(&mut self, in_use: impl Fn(u64) -> bool) {
        let finished: Vec<u64> = self.known.iter().filter(|(key, known)| known.finished && !in_use(**key)).map(|(key, _)| *key).collect();
        for key in finished.iter().take(finished.len().saturating_sub(MAX_FINISHED)) {
            self.forget(*key);
        }
    }

    /// The paths that files were followed under.
    pub(super) fn paths(&self) -> BTreeSet<String> {
        self.known.values().map(|known| known.path.clone()).collect()
    }

    /// Whether a file was ever followed under this path.
    pub(super) fn has_path(&self, path: &str) -> bool {
        self.known.values().any(|known| known.path == path)
    }

    /// When a file under this path, `but` one, was last written to, as far as was seen.
    pub(super) fn last_modified(&self, path: &str, but: Option<u64>) -> Option<Timestamp> {
        self.known.iter().filter(|(key, known)| Some(**key) != but && known.path == path).map(|(_, known)| known.modified).max()
    }

    /// Files with something left to read, as far as is known.
    pub(super) fn unfinished(&self) -> Vec<u64> {
        self.known.iter().filter(|(_, known)| !known.finished).map(|(key, _)| *key).collect()
    }

    /// Files to be found by their inode numbers: all with something left to read, and, where late writes went unseen, finished ones too.
    /// A file that was empty has nothing to be told by when its number turns up again, so it is not among them.
    pub(super) fn sought(&self, finished: bool) -> Vec<(u64, FileBookmark)> {
        let is_sought = |known: &FileBookmark| known.head_bytes > 0 && (finished || !known.finished);
        let mut sought: Vec<_> =
            self.known.iter().filter(|(_, known)| is_sought(known)).map(|(key, known)| (*key, known.clone())).collect();
        // Should two be the same file, the one that was read further is right.
        sought.sort_by_key(|(_, known)| std::cmp::Reverse(known.offset));
        sought
    }

    /// Which remembered file this is: by its inode, else by its content. `print` gives what is known of a file beyond its bookmark;
    /// `by_content` says which files may be looked for by content alone.
    pub(super) fn recognise<'a>(
        &self,
        content: &mut Content,
        path: &str,
        print: impl Fn(u64) -> Option<&'a Print>,
        by_content: impl Fn(u64) -> bool,
    ) -> io::Result<Option<Found>> {
        let head = content.head()?;
        for (key, known) in self.known.iter().rev() {
            if is_at(known, content) && matches(content, &head, known, None)? == Some(Likeness::Whole) {
                return Ok(Some(Found::Whole(*key)));
            }
        }
        for (key, known) in self.known.iter().rev() {
            let telling = known.head_bytes > 0 && (known.path == path || known.head_bytes >= TELLING_BYTES);
            if !telling || !by_content(*key) {
                continue;
            }
            match matches(content, &head, known, print(*key))? {
                Some(Likeness::Whole) => return Ok(Some(Found::Whole(*key))),
                Some(Likeness::Shorter) => return Ok(Some(Found::Shorter(*key))),
                None => {}
            }
        }
        Ok(None)
    }

    /// The file under this path that was empty and had this inode.
    pub(super) fn blank(&self, content: &Content, path: &str) -> Option<u64> {
        let is_it = |known: &FileBookmark| {
            known.head_bytes == 0 && known.path == path && (known.device, known.inode) == (content.device, content.inode)
        };
        self.known.iter().find(|(_, known)| is_it(known)).map(|(key, _)| *key)
    }

    /// When this file was last seen, if it is of this path and was empty then.
    pub(super) fn empty_since(&self, key: u64, path: &str) -> Option<Timestamp> {
        self.known.get(&key).filter(|known| known.head_bytes == 0 && known.path == path).map(|known| known.modified)
    }

    /// A batch with all that was not told yet.
    pub(super) fn take_batch(&mut self) -> Batch {
        Batch {
            bookmarks: std::mem::take(&mut self.changes).into_iter().collect(),
            lost_bytes: std::mem::take(&mut self.lost_bytes),
            rotations: std::mem::take(&mut self.rotations),
            ..Batch::default()
        }
    }

    /// Whether there is something to tell.
    pub(super) fn has_news(&self) -> bool {
        !self.changes.is_empty() || self.lost_bytes > 0 || self.rotations > 0
    }
}

/// How a file's content compares with what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likeness {
    Whole,
    Shorter,
}

/// Whether a file has the inode that the bookmark's file had. One that was empty then has nothing else to be known by, and inode
/// numbers are used again: it proves nothing.
fn is_at(known: &FileBookmark, content: &Content) -> bool {
    known.head_bytes > 0 && known.device == content.device && known.inode == content.inode && !content.is_archive()
}

/// Whether a bookmark stands in this file: the same first bytes, and the same bytes before the bookmark.
pub(super) fn is_same(content: &mut Content, known: &FileBookmark) -> io::Result<bool> {
    let head = content.head()?;
    Ok(matches(content, &head, known, None)? == Some(Likeness::Whole))
}

fn matches(content: &mut Content, head: &Head, known: &FileBookmark, print: Option<&Print>) -> io::Result<Option<Likeness>> {
    let alike = match print {
        Some(print) => print.is_like(head),
        None => bookmark::begins_like(known, head),
    };
    if !alike {
        return Ok(None);
    }
    if !content.is_archive() && content.stat()?.size < known.offset {
        return Ok(Some(Likeness::Shorter));
    }
    let count = known.tail_bytes.min(bookmark::TAIL_BYTES as u64).min(known.offset);
    let wanted = usize::try_from(count).unwrap_or_default();
    let mut tail = Vec::new();
    content.read(known.offset - count, wanted, &mut tail)?;
    tail.truncate(wanted);
    Ok(if tail.len() < wanted { Some(Likeness::Shorter) } else { (bookmark::hash(&tail) == known.tail_hash).then_some(Likeness::Whole) })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::sources) fn bookmark() -> FileBookmark {
        FileBookmark {
            path: "/var/log/access.log".into(),
            device: 1,
            inode: 2,
            offset: 0,
            head_bytes: 0,
            head_hash: 0,
            tail_bytes: 0,
            tail_hash: 0,
            seen_bytes: 0,
            modified: Timestamp::default(),
            finished: true,
        }
    }

    #[test]
    fn keys_are_never_given_twice() {
        let mut memory = Memory::new(vec![(7, bookmark().into()), (3, bookmark().into())]);
        assert_eq!(memory.new_key(), 8);
        memory.forget(7);
        assert_eq!(memory.new_key(), 9);
    }

    #[test]
    fn the_oldest_finished_files_are_forgotten() {
        let mut memory = Memory::new((1..=MAX_FINISHED as u64 + 3).map(|key| (key, bookmark().into())).collect());
        memory.set(2, FileBookmark { finished: false, ..bookmark() });
        memory.prune(|key| key == 3);
        let batch = memory.take_batch();
        assert_eq!(batch.bookmarks.iter().filter(|(_, change)| *change == Change::Forget).map(|(key, _)| *key).collect::<Vec<_>>(), [1]);
        assert!(!memory.has_news());
    }

    #[test]
    fn a_bookmark_out_of_nowhere_matches_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let mut content = Content::open(&path).unwrap();
        for (offset, tail_bytes) in [(u64::MAX, u64::MAX), (0, u64::MAX), (8, 300), (u64::MAX, 0)] {
            let wild = FileBookmark { offset, tail_bytes, head_hash: bookmark::hash(b"one\n"), head_bytes: 4, ..bookmark() };
            let whole = is_same(&mut content, &wild).unwrap();
            assert!(!whole, "{offset} {tail_bytes}");
        }
    }
}

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What is saved: named sections, whole or appended to. The engine says what, `store/` writes it and does not know what it means.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use serde::Serialize;

/// One change to the saved state. All changes of a commit are made in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// The section is this from now on.
    Put {
        /// Its name.
        section: String,
        /// Its contents.
        bytes: Vec<u8>,
    },
    /// This comes behind what the section has.
    Append {
        /// Its name.
        section: String,
        /// What is added.
        bytes: Vec<u8>,
    },
    /// The section is gone.
    Delete {
        /// Its name.
        section: String,
    },
}

/// A saved section: what was put, then what was appended, in order.
pub type Section = Vec<Vec<u8>>;

/// Remembers what small sections looked like when they were last saved, so that only what changed is written.
#[derive(Default)]
pub struct Unchanged {
    hashes: HashMap<String, u64>,
    hasher: RandomState,
}

impl Unchanged {
    /// The write that makes `section` hold `bytes`; none if it does already.
    pub fn put(&mut self, section: String, bytes: Vec<u8>) -> Option<Write> {
        let hash = self.hasher.hash_one(&bytes);
        if self.hashes.get(&section) == Some(&hash) {
            return None;
        }
        self.hashes.insert(section.clone(), hash);
        Some(Write::Put { section, bytes })
    }

    /// After a commit that failed: everything must be written again.
    pub fn forget(&mut self) {
        self.hashes.clear();
    }
}

/// Appends may grow to this before the whole table is written anew, however small it is, in bytes.
const SMALLEST_REWRITE_BYTES: usize = 64 << 10;

/// Saves a bounded table by appending its changes; the whole is written anew once the appends outweigh it. So a commit costs what
/// changed, and the section stays within about twice the table.
pub struct ChangeLog {
    section: String,
    whole_bytes: usize,
    appended_bytes: usize,
    rewrite: bool,
}

impl ChangeLog {
    /// For a table that is loaded from `saved` or still empty.
    pub fn new(section: String, saved: Option<&Section>) -> Self {
        let bytes = |parts: &[Vec<u8>]| parts.iter().map(Vec::len).sum();
        let (whole_bytes, appended_bytes) =
            saved.and_then(|parts| parts.split_first()).map_or((0, 0), |(whole, appended)| (whole.len(), bytes(appended)));
        Self { section, whole_bytes, appended_bytes, rewrite: saved.is_none() }
    }

    /// The write that saves `changes` (lines, empty if nothing changed) or, when it is time, the `whole` table.
    pub fn write(&mut self, changes: Vec<u8>, whole: impl FnOnce() -> Vec<u8>) -> Option<Write> {
        if changes.is_empty() && !self.rewrite {
            return None;
        }
        let section = self.section.clone();
        if self.rewrite || self.appended_bytes + changes.len() > self.whole_bytes.max(SMALLEST_REWRITE_BYTES) {
            let bytes = whole();
            (self.whole_bytes, self.appended_bytes, self.rewrite) = (bytes.len(), 0, false);
            return Some(Write::Put { section, bytes });
        }
        self.appended_bytes += changes.len();
        Some(Write::Append { section, bytes: changes })
    }

    /// After a commit that failed: the changes are gone, so the whole must be written.
    pub fn rewrite(&mut self) {
        self.rewrite = true;
    }
}

/// Adds a value as a line of JSON, for [`json_lines`]. One that is no JSON (a number that is none) is left out.
pub fn push_json_line(lines: &mut Vec<u8>, value: &impl Serialize) {
    let before = lines.len();
    match serde_json::to_writer(&mut *lines, value) {
        Ok(()) => lines.push(b'\n'),
        Err(_) => lines.truncate(before),
    }
}

/// Values as lines of JSON, for [`json_lines`].
pub fn to_json_lines<T: Serialize>(values: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut lines = Vec::new();
    values.into_iter().for_each(|value| push_json_line(&mut lines, &value));
    lines
}

/// The JSON values of a section's lines; a damaged line is left out.
pub fn json_lines(section: &Section) -> impl Iterator<Item = serde_json::Value> + '_ {
    section.iter().flat_map(|part| part.split(|&byte| byte == b'\n')).filter_map(|line| serde_json::from_slice(line).ok())
}

/// The one JSON value of a section that is always put whole; `null` if it is missing or damaged.
pub fn json(section: Option<&Section>) -> serde_json::Value {
    section.and_then(|parts| parts.last()).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_put() {
        let mut unchanged = Unchanged::default();
        assert!(unchanged.put("a".into(), b"1".to_vec()).is_some());
        assert!(unchanged.put("a".into(), b"1".to_vec()).is_none());
        assert!(unchanged.put("b".into(), b"1".to_vec()).is_some());
        assert!(unchanged.put("a".into(), b"2".to_vec()).is_some());
        unchanged.forget();
        assert!(unchanged.put("a".into(), b"2".to_vec()).is_some());
    }

    #[test]
    fn appends_give_way_to_the_whole_when_they_outweigh_it() {
        let mut log = ChangeLog::new("t".into(), None);
        assert!(matches!(log.write(Vec::new(), || b"whole".to_vec()), Some(Write::Put { .. })), "a new table is written whole");
        assert!(log.write(Vec::new(), || unreachable!()).is_none());
        let change = vec![b'x'; 30 << 10];
        assert!(matches!(log.write(change.clone(), || unreachable!()), Some(Write::Append { .. })));
        assert!(matches!(log.write(change.clone(), || unreachable!()), Some(Write::Append { .. })));
        assert!(matches!(log.write(change.clone(), || b"whole".to_vec()), Some(Write::Put { .. })));
        log.rewrite();
        assert!(matches!(log.write(Vec::new(), || b"whole".to_vec()), Some(Write::Put { .. })), "after a failed commit");
    }
}

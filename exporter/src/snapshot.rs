#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What is saved: named sections, whole or appended to. The engine says what, `store/` writes it and does not know what it means.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use serde::Serialize;
use zstd::bulk::{Compressor, decompress};
use zstd::zstd_safe::get_frame_content_size;

/// One change to the saved state. All changes of a commit are made in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// The section is this from now on.
    Put {
        /// Its name.
        section: String,
        /// Its contents.
        pieces: Pieces,
    },
    /// This comes behind what the section has.
    Append {
        /// Its name.
        section: String,
        /// What is added.
        pieces: Pieces,
    },
    /// The section is gone.
    Delete {
        /// Its name.
        section: String,
    },
}

/// Bytes in pieces of a bounded size, one behind the other; never none. In one piece a large table would be copied whole, in memory and
/// by the database, wherever it passes.
pub type Pieces = Vec<Vec<u8>>;

/// A saved section: the pieces of what was put, then those of what was appended, in order.
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
        Some(Write::Put { section, pieces: vec![bytes] })
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
        let bytes = |parts: &[Vec<u8>]| parts.iter().map(|piece| plain_bytes(piece)).sum();
        let (whole_bytes, appended_bytes) = saved.map_or((0, 0), |saved| {
            // What earlier versions put was one piece, and has no mark. The piece that has it is never packed.
            let last = saved.iter().position(|piece| piece.ends_with(END_OF_WHOLE) && !is_packed(piece)).unwrap_or(0);
            let (whole, appended) = saved.split_at(saved.len().min(last + 1));
            (bytes(whole), bytes(appended))
        });
        Self { section, whole_bytes, appended_bytes, rewrite: saved.is_none() }
    }

    /// The write that saves the `changes` (none if nothing changed) or, when it is time, the `whole` table.
    pub fn write(&mut self, changes: impl FnOnce() -> Lines, whole: impl FnOnce() -> Lines) -> Option<Write> {
        let section = self.section.clone();
        let changes = if self.rewrite { Lines::default() } else { changes() };
        if changes.bytes == 0 && !self.rewrite {
            return None;
        }
        if self.rewrite || self.appended_bytes + changes.bytes > self.whole_bytes.max(SMALLEST_REWRITE_BYTES) {
            drop(changes);
            let mut whole = whole();
            whole.end();
            (self.whole_bytes, self.appended_bytes, self.rewrite) = (whole.bytes, 0, false);
            return Some(Write::Put { section, pieces: whole.into_pieces() });
        }
        self.appended_bytes += changes.bytes;
        Some(Write::Append { section, pieces: changes.into_pieces() })
    }

    /// After a commit that failed: the changes are gone, so the whole must be written.
    pub fn rewrite(&mut self) {
        self.rewrite = true;
    }
}

/// What the last piece of a whole table ends with: an empty line, which says nothing to who reads it.
const END_OF_WHOLE: &[u8] = b"\n\n";
/// A piece that has so many bytes gets no further line.
const PIECE_BYTES: usize = 64 << 10;
/// Room in a piece for the line that fills it.
const ROOM_FOR_LAST: usize = 16 << 10;
/// So many pieces of a table are saved as they are: packing takes twice as long as writing, and is for tables that are full.
const PLAIN_PIECES: usize = 4;
/// The fastest level of zstd: a third of the bytes is left, at 300 MB a second.
const PACKING: i32 = 1;
/// What zstd begins with, and no line of JSON.
const PACKED: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The most that is unpacked of a piece: a full one, and a line that is longer than any.
const MAX_PLAIN_BYTES: usize = 16 << 20;

/// Values as lines of JSON, for [`json_lines`]. Of a large table full pieces are packed at once: all that a flood changes is in memory until
/// it is saved.
#[derive(Default)]
pub struct Lines {
    pieces: Pieces,
    bytes: usize,
    packer: Option<Packer>,
}

impl Lines {
    /// Adds a value. One that is no JSON (a number that is none) is left out.
    pub fn push(&mut self, value: &impl Serialize) {
        let piece = self.room();
        let before = piece.len();
        match serde_json::to_writer(&mut *piece, value) {
            Ok(()) => piece.push(b'\n'),
            Err(_) => piece.truncate(before),
        }
        self.bytes += piece.len() - before;
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// How long all lines are, in bytes, before any are packed.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The lines of `others` come behind these.
    pub fn append(&mut self, others: Self) {
        self.pieces.extend(others.pieces);
        self.bytes += others.bytes;
    }

    /// The lines as they were before they were packed, a piece at a time; no line is in two.
    pub fn texts(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        self.pieces.iter().map(|piece| plain(piece))
    }

    /// Marks the end of a whole table; an empty one is one empty piece.
    fn end(&mut self) {
        match self.pieces.last_mut() {
            Some(piece) => {
                piece.push(b'\n');
                self.bytes += 1;
            }
            None => self.pieces.push(Vec::new()),
        }
    }

    /// The last piece may have taken over a full one's room.
    fn into_pieces(mut self) -> Pieces {
        self.pieces.last_mut().into_iter().for_each(Vec::shrink_to_fit);
        self.pieces
    }

    /// The piece that the next line goes to.
    fn room(&mut self) -> &mut Vec<u8> {
        let count = self.pieces.len();
        let next = match self.pieces.last_mut() {
            None => Some(Vec::new()),
            Some(full) if full.len() < PIECE_BYTES => None,
            Some(_) if count <= PLAIN_PIECES => Some(Vec::with_capacity(PIECE_BYTES + ROOM_FOR_LAST)),
            Some(full) => {
                let packer = self.packer.get_or_insert_default();
                Some(packer.pack(full))
            }
        };
        self.pieces.extend(next);
        let last = self.pieces.len() - 1;
        &mut self.pieces[last]
    }
}

/// Packs pieces one after the other, in the same memory: what is given back between things that stay is of little use.
#[derive(Default)]
struct Packer {
    compressor: Option<Compressor<'static>>,
    out: Vec<u8>,
}

impl Packer {
    /// Packs a piece where it stands, if it can be; gives the room that it took up.
    fn pack(&mut self, piece: &mut Vec<u8>) -> Vec<u8> {
        if self.compressor.is_none() {
            self.compressor = Compressor::new(PACKING).ok();
        }
        // More than zstd ever adds.
        self.out.clear();
        self.out.reserve(piece.len() + piece.len() / 64 + 1024);
        let packed = self.compressor.as_mut().and_then(|compressor| compressor.compress_to_buffer(piece, &mut self.out).ok());
        let Some(packed) = packed.and_then(|length| self.out.get(..length)) else { return Vec::new() };
        let mut room = std::mem::replace(piece, packed.to_vec());
        room.clear();
        room
    }
}

fn is_packed(piece: &[u8]) -> bool {
    piece.starts_with(PACKED)
}

/// How long a piece was before it was packed, as it says itself.
fn plain_bytes(piece: &[u8]) -> usize {
    let packed_of = || get_frame_content_size(piece).ok().flatten().and_then(|bytes| usize::try_from(bytes).ok());
    if is_packed(piece) { packed_of().unwrap_or(0).min(MAX_PLAIN_BYTES) } else { piece.len() }
}

/// A piece as it was before it was packed; of a damaged one nothing.
fn plain(piece: &[u8]) -> Cow<'_, [u8]> {
    if is_packed(piece) { decompress(piece, plain_bytes(piece)).unwrap_or_default().into() } else { piece.into() }
}

impl<T: Serialize> FromIterator<T> for Lines {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut lines = Self::default();
        values.into_iter().for_each(|value| lines.push(&value));
        lines
    }
}

/// The JSON values of a section's lines; a damaged line is left out.
pub fn json_lines(section: &Section) -> impl Iterator<Item = serde_json::Value> + '_ {
    section.iter().flat_map(|piece| {
        let (piece, mut at) = (plain(piece), 0);
        let line = std::iter::from_fn(move || {
            let rest = piece.get(at..).filter(|rest| !rest.is_empty())?;
            let line = rest.split(|&byte| byte == b'\n').next()?;
            at += line.len() + 1;
            Some(serde_json::from_slice(line).ok())
        });
        line.flatten()
    })
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

    fn lines(count: usize) -> Lines {
        (0..count).map(|_| "x".repeat(1021)).collect()
    }

    #[test]
    fn appends_give_way_to_the_whole_when_they_outweigh_it() {
        let mut log = ChangeLog::new("t".into(), None);
        assert!(matches!(log.write(|| unreachable!(), || lines(1)), Some(Write::Put { .. })), "a new table is written whole");
        assert!(log.write(Lines::default, || unreachable!()).is_none());
        assert!(matches!(log.write(|| lines(30), || unreachable!()), Some(Write::Append { .. })));
        assert!(matches!(log.write(|| lines(30), || unreachable!()), Some(Write::Append { .. })));
        assert!(matches!(log.write(|| lines(30), || lines(1)), Some(Write::Put { .. })));
        log.rewrite();
        assert!(matches!(log.write(|| unreachable!(), || lines(1)), Some(Write::Put { .. })), "after a failed commit");
    }

    #[test]
    fn a_large_table_comes_in_pieces_and_is_told_from_what_was_appended() {
        let mut log = ChangeLog::new("t".into(), None);
        let Some(Write::Put { pieces: mut saved, .. }) = log.write(|| unreachable!(), || lines(2_000)) else { panic!() };
        let (last, full) = saved.split_last().unwrap();
        let (small, large) = full.split_at(PLAIN_PIECES);
        assert!(small.iter().all(|piece| !is_packed(piece)) && large.len() > 10, "{}", full.len());
        assert!(large.iter().all(|piece| is_packed(piece) && piece.len() < PIECE_BYTES / 10));
        assert!(full.iter().all(|piece| plain(piece).len() < PIECE_BYTES + 2 * 1024) && last.ends_with(END_OF_WHOLE));
        let Some(Write::Append { pieces, .. }) = log.write(|| lines(900), || unreachable!()) else { panic!() };
        saved.extend(pieces);
        assert_eq!(json_lines(&saved).count(), 2_900);
        let again = ChangeLog::new("t".into(), Some(&saved));
        assert_eq!((again.whole_bytes, again.appended_bytes), (log.whole_bytes, log.appended_bytes));
        // Of damaged pieces no other piece suffers: one that was cut is left out, changed bytes spoil no more than their own.
        let in_piece = plain(&saved[20]).split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count();
        let whole = saved[20].clone();
        for at in 4..whole.len() {
            saved[20] = whole[..at].to_vec();
            assert_eq!(json_lines(&saved).count(), 2_900 - in_piece, "cut at {at}");
            saved[20].clone_from(&whole);
            saved[20][at] ^= 1;
            assert!((2_900 - in_piece..=2_900).contains(&json_lines(&saved).count()), "changed at {at}");
        }
        saved[20] = whole;
        // A mark fits into a full piece.
        let Some(Write::Put { pieces, .. }) = ChangeLog::new("t".into(), None).write(|| unreachable!(), || lines(64)) else { panic!() };
        assert_eq!((pieces.len(), pieces[0].len()), (1, PIECE_BYTES + 1));
        // An empty table is one piece; so is one of an earlier version, which has no mark.
        let Some(Write::Put { pieces, .. }) = ChangeLog::new("t".into(), None).write(|| unreachable!(), Lines::default) else { panic!() };
        assert_eq!(pieces, [b""]);
        let old = vec![b"1\n2\n".to_vec(), b"3\n".to_vec()];
        let old = ChangeLog::new("t".into(), Some(&old));
        assert_eq!((old.whole_bytes, old.appended_bytes), (4, 2));
    }
}

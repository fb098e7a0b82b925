//! What tells one file from another: its first bytes, and the bytes just before the place that it was read to.
//!
//! Open files are compared byte by byte with a [`Print`]; of files seen by an earlier process only the hashes in their bookmark are left.

use crate::batch::FileBookmark;

/// First bytes that are compared: enough that two logs with the same banner differ.
pub(super) const HEAD_BYTES: usize = 4096;
/// Bytes before the bookmark that are compared.
pub(super) const TAIL_BYTES: usize = 256;

/// FNV-1a, 64 bits. Bookmarks outlive the program, so this must stay as it is.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The bytes just before a place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The place moved on behind `bytes`.
    pub(super) fn advance(&mut self, bytes: &[u8]) {
        let kept = TAIL_BYTES.saturating_sub(bytes.len()).min(self.0.len());
        self.0.drain(..self.0.len() - kept);
        self.0.extend_from_slice(bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default());
    }

    /// The place moved on over `count` bytes, all of them zero.
    pub(super) fn advance_over_nuls(&mut self, count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(TAIL_BYTES);
        self.advance(&[0; TAIL_BYTES][..count]);
    }
}

impl From<Vec<u8>> for Tail {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// The first bytes of a log. Zeros before them do not count: they are the trace of a writer that went on at its old place in a
/// truncated file, and all such files would look alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Where they are.
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
}

/// The bytes that an open file is known by.
#[derive(Clone, Debug, Default)]
pub(super) struct Print {
    head: Head,
    head_hash: u64,
    pub(super) tail: Tail,
}

impl Print {
    /// The print of a file whose first bytes are `head` and that was read up to just behind `tail`.
    pub(super) fn new(head: Head, tail: Tail) -> Self {
        Self { head_hash: hash(lasting(&head.bytes)), head, tail }
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Whether nothing is known but that the file was empty.
    pub(super) fn is_blank(&self) -> bool {
        self.head.bytes.is_empty()
    }

    /// Whether a file that has `now` where ours began can still be ours; takes up what it has grown by. `false` if it was rewritten.
    pub(super) fn accepts_head(&mut self, now: &[u8]) -> bool {
        if !now.starts_with(&self.head.bytes) {
            return false;
        }
        if now.len() > self.head.bytes.len() {
            let head = Head { start: self.head.start, bytes: now.to_vec() };
            *self = Self::new(head, std::mem::take(&mut self.tail));
        }
        true
    }

    /// Whether a file that begins with `head` may be a copy, perhaps made when ours was shorter.
    pub(super) fn is_like(&self, head: &Head) -> bool {
        let common = self.head.bytes.len().min(head.bytes.len());
        common > 0 && self.head.bytes.get(..common) == head.bytes.get(..common)
    }

    /// Writes what is known into a bookmark.
    pub(super) fn save(&self, bookmark: &mut FileBookmark) {
        bookmark.head_bytes = lasting(&self.head.bytes).len() as u64;
        bookmark.head_hash = self.head_hash;
        bookmark.tail_bytes = self.tail.bytes().len() as u64;
        bookmark.tail_hash = hash(self.tail.bytes());
    }
}

/// The first bytes that a bookmark covers: up to a power of two, so that a copy which was made when the file was a little shorter
/// is known for one by the next process, too.
fn lasting(head: &[u8]) -> &[u8] {
    let covered = head.len().checked_ilog2().map_or(0, |log| 1 << log);
    head.get(..covered).unwrap_or_default()
}

/// Whether a file that begins with `head` begins as the bookmark's file did.
pub(super) fn begins_like(bookmark: &FileBookmark, head: &Head) -> bool {
    let covered = usize::try_from(bookmark.head_bytes).unwrap_or(usize::MAX);
    head.bytes.get(..covered).is_some_and(|head| hash(head) == bookmark.head_hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head { start: 0, bytes: text.into() }
    }

    #[test]
    fn hash_is_fnv_1a() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn head_grows_and_notices_a_rewrite() {
        let mut print = Print::new(head("ab"), Tail::default());
        assert!(print.accepts_head(b"abc"));
        assert_eq!(print.head(), &head("abc"));
        assert!(!print.accepts_head(b"ab"), "cut off");
        assert!(!print.accepts_head(b"abd"), "rewritten");
    }

    #[test]
    fn tail_is_the_last_bytes_read() {
        let mut tail = Tail::default();
        let mut all = Vec::new();
        for length in [3, 200, 100, 0, 1, 256, 5, 4000] {
            let bytes: Vec<u8> = (0..length).map(|number: u32| number as u8).collect();
            tail.advance(&bytes);
            all.extend(bytes);
            assert_eq!(tail.bytes(), &all[all.len().saturating_sub(TAIL_BYTES)..]);
        }
        tail.advance_over_nuls(1 << 40);
        assert_eq!(tail.bytes(), [0; TAIL_BYTES]);
        tail.advance(b"x");
        tail.advance_over_nuls(2);
        assert!(tail.bytes().ends_with(&[0, b'x', 0, 0]));
        assert_eq!(tail.bytes().len(), TAIL_BYTES);
    }

    #[test]
    fn a_shorter_copy_is_like_its_original_and_an_empty_file_is_not() {
        let print = Print::new(head("one\ntwo\n"), Tail::default());
        assert!(print.is_like(&head("one\n")));
        assert!(print.is_like(&head("one\ntwo\nthree\n")));
        assert!(!print.is_like(&head("")));
        assert!(!print.is_like(&head("two\n")));
    }

    #[test]
    fn bookmark_knows_a_longer_file_but_no_shorter_one() {
        let mut bookmark = crate::sources::memory::tests::bookmark();
        Print::new(head("one\ntwo\n"), b"two\n".to_vec().into()).save(&mut bookmark);
        assert!(begins_like(&bookmark, &head("one\ntwo\nthree\n")));
        assert!(!begins_like(&bookmark, &head("one\n")));
        Print::new(head("one\ntwo"), Tail::default()).save(&mut bookmark);
        assert!(begins_like(&bookmark, &head("one\n")), "half of it is enough");
        assert!(!begins_like(&bookmark, &head("on")));
        Print::default().save(&mut bookmark);
        assert_eq!(bookmark.head_bytes, 0);
        bookmark.head_bytes = u64::MAX;
        assert!(!begins_like(&bookmark, &head("one\n")));
        Print::new(head("one\ntwo"), Tail::default()).save(&mut bookmark);
        assert!(begins_like(&bookmark, &head("one\n")), "half of it is enough");
        assert!(!begins_like(&bookmark, &head("on")));
        Print::default().save(&mut bookmark);
        assert_eq!(bookmark.head_bytes, 0);
    }
}

//! Remembers answers by the text they were for. Fixed in size; the hash is seeded so that nobody can aim at a slot, and the whole text
//! is compared, so that a collision costs time and never lies.

use std::hash::{BuildHasher, Hasher};

/// Longer texts are not remembered, in bytes.
const MAX_BYTES: usize = 256;

/// Direct-mapped: one text to a slot.
pub(super) struct Cache<T> {
    slots: Vec<Slot<T>>,
    hasher: foldhash::fast::RandomState,
}

#[derive(Clone, Default)]
struct Slot<T> {
    /// Compared first: another text is told without looking at it.
    hash: u64,
    text: Box<[u8]>,
    answer: T,
}

impl<T: Copy + Default> Cache<T> {
    /// `size` slots, rounded up to a power of two.
    pub(super) fn new(size: usize) -> Self {
        Self { slots: vec![Slot::default(); size.next_power_of_two()], hasher: foldhash::fast::RandomState::default() }
    }

    /// The answer for `text`; `ask` is called if it is not remembered.
    #[inline]
    pub(super) fn get(&mut self, text: &[u8], ask: impl FnOnce() -> T) -> T {
        if text.is_empty() || text.len() > MAX_BYTES {
            return ask();
        }
        let mut hasher = self.hasher.build_hasher();
        hasher.write(text);
        let hash = hasher.finish();
        let at = usize::try_from(hash).unwrap_or_default() & (self.slots.len() - 1);
        let Some(slot) = self.slots.get_mut(at) else { return ask() };
        if slot.hash != hash || *slot.text != *text {
            *slot = Slot { hash, text: text.into(), answer: ask() };
        }
        slot.answer
    }
}

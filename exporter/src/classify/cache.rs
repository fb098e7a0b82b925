//! Remembers answers by the text they were for. Fixed in size; the hash is seeded so that nobody can aim at a slot, and the whole text
//! is compared, so that a collision costs time and never lies.

use std::hash::BuildHasher;

/// Longer texts are not remembered, in bytes.
const MAX_BYTES: usize = 256;

/// Direct-mapped: one text to a slot.
pub(super) struct Cache<T> {
    slots: Vec<(Vec<u8>, T)>,
    hasher: foldhash::quality::RandomState,
}

impl<T: Copy + Default> Cache<T> {
    /// `size` slots, rounded up to a power of two.
    pub(super) fn new(size: usize) -> Self {
        let slots = (0..size.next_power_of_two()).map(|_| (Vec::new(), T::default())).collect();
        Self { slots, hasher: foldhash::quality::RandomState::default() }
    }

    /// The answer for `text`; `ask` is called if it is not remembered, or if `fits` says that the remembered one is not enough.
    pub(super) fn get(&mut self, text: &[u8], fits: impl Fn(&T) -> bool, ask: impl FnOnce() -> T) -> T {
        if text.is_empty() || text.len() > MAX_BYTES {
            return ask();
        }
        let slot = usize::try_from(self.hasher.hash_one(text)).unwrap_or_default() & (self.slots.len() - 1);
        let Some((known, answer)) = self.slots.get_mut(slot) else { return ask() };
        if known != text || !fits(answer) {
            *answer = ask();
            known.clear();
            known.extend_from_slice(text);
        }
        *answer
    }
}

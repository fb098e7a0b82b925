//! Remembers answers by the text they were for. Fixed in size; the hash is seeded so that nobody can aim at a slot, and the whole text
//! is compared, so that a collision costs time and never lies.

use std::hash::{BuildHasher, Hasher};

/// Slots that a text may stand in: two texts that come again and again do not push each other out.
const WAYS: usize = 2;

/// Sets at first: small sites need no more.
const FIRST_SETS: usize = 32;
/// Texts that give way to others, for each set, before there are more sets.
const GROWS_AFTER: usize = 8;

/// Texts remembered as asked for once, for each slot.
const ONCE: usize = 4;

/// Answers for texts of at most `BYTES` each. Texts lie within the slots, so that one that comes once costs no memory.
pub(super) struct Cache<T, const BYTES: usize> {
    sets: Vec<[Slot<T, BYTES>; WAYS]>,
    max_sets: usize,
    /// Texts that gave way to others since there are this many sets.
    replaced: usize,
    /// What was asked for once, by a part of its hash: only what comes again is worth a slot.
    once: Vec<u32>,
    hasher: foldhash::fast::RandomState,
}

/// Begins on a cache line, so that most answers touch one line or two.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Slot<T, const BYTES: usize> {
    /// Compared first: another text is told without looking at it.
    hash: u64,
    answer: T,
    length: u16,
    variant: u8,
    /// Used since its neighbour was.
    is_used: bool,
    text: [u8; BYTES],
}

impl<T: Copy + Default, const BYTES: usize> Cache<T, BYTES> {
    /// For `size` texts at most, rounded up to a power of two.
    pub(super) fn new(size: usize) -> Self {
        let max_sets = (size / WAYS).next_power_of_two();
        let hasher = foldhash::fast::RandomState::default();
        Self { sets: Self::empty(max_sets.min(FIRST_SETS)), max_sets, replaced: 0, once: vec![0; max_sets * WAYS * ONCE], hasher }
    }

    fn empty(sets: usize) -> Vec<[Slot<T, BYTES>; WAYS]> {
        let empty = Slot { hash: 0, answer: T::default(), length: 0, variant: 0, is_used: false, text: [0; BYTES] };
        vec![[empty; WAYS]; sets]
    }

    /// The answer for `text`; `ask` is called if it is not remembered. One text may have answers of several variants.
    #[inline]
    pub(super) fn get(&mut self, text: &[u8], variant: u8, ask: impl FnOnce() -> T) -> T {
        if text.is_empty() || text.len() > BYTES {
            return ask();
        }
        let mut hasher = self.hasher.build_hasher();
        hasher.write(text);
        hasher.write_u8(variant);
        let hash = hasher.finish();
        let at = usize::try_from(hash).unwrap_or_default() & (self.sets.len() - 1);
        let Some([one, other]) = self.sets.get_mut(at) else { return ask() };
        if one.is_for(hash, variant, text) {
            (one.is_used, other.is_used) = (true, false);
            return one.answer;
        }
        if other.is_for(hash, variant, text) {
            (one.is_used, other.is_used) = (false, true);
            return other.answer;
        }
        let place = (hash >> 32) as usize & (self.once.len() - 1);
        if let Some(once) = self.once.get_mut(place)
            && std::mem::replace(once, hash as u32) != hash as u32
        {
            return ask();
        }
        self.replaced += 1;
        let (old, kept) = if one.is_used { (other, one) } else { (one, other) };
        (old.is_used, kept.is_used) = (true, false);
        (old.hash, old.length, old.variant, old.answer) = (hash, text.len() as u16, variant, ask());
        old.text[..text.len()].copy_from_slice(text);
        let answer = old.answer;
        if self.replaced > GROWS_AFTER * self.sets.len() && self.sets.len() < self.max_sets {
            // All is asked anew, which is as quick as to move it.
            self.sets = Self::empty(2 * self.sets.len());
            self.replaced = 0;
        }
        answer
    }
}

impl<T, const BYTES: usize> Slot<T, BYTES> {
    #[inline]
    fn is_for(&self, hash: u64, variant: u8, text: &[u8]) -> bool {
        self.hash == hash && self.variant == variant && self.text.get(..usize::from(self.length)) == Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;

    #[test]
    fn each_text_has_its_own_answer_and_is_asked_for_once_while_it_stays() {
        let answer = |text: &str| text.len() * 1_000 + text.bytes().map(usize::from).sum::<usize>();
        let mut cache = Cache::<usize, 8>::new(64);
        let mut asked = 0;
        let mut get = |text: &str, variant| {
            cache.get(text.as_bytes(), variant, || {
                asked += 1;
                answer(text) + usize::from(variant)
            })
        };
        for n in 0..2_000 {
            let (text, variant) = (format!("/{}", n * 7_919 % 500), (n % 2) as u8);
            assert_eq!(get(&text, variant), answer(&text) + usize::from(variant));
        }
        (0..10).for_each(|_| assert_eq!(get("/same", 0), answer("/same")));
        for text in ["", "too long a text"] {
            assert_eq!((get(text, 0), get(text, 1)), (answer(text), answer(text) + 1));
        }
        assert!((1_500..2_007).contains(&asked), "{asked}");
    }

    #[test]
    fn two_texts_of_one_set_stay_when_they_take_turns() {
        let mut cache = Cache::<u8, 8>::new(2);
        let mut asked = 0;
        for text in ["/a", "/a", "/b", "/b"].into_iter().chain(["/a", "/b"].into_iter().cycle().take(20)) {
            cache.get(text.as_bytes(), 0, || {
                asked += 1;
                1
            });
        }
        assert_eq!(asked, 4, "each once, and once more to stay");
    }
}

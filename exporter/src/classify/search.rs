//! Looks for many words at once in texts that nearly always hold none: one pass over every second byte and a table of 16 KiB says no for
//! certain, and only where the table knows three bytes is a word compared. After Karp and Rabin (1987) and Wu and Manber (1994).

use std::collections::HashMap;

/// Bits of the table, as a power of two: 1,000 words fill 1.5 % of it.
const BITS: u32 = 17;
/// The shortest word.
const SHORTEST: usize = 3;
/// So many words may be known by one gram before another one is looked for: each costs a comparison where the gram stands.
const USUAL_CROWD: usize = 3;
/// Upper and lower case are one in the table; so are some marks, which only makes the answer "perhaps".
const FOLD: u32 = 0x20_2020;

/// Three bytes, folded, the first in the lowest bits.
type Gram = u32;

/// Words in lower case, found in any case.
pub(super) struct Search {
    table: Box<[u64; 1 << (BITS - 6)]>,
    /// What the bits stand for, sorted: two grams may share a bit.
    known: Vec<Known>,
    words: Vec<&'static [u8]>,
}

/// A gram of a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    gram: Gram,
    word: u16,
    /// Its place in the word, and one: 0 begins with the byte before the word.
    at: u8,
}

impl Search {
    /// Of each word (three bytes at least) the rarest four bytes are remembered that do not stand in `usual`, which is what harmless
    /// texts are full of, and that few others are known by: as two grams, since one of them begins at an even place.
    pub(super) fn new(words: impl Iterator<Item = &'static [u8]>, usual: &[u8]) -> Self {
        let empty = || Self { table: Box::new([0; 1 << (BITS - 6)]), known: Vec::new(), words: Vec::new() };
        let (mut search, mut harmless) = (empty(), empty());
        usual.windows(SHORTEST).for_each(|three| harmless.mark(gram_of(three)));
        let mut sharing: HashMap<Gram, usize> = HashMap::new();
        for word in words {
            let (Ok(index), SHORTEST..255) = (u16::try_from(search.words.len()), word.len()) else {
                unreachable!("a table of this crate: {}", word.escape_ascii())
            };
            let cost = |at: &usize| {
                let two = [*at, at + 1].map(|at| gram_of(word.get(at - 1..).unwrap_or_default()));
                let usual = two.iter().filter(|gram| harmless.has(**gram)).count();
                let crowd = two.iter().filter_map(|gram| sharing.get(gram)).max().map_or(0, |known| known / USUAL_CROWD);
                (usual, crowd, word.get(at - 1..at + SHORTEST).map(commonness))
            };
            let best = (1..word.len() - 2).min_by_key(cost);
            search.words.push(word);
            match (best, word) {
                (Some(at), [_, _, _, _, ..]) => [at, at + 1].into_iter().for_each(|at| {
                    let gram = gram_of(&word[at - 1..]);
                    *sharing.entry(gram).or_default() += 1;
                    search.add(index, at, gram);
                }),
                // Three bytes fill no two grams: any byte may stand before them.
                (_, [a, b, _]) => {
                    search.add(index, 1, gram_of(word));
                    (0..=u8::MAX).for_each(|any| search.add(index, 0, gram_of(&[any, *a, *b])));
                }
                _ => {}
            }
        }
        search.known.sort_unstable();
        search.known.dedup();
        search
    }

    /// Whether a word stands in `text`.
    #[inline]
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.find(text, |_| true)
    }

    /// Gives the number of each word that stands in `text`, perhaps more than once, until `is_enough`; whether it was.
    #[inline]
    pub(super) fn find(&self, text: &[u8], is_enough: impl FnMut(usize) -> bool) -> bool {
        // Without a branch for each gram: nearly always all of them must be looked at.
        let may_hold = grams(text).fold(self.has(last(text)), |found, gram| found | self.has(gram));
        may_hold && self.compare(text, is_enough)
    }

    fn compare(&self, text: &[u8], mut is_enough: impl FnMut(usize) -> bool) -> bool {
        let places = grams(text).enumerate().map(|(index, gram)| (2 * index, gram));
        for (place, gram) in places.chain([(text.len().saturating_sub(SHORTEST), last(text))]).filter(|(_, gram)| self.has(*gram)) {
            let first = self.known.partition_point(|known| known.gram < gram);
            for known in self.known[first..].iter().take_while(|known| known.gram == gram) {
                let Some(word) = self.words.get(usize::from(known.word)) else { continue };
                let standing = (place + 1).checked_sub(usize::from(known.at)).and_then(|start| text.get(start..)?.get(..word.len()));
                if standing.is_some_and(|standing| standing.eq_ignore_ascii_case(word)) && is_enough(usize::from(known.word)) {
                    return true;
                }
            }
        }
        false
    }

    fn add(&mut self, word: u16, at: usize, gram: Gram) {
        self.mark(gram);
        self.known.push(Known { gram, word, at: at as u8 });
    }

    fn mark(&mut self, gram: Gram) {
        let at = slot(gram);
        if let Some(word) = self.table.get_mut(at >> 6) {
            *word |= 1 << (at & 63);
        }
    }

    #[inline]
    fn has(&self, gram: Gram) -> bool {
        let at = slot(gram);
        self.table[at >> 6] >> (at & 63) & 1 == 1
    }
}

/// The grams of a text that begin at even places; perhaps not its last three bytes.
#[inline]
fn grams(text: &[u8]) -> impl Iterator<Item = Gram> {
    let (pairs, _) = text.as_chunks::<2>();
    let fours = pairs.windows(2).filter_map(|two| two.as_flattened().first_chunk());
    fours.map(|four| u32::from_le_bytes(*four) & 0xFF_FFFF | FOLD)
}

/// Of the last three bytes.
#[inline]
fn last(text: &[u8]) -> Gram {
    text.last_chunk().map_or(FOLD, |three: &[u8; SHORTEST]| gram_of(three))
}

/// Of the first three bytes.
#[inline]
fn gram_of(text: &[u8]) -> Gram {
    if let [a, b, c, ..] = text { u32::from_le_bytes([*a, *b, *c, 0]) | FOLD } else { FOLD }
}

/// Fibonacci hashing: the high bits of a product depend on all bytes.
#[inline]
fn slot(gram: Gram) -> usize {
    (gram.wrapping_mul(0x9E37_79B1) >> (32 - BITS)) as usize
}

/// The higher, the more texts hold it: letters by their frequency in English, marks as in addresses.
fn commonness(text: &[u8]) -> usize {
    const BY_FREQUENCY: &[u8] = b"-etaoinsrhldcu0123456789mf/.pgwybv_kxjqz";
    let rank = |byte: &u8| BY_FREQUENCY.iter().position(|known| *known == byte.to_ascii_lowercase()).unwrap_or(BY_FREQUENCY.len());
    text.iter().map(|byte| BY_FREQUENCY.len() - rank(byte)).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    impl Search {
        /// All words that stand in `text`, found by looking for each everywhere.
        pub(in crate::classify) fn find_carefully(&self, text: &[u8]) -> BTreeSet<usize> {
            let lower = text.to_ascii_lowercase();
            let stands = |word: &[u8]| lower.windows(word.len()).any(|window| window == word.to_ascii_lowercase());
            (0..self.words.len()).filter(|index| stands(self.words[*index])).collect()
        }

        pub(in crate::classify) fn find_all(&self, text: &[u8]) -> BTreeSet<usize> {
            let mut found = BTreeSet::new();
            self.find(text, |word| {
                found.insert(word);
                false
            });
            found
        }

        pub(in crate::classify) fn words(&self) -> &[&'static [u8]] {
            &self.words
        }
    }

    const WORDS: [&[u8]; 8] = [b"/.env", b"pg_", b"union", b".db", b"/wp-config", b"\xFF\x00\xFFa", b"/a/b", b"wp-config.php"];

    #[test]
    fn what_holds_no_word_is_denied() {
        let search = Search::new(WORDS.into_iter(), b"/wp-content");
        for text in ["", "/", "/a", "pg", "/index.html", "/wp-content/uploads/1.webp", "/uni", "/p", "/en/v", "pg\x7f", "wp-confi"] {
            assert!(!search.is_match(text.as_bytes()), "{text}");
        }
    }

    proptest! {
        /// A failure prints the case; proptest keeps its seed.
        #[test]
        fn found_is_what_a_plain_search_finds(
            words in prop::collection::vec(prop::collection::vec(prop::sample::select(b"abA/@`\0\xDF\xFF".to_vec()), 3..8), 1..6),
            text in prop::collection::vec(prop::sample::select(b"abAB/@`\0\xDF\xFF".to_vec()), 0..40),
        ) {
            let words = words.into_iter().map(|word| &*word.leak());
            let search = Search::new(words, b"ab/a");
            prop_assert_eq!(search.find_all(&text), search.find_carefully(&text));
            prop_assert_eq!(search.is_match(&text), !search.find_carefully(&text).is_empty());
        }
    }
}

//! Looks for many words at once in texts that nearly always hold none: one pass over every second byte and a table of 16 KiB says no for
//! certain, and only where the table knows three bytes is a word compared. After Karp and Rabin (1987) and Wu and Manber (1994).

/// Bits of the table, as a power of two: 1,000 words fill 1.5 % of it.
const BITS: u32 = 17;
/// The shortest word.
const SHORTEST: usize = 3;
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
    /// Where in the word it stands, and one: 0 is the byte before the word.
    at: u8,
}

impl Search {
    /// Of each word (three bytes at least) the rarest four bytes are remembered that do not stand in `usual`, which is what harmless
    /// texts are full of: as two grams, since one of them begins at an even place.
    pub(super) fn new(words: impl Iterator<Item = &'static [u8]>, usual: &[u8]) -> Self {
        let empty = || Self { table: Box::new([0; 1 << (BITS - 6)]), known: Vec::new(), words: Vec::new() };
        let (mut search, mut harmless) = (empty(), empty());
        usual.windows(SHORTEST).for_each(|three| harmless.mark(gram_of(three)));
        for word in words {
            debug_assert!((SHORTEST..255).contains(&word.len()), "{}", word.escape_ascii());
            let cost = |at: &usize| {
                let two = [*at, at + 1].map(|at| word.get(at - 1..).unwrap_or_default());
                let usual = two.iter().filter(|rest| harmless.has(gram_of(rest))).count();
                (usual, word.get(at - 1..at + SHORTEST).map(commonness))
            };
            let (index, best) = (search.words.len() as u16, (1..word.len() - 2).min_by_key(cost));
            search.words.push(word);
            match (best, word) {
                (Some(at), [_, _, _, _, ..]) => [at, at + 1].into_iter().for_each(|at| search.add(index, at, gram_of(&word[at - 1..]))),
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
        let mut is_match = false;
        self.each(text, |_| is_match = true);
        is_match
    }

    /// Gives the number of each word that stands in `text`, perhaps more than once.
    #[inline]
    pub(super) fn each(&self, text: &[u8], found: impl FnMut(usize)) {
        // Without a branch for each gram: nearly always all of them must be looked at.
        if grams(text).fold(self.has(last(text)), |found, gram| found | self.has(gram)) {
            self.compare(text, found);
        }
    }

    #[cold]
    fn compare(&self, text: &[u8], mut found: impl FnMut(usize)) {
        let places = grams(text).enumerate().map(|(index, gram)| (2 * index, gram));
        for (place, gram) in places.chain([(text.len().saturating_sub(SHORTEST), last(text))]).filter(|(_, gram)| self.has(*gram)) {
            let first = self.known.partition_point(|known| known.gram < gram);
            for known in self.known[first..].iter().take_while(|known| known.gram == gram) {
                let Some(word) = self.words.get(usize::from(known.word)) else { continue };
                let standing = (place + 1).checked_sub(usize::from(known.at)).and_then(|start| text.get(start..)?.get(..word.len()));
                if standing.is_some_and(|standing| standing.eq_ignore_ascii_case(word)) {
                    found(usize::from(known.word));
                }
            }
        }
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
    use super::Search;

    const WORDS: [&[u8]; 8] = [b"/.env", b"pg_", b"union", b".db", b"/wp-config", b"\xFF\x00\xFFa", b"/a/b", b"wp-config.php"];

    #[test]
    fn a_word_is_found_wherever_it_stands_and_nothing_else() {
        let search = Search::new(WORDS.into_iter(), b"/wp-content");
        let found = |text: &[u8]| {
            let mut found = std::collections::BTreeSet::new();
            search.each(text, |word| {
                found.insert(word);
            });
            found
        };
        let around: Vec<Vec<u8>> = ["", "/", "x", "_p", "/blog", "/index.htm", "/wp-content"].map(|text| text.as_bytes().to_vec()).into();
        for before in &around {
            for word in WORDS {
                for after in &around {
                    for text in [[before, word, after].concat(), [before, &word.to_ascii_uppercase()[..], after].concat()] {
                        let lower = text.to_ascii_lowercase();
                        let there = |word: &&[u8]| lower.windows(word.len()).any(|window| window == *word);
                        let expected = (0..WORDS.len()).filter(|index| there(&WORDS[*index])).collect();
                        assert_eq!(found(&text), expected, "{}", text.escape_ascii());
                        assert!(search.is_match(&text));
                    }
                }
            }
        }
        for text in ["", "/", "/a", "pg", "/index.html", "/wp-content/uploads/1.webp", "/uni", "/p", "/en/v", "pg\x7f", "wp-confi"] {
            assert!(!search.is_match(text.as_bytes()), "{text}");
        }
    }
}

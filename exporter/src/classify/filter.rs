//! A quick look before the careful one: whether a text may hold one of many needles. It answers no for certain or perhaps, in one pass
//! over a table of 16 KiB, so that nearly all requests never meet an automaton.

/// Bytes that are looked at together.
const GRAM: usize = 4;
/// Bits of the table, as a power of two: 1,500 needles fill 1 % of it.
const BITS: u32 = 17;
/// Upper and lower case are one; so are some marks, which only makes the answer "perhaps".
const FOLD: u8 = 0x20;
/// Stands behind the end of a text.
const END: u8 = 0;

/// A set of four bytes out of each needle.
pub(super) struct Filter {
    table: Box<[u64; 1 << (BITS - 6)]>,
    /// What the bits stand for, sorted: of every five texts one meets a bit by chance.
    grams: Vec<[u8; GRAM]>,
    /// A needle was too short to say no to anything.
    always: bool,
}

impl Filter {
    /// Of each needle (three bytes at least; shorter ones are always "perhaps") the four rarest bytes are remembered that do not stand in
    /// `usual`, which is what harmless texts are full of.
    pub(super) fn new<'a>(needles: impl Iterator<Item = &'a [u8]>, usual: &[u8]) -> Self {
        let empty = || Self { table: Box::new([0; 1 << (BITS - 6)]), grams: Vec::new(), always: false };
        let (mut filter, mut harmless) = (empty(), empty());
        grams(usual).for_each(|gram| harmless.add(gram));
        for needle in needles {
            match needle {
                [a, b, c] => (0..=u8::MAX).for_each(|any| filter.add([*a, *b, *c, any])),
                _ if needle.len() < GRAM => filter.always = true,
                _ => {
                    let best = grams(needle).min_by_key(|gram| (harmless.has(*gram) & 1, commonness(*gram)));
                    best.into_iter().for_each(|gram| filter.add(gram));
                }
            }
        }
        filter.grams.sort_unstable();
        filter
    }

    /// Whether `text` may hold a needle; if not, it certainly holds none.
    #[inline]
    pub(super) fn may_match(&self, text: &[u8]) -> bool {
        // A needle of three bytes may stand at the very end.
        let end = if let [.., a, b, c] = text { [*a, *b, *c, END] } else { [END; GRAM] };
        // Without a branch for each byte: nearly always all of them must be looked at.
        let found = grams(text).fold(self.has(end), |found, gram| found | self.has(gram)) & 1 == 1;
        self.always
            || found && grams(text).chain([end]).any(|gram| self.has(gram) & 1 == 1 && self.grams.binary_search(&folded(gram)).is_ok())
    }

    fn add(&mut self, gram: [u8; GRAM]) {
        let at = slot(gram);
        if let Some(word) = self.table.get_mut(at >> 6) {
            *word |= 1 << (at & 63);
        }
        self.grams.push(folded(gram));
    }

    /// In the lowest bit.
    #[inline]
    fn has(&self, gram: [u8; GRAM]) -> u64 {
        let at = slot(gram);
        self.table[at >> 6] >> (at & 63)
    }
}

fn grams(text: &[u8]) -> impl Iterator<Item = [u8; GRAM]> {
    text.windows(GRAM).filter_map(|window| window.try_into().ok())
}

#[inline]
fn folded(gram: [u8; GRAM]) -> [u8; GRAM] {
    gram.map(|byte| byte | FOLD)
}

/// Fibonacci hashing: the high bits of a product depend on all bytes.
#[inline]
fn slot(gram: [u8; GRAM]) -> usize {
    (u32::from_le_bytes(folded(gram)).wrapping_mul(0x9E37_79B1) >> (32 - BITS)) as usize
}

/// The higher, the more texts hold it: letters by their frequency in English, marks as in addresses.
fn commonness(gram: [u8; GRAM]) -> usize {
    const BY_FREQUENCY: &[u8] = b"-etaoinsrhldcu0123456789mf/.pgwybv_kxjqz";
    let rank = |byte: u8| BY_FREQUENCY.iter().position(|&known| known == byte.to_ascii_lowercase()).unwrap_or(BY_FREQUENCY.len());
    gram.into_iter().map(|byte| BY_FREQUENCY.len() - rank(byte)).sum()
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn what_holds_a_needle_is_never_denied() {
        let needles: [&[u8]; 6] = [b"/.env", b"pg_", b"UNION", b".db", b"/wp-config", b"\xFF\x00\xFFa"];
        let filter = Filter::new(needles.into_iter(), b"/wp-content");
        for needle in needles {
            for (before, after) in [("", ""), ("/a", ""), ("", "x"), ("/blog/", "/index.html")] {
                let text = [before.as_bytes(), &needle.to_ascii_lowercase(), after.as_bytes()].concat();
                assert!(filter.may_match(&text) && filter.may_match(&text.to_ascii_uppercase()), "{}", String::from_utf8_lossy(&text));
            }
        }
        for text in ["", "/", "/a", "/index.html", "/wp-content/uploads/1.webp", "/uni", "/p", "/en/v"] {
            assert!(!filter.may_match(text.as_bytes()), "{text}");
        }
        assert!(Filter::new([&b".."[..]].into_iter(), b"").may_match(b"abcd"));
    }
}

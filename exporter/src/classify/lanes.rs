//! Texts, sixteen bytes at a time: whether all bytes pass a test, whether any does, whether one of a few short needles stands there. How
//! long a text is cannot be foreseen: a loop over its last few bytes would be mispredicted and cost more than the rest of it.

use wide::u8x16;

const LANES: usize = 16;

/// Whether each byte of `text` passes. `test` gives 0xFF for those that do.
#[inline(always)]
pub(super) fn all(text: &[u8], test: impl Fn(u8x16) -> u8x16) -> bool {
    let passed = |piece: &[u8; LANES]| test(u8x16::new(*piece));
    match text.last_chunk() {
        // The last piece overlaps the one before.
        Some(last) => text.as_chunks().0.iter().fold(passed(last), |all, piece| all & passed(piece)).all(),
        None => {
            let beyond = u32::MAX << text.len();
            test(short(text)).to_bitmask() | beyond == u32::MAX
        }
    }
}

/// Whether any byte of `text` passes.
#[inline(always)]
pub(super) fn any(text: &[u8], test: impl Fn(u8x16) -> u8x16) -> bool {
    !all(text, |bytes| !test(bytes))
}

/// Whether one of the needles stands in `text`.
#[inline]
pub(super) fn holds_any<const N: usize>(text: &[u8], needles: [[u8; 3]; N]) -> bool {
    let at = |bytes: [&[u8; LANES]; 3]| {
        let bytes = bytes.map(|bytes| u8x16::new(*bytes));
        let found = needles.map(|needle| {
            let [a, b, c] = [0, 1, 2].map(|place| bytes[place].simd_eq(u8x16::splat(needle[place])));
            a & b & c
        });
        found.into_iter().fold(u8x16::ZERO, |any, found| any | found)
    };
    // What stands at each place of a needle, wherever it begins.
    let Some(count) = text.len().checked_sub(2) else { return false };
    let [first, second, third] = [0, 1, 2].map(|place| text.get(place..place + count).unwrap_or_default());
    let [Some(a), Some(b), Some(c)] = [first, second, third].map(<[u8]>::last_chunk) else {
        return text.windows(3).any(|window| needles.iter().any(|needle| window == needle));
    };
    let [first, second, third] = [first, second, third].map(|bytes| bytes.as_chunks().0);
    let pieces = first.iter().zip(second).zip(third);
    // The last piece overlaps the one before.
    pieces.fold(at([a, b, c]), |any, ((a, b), c)| any | at([a, b, c])).any()
}

/// 0xFF where a byte is in the range.
#[inline(always)]
pub(super) fn is_between(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    let above = bytes - u8x16::splat(first);
    above.min(u8x16::splat(last - first)).simd_eq(above)
}

/// 0xFF where a byte is one of these.
#[inline(always)]
pub(super) fn is_one_of<const N: usize>(bytes: u8x16, these: [u8; N]) -> u8x16 {
    these.into_iter().fold(u8x16::ZERO, |any, byte| any | bytes.simd_eq(u8x16::splat(byte)))
}

/// A text of fewer than sixteen bytes, with zeros behind it.
#[inline]
fn short(text: &[u8]) -> u8x16 {
    fn ends<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
        Some((text.first_chunk()?, text.last_chunk()?))
    }
    let behind = |count: usize| 8 * (text.len() - count);
    let bytes = if let Some((head, tail)) = ends(text) {
        u128::from(u64::from_le_bytes(*head)) | u128::from(u64::from_le_bytes(*tail)) << behind(8)
    } else if let Some((head, tail)) = ends(text) {
        u128::from(u32::from_le_bytes(*head)) | u128::from(u32::from_le_bytes(*tail)) << behind(4)
    } else if let Some((head, tail)) = ends(text) {
        u128::from(u16::from_le_bytes(*head)) | u128::from(u16::from_le_bytes(*tail)) << behind(2)
    } else {
        text.first().map_or(0, |byte| u128::from(*byte))
    };
    u8x16::new(bytes.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of all lengths up to a few pieces, with one odd byte at each place.
    fn texts() -> impl Iterator<Item = (Vec<u8>, Option<usize>)> {
        (0..70).flat_map(|length| {
            let plain = (vec![b'a'; length], None);
            let odd = (0..length).map(move |place| {
                let mut text = vec![b'a'; length];
                text[place] = b'%';
                (text, Some(place))
            });
            odd.chain([plain])
        })
    }

    #[test]
    fn an_odd_byte_is_seen_wherever_it_stands() {
        for (text, odd) in texts() {
            assert_eq!(all(&text, |bytes| is_between(bytes, b'a', b'z')), odd.is_none(), "{} {odd:?}", text.len());
            assert_eq!(any(&text, |bytes| is_one_of(bytes, [b'!', b'%'])), odd.is_some(), "{} {odd:?}", text.len());
            assert!(!any(&text, |bytes| is_one_of(bytes, [0])), "{}: nothing is made up behind the end", text.len());
        }
    }

    #[test]
    fn needles_are_found_whole_or_not_at_all() {
        for (mut text, odd) in texts() {
            let needles = || holds_any(&text, [*b"a%b", *b"%aa"]);
            assert_eq!(needles(), odd.is_some_and(|place| place + 2 < text.len()), "{} {odd:?}", text.len());
            if let Some(next) = odd.and_then(|place| text.get_mut(place + 1)) {
                *next = b'b';
                let place = odd.unwrap_or(0);
                assert_eq!(holds_any(&text, [*b"a%b", *b"%aa"]), place > 0, "{} {odd:?}", text.len());
            }
        }
    }

    #[test]
    fn ranges_are_closed() {
        for byte in 0..=u8::MAX {
            let lanes = u8x16::splat(byte);
            assert_eq!(is_between(lanes, b',', b'9').all(), (b','..=b'9').contains(&byte), "{byte}");
            assert_eq!(is_one_of(lanes, [b'&', 0xFF]).all(), matches!(byte, b'&' | 0xFF), "{byte}");
        }
    }
}

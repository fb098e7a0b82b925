//! Decimal numbers in logs: digits, and fractions without floating point.

/// A run of digits. Nothing if `text` is empty, holds anything else, or is longer than the nineteen digits that always fit.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > MAX_DIGITS {
        return None;
    }
    text.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

/// The run of digits that the last `length` bytes of `text` are. Up to eight are read all at once: how many there are cannot be foreseen.
#[inline]
pub(super) fn unsigned_at_end(text: &[u8], length: usize) -> Option<u64> {
    match (text.last_chunk(), length) {
        (Some(last), 1..=8) => upper(u64::from_le_bytes(*last), length),
        _ => unsigned(text.get(text.len().checked_sub(length)?..)?),
    }
}

/// The number that the upper `length` bytes of `digits` are, the first digit being the lowest of them.
#[inline]
fn upper(digits: u64, length: usize) -> Option<u64> {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let missing = 8 * (8 - length);
    let digits = ((digits ^ all(b'0')) >> missing) << missing;
    if (digits.wrapping_add(all(0x76)) | digits) & all(0x80) != 0 {
        return None;
    }
    // Neighbours are put together: digits to pairs, pairs to fours, fours to the number.
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    Some((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xFFFF_FFFF)
}

/// `0.377` or `12` in units of 10^-`places` (at most nine): with six places, seconds become microseconds. Further digits are cut off.
pub(super) fn fixed(text: &[u8], places: usize) -> Option<u64> {
    let unit = POWERS_OF_TEN.get(places)?;
    // As nginx writes seconds, of which there are few.
    if let ([whole @ b'0'..=b'9', b'.', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'], 3..) = (text, places) {
        let thousandths = [whole, a, b, c].into_iter().fold(0, |number, digit| 10 * number + u64::from(digit - b'0'));
        return Some(thousandths * (unit / 1_000));
    }
    let Some(point) = text.iter().position(|&byte| byte == b'.') else { return unsigned(text)?.checked_mul(*unit) };
    let (whole, fraction) = (&text[..point], &text[point + 1..]);
    let (kept, cut_off) = fraction.split_at_checked(places).unwrap_or((fraction, b""));
    if fraction.is_empty() || !cut_off.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let fraction = if kept.is_empty() { 0 } else { unsigned(kept)? * POWERS_OF_TEN.get(places - kept.len())? };
    unsigned(whole)?.checked_mul(*unit)?.checked_add(fraction)
}

/// Digits that always fit.
const MAX_DIGITS: usize = 19;

const POWERS_OF_TEN: [u64; 10] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_numbers_and_nothing_else_is() {
        for (text, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("9999999999999999999", Some(9_999_999_999_999_999_999)),
            ("10000000000000000000", None),
            ("", None),
            ("-1", None),
            ("1 ", None),
            ("12345678", Some(12_345_678)),
            ("90817263", Some(90_817_263)),
            ("9:", None),
            ("/9", None),
            ("1234x", None),
            ("\u{b9}23", None),
            ("١", None),
        ] {
            assert_eq!(unsigned(text.as_bytes()), expected, "{text}");
            for before in ["", "x", "9 ", "200 1234 "] {
                let line = format!("{before}{text}");
                assert_eq!(unsigned_at_end(line.as_bytes(), text.len()), expected, "{line}");
            }
        }
        assert_eq!(unsigned_at_end(b"12", 3), None);
        for number in (0..12_000).chain((0..64).map(|bits| u64::MAX >> bits)).filter(|number| number.to_string().len() < 20) {
            let text = number.to_string();
            assert_eq!(unsigned_at_end(format!("{text} 1 {text}").as_bytes(), text.len()), Some(number));
        }
        for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
            for (place, length) in (1..9).flat_map(|length| (0..length).map(move |place| (place, length))) {
                let mut text = [b'7'; 16];
                text[16 - length + place] = byte;
                assert_eq!(unsigned_at_end(&text, length), None, "{byte} {place} {length}");
            }
        }
    }

    #[test]
    fn three_decimals_are_read_as_more_are() {
        // Zeros behind a fraction change nothing.
        for whole in ["", "0", "7", "12", "x", "1646861401", "99999999999"] {
            for fraction in [".0", ".377", ".1234567", ".12.3", ".5x", "..", ".99999999"] {
                for places in 0..=9 {
                    let (text, long) = (format!("{whole}{fraction}"), format!("{whole}{fraction}{}", "0".repeat(19)));
                    assert_eq!(fixed(text.as_bytes(), places), fixed(long.as_bytes(), places), "{text} {places}");
                }
            }
        }
    }

    #[test]
    fn fractions_are_exact_and_cut_off() {
        for (text, places, expected) in [
            ("0.377", 6, Some(377_000)),
            ("12", 6, Some(12_000_000)),
            ("0.000001234", 6, Some(1)),
            ("1646861401.5241024", 6, Some(1_646_861_401_524_102)),
            ("377.5", 3, Some(377_500)),
            ("377.5", 0, Some(377)),
            ("377.x", 0, None),
            ("377.12345x", 3, None),
            ("99999999999999999.1", 6, None),
            (".5", 6, None),
            ("5.", 6, None),
            ("1.2.3", 6, None),
            ("1e3", 6, None),
            ("-", 6, None),
        ] {
            assert_eq!(fixed(text.as_bytes(), places), expected, "{text}");
        }
    }
}

//! Decimal numbers in logs: digits, and fractions without floating point.

/// A run of digits. Nothing if `text` is empty, holds anything else, or is longer than the nineteen digits that always fit.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

/// `0.377` or `12` in units of 10^-`places` (at most nine): with six places, seconds become microseconds. Further digits are cut off.
pub(super) fn fixed(text: &[u8], places: usize) -> Option<u64> {
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = text.split_at(point);
    let fraction = match fraction {
        [_, digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => digits,
        [] => fraction,
        _ => return None,
    };
    let padded = fraction.iter().copied().chain([b'0'; 9]).take(places);
    padded.fold(unsigned(whole), |number, digit| number?.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

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
            ("١", None),
        ] {
            assert_eq!(unsigned(text.as_bytes()), expected, "{text}");
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

//! Takes out of texts what may identify a person or open a door.

use super::secrets::{is_secret, without_links, without_secrets};

/// Digits in a row that may be a telephone's number or another one that stands for somebody.
const NUMBER_DIGITS: usize = 5;
/// A word of so many characters that holds a digit is a token or an id.
const LONG_WORD_CHARS: usize = 16;

/// Takes out of `text` what may identify a person or open a door: words with `@`, runs of five or more digits (also when cut up by
/// blanks, dots or dashes, as phone numbers are), words of sixteen or more characters that hold a digit (tokens, ids), what is called
/// like a secret, and the paths of links.
pub(super) fn scrubbed(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { scrubbed_carefully(text) }
}

fn scrubbed_carefully(text: &str) -> String {
    scrubbed_of(&without_links(&without_secrets(text), true), |c| matches!(c, '@' | '_' | '-' | '.' | '+' | '%' | '='))
}

/// A quick look, which says yes only if nothing in `text` has to go: most texts are our own words.
fn is_plain(text: &str) -> bool {
    let (mut digits, mut word, mut has_digit) = (0, 0, false);
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let traits = TRAITS[usize::from(byte)];
        let is_digit = traits & DIGIT != 0;
        digits = if is_digit { digits + 1 } else { digits * usize::from(traits & BETWEEN_DIGITS != 0) };
        let is_in_word = traits & IN_WORD != 0;
        word = (word + 1) * usize::from(is_in_word);
        has_digit = is_in_word & (has_digit | is_digit);
        let may_open_door = traits & DOOR != 0
            && match byte {
                b':' => bytes.get(at + 1) == Some(&b'/') || text.get(..=at).is_none_or(is_secret),
                b'b' | b'B' => {
                    bytes.get(at..).and_then(<[u8]>::first_chunk).is_some_and(|word: &[u8; 6]| word.eq_ignore_ascii_case(b"bearer"))
                }
                _ => true,
            };
        if may_open_door | (digits >= NUMBER_DIGITS) | (has_digit & (word >= LONG_WORD_CHARS)) {
            return false;
        }
    }
    true
}

const DIGIT: u8 = 1;
/// What may stand in a number without ending it.
const BETWEEN_DIGITS: u8 = 2;
/// What joins bytes to words; here to longer ones, if any, than elsewhere.
const IN_WORD: u8 = 4;
/// What may stand before a secret.
const DOOR: u8 = 8;

/// What each byte may be part of.
static TRAITS: [u8; 256] = {
    let mut traits = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        traits[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT | IN_WORD,
            b'-' | b'.' => BETWEEN_DIGITS | IN_WORD,
            b' ' | b'(' | b')' | b'/' => BETWEEN_DIGITS,
            b'b' | b'B' => IN_WORD | DOOR,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'+' | b'%' | 0x80.. => IN_WORD,
            b'@' | b'=' | b'"' | b':' => DOOR,
            _ => 0,
        };
        byte += 1;
    }
    traits
};

/// As [`scrubbed`], for texts of a request: what is encoded and where links lead stays readable.
pub(super) fn scrubbed_request(text: &str) -> String {
    scrubbed_of(&without_links(&without_secrets(text), false), |c| matches!(c, '@' | '_' | '-'))
}

/// With what joins letters and digits to words.
fn scrubbed_of(text: &str, joins: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        if word.contains('@') {
            out.push_str("<address>");
        } else if word.chars().count() >= LONG_WORD_CHARS && word.contains(|c: char| c.is_ascii_digit()) {
            out.push_str("<id>");
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    for c in text.chars() {
        if c.is_alphanumeric() || joins(c) {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    without_numbers(&out)
}

fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    let mut digits = 0;
    let flush = |run: &mut String, digits: &mut usize, out: &mut String| {
        let kept = run.trim_end_matches([' ', '-', '.', '(', ')', '/']);
        if *digits >= NUMBER_DIGITS && !is_date(kept.as_bytes()) {
            out.push_str("<number>");
            out.extend(run.chars().skip(kept.chars().count()));
        } else {
            out.push_str(run);
        }
        run.clear();
        *digits = 0;
    };
    for c in text.chars() {
        if c.is_ascii_digit() || (c == '+' && digits == 0) {
            run.push(c);
            digits += usize::from(c.is_ascii_digit());
        } else if digits > 0 && matches!(c, ' ' | '-' | '.' | '(' | ')' | '/') {
            run.push(c);
        } else {
            flush(&mut run, &mut digits, &mut out);
            out.push(c);
        }
    }
    flush(&mut run, &mut digits, &mut out);
    out
}

/// `2026-11-21` or `2026-11-21 16`: the front of a log line's time. No telephone's number is written so.
fn is_date(run: &[u8]) -> bool {
    let (date, hour) = run.split_at_checked(10).unwrap_or((run, b""));
    let [b'2', b'0', rest @ ..] = date else { return false };
    let shape = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len()
            && text.iter().zip(shape).all(|(byte, kind)| if *kind == b'0' { byte.is_ascii_digit() } else { byte == kind })
    };
    let [_, _, _, month, _, _, day, _] = rest else { return false };
    shape(rest, b"00-00-00") && *month <= b'1' && *day <= b'3' && (hour.is_empty() || shape(hour, b" 00"))
}

/// The first `max_chars` of a text, without control characters.
pub(super) fn cut_to(shown: String, max_chars: usize) -> String {
    let mut cut: String =
        shown.chars().take(max_chars).map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect();
    if shown.chars().nth(max_chars).is_some() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_look_lets_nothing_through() {
        let parts = [
            "cve_probe: 12 times",
            ", 3 of ",
            "12.5 points",
            "1",
            "2345",
            " ",
            "-",
            ".",
            "(",
            "/",
            "+34",
            "pass",
            "word",
            ":",
            "=",
            " x",
            "\"",
            "Bearer ",
            "abcdefghij",
            "user \"",
            "ana",
            "@",
            "://",
            "a1b2c3d4",
            "%",
            "_",
            "ñ",
            "auth",
            "é1",
            "\n",
        ];
        let mut plain = 0;
        for a in parts {
            for b in parts {
                for c in parts {
                    for d in ["", "5", "secret: x", "z9"] {
                        let text = format!("{a}{b}{c}{d}");
                        assert!(!is_plain(&text) || scrubbed_carefully(&text) == text, "{text:?}");
                        plain += usize::from(is_plain(&text));
                    }
                }
            }
        }
        assert!(plain > 10_000 && is_plain("cve_probe: 612 times, 41 different, 80.0 of at most 80 points"), "{plain}");
    }

    #[test]
    fn times_stay_and_numbers_go() {
        for (text, expected) in [
            ("2026-11-21 16:03:54,992 [ERROR] no", "2026-11-21 16:03:54,992 [ERROR] no"),
            ("on 2026-11-21: +34 600 123 456", "on 2026-11-21: <number>"),
            ("2026-11-21 16 34 600 123", "<number>"),
            ("2034-60-01 23", "<number>"),
            ("2026-11-21 163", "<number>"),
            ("3460-01-23 45", "<number>"),
        ] {
            assert_eq!(without_numbers(text), expected);
        }
    }
}

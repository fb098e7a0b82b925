//! Takes out of texts what may identify a person or open a door.

use super::ClientMode;
use super::addresses::{may_hold_address, without_v6};
use super::numbers::{NUMBER_DIGITS, without_numbers};
use super::secrets::{is_secret, without_links, without_secrets};

/// A word of so many characters that holds a digit is a token or an id.
const LONG_WORD_CHARS: usize = 16;

/// Takes out of `text` what may identify a person or open a door: words with `@`, runs of five or more digits (also when cut up by
/// blanks, dots or dashes, as phone numbers are), words of sixteen or more characters that hold a digit (tokens, ids), what is called
/// like a secret, the paths of links, and addresses as `clients` has it.
pub(super) fn scrubbed(text: &str, clients: ClientMode) -> String {
    if may_stay(text, clients) { text.to_owned() } else { scrubbed_carefully(text, clients) }
}

/// A quick look, which says yes only if nothing in `text` has to go.
fn may_stay(text: &str, clients: ClientMode) -> bool {
    is_plain(text) && (clients == ClientMode::Full || !may_hold_address(text))
}

/// The same for a text of a request, in which some of it may be encoded.
fn may_stay_in_request(text: &str, clients: ClientMode) -> bool {
    !text.contains('%') && may_stay(text, clients)
}

fn scrubbed_carefully(text: &str, clients: ClientMode) -> String {
    scrubbed_of(&without_links(&without_secrets(text), true), clients, false)
}

/// Whether nothing in `text` has to go but, perhaps, addresses: most texts are our own words, and most requests are short.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut digits, mut word, mut has_digit) = (0, 0, false);
    for &byte in bytes {
        let traits = TRAITS[usize::from(byte)];
        let is_digit = traits & DIGIT != 0;
        digits = if is_digit { digits + 1 } else { digits * usize::from(traits & BETWEEN_DIGITS != 0) };
        let is_in_word = traits & IN_WORD != 0;
        word = (word + 1) * usize::from(is_in_word);
        has_digit = is_in_word & (has_digit | is_digit);
        if (digits >= NUMBER_DIGITS) | (has_digit & (word >= LONG_WORD_CHARS)) {
            return false;
        }
    }
    // Behind which colon of a row of them, of quotes and of blanks a secret would have been seen: each would look back at all of them.
    let mut asked = 0;
    let mut doors = bytes.iter().enumerate().filter(|(_, byte)| TRAITS[usize::from(**byte)] & DOOR != 0);
    !doors.any(|(at, byte)| match byte {
        b':' if bytes.get(at + 1) == Some(&b'/') => true,
        b':' => {
            let front = &bytes[..at];
            let is_asked = asked > 0 && front[asked..].iter().all(|byte| matches!(byte, b'=' | b':' | b' ' | b'"' | b'\''));
            asked = at + 1;
            !is_asked && text.get(..=at).is_none_or(is_secret)
        }
        b'b' | b'B' => bytes[at..].first_chunk().is_some_and(|word: &[u8; 6]| word.eq_ignore_ascii_case(b"bearer")),
        _ => true,
    })
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
            b'+' => BETWEEN_DIGITS | IN_WORD,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'%' | 0x80.. => IN_WORD,
            b'@' | b'=' | b'"' | b':' => DOOR,
            _ => 0,
        };
        byte += 1;
    }
    traits
};

/// As [`scrubbed`], for texts of a request: what is encoded and where links lead stays readable.
pub(super) fn scrubbed_request(text: &str, clients: ClientMode) -> String {
    if may_stay_in_request(text, clients) { text.to_owned() } else { request_scrubbed_carefully(text, clients) }
}

fn request_scrubbed_carefully(text: &str, clients: ClientMode) -> String {
    scrubbed_of(&without_links(&without_secrets(text), false), clients, true)
}

/// What [`scrubbed_request`] does besides secrets and links.
pub(super) fn without_words_and_numbers(text: &str, clients: ClientMode) -> String {
    if may_stay_in_request(text, clients) { text.to_owned() } else { scrubbed_of(text, clients, true) }
}

/// `is_request`: what is encoded stays apart from the words and numbers around it.
fn scrubbed_of(text: &str, clients: ClientMode, is_request: bool) -> String {
    let joins = |c: char| matches!(c, '@' | '_' | '-') || (!is_request && matches!(c, '.' | '+' | '%' | '='));
    let text = &*without_v6(text, clients, is_request);
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
    without_numbers(&out, clients, is_request)
}

/// Whether all of it is ASCII that can be seen: a quick look, since most texts are.
pub(crate) fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// The first `max_chars` of a text, without control characters.
pub(super) fn cut_to(shown: String, max_chars: usize) -> String {
    if shown.len() <= max_chars && is_printable(&shown) {
        return shown;
    }
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
            "%20",
            "1.2.3.4",
        ];
        let (mut plain, mut plain_requests) = (0, 0);
        for a in parts {
            for b in parts {
                for c in parts {
                    for d in ["", "5", "secret: x", "z9"] {
                        let text = format!("{a}{b}{c}{d}");
                        for clients in [ClientMode::Full, ClientMode::Hash] {
                            assert!(!may_stay(&text, clients) || scrubbed_carefully(&text, clients) == text, "{text:?}");
                            let may_stay = may_stay_in_request(&text, clients);
                            assert!(!may_stay || request_scrubbed_carefully(&text, clients) == text, "{text:?}");
                            assert!(!may_stay || scrubbed_of(&text, clients, true) == text, "{text:?}");
                            plain_requests += usize::from(may_stay);
                        }
                        plain += usize::from(is_plain(&text));
                    }
                }
            }
        }
        assert!(plain_requests > 10_000, "{plain_requests}");
        assert!(plain > 10_000 && is_plain("cve_probe: 612 times, 41 different, 80.0 of at most 80 points"), "{plain}");
    }
}

//! Undoes what hides an attack, in bounded steps, and remembers what it took: that is itself a sign.
//!
//! Order: percent-encoding with overlong UTF-8, `%uXXXX` and full-width forms (up to three rounds, until stable), NUL out, `+` as space
//! (values), backslash to slash, `;params`, `//` and `/./`, `..` (paths). HTML entities and the escapes of JSON and JavaScript are undone
//! on values only. Everything ends in lower case. No more than [`MAX_BYTES`] are looked at.

/// The most that is read of a target, a header or a body, in bytes.
pub(super) const MAX_BYTES: usize = 8 * 1024;

/// The most rounds of percent-decoding: two are in practice, a third costs little.
const MAX_ROUNDS: u8 = 3;

/// What it took to read a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effort {
    /// Rounds of percent-decoding that changed something.
    pub(super) rounds: u8,
    /// Characters were written longer than UTF-8 allows.
    pub(super) overlong: bool,
    /// A dot or slash of a `..` was encoded.
    pub(super) hidden_dots: bool,
}

/// Decodes `raw` into `out` (cleared first); `spare` is scratch. Case is kept.
pub(super) fn decode(raw: &[u8], out: &mut Vec<u8>, spare: &mut Vec<u8>) -> Effort {
    let mut effort = Effort::default();
    out.clear();
    out.extend_from_slice(raw.get(..MAX_BYTES).unwrap_or(raw));
    for _ in 0..MAX_ROUNDS {
        let percent = memchr::memchr(b'%', out).is_some() && percent_round(out, spare, &mut effort);
        let long = out.iter().any(|&byte| byte >= 0xC0) && narrow_round(out, spare, &mut effort);
        if !percent && !long {
            break;
        }
        effort.rounds += u8::from(percent);
    }
    if memchr::memchr(0, out).is_some() {
        out.retain(|&byte| byte != 0);
    }
    effort
}

/// One round of `%XX` and `%uXXXX`; whether anything changed.
fn percent_round(text: &mut Vec<u8>, spare: &mut Vec<u8>, effort: &mut Effort) -> bool {
    spare.clear();
    let mut rest = text.as_slice();
    while let Some(at) = memchr::memchr(b'%', rest) {
        spare.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let length = match rest {
            [_, b'u' | b'U', digits @ ..] if hex(digits, 4).is_some() => {
                push_char(hex(digits, 4).unwrap_or_default(), spare);
                6
            }
            [_, digits @ ..] => match hex(digits, 2) {
                Some(byte) => {
                    effort.hidden_dots |= byte == u32::from(b'.');
                    spare.push(u8::try_from(byte).unwrap_or_default());
                    3
                }
                None => {
                    spare.push(b'%');
                    1
                }
            },
            [] => break,
        };
        rest = &rest[length..];
    }
    spare.extend_from_slice(rest);
    let changed = spare.len() != text.len();
    std::mem::swap(text, spare);
    changed
}

/// Overlong UTF-8 and full-width forms become the plain characters that sloppy decoders make of them; whether anything changed.
fn narrow_round(text: &mut Vec<u8>, spare: &mut Vec<u8>, effort: &mut Effort) -> bool {
    spare.clear();
    let mut rest = text.as_slice();
    let mut changed = false;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, length, long) = match rest {
            [0xC0 | 0xC1, low, ..] => ((first & 1) << 6 | low & 0x3F, 2, true),
            [0xE0, high @ 0x80..=0x81, low, ..] => ((high & 1) << 6 | low & 0x3F, 3, true),
            [0xEF, 0xBC, low @ 0x81..=0xBF, ..] => (low - 0x60, 3, false),
            [0xEF, 0xBD, low @ 0x80..=0x9E, ..] => (low - 0x20, 3, false),
            _ => {
                spare.push(first);
                rest = after;
                continue;
            }
        };
        spare.push(byte);
        effort.overlong |= long;
        effort.hidden_dots |= long && byte == b'.';
        changed = true;
        rest = &rest[length..];
    }
    std::mem::swap(text, spare);
    changed
}

/// Makes a decoded text a value: `+` is space, entities and escapes are undone, lower case.
pub(super) fn value(text: &mut Vec<u8>, spare: &mut Vec<u8>, plus: bool) {
    if plus {
        text.iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
    }
    // `&amp;lpar;` needs two.
    for _ in 0..2 {
        if memchr::memchr2(b'&', b'\\', text).is_some() {
            unescape(text, spare);
        }
    }
    text.make_ascii_lowercase();
}

/// `&lt;`, `&#60;`, `&#x3c` and `\u003c`, `\x3c` become the character.
fn unescape(text: &mut Vec<u8>, spare: &mut Vec<u8>) {
    spare.clear();
    let mut rest = text.as_slice();
    while let Some(at) = memchr::memchr2(b'&', b'\\', rest) {
        spare.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        match escaped(rest) {
            Some((code, length)) => {
                push_char(code, spare);
                rest = &rest[length..];
            }
            None => {
                spare.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
    spare.extend_from_slice(rest);
    std::mem::swap(text, spare);
}

/// The entities by which markup is hidden in practice (HTML's list has 2,231; these stand for punctuation).
const ENTITIES: &[(&[u8], u8)] = &[
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"amp", b'&'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"colon", b':'),
    (b"equals", b'='),
    (b"sol", b'/'),
    (b"bsol", b'\\'),
    (b"grave", b'`'),
    (b"semi", b';'),
    (b"tab", b'\t'),
    (b"newline", b'\n'),
    (b"nbsp", b' '),
    (b"period", b'.'),
    (b"comma", b','),
    (b"num", b'#'),
    (b"lcub", b'{'),
    (b"rcub", b'}'),
];

/// The character that stands escaped at the front of `text`, and how long it was.
fn escaped(text: &[u8]) -> Option<(u32, usize)> {
    match text {
        [b'\\', b'u', digits @ ..] => Some((hex(digits, 4)?, 6)),
        [b'\\', b'x', digits @ ..] => Some((hex(digits, 2)?, 4)),
        [b'&', b'#', b'x' | b'X', digits @ ..] => number(digits, 16).map(|(code, length)| (code, length + 3)),
        [b'&', b'#', digits @ ..] => number(digits, 10).map(|(code, length)| (code, length + 2)),
        [b'&', name @ ..] => {
            let length = name.iter().take(8).take_while(|byte| byte.is_ascii_alphabetic()).count();
            let (name, end) = name.split_at(length);
            let (_, byte) = ENTITIES.iter().find(|(entity, _)| end.first() == Some(&b';') && entity.eq_ignore_ascii_case(name))?;
            Some((u32::from(*byte), length + 2))
        }
        _ => None,
    }
}

/// Digits with leading zeros and an optional `;`.
fn number(text: &[u8], radix: u32) -> Option<(u32, usize)> {
    let zeros = text.iter().take(12).take_while(|&&byte| byte == b'0').count();
    let digits: Vec<u32> = text.iter().skip(zeros).take(5).map_while(|&byte| char::from(byte).to_digit(radix)).collect();
    let code = digits.iter().fold(0, |code, digit| code * radix + digit);
    let length = zeros + digits.len();
    (code > 0 && length > 0).then(|| (code, length + usize::from(text.get(length) == Some(&b';'))))
}

fn hex(digits: &[u8], count: usize) -> Option<u32> {
    let digits = digits.get(..count)?;
    digits.iter().try_fold(0, |code, &digit| Some(code << 4 | char::from(digit).to_digit(16)?))
}

/// Full-width forms as their plain twins, all else as UTF-8.
fn push_char(code: u32, out: &mut Vec<u8>) {
    let code = if (0xFF01..=0xFF5E).contains(&code) { code - 0xFEE0 } else { code };
    match u8::try_from(code) {
        Ok(byte) => out.push(byte),
        Err(_) => out.extend_from_slice(char::from_u32(code).unwrap_or('\u{FFFD}').encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// What resolving a path found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    /// It climbed above the root.
    pub(super) climbed: bool,
    /// `..` segments seen, wherever they led.
    pub(super) ups: u32,
}

/// Resolves a decoded path into `out`, lower case, with one leading slash and no empty, `.` or `..` segments.
pub(super) fn resolve(path: &[u8], out: &mut Vec<u8>) -> Resolved {
    let mut resolved = Resolved::default();
    out.clear();
    for segment in path.split(|&byte| byte == b'/' || byte == b'\\') {
        let segment = memchr::memchr(b';', segment).map_or(segment, |at| &segment[..at]);
        match segment.trim_ascii() {
            b"" | b"." => {}
            // More dots than two climb as well for some servers, and mean nothing elsewhere.
            dots if dots.iter().all(|&byte| byte == b'.') => {
                resolved.ups += 1;
                resolved.climbed |= out.is_empty();
                out.truncate(memchr::memrchr(b'/', out).unwrap_or(0));
            }
            segment => {
                out.push(b'/');
                out.extend(segment.iter().map(u8::to_ascii_lowercase));
            }
        }
    }
    if out.is_empty() || matches!(path.last(), Some(b'/')) {
        out.push(b'/');
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_undone_in_bounded_rounds() {
        for (raw, expected, rounds, overlong) in [
            (&b"plain"[..], &b"plain"[..], 0, false),
            (b"%2e%2E/", b"../", 1, false),
            (b"%252e%252e%252f", b"../", 2, false),
            (b"%25252e", b".", 3, false),
            (b"%2525252e", b"%2e", 3, false),
            (b"%%32%65", b".", 2, false),
            (b"%c0%ae%C0%AF%e0%80%ae%c1%9c", b"./.\\", 1, true),
            (b"%u002e%uff0f", b"./", 1, false),
            (b"%ef%bc%9cscript%ef%bc%9e", b"<script>", 1, false),
            (b"a%00b%zz%", b"ab%zz%", 1, false),
            ("%E3%83%86".as_bytes(), "テ".as_bytes(), 1, false),
        ] {
            let (mut out, mut spare) = (Vec::new(), Vec::new());
            let effort = decode(raw, &mut out, &mut spare);
            assert_eq!(out, expected, "{}", String::from_utf8_lossy(raw));
            assert_eq!((effort.rounds, effort.overlong), (rounds, overlong), "{}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn entities_and_escapes_are_undone_on_values() {
        for (raw, expected) in [
            ("A+b", "a b"),
            ("&lt;SVG&GT;", "<svg>"),
            ("&amp;lpar;1&amp;rpar;", "(1)"),
            ("j&#X41v&#97;&#0000000040", "java("),
            ("\\u003cb\\x3E", "<b>"),
            ("tom&jerry&", "tom&jerry&"),
            ("\\q", "\\q"),
        ] {
            let (mut text, mut spare) = (raw.as_bytes().to_vec(), Vec::new());
            value(&mut text, &mut spare, true);
            assert_eq!(String::from_utf8_lossy(&text), expected, "{raw}");
        }
    }

    #[test]
    fn paths_are_resolved_and_climbing_is_remembered() {
        for (path, expected, climbed, ups) in [
            ("/a/b", "/a/b", false, 0),
            ("//a///./B;x=1/", "/a/b/", false, 0),
            ("/a/../b", "/b", false, 1),
            ("/a/..;/b", "/b", false, 1),
            ("/../../etc/passwd", "/etc/passwd", true, 2),
            ("\\..\\x", "/x", true, 1),
            ("/", "/", false, 0),
            ("", "/", false, 0),
        ] {
            let mut out = Vec::new();
            let resolved = resolve(path.as_bytes(), &mut out);
            assert_eq!((String::from_utf8_lossy(&out).as_ref(), resolved.climbed, resolved.ups), (expected, climbed, ups), "{path}");
        }
    }
}

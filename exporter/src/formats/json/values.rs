//! The scalars of JSON lines: where they end, and what they say.

use wide::u8x16;

/// A value as it stands in its line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// `null` or `-`.
    Nothing,
    /// What needs no more than borrowing.
    Plain(&'a [u8]),
    /// The inside of a string with escapes, all of them whole.
    Escaped(&'a [u8]),
}

/// The inside of a string, and the rest of the line from its closing quote on.
#[inline(always)]
pub(super) fn text(line: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (inside, rest) = line.split_at_checked(quote_or_backslash(line)?)?;
    if rest.first() == Some(&b'"') { Some((Value::Plain(inside), rest)) } else { escaped_text(line, inside.len()) }
}

/// A string whose first backslash is at `at`. Kept out of the way of the others.
#[cold]
#[inline(never)]
fn escaped_text(line: &[u8], mut at: usize) -> Option<(Value<'_>, &[u8])> {
    loop {
        at += match &line[at..] {
            [b'"', ..] => return Some((Value::Escaped(&line[..at]), &line[at..])),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'\\', b'x', a, b, ..] if hex(&[*a, *b]).is_some() => 4,
            [b'\\', b'u', a, b, c, d, ..] if hex(&[*a, *b, *c, *d]).is_some() => 6,
            _ => return None,
        };
        at += quote_or_backslash(line.get(at..)?)?;
    }
}

/// Where the first of them stands. Most values are shorter than the sixteen bytes that are looked at in one go.
#[inline(always)]
fn quote_or_backslash(line: &[u8]) -> Option<usize> {
    let (quote, backslash) = (u8x16::splat(b'"'), u8x16::splat(b'\\'));
    let (chunks, rest) = line.as_chunks::<16>();
    for (number, chunk) in chunks.iter().enumerate() {
        let bytes = u8x16::new(*chunk);
        let found = (bytes.simd_eq(quote) | bytes.simd_eq(backslash)).to_bitmask();
        if found != 0 {
            return Some(number * 16 + found.trailing_zeros() as usize);
        }
    }
    let at = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(line.len() - rest.len() + at)
}

/// A number, `true`, `false`, `null` or `-`, and the rest of the line.
#[inline]
pub(super) fn bare(line: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length = digits + line[digits..].iter().take_while(|byte| is_bare(byte)).count();
    let (word, rest) = line.split_at(length);
    let value = match word {
        _ if digits == length && digits > 0 => Value::Plain(word),
        b"null" | b"-" => Value::Nothing,
        b"true" | b"false" => Value::Plain(word),
        _ if is_number(word) => Value::Plain(word),
        _ => return None,
    };
    Some((value, rest))
}

fn is_number(word: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(rest);
    rest = &rest[whole..];
    let mut is_number = whole > 0;
    if let [b'.', fraction @ ..] = rest {
        let length = digits(fraction);
        is_number &= length > 0;
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let length = digits(exponent);
        is_number &= length > 0;
        rest = &exponent[length..];
    }
    is_number && rest.is_empty()
}

/// Appends `text`, whose escapes are whole, without them. Half a surrogate pair becomes U+FFFD.
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (byte, length) = match rest {
            [_, b'u', ..] => {
                rest = unicode(rest, out);
                continue;
            }
            [_, b'x', a, b, ..] => (hex(&[*a, *b]).and_then(|byte| u8::try_from(byte).ok()).unwrap_or(b'\\'), 4),
            [_, b'b', ..] => (0x08, 2),
            [_, b'f', ..] => (0x0c, 2),
            [_, b'n', ..] => (b'\n', 2),
            [_, b'r', ..] => (b'\r', 2),
            [_, b't', ..] => (b'\t', 2),
            [_, byte, ..] => (*byte, 2),
            _ => (b'\\', 1),
        };
        out.push(byte);
        rest = rest.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Writes the character of the `\uXXXX` (or pair of them) in front of `text`; gives the rest.
fn unicode<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let unit = |text: &[u8]| text.strip_prefix(b"\\u").and_then(|text| hex(text.get(..4)?));
    let first = unit(text).unwrap_or(0xfffd);
    let low = text.get(6..).and_then(unit).filter(|low| matches!(first, 0xd800..0xdc00) && matches!(low, 0xdc00..0xe000));
    let (code, length) = match low {
        Some(low) => (0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12),
        None => (first, 6),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    text.get(length..).unwrap_or_default()
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

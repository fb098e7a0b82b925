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

/// Gives the inside of the string that stands at `at` behind its quote to `keep`; the place of the closing one. A line end is in no string.
#[inline(always)]
pub(super) fn text<'l>(line: &'l [u8], at: usize, keep: impl FnOnce(Value<'l>)) -> Option<usize> {
    let end = quote_backslash_or_line_end(line, at)?;
    if line.get(end) == Some(&b'"') {
        keep(Value::Plain(line.get(at..end)?));
        Some(end)
    } else {
        let end = end_of_escaped(line, end)?;
        keep(Value::Escaped(line.get(at..end)?));
        Some(end)
    }
}

/// Where a string ends whose first backslash is at `at`. Kept out of the way of the others.
#[cold]
#[inline(never)]
fn end_of_escaped(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += match line.get(at..)? {
            [b'"', ..] => return Some(at),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'\\', b'x', a, b, ..] if hex(&[*a, *b]).is_some() => 4,
            [b'\\', b'u', a, b, c, d, ..] if hex(&[*a, *b, *c, *d]).is_some() => 6,
            _ => return None,
        };
        at = quote_backslash_or_line_end(line, at)?;
    }
}

/// Where the first of them stands at or behind `at`. Most values are shorter than the sixteen bytes that are looked at in one go.
#[inline(always)]
fn quote_backslash_or_line_end(line: &[u8], mut at: usize) -> Option<usize> {
    let found = |chunk: &[u8; 16]| {
        let bytes = u8x16::new(*chunk);
        let [quote, backslash, end] = [b'"', b'\\', b'\n'].map(|byte| bytes.simd_eq(u8x16::splat(byte)));
        (quote | backslash | end).to_bitmask()
    };
    while let Some(chunk) = line.get(at..)?.first_chunk() {
        let found = found(chunk);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += 16;
    }
    // The last sixteen bytes, less those that have been seen.
    let Some(last) = line.last_chunk::<16>() else {
        return line.iter().skip(at).position(|byte| matches!(byte, b'"' | b'\\' | b'\n')).map(|place| at + place);
    };
    let seen = at + 16 - line.len();
    let found = found(last) >> seen;
    (found != 0).then(|| at + found.trailing_zeros() as usize)
}

/// Gives the number, `true`, `false`, `null` or `-` that stands at `at` to `keep`; where it ends.
#[inline(always)]
pub(super) fn bare<'l>(line: &'l [u8], at: usize, keep: impl FnOnce(Value<'l>)) -> Option<usize> {
    // Statuses and sizes: a few digits.
    if let Some(bytes) = line.get(at..)?.first_chunk() {
        let digits = digits_in_front(*bytes);
        if digits > 0 && bytes.get(digits).is_some_and(|byte| !is_bare(byte)) {
            keep(Value::Plain(line.get(at..at + digits)?));
            return Some(at + digits);
        }
    }
    let (value, end) = any_bare(line, at)?;
    keep(value);
    Some(end)
}

/// How many digits eight bytes begin with.
#[inline(always)]
fn digits_in_front(bytes: [u8; 8]) -> usize {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let values = u64::from_le_bytes(bytes) ^ all(b'0');
    // What is no digit is ten or more then. A carry goes to later bytes only, and comes from what is no digit.
    let others = (values.wrapping_add(all(0x80 - 10)) | values) & all(0x80);
    others.trailing_zeros() as usize / 8
}

fn is_bare(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

#[inline(never)]
fn any_bare(line: &[u8], at: usize) -> Option<(Value<'_>, usize)> {
    let line = line.get(at..)?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length = digits + line[digits..].iter().take_while(|byte| is_bare(byte)).count();
    let word = &line[..length];
    let value = match word {
        _ if digits == length && digits > 0 => Value::Plain(word),
        b"null" | b"-" => Value::Nothing,
        b"true" | b"false" => Value::Plain(word),
        _ if is_number(word) => Value::Plain(word),
        _ => return None,
    };
    Some((value, at + length))
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

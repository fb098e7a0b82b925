//! One JSON object per line: finds the values of known keys without building anything.
//!
//! Lines of one log look alike, so the text between the values of the last line that was walked is kept, and compared with the next
//! line at the places where it must stand. Where it does not, the line is walked key by key. Both ways read values by the same code.
//!
//! Read generously where servers write badly: any byte may stand in a string, `\xHH` (nginx without `escape=json`) is an escape, and
//! `-` or a number with leading zeros are values.

/// Deeper objects and arrays are refused.
const MAX_DEPTH: usize = 64;

/// Finds the values of known keys in one line after the other.
pub(super) struct Scanner {
    wanted: Vec<Wanted>,
    template: Template,
    path: Vec<u8>,
    scratch: Vec<u8>,
}

struct Wanted {
    path: Vec<u8>,
    target: Target,
    /// Whether the line being walked has had this key: the first one counts.
    seen: bool,
}

/// Where a value goes, and how many keys for the same place are better.
#[derive(Clone, Copy)]
struct Target {
    place: usize,
    rank: usize,
}

/// What the last line that was walked looked like.
#[derive(Default)]
struct Template {
    /// All text outside values: before the first, between them, behind the last.
    literals: Vec<u8>,
    values: Vec<ValueAt>,
}

struct ValueAt {
    /// The length of the literal in front.
    literal: usize,
    is_text: bool,
    target: Option<Target>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'a> {
    Nothing,
    Plain(&'a [u8]),
    Escaped(&'a [u8]),
}

struct Found<'a, const N: usize> {
    values: [Value<'a>; N],
    ranks: [usize; N],
}

impl<'a, const N: usize> Found<'a, N> {
    fn new() -> Self {
        Self { values: [Value::Nothing; N], ranks: [usize::MAX; N] }
    }

    /// Keeps a value unless it is missing (`""`, `"-"`, `null`) or a better key's is there.
    fn offer(&mut self, target: Target, value: Value<'a>) {
        if let Some(rank) = self.ranks.get_mut(target.place)
            && target.rank < *rank
            && !matches!(value, Value::Nothing | Value::Plain(b"" | b"-"))
        {
            *rank = target.rank;
            self.values[target.place] = value;
        }
    }
}

impl Scanner {
    /// A scanner for as many places as there are items. Each lists the keys that may fill its place, the best one first; keys inside
    /// objects are written with dots, and an array stands for its first element.
    pub(super) fn new<'k, K: IntoIterator<Item = &'k str>>(places: impl IntoIterator<Item = K>) -> Self {
        let wanted = places.into_iter().enumerate().flat_map(|(place, keys)| {
            let keys = keys.into_iter().enumerate();
            keys.map(move |(rank, key)| Wanted { path: key.as_bytes().to_vec(), target: Target { place, rank }, seen: false })
        });
        Self { wanted: wanted.collect(), template: Template::default(), path: Vec::new(), scratch: Vec::new() }
    }

    /// The values in `line`, freed from escapes; what is missing is empty. The reason if `line` is no JSON object.
    pub(super) fn read<'a, const N: usize>(&'a mut self, line: &'a [u8]) -> Result<[&'a [u8]; N], &'static str> {
        let values: [Value<'a>; N] = match self.follow_template(line) {
            Some(values) => values,
            None => self.walk(line)?,
        };
        Ok(freed(values, &mut self.scratch))
    }

    fn follow_template<'l, const N: usize>(&self, line: &'l [u8]) -> Option<[Value<'l>; N]> {
        let mut literals = self.template.literals.as_slice();
        if literals.is_empty() {
            return None;
        }
        let mut found = Found::new();
        let mut rest = line;
        for step in &self.template.values {
            let literal;
            (literal, literals) = literals.split_at_checked(step.literal)?;
            rest = rest.strip_prefix(literal)?;
            let value;
            (value, rest) = if step.is_text { text(rest)? } else { bare(rest)? };
            if let Some(target) = step.target {
                found.offer(target, value);
            }
        }
        (rest == literals).then_some(found.values)
    }

    fn walk<'l, const N: usize>(&mut self, line: &'l [u8]) -> Result<[Value<'l>; N], &'static str> {
        self.path.clear();
        self.wanted.iter_mut().for_each(|wanted| wanted.seen = false);
        self.template.literals.clear();
        self.template.values.clear();
        let mut walk = Walk { scanner: self, found: Found::new(), literal: line, rest: line };
        let result = walk.line();
        let found = walk.found.values;
        let tail = walk.literal;
        match result {
            Ok(()) => self.template.literals.extend_from_slice(tail),
            Err(_) => self.template.literals.clear(),
        }
        result.map(|()| found)
    }
}

/// A line on its way, key by key.
struct Walk<'l, 's, const N: usize> {
    scanner: &'s mut Scanner,
    found: Found<'l, N>,
    /// From behind the last value.
    literal: &'l [u8],
    rest: &'l [u8],
}

impl<const N: usize> Walk<'_, '_, N> {
    fn line(&mut self) -> Result<(), &'static str> {
        self.blank();
        if !self.take(b'{') {
            return Err("not_json");
        }
        self.object(1)?;
        self.blank();
        if self.rest.is_empty() { Ok(()) } else { Err("bad_json") }
    }

    /// What follows a `{`.
    fn object(&mut self, depth: usize) -> Result<(), &'static str> {
        self.blank();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.blank();
            if !self.take(b'"') {
                return Err("bad_json");
            }
            let (key, rest) = text(self.rest).ok_or("bad_json")?;
            self.rest = rest.get(1..).unwrap_or_default();
            self.blank();
            if !self.take(b':') {
                return Err("bad_json");
            }
            let outer = self.scanner.path.len();
            self.enter(key, depth);
            self.value(depth)?;
            self.scanner.path.truncate(outer);
            self.blank();
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err("bad_json");
            }
        }
    }

    /// What follows a `[`.
    fn array(&mut self, depth: usize) -> Result<(), &'static str> {
        self.blank();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.blank();
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err("bad_json");
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), &'static str> {
        self.blank();
        if matches!(self.rest.first(), Some(b'{' | b'[')) && depth == MAX_DEPTH {
            return Err("too_deep");
        }
        if self.take(b'{') {
            return self.object(depth + 1);
        }
        if self.take(b'[') {
            return self.array(depth + 1);
        }
        let is_text = self.take(b'"');
        let literal = &self.literal[..self.literal.len() - self.rest.len()];
        let (value, rest) = if is_text { text(self.rest) } else { bare(self.rest) }.ok_or("bad_json")?;
        let path = &self.scanner.path;
        let wanted = self.scanner.wanted.iter_mut().find(|wanted| wanted.path == *path);
        let target = wanted.and_then(|wanted| (!std::mem::replace(&mut wanted.seen, true)).then_some(wanted.target));
        if let Some(target) = target {
            self.found.offer(target, value);
        }
        self.scanner.template.literals.extend_from_slice(literal);
        self.scanner.template.values.push(ValueAt { literal: literal.len(), is_text, target });
        self.literal = rest;
        // The closing quote is part of the next literal.
        self.rest = if is_text { rest.get(1..).unwrap_or_default() } else { rest };
        Ok(())
    }

    fn enter(&mut self, key: Value<'_>, depth: usize) {
        let path = &mut self.scanner.path;
        if depth > 1 {
            path.push(b'.');
        }
        match key {
            Value::Nothing => {}
            Value::Plain(key) => path.extend_from_slice(key),
            Value::Escaped(key) => unescape(key, path),
        }
    }

    fn blank(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// The inside of a string, and the rest of the line from its closing quote on.
fn text(line: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let mut at = memchr::memchr2(b'"', b'\\', line)?;
    if line[at] == b'"' {
        return Some((Value::Plain(&line[..at]), &line[at..]));
    }
    loop {
        at += match &line[at..] {
            [b'"', ..] => return Some((Value::Escaped(&line[..at]), &line[at..])),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'\\', b'x', a, b, ..] if hex(&[*a, *b]).is_some() => 4,
            [b'\\', b'u', a, b, c, d, ..] if hex(&[*a, *b, *c, *d]).is_some() => 6,
            _ => return None,
        };
        at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
    }
}

/// A number, `true`, `false`, `null` or `-`, and the rest of the line.
fn bare(line: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let length = line.iter().take_while(|byte| is_bare(byte)).count();
    let (word, rest) = line.split_at(length);
    let value = match word {
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

/// The values without escapes: those that have some are written out in `scratch`.
fn freed<'a, const N: usize>(values: [Value<'a>; N], scratch: &'a mut Vec<u8>) -> [&'a [u8]; N] {
    if !values.iter().any(|value| matches!(value, Value::Escaped(_))) {
        return values.map(|value| if let Value::Plain(text) = value { text } else { b"" });
    }
    scratch.clear();
    let ends = values.map(|value| {
        if let Value::Escaped(text) = value {
            unescape(text, scratch);
        }
        scratch.len()
    });
    let scratch: &'a [u8] = scratch;
    let mut start = 0;
    let mut ends = ends.into_iter();
    values.map(|value| {
        let end = ends.next().unwrap_or(start);
        let unescaped = &scratch[start..end];
        start = end;
        match value {
            Value::Nothing => b"",
            Value::Plain(text) => text,
            Value::Escaped(_) => unescaped,
        }
    })
}

/// Appends `text`, whose escapes are whole, without them. Half a surrogate pair becomes U+FFFD.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests;

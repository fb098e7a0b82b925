//! One JSON object per line: finds the values of known keys without building anything.
//!
//! Lines of one log look alike, so the text between the values of the last line that was walked is kept, and compared with the next
//! line at the places where it must stand. Where it does not, the line is walked key by key. Both ways read values by the same code.
//!
//! Read generously where servers write badly: any byte may stand in a string, `\xHH` (nginx without `escape=json`) is an escape, and
//! `-` or a number with leading zeros are values.

mod values;

use values::{Value, bare, text, unescape};

/// Deeper objects and arrays are refused.
const MAX_DEPTH: usize = 64;
/// Lines of more values are walked each time: whoever sends thousands must not make them be remembered.
const MAX_FOLLOWED: usize = 256;

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
    place: u8,
    rank: u8,
}

/// What the last line that was walked looked like.
#[derive(Default)]
struct Template {
    /// All text outside values: before the first, between them, behind the last.
    literals: Vec<u8>,
    values: Vec<ValueAt>,
}

impl Template {
    fn clear(&mut self) {
        self.literals.clear();
        self.values.clear();
    }
}

struct ValueAt {
    /// Of the literal in front: where it begins among all, its length, and its first bytes.
    start: usize,
    length: usize,
    head: Head,
    is_text: bool,
    target: Option<Target>,
}

/// The first bytes of a literal, to be compared all at once, and which of them belong to it.
struct Head {
    bytes: u128,
    mask: u128,
}

const HEAD_BYTES: usize = size_of::<u128>();

impl Head {
    fn new(literal: &[u8]) -> Self {
        let (mut bytes, mut mask) = ([0; HEAD_BYTES], [0; HEAD_BYTES]);
        for ((byte, mask), known) in bytes.iter_mut().zip(&mut mask).zip(literal) {
            (*byte, *mask) = (*known, u8::MAX);
        }
        Self { bytes: u128::from_le_bytes(bytes), mask: u128::from_le_bytes(mask) }
    }
}

/// The values of one line, as they stand in it.
struct Found<'v, 'a, const N: usize> {
    values: &'v mut [&'a [u8]; N],
    ranks: [u8; N],
    /// One bit for each place whose value holds escapes.
    escaped: u64,
}

/// The rank of no key.
const NO_RANK: u8 = u8::MAX;

impl<'v, 'a, const N: usize> Found<'v, 'a, N> {
    fn new(values: &'v mut [&'a [u8]; N]) -> Self {
        const { assert!(N <= u64::BITS as usize) };
        *values = [b""; N];
        Self { values, ranks: [NO_RANK; N], escaped: 0 }
    }

    /// Keeps a value unless it is missing (`""`, `"-"`, `null`) or a better key's is there.
    #[inline(always)]
    fn offer(&mut self, target: Target, value: Value<'a>) {
        let (text, is_escaped) = match value {
            Value::Nothing | Value::Plain(b"" | b"-") => return,
            Value::Plain(text) => (text, false),
            Value::Escaped(text) => (text, true),
        };
        let place = usize::from(target.place);
        if let (Some(rank), Some(value)) = (self.ranks.get_mut(place), self.values.get_mut(place))
            && target.rank < *rank
        {
            (*rank, *value) = (target.rank, text);
            if is_escaped || self.escaped != 0 {
                self.escaped = self.escaped & !(1 << place) | u64::from(is_escaped) << place;
            }
        }
    }

    /// Writes values that have escapes out in `scratch`, without them.
    #[cold]
    fn free(self, scratch: &'a mut Vec<u8>) {
        let Self { values, escaped, .. } = self;
        scratch.clear();
        let is_escaped = |place: usize| escaped >> place & 1 == 1;
        let mut ends = [0; N];
        for (place, end) in ends.iter_mut().enumerate() {
            if is_escaped(place) {
                unescape(values[place], scratch);
            }
            *end = scratch.len();
        }
        let scratch: &'a [u8] = scratch;
        let mut start = 0;
        for (place, end) in ends.into_iter().enumerate() {
            if is_escaped(place) {
                values[place] = &scratch[start..end];
            }
            start = end;
        }
    }
}

impl Scanner {
    /// A scanner for as many places as there are items. Each lists the keys that may fill its place, the best one first; keys inside
    /// objects are written with dots, and an array stands for its first element.
    pub(super) fn new<'k, K: IntoIterator<Item = &'k str>>(places: impl IntoIterator<Item = K>) -> Self {
        let wanted = places.into_iter().enumerate().flat_map(|(place, keys)| {
            let keys = keys.into_iter().enumerate();
            // More keys for one place than that are as good as each other.
            let target = move |rank: usize| Target { place: place as u8, rank: u8::try_from(rank).unwrap_or(NO_RANK).min(NO_RANK - 1) };
            keys.map(move |(rank, key)| Wanted { path: key.as_bytes().to_vec(), target: target(rank), seen: false })
        });
        Self { wanted: wanted.collect(), template: Template::default(), path: Vec::new(), scratch: Vec::new() }
    }

    /// Finds the values in `line`, freed from escapes; what is missing is empty. The reason if `line` is no JSON object.
    #[inline]
    pub(super) fn read<'a, const N: usize>(&'a mut self, line: &'a [u8], values: &mut [&'a [u8]; N]) -> Result<(), &'static str> {
        let mut found = Found::new(values);
        if self.follow_template(line, &mut found).is_none() {
            found = Found::new(found.values);
            self.walk(line, &mut found)?;
        }
        if found.escaped != 0 {
            found.free(&mut self.scratch);
        }
        Ok(())
    }

    /// Finds what is wanted if the line is like the one that was walked last; else nothing is to be made of `found`.
    #[inline]
    fn follow_template<'l, const N: usize>(&self, line: &'l [u8], found: &mut Found<'_, 'l, N>) -> Option<()> {
        let Template { literals, values } = &self.template;
        let mut at = 0;
        for step in values {
            at = step.behind_literal(literals, line, at)?;
            let value;
            (value, at) = if step.is_text { text(line, at)? } else { bare(line, at)? };
            if let Some(target) = step.target {
                found.offer(target, value);
            }
        }
        let tail = values.last().map_or(0, |last| last.start + last.length);
        (!literals.is_empty() && line.get(at..) == literals.get(tail..)).then_some(())
    }

    #[cold]
    #[inline(never)]
    fn walk<'l, const N: usize>(&mut self, line: &'l [u8], found: &mut Found<'_, 'l, N>) -> Result<(), &'static str> {
        self.path.clear();
        self.wanted.iter_mut().for_each(|wanted| wanted.seen = false);
        self.template.clear();
        let mut walk = Walk { scanner: self, found, line, literal: 0, at: 0 };
        let result = walk.line();
        let tail = line.get(walk.literal..).unwrap_or_default();
        if result.is_ok() && self.template.values.len() <= MAX_FOLLOWED {
            self.template.literals.extend_from_slice(tail);
        } else {
            self.template.clear();
        }
        result
    }
}

impl ValueAt {
    /// Where the literal ends that stands at this place of a line. Nearly all are short and compared in one go.
    #[inline(always)]
    fn behind_literal(&self, literals: &[u8], line: &[u8], at: usize) -> Option<usize> {
        let end = at + self.length;
        if let Some(bytes) = line.get(at..).and_then(<[u8]>::first_chunk) {
            if (u128::from_le_bytes(*bytes) ^ self.head.bytes) & self.head.mask != 0 {
                return None;
            }
            if self.length <= HEAD_BYTES {
                return Some(end);
            }
        }
        (line.get(at..end)? == literals.get(self.start..self.start + self.length)?).then_some(end)
    }
}

/// A line on its way, key by key.
struct Walk<'l, 'v, 's, const N: usize> {
    scanner: &'s mut Scanner,
    found: &'s mut Found<'v, 'l, N>,
    line: &'l [u8],
    /// Where the last value ended.
    literal: usize,
    at: usize,
}

impl<const N: usize> Walk<'_, '_, '_, N> {
    fn line(&mut self) -> Result<(), &'static str> {
        self.blank();
        if !self.take(b'{') {
            return Err("not_json");
        }
        self.object(1)?;
        self.blank();
        if self.at == self.line.len() { Ok(()) } else { Err("bad_json") }
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
            let (key, end) = text(self.line, self.at).ok_or("bad_json")?;
            self.at = end + 1;
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
        if matches!(self.line.get(self.at), Some(b'{' | b'[')) && depth == MAX_DEPTH {
            return Err("too_deep");
        }
        if self.take(b'{') {
            return self.object(depth + 1);
        }
        if self.take(b'[') {
            return self.array(depth + 1);
        }
        let is_text = self.take(b'"');
        let literal = &self.line[self.literal..self.at];
        let (value, end) = if is_text { text(self.line, self.at) } else { bare(self.line, self.at) }.ok_or("bad_json")?;
        let path = &self.scanner.path;
        let wanted = self.scanner.wanted.iter_mut().find(|wanted| wanted.path == *path);
        let target = wanted.and_then(|wanted| (!std::mem::replace(&mut wanted.seen, true)).then_some(wanted.target));
        if let Some(target) = target {
            self.found.offer(target, value);
        }
        let Template { literals, values } = &mut self.scanner.template;
        if values.len() <= MAX_FOLLOWED {
            values.push(ValueAt { start: literals.len(), length: literal.len(), head: Head::new(literal), is_text, target });
            literals.extend_from_slice(literal);
        }
        self.literal = end;
        // The closing quote is part of the next literal.
        self.at = end + usize::from(is_text);
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
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.line.get(self.at) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.line.get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }
}

#[cfg(test)]
mod tests;

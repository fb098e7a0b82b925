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

/// The values of one line, as they stand in it.
struct Found<'a, const N: usize> {
    values: [&'a [u8]; N],
    ranks: [usize; N],
    /// One bit for each place whose value holds escapes.
    escaped: u64,
}

impl<'a, const N: usize> Found<'a, N> {
    fn new() -> Self {
        const { assert!(N <= u64::BITS as usize) };
        Self { values: [b""; N], ranks: [usize::MAX; N], escaped: 0 }
    }

    /// Keeps a value unless it is missing (`""`, `"-"`, `null`) or a better key's is there.
    fn offer(&mut self, target: Target, value: Value<'a>) {
        let (text, is_escaped) = match value {
            Value::Nothing | Value::Plain(b"" | b"-") => return,
            Value::Plain(text) => (text, false),
            Value::Escaped(text) => (text, true),
        };
        if let Some(rank) = self.ranks.get_mut(target.place)
            && target.rank < *rank
        {
            *rank = target.rank;
            self.values[target.place] = text;
            self.escaped = self.escaped & !(1 << target.place) | u64::from(is_escaped) << target.place;
        }
    }

    /// The values without escapes: those that have some are written out in `scratch`.
    fn freed(self, scratch: &'a mut Vec<u8>) -> [&'a [u8]; N] {
        let Self { mut values, escaped, .. } = self;
        if escaped == 0 {
            return values;
        }
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
        values
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
        let mut found = Found::new();
        if self.follow_template(line, &mut found).is_none() {
            found = self.walk(line)?;
        }
        Ok(found.freed(&mut self.scratch))
    }

    /// Finds what is wanted if the line is like the one that was walked last; else nothing is to be made of `found`.
    fn follow_template<'l, const N: usize>(&self, line: &'l [u8], found: &mut Found<'l, N>) -> Option<()> {
        let mut literals = self.template.literals.as_slice();
        if literals.is_empty() {
            return None;
        }
        let mut rest = line;
        for step in &self.template.values {
            let literal;
            (literal, literals) = literals.split_at_checked(step.literal)?;
            rest = behind(literal, rest)?;
            let value;
            (value, rest) = if step.is_text { text(rest)? } else { bare(rest)? };
            if let Some(target) = step.target {
                found.offer(target, value);
            }
        }
        (rest == literals).then_some(())
    }

    fn walk<'l, const N: usize>(&mut self, line: &'l [u8]) -> Result<Found<'l, N>, &'static str> {
        self.path.clear();
        self.wanted.iter_mut().for_each(|wanted| wanted.seen = false);
        self.template.literals.clear();
        self.template.values.clear();
        let mut walk = Walk { scanner: self, found: Found::new(), literal: line, rest: line };
        let result = walk.line();
        let Walk { found, literal: tail, .. } = walk;
        match result {
            Ok(()) => self.template.literals.extend_from_slice(tail),
            Err(_) => self.template.literals.clear(),
        }
        result.map(|()| found)
    }
}

/// What follows `literal` in front of `line`. The usual lengths are compared in place: a call would cost more than the comparison.
#[inline]
fn behind<'l>(literal: &[u8], line: &'l [u8]) -> Option<&'l [u8]> {
    fn ends<const N: usize>(text: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
        (text.first_chunk(), text.last_chunk())
    }
    let (head, rest) = line.split_at_checked(literal.len())?;
    let is_same = match literal.len() {
        4..8 => ends::<4>(head) == ends::<4>(literal),
        8..16 => ends::<8>(head) == ends::<8>(literal),
        16..=32 => ends::<16>(head) == ends::<16>(literal),
        _ => head == literal,
    };
    is_same.then_some(rest)
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

#[cfg(test)]
mod tests;

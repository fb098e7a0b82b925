//! One JSON object per line: finds the values of known keys without building anything.
//!
//! Lines of one log look alike, so the text between the values of the last line that was walked is kept, and compared with the next
//! line at the places where it must stand; the line's end is found on the way. Where it does not stand there, the line is cut out of its
//! block and walked key by key. Both ways read values by the same code.
//!
//! Read generously where servers write badly: any byte may stand in a string, `\xHH` (nginx without `escape=json`) is an escape, and
//! `-` or a number with leading zeros are values.

mod values;

use values::{Value, bare, text, unescape};

use super::{Parsed, Sink, first_line};

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
    tail: Literal,
}

impl Template {
    fn clear(&mut self) {
        self.literals.clear();
        self.values.clear();
    }

    fn add(&mut self, text: &[u8]) -> Literal {
        let literal = Literal { start: self.literals.len(), length: text.len(), head: Head::new(text) };
        self.literals.extend_from_slice(text);
        literal
    }

    /// The line is at its end: `tail` is what stands behind its last value.
    fn finish(&mut self, tail: &[u8]) {
        self.tail = self.add(tail);
        let mut counts = [0_u16; MAX_PLACES];
        for value in &self.values {
            if let Goal::Best(target) = value.goal {
                counts[usize::from(target.place)] += 1;
            }
        }
        for value in &mut self.values {
            if let Goal::Best(Target { place, .. }) = value.goal
                && counts[usize::from(place)] == 1
            {
                value.goal = Goal::Only(place);
            }
        }
    }
}

struct ValueAt {
    /// What stands in front of it.
    literal: Literal,
    is_text: bool,
    goal: Goal,
}

/// Where a value of each line goes.
#[derive(Clone, Copy)]
enum Goal {
    Nowhere,
    /// To this place, like no other value of the line.
    Only(u8),
    /// There, if it is the best one.
    Best(Target),
}

/// A text that each line has: where it begins among all, its length, and its first bytes.
#[derive(Default)]
struct Literal {
    start: usize,
    length: usize,
    head: Head,
}

/// The first bytes of a literal, to be compared all at once, and which of them belong to it.
#[derive(Default)]
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

impl Literal {
    /// Where it ends if it stands at this place of a text. Nearly all are short and compared in one go.
    #[inline(always)]
    fn behind(&self, literals: &[u8], text: &[u8], at: usize) -> Option<usize> {
        let end = at + self.length;
        if let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) {
            if (u128::from_le_bytes(*bytes) ^ self.head.bytes) & self.head.mask != 0 {
                return None;
            }
            if self.length <= HEAD_BYTES {
                return Some(end);
            }
        }
        (text.get(at..end)? == literals.get(self.start..self.start + self.length)?).then_some(end)
    }
}

/// The values of one line, as they stand in it.
struct Found<'v, 'a, const N: usize> {
    values: &'v mut [&'a [u8]; N],
    ranks: [u8; N],
    /// One bit for each place whose value holds escapes.
    escaped: u64,
}

/// Places that can be told apart.
const MAX_PLACES: usize = u64::BITS as usize;
/// The rank of no key.
const NO_RANK: u8 = u8::MAX;

impl<'v, 'a, const N: usize> Found<'v, 'a, N> {
    fn new(values: &'v mut [&'a [u8]; N]) -> Self {
        const { assert!(N <= MAX_PLACES) };
        *values = [b""; N];
        Self { values, ranks: [NO_RANK; N], escaped: 0 }
    }

    /// Keeps the only value that may go to a place, unless it is missing (`""`, `"-"`, `null`).
    #[inline(always)]
    fn put(&mut self, place: u8, value: Value<'a>) {
        let place = usize::from(place);
        if let Some(slot) = self.values.get_mut(place) {
            match value {
                Value::Nothing => {}
                Value::Plain(text) => *slot = if text == b"-" { &text[..0] } else { text },
                Value::Escaped(text) => {
                    *slot = text;
                    self.escaped |= 1 << place;
                }
            }
        }
    }

    /// Keeps a value unless it is missing or a better key's is there.
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

    /// Reads a line into `sink`. `record` makes of its values what they tell: they are freed from escapes, and empty where one is missing.
    pub(super) fn read_line<const N: usize>(
        &mut self,
        line: &[u8],
        sink: &mut dyn Sink,
        mut record: impl for<'a> FnMut(&[&'a [u8]; N]) -> Result<Parsed<'a>, &'static str>,
    ) {
        if line.is_empty() {
            return sink.take(line, Parsed::Skip);
        }
        let mut values = [&b""[..]; N];
        let parsed = self.read(line, &mut values).and_then(|()| record(&values));
        sink.take(line, parsed.unwrap_or_else(Parsed::Malformed));
    }

    /// Reads a block of whole lines likewise, and gives their number.
    #[inline]
    pub(super) fn read_block<const N: usize>(
        &mut self,
        block: &[u8],
        sink: &mut dyn Sink,
        mut record: impl for<'a> FnMut(&[&'a [u8]; N]) -> Result<Parsed<'a>, &'static str>,
    ) -> u64 {
        let (mut count, mut rest) = (0, block);
        while !rest.is_empty() {
            count += 1;
            let mut values = [&b""[..]; N];
            let mut found = Found::new(&mut values);
            // Where a line ends is known when it has been followed: nothing that is followed holds a line end.
            if let Some(end) = self.follow_template(rest, &mut found)
                && let (line, [b'\n', after @ ..] | after @ []) = rest.split_at(end)
            {
                if found.escaped != 0 {
                    found.free(&mut self.scratch);
                }
                sink.take(line, record(&values).unwrap_or_else(Parsed::Malformed));
                rest = after;
            } else {
                let (line, after) = first_line(rest);
                self.read_line(line, sink, &mut record);
                rest = after;
            }
        }
        count
    }

    /// Finds the values in `line`. The reason if it is no JSON object.
    fn read<'a, const N: usize>(&'a mut self, line: &'a [u8], values: &mut [&'a [u8]; N]) -> Result<(), &'static str> {
        let mut found = Found::new(values);
        if self.follow_template(line, &mut found) != Some(line.len()) {
            found = Found::new(found.values);
            self.walk(line, &mut found)?;
        }
        if found.escaped != 0 {
            found.free(&mut self.scratch);
        }
        Ok(())
    }

    /// Finds what is wanted if `text` begins with a line like the one that was walked last, and where that line ends; else nothing is to be
    /// made of `found`.
    #[inline(always)]
    fn follow_template<'l, const N: usize>(&self, text: &'l [u8], found: &mut Found<'_, 'l, N>) -> Option<usize> {
        let Template { literals, values, tail } = &self.template;
        let mut at = 0;
        for step in values {
            at = step.literal.behind(literals, text, at)?;
            let keep = |value| match step.goal {
                Goal::Nowhere => {}
                Goal::Only(place) => found.put(place, value),
                Goal::Best(target) => found.offer(target, value),
            };
            at = if step.is_text { values::text(text, at, keep)? } else { bare(text, at, keep)? };
        }
        if literals.is_empty() { None } else { tail.behind(literals, text, at) }
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
            self.template.finish(tail);
        } else {
            self.template.clear();
        }
        result
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
            let mut key = Value::Nothing;
            let end = text(self.line, self.at, |text| key = text).ok_or("bad_json")?;
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
        let mut value = Value::Nothing;
        let keep = |found| value = found;
        let end = if is_text { text(self.line, self.at, keep) } else { bare(self.line, self.at, keep) }.ok_or("bad_json")?;
        let path = &self.scanner.path;
        let wanted = self.scanner.wanted.iter_mut().find(|wanted| wanted.path == *path);
        let target = wanted.and_then(|wanted| (!std::mem::replace(&mut wanted.seen, true)).then_some(wanted.target));
        if let Some(target) = target {
            self.found.offer(target, value);
        }
        let template = &mut self.scanner.template;
        if template.values.len() <= MAX_FOLLOWED {
            let literal = template.add(literal);
            template.values.push(ValueAt { literal, is_text, goal: target.map_or(Goal::Nowhere, Goal::Best) });
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

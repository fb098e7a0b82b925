//! nginx `combined`: `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"
//! "$http_user_agent"`, with or without what people add behind it: `$request_time`, `"$http_x_forwarded_for"`.
//!
//! One pass over a block notes where quotes, line ends and backslashes are. A line with six quotes and no backslash, as nearly all are,
//! is cut at those places; any other goes the careful way. nginx writes `"`, `\` and all but printable ASCII as `\xHH`, so that a
//! quote in a value cannot end a field.

use wide::u8x16;

use super::timestamps::ClfClock;
use super::{Format, Parsed, Sink, escapes, lines, numbers};
use crate::event::{Event, HttpRequest, Stamped};

/// The format's state: caches and buffers only.
#[derive(Default)]
pub struct NginxCombined {
    clock: ClfClock,
    marks: Vec<u32>,
    unescaped: Vec<u8>,
}

/// `[04/Apr/2026:12:59:12 +0200] `, as long as it is before the request's quote.
const TIME_BYTES: usize = 26;

impl NginxCombined {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line whose only quotes are at `quotes`, without backslashes.
    fn cut<'a>(&mut self, line: &'a [u8], quotes: [usize; 6]) -> Parsed<'a> {
        match fields(line, quotes) {
            Ok(fields) => self.finish(&fields),
            Err(reason) => Parsed::Malformed(reason),
        }
    }

    fn finish<'a>(&mut self, fields: &Fields<'a>) -> Parsed<'a> {
        let Some(at) = self.clock.parse(fields.time) else { return Parsed::Malformed("bad_time") };
        let (method, target) = split_request(fields.request);
        Parsed::Event(Stamped {
            at,
            event: Event::Http(HttpRequest {
                peer: fields.peer,
                forwarded_for: fields.forwarded_for,
                method,
                target,
                status: fields.status,
                bytes: fields.bytes,
                duration_micros: fields.duration_micros,
                host: b"",
                referer: fields.referer,
                user_agent: fields.user_agent,
                country: b"",
            }),
        })
    }

    /// A line with backslashes, or with another number of quotes.
    fn read_odd_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        if line.is_empty() {
            return sink.take(line, Parsed::Skip);
        }
        let mut quotes = [0; 8];
        let mut found = 0;
        for at in memchr::memchr_iter(b'"', line) {
            match quotes.get_mut(found) {
                Some(slot) => *slot = at,
                None => return sink.take(line, Parsed::Malformed("quotes")),
            }
            found += 1;
        }
        let [a, b, c, d, e, f, g, h] = quotes;
        let fields = match found {
            6 => fields(line, [a, b, c, d, e, f]),
            8 => fields(line, [a, b, c, d, e, f]).map(|fields| Fields { forwarded_for: dash_is_empty(&line[g + 1..h]), ..fields }),
            _ => Err("quotes"),
        };
        let mut fields = match fields {
            Ok(fields) => fields,
            Err(reason) => return sink.take(line, Parsed::Malformed(reason)),
        };
        if memchr::memchr(b'\\', line).is_none() {
            return sink.take(line, self.finish(&fields));
        }
        let mut unescaped = std::mem::take(&mut self.unescaped);
        unescaped.clear();
        let texts = [fields.request, fields.referer, fields.user_agent, fields.forwarded_for];
        let ends = texts.map(|text| {
            escapes::unescape(text, &mut unescaped);
            unescaped.len()
        });
        let [request, referer, user_agent, forwarded_for] = ends;
        fields.request = &unescaped[..request];
        fields.referer = &unescaped[request..referer];
        fields.user_agent = &unescaped[referer..user_agent];
        fields.forwarded_for = &unescaped[user_agent..forwarded_for];
        let parsed = self.finish(&fields);
        sink.take(line, parsed);
        self.unescaped = unescaped;
    }
}

impl Format for NginxCombined {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        self.read_odd_line(line, sink);
    }

    fn read_block(&mut self, block: &[u8], sink: &mut dyn Sink) -> u64 {
        let mut marks = std::mem::take(&mut self.marks);
        let mut count = 0;
        let mut start = 0;
        // Marks are 32 bits wide; blocks are far smaller, and one that is not goes the careful way.
        let mut rest = if u32::try_from(block.len()).is_ok() { note_marks(block, &mut marks) } else { &[] };
        while !rest.is_empty() {
            count += 1;
            if let [a, b, c, d, e, f, end, after @ ..] = rest
                && let quotes = [*a, *b, *c, *d, *e, *f].map(|mark| (mark as usize).wrapping_sub(start))
                && let Some(line) = block.get(start..*end as usize)
                && block[*end as usize] == b'\n'
                && quotes.iter().all(|&quote| line.get(quote) == Some(&b'"'))
            {
                sink.take(line, self.cut(line, quotes));
                (start, rest) = (*end as usize + 1, after);
                continue;
            }
            let ends = rest.iter().position(|&mark| block[mark as usize] == b'\n');
            let end = ends.map_or(block.len(), |index| rest[index] as usize);
            let line = &block[start..end];
            self.read_odd_line(line.strip_suffix(b"\r").unwrap_or(line), sink);
            (start, rest) = match ends {
                Some(index) => (end + 1, &rest[index + 1..]),
                None => (end, &rest[rest.len()..]),
            };
        }
        for line in lines(&block[start..]) {
            self.read_odd_line(line, sink);
            count += 1;
        }
        self.marks = marks;
        count
    }
}

/// Marks in 64 bytes that are seldom exceeded: in one piece of sixteen, with lines of some 200 bytes.
const USUAL_MARKS: usize = 4;
/// With this bit in them bits are never none, and their first place is found by one instruction.
const NEVER_NONE: u64 = 1 << 63;

/// The places of quotes, line ends and backslashes. They are the first part of `marks`; what stands behind them is left over from before.
fn note_marks<'m>(block: &[u8], marks: &'m mut Vec<u32>) -> &'m [u32] {
    let (quote, end, backslash) = (u8x16::splat(b'"'), u8x16::splat(b'\n'), u8x16::splat(b'\\'));
    let (chunks, rest) = block.as_chunks::<64>();
    let (mut base, mut count) = (0, 0);
    for chunk in chunks {
        let mut bits = 0_u64;
        for (part, shift) in chunk.as_chunks::<16>().0.iter().zip([0, 16, 32, 48]) {
            let bytes = u8x16::new(*part);
            let found = bytes.simd_eq(quote) | bytes.simd_eq(end) | bytes.simd_eq(backslash);
            bits |= u64::from(found.to_bitmask()) << shift;
        }
        if marks.len() < count + 64 {
            marks.resize(2 * count + 64, 0);
        }
        let found = bits.count_ones() as usize;
        // How many there are cannot be foreseen: so many are written without a look whether they are there.
        let mut note = |slot: &mut u32| {
            *slot = base + (bits | NEVER_NONE).trailing_zeros();
            bits &= bits.wrapping_sub(1);
        };
        let (usual, more) = marks[count..count + 64].split_at_mut(USUAL_MARKS);
        usual.iter_mut().for_each(&mut note);
        if found > USUAL_MARKS {
            more[..found - USUAL_MARKS].iter_mut().for_each(note);
        }
        count += found;
        base += 64;
    }
    // The last bytes, one by one.
    for (at, _) in rest.iter().enumerate().filter(|(_, byte)| matches!(byte, b'"' | b'\n' | b'\\')) {
        if marks.len() == count {
            marks.push(0);
        }
        marks[count] = base + at as u32;
        count += 1;
    }
    &marks[..count]
}

struct Fields<'a> {
    peer: &'a [u8],
    time: &'a [u8],
    request: &'a [u8],
    status: u16,
    bytes: u64,
    referer: &'a [u8],
    user_agent: &'a [u8],
    duration_micros: Option<u64>,
    forwarded_for: &'a [u8],
}

/// Cuts a line at its quotes, which come in rising order.
fn fields(line: &[u8], [a, b, c, d, e, f]: [usize; 6]) -> Result<Fields<'_>, &'static str> {
    let (head, tail) = (&line[..a], &line[f + 1..]);
    // `PEER - USER [TIME] `: the user may hold blanks, so the time is taken from the right.
    let [before @ .., b']', b' '] = head else { return Err("no_time") };
    let (who, time) = before.split_at_checked(before.len().wrapping_sub(TIME_BYTES)).ok_or("no_time")?;
    let who = who.strip_suffix(b" [").ok_or("no_time")?;
    let peer = Some(first_word(who, line)).filter(|peer| !peer.is_empty()).ok_or("no_client")?;
    let (status, bytes) = status_and_bytes(&line[..c], b + 1)?;
    if line[d + 1..e] != *b" " {
        return Err("quotes");
    }
    Ok(Fields {
        peer,
        time,
        request: &line[a + 1..b],
        status,
        bytes,
        referer: dash_is_empty(&line[c + 1..d]),
        user_agent: dash_is_empty(&line[e + 1..f]),
        duration_micros: tail.strip_prefix(b" ").and_then(seconds),
        forwarded_for: b"",
    })
}

/// What stands before the first blank of `text`, which `line` begins with. Most addresses end within sixteen bytes; where cannot be foreseen.
#[inline]
fn first_word<'a>(text: &'a [u8], line: &[u8]) -> &'a [u8] {
    let blanks = line.first_chunk().map_or(0, |start| u8x16::new(*start).simd_eq(u8x16::splat(b' ')).to_bitmask());
    let end = if blanks == 0 { memchr::memchr(b' ', text) } else { Some(blanks.trailing_zeros() as usize) };
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// ` 200 1234 `, which `line` holds from `start` on.
fn status_and_bytes(line: &[u8], start: usize) -> Result<(u16, u64), &'static str> {
    let [before @ .., b' '] = line else { return Err("no_status") };
    let Some([b' ', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', bytes @ ..]) = before.get(start..) else {
        return Err("no_status");
    };
    let status = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
    let bytes = numbers::unsigned_at_end(before, bytes.len()).or_else(|| (bytes == b"-").then_some(0));
    Ok((status, bytes.ok_or("bad_bytes")?))
}

/// `0.377` at the start of `text` as microseconds; nothing if something else stands there.
fn seconds(text: &[u8]) -> Option<u64> {
    // Mostly nothing stands behind it.
    numbers::fixed(text, 6).or_else(|| numbers::fixed(text.split(|&byte| byte == b' ').next()?, 6))
}

/// `GET /x HTTP/1.1` as method and target. What is no HTTP (TLS bytes, an empty request) has no method and stands whole as target.
pub(super) fn split_request(request: &[u8]) -> (&[u8], &[u8]) {
    let Some((method, rest)) = method_and_rest(request) else { return (b"", request) };
    let target = match rest {
        // HTTP/0.9 has no version behind its target.
        [target @ .., b' ', b'H', b'T', b'T', b'P', b'/', _, b'.', _] => target,
        _ => match memchr::memmem::rfind(rest, b" HTTP/") {
            Some(end) => &rest[..end],
            None => rest,
        },
    };
    (method, target)
}

/// The method, and what stands behind the blank after it.
fn method_and_rest(request: &[u8]) -> Option<(&[u8], &[u8])> {
    if let [b'G', b'E', b'T', b' ', rest @ ..] | [b'P', b'O', b'S', b'T', b' ', rest @ ..] = request {
        return Some((request.get(..request.len() - rest.len() - 1)?, rest));
    }
    let space = request.iter().take(24).position(|&byte| byte == b' ')?;
    let (method, rest) = (request.get(..space)?, request.get(space + 1..)?);
    let is_method = !method.is_empty() && method.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
    is_method.then_some((method, rest))
}

/// nginx writes what a request lacks as `-`.
#[inline]
fn dash_is_empty(text: &[u8]) -> &[u8] {
    // Without a branch: half of all lines have one.
    let is_dash = (text.len() == 1) & (text.first() == Some(&b'-'));
    text.get(usize::from(is_dash)..).unwrap_or(text)
}

//! The bytes of Docker's answer to lines with their streams and times.
//!
//! Without a terminal each message comes in a frame: a byte for the stream, three zeros, a length, the message. With one, all comes raw.
//! Each message begins with its time. Docker cuts long lines into messages of 16 KiB that share a time and lack a line end, save the
//! last (and with the log driver `local` of Engine 20.10 that, too): they are joined here. However long a line gets, only its beginning
//! is kept.

use memchr::memchr;

/// A frame's head.
const HEAD_BYTES: usize = 8;
/// The longest time that is waited for.
const MAX_STAMP_BYTES: usize = 64;
/// What a raw line may hold besides its text: the times of the messages that it was cut into. Docker cuts at 16 KiB.
const STAMPS_SHARE: usize = 256;
/// The longest text of the engine's own error that is kept.
const MAX_ERROR_BYTES: usize = 300;

/// A whole line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// 0: standard output, or the terminal; 1: standard error.
    pub(super) stream: usize,
    /// When Docker received it, in nanoseconds since the epoch.
    pub(super) at: i64,
    /// Its text without the line end, up to the longest line.
    pub(super) text: Vec<u8>,
    /// How long it was with its end.
    pub(super) bytes: u64,
    /// It was longer than the limit.
    pub(super) is_cut: bool,
}

/// Why an answer cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// It is none.
    #[error("the answer holds no log: {0}")]
    Garbage(&'static str),
    /// The engine says in the middle of the answer why it stops.
    #[error("{0}")]
    Engine(String),
}

/// Takes an answer apart, as it comes in.
#[derive(Debug)]
pub(super) struct Decoder {
    max_line: usize,
    form: Form,
    /// By stream. A terminal's is the first.
    open: [Open; 2],
}

#[derive(Debug)]
enum Form {
    Unknown,
    Raw,
    Head(Vec<u8>),
    Frame { stream: u8, left: usize },
}

/// A line that has not ended yet.
#[derive(Debug, Default)]
struct Open {
    /// The time of the message that is coming in, until its end is there.
    stamp: Vec<u8>,
    in_text: bool,
    at: Option<i64>,
    text: Vec<u8>,
    bytes: u64,
}

impl Decoder {
    /// For one answer. Lines longer than `max_line` bytes are cut.
    pub(super) fn new(max_line: usize) -> Self {
        Self { max_line, form: Form::Unknown, open: Default::default() }
    }

    /// Takes the next bytes of the answer; `emit` gets the lines that they end.
    pub(super) fn push(&mut self, mut bytes: &[u8], emit: &mut dyn FnMut(Line)) -> Result<(), Error> {
        while let Some(first) = bytes.first() {
            match &mut self.form {
                // The smallest byte that a time begins with is far behind the numbers of the streams.
                Form::Unknown => self.form = if *first <= 3 { Form::Head(Vec::new()) } else { Form::Raw },
                Form::Raw => return self.raw(bytes, emit),
                Form::Head(head) => {
                    let (taken, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - head.len()));
                    head.extend_from_slice(taken);
                    bytes = rest;
                    if let Ok(head) = <[u8; HEAD_BYTES]>::try_from(head.as_slice()) {
                        self.begin_frame(head)?;
                    }
                }
                Form::Frame { stream, left } => {
                    let (taken, rest) = bytes.split_at(bytes.len().min(*left));
                    *left -= taken.len();
                    let (stream, is_end) = (*stream, *left == 0);
                    bytes = rest;
                    self.message(stream, taken, emit)?;
                    if is_end {
                        self.end_frame(stream)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The answer is at its end, and its container has ended: what is open is a line, too.
    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(Line)) {
        if matches!(self.form, Form::Head(_)) {
            for (number, open) in self.open.iter_mut().enumerate().filter(|(_, open)| open.bytes > 0) {
                emit(open.end_line(number, self.max_line, false));
            }
        }
    }

    fn begin_frame(&mut self, [stream, zeros @ .., a, b, c, d]: [u8; HEAD_BYTES]) -> Result<(), Error> {
        if stream > 3 || zeros != [0; 3] {
            return Err(Error::Garbage("a frame without a head"));
        }
        let left = u32::from_be_bytes([a, b, c, d]) as usize;
        self.form = if left == 0 { Form::Head(Vec::new()) } else { Form::Frame { stream, left } };
        Ok(())
    }

    fn message(&mut self, stream: u8, bytes: &[u8], emit: &mut dyn FnMut(Line)) -> Result<(), Error> {
        let number = match stream {
            0 | 1 => 0,
            2 => 1,
            _ => {
                // The engine's own words: no time stands in front.
                let room = MAX_ERROR_BYTES.saturating_sub(self.open[0].text.len());
                self.open[0].text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                return Ok(());
            }
        };
        self.open[number].text_of(number, bytes, self.max_line, false, emit)
    }

    fn end_frame(&mut self, stream: u8) -> Result<(), Error> {
        self.form = Form::Head(Vec::new());
        match stream {
            0 | 1 => self.open[0].end_message(),
            2 => self.open[1].end_message(),
            _ => return Err(Error::Engine(String::from_utf8_lossy(&self.open[0].text).trim().to_owned())),
        }
        Ok(())
    }

    fn raw(&mut self, bytes: &[u8], emit: &mut dyn FnMut(Line)) -> Result<(), Error> {
        self.open[0].text_of(0, bytes, self.max_line, true, emit)
    }
}

impl Open {
    /// Takes bytes of messages: a time, a blank, text.
    fn text_of(&mut self, stream: usize, mut bytes: &[u8], max: usize, is_raw: bool, emit: &mut dyn FnMut(Line)) -> Result<(), Error> {
        while !bytes.is_empty() {
            if !self.in_text {
                bytes = self.take_stamp(stream, bytes, max, emit)?;
                continue;
            }
            let end = memchr(b'\n', bytes);
            let (text, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.bytes += text.len() as u64;
            let room = if is_raw { max + max / STAMPS_SHARE + 2 * MAX_STAMP_BYTES } else { max }.saturating_sub(self.text.len());
            self.text.extend_from_slice(text.get(..room).unwrap_or(text));
            bytes = rest.get(1..).unwrap_or_default();
            if end.is_some() {
                emit(self.end_line(stream, max, is_raw));
                // A message may hold several lines: all are of its time. Raw, the next line brings its own.
                self.in_text = !is_raw;
            }
        }
        Ok(())
    }

    /// Takes the beginning of a message up to the blank behind its time; gives what comes then.
    fn take_stamp<'a>(&mut self, stream: usize, bytes: &'a [u8], max: usize, emit: &mut dyn FnMut(Line)) -> Result<&'a [u8], Error> {
        let end = memchr(b' ', bytes);
        let (stamp, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if self.stamp.len() + stamp.len() > MAX_STAMP_BYTES {
            return Err(Error::Garbage("a line without a time"));
        }
        self.stamp.extend_from_slice(stamp);
        if end.is_some() {
            let at = std::str::from_utf8(&self.stamp).ok().and_then(nanoseconds).ok_or(Error::Garbage("a line without a time"))?;
            // Parts of a line share its time.
            if self.bytes > 0 && self.at != Some(at) {
                emit(self.end_line(stream, max, false));
            }
            self.at = Some(at);
            self.in_text = true;
        }
        Ok(rest.get(1..).unwrap_or_default())
    }

    fn end_message(&mut self) {
        self.in_text = false;
        self.stamp.clear();
    }

    fn end_line(&mut self, stream: usize, max: usize, is_raw: bool) -> Line {
        let (mut text, mut bytes) = (std::mem::take(&mut self.text), std::mem::take(&mut self.bytes));
        let at = self.at.unwrap_or_default();
        if is_raw {
            // The times of the messages that it was cut into stand in the middle. No program could have written them: they are of
            // the future for it, to the nanosecond.
            let mut stamp = std::mem::take(&mut self.stamp);
            stamp.push(b' ');
            while let Some(place) = memchr::memmem::find(&text, &stamp) {
                text.drain(place..place + stamp.len());
                bytes -= stamp.len() as u64;
            }
            if text.last() == Some(&b'\r') {
                text.pop();
                bytes -= 1;
            }
        }
        let is_cut = bytes > max as u64;
        text.truncate(max);
        Line { stream, at, text, bytes: bytes + 1, is_cut }
    }
}

fn nanoseconds(stamp: &str) -> Option<i64> {
    let at: jiff::Timestamp = stamp.parse().ok()?;
    i64::try_from(at.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "2026-11-21T18:00:00.000000001Z";
    const B: &str = "2026-11-21T18:00:00.000000002Z";
    const NANOS: i64 = 1_795_284_000_000_000_000;

    /// Stream, time, text, bytes, whether it was cut.
    type Seen = (usize, i64, String, u64, bool);

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend((text.len() as u32).to_be_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    /// Decoded in pieces of each of several sizes, which must not matter.
    fn decoded(bytes: &[u8], max: usize) -> Result<Vec<Seen>, Error> {
        let mut results = [1, 2, 7, 4096, usize::MAX].map(|size| {
            let (mut decoder, mut lines) = (Decoder::new(max), Vec::new());
            let mut emit = |line: Line| {
                let text = String::from_utf8(line.text).unwrap();
                lines.push((line.stream, line.at - NANOS, text, line.bytes, line.is_cut));
            };
            bytes.chunks(size).try_for_each(|piece| decoder.push(piece, &mut emit)).map(|()| lines)
        });
        let first = std::mem::replace(&mut results[0], Ok(Vec::new()));
        assert!(results[1..].iter().all(|other| *other == first), "{first:?} {results:?}");
        first
    }

    fn line(stream: usize, at: i64, text: &str) -> Seen {
        (stream, at, text.to_owned(), text.len() as u64 + 1, false)
    }

    #[test]
    fn frames_are_lines_of_their_streams_and_parts_are_joined() {
        let answer = [
            frame(1, &format!("{A} one\n")),
            frame(1, &format!("{A} be")),
            frame(2, &format!("{B} two\n")),
            frame(1, &format!("{A} gin")),
            frame(1, &format!("{A} ning\n")),
            frame(2, &format!("{A} \n")),
            frame(1, ""),
            frame(1, &format!("{B} a\nb\n")),
            frame(1, &format!("{B} not over yet")),
        ];
        let expected = [line(0, 1, "one"), line(1, 2, "two"), line(0, 1, "beginning"), line(1, 1, ""), line(0, 2, "a"), line(0, 2, "b")];
        assert_eq!(decoded(&answer.concat(), 1000).unwrap(), expected);
    }

    #[test]
    fn a_line_without_an_end_ends_with_the_next_time_or_with_its_container() {
        let answer =
            [frame(1, &format!("{A} be")), frame(1, &format!("{A} gun")), frame(2, &format!("{A} x\n")), frame(1, &format!("{B} la"))];
        let (mut decoder, mut lines) = (Decoder::new(100), Vec::new());
        decoder.push(&answer.concat(), &mut |line| lines.push(line)).unwrap();
        assert_eq!(lines.iter().map(|line| line.text.as_slice()).collect::<Vec<_>>(), [b"x".as_slice(), b"begun"]);
        decoder.finish(&mut |line| lines.push(line));
        assert_eq!((lines[2].text.as_slice(), lines[2].at, lines.len()), (b"la".as_slice(), NANOS + 2, 3));
    }

    #[test]
    fn a_terminal_is_raw_and_its_long_lines_carry_times_inside() {
        let long = "x".repeat(16 * 1024);
        let answer = format!("{A} one\r\n{B} \r\n{A} {long}{A} {long}{A} end\r\n{B} not over");
        let joined = format!("{long}{long}end");
        assert_eq!(decoded(answer.as_bytes(), 65_536).unwrap(), [line(0, 1, "one"), line(0, 2, ""), line(0, 1, &joined)]);
        let cut = decoded(answer.as_bytes(), 20_000).unwrap();
        assert_eq!((cut[2].2.as_str(), cut[2].4), (joined.get(..20_000).unwrap(), true));
    }

    #[test]
    fn long_lines_are_cut_and_take_no_memory() {
        let part = format!("{A} {}", "y".repeat(16 * 1024));
        let mut answer: Vec<u8> = frame(2, &part).repeat(40);
        answer.extend(frame(2, &format!("{A} end\n")));
        answer.extend(frame(2, &format!("{B} {}\n", "z".repeat(1000))));
        let lines = decoded(&answer, 1000).unwrap();
        assert_eq!(lines[0], (1, 1, "y".repeat(1000), 40 * 16 * 1024 + 4, true));
        assert_eq!(lines[1], line(1, 2, &"z".repeat(1000)));
        let mut decoder = Decoder::new(1000);
        for _ in 0..100 {
            decoder.push(&vec![b' '; 65_536], &mut |_| {}).unwrap_err();
            decoder.push(&frame(2, &part), &mut |_| {}).unwrap_or_default();
        }
        assert!(decoder.open.iter().all(|open| open.text.len() <= 2000 && open.stamp.len() <= MAX_STAMP_BYTES));
    }

    #[test]
    fn what_is_no_log_is_told() {
        let garbage = |what| Err(Error::Garbage(what));
        assert_eq!(decoded(b"<html><body>Not a log</body></html>\n", 100), garbage("a line without a time"));
        assert_eq!(decoded(&frame(1, "no time here\n"), 100), garbage("a line without a time"));
        assert_eq!(decoded(&[1, 0, 0, 9, 0, 0, 0, 1, 65], 100), garbage("a frame without a head"));
        assert_eq!(decoded(&frame(3, "Error grabbing logs: EOF\n"), 100), Err(Error::Engine("Error grabbing logs: EOF".to_owned())));
        let offset = format!("2026-11-21T19:00:00.000000001+01:00 local\n{A} {B}\n");
        assert_eq!(decoded(offset.as_bytes(), 100).unwrap(), [line(0, 1, "local"), line(0, 1, B)]);
    }
}

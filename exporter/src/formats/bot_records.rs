//! Records of more than one line, as bots write them: an error is held until the next record begins, so that the traceback behind it is
//! part of it. What the bots' formats share; they find the headers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Parsed, Sink};
use crate::event::{BotError, ErrorLevel, Event, Stamped, Timestamp};
use crate::privacy::Privacy;

/// The longest record and summary kept; what goes beyond is still counted as part of the record.
const MAX_CONTEXT_BYTES: usize = 64 << 10;
const MAX_SUMMARY_BYTES: usize = 4 << 10;

const TRACEBACK: &[u8] = b"Traceback (most recent call last):";
const GROUP_TRACEBACK: &[u8] = b"Exception Group Traceback (most recent call last):";

/// The first line of a record.
pub(super) struct Header<'a> {
    pub(super) at: Timestamp,
    pub(super) level: Option<ErrorLevel>,
    pub(super) message: &'a [u8],
}

/// The record that is being read.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Records {
    /// When the last header was written; nothing before the first.
    last_header: Option<Timestamp>,
    /// Whether the traceback behind the last header has been reported: a flush may come in the middle of it.
    traceback_told: bool,
    open: Option<Record>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    at: Timestamp,
    level: Option<ErrorLevel>,
    traceback: bool,
    /// Inside a traceback, before the line that names the exception.
    in_frames: bool,
    #[serde(with = "bytes_as_text")]
    summary: Vec<u8>,
    #[serde(with = "bytes_as_text")]
    context: Vec<u8>,
}

impl Records {
    /// Begins a record, after ending the one before. Says whether the record is an error, held from now on; of any other the caller
    /// says what it is.
    pub(super) fn begin(&mut self, line: &[u8], shown: &[u8], header: &Header<'_>, sink: &mut dyn Sink) -> bool {
        self.flush(line, sink);
        (self.last_header, self.traceback_told) = (Some(header.at), false);
        let traceback = header.message.starts_with(TRACEBACK) || header.level.is_some() && header.message.ends_with(TRACEBACK);
        if header.level.is_none() && !traceback {
            return false;
        }
        self.open = Some(Record::new(header.at, header.level, traceback, header.message, shown));
        sink.take(line, Parsed::Open);
        true
    }

    /// Takes a line that is no header; `shown` is the line as it goes into the record.
    pub(super) fn go_on(&mut self, line: &[u8], shown: &[u8], sink: &mut dyn Sink) {
        let Some(last_header) = self.last_header else {
            return sink.take(line, if shown.trim_ascii().is_empty() { Parsed::Skip } else { Parsed::Malformed("no_header") });
        };
        let parsed = match &mut self.open {
            Some(record) => {
                record.push(shown);
                Parsed::Continued
            }
            None if !self.traceback_told && is_traceback(ungrouped(shown)) => {
                self.open = Some(Record::new(last_header, None, true, b"", shown));
                Parsed::Open
            }
            None => Parsed::Continued,
        };
        sink.take(line, parsed);
    }

    /// Ends the held record, if there is one.
    pub(super) fn flush(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let Some(record) = self.open.take() else { return };
        self.traceback_told |= record.traceback;
        let Record { at, level, traceback, summary, context, .. } = &record;
        let event = Event::BotError(BotError { level: *level, traceback: *traceback, summary, context });
        sink.take(line, Parsed::Event(Stamped { at: *at, event }));
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The open record goes to the disk as people may see it: no raw number does.
    pub(super) fn save(&self, privacy: &Privacy) -> Value {
        let shown =
            |record: &Record| Record { summary: privacy.for_disk(&record.summary), context: privacy.for_disk(&record.context), ..*record };
        serde_json::to_value(Self { open: self.open.as_ref().map(shown), ..*self }).unwrap_or_default()
    }

    /// Takes up what [`Records::save`] gave; begins anew if that is something else.
    pub(super) fn load(&mut self, saved: &Value) {
        *self = Self::deserialize(saved).unwrap_or_default();
    }
}

impl Record {
    fn new(at: Timestamp, level: Option<ErrorLevel>, traceback: bool, message: &[u8], line: &[u8]) -> Self {
        let mut record = Self { at, level, traceback, in_frames: traceback, summary: Vec::new(), context: Vec::new() };
        append(&mut record.context, line, MAX_CONTEXT_BYTES);
        append(&mut record.summary, message, MAX_SUMMARY_BYTES);
        record
    }

    fn push(&mut self, line: &[u8]) {
        append(&mut self.context, b"\n", MAX_CONTEXT_BYTES);
        append(&mut self.context, line, MAX_CONTEXT_BYTES);
        let line = ungrouped(line);
        if is_traceback(line) {
            (self.traceback, self.in_frames) = (true, true);
        } else if self.in_frames && line.first().is_some_and(|first| !first.is_ascii_whitespace()) {
            // The first line after the frames names the exception. More may follow: the rest of its text, or the traceback of another
            // exception that came while this one was handled; then that one's name is taken.
            self.in_frames = false;
            self.summary.clear();
            append(&mut self.summary, line, MAX_SUMMARY_BYTES);
        }
    }
}

fn is_traceback(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.starts_with(TRACEBACK) || line.starts_with(GROUP_TRACEBACK)
}

/// The tracebacks of an exception group stand behind `  | ` and `  + `.
fn ungrouped(line: &[u8]) -> &[u8] {
    match line.trim_ascii_start() {
        [b'|' | b'+', b' ', rest @ ..] => rest,
        _ => line,
    }
}

fn append(text: &mut Vec<u8>, more: &[u8], limit: usize) {
    let room = limit.saturating_sub(text.len());
    text.extend_from_slice(more.get(..room).unwrap_or(more));
}

/// Bytes that may be no UTF-8, as JSON text: each byte is the character of that number.
mod bytes_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&bytes.iter().map(|&byte| char::from(byte)).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.chars().map(|c| u8::try_from(c).map_err(|_| D::Error::custom("not a byte"))).collect()
    }
}

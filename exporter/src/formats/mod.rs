#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Bytes to events, one file per log format. A format knows its lines and nothing else: no time, no files, no other format.

use crate::event::Stamped;

mod bot_records;
pub mod caddy_json;
mod escapes;
mod http_fields;
mod json;
pub mod nginx_combined;
pub mod nginx_json;
mod numbers;
pub mod timestamps;
pub mod traefik_json;
pub mod whatsapp_bot;

/// What a record turned out to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parsed<'a> {
    /// A record that tells something.
    Event(Stamped<'a>),
    /// A record of this format that tells nothing counted here.
    Skip,
    /// The first line of a record that is held back until it is complete: its event follows with a later line or with [`Format::flush`].
    Open,
    /// A line that belongs to the record before it.
    Continued,
    /// No record of this format. The reason is a fixed word, fit for a label.
    Malformed(&'static str),
}

/// Takes what a format reads. `line` is the line at hand, without its end.
pub trait Sink {
    /// Called once for each line, and once more for a held record that the line (or [`Format::flush`]) ended: that call comes first.
    fn take(&mut self, line: &[u8], parsed: Parsed<'_>);
}

impl<F: FnMut(&[u8], Parsed<'_>)> Sink for F {
    fn take(&mut self, line: &[u8], parsed: Parsed<'_>) {
        self(line, parsed);
    }
}

/// A log format: reads lines in order. Multi-line formats keep the record that is still open.
pub trait Format: Send {
    /// Reads one line, without its end.
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink);

    /// Reads a block of whole lines (each ends with `\n`, the last one may lack it) and gives their number.
    /// Formats with a faster way over many lines have their own.
    fn read_block(&mut self, block: &[u8], sink: &mut dyn Sink) -> u64 {
        let mut count = 0;
        for line in lines(block) {
            self.read_line(line, sink);
            count += 1;
        }
        count
    }

    /// Ends the open record, if any: nothing came for a while, or the input is at its end.
    /// Continuation lines that come later all the same are [`Parsed::Continued`] and never counted again.
    fn flush(&mut self, _sink: &mut dyn Sink) {}

    /// Whether a record is open, so that [`Format::flush`] would end one.
    fn is_open(&self) -> bool {
        false
    }

    /// The open record, to be saved with the bookmark behind it; `null` if none is.
    fn save(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Takes up what [`Format::save`] gave.
    fn load(&mut self, _saved: &serde_json::Value) {}
}

/// The lines of a block, without their ends (`\n` or `\r\n`).
pub fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        rest = after;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

//! nginx's error log: what went wrong, for counting only.
//!
//! nginx writes these lines unescaped: a request for `/x%0a2026/11/21 …` puts a whole line of the visitor's own there. The rest of a broken
//! line is left out as far as it can be told, and nobody is ever held to account for a line of this log.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::timestamps::IsoClock;
use super::{Format, Parsed, Sink};
use crate::event::{Event, Stamped, Timestamp, WebError, WebErrorKind};

/// nginx cuts a record here (`NGX_MAX_ERROR_STR`): so far the rest of a broken line can reach, in bytes.
const MAX_RECORD_BYTES: usize = 2048;

/// The format's state.
pub struct NginxError {
    clock: IsoClock,
    place: Place,
}

/// What the lines before say of the next one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Place {
    /// Whether there was a record.
    is_inside: bool,
    /// How many bytes may still belong to a record that a visitor broke.
    broken_bytes: usize,
}

impl NginxError {
    /// Nothing read yet. Times are wall-clock times of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { clock: IsoClock::new(zone), place: Place::default() }
    }

    fn parse<'a>(&mut self, line: &'a [u8]) -> Parsed<'a> {
        let record = head(&mut self.clock, line);
        if self.place.broken_bytes > 0 {
            let is_end = record.is_none() && find(line, CLIENT).is_some();
            self.place.broken_bytes = if is_end { 0 } else { self.place.broken_bytes.saturating_sub(line.len() + 1) };
            return Parsed::Continued;
        }
        let Some((at, text)) = record else {
            return match (line.is_empty(), self.place.is_inside) {
                (true, _) => Parsed::Skip,
                (false, true) => Parsed::Continued,
                (false, false) => Parsed::Malformed("no_head"),
            };
        };
        let (message, client) = match find(text, CLIENT) {
            Some(place) => (&text[..place], client(&text[place + CLIENT.len()..])),
            None => (text, b"".as_slice()),
        };
        let is_broken = client.is_empty() && memchr::memchr_iter(b'"', message).count() % 2 == 1;
        self.place = Place { is_inside: true, broken_bytes: if is_broken { MAX_RECORD_BYTES.saturating_sub(line.len()) } else { 0 } };
        let error = WebError { kind: kind(message), client: denied(message).unwrap_or(client), message };
        Parsed::Event(Stamped { at, event: Event::WebError(error) })
    }
}

impl Format for NginxError {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let parsed = self.parse(line);
        sink.take(line, parsed);
    }

    fn save(&self) -> Value {
        serde_json::to_value(self.place).unwrap_or_default()
    }

    fn load(&mut self, saved: &Value) {
        self.place = Place::deserialize(saved).unwrap_or_default();
        self.place.broken_bytes = self.place.broken_bytes.min(MAX_RECORD_BYTES);
    }
}

/// What the client's address stands behind.
const CLIENT: &[u8] = b", client: ";

/// `2026/11/21 07:02:55 [error] 10642#10642: *1 TEXT`; notices of the server itself have no `*1`.
fn head<'a>(clock: &mut IsoClock, line: &'a [u8]) -> Option<(Timestamp, &'a [u8])> {
    let (at, rest) = clock.parse_prefix(line).filter(|_| line.get(4) == Some(&b'/'))?;
    let rest = rest.strip_prefix(b" [")?;
    let (level, rest) = rest.split_at_checked(memchr::memchr(b']', rest)?)?;
    let rest = rest.strip_prefix(b"] ")?;
    let (process, text) = rest.split_at_checked(find(rest, b": ")?)?;
    let is_process = !process.is_empty() && process.iter().all(|byte| byte.is_ascii_digit() || *byte == b'#');
    if !is_process || !level.iter().all(u8::is_ascii_lowercase) {
        return None;
    }
    let text = text.get(2..)?;
    let behind_number = text.strip_prefix(b"*").and_then(|rest| rest.get(memchr::memchr(b' ', rest)? + 1..));
    Some((at, behind_number.unwrap_or(text)))
}

/// The address up to the next field.
fn client(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| matches!(byte, b',' | b' ')).unwrap_or(text.len());
    &text[..end]
}

/// CrowdSec's bouncer names the client itself: `[lua] crowdsec.lua:612: Allow(): [Crowdsec] denied '203.0.113.7' with 'ban' (by CAPI)`.
fn denied(message: &[u8]) -> Option<&[u8]> {
    const WORDS: &[u8] = b"[Crowdsec] denied '";
    let message = message.strip_prefix(b"[lua] ")?;
    let rest = message.get(find(message, WORDS)? + WORDS.len()..)?;
    rest.get(..memchr::memchr(b'\'', rest)?)
}

/// What went wrong. The words stand where nginx puts them, mostly in front: what a visitor typed comes behind.
fn kind(message: &[u8]) -> WebErrorKind {
    const BEGINNINGS: [(&[u8], WebErrorKind); 17] = [
        (b"auth request unexpected status", WebErrorKind::AuthUnexpected),
        (b"access forbidden by rule", WebErrorKind::Forbidden),
        (b"directory index of ", WebErrorKind::Forbidden),
        (b"limiting requests", WebErrorKind::RateLimited),
        (b"limiting connections", WebErrorKind::RateLimited),
        (b"delaying request", WebErrorKind::RateLimited),
        (b"user \"", WebErrorKind::AuthFailed),
        (b"no user/password was provided", WebErrorKind::AuthFailed),
        (b"client sent ", WebErrorKind::BadRequest),
        (b"client intended to send too ", WebErrorKind::BadRequest),
        (b"upstream ", WebErrorKind::Upstream),
        (b"no live upstreams", WebErrorKind::Upstream),
        (b"connect() failed", WebErrorKind::Upstream),
        (b"FastCGI sent in stderr", WebErrorKind::Upstream),
        (b"SSL_do_handshake() failed", WebErrorKind::Tls),
        (b"SSL_read() failed", WebErrorKind::Tls),
        (b"SSL_write() failed", WebErrorKind::Tls),
    ];
    if denied(message).is_some() {
        return WebErrorKind::CrowdsecDenied;
    }
    let beginning = BEGINNINGS.iter().find(|(words, _)| message.starts_with(words)).map(|(_, kind)| *kind);
    if let Some(kind) = beginning {
        return kind;
    }
    if message.ends_with(b"to upstream") || message.ends_with(b"from upstream") {
        return WebErrorKind::Upstream;
    }
    let is_missing = message.ends_with(b"(2: No such file or directory)") || message.ends_with(b"is not found");
    if is_missing { WebErrorKind::NotFound } else { WebErrorKind::Other }
}

fn find(text: &[u8], words: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, words)
}

//! sshd's log, of every OpenSSH since the first, and Dropbear's: from syslog, the journal, or standard error (`-e`, as in containers).
//!
//! Behind a syslog head a message is sshd's only if the head says so. Without heads anybody's words may look like a message, since a user
//! name with a line break is written as it is: the rest of such a name is left out as far as it can be told, but a log without heads is
//! no ground for a ban. In a log with heads, a line without one is believed never.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::syslog::Heads;
use super::{Format, Parsed, Sink};
use crate::event::{Event, SshAuth, Stamped, Timestamp};
use attempts::Attempts;
use message::{Read, Said, Step};

mod attempts;
mod message;

/// The programs that sshd has been: one, and since OpenSSH 9.8 and 10.0 three. Small machines run Dropbear in its place.
const PROGRAMS: [&[u8]; 4] = [b"sshd", b"sshd-session", b"sshd-auth", b"dropbear"];
/// sshd cuts its messages here (`MSGBUFSIZ`, log.c): so far the rest of a broken one can reach, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;
/// Shorter than any message with an address in it: what may follow a longer beginning is not worth waiting for, in bytes.
const MIN_MESSAGE_BYTES: usize = 24;

/// The format's state.
pub struct Sshd {
    heads: Heads,
    attempts: Attempts,
    form: Form,
    /// How many bytes may still belong to a message with a line break in it.
    broken_bytes: usize,
}

/// What the log's first message looked like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Form {
    #[default]
    Unknown,
    Headed,
    Bare,
}

impl Sshd {
    /// Nothing read yet. Times without an offset are wall-clock times of `zone`; `reference` is about now and tells the year of times that
    /// name none.
    pub fn new(zone: TimeZone, reference: Timestamp) -> Self {
        Self { heads: Heads::new(zone, reference), attempts: Attempts::default(), form: Form::Unknown, broken_bytes: 0 }
    }

    fn headed<'a>(&mut self, at: Timestamp, pid: Option<u32>, message: &'a [u8]) -> Parsed<'a> {
        if self.form == Form::Unknown {
            self.form = Form::Headed;
        }
        let (message, times) = repeated(message);
        self.message(at, pid, message, times)
    }

    fn bare<'a>(&mut self, at: Timestamp, message: &'a [u8]) -> Parsed<'a> {
        if message.is_empty() {
            return Parsed::Skip;
        }
        if self.broken_bytes > 0 {
            return self.broken(message, &message::read(message));
        }
        let is_known = message.starts_with(b"Server listening on ") || message::read(message) != Read::Nothing;
        match self.form {
            Form::Headed => return Parsed::Malformed("no_head"),
            Form::Unknown if !is_known => return Parsed::Malformed("no_head"),
            Form::Unknown => self.form = Form::Bare,
            Form::Bare => {}
        }
        self.message(at, None, message, 1)
    }

    fn message<'a>(&mut self, at: Timestamp, pid: Option<u32>, message: &'a [u8], times: u32) -> Parsed<'a> {
        let read = message::read(message);
        if self.broken_bytes > 0 {
            return self.broken(message, &read);
        }
        match read {
            Read::Said(said) => Parsed::Event(Stamped { at, event: Event::Ssh(self.told(at, pid, &said, times)) }),
            Read::Nothing => Parsed::Skip,
            Read::Cut => {
                self.broken_bytes = MAX_MESSAGE_BYTES.saturating_sub(message.len());
                if self.broken_bytes < MIN_MESSAGE_BYTES {
                    self.broken_bytes = 0;
                }
                Parsed::Malformed("broken_name")
            }
        }
    }

    /// A line that may belong to a user name with a line break in it. The name ends where an address follows something that is no message
    /// by itself.
    fn broken<'a>(&mut self, message: &[u8], read: &Read<'_>) -> Parsed<'a> {
        let is_end = match read {
            Read::Said(said) => memchr::memmem::find(said.user, b" from ").is_some(),
            Read::Nothing | Read::Cut => message::has_tail(message),
        };
        self.broken_bytes = if is_end { 0 } else { self.broken_bytes.saturating_sub(message.len() + 1) };
        Parsed::Malformed("broken_name")
    }

    fn told<'a>(&mut self, at: Timestamp, pid: Option<u32>, said: &Said<'a>, times: u32) -> SshAuth<'a> {
        let pid = pid.map(u32::to_le_bytes);
        let process = pid.as_ref().map_or(said.port, |pid| pid.as_slice());
        let attempts = self.attempts.count(at, attempts::connection(process, said.client), said.step);
        let more = if said.step == Step::None { 0 } else { times.saturating_sub(1) };
        let attempts = attempts.saturating_add(more);
        let &Said { outcome, user, client, method, .. } = said;
        SshAuth { outcome, user, client, method, attempts }
    }
}

impl Format for Sshd {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let parsed = match self.heads.read(line) {
            Some(record) if PROGRAMS.contains(&record.program) => self.headed(record.at, record.pid, record.message),
            Some(record) if record.program.is_empty() => self.bare(record.at, record.message),
            Some(_) => Parsed::Skip,
            None => self.bare(Timestamp::UNKNOWN, line),
        };
        sink.take(line, parsed);
    }

    fn save(&self) -> Value {
        json!({ "last": self.heads.last(), "attempts": self.attempts, "form": self.form, "broken_bytes": self.broken_bytes })
    }

    fn load(&mut self, saved: &Value) {
        self.heads.go_on_from(Timestamp::deserialize(&saved["last"]).ok());
        self.attempts = Attempts::deserialize(&saved["attempts"]).unwrap_or_default().bounded();
        self.form = Form::deserialize(&saved["form"]).unwrap_or_default();
        self.broken_bytes = usize::deserialize(&saved["broken_bytes"]).unwrap_or_default().min(MAX_MESSAGE_BYTES);
    }
}

/// `message repeated N times: [ MESSAGE]`: the message, and how often it came besides the one before.
fn repeated(message: &[u8]) -> (&[u8], u32) {
    let found = message.strip_prefix(b"message repeated ").and_then(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let times = super::numbers::unsigned(rest.get(..digits)?)?;
        let inner = rest.get(digits..)?.strip_prefix(b" times: [")?.trim_ascii().strip_suffix(b"]")?;
        Some((inner.trim_ascii_start(), u32::try_from(times).ok()?))
    });
    found.unwrap_or((message, 1))
}

#[cfg(test)]
mod tests;

//! The log of a WhatsApp bot on Twilio, as Python's `logging` writes it: messages in and out, errors with their tracebacks.
//!
//! A message is told by the words that the program begins its own text with, so that a customer who writes "Outgoing message to …"
//! forges nothing. A customer's line break followed by a whole log line would: let the bot log texts with `%r`.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::bot_records::{Header, Records};
use super::timestamps::IsoClock;
use super::{Format, Parsed, Sink};
use crate::event::{BotMessage, Direction, Event, Stamped, Timestamp};
use crate::privacy::{Privacy, Senders};

mod header;
mod text;

/// The words that a message's record begins with; the sender follows.
const PHRASES: [(&[u8], Direction); 24] = [
    (b"incoming message from", Direction::Incoming),
    (b"incoming whatsapp message from", Direction::Incoming),
    (b"incoming whatsapp from", Direction::Incoming),
    (b"inbound message from", Direction::Incoming),
    (b"message received from", Direction::Incoming),
    (b"message from", Direction::Incoming),
    (b"new message from", Direction::Incoming),
    (b"new whatsapp message from", Direction::Incoming),
    (b"received message from", Direction::Incoming),
    (b"received a message from", Direction::Incoming),
    (b"received whatsapp message from", Direction::Incoming),
    (b"whatsapp message from", Direction::Incoming),
    (b"whatsapp message received from", Direction::Incoming),
    (b"outgoing message to", Direction::Outgoing),
    (b"outgoing whatsapp message to", Direction::Outgoing),
    (b"outbound message to", Direction::Outgoing),
    (b"message sent to", Direction::Outgoing),
    (b"sent message to", Direction::Outgoing),
    (b"sent a message to", Direction::Outgoing),
    (b"sent whatsapp message to", Direction::Outgoing),
    (b"whatsapp message sent to", Direction::Outgoing),
    (b"sent reply to", Direction::Outgoing),
    (b"reply sent to", Direction::Outgoing),
    (b"response sent to", Direction::Outgoing),
];

/// The fewest digits of a telephone number that is written without `whatsapp:`.
const MIN_NUMBER_DIGITS: usize = 6;

/// The format's state: the record that is open, and buffers.
pub struct WhatsappBot {
    senders: Senders,
    clock: IsoClock,
    records: Records,
    scratch: Vec<u8>,
}

impl WhatsappBot {
    /// Nothing read yet. Times without an offset are wall-clock times of `zone`.
    pub fn new(privacy: Arc<Privacy>, zone: TimeZone) -> Self {
        Self { senders: Senders::new(privacy), clock: IsoClock::new(zone), records: Records::default(), scratch: Vec::new() }
    }
}

impl Format for WhatsappBot {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let shown = header::without_colours(line, &mut self.scratch);
        let Some(head) = header::read(shown, &mut self.clock) else { return self.records.go_on(line, shown, sink) };
        let header = Header { at: head.at, level: head.level, message: head.message };
        if self.records.begin(line, shown, &header, sink) {
            return;
        }
        let found = message(head.message).or_else(|| message(head.behind_name));
        sink.take(line, found.map_or(Parsed::Skip, |(direction, message)| told(&mut self.senders, head.at, direction, &message)));
    }

    fn flush(&mut self, sink: &mut dyn Sink) {
        self.records.flush(b"", sink);
    }

    fn is_open(&self) -> bool {
        self.records.is_open()
    }

    fn save(&self) -> Value {
        self.records.save(self.senders.privacy())
    }

    fn load(&mut self, saved: &Value) {
        self.records.load(saved);
    }
}

/// A message's event, if its sender is somebody.
fn told<'a>(senders: &mut Senders, at: Timestamp, direction: Direction, message: &Message<'a>) -> Parsed<'a> {
    match senders.sender(message.sender) {
        Some(sender) => Parsed::Event(Stamped { at, event: Event::BotMessage(BotMessage { direction, sender, text: message.text }) }),
        None => Parsed::Malformed("no_sender"),
    }
}

/// A message as it stands in a record.
struct Message<'a> {
    sender: &'a [u8],
    text: &'a [u8],
}

/// Which way a message went and whose it is, if `text` begins with words that tell of one.
fn message(text: &[u8]) -> Option<(Direction, Message<'_>)> {
    let first = text.first()?.to_ascii_lowercase();
    PHRASES.iter().filter(|(phrase, _)| phrase.first() == Some(&first)).find_map(|(phrase, direction)| {
        let (words, rest) = text.split_at_checked(phrase.len())?;
        words.eq_ignore_ascii_case(phrase).then(|| told_of(rest)).flatten().map(|message| (*direction, message))
    })
}

/// The message whose sender `text` begins with: `whatsapp:…`, or what looks like a telephone number. Anything else (`message from queue`)
/// is no customer.
fn told_of(text: &[u8]) -> Option<Message<'_>> {
    let text = match text {
        [b' ' | b':' | b'=', rest @ ..] => rest.trim_ascii_start(),
        _ => return None,
    };
    let text = text.strip_prefix(b"\"").or_else(|| text.strip_prefix(b"'")).unwrap_or(text);
    let scheme = text.split_at_checked(9).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"whatsapp:"));
    let number = scheme.map_or(text, |(_, number)| number.trim_ascii_start());
    let ends = |byte: &u8| matches!(byte, b' ' | b'\t' | b',' | b';' | b'"' | b'\'' | b')' | b']' | b'|' | b'<');
    let length = number.iter().position(ends).unwrap_or(number.len());
    let (number, behind) = number.split_at_checked(length)?;
    let number = number.trim_ascii_end();
    let is_text = number.ends_with(b":");
    let number = number.strip_suffix(b":").or_else(|| number.strip_suffix(b".")).unwrap_or(number);
    let digits = number.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_number = digits >= MIN_NUMBER_DIGITS && number.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'));
    let is_customer = scheme.is_some() || is_number;
    is_customer.then(|| Message { sender: number, text: if is_text { behind.trim_ascii() } else { text::written(behind) } })
}

#[cfg(test)]
mod tests;

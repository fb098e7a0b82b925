//! Formats that users describe: a regular expression whose named groups say what is what.

use std::sync::Arc;

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use regex::bytes::{CaptureLocations, Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bot_records::{Header, Records};
use super::nginx_combined::split_request;
use super::timestamps::AnyClock;
use super::{Parsed, Sink, http_fields, numbers};
use crate::event::{BotMessage, Direction, ErrorLevel, Event, HttpRequest, Stamped, Timestamp};
use crate::privacy::Privacy;

mod check;

/// A format as it stands in the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the log tells of: `http` or `bot`.
    pub kind: String,
    /// A regular expression for a record's (first) line. Its named groups are the fields.
    pub line: String,
    /// For bots: a regular expression for messages that came in, looked for in the group `message` (or the line, if there is none).
    /// Its group `sender` is the customer.
    pub incoming: String,
    /// The same for messages that went out.
    pub outgoing: String,
    /// How times are written, in the letters of strptime. Empty: RFC 3339, the common log format, Python's and Unix times are told apart.
    pub time_format: String,
    /// For bots: which lines belong to the record before them: `indent` (they begin with a blank, or are empty) or a regular expression.
    /// Empty: all that `line` does not match.
    pub continuation: String,
}

/// A format made from a [`Config`].
pub struct Format {
    line: Regex,
    /// Where the groups of a line went; taken anew for each line.
    groups: CaptureLocations,
    clock: Clock,
    kind: Kind,
}

enum Kind {
    Http(HttpGroups),
    Bot(Box<Bot>),
}

struct Bot {
    privacy: Arc<Privacy>,
    groups: BotGroups,
    incoming: Option<Phrase>,
    outgoing: Option<Phrase>,
    continuation: Continuation,
    records: Records,
}

/// A regular expression for messages, and the number of its group `sender`.
struct Phrase {
    pattern: Regex,
    sender: usize,
    /// 0: there is no such group.
    text: usize,
}

enum Continuation {
    Anything,
    Indented,
    Matching(Regex),
}

/// The numbers of the groups; zero, the whole match, where there is none.
#[derive(Default)]
struct HttpGroups {
    time: usize,
    client: usize,
    method: usize,
    path: usize,
    request: usize,
    status: usize,
    bytes: usize,
    duration: usize,
    duration_ms: usize,
    host: usize,
    referer: usize,
    user_agent: usize,
    forwarded_for: usize,
    country: usize,
}

#[derive(Default)]
struct BotGroups {
    time: usize,
    level: usize,
    message: usize,
}

enum Clock {
    Any(AnyClock),
    Given { format: String, zone: TimeZone },
}

impl Clock {
    fn parse(&mut self, text: &[u8]) -> Option<Timestamp> {
        match self {
            Self::Any(clock) => clock.parse(text),
            Self::Given { format, zone } => {
                let time = BrokenDownTime::parse(&*format, text).ok()?;
                let at = match time.offset() {
                    Some(_) => time.to_timestamp().ok()?,
                    None => zone.to_ambiguous_timestamp(time.to_datetime().ok()?).compatible().ok()?,
                };
                Some(Timestamp::from_micros(at.as_microsecond()))
            }
        }
    }
}

impl Format {
    /// The format that `config` describes, or everything that is wrong with it, each as `key: what; remedy`. Times without an offset are
    /// wall-clock times of `zone`.
    ///
    /// # Errors
    /// One text for each problem.
    pub fn new(config: &Config, privacy: Arc<Privacy>, zone: TimeZone) -> Result<Self, Vec<String>> {
        check::build(config, privacy, zone)
    }
}

impl super::Format for Format {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let matched = self.line.captures_read(&mut self.groups, line).is_some();
        let group = |number: usize| match self.groups.get(number) {
            Some((start, end)) if number > 0 => line.get(start..end).unwrap_or_default(),
            _ => b"",
        };
        match &mut self.kind {
            Kind::Http(_) if line.is_empty() => sink.take(line, Parsed::Skip),
            Kind::Http(_) if !matched => sink.take(line, Parsed::Malformed("no_match")),
            Kind::Http(groups) => {
                let parsed = request(groups, group, &mut self.clock).unwrap_or_else(Parsed::Malformed);
                sink.take(line, parsed);
            }
            Kind::Bot(bot) if !matched => bot.go_on(line, sink),
            Kind::Bot(bot) => {
                let Some(at) = self.clock.parse(group(bot.groups.time)) else { return sink.take(line, Parsed::Malformed("bad_time")) };
                let message = if bot.groups.message > 0 { group(bot.groups.message) } else { line };
                let header = Header { at, level: level(group(bot.groups.level)), message };
                if !bot.records.begin(line, line, &header, sink) {
                    sink.take(line, bot.message(&header));
                }
            }
        }
    }

    fn flush(&mut self, sink: &mut dyn Sink) {
        if let Kind::Bot(bot) = &mut self.kind {
            bot.records.flush(b"", sink);
        }
    }

    fn is_open(&self) -> bool {
        matches!(&self.kind, Kind::Bot(bot) if bot.records.is_open())
    }

    fn save(&self) -> Value {
        match &self.kind {
            Kind::Http(_) => Value::Null,
            Kind::Bot(bot) => bot.records.save(&bot.privacy),
        }
    }

    fn load(&mut self, saved: &Value) {
        if let Kind::Bot(bot) = &mut self.kind {
            bot.records.load(saved);
        }
    }
}

impl Bot {
    fn go_on(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let belongs = match &self.continuation {
            Continuation::Anything => true,
            Continuation::Indented => line.first().is_none_or(|first| matches!(first, b' ' | b'\t')),
            Continuation::Matching(pattern) => pattern.is_match(line),
        };
        if belongs {
            self.records.go_on(line, line, sink);
        } else {
            sink.take(line, Parsed::Malformed("no_match"));
        }
    }

    fn message<'a>(&self, header: &Header<'a>) -> Parsed<'a> {
        let phrases = [(&self.incoming, Direction::Incoming), (&self.outgoing, Direction::Outgoing)];
        let found = phrases.into_iter().find_map(|(phrase, direction)| {
            let phrase = phrase.as_ref()?;
            let groups = phrase.pattern.captures(header.message)?;
            let text = groups.get(phrase.text).filter(|_| phrase.text > 0).map_or(&b""[..], |text| text.as_bytes());
            Some((direction, groups.get(phrase.sender)?.as_bytes(), text))
        });
        let Some((direction, sender, text)) = found else { return Parsed::Skip };
        match self.privacy.sender(sender) {
            Some(sender) => Parsed::Event(Stamped { at: header.at, event: Event::BotMessage(BotMessage { direction, sender, text }) }),
            None => Parsed::Malformed("no_sender"),
        }
    }
}

fn request<'a>(groups: &HttpGroups, group: impl Fn(usize) -> &'a [u8], clock: &mut Clock) -> Result<Parsed<'a>, &'static str> {
    let text = |number: usize| match group(number) {
        b"-" => b"",
        text => text,
    };
    let peer = text(groups.client);
    if peer.is_empty() {
        return Err("no_client");
    }
    let (method, target) = match text(groups.request) {
        b"" => (text(groups.method), text(groups.path)),
        request => split_request(request),
    };
    let duration = text(groups.duration);
    Ok(Parsed::Event(Stamped {
        at: clock.parse(group(groups.time)).ok_or("bad_time")?,
        event: Event::Http(HttpRequest {
            peer,
            forwarded_for: text(groups.forwarded_for),
            method,
            target,
            status: http_fields::status(text(groups.status))?,
            bytes: http_fields::bytes(text(groups.bytes))?,
            duration_micros: numbers::fixed(duration, 6).or_else(|| numbers::fixed(text(groups.duration_ms), 3)),
            host: text(groups.host),
            referer: text(groups.referer),
            user_agent: text(groups.user_agent),
            country: text(groups.country),
        }),
    }))
}

fn level(word: &[u8]) -> Option<ErrorLevel> {
    const CRITICAL: [&[u8]; 4] = [b"critical", b"fatal", b"panic", b"emergency"];
    const ERROR: [&[u8]; 3] = [b"error", b"err", b"exception"];
    let is_one_of = |levels: &[&[u8]]| levels.iter().any(|level| word.eq_ignore_ascii_case(level));
    match () {
        () if is_one_of(&CRITICAL) => Some(ErrorLevel::Critical),
        () if is_one_of(&ERROR) => Some(ErrorLevel::Error),
        () => None,
    }
}

#[cfg(test)]
mod tests;

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! The vocabulary: what a log record can say. Formats make events, detectors and metrics read them.
//!
//! Events borrow from the line they were read from; whoever wants to keep something copies it.

use std::time::Duration;

use crate::privacy::Sender;

/// An instant: microseconds since 1970-01-01T00:00:00Z. Taken from a log record or from the clock, never mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `micros` microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The instant `secs` seconds after the epoch; saturates at the ends of the range.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Seconds since the epoch with their fraction, the unit of Prometheus' timestamps.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// As `2026-08-21T09:30:00Z`, whole seconds; nothing outside the years that this can say.
    pub fn to_rfc3339(self) -> Option<String> {
        jiff::Timestamp::from_second(self.secs()).ok().map(|at| at.to_string())
    }

    /// This instant and `later` beyond it.
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it was not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// For `serialize_with`: an instant for people, as [`Timestamp::to_rfc3339`].
pub fn rfc3339<S: serde::Serializer>(at: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&at.to_rfc3339(), out)
}

/// For `serialize_with`: as [`rfc3339`], or `null`.
pub fn rfc3339_or_null<S: serde::Serializer>(at: &Option<Timestamp>, out: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&at.and_then(Timestamp::to_rfc3339), out)
}

/// An event and the time that its record carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamped<'a> {
    /// When it happened, by the log's own clock.
    pub at: Timestamp,
    /// What happened.
    pub event: Event<'a>,
}

/// What a log record says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A web server answered a request.
    Http(HttpRequest<'a>),
    /// The bot received or sent a message.
    BotMessage(BotMessage<'a>),
    /// The bot logged an error or a traceback.
    BotError(BotError<'a>),
}

/// One answered request. Texts are raw bytes, freed from the log's own escaping; a field that the log lacks (or has as `-`) is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HttpRequest<'a> {
    /// Who connected, as logged: an address, in Apache's logs perhaps a host name.
    pub peer: &'a [u8],
    /// The `X-Forwarded-For`-style field, unchecked: believe it only from a trusted proxy.
    pub forwarded_for: &'a [u8],
    /// Empty when the request line had none (TLS bytes, an empty request).
    pub method: &'a [u8],
    /// Path and query as on the request line; the whole request text when that is no HTTP.
    pub target: &'a [u8],
    /// HTTP status code; 0 when none was logged.
    pub status: u16,
    /// Bytes sent.
    pub bytes: u64,
    /// Time taken, in microseconds.
    pub duration_micros: Option<u64>,
    /// The host that was asked for.
    pub host: &'a [u8],
    /// The `Referer` header.
    pub referer: &'a [u8],
    /// The `User-Agent` header.
    pub user_agent: &'a [u8],
    /// ISO 3166-1 code, if the web server looked it up.
    pub country: &'a [u8],
}

/// A message that the bot took in or sent out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BotMessage<'a> {
    /// Which way it went.
    pub direction: Direction,
    /// The customer at the other end.
    pub sender: Sender<'a>,
}

/// Which way a message went, seen from the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a customer.
    Incoming,
    /// To a customer.
    Outgoing,
}

impl Direction {
    /// Both, in the order of the metrics.
    pub const ALL: [Self; 2] = [Self::Incoming, Self::Outgoing];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
        }
    }
}

/// An error that the bot logged: one record, however many lines it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BotError<'a> {
    /// The level of the record; `None` for a traceback without a log line of its own.
    pub level: Option<ErrorLevel>,
    /// Whether a traceback followed.
    pub traceback: bool,
    /// The exception's line if there is one, else the message: what fingerprints are made of. Unscrubbed.
    pub summary: &'a [u8],
    /// The whole record, for people. Unscrubbed, and cut at the limit of a line.
    pub context: &'a [u8],
}

/// How bad the bot says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorLevel {
    /// `ERROR`.
    Error,
    /// `CRITICAL` (or `FATAL`).
    Critical,
}

impl ErrorLevel {
    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// What is known about a bot's senders at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SendersNow {
    /// Waiting too long for a reply.
    pub unanswered: u64,
    /// Since when the one of them that waits longest.
    pub oldest: Option<Timestamp>,
    /// With a message in or out during the last hour.
    pub active: u64,
}

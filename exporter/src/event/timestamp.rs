//! Instants: of log records and of the clock.

use std::time::Duration;

/// An instant: microseconds since 1970-01-01T00:00:00Z. Taken from a log record or from the clock, never mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Of a record that tells no time: the engine takes its own.
    pub const UNKNOWN: Self = Self(i64::MAX);

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

    /// The instant of `2026-08-21T09:30:00.25Z`, any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self(at.as_microsecond()))
    }

    /// This instant and `later` beyond it.
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it was not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whether `time` is over since `earlier`. A clock that was put back holds nothing back.
    pub fn has_passed(self, time: Duration, earlier: Self) -> bool {
        self < earlier || self.since(earlier) >= time
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

/// For `deserialize_with`: what [`rfc3339`] wrote; the epoch for what it could not say.
pub fn from_rfc3339<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Timestamp, D::Error> {
    let text: Option<String> = serde::Deserialize::deserialize(input)?;
    let at = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Ok(at.map_or_else(Timestamp::default, |at| Timestamp::from_secs(at.as_second())))
}

/// For `deserialize_with`: what [`rfc3339_or_null`] wrote.
pub fn from_rfc3339_or_null<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = serde::Deserialize::deserialize(input)?;
    Ok(text.and_then(|text| Timestamp::parse_rfc3339(&text)))
}

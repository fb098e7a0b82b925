//! The only file that asks the machine for the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::event::Timestamp;

/// The machine's time.
pub fn now() -> Timestamp {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    };
    Timestamp::from_micros(micros)
}

/// A clock that never goes back, for measuring how long something took.
pub fn stopwatch() -> Instant {
    Instant::now()
}

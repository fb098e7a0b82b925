//! What bounded memory is made of, for all detectors: counts by hour or day, a table that drops its weakest entry, a memory of who was
//! seen at all, and when to tell of somebody again.

mod counts;
mod incident;
mod sightings;
mod slots;
mod table;

pub use counts::Counts;
pub use incident::{Incident, QUIET_SECS};
pub use sightings::Sightings;
pub use slots::Slots;
pub use table::{Place, Table, Weigh, rank};

use crate::event::Timestamp;

/// Seconds of an hour and of a day.
pub const HOUR: u32 = 3_600;
/// See [`HOUR`].
pub const DAY: u32 = 86_400;

/// Whole seconds since the epoch, held to what 32 bits can say (until 2106).
pub fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.secs().max(0)).unwrap_or(u32::MAX)
}

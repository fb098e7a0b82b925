//! What bounded memory is made of, for all detectors: counts by hour or day, a table that drops its weakest entry, and a memory of who
//! was seen at all.

mod sightings;
mod slots;
mod table;

pub use sightings::Sightings;
pub use slots::Slots;
pub use table::{Place, Table, Weigh};

/// Seconds of an hour and of a day.
pub const HOUR: u32 = 3_600;
/// See [`HOUR`].
pub const DAY: u32 = 86_400;

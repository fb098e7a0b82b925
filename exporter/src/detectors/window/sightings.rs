//! Who was seen at all: four bytes a client in a memory of fixed size, for the time when a table is full and cannot take everybody.
//! A flood of addresses that come once is told from clients that come back.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::HOUR;

/// Clients remembered together, of which the one not seen for longest gives way.
const WAYS: usize = 4;
/// Bits of an entry that tell when; the rest tells who. 4,096 hours are more than five months.
const HOUR_BITS: u32 = 12;

/// A memory of `4 * 2^bits` clients, of the last 30 days. A client is mistaken for another about once in 260,000 cases.
pub struct Sightings {
    sets: u32,
    hasher: RandomState,
    /// Made when it is first needed; its pages become resident as they are written.
    entries: Vec<u32>,
}

/// Longest memory, in hours.
const MAX_HOURS: u32 = 30 * 24;

impl Sightings {
    /// Remembers nobody yet. Holds `sets * 4` clients; `sets` is rounded up to a power of two.
    pub fn new(sets: u32) -> Self {
        Self { sets: sets.next_power_of_two(), hasher: RandomState::default(), entries: Vec::new() }
    }

    /// Notes that `client` is there at `secs`; whether it was noted before, within 30 days.
    pub fn note(&mut self, client: impl std::hash::Hash, secs: u32) -> bool {
        if self.entries.is_empty() {
            self.entries = vec![0; self.sets as usize * WAYS];
        }
        let hash = self.hasher.hash_one(client);
        // The upper half picks the set, the lower half tells clients of a set apart.
        let set = (hash >> 32) as u32 & (self.sets - 1);
        let tag = (hash as u32) >> HOUR_BITS;
        let hour = secs / HOUR % (1 << HOUR_BITS);
        let age = |entry: u32| hour.wrapping_sub(entry) % (1 << HOUR_BITS);
        // An entry of 0 is an empty one; a real one that happens to be 0 is taken for empty, which costs a sighting.
        let entries = self.entries.get_mut(set as usize * WAYS..).and_then(|rest| rest.get_mut(..WAYS)).unwrap_or_default();
        let fresh = tag << HOUR_BITS | hour;
        if let Some(known) = entries.iter_mut().find(|entry| **entry != 0 && **entry >> HOUR_BITS == tag) {
            let is_recent = age(*known) <= MAX_HOURS;
            *known = fresh;
            return is_recent;
        }
        if let Some(oldest) = entries.iter_mut().max_by_key(|entry| if **entry == 0 { u32::MAX } else { age(**entry) }) {
            *oldest = fresh;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_is_known_among_millions_that_do_not() {
        let mut sightings = Sightings::new(1 << 19);
        let start = 1_775_253_600;
        let mut mistaken = 0;
        let mut missed = 0;
        // Two million clients come once within four hours; 400 come each hour.
        for hour in 0..4_u32 {
            for n in 0..500_000_u32 {
                mistaken += u32::from(sightings.note((hour, n), start + hour * HOUR));
                if n % 1_250 == 0 {
                    let known = sightings.note(("slow", n), start + hour * HOUR);
                    missed += u32::from(!known && hour > 0);
                }
            }
        }
        assert!(mistaken < 40, "{mistaken} of 2,000,000 were taken for others");
        assert!(missed < 120, "{missed} of 1,200 returns were missed");
    }

    #[test]
    fn a_sighting_is_forgotten_after_thirty_days() {
        let mut sightings = Sightings::new(16);
        assert!(!sightings.note(7, 1_775_253_600));
        assert!(sightings.note(7, 1_775_253_600 + 29 * 86_400));
        assert!(!sightings.note(7, 1_775_253_600 + 60 * 86_400));
        assert!(sightings.note(7, 1_775_253_600 + 60 * 86_400));
    }
}

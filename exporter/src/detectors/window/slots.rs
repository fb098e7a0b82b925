//! Counts in the last N slots of time (hours, days): one byte each.

use serde::{Deserialize, Serialize};

/// Counts by slot; the newest slot is the latest one that was counted in. Slots are numbered from the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots<const N: usize> {
    newest: u32,
    counts: [u8; N],
}

impl<const N: usize> Default for Slots<N> {
    fn default() -> Self {
        Self { newest: 0, counts: [0; N] }
    }
}

impl<const N: usize> Slots<N> {
    /// Counts one in a slot; in one that is too old, nothing.
    pub fn add(&mut self, slot: u32) {
        if slot > self.newest {
            let passed = usize::try_from(slot - self.newest).unwrap_or(N).min(N);
            (0..passed).for_each(|step| self.counts[place::<N>(slot - step as u32)] = 0);
            self.newest = slot;
        }
        if self.newest - slot < N as u32 {
            let count = &mut self.counts[place::<N>(slot)];
            *count = count.saturating_add(1);
        }
    }

    /// How much was counted in the N slots up to `now`, and in how many of them.
    pub fn sum(&self, now: u32) -> (u32, u32) {
        if now <= self.newest {
            let slots = self.counts.iter().filter(|count| **count > 0).count();
            return (self.counts.iter().map(|count| u32::from(*count)).sum(), slots as u32);
        }
        let ages = 0..(N as u32).min(self.newest.saturating_add(1));
        let recent = ages.filter(|age| now - self.newest + age < N as u32);
        recent
            .map(|age| self.counts[place::<N>(self.newest - age)])
            .fold((0, 0), |(total, slots), count| (total + u32::from(count), slots + u32::from(count > 0)))
    }

    /// Forgets all counts.
    pub fn clear(&mut self) {
        self.counts = [0; N];
    }
}

fn place<const N: usize>(slot: u32) -> usize {
    slot as usize % N
}

/// As `[newest, [slots ago, count], …]`: most slots are empty.
impl<const N: usize> Serialize for Slots<N> {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let counts = (0..(N as u32).min(self.newest.saturating_add(1))).map(|back| (back, self.counts[place::<N>(self.newest - back)]));
        (self.newest, counts.filter(|(_, count)| *count > 0).collect::<Vec<_>>()).serialize(out)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Slots<N> {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let (newest, saved) = <(u32, Vec<(u32, u8)>)>::deserialize(input)?;
        let mut slots = Self { newest, counts: [0; N] };
        for (back, count) in saved {
            if back < N as u32 && back <= newest {
                slots.counts[place::<N>(newest - back)] = count;
            }
        }
        Ok(slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_leave_with_their_slots() {
        let mut hours = Slots::<24>::default();
        for hour in [1_000, 1_000, 1_003, 1_023] {
            hours.add(hour);
        }
        assert_eq!(hours.sum(1_023), (4, 3));
        assert_eq!(hours.sum(1_024), (2, 2));
        hours.add(1_026);
        assert_eq!(hours.sum(1_026), (3, 3));
        hours.add(1_000);
        assert_eq!(hours.sum(1_026), (3, 3), "too old to count");
        hours.add(1_020);
        assert_eq!(hours.sum(1_026), (4, 4), "late, but not too late");
        hours.add(5_000);
        assert_eq!(hours.sum(5_000), (1, 1));
        assert_eq!(hours.sum(9_000), (0, 0));
    }

    #[test]
    fn counts_saturate_and_survive_saving() {
        let mut days = Slots::<30>::default();
        (0..300).for_each(|_| days.add(20_000));
        days.add(20_007);
        assert_eq!(days.sum(20_010), (256, 2));
        let saved = serde_json::to_string(&days).unwrap();
        assert_eq!(saved, "[20007,[[0,1],[7,255]]]");
        assert_eq!(serde_json::from_str::<Slots<30>>(&saved).unwrap(), days);
        assert_eq!(serde_json::from_str::<Slots<30>>("[3,[[9,1],[99,1]]]").unwrap().sum(3), (0, 0), "damaged");
        days.clear();
        assert_eq!(days.sum(20_007), (0, 0));
    }
}

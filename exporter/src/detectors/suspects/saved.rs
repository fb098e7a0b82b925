//! A suspect as it is saved.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::super::window::Slots;
use super::{FIRSTS, History, Kind, Suspect, Tally};

/// Short on disk: kinds by their place.
#[derive(Serialize, Deserialize)]
struct Saved(u32, u32, u32, u32, u32, Vec<SavedTally>, u32, u8, u16, SavedHistory);

type SavedTally = (usize, u32, u16, f32, [u16; FIRSTS]);

/// Most suspects did one thing: what it was says it all.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SavedHistory {
    One(u64),
    All(Slots<24>, Slots<30>, [u64; 4], [u64; 2], [u64; 4]),
}

/// As it was saved before: with a history of everybody.
#[derive(Deserialize)]
struct SavedBefore(u32, u32, u32, u32, u32, Vec<SavedTally>, u32, u8, Slots<24>, Slots<30>, u16, [u64; 4], [u64; 2], [u64; 4]);

#[derive(Deserialize)]
#[serde(untagged)]
enum Known {
    Now(Saved),
    Before(SavedBefore),
}

impl Serialize for Suspect {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let tally = |tally: &Tally| (tally.kind.index(), tally.times, tally.distinct, tally.points, tally.firsts);
        let tallies = self.tallies.iter().map(tally).collect();
        let history = self.history.as_ref().map(|history| {
            let History { hours, days, seen, seen_weak, seen_since_strike } = **history;
            SavedHistory::All(hours, days, seen, seen_weak, seen_since_strike)
        });
        let history = history.unwrap_or(SavedHistory::One(self.only));
        let Self { first, last, requests, deeds, strong, scored_at, told, distinct_strong, .. } = *self;
        Saved(first, last, requests, deeds, strong, tallies, scored_at, told, distinct_strong, history).serialize(out)
    }
}

impl<'de> Deserialize<'de> for Suspect {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let Saved(first, last, requests, deeds, strong, tallies, scored_at, told, distinct_strong, history) =
            match Known::deserialize(input)? {
                Known::Now(saved) => saved,
                Known::Before(before) => before.into(),
            };
        let tally =
            |(place, times, distinct, points, firsts)| Some(Tally { kind: Kind::all().nth(place)?, times, distinct, points, firsts });
        let tallies: SmallVec<[Tally; 1]> = tallies.into_iter().filter_map(tally).collect();
        let points = tallies.iter().map(|tally| tally.points).sum();
        let (only, history) = match history {
            SavedHistory::One(only) => (only, None),
            SavedHistory::All(hours, days, seen, seen_weak, seen_since_strike) => {
                (0, Some(Box::new(History { hours, days, seen, seen_weak, seen_since_strike })))
            }
        };
        Ok(Self { first, last, requests, deeds, strong, tallies, scored_at, points, told, distinct_strong, country: None, only, history })
    }
}

impl From<SavedBefore> for Saved {
    fn from(before: SavedBefore) -> Self {
        let SavedBefore(first, last, requests, deeds, strong, tallies, scored_at, told, hours, days, distinct_strong, ..) = before;
        let history = SavedHistory::All(hours, days, before.11, before.12, before.13);
        Self(first, last, requests, deeds, strong, tallies, scored_at, told, distinct_strong, history)
    }
}

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
    /// The last is left out if it is the same as the first of the bits.
    All(Slots<24>, Slots<30>, Bits<4>, Bits<2>, Option<Bits<4>>),
}

/// The places of the bits that are set: a few, mostly.
struct Bits<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Serialize for Bits<WORDS> {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let is_set = |place: &usize| self.0[place / 64] >> (place % 64) & 1 == 1;
        out.collect_seq((0..WORDS * 64).filter(is_set))
    }
}

impl<'de, const WORDS: usize> Deserialize<'de> for Bits<WORDS> {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let mut words = [0; WORDS];
        for place in Vec::<usize>::deserialize(input)? {
            if let Some(word) = words.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
        }
        Ok(Self(words))
    }
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
            let since_strike = (seen_since_strike != seen).then_some(Bits(seen_since_strike));
            SavedHistory::All(hours, days, Bits(seen), Bits(seen_weak), since_strike)
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
            SavedHistory::All(hours, days, Bits(seen), Bits(seen_weak), since_strike) => {
                let seen_since_strike = since_strike.map_or(seen, |Bits(words)| words);
                (0, Some(Box::new(History { hours, days, seen, seen_weak, seen_since_strike })))
            }
        };
        Ok(Self { first, last, requests, deeds, strong, tallies, scored_at, points, told, distinct_strong, country: None, only, history })
    }
}

impl From<SavedBefore> for Saved {
    fn from(before: SavedBefore) -> Self {
        let SavedBefore(first, last, requests, deeds, strong, tallies, scored_at, told, hours, days, distinct_strong, ..) = before;
        let history = SavedHistory::All(hours, days, Bits(before.11), Bits(before.12), Some(Bits(before.13)));
        Self(first, last, requests, deeds, strong, tallies, scored_at, told, distinct_strong, history)
    }
}

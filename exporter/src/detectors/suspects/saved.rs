//! A suspect as it is saved.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::super::window::Slots;
use super::{FIRSTS, History, Kind, Suspect, Tally};

/// Short on disk: kinds by their place.
#[derive(Serialize, Deserialize)]
struct Saved(u32, u32, u32, u32, u32, Vec<SavedTally>, u32, u8, Slots<24>, Slots<30>, u16, [u64; 4], [u64; 2], [u64; 4]);

type SavedTally = (usize, u32, u16, f32, [u16; FIRSTS]);

impl Serialize for Suspect {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let tally = |tally: &Tally| (tally.kind.index(), tally.times, tally.distinct, tally.points, tally.firsts);
        let tallies = self.tallies.iter().map(tally).collect();
        let Self { first, last, requests, deeds, strong, scored_at, told, distinct_strong, .. } = *self;
        self.with_history(|history| {
            let History { hours, days, seen, seen_weak, seen_since_strike } = *history;
            Saved(
                first,
                last,
                requests,
                deeds,
                strong,
                tallies,
                scored_at,
                told,
                hours,
                days,
                distinct_strong,
                seen,
                seen_weak,
                seen_since_strike,
            )
            .serialize(out)
        })
    }
}

impl<'de> Deserialize<'de> for Suspect {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let saved = Saved::deserialize(input)?;
        let Saved(first, last, requests, deeds, strong, tallies, scored_at, told, hours, days, distinct_strong, ..) = saved;
        let (seen, seen_weak, seen_since_strike) = (saved.11, saved.12, saved.13);
        let tally =
            |(place, times, distinct, points, firsts)| Some(Tally { kind: Kind::all().nth(place)?, times, distinct, points, firsts });
        let tallies: SmallVec<[Tally; 1]> = tallies.into_iter().filter_map(tally).collect();
        let points = tallies.iter().map(|tally| tally.points).sum();
        let history = Some(Box::new(History { hours, days, seen, seen_weak, seen_since_strike }));
        Ok(Self {
            first,
            last,
            requests,
            deeds,
            strong,
            tallies,
            scored_at,
            points,
            told,
            distinct_strong,
            country: None,
            only: 0,
            history,
        })
    }
}

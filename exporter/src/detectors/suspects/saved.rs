//! A suspect as it is saved: packed, since there are tens of thousands of them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::super::window::Slots;
use super::{FIRSTS, History, Kind, Suspect, Tally};

/// Short on disk: kinds by their place, times as seconds since the first one. In postcard's format, and that in base64.
#[derive(Serialize, Deserialize)]
struct Saved {
    first: u32,
    last_after: u32,
    scored_after: u32,
    requests: u32,
    deeds: u32,
    strong: u32,
    tallies: SmallVec<[SavedTally; 1]>,
    told: u8,
    distinct_strong: u16,
    only: u64,
    history: Option<SavedHistory>,
}

type SavedTally = (u8, u32, u16, f32, [u16; FIRSTS]);

/// The last is left out if it is the same as the first of the bits.
#[derive(Serialize, Deserialize)]
struct SavedHistory(Slots<24>, Slots<30>, Bits<4>, Bits<2>, Option<Bits<4>>);

/// The places of the bits that are set: a few, mostly.
#[derive(Serialize, Deserialize)]
#[serde(from = "SmallVec<[u8; 16]>", into = "SmallVec<[u8; 16]>")]
struct Bits<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Clone for Bits<WORDS> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<const WORDS: usize> From<Bits<WORDS>> for SmallVec<[u8; 16]> {
    fn from(Bits(words): Bits<WORDS>) -> Self {
        const { assert!(WORDS <= 4, "a place fits into a byte") };
        let mut places = Self::new();
        for (start, mut word) in [0, 64, 128, 192].into_iter().zip(words) {
            while word != 0 {
                places.push(start | word.trailing_zeros() as u8);
                word &= word - 1;
            }
        }
        places
    }
}

impl<const WORDS: usize> From<SmallVec<[u8; 16]>> for Bits<WORDS> {
    fn from(places: SmallVec<[u8; 16]>) -> Self {
        let mut words = [0; WORDS];
        for place in places {
            if let Some(word) = words.get_mut(usize::from(place) / 64) {
                *word |= 1 << (place % 64);
            }
        }
        Self(words)
    }
}

/// As suspects were saved before: as arrays, at first with a history of everybody.
#[derive(Deserialize)]
struct Listed(u32, u32, u32, u32, u32, SmallVec<[SavedTally; 1]>, u32, u8, u16, ListedHistory);

#[derive(Deserialize)]
#[serde(untagged)]
enum ListedHistory {
    One(u64),
    All(SavedHistory),
}

#[derive(Deserialize)]
struct ListedWhole(u32, u32, u32, u32, u32, SmallVec<[SavedTally; 1]>, u32, u8, Slots<24>, Slots<30>, u16, [u64; 4], [u64; 2], [u64; 4]);

#[derive(Deserialize)]
#[serde(untagged)]
enum Known {
    Packed(String),
    Listed(Listed),
    ListedWhole(ListedWhole),
}

impl Serialize for Suspect {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let tally = |tally: &Tally| (tally.kind.index() as u8, tally.times, tally.distinct, tally.points, tally.firsts);
        let history = self.history.as_ref().map(|history| {
            let History { hours, days, seen, seen_weak, seen_since_strike } = **history;
            let since_strike = (seen_since_strike != seen).then_some(Bits(seen_since_strike));
            SavedHistory(hours, days, Bits(seen), Bits(seen_weak), since_strike)
        });
        let Self { first, last, requests, deeds, strong, scored_at, told, distinct_strong, only, .. } = *self;
        let (last_after, scored_after) = (last.wrapping_sub(first), scored_at.wrapping_sub(first));
        let tallies = self.tallies.iter().map(tally).collect();
        let saved = Saved { first, last_after, scored_after, requests, deeds, strong, tallies, told, distinct_strong, only, history };
        out.serialize_str(&BASE64_STANDARD_NO_PAD.encode(postcard::to_allocvec(&saved).map_err(S::Error::custom)?))
    }
}

impl<'de> Deserialize<'de> for Suspect {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let saved = match Known::deserialize(input)? {
            Known::Packed(packed) => {
                let bytes = BASE64_STANDARD_NO_PAD.decode(packed).map_err(D::Error::custom)?;
                postcard::from_bytes(&bytes).map_err(D::Error::custom)?
            }
            Known::Listed(listed) => listed.into(),
            Known::ListedWhole(listed) => listed.into(),
        };
        let Saved { first, last_after, scored_after, requests, deeds, strong, tallies, told, distinct_strong, only, history } = saved;
        let tally = |(place, times, distinct, points, firsts)| {
            Some(Tally { kind: Kind::all().nth(usize::from(place))?, times, distinct, points, firsts })
        };
        let tallies: SmallVec<[Tally; 1]> = tallies.into_iter().filter_map(tally).collect();
        let history = history.map(|SavedHistory(hours, days, Bits(seen), Bits(seen_weak), since_strike)| {
            let seen_since_strike = since_strike.map_or(seen, |Bits(words)| words);
            Box::new(History { hours, days, seen, seen_weak, seen_since_strike })
        });
        Ok(Self {
            first,
            last: first.wrapping_add(last_after),
            requests,
            deeds,
            strong,
            points: tallies.iter().map(|tally| tally.points).sum(),
            tallies,
            scored_at: first.wrapping_add(scored_after),
            told,
            distinct_strong,
            country: None,
            only,
            history,
        })
    }
}

impl From<Listed> for Saved {
    fn from(listed: Listed) -> Self {
        let Listed(first, last, requests, deeds, strong, tallies, scored_at, told, distinct_strong, history) = listed;
        let (only, history) = match history {
            ListedHistory::One(only) => (only, None),
            ListedHistory::All(history) => (0, Some(history)),
        };
        let (last_after, scored_after) = (last.wrapping_sub(first), scored_at.wrapping_sub(first));
        Self { first, last_after, scored_after, requests, deeds, strong, tallies, told, distinct_strong, only, history }
    }
}

impl From<ListedWhole> for Saved {
    fn from(listed: ListedWhole) -> Self {
        let ListedWhole(first, last, requests, deeds, strong, tallies, scored_at, told, hours, days, distinct_strong, seen, weak, since) =
            listed;
        let history = ListedHistory::All(SavedHistory(hours, days, Bits(seen), Bits(weak), Some(Bits(since))));
        Listed(first, last, requests, deeds, strong, tallies, scored_at, told, distinct_strong, history).into()
    }
}

//! A table with a fixed number of places. When it is full, the weakest of a few entries gives way; what changed since the last save is
//! known, so that saving costs what changed.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::snapshot::{ChangeLog, Lines, Section, Write, json_lines};

/// Entries that are compared to find one that gives way: enough that a strong one hardly ever does.
const CANDIDATES: usize = 16;

/// How much an entry would be missed.
pub trait Weigh {
    /// The more, the longer it stays in a full table. `now` are seconds since the epoch.
    fn weight(&self, now: u32) -> u64;
}

/// A weight for entries that do not fade: by `strength`, and of equals the one that was there last stays.
pub fn rank(strength: u64, last: u32) -> u64 {
    strength.min(u64::from(u32::MAX)) << 32 | u64::from(last)
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

/// Entries by key, at most a fixed number. Places are part of what is saved, so that a restart changes nothing about who gives way.
pub struct Table<K, V> {
    /// By the hashes of the entries' keys: a place takes four bytes, and who is not in it is told without looking at entries.
    places: HashTable<u32>,
    hasher: RandomState,
    entries: Vec<(K, V)>,
    /// For each place that there is or was whether it is among `changed`.
    is_changed: Vec<bool>,
    limit: usize,
    /// Where the search for the weakest goes on.
    hand: usize,
    evicted: u64,
    changed: Vec<u32>,
    log: ChangeLog,
}

impl<K: Copy + Eq + Hash + Serialize + DeserializeOwned, V: Weigh + Serialize + DeserializeOwned> Table<K, V> {
    /// A table of at most `limit` entries, saved as `section`; takes up what was saved.
    pub fn new(limit: usize, section: String, saved: Option<&Section>) -> Self {
        let mut table = Self {
            places: HashTable::new(),
            hasher: RandomState::default(),
            entries: Vec::new(),
            is_changed: Vec::new(),
            limit: limit.clamp(1, u32::MAX as usize),
            hand: 0,
            evicted: 0,
            changed: Vec::new(),
            log: ChangeLog::new(section, saved),
        };
        if let Some(saved) = saved {
            table.load(saved);
        }
        table
    }

    /// Entries in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a new entry would push another one out.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.limit
    }

    /// Entries it takes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Entries that gave way to others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Where an entry is, until the next one comes or goes.
    pub fn find(&self, key: &K) -> Option<Place> {
        let entries = &self.entries;
        self.places.find(self.hasher.hash_one(key), |place| entries[*place as usize].0 == *key).copied().map(Place)
    }

    /// The entry at a place that [`Table::find`] or [`Table::enter`] gave.
    pub fn at(&self, place: Place) -> &V {
        &self.entries[place.0 as usize].1
    }

    /// The same, to be changed.
    pub fn at_mut(&mut self, place: Place) -> &mut V {
        self.mark(place.0);
        &mut self.entries[place.0 as usize].1
    }

    /// An entry.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.find(key).map(|place| self.at(place))
    }

    /// An entry that will be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.find(key).map(|place| self.at_mut(place))
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Lets `change` at all entries; those of which it says so have changed.
    pub fn update(&mut self, mut change: impl FnMut(&mut V) -> bool) {
        for place in 0..self.entries.len() {
            if change(&mut self.entries[place].1) {
                self.mark(place as u32);
            }
        }
    }

    /// The entries that changed since the last save, to be made ready for it.
    pub fn each_changed(&mut self, mut prepare: impl FnMut(&mut V)) {
        for place in &self.changed {
            if let Some((_, value)) = self.entries.get_mut(*place as usize) {
                prepare(value);
            }
        }
    }

    /// The entry of `key`, made if it is not there; in a full table the weakest of a few gives way.
    pub fn entry(&mut self, key: K, now: u32, make: impl FnOnce() -> V) -> &mut V {
        let place = self.find(&key).unwrap_or_else(|| self.enter(key, now, make()));
        self.at_mut(place)
    }

    /// Puts in an entry of a key that is not there.
    pub fn enter(&mut self, key: K, now: u32, value: V) -> Place {
        let place = if self.is_full() {
            let place = self.weakest(now);
            self.take_place(place);
            self.entries[place] = (key, value);
            self.evicted += 1;
            place
        } else {
            self.entries.push((key, value));
            self.entries.len() - 1
        };
        self.give_place(place);
        if self.is_changed.len() < self.entries.len() {
            self.is_changed.resize(self.entries.len(), false);
        }
        self.mark(place as u32);
        Place(place as u32)
    }

    /// Makes the entry at a place be found there.
    fn give_place(&mut self, place: usize) {
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = |place: &u32| hasher.hash_one(entries[*place as usize].0);
        self.places.insert_unique(hash(&(place as u32)), place as u32, hash);
    }

    /// Makes the entry at a place be found no more.
    fn take_place(&mut self, place: usize) {
        let hash = self.hasher.hash_one(self.entries[place].0);
        if let Ok(entry) = self.places.find_entry(hash, |known| *known as usize == place) {
            entry.remove();
        }
    }

    #[inline]
    fn mark(&mut self, place: u32) {
        if let Some(is_changed) = self.is_changed.get_mut(place as usize)
            && !std::mem::replace(is_changed, true)
        {
            self.changed.push(place);
        }
    }

    fn weakest(&mut self, now: u32) -> usize {
        let length = self.entries.len();
        // Spread over the table: those who came together would otherwise be compared with one another only.
        let candidates = (0..CANDIDATES).map(|step| (self.hand + step * length / CANDIDATES) % length);
        let weakest = candidates.min_by_key(|place| self.entries[*place].1.weight(now)).unwrap_or(0);
        self.hand = (self.hand + 1) % length;
        weakest
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.find(key)?.0 as usize;
        self.take_place(place);
        let last = self.entries.len() - 1;
        if place < last {
            self.take_place(last);
        }
        let (_, value) = self.entries.swap_remove(place);
        if place < last {
            self.give_place(place);
        }
        self.mark(place as u32);
        // As when it is loaded: a restart changes nothing about who gives way.
        if self.hand >= self.entries.len() {
            self.hand = 0;
        }
        Some(value)
    }

    /// Takes out all that are not worth keeping.
    pub fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        // Backwards: the last one moves into the place of one that goes, and has been looked at then.
        for place in (0..self.entries.len()).rev() {
            let (key, value) = &self.entries[place];
            if !keep(value) {
                let key = *key;
                self.remove(&key);
            }
        }
    }

    /// Looks at the next `count` entries in turn and takes those out that `is_over` says nothing more can come of: called each tick, it
    /// comes round to all of them.
    pub fn sweep(&mut self, count: usize, is_over: impl Fn(&V) -> bool) {
        for _ in 0..count.min(self.entries.len()) {
            self.hand = if self.hand + 1 < self.entries.len() { self.hand + 1 } else { 0 };
            let Some((key, value)) = self.entries.get(self.hand) else { return };
            if is_over(value) {
                let key = *key;
                self.remove(&key);
            }
        }
    }

    /// The write that saves what changed; none if nothing did.
    pub fn save(&mut self) -> Option<Write> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.iter().for_each(|place| self.is_changed[*place as usize] = false);
        // How many entries there are, and where the hand stands: in front of each save, since places may have been given up.
        let head = json!({ "length": self.entries.len(), "hand": self.hand, "evicted": self.evicted });
        let entries = &self.entries;
        let changes = || {
            let mut lines = Lines::default();
            if !changed.is_empty() {
                lines.push(&head);
            }
            for place in changed {
                if let Some((key, value)) = entries.get(place as usize) {
                    lines.push(&(place, key, value));
                }
            }
            lines
        };
        let whole = || {
            let mut lines = Lines::default();
            lines.push(&head);
            entries.iter().enumerate().for_each(|(place, (key, value))| lines.push(&(place, key, value)));
            lines
        };
        self.log.write(changes, whole)
    }

    /// After a commit that failed: all must be written again.
    pub fn save_all_again(&mut self) {
        self.log.rewrite();
    }

    fn load(&mut self, saved: &Section) {
        let mut places: Vec<Option<(K, V)>> = Vec::new();
        for line in json_lines(saved) {
            if let Some(length) = line["length"].as_u64().and_then(|length| usize::try_from(length).ok()) {
                places.resize_with(length.min(self.limit), || None);
                self.hand = line["hand"].as_u64().and_then(|hand| usize::try_from(hand).ok()).unwrap_or(0);
                self.evicted = line["evicted"].as_u64().unwrap_or(0);
            } else if let Ok((place, key, value)) = serde_json::from_value::<(usize, K, V)>(line)
                && let Some(entry) = places.get_mut(place)
            {
                *entry = Some((key, value));
            }
        }
        for (key, value) in places.into_iter().flatten() {
            // Damaged, if a key stands twice: it keeps its first place.
            if self.find(&key).is_none() {
                self.entries.push((key, value));
                self.give_place(self.entries.len() - 1);
            }
        }
        self.is_changed.resize(self.entries.len(), false);
        self.hand = self.hand.checked_rem(self.entries.len()).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    impl Weigh for u64 {
        fn weight(&self, _now: u32) -> u64 {
            *self
        }
    }

    fn table(limit: usize, saved: Option<&Section>) -> Table<u32, u64> {
        Table::new(limit, "t".to_owned(), saved)
    }

    fn contents(table: &Table<u32, u64>) -> Vec<(u32, u64)> {
        table.iter().map(|(key, value)| (*key, *value)).collect()
    }

    #[test]
    fn the_strong_stay_when_a_flood_comes() {
        let mut table = table(1_000, None);
        (0..100).for_each(|key| *table.entry(key, 0, || 0) = 10);
        (1_000..200_000).for_each(|key| *table.entry(key, 0, || 0) = 1);
        assert_eq!(table.len(), 1_000);
        assert_eq!((0..100).filter(|key| table.get(key).is_some()).count(), 100);
        assert_eq!(table.evicted(), 100 + 199_000 - 1_000);
    }

    #[test]
    fn the_weak_go_first_and_of_equals_the_oldest() {
        assert!(rank(2, 0) > rank(1, u32::MAX) && rank(1, 2) > rank(1, 1) && rank(u64::MAX, 1) > rank(1 << 31, 9));
        let mut table = table(16, None);
        (0..16).for_each(|key| *table.entry(key, 0, || 0) = rank(u64::from(key % 2), 100 - key));
        (100..108).for_each(|key| *table.entry(key, 0, || 0) = rank(9, 0));
        assert!((0..16).all(|key| table.get(&key).is_some() == (key % 2 == 1)));
        table.retain(|value| *value > rank(1, 90));
        assert_eq!(
            contents(&table).into_iter().map(|(key, _)| key).filter(|key| *key < 100).collect::<BTreeSet<_>>(),
            [1, 3, 5, 7, 9].into()
        );
    }

    #[test]
    fn saved_changes_make_the_same_table() {
        let mut table = table(50, None);
        let mut section = Section::new();
        let mut random = 7_u32;
        for round in 0..300 {
            for _ in 0..20 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                match random >> 29 {
                    0 => drop(table.remove(&(random >> 8 & 127))),
                    1 => table.sweep(3, |value| value % 7 == 0),
                    2 if random >> 25 & 15 == 0 => table.retain(|value| value % 3 > 0),
                    3 => table.update(|value| {
                        let is_fifth = value.is_multiple_of(5);
                        *value += u64::from(is_fifth);
                        is_fifth
                    }),
                    _ => *table.entry(random >> 8 & 127, 0, || 0) += u64::from(random >> 20 & 15),
                }
            }
            match table.save() {
                Some(Write::Put { pieces, .. }) => section = pieces,
                Some(Write::Append { pieces, .. }) => section.extend(pieces),
                other => assert!(other.is_none()),
            }
            let mut again = self::table(50, Some(&section));
            assert_eq!((contents(&again), again.evicted(), again.hand), (contents(&table), table.evicted(), table.hand), "{round}");
            assert!(again.save().is_none());
        }
    }

    #[test]
    fn a_smaller_limit_and_damage_lose_entries_and_nothing_else() {
        let mut table = table(10, None);
        (0..10).for_each(|key| *table.entry(key, 0, || 0) = u64::from(key));
        let Some(Write::Put { pieces, .. }) = table.save() else { panic!() };
        assert_eq!(self::table(3, Some(&pieces)).len(), 3);
        let damaged = [vec![b"{\"length\":1e30}\n[1]\n".to_vec()], pieces, vec![b"[2,7,5]\n[99,1,1]\nx\n".to_vec()]].concat();
        let again = self::table(10, Some(&damaged));
        assert_eq!(again.len(), 9);
        assert_eq!(again.get(&3), Some(&3));
    }
}

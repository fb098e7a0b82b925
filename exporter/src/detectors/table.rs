//! A bounded table of whoever is watched: when it is full, the weakest go, so that a flood of newcomers does not hide those who matter.
//! What the detectors share.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use foldhash::fast::RandomState;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::event::Timestamp;
use crate::snapshot::{ChangeLog, Section, Write, json_lines};

/// What a table holds of somebody.
pub(super) trait Entry: Default + Serialize + DeserializeOwned {
    /// How much it would be missed: the least goes first, of equals the oldest.
    fn weight(&self) -> (u64, Timestamp);
}

/// Entries by key, at most so many, saved by what changed. The hash has a random key, so nobody can aim at a slot.
pub(super) struct Table<K, V> {
    entries: HashMap<K, V, RandomState>,
    max: usize,
    evicted: u64,
    changed: BTreeSet<K>,
    removed: BTreeSet<K>,
    log: ChangeLog,
}

impl<K: Copy + Eq + Ord + Hash + Serialize + DeserializeOwned, V: Entry> Table<K, V> {
    /// For at most `max` entries; takes up what was saved in `section`.
    pub(super) fn new(max: usize, section: String, saved: Option<&Section>) -> Self {
        let mut table = Self {
            entries: HashMap::default(),
            max: max.max(1),
            evicted: 0,
            changed: BTreeSet::new(),
            removed: BTreeSet::new(),
            log: ChangeLog::new(section, saved),
        };
        saved.into_iter().flat_map(json_lines).for_each(|line| table.load(&line));
        table.make_room(None);
        table
    }

    fn load(&mut self, line: &serde_json::Value) {
        if let Some(evicted) = line["evicted"].as_u64() {
            self.evicted = evicted;
        }
        let Ok(key) = K::deserialize(&line[0]) else { return };
        match line.get(1).and_then(|value| V::deserialize(value).ok()) {
            Some(value) => self.entries.insert(key, value),
            None => self.entries.remove(&key),
        };
    }

    /// The entry of this key, made if it is new; it is taken as changed.
    pub(super) fn entry(&mut self, key: K) -> &mut V {
        if !self.entries.contains_key(&key) {
            self.make_room(Some(key));
            self.removed.remove(&key);
        }
        self.changed.insert(key);
        self.entries.entry(key).or_default()
    }

    /// The entry of this key, if there is one.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// Changes entries of which `change` says that they changed.
    pub(super) fn update(&mut self, mut change: impl FnMut(&mut V) -> bool) {
        let changed = self.entries.iter_mut().filter_map(|(key, value)| change(value).then_some(*key));
        self.changed.extend(changed);
    }

    /// Forgets entries that are not worth keeping.
    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        let gone: Vec<K> = self.entries.iter().filter(|(_, value)| !keep(value)).map(|(key, _)| *key).collect();
        gone.into_iter().for_each(|key| self.remove(key));
    }

    /// Entries, and how many were dropped for others.
    pub(super) fn fill(&self) -> (usize, u64) {
        (self.entries.len(), self.evicted)
    }

    fn remove(&mut self, key: K) {
        self.entries.remove(&key);
        self.changed.remove(&key);
        self.removed.insert(key);
        // More than the table itself: not worth keeping, the whole is written.
        if self.removed.len() > self.max {
            self.removed.clear();
            self.log.rewrite();
        }
    }

    /// Drops the weakest eighth once there is no room, so that the search for them is seldom.
    fn make_room(&mut self, newcomer: Option<K>) {
        if self.entries.len() + usize::from(newcomer.is_some()) <= self.max {
            return;
        }
        let excess = self.entries.len().saturating_sub(self.max);
        let drop = (excess + (self.max / 8).max(1)).min(self.entries.len());
        let mut order: Vec<_> = self.entries.iter().map(|(key, value)| (value.weight(), *key)).collect();
        order.select_nth_unstable(drop - 1);
        order.into_iter().take(drop).for_each(|(_, key)| self.remove(key));
        self.evicted += drop as u64;
    }

    /// What changed since the last call.
    pub(super) fn save(&mut self) -> Option<Write> {
        let mut changes = Vec::new();
        std::mem::take(&mut self.removed).iter().for_each(|key| push(&mut changes, &json!([key])));
        for key in std::mem::take(&mut self.changed) {
            if let Some(value) = self.entries.get(&key) {
                push(&mut changes, &json!([key, value]));
            }
        }
        if !changes.is_empty() {
            push(&mut changes, &json!({ "evicted": self.evicted }));
        }
        let (entries, evicted) = (&self.entries, self.evicted);
        self.log.write(changes, || {
            let mut whole = Vec::new();
            entries.iter().for_each(|(key, value)| push(&mut whole, &json!([key, value])));
            push(&mut whole, &json!({ "evicted": evicted }));
            whole
        })
    }

    /// After a commit that failed.
    pub(super) fn save_all_again(&mut self) {
        self.log.rewrite();
    }
}

fn push(lines: &mut Vec<u8>, value: &serde_json::Value) {
    lines.extend_from_slice(value.to_string().as_bytes());
    lines.push(b'\n');
}

/// How often something happened lately, by minute or hour: a few numbers, however often.
#[derive(Clone, Debug, Default, PartialEq, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Counts(Vec<(i64, u64)>);

impl Counts {
    /// Counts `count` times more at `at`, in steps of `step_secs`, and forgets what is older than `keep` steps.
    pub(super) fn add(&mut self, at: Timestamp, count: u64, step_secs: i64, keep: i64) {
        let step = at.secs().div_euclid(step_secs.max(1));
        match self.0.iter_mut().find(|(known, _)| *known == step) {
            Some((_, known)) => *known = known.saturating_add(count),
            None => self.0.push((step, count)),
        }
        let newest = self.0.iter().map(|(step, _)| *step).max().unwrap_or(step);
        self.0.retain(|(step, _)| newest - step <= keep);
    }

    /// How often in the steps that reach into the `secs` seconds before `at`.
    pub(super) fn sum(&self, at: Timestamp, secs: i64, step_secs: i64) -> u64 {
        let from = (at.secs() - secs).div_euclid(step_secs.max(1));
        self.0.iter().filter(|(step, _)| *step > from).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// In how many of those steps.
    pub(super) fn steps(&self, at: Timestamp, secs: i64, step_secs: i64) -> usize {
        let from = (at.secs() - secs).div_euclid(step_secs.max(1));
        self.0.iter().filter(|(step, _)| *step > from).count()
    }
}

/// A quiet day ends an incident, in seconds.
pub(super) const QUIET_SECS: i64 = 86_400;

/// When people are told of the same one again: first, when it has grown tenfold, and when it begins anew after a quiet day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, serde::Deserialize)]
pub(super) struct Incident {
    /// How much it is in all.
    pub(super) total: u64,
    /// How much it was when it was told; 0: not yet.
    told: u64,
    pub(super) last: Timestamp,
}

impl Incident {
    /// Takes what happened.
    pub(super) fn add(&mut self, at: Timestamp, count: u64) {
        if at.secs() - self.last.secs() > QUIET_SECS {
            *self = Self::default();
        }
        self.total = self.total.saturating_add(count);
        self.last = self.last.max(at);
    }

    /// Whether it is time to tell, given that it is one; then it is told.
    pub(super) fn tell(&mut self) -> bool {
        let is_due = self.told == 0 || self.total >= self.told.saturating_mul(10);
        if is_due {
            self.told = self.total;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Write;

    #[derive(Debug, Default, PartialEq, Serialize, serde::Deserialize)]
    struct Seen(u64, Timestamp);

    impl Entry for Seen {
        fn weight(&self) -> (u64, Timestamp) {
            (self.0, self.1)
        }
    }

    #[test]
    fn a_flood_does_not_hide_the_strong() {
        let mut table: Table<u32, Seen> = Table::new(100, "t".into(), None);
        (0..20).for_each(|key| *table.entry(key) = Seen(10, Timestamp::default()));
        for key in 1_000..11_000 {
            *table.entry(key) = Seen(1, Timestamp::from_secs(i64::from(key)));
        }
        let (fill, evicted) = table.fill();
        assert!(fill <= 100 && evicted == 10_020 - fill as u64, "{fill} {evicted}");
        assert!((0..20).all(|key| table.get(&key).is_some()) && table.get(&10_999).is_some());
    }

    #[test]
    fn saved_is_loaded_whatever_happens_between() {
        let mut seed = 3_u64;
        let mut section: Section = Vec::new();
        let mut table: Table<u64, Seen> = Table::new(50, "t".into(), None);
        for round in 0..3_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *table.entry(seed >> 57) = Seen(seed >> 60, Timestamp::from_secs(round));
            if seed & 0xf000 == 0 {
                table.retain(|seen| seen.0 > 2);
            }
            if seed & 0xf_0000 == 0 {
                match table.save() {
                    Some(Write::Put { bytes, .. }) => section = vec![bytes],
                    Some(Write::Append { bytes, .. }) => section.push(bytes),
                    _ => {}
                }
                let again: Table<u64, Seen> = Table::new(50, "t".into(), Some(&section));
                assert_eq!((&again.entries, again.evicted), (&table.entries, table.evicted));
            }
        }
        assert!(section.len() > 2, "the test must have appended");
    }

    #[test]
    fn counts_are_of_the_last_steps() {
        let mut counts = Counts::default();
        let at = |minutes: i64| Timestamp::from_secs(minutes * 60);
        (0..100).for_each(|minute| counts.add(at(minute), 2, 60, 60));
        assert_eq!((counts.sum(at(99), 600, 60), counts.steps(at(99), 600, 60), counts.0.len()), (20, 10, 61));
    }

    #[test]
    fn an_incident_is_told_again_when_it_grows_or_returns() {
        let mut incident = Incident::default();
        let told: Vec<u64> = (1..=1_000_u64)
            .filter(|count| {
                incident.add(Timestamp::from_secs(*count as i64), 1);
                incident.total >= 5 && incident.tell()
            })
            .collect();
        assert_eq!(told, [5, 50, 500]);
        incident.add(Timestamp::from_secs(1_001 + QUIET_SECS), 5);
        assert!(incident.tell());
    }
}

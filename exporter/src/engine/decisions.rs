//! What CrowdSec has decided, and whether it bans an address at a moment. It is asked about every request in the web logs: networks are
//! found by their bits, one look for each length of prefix that there is.
//!
//! A decision takes 24 bytes here for IPv4 and 48 for IPv6, and as much again while the table grows.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::event::Timestamp;
use crate::metrics::Page;
use crate::metrics::crowdsec::{BAN, CrowdSec, LabelId};
use crate::metrics::own::Table;
use crate::sample::crowdsec::{Decisions as Seen, Key, Target};
use crate::subject::Client;

/// The most decisions.
const MAX_DECISIONS: usize = 200_000;
/// The most types; further ones are one.
const MAX_KINDS: usize = 16;

/// The decisions in force.
pub(super) struct Decisions {
    is_wanted: bool,
    known: Known,
    /// Types by their number; the first is [`BAN`].
    kinds: Vec<Arc<str>>,
    metrics: CrowdSec,
    /// Decisions for which there was no room, or that made no sense.
    left_out: u64,
    /// Before this no decision ends.
    next_end: u32,
}

/// A ban in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ban {
    label: LabelId,
    until: u32,
}

/// A decision: from when to when, in seconds since the epoch. When CrowdSec made it is not known: it counts from when it was first seen.
#[derive(Clone, Copy)]
struct Entry {
    since: u32,
    until: u32,
    label: LabelId,
}

#[derive(Default)]
struct Known {
    v4: HashMap<u64, Entry, RandomState>,
    v6: HashMap<(u128, u16), Entry, RandomState>,
    other: HashMap<(Arc<str>, u8), Entry, RandomState>,
    /// How many bans there are by length of prefix.
    lengths_v4: Lengths<33>,
    lengths_v6: Lengths<129>,
}

/// Counts by length of prefix.
struct Lengths<const N: usize>([u32; N]);

/// Where a decision stands.
enum Place {
    V4(u64),
    V6((u128, u16)),
    Other((Arc<str>, u8)),
}

impl Decisions {
    /// None yet; counters go on from those saved.
    pub(super) fn new(is_wanted: bool, saved: &Value) -> Self {
        let mut metrics = CrowdSec::default();
        metrics.load(&saved["counters"]);
        let left_out = saved["left_out"].as_u64().unwrap_or(0);
        Self { is_wanted, known: Known::default(), kinds: vec![BAN.into()], metrics, left_out, next_end: u32::MAX }
    }

    /// Takes what is new, or all that there is.
    pub(super) fn take(&mut self, now: Timestamp, seen: Seen) {
        self.left_out += seen.left_out;
        for key in &seen.deleted {
            let place = self.place(key);
            self.forget(&place);
        }
        let before = if seen.is_all { self.forget_all() } else { Known::default() };
        for decision in seen.added {
            let place = self.place(&decision.key);
            let old = self.forget(&place).or_else(|| before.get(&place));
            if self.known.len() >= MAX_DECISIONS {
                self.left_out += 1;
                continue;
            }
            let label = self.metrics.add([&decision.origin, &decision.key.kind, &decision.scenario]);
            let until = seconds(decision.until).saturating_add(1);
            self.next_end = self.next_end.min(until);
            self.known.put(place, Entry { since: old.map_or(seconds(now), |old| old.since), until, label });
        }
    }

    /// The ban of an address at a moment, of the longest prefix.
    pub(super) fn ban(&self, at: Timestamp, address: IpAddr) -> Option<Ban> {
        let at = seconds(at);
        let entry = match address.to_canonical() {
            IpAddr::V4(v4) => {
                self.known.lengths_v4.longest(at, |length| self.known.v4.get(&key_v4(v4.to_bits(), length, 0))).map(|(_, entry)| entry)
            }
            IpAddr::V6(v6) => {
                self.known.lengths_v6.longest(at, |length| self.known.v6.get(&key_v6(v6.to_bits(), length, 0))).map(|(_, entry)| entry)
            }
        }?;
        Some(Ban { label: entry.label, until: entry.until })
    }

    /// A ban of a client, or of an address of its /64, that ends last.
    pub(super) fn ban_of(&self, now: Timestamp, client: Client) -> Option<Ban> {
        let of_all = self.ban(now, client.address());
        let Client::V6(upper) = client else { return of_all };
        let now = seconds(now);
        let narrow = self.known.v6.iter().filter(|((bits, parts), entry)| {
            let [kind, length] = parts.to_be_bytes();
            kind == 0 && length > 64 && (bits >> 64) as u64 == upper && entry.until > now
        });
        let narrow = narrow.map(|(_, entry)| Ban { label: entry.label, until: entry.until });
        narrow.chain(of_all).max_by_key(|ban| ban.until)
    }

    /// Counts a request of somebody who is banned.
    pub(super) fn arrived(&mut self, ban: Ban) {
        self.metrics.arrived(ban.label);
    }

    /// Whether nobody can be banned.
    pub(super) fn is_empty(&self) -> bool {
        self.known.v4.is_empty() && self.known.v6.is_empty()
    }

    /// A ban for people: origin, scenario, when it ends.
    pub(super) fn view(&self, ban: Ban) -> Value {
        let [origin, _, scenario] = self.metrics.name(ban.label).map_or([""; 3], |name| name.each_ref().map(|name| &**name));
        json!({ "origin": origin, "scenario": scenario, "until": Timestamp::from_secs(i64::from(ban.until)).to_rfc3339() })
    }

    /// Forgets what has ended, whether CrowdSec is there to say so or not.
    pub(super) fn on_tick(&mut self, now: Timestamp) {
        let now = seconds(now);
        if now < self.next_end {
            return;
        }
        let Self { known: Known { v4, v6, other, lengths_v4, lengths_v6 }, metrics, next_end, .. } = self;
        *next_end = u32::MAX;
        let mut ends = |entry: &Entry| {
            if entry.until > now {
                *next_end = (*next_end).min(entry.until);
                return false;
            }
            metrics.remove(entry.label);
            true
        };
        v4.extract_if(|_, entry| ends(entry)).for_each(|(key, _)| lengths_v4.remove(key_parts_v4(key)));
        v6.extract_if(|_, entry| ends(entry)).for_each(|(key, _)| lengths_v6.remove(key_parts_v6(key)));
        other.retain(|_, entry| !ends(entry));
    }

    /// Writes these rows.
    pub(super) fn show(&self, page: &mut Page) {
        if self.is_wanted {
            self.metrics.show(page);
        }
    }

    /// The fill of the table.
    pub(super) fn tables(&self) -> Option<Table> {
        let table = Table { name: "crowdsec_decisions", tracked: self.known.len(), limit: MAX_DECISIONS, evicted: self.left_out };
        self.is_wanted.then_some(table)
    }

    /// The counters.
    pub(super) fn save(&self) -> Value {
        json!({ "counters": self.metrics.save(), "left_out": self.left_out })
    }

    fn place(&mut self, key: &Key) -> Place {
        let kind = self.kinds.iter().position(|kind| **kind == *key.kind).unwrap_or_else(|| {
            if self.kinds.len() < MAX_KINDS {
                self.kinds.push(Arc::clone(&key.kind));
            }
            self.kinds.len() - 1
        });
        let kind = u8::try_from(kind).unwrap_or(u8::MAX);
        match &key.target {
            Target::Network(IpNet::V4(v4)) => Place::V4(key_v4(v4.network().to_bits(), v4.prefix_len(), kind)),
            Target::Network(IpNet::V6(v6)) => Place::V6(key_v6(v6.network().to_bits(), v6.prefix_len(), kind)),
            Target::Other(text) => Place::Other((Arc::clone(text), kind)),
        }
    }

    fn forget(&mut self, place: &Place) -> Option<Entry> {
        let entry = self.known.remove(place)?;
        self.metrics.remove(entry.label);
        Some(entry)
    }

    fn forget_all(&mut self) -> Known {
        let all = std::mem::take(&mut self.known);
        all.entries().for_each(|entry| self.metrics.remove(entry.label));
        self.next_end = u32::MAX;
        all
    }
}

impl Known {
    fn len(&self) -> usize {
        self.v4.len() + self.v6.len() + self.other.len()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.v4.values().chain(self.v6.values()).chain(self.other.values())
    }

    fn get(&self, place: &Place) -> Option<Entry> {
        match place {
            Place::V4(key) => self.v4.get(key),
            Place::V6(key) => self.v6.get(key),
            Place::Other(key) => self.other.get(key),
        }
        .copied()
    }

    /// At a place where nothing is.
    fn put(&mut self, place: Place, entry: Entry) {
        match place {
            Place::V4(key) => {
                self.lengths_v4.add(key_parts_v4(key));
                insert(&mut self.v4, key, entry);
            }
            Place::V6(key) => {
                self.lengths_v6.add(key_parts_v6(key));
                insert(&mut self.v6, key, entry);
            }
            Place::Other(key) => insert(&mut self.other, key, entry),
        }
    }

    fn remove(&mut self, place: &Place) -> Option<Entry> {
        match place {
            Place::V4(key) => self.v4.remove(key).inspect(|_| self.lengths_v4.remove(key_parts_v4(*key))),
            Place::V6(key) => self.v6.remove(key).inspect(|_| self.lengths_v6.remove(key_parts_v6(*key))),
            Place::Other(key) => self.other.remove(key),
        }
    }
}

fn insert<K: Eq + Hash>(table: &mut HashMap<K, Entry, RandomState>, key: K, entry: Entry) {
    table.insert(key, entry);
}

/// A network and a type in one number; what lies behind the prefix does not count.
fn key_v4(bits: u32, length: u8, kind: u8) -> u64 {
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    u64::from(kind) << 40 | u64::from(length) << 32 | u64::from(bits & mask)
}

fn key_v6(bits: u128, length: u8, kind: u8) -> (u128, u16) {
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    (bits & mask, u16::from_be_bytes([kind, length]))
}

/// Type and length of prefix.
fn key_parts_v4(key: u64) -> [u8; 2] {
    let [.., kind, length, _, _, _, _] = key.to_be_bytes();
    [kind, length]
}

fn key_parts_v6((_, parts): (u128, u16)) -> [u8; 2] {
    parts.to_be_bytes()
}

impl<const N: usize> Default for Lengths<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Lengths<N> {
    fn add(&mut self, [kind, length]: [u8; 2]) {
        if let Some(count) = self.0.get_mut(usize::from(length)).filter(|_| kind == 0) {
            *count += 1;
        }
    }

    fn remove(&mut self, [kind, length]: [u8; 2]) {
        if let Some(count) = self.0.get_mut(usize::from(length)).filter(|_| kind == 0) {
            *count = count.saturating_sub(1);
        }
    }

    /// What is in force at a moment, of the longest prefix.
    fn longest<'e>(&self, at: u32, find: impl Fn(u8) -> Option<&'e Entry>) -> Option<(u8, Entry)> {
        let lengths = (0_u8..=u8::MAX).zip(&self.0).rev().filter(|(_, count)| **count > 0);
        let in_force = |entry: &&Entry| entry.since <= at && at < entry.until;
        lengths.map(|(length, _)| length).find_map(|length| Some((length, *find(length).filter(in_force)?)))
    }
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.secs().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Exposition;
    use crate::sample::crowdsec::Decision;

    const NOW: Timestamp = Timestamp::from_secs(1_795_255_200);

    fn after(secs: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(secs))
    }

    fn key(network: &str, kind: &str) -> Key {
        Key { target: Target::Network(network.parse().unwrap()), kind: kind.into() }
    }

    fn decision(network: &str, kind: &str, scenario: &str, secs: u64) -> Decision {
        Decision { key: key(network, kind), origin: "cscli".into(), scenario: scenario.into(), until: after(secs) }
    }

    fn seen(is_all: bool, added: Vec<Decision>, deleted: Vec<Key>) -> Seen {
        Seen { is_all, deleted, added, left_out: 0 }
    }

    fn bans(decisions: &Decisions, at: Timestamp, address: &str) -> Option<String> {
        decisions.ban(at, address.parse().unwrap()).map(|ban| decisions.view(ban)["scenario"].as_str().unwrap().to_owned())
    }

    #[test]
    fn addresses_and_ranges_are_found_by_the_longest_prefix() {
        let mut decisions = Decisions::new(true, &Value::Null);
        let added = vec![
            decision("203.0.113.0/24", "ban", "range", 100),
            decision("203.0.113.7/32", "ban", "one", 50),
            decision("203.0.113.8/32", "captcha", "asked", 100),
            decision("2001:db8:1::/48", "ban", "six", 100),
            decision("2001:db8:2::1/128", "ban", "exact", 100),
        ];
        decisions.take(NOW, seen(true, added, vec![]));
        for (address, expected) in [
            ("203.0.113.7", Some("one")),
            ("::ffff:203.0.113.7", Some("one")),
            ("203.0.113.8", Some("range")),
            ("203.0.114.1", None),
            ("2001:db8:1:ffff::1", Some("six")),
            ("2001:db8:2::1", Some("exact")),
            ("2001:db8:2::2", None),
        ] {
            assert_eq!(bans(&decisions, NOW, address).as_deref(), expected, "{address}");
        }
        assert_eq!(bans(&decisions, after(60), "203.0.113.7").as_deref(), Some("range"), "the shorter ban is over");
        assert_eq!(bans(&decisions, after(101), "203.0.113.7"), None);
        assert_eq!(bans(&decisions, Timestamp::from_secs(NOW.secs() - 1), "203.0.113.7"), None, "before it was there");
    }

    #[test]
    fn what_is_taken_back_or_over_is_gone() {
        let mut decisions = Decisions::new(true, &Value::Null);
        decisions.take(NOW, seen(true, vec![decision("1.2.3.4/32", "ban", "a", 100), decision("1.2.3.5/32", "ban", "a", 5)], vec![]));
        // Told of more than once, and of what was never there.
        for _ in 0..2 {
            decisions.take(
                after(1),
                seen(false, vec![], vec![key("1.2.3.4/32", "ban"), key("9.9.9.9/32", "ban"), key("1.2.3.5/32", "captcha")]),
            );
        }
        assert_eq!((bans(&decisions, after(1), "1.2.3.4"), decisions.known.len()), (None, 1));
        decisions.on_tick(after(4));
        assert_eq!(decisions.known.len(), 1);
        decisions.on_tick(after(6));
        assert_eq!((decisions.known.len(), decisions.known.lengths_v4.0, decisions.next_end), (0, [0; 33], u32::MAX));
        assert!(decisions.is_empty());
    }

    #[test]
    fn a_whole_list_replaces_all_and_knows_since_when() {
        let mut decisions = Decisions::new(true, &Value::Null);
        decisions.take(NOW, seen(true, vec![decision("1.2.3.4/32", "ban", "a", 100), decision("1.2.3.5/32", "ban", "a", 100)], vec![]));
        decisions.take(after(50), seen(true, vec![decision("1.2.3.4/32", "ban", "b", 200)], vec![]));
        assert_eq!(bans(&decisions, after(10), "1.2.3.4").as_deref(), Some("b"));
        assert_eq!(bans(&decisions, after(60), "1.2.3.5"), None);
        let mut page = Page::default();
        decisions.show(&mut page);
        let text = page.render(Exposition::Text);
        assert!(text.contains("hostwarden_crowdsec_decisions{origin=\"cscli\",type=\"ban\",scenario=\"b\"} 1.0"), "{text}");
        assert!(!text.contains("scenario=\"a\"} 2"), "{text}");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut decisions = Decisions::new(true, &Value::Null);
        let one = |number: u32| {
            let network = format!("{}/32", std::net::Ipv4Addr::from_bits(number));
            decision(&network, if number.is_multiple_of(2) { "ban" } else { "captcha" }, "a", 100)
        };
        for chunk in 0..3 {
            let numbers = chunk * 100_000..(chunk + 1) * 100_000;
            decisions.take(NOW, seen(false, numbers.map(one).collect(), vec![]));
        }
        let kinds = (0..40).map(|kind| decision("5.5.5.5/32", &format!("kind{kind}"), "a", 100)).collect();
        decisions.take(NOW, seen(false, kinds, vec![]));
        assert_eq!((decisions.known.len(), decisions.kinds.len()), (MAX_DECISIONS, MAX_KINDS));
        assert!(decisions.left_out >= 100_000);
        assert_eq!(decisions.known.lengths_v4.0[32], 100_000);
        decisions.on_tick(after(200));
        assert!(decisions.is_empty());
    }
}

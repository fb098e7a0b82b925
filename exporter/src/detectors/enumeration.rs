//! Link enumeration: somebody opens many different links of a kind that people get one at a time (a menu, a payment, a ticket), to find
//! those of others. Per client, fast and slow, and over a network when many of its clients share the work.
//!
//! Not everybody who opens many links guesses: an office behind one address, or a chat app that fetches a preview of each link that its
//! users send, opens links that exist. So what counts is how many were not there, or that their numbers follow on one another. Files that
//! belong to a page do not count.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::window::{DAY, HOUR, Table, Weigh, seconds};
use crate::event::Timestamp;
use crate::finding::{About, Found, Severity};
use crate::snapshot::{Section, Write};
use crate::subject::{Client, Network};

/// Its name in `findings_total`.
pub const NAME: &str = "enumeration";

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// More different links than this within the window make an enumeration.
    pub threshold: u32,
    /// The window, in seconds.
    pub window_secs: u32,
    /// More different missing links than this within a day make a slow one.
    pub slow_threshold: u32,
    /// More different missing links than this within an hour, opened by several clients of one network, make a spread one.
    pub network_threshold: u32,
    /// The most clients, and the most networks, remembered.
    pub max_clients: NonZeroUsize,
}

/// A link that was opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// A hash of prefix and id.
    pub hash: u32,
    /// The id, if it is a number.
    pub number: Option<u32>,
    /// Whether it was there (2xx, 3xx); `None` if the status says nothing about that (429, 5xx).
    pub was_there: Option<bool>,
}

/// The most links remembered of one visitor: what a threshold can ask for at most.
pub const MAX_LINKS: usize = 64;
/// Distinct clients of a network are told by a bit each.
const CLIENT_BITS: u32 = 64;
/// Who shares the work: fewer clients of a network than this are judged by themselves.
const SPREAD_CLIENTS: u32 = 3;
/// Of all links opened, this share must be missing to make it guessing.
const MISSING_SHARE: f32 = 0.5;
/// Of all links with numbers, this share must follow on one another.
const SEQUENCE_SHARE: f32 = 0.6;
/// Numbers that follow on one another may leave out a few.
const SEQUENCE_GAP: u32 = 3;
/// After a finding, this many seconds of quiet make the next one new.
const QUIET: u32 = HOUR;

/// The last different links of a client or network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Visitor {
    /// Hash, when, number if any, whether it was there; oldest first.
    links: Vec<(u32, u32, Option<u32>, Option<bool>)>,
    clients: u64,
    last: u32,
    /// When an enumeration was last seen.
    told: Option<u32>,
}

impl Weigh for Visitor {
    fn weight(&self, now: u32) -> u64 {
        (self.links.len() as u64) << 20 >> (now.saturating_sub(self.last) / 3_600).min(20)
    }
}

/// What was opened within a window.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    distinct: u32,
    missing: u32,
}

impl Visitor {
    /// Notes a link. Gives how many different ones are remembered, so that most visitors need no closer look.
    fn open(&mut self, secs: u32, link: Link) -> u32 {
        self.last = self.last.max(secs);
        let gives_way = |hash: u32, at: u32| (hash == link.hash) | (secs.saturating_sub(at) >= DAY);
        // Mostly none does, and then nothing is moved.
        if self.links.iter().fold(false, |any, (hash, at, ..)| any | gives_way(*hash, *at)) {
            self.links.retain(|(hash, at, ..)| !gives_way(*hash, *at));
        }
        if self.links.len() >= MAX_LINKS {
            self.links.remove(0);
        }
        if self.links.len() == self.links.capacity() {
            self.links.reserve_exact(4);
        }
        self.links.push((link.hash, secs, link.number, link.was_there));
        self.links.len() as u32
    }

    fn within(&self, now: u32, window: u32) -> Counts {
        self.links.iter().fold(Counts::default(), |counts, (_, at, _, was_there)| {
            let is_recent = u32::from(now.saturating_sub(*at) < window);
            Counts { distinct: counts.distinct + is_recent, missing: counts.missing + (is_recent & u32::from(*was_there == Some(false))) }
        })
    }

    /// Whether what was opened within a window, `counts`, is guessed: most of it is missing, or numbers follow one another.
    fn is_guessing(&self, now: u32, window: u32, counts: Counts) -> bool {
        if counts.missing as f32 >= counts.distinct as f32 * MISSING_SHARE {
            return true;
        }
        let recent = self.links.iter().filter(|(_, at, ..)| now.saturating_sub(*at) < window);
        let mut numbers: Vec<u32> = recent.filter_map(|(_, _, number, _)| *number).collect();
        numbers.sort_unstable();
        let follow = numbers.windows(2).filter(|pair| pair[1] - pair[0] <= SEQUENCE_GAP).count();
        follow as f32 / counts.distinct.max(1) as f32 >= SEQUENCE_SHARE
    }

    /// What tells guessing from reading: how quickly the links within a window were opened; and which numbers they have, which are the
    /// site's and may be somebody's.
    fn facts(&self, now: u32, window: u32) -> Facts {
        let recent = || self.links.iter().filter(move |(_, at, ..)| now.saturating_sub(*at) < window);
        let begun = recent().map(|(_, at, ..)| *at).min().unwrap_or(now);
        let numbers = || recent().filter_map(|(_, _, number, _)| *number);
        let pace = format!("{} links in {} seconds", recent().count(), now.saturating_sub(begun));
        let range = numbers().min().zip(numbers().max());
        let numbered = range.map(|(low, high)| format!("{} of them with numbers, from {low} to {high}", numbers().count()));
        Facts { reckoned: vec![pace], evidence: numbered.into_iter().collect() }
    }

    /// How many clients share a network's work, at least.
    fn spread(&self) -> u32 {
        self.clients.count_ones()
    }

    fn is_telling(&mut self, secs: u32) -> bool {
        let is_new = self.told.is_none_or(|told| secs.saturating_sub(told) >= QUIET);
        self.told = Some(secs);
        is_new
    }
}

/// As in [`Found`].
struct Facts {
    reckoned: Vec<String>,
    evidence: Vec<String>,
}

/// The detector.
pub struct Enumeration {
    config: Config,
    clients: Table<Client, Visitor>,
    networks: Table<Network, Visitor>,
}

impl Enumeration {
    /// With these settings; takes up what was saved of clients and networks.
    pub fn new(config: Config, sections: [&str; 2], saved: [Option<&Section>; 2]) -> Self {
        let limit = config.max_clients.get();
        let [clients, networks] = sections.map(str::to_owned);
        Self { clients: Table::new(limit, clients, saved[0]), networks: Table::new(limit, networks, saved[1]), config }
    }

    /// Takes note of an opened link. Gives what is to be told: each enumeration once, until an hour of quiet has passed. Who has only
    /// opened links that are there and bear no numbers is not remembered: nothing of that is guessing.
    pub fn open(&mut self, at: Timestamp, client: Client, link: Link) -> Option<Found> {
        let secs = seconds(at);
        let is_missing = link.was_there == Some(false);
        if let Some(visitor) = known_or_new(&mut self.clients, client, secs, is_missing || link.number.is_some())
            && visitor.open(secs, link) > self.config.threshold.min(self.config.slow_threshold)
            && let Some((counts, window)) = by_client(&self.config, secs, visitor)
        {
            return visitor.is_telling(secs).then(|| {
                let within = if window == DAY { "a day".to_owned() } else { format!("{window} seconds") };
                found(at, About::Client(client), counts, &within, visitor.facts(secs, window))
            });
        }
        let network = known_or_new(&mut self.networks, client.network(), secs, is_missing)?;
        // A multiplicative hash (Knuth): neighbours must not fall on neighbouring bits only.
        network.clients |= 1 << (client.bits().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - CLIENT_BITS.ilog2()));
        if network.open(secs, link) <= self.config.network_threshold {
            return None;
        }
        let counts = by_network(&self.config, secs, network)?;
        network.is_telling(secs).then(|| {
            let within = format!("an hour from {} addresses or more", network.spread());
            found(at, About::Network(client.network()), counts, &within, network.facts(secs, HOUR))
        })
    }

    /// Clients that are enumerating: seen at it within the last hour.
    pub fn enumerating(&self, now: Timestamp) -> usize {
        let now = seconds(now);
        self.clients.iter().filter(|(_, visitor)| visitor.told.is_some_and(|told| now.saturating_sub(told) < QUIET)).count()
    }

    /// Forgets who has opened nothing for a day.
    pub fn on_tick(&mut self, now: Timestamp) {
        let now = seconds(now);
        let over = |visitor: &Visitor| now.saturating_sub(visitor.last) > DAY;
        self.clients.sweep(self.clients.len() / 600 + 16, over);
        self.networks.sweep(self.networks.len() / 600 + 16, over);
    }

    /// Clients and networks remembered, the limit of both, and how many gave way to others.
    pub fn fill(&self) -> (usize, usize, u64) {
        let (clients, networks) = (&self.clients, &self.networks);
        (clients.len() + networks.len(), clients.limit() + networks.limit(), clients.evicted() + networks.evicted())
    }

    /// The writes that save what changed.
    pub fn save(&mut self) -> impl Iterator<Item = Write> {
        self.clients.save().into_iter().chain(self.networks.save())
    }

    /// After a commit that failed.
    pub fn save_all_again(&mut self) {
        self.clients.save_all_again();
        self.networks.save_all_again();
    }
}

/// Who is remembered, or is to be from now on.
fn known_or_new<K>(table: &mut Table<K, Visitor>, key: K, secs: u32, is_remembered: bool) -> Option<&mut Visitor>
where
    K: Copy + Eq + std::hash::Hash + Serialize + serde::de::DeserializeOwned,
{
    match table.find(&key) {
        Some(place) => Some(table.at_mut(place)),
        None if is_remembered => Some(table.entry(key, secs, Visitor::default)),
        None => None,
    }
}

/// What a client opened, and within how many seconds, if that is enumerating.
fn by_client(config: &Config, secs: u32, visitor: &Visitor) -> Option<(Counts, u32)> {
    let fast = visitor.within(secs, config.window_secs);
    if fast.distinct > config.threshold && visitor.is_guessing(secs, config.window_secs, fast) {
        return Some((fast, config.window_secs));
    }
    let slow = visitor.within(secs, DAY);
    (slow.missing > config.slow_threshold && visitor.is_guessing(secs, DAY, slow)).then_some((slow, DAY))
}

/// What several clients of a network opened within an hour, if they are enumerating together.
fn by_network(config: &Config, secs: u32, network: &Visitor) -> Option<Counts> {
    let counts = network.within(secs, HOUR);
    let is_shared = counts.missing > config.network_threshold && network.spread() >= SPREAD_CLIENTS;
    (is_shared && network.is_guessing(secs, HOUR, counts)).then_some(counts)
}

fn found(at: Timestamp, about: About, Counts { distinct, missing }: Counts, within: &str, facts: Facts) -> Found {
    let summary = format!("opened {distinct} different links within {within}, {missing} of them missing");
    Found { at, detector: NAME, severity: Severity::Warning, about, summary, reckoned: facts.reckoned, evidence: facts.evidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detector() -> Enumeration {
        let max_clients = NonZeroUsize::new(100).unwrap();
        let config = Config { threshold: 15, window_secs: 300, slow_threshold: 40, network_threshold: 30, max_clients };
        Enumeration::new(config, ["c", "n"], [None, None])
    }

    /// Opens links 0..count, one each `step` seconds, from as many clients; gives what was found.
    fn open(count: u32, step: u32, clients: u32, link: impl Fn(u32) -> Link) -> Vec<Found> {
        let mut detector = detector();
        let open = |n: u32| {
            let at = Timestamp::from_secs(1_775_253_600 + i64::from(n * step));
            detector.open(at, Client::V4(0xCB00_7100 + n % clients), link(n))
        };
        (0..count).filter_map(open).collect()
    }

    fn missing(n: u32) -> Link {
        Link { hash: n.wrapping_mul(2_654_435_761), number: None, was_there: Some(false) }
    }

    fn there(n: u32) -> Link {
        Link { was_there: Some(true), ..missing(n) }
    }

    #[test]
    fn many_missing_links_are_guessing() {
        assert!(open(15, 10, 1, missing).is_empty());
        let found = open(40, 10, 1, missing);
        assert_eq!(found.len(), 1, "told once");
        assert_eq!(found[0].summary, "opened 16 different links within 300 seconds, 16 of them missing");
        assert_eq!(found[0].reckoned, ["16 links in 150 seconds"]);
        assert!(open(40, 30, 1, missing).is_empty(), "too slow for the window");
        assert_eq!(open(60, 600, 1, missing).len(), 1, "but not for a day");
        assert!(open(200, 1, 1, |n| missing(n % 10)).is_empty(), "ten links again and again");
    }

    #[test]
    fn links_that_are_there_are_opened_by_people() {
        assert!(open(60, 2, 1, there).is_empty(), "an office, a preview of a chat app");
        assert!(open(60, 2, 1, |n| if n % 4 == 0 { missing(n) } else { there(n) }).is_empty(), "with some old ones among them");
        let numbered = |n: u32| Link { number: Some(1_000 + n), ..there(n) };
        let found = open(60, 2, 1, numbered);
        assert_eq!(found.len(), 1, "unless they follow on one another");
        assert_eq!(found[0].reckoned, ["16 links in 30 seconds"]);
        assert_eq!(
            found[0].evidence,
            ["16 of them with numbers, from 1000 to 1015"],
            "perhaps of orders: scrubbed before anybody sees them"
        );
        let scattered = |n: u32| Link { number: Some(n * 97 % 10_007), ..there(n) };
        assert!(open(60, 2, 1, scattered).is_empty());
    }

    #[test]
    fn a_network_that_shares_the_work_is_found() {
        let found = open(80, 40, 20, missing);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].about, About::Network(Network::V4(0x00CB_0071)));
        assert!(open(30, 40, 20, missing).is_empty());
        assert!(open(80, 40, 20, there).is_empty());
    }

    #[test]
    fn links_of_an_older_log_do_not_outlast_a_day() {
        let mut visitor = Visitor::default();
        for (secs, n) in [(200_000, 1), (100_000, 2)] {
            visitor.open(secs, missing(n));
        }
        assert_eq!(visitor.open(190_000, missing(3)), 2, "the second one is older than a day, and came after the first");
        assert_eq!(visitor.open(190_000, missing(3)), 2, "the same again");
    }

    #[test]
    fn saved_is_loaded() {
        let mut first = detector();
        let at = |n: u32| Timestamp::from_secs(1_775_253_600 + i64::from(n));
        (0..12).for_each(|n| drop(first.open(at(n), Client::V4(7), missing(n))));
        let sections: Vec<Section> = first
            .save()
            .map(|write| match write {
                Write::Put { pieces, .. } | Write::Append { pieces, .. } => pieces,
                Write::Delete { .. } => Section::new(),
            })
            .collect();
        let mut again = Enumeration::new(first.config, ["c", "n"], [sections.first(), sections.get(1)]);
        let found = |detector: &mut Enumeration| (12..16).filter_map(|n| detector.open(at(n), Client::V4(7), missing(n))).count();
        assert_eq!((found(&mut first), found(&mut again)), (1, 1));
    }
}

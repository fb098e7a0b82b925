//! Floods of UDP services: too many packets, bytes or senders. Anybody can write any sender into a UDP packet, so that a flood is told of
//! the service that suffers it, and its sources are named as claims. Nothing is ever held against them.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;
use crate::finding::{About, Found, Port, Severity};
use crate::sample::udp_ports::UdpSources;
use crate::subject::Client;

/// Its name in `findings_total`.
pub const NAME: &str = "udp_flood";

/// What a flood can be of, as people read it; packets, bytes, sources.
const UNITS: [&str; 3] = ["packets per second", "bytes per second", "distinct sources"];
const SOURCES: usize = 2;
/// Looks that are remembered of a window: one a second for the longest one.
const MAX_LOOKS: usize = 610;
/// From so many senders on it can be said how they look.
const SPOOFED_FROM: u64 = 256;

/// Settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether floods are found.
    pub enabled: bool,
    /// What makes a flood last: packets, bytes, sources.
    pub kinds: [Lasting; 3],
}

/// How long a threshold must be reached, and how long not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// It is a flood once the mean over the window has been at the threshold for so long, in seconds.
    pub for_secs: u64,
    /// It has ended once the mean has been below it for so long, in seconds: what comes in between is the same flood.
    pub cooldown_secs: u64,
}

/// One port that is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its UDP port.
    pub port: u16,
    /// Packets per second, bytes per second and distinct sources in a window that make a flood; 0: none do.
    pub thresholds: [u64; 3],
}

/// What is known of all ports.
pub struct UdpFlood {
    kinds: [Lasting; 3],
    window_secs: u64,
    ports: Vec<Watched>,
}

#[derive(Default)]
struct Watched {
    service: Service,
    /// The looks of the last window and the one before it: when, packets, bytes; the newest last.
    looks: VecDeque<(Timestamp, [u64; 2])>,
    floods: [Flood; 3],
}

/// Where a threshold is reached, or was a moment ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Flood {
    /// When it was first reached; `None`: it is not.
    since: Option<Timestamp>,
    /// Whether people know.
    told: bool,
    /// When it was last reached.
    last: Timestamp,
    /// The highest mean over a window.
    peak: u64,
    /// Packets and bytes of the service before it began.
    before: [u64; 2],
}

impl UdpFlood {
    /// Watches these services.
    pub fn new(config: &Config, window_secs: u64, services: Vec<Service>) -> Self {
        let ports = services.into_iter().map(|service| Watched { service, ..Watched::default() }).collect();
        Self { kinds: config.kinds, window_secs, ports }
    }

    /// Takes the totals of the port at a place, packets and bytes since the very beginning, and its senders. Gives what began a flood:
    /// packets, bytes, sources.
    pub fn observe(&mut self, at: Timestamp, place: usize, totals: [u64; 2], sources: &UdpSources, out: &mut Vec<Found>) -> [bool; 3] {
        let Some(watched) = self.ports.get_mut(place) else { return [false; 3] };
        let Some((means, before)) = watched.means(at, self.window_secs, totals) else { return [false; 3] };
        let mut begun = [false; 3];
        for (kind, begins) in begun.iter_mut().enumerate() {
            let mean = if kind == SOURCES { sources.count } else { means[kind.min(1)] };
            let Watched { service, floods, .. } = watched;
            let threshold = service.thresholds[kind];
            if threshold == 0 {
                continue;
            }
            match floods[kind].step(at, mean, mean >= threshold, before, self.kinds[kind]) {
                Step::Begins => {
                    *begins = true;
                    out.push(service.begins(at, kind, mean, self.window_secs, sources));
                }
                Step::Ends(flood) => out.push(service.ends(at, kind, self.window_secs, &flood, totals)),
                Step::Goes => {}
            }
        }
        begun
    }

    /// Floods that are under way, by port: for [`UdpFlood::load`].
    pub fn save(&self) -> serde_json::Value {
        let under_way = self.ports.iter().filter(|watched| watched.floods.iter().any(|flood| flood.since.is_some()));
        serde_json::json!(under_way.map(|watched| (watched.service.port, watched.floods)).collect::<BTreeMap<_, _>>())
    }

    /// Takes up what [`UdpFlood::save`] gave.
    pub fn load(&mut self, saved: &serde_json::Value) {
        let saved: BTreeMap<u16, [Flood; 3]> = serde::Deserialize::deserialize(saved).unwrap_or_default();
        for watched in &mut self.ports {
            watched.floods = saved.get(&watched.service.port).copied().unwrap_or_default();
        }
    }
}

impl Watched {
    /// Packets and bytes per second since the newest look that is a whole window old, and the totals then.
    fn means(&mut self, at: Timestamp, window_secs: u64, totals: [u64; 2]) -> Option<([u64; 2], [u64; 2])> {
        // Timers are not exact: what is due once a window may come a little early.
        let is_past = |look: &(Timestamp, [u64; 2])| at.since(look.0).as_secs_f64() >= window_secs as f64 * 0.95;
        if self.looks.back().is_some_and(|(last, _)| *last > at) {
            // The machine's clock was set back.
            self.looks.clear();
        }
        while self.looks.get(1).is_some_and(is_past) || self.looks.len() >= MAX_LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((at, totals));
        let (then, before) = *self.looks.front().filter(|look| is_past(look))?;
        let secs = at.since(then).as_secs_f64();
        let mean = |kind: usize| (totals[kind].saturating_sub(before[kind]) as f64 / secs) as u64;
        Some(([mean(0), mean(1)], before))
    }
}

enum Step {
    Begins,
    Goes,
    Ends(Flood),
}

impl Flood {
    fn step(&mut self, at: Timestamp, mean: u64, is_reached: bool, before: [u64; 2], lasting: Lasting) -> Step {
        if is_reached {
            if self.since.is_none() {
                *self = Self { since: Some(at), before, ..Self::default() };
            }
            (self.last, self.peak) = (at, self.peak.max(mean));
            let lasts = self.since.is_some_and(|since| at.since(since).as_secs() >= lasting.for_secs);
            if lasts && !self.told {
                self.told = true;
                return Step::Begins;
            }
        } else if self.since.is_some() && (!self.told || at.since(self.last).as_secs() >= lasting.cooldown_secs) {
            let ended = std::mem::take(self);
            if ended.told {
                return Step::Ends(ended);
            }
        }
        Step::Goes
    }
}

impl Service {
    fn begins(&self, at: Timestamp, kind: usize, mean: u64, window_secs: u64, sources: &UdpSources) -> Found {
        let (unit, threshold) = (UNITS[kind], self.thresholds[kind]);
        let least = if kind == SOURCES && sources.is_full { "at least " } else { "" };
        let spoofed = if let Some(why) = spoofed(sources) { format!("; it looks spoofed: {why}") } else { String::new() };
        let summary = format!("is flooded: {least}{mean} {unit} within {window_secs} seconds (threshold {threshold}){spoofed}");
        let least = if sources.is_full { "at least " } else { "" };
        let evidence = vec![format!("sources: {least}{}, of them with one or two packets {}", sources.count, sources.brief)];
        self.found(at, Severity::Warning, summary, evidence, clients(sources))
    }

    fn ends(&self, at: Timestamp, kind: usize, window_secs: u64, flood: &Flood, totals: [u64; 2]) -> Found {
        let lasted = window_secs + flood.since.map_or(0, |since| flood.last.since(since).as_secs());
        let [packets, bytes] = [0, 1].map(|kind: usize| totals[kind].saturating_sub(flood.before[kind]));
        let (peak, unit) = (flood.peak, UNITS[kind]);
        let summary =
            format!("is flooded no more: it lasted {lasted} seconds, with {peak} {unit} at most; {packets} packets, {bytes} bytes in all");
        self.found(at, Severity::Info, summary, Vec::new(), Vec::new())
    }

    fn found(&self, at: Timestamp, severity: Severity, summary: String, evidence: Vec<String>, sources: Vec<(Client, u64)>) -> Found {
        let about = About::Port(Port { service: self.name.clone(), port: self.port, sources });
        Found { at, detector: NAME, severity, about, summary, reckoned: Vec::new(), evidence }
    }
}

/// Why the senders look forged, if they do: who answers for an address sends more than a packet or two, and has an address that exists.
fn spoofed(sources: &UdpSources) -> Option<&'static str> {
    if sources.count < SPOOFED_FROM {
        return None;
    }
    if sources.brief.saturating_mul(10) >= sources.count.saturating_mul(9) {
        return Some("nearly all sources sent one packet or two");
    }
    (sources.unroutable.saturating_mul(10) >= sources.count).then_some("many sources are addresses that nobody has")
}

/// The busiest senders, each /64 once.
fn clients(sources: &UdpSources) -> Vec<(Client, u64)> {
    let mut packets: BTreeMap<Client, u64> = BTreeMap::new();
    for (address, count) in &sources.busiest {
        *packets.entry(Client::of(*address)).or_default() += count;
    }
    let mut clients: Vec<(Client, u64)> = packets.into_iter().collect();
    clients.sort_by_key(|(client, packets)| (std::cmp::Reverse(*packets), *client));
    clients
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_255_200;

    fn detector(thresholds: [u64; 3], for_secs: u64, cooldown_secs: u64) -> UdpFlood {
        let config = Config { enabled: true, kinds: [Lasting { for_secs, cooldown_secs }; 3] };
        UdpFlood::new(&config, 10, vec![Service { name: "game".to_owned(), port: 27_015, thresholds }])
    }

    /// Looks every five seconds, each with packets of 100 bytes since the last one, and senders.
    fn play(detector: &mut UdpFlood, looks: impl IntoIterator<Item = (u64, UdpSources)>) -> (Vec<Found>, [usize; 3]) {
        let (mut out, mut total, mut begun) = (Vec::new(), 0, [0; 3]);
        for (place, (packets, sources)) in looks.into_iter().enumerate() {
            total += packets;
            let at = Timestamp::from_secs(START + 5 * place as i64);
            let began = detector.observe(at, 0, [total, total * 100], &sources, &mut out);
            began.iter().enumerate().for_each(|(kind, began)| begun[kind] += usize::from(*began));
        }
        (out, begun)
    }

    fn few() -> UdpSources {
        UdpSources { count: 3, busiest: vec![("10.0.0.1".parse().unwrap(), 70)], ..UdpSources::default() }
    }

    fn packets(counts: &[u64]) -> Vec<(u64, UdpSources)> {
        counts.iter().map(|count| (*count, few())).collect()
    }

    #[test]
    fn a_flood_is_told_once_and_when_it_ends() {
        let mut looks = vec![0, 50, 50];
        looks.extend([10_000; 20]);
        looks.extend([50; 10]);
        let (found, begun) = play(&mut detector([1_000, 0, 0], 0, 20), packets(&looks));
        let [begins, ends] = &found[..] else { panic!("{found:#?}") };
        assert_eq!(begun, [1, 0, 0]);
        // The first look after which the mean of ten seconds is at the threshold.
        assert_eq!((begins.at.secs() - START, begins.severity), (15, Severity::Warning));
        assert_eq!(begins.summary, "is flooded: 1005 packets per second within 10 seconds (threshold 1000)");
        let About::Port(port) = &begins.about else { panic!("{begins:?}") };
        assert_eq!((port.service.as_str(), port.sources.len()), ("game", 1));
        assert_eq!(ends.severity, Severity::Info);
        assert_eq!(
            ends.summary,
            "is flooded no more: it lasted 110 seconds, with 2000 packets per second at most; 200300 packets, 20030000 bytes in all"
        );
    }

    #[test]
    fn a_flood_with_pauses_is_one_and_a_later_one_another() {
        let pulses = |pause: usize| [vec![0], vec![10_000; 4], vec![0; pause], vec![10_000; 4], vec![0; 20]].concat();
        let told = |pause| play(&mut detector([1_000, 0, 0], 0, 30), packets(&pulses(pause))).1[0];
        assert_eq!((told(4), told(20)), (1, 2));
    }

    #[test]
    fn what_does_not_last_is_no_flood() {
        let short = [vec![0], vec![10_000; 3], vec![0; 10]].concat();
        assert_eq!(play(&mut detector([1_000, 0, 0], 60, 30), packets(&short)), (Vec::new(), [0; 3]));
        assert_eq!(play(&mut detector([1_000, 0, 0], 60, 30), packets(&[10_000; 20])).1, [1, 0, 0]);
        // What had come before the first look did not come within a window.
        assert_eq!(play(&mut detector([1_000, 0, 0], 0, 30), packets(&[1_000_000, 0, 0, 0])).1, [0, 0, 0]);
    }

    #[test]
    fn bytes_and_sources_have_thresholds_of_their_own() {
        assert_eq!(play(&mut detector([0, 100_000, 0], 0, 30), packets(&[0, 5_000, 5_000])).1, [0, 1, 0]);
        let many = |brief| UdpSources { count: 8_192, is_full: true, brief, ..UdpSources::default() };
        let (found, begun) = play(&mut detector([0, 0, 500], 0, 30), (0..4).map(|_| (8_192, many(8_000))));
        assert_eq!(begun, [0, 0, 1]);
        let expected = "is flooded: at least 8192 distinct sources within 10 seconds (threshold 500); it looks spoofed: \
                        nearly all sources sent one packet or two";
        assert_eq!(found[0].summary, expected);
        let (found, _) = play(&mut detector([0, 0, 500], 0, 30), (0..4).map(|_| (8_192, many(100))));
        assert!(!found[0].summary.contains("spoofed"), "{}", found[0].summary);
    }

    #[test]
    fn a_restart_tells_nothing_twice() {
        let mut before = detector([1_000, 0, 0], 0, 30);
        assert_eq!(play(&mut before, packets(&[0, 10_000, 10_000])).1, [1, 0, 0]);
        let mut after = detector([1_000, 0, 0], 0, 30);
        after.load(&before.save());
        assert_eq!(play(&mut after, packets(&[10_000; 10])).1, [0; 3]);
        after.load(&serde_json::json!({ "27015": "nonsense" }));
        assert_eq!(after.ports[0].floods, [Flood::default(); 3]);
    }

    #[test]
    fn a_clock_that_is_set_back_hurts_nobody() {
        let mut detector = detector([1, 1, 1], 0, 30);
        for secs in [0, 100, -50_000, -49_999, i64::MIN / 2_000_000, 5] {
            detector.observe(Timestamp::from_secs(secs), 0, [u64::MAX, 0], &few(), &mut Vec::new());
        }
        assert!(detector.ports[0].looks.len() <= MAX_LOOKS);
    }
}

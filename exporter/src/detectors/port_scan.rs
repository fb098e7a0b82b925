//! Who tries many ports, and who floods: from the firewall's log. The log is written at a limited rate, so what is found is a lower bound;
//! the sender of a UDP packet or a lone SYN can be forged, and findings say so.

use serde::{Deserialize, Serialize};

use super::window::{Incident, QUIET_SECS, Table, Weigh, rank, seconds};
use crate::event::{FirewallAction, FirewallEvent, Protocol, Timestamp};
use crate::finding::{About, Found, Severity};
use crate::snapshot::{Section, Write};
use crate::subject::Client;

/// Its name in `findings_total`.
pub const NAME: &str = "port_scan";

/// The least time between two sweeps, in seconds.
const SWEEP_SECS: i64 = 60;

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// More distinct ports than this in a window make a scan.
    pub ports: usize,
    /// The window, in seconds.
    pub window_secs: u64,
    /// Blocked packets of one client in a window that make a flood.
    pub flood_packets: u64,
    /// The most clients remembered.
    pub max_clients: usize,
}

/// Who knocked where.
pub struct PortScan {
    config: Config,
    clients: Table<Client, Knocks>,
    swept: Timestamp,
}

#[derive(Default, Serialize, Deserialize)]
struct Knocks {
    /// Distinct ports and when each was tried last, in seconds; no more than make a scan.
    ports: Vec<(u16, i64)>,
    scan: Incident,
    /// When the running window of blocked packets began, and how many there were.
    window: (Timestamp, u64),
    flood: Incident,
}

impl Weigh for Knocks {
    fn weight(&self, _now: u32) -> u64 {
        rank(self.flood.total.saturating_add(self.ports.len() as u64), seconds(self.last()))
    }
}

impl PortScan {
    /// Takes up what was saved in `section`.
    pub fn new(config: Config, section: String, saved: Option<&Section>) -> Self {
        Self { clients: Table::new(config.max_clients, section, saved), swept: Timestamp::default(), config }
    }

    /// Takes a packet that came in from outside; gives whether a scan was found.
    pub fn observe(&mut self, at: Timestamp, packet: &FirewallEvent<'_>, out: &mut Vec<Found>) -> bool {
        let Some(client) = Client::parse(packet.client).filter(|_| packet.inbound) else { return false };
        let opens = packet.opens && packet.protocol == Protocol::Tcp;
        if !opens && packet.action != FirewallAction::Block {
            return false;
        }
        let window = i64::try_from(self.config.window_secs).unwrap_or(i64::MAX);
        let knocks = self.clients.entry(client, seconds(at), Knocks::default);
        if packet.action == FirewallAction::Block && knocks.is_flood(at, window, self.config.flood_packets) {
            let summary = format!("had {} packets blocked within {window} seconds; its source can be forged", knocks.window.1);
            out.push(Found {
                at,
                detector: NAME,
                severity: Severity::Info,
                about: About::Client(client),
                summary,
                reckoned: Vec::new(),
                evidence: Vec::new(),
            });
        }
        let Some(port) = packet.port.filter(|_| opens) else { return false };
        let ports = knocks.is_scan(at, port, window, self.config.ports);
        if let Some(ports) = ports {
            let summary = format!("tried more than {} TCP ports within {window} seconds; its source can be forged", self.config.ports);
            let reckoned = vec![format!("ports {}", ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", "))];
            out.push(Found {
                at,
                detector: NAME,
                severity: Severity::Warning,
                about: About::Client(client),
                summary,
                reckoned,
                evidence: Vec::new(),
            });
            return true;
        }
        false
    }

    /// Forgets who has been quiet.
    pub fn on_tick(&mut self, now: Timestamp) {
        if now.secs() - self.swept.secs() < SWEEP_SECS {
            return;
        }
        self.swept = now;
        self.clients.retain(|knocks| now.secs() - knocks.last().secs() <= QUIET_SECS);
    }

    /// Clients remembered, and how many were dropped for others.
    pub fn fill(&self) -> (usize, u64) {
        (self.clients.len(), self.clients.evicted())
    }

    /// What changed since the last call.
    pub fn save(&mut self) -> Option<Write> {
        self.clients.save()
    }

    /// After a commit that failed.
    pub fn save_all_again(&mut self) {
        self.clients.save_all_again();
    }
}

impl Knocks {
    fn last(&self) -> Timestamp {
        self.flood.last.max(self.scan.last)
    }

    /// The ports of a scan that is to be told with this one.
    fn is_scan(&mut self, at: Timestamp, port: u16, window: i64, most: usize) -> Option<Vec<u16>> {
        self.ports.retain(|(known, last)| *known != port && at.secs() - last <= window);
        self.ports.truncate(most);
        self.ports.insert(0, (port, at.secs()));
        self.scan.add(at, 1);
        let is_scan = self.ports.len() > most && self.scan.tell();
        is_scan.then(|| self.ports.iter().map(|(port, _)| *port).collect())
    }

    fn is_flood(&mut self, at: Timestamp, window: i64, least: u64) -> bool {
        if at.secs() - self.window.0.secs() >= window {
            self.window = (at, 0);
        }
        self.window.1 += 1;
        self.flood.add(at, 1);
        self.window.1 >= least && self.flood.tell()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_255_200;

    fn detector() -> PortScan {
        PortScan::new(Config { ports: 15, window_secs: 60, flood_packets: 1_000, max_clients: 100 }, "t".into(), None)
    }

    fn packet(port: u16) -> FirewallEvent<'static> {
        FirewallEvent {
            action: FirewallAction::Block,
            protocol: Protocol::Tcp,
            client: b"203.0.113.7",
            port: Some(port),
            inbound: true,
            opens: true,
            ..FirewallEvent::default()
        }
    }

    fn play(detector: &mut PortScan, packets: impl IntoIterator<Item = (i64, FirewallEvent<'static>)>) -> Vec<Found> {
        let mut out = Vec::new();
        let mut scans = 0;
        for (secs, packet) in packets {
            scans += usize::from(detector.observe(Timestamp::from_secs(START + secs), &packet, &mut out));
        }
        assert_eq!(scans, out.iter().filter(|found| found.summary.starts_with("tried")).count());
        out
    }

    #[test]
    fn many_ports_are_a_scan_and_few_are_not() {
        let found = play(&mut detector(), (0..30).map(|n| (i64::from(n), packet(n))));
        let [found] = &found[..] else { panic!("{found:?}") };
        assert_eq!((found.at.secs() - START, found.severity), (15, Severity::Warning));
        assert!(found.summary.contains("can be forged") && found.reckoned[0].contains("ports 15, 14"));
        assert!(play(&mut detector(), (0..300).map(|n| (n, packet((n % 15) as u16)))).is_empty(), "the same few ports again and again");
        assert!(play(&mut detector(), (0..100).map(|n| (n * 5, packet(n as u16)))).is_empty(), "one port in five seconds");
    }

    #[test]
    fn replies_and_what_goes_out_are_no_scan() {
        for changed in [
            FirewallEvent { opens: false, source_port: Some(443), ..packet(0) },
            FirewallEvent { inbound: false, ..packet(0) },
            FirewallEvent { protocol: Protocol::Udp, opens: false, ..packet(0) },
        ] {
            assert!(play(&mut detector(), (0..100).map(|n| (0, FirewallEvent { port: Some(n), ..changed }))).is_empty(), "{changed:?}");
        }
    }

    #[test]
    fn floods_are_told_as_what_they_may_be() {
        let udp = FirewallEvent { protocol: Protocol::Udp, opens: false, ..packet(27015) };
        let found = play(&mut detector(), (0..5_000).map(|n| (n / 100, udp)));
        let [found] = &found[..] else { panic!("{found:?}") };
        assert_eq!(found.severity, Severity::Info);
        assert_eq!(found.summary, "had 1000 packets blocked within 60 seconds; its source can be forged");
    }

    #[test]
    fn forged_senders_are_bounded() {
        let mut detector = detector();
        let mut out = Vec::new();
        for n in 0..10_000_u32 {
            let client = std::net::Ipv4Addr::from_bits(n).to_string();
            detector.observe(Timestamp::from_secs(START), &FirewallEvent { client: client.as_bytes(), ..packet(1) }, &mut out);
        }
        assert!(out.is_empty() && detector.fill().0 <= 100);
        detector.on_tick(Timestamp::from_secs(START + 2 * QUIET_SECS));
        assert_eq!(detector.fill().0, 0);
    }
}

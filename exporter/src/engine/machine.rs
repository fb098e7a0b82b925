//! What the engine keeps of the logs of one machine besides web and bot: logins, packets, players. Each holds its counters and, if wanted,
//! its detector.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::detection::SEALED;
use super::feeds::entries;

use crate::detectors::players::{self, Players};
use crate::detectors::port_scan::{self, PortScan};
use crate::detectors::ssh_brute_force::{self, SshBruteForce};
use crate::event::{FirewallEvent, PlayerChange, PlayerEvent, SshAuth, Timestamp};
use crate::finding::Found;
use crate::incident::Player;
use crate::metrics::own::Table;
use crate::metrics::{Page, firewall, names, players as player_counts, ssh};
use crate::privacy::Privacy;
use crate::snapshot::{Section, Write};
use crate::subject::{Client, Location};

/// What was learned of an sshd.
pub struct SshSubject {
    /// Its counters.
    pub metrics: ssh::Ssh,
    pub(super) brute_force: Option<SshBruteForce>,
    max_clients: usize,
}

/// What was learned of a firewall.
pub struct FirewallSubject {
    /// Its counters.
    pub metrics: firewall::Firewall,
    pub(super) scans: Option<PortScan>,
    found_scans: u64,
    max_clients: usize,
}

/// What was learned of players.
pub struct PlayersSubject {
    /// Their counters.
    pub metrics: player_counts::Players,
    pub(super) players: Option<Players>,
    max_players: usize,
}

impl SshSubject {
    pub(super) fn new(source: &str, config: Option<ssh_brute_force::Config>, counters: &Value, saved: &BTreeMap<String, Section>) -> Self {
        let mut metrics = ssh::Ssh::default();
        metrics.load(counters);
        let max_clients = config.as_ref().map_or(0, |config| config.max_clients);
        let section = |table: &str| {
            let section = format!("{SEALED}{}/{source}/{table}", ssh_brute_force::NAME);
            let saved = saved.get(&section);
            (section, saved)
        };
        Self { metrics, brute_force: config.map(|config| SshBruteForce::new(config, section)), max_clients }
    }

    pub(super) fn observe(&mut self, at: Timestamp, auth: &SshAuth<'_>, location: Location, privacy: &Privacy, out: &mut Vec<Found>) {
        self.metrics.observe(auth);
        if let Some(brute_force) = &mut self.brute_force {
            brute_force.observe(at, auth, location, &|user| entries::may_tell_user(privacy, user), out);
        }
    }

    pub(super) fn tables(&self) -> Vec<Table> {
        let fill = self.brute_force.as_ref().map(SshBruteForce::fill);
        table("ssh_clients", self.max_clients, fill)
    }

    pub(super) fn save(&mut self) -> Vec<Write> {
        self.brute_force.as_mut().map(SshBruteForce::save).unwrap_or_default()
    }
}

impl SshSubject {
    /// Who logged in, and when last.
    pub(super) fn logins(&self) -> impl Iterator<Item = (Client, Timestamp)> {
        self.brute_force.iter().flat_map(SshBruteForce::recent_logins)
    }
}

impl PlayersSubject {
    /// Who played, and when last.
    pub(super) fn recent(&self) -> impl Iterator<Item = (Client, Timestamp)> {
        self.players.iter().flat_map(Players::recent_players)
    }
}

impl FirewallSubject {
    pub(super) fn new(source: &str, config: Option<port_scan::Config>, counters: &Value, saved: &BTreeMap<String, Section>) -> Self {
        let mut metrics = firewall::Firewall::default();
        metrics.load(&counters["packets"]);
        let max_clients = config.as_ref().map_or(0, |config| config.max_clients);
        let section = format!("{SEALED}{}/{source}", port_scan::NAME);
        let before = saved.get(&section);
        let scans = config.map(|config| PortScan::new(config, section, before));
        Self { metrics, scans, found_scans: counters["scans"].as_u64().unwrap_or(0), max_clients }
    }

    /// Whether a scan was found.
    pub(super) fn observe(&mut self, at: Timestamp, packet: &FirewallEvent<'_>, out: &mut Vec<Found>) -> bool {
        self.metrics.observe(packet);
        let is_scan = self.scans.as_mut().is_some_and(|scans| scans.observe(at, packet, out));
        self.found_scans += u64::from(is_scan);
        is_scan
    }

    pub(super) fn show(&self, source: &str, page: &mut Page) {
        self.metrics.show(source, page);
        page.add_counter(&names::PORT_SCANS, &[], self.found_scans);
    }

    pub(super) fn tables(&self) -> Vec<Table> {
        table("firewall_clients", self.max_clients, self.scans.as_ref().map(PortScan::fill))
    }

    pub(super) fn counters(&self) -> Value {
        json!({ "packets": self.metrics.save(), "scans": self.found_scans })
    }
}

impl PlayersSubject {
    pub(super) fn new(source: &str, config: Option<players::Config>, counters: &Value, saved: &BTreeMap<String, Section>) -> Self {
        let mut metrics = player_counts::Players::default();
        metrics.load(counters);
        let max_players = config.as_ref().map_or(0, |config| config.max_players);
        let section = format!("{SEALED}players/{source}");
        let before = saved.get(&section);
        Self { metrics, players: config.map(|config| Players::new(config, section, before)), max_players }
    }

    /// Takes what a log says of a player; gives the news of who came or left, if it is about somebody.
    pub(super) fn observe(&mut self, at: Timestamp, event: &PlayerEvent<'_>) -> Option<Player> {
        let server = self.metrics.server(event.server);
        let returned = self.players.as_mut().is_some_and(|players| players.observe(at, event, server));
        match event.change {
            PlayerChange::Join => self.metrics.join(server, returned),
            PlayerChange::Leave => self.metrics.leave(server),
            PlayerChange::Restart => return None,
        }
        let online = self.players.as_ref()?.online(server) as u64;
        Some(Player { server: self.metrics.name(server).to_owned(), returning: returned, vpn: None, online })
    }

    pub(super) fn show(&self, page: &mut Page) {
        self.metrics.show(|server| self.players.as_ref().map_or(0, |players| players.online(server)), page);
    }

    pub(super) fn tables(&self) -> Vec<Table> {
        table("players", self.max_players, self.players.as_ref().map(Players::fill))
    }
}

/// A detector's table; none if the detector is off.
fn table(name: &'static str, limit: usize, fill: Option<(usize, u64)>) -> Vec<Table> {
    fill.map(|(tracked, evicted)| Table { name, tracked, limit, evicted }).into_iter().collect()
}

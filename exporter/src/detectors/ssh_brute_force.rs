//! Who guesses passwords over SSH: fast, slowly, or spread over a network; who gets in after guessing; and who logs in from a country that
//! is new for them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod names;

use names::Names;

use super::window::{Counts, Incident, QUIET_SECS, Table, Weigh, rank, seconds};
use crate::event::{SshAuth, SshOutcome, Timestamp};
use crate::finding::{About, Found, Severity};
use crate::snapshot::{Section, Write};
use crate::subject::{Client, Location, Network};

/// Its name in `findings_total`.
pub const NAME: &str = "ssh_brute_force";

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// Clients of one network that are told apart; more are as good as this many.
const MAX_CLIENTS_OF_NETWORK: usize = 16;
/// Countries remembered of one user.
const MAX_COUNTRIES: usize = 16;
/// Networks and users take this share of the clients' number.
const SHARE: usize = 4;
/// A login this long ago still says whose address it is, in seconds.
const RECENT_LOGIN: i64 = 30 * DAY;

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Failed attempts of one client in a window that make an attack.
    pub attempts: u64,
    /// The window, in seconds.
    pub window_secs: u64,
    /// Failed attempts of one client in a day that make a slow attack.
    pub slow_attempts: u64,
    /// In how many different hours they must lie.
    pub slow_hours: usize,
    /// Failed attempts of one network (/24, /48) in an hour that make an attack.
    pub network_attempts: u64,
    /// How many of its clients must have taken part.
    pub network_clients: usize,
    /// Failed attempts in the hour before a login that make it suspicious.
    pub suspicious_failures: u64,
    /// The most clients remembered.
    pub max_clients: usize,
}

/// Tells whether a name that somebody tried may be told, and so be kept.
pub type MayBeTold<'a> = &'a dyn Fn(&[u8]) -> bool;

/// Who failed and who got in.
pub struct SshBruteForce {
    config: Config,
    clients: Table<Client, Attempts>,
    networks: Table<Network, Spread>,
    logins: Table<Client, Login>,
    users: Table<u64, Countries>,
    swept: Timestamp,
}

/// What one client failed.
#[derive(Default, Serialize, Deserialize)]
struct Attempts {
    /// By minute, for an hour.
    minutes: Counts,
    /// By hour, for a day.
    hours: Counts,
    incident: Incident,
    /// When a login after failures was told.
    success_told: Option<Timestamp>,
    /// Under which names.
    #[serde(default)]
    names: Names,
}

/// What a network failed.
#[derive(Default, Serialize, Deserialize)]
struct Spread {
    minutes: Counts,
    clients: Vec<(Client, Timestamp)>,
    incident: Incident,
    #[serde(default)]
    names: Names,
}

/// The last time that a client got in.
#[derive(Default, Serialize, Deserialize)]
struct Login(Timestamp);

/// From where a user has logged in.
#[derive(Default, Serialize, Deserialize)]
struct Countries {
    known: Vec<[u8; 2]>,
    last: Timestamp,
}

impl Weigh for Attempts {
    fn weight(&self, _now: u32) -> u64 {
        rank(self.incident.total, seconds(self.incident.last))
    }
}

impl Weigh for Spread {
    fn weight(&self, _now: u32) -> u64 {
        rank(self.incident.total, seconds(self.incident.last))
    }
}

impl Weigh for Login {
    fn weight(&self, _now: u32) -> u64 {
        rank(0, seconds(self.0))
    }
}

impl Weigh for Countries {
    fn weight(&self, _now: u32) -> u64 {
        rank(0, seconds(self.last))
    }
}

impl SshBruteForce {
    /// Takes up what was saved; `section` gives the name of each of its tables, and what was saved there.
    pub fn new<'s>(config: Config, section: impl Fn(&str) -> (String, Option<&'s Section>)) -> Self {
        let few = (config.max_clients / SHARE).max(1);
        let (clients, networks, logins, users) = (section("clients"), section("networks"), section("logins"), section("users"));
        Self {
            clients: Table::new(config.max_clients, clients.0, clients.1),
            networks: Table::new(few, networks.0, networks.1),
            logins: Table::new(few, logins.0, logins.1),
            users: Table::new(few, users.0, users.1),
            swept: Timestamp::default(),
            config,
        }
    }

    /// Takes a record; who is no address cannot be held to account. `location` is where the client is. Names that were tried are told, and
    /// kept, only if they may be; who has logged in is told of anyway.
    pub fn observe(&mut self, at: Timestamp, auth: &SshAuth<'_>, location: Location, may_be_told: MayBeTold<'_>, out: &mut Vec<Found>) {
        let Some(client) = Client::parse(auth.client).filter(|_| auth.attempts > 0) else { return };
        match auth.outcome {
            SshOutcome::Failed | SshOutcome::InvalidUser => {
                let users = &self.users;
                let is_told = |name: &[u8]| may_be_told(name) || users.get(&hash(name)).is_some();
                // Who has no account has never logged in: nothing to look up.
                let tried = if auth.outcome == SshOutcome::Failed { is_told(auth.user) } else { may_be_told(auth.user) };
                let tried = Tried { user: auth.user, count: u64::from(auth.attempts), is_told: tried };
                failed(&mut self.clients, &self.config, at, client, tried, &is_told, out);
                failed_in_network(&mut self.networks, &self.config, at, client, tried, &is_told, out);
            }
            SshOutcome::Accepted => self.accepted(at, client, auth, location, may_be_told, out),
            SshOutcome::Disconnected | SshOutcome::Other => {}
        }
    }

    fn accepted(
        &mut self,
        at: Timestamp,
        client: Client,
        auth: &SshAuth<'_>,
        location: Location,
        may_be_told: MayBeTold<'_>,
        out: &mut Vec<Found>,
    ) {
        let failures = self.clients.get(&client).map_or(0, |entry| entry.minutes.sum(at, HOUR, MINUTE));
        // Who has been in before forgot a password; who has not may have guessed it, and is nobody's own.
        if failures >= self.config.suspicious_failures && self.logins.get(&client).is_none() {
            let entry = self.clients.entry(client, seconds(at), Attempts::default);
            if entry.success_told.is_none_or(|told| at.secs() - told.secs() > DAY) {
                entry.success_told = Some(at);
                let summary = format!("logged in over SSH after {failures} failed attempts within an hour");
                let users = &self.users;
                let tried = entry.names.told(|name| may_be_told(name) || users.get(&hash(name)).is_some());
                let evidence = evidence(auth).into_iter().chain(tried).collect();
                out.push(found(at, Severity::Critical, About::Client(client), summary, evidence));
            }
        } else {
            let login = self.logins.entry(client, seconds(at), Login::default);
            login.0 = login.0.max(at);
        }
        self.country_of_user(at, client, auth, location, out);
    }

    fn country_of_user(&mut self, at: Timestamp, client: Client, auth: &SshAuth<'_>, location: Location, out: &mut Vec<Found>) {
        let user = self.users.entry(hash(auth.user), seconds(at), Countries::default);
        user.last = user.last.max(at);
        let Some(country) = location.country else { return };
        if user.known.contains(&country) {
            return;
        }
        let is_first = user.known.is_empty();
        user.known.truncate(MAX_COUNTRIES - 1);
        user.known.insert(0, country);
        if !is_first {
            let summary = format!("logged in over SSH from {}, where this user never was before", String::from_utf8_lossy(&country));
            out.push(found(at, Severity::Warning, About::Client(client), summary, evidence(auth)));
        }
    }

    /// Clients that got in within the last thirty days, and when last: they are somebody's own.
    pub fn recent_logins(&self) -> impl Iterator<Item = (Client, Timestamp)> {
        self.logins.iter().map(|(client, login)| (*client, login.0))
    }

    /// Forgets who has been quiet.
    pub fn on_tick(&mut self, now: Timestamp) {
        if now.secs() - self.swept.secs() < MINUTE {
            return;
        }
        self.swept = now;
        let is_recent = |last: Timestamp, secs: i64| now.secs() - last.secs() <= secs;
        self.clients.retain(|entry| is_recent(entry.incident.last, QUIET_SECS));
        self.networks.retain(|entry| is_recent(entry.incident.last, QUIET_SECS));
        self.logins.retain(|login| is_recent(login.0, RECENT_LOGIN));
    }

    /// Clients remembered, and how many were dropped for others.
    pub fn fill(&self) -> (usize, u64) {
        (self.clients.len(), self.clients.evicted())
    }

    /// What changed since the last call.
    pub fn save(&mut self) -> Vec<Write> {
        [self.clients.save(), self.networks.save(), self.logins.save(), self.users.save()].into_iter().flatten().collect()
    }

    /// After a commit that failed.
    pub fn save_all_again(&mut self) {
        self.clients.save_all_again();
        self.networks.save_all_again();
        self.logins.save_all_again();
        self.users.save_all_again();
    }
}

/// Attempts under one name.
#[derive(Clone, Copy)]
struct Tried<'a> {
    user: &'a [u8],
    count: u64,
    is_told: bool,
}

impl Tried<'_> {
    /// Adds them to an incident and its names, which begin anew with it.
    fn add_to(self, at: Timestamp, incident: &mut Incident, names: &mut Names) {
        incident.add(at, self.count);
        if incident.total == self.count {
            *names = Names::default();
        }
        names.add(self.user, self.count, self.is_told);
    }
}

fn failed(
    clients: &mut Table<Client, Attempts>,
    config: &Config,
    at: Timestamp,
    client: Client,
    tried: Tried<'_>,
    may_be_told: MayBeTold<'_>,
    out: &mut Vec<Found>,
) {
    let entry = clients.entry(client, seconds(at), Attempts::default);
    tried.add_to(at, &mut entry.incident, &mut entry.names);
    entry.minutes.add(at, tried.count, MINUTE, HOUR / MINUTE);
    entry.hours.add(at, tried.count, HOUR, DAY / HOUR);
    let window = i64::try_from(config.window_secs).unwrap_or(HOUR).min(HOUR);
    let (fast, day, hours) = (entry.minutes.sum(at, window, MINUTE), entry.hours.sum(at, DAY, HOUR), entry.hours.steps(at, DAY, HOUR));
    let is_slow = day >= config.slow_attempts && hours >= config.slow_hours;
    if (fast >= config.attempts || is_slow) && entry.incident.tell() {
        let summary = match fast >= config.attempts {
            true => format!("failed to log in over SSH {fast} times within {}", minutes(window)),
            false => format!("failed to log in over SSH {day} times within a day, in {hours} different hours"),
        };
        let so_far = format!("{} failed attempts so far", entry.incident.total);
        let evidence = [so_far].into_iter().chain(entry.names.told(may_be_told)).collect();
        out.push(found(at, Severity::Warning, About::Client(client), summary, evidence));
    }
}

fn failed_in_network(
    networks: &mut Table<Network, Spread>,
    config: &Config,
    at: Timestamp,
    client: Client,
    tried: Tried<'_>,
    may_be_told: MayBeTold<'_>,
    out: &mut Vec<Found>,
) {
    let entry = networks.entry(client.network(), seconds(at), Spread::default);
    tried.add_to(at, &mut entry.incident, &mut entry.names);
    entry.minutes.add(at, tried.count, MINUTE, HOUR / MINUTE);
    entry.clients.retain(|(known, last)| *known != client && at.secs() - last.secs() < HOUR);
    entry.clients.truncate(MAX_CLIENTS_OF_NETWORK - 1);
    entry.clients.insert(0, (client, at));
    let (failed, clients) = (entry.minutes.sum(at, HOUR, MINUTE), entry.clients.len());
    if failed >= config.network_attempts && clients >= config.network_clients && entry.incident.tell() {
        let many = if clients == MAX_CLIENTS_OF_NETWORK { " or more" } else { "" };
        let summary = format!("failed to log in over SSH {failed} times within an hour, from {clients}{many} addresses");
        let evidence = entry.names.told(may_be_told).into_iter().collect();
        out.push(found(at, Severity::Warning, About::Network(client.network()), summary, evidence));
    }
}

fn found(at: Timestamp, severity: Severity, about: About, summary: String, evidence: Vec<String>) -> Found {
    Found { at, detector: NAME, severity, about, summary, reckoned: Vec::new(), evidence }
}

fn evidence(auth: &SshAuth<'_>) -> Vec<String> {
    let text = String::from_utf8_lossy;
    vec![format!("user {}", text(auth.user)), format!("method {}", text(auth.method))]
}

fn minutes(secs: i64) -> String {
    match secs.div_euclid(MINUTE) {
        0 | 1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

/// Names of users who logged in are not kept, only what tells them apart.
fn hash(user: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(user)[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_255_200;

    fn config() -> Config {
        Config {
            attempts: 5,
            window_secs: 600,
            slow_attempts: 10,
            slow_hours: 3,
            network_attempts: 20,
            network_clients: 4,
            suspicious_failures: 3,
            max_clients: 100,
        }
    }

    fn detector(saved: &std::collections::BTreeMap<String, Section>) -> SshBruteForce {
        SshBruteForce::new(config(), |table| (table.to_owned(), saved.get(table)))
    }

    fn play(detector: &mut SshBruteForce, records: impl IntoIterator<Item = (i64, String, SshOutcome, &'static [u8; 2])>) -> Vec<String> {
        let mut out = Vec::new();
        for (secs, client, outcome, country) in records {
            let auth = SshAuth { outcome, client: client.as_bytes(), user: b"ana", attempts: 1, ..SshAuth::default() };
            let location = Location { country: Some(*country), asn: None };
            detector.observe(Timestamp::from_secs(START + secs), &auth, location, &|_| true, &mut out);
        }
        out.iter().map(|found| format!("{} {:?} {}", found.at.secs() - START, found.severity, found.summary)).collect()
    }

    fn failures(times: impl IntoIterator<Item = i64>) -> Vec<(i64, String, SshOutcome, &'static [u8; 2])> {
        times.into_iter().map(|secs| (secs, "203.0.113.7".to_owned(), SshOutcome::Failed, b"ES")).collect()
    }

    #[test]
    fn fast_and_slow_guessing_is_told_once() {
        let fast = play(&mut detector(&Default::default()), failures((0..49).map(|n| n * 10)));
        assert_eq!(fast, ["40 Warning failed to log in over SSH 5 times within 10 minutes"]);
        let slow = play(&mut detector(&Default::default()), failures((0..20).map(|n| n * 1_200)));
        assert_eq!(slow, ["10800 Warning failed to log in over SSH 10 times within a day, in 4 different hours"]);
        assert!(play(&mut detector(&Default::default()), failures((0..9).map(|n| n * 7_200))).is_empty());
        let grown = play(&mut detector(&Default::default()), failures(0..60));
        assert_eq!(grown.len(), 2, "{grown:?}");
    }

    #[test]
    fn a_network_is_told_only_if_several_clients_take_part() {
        let spread = |clients: i64| {
            (0..24).map(move |n| (n * 130, format!("203.0.113.{}", n % clients), SshOutcome::InvalidUser, b"ES")).collect::<Vec<_>>()
        };
        let told = play(&mut detector(&Default::default()), spread(8));
        assert_eq!(told, ["2470 Warning failed to log in over SSH 20 times within an hour, from 8 addresses"]);
        let told = play(&mut detector(&Default::default()), spread(2));
        assert!(told.iter().all(|told| told.contains("within a day")), "{told:?}");
    }

    #[test]
    fn who_gets_in_after_failures_is_told_and_who_mistyped_is_not() {
        let login = |secs| (secs, "203.0.113.7".to_owned(), SshOutcome::Accepted, b"ES");
        let mut records = failures([0, 10]);
        records.push(login(20));
        let mut detector = detector(&Default::default());
        assert!(play(&mut detector, records).is_empty());
        let mut records = failures([30]);
        records.push(login(60));
        assert!(play(&mut detector, records).is_empty(), "who has been in before");
        let known = (Client::parse(b"203.0.113.7").unwrap(), Timestamp::from_secs(START + 60));
        assert_eq!(detector.recent_logins().collect::<Vec<_>>(), [known]);
        let mut stranger = self::detector(&Default::default());
        let mut records = failures([0, 10, 20]);
        records.extend([login(40), login(50)]);
        assert_eq!(play(&mut stranger, records), ["40 Critical logged in over SSH after 3 failed attempts within an hour"]);
        assert_eq!(stranger.recent_logins().count(), 0, "who guessed is nobody's own");
        detector.on_tick(Timestamp::from_secs(START + 31 * DAY));
        assert_eq!((detector.recent_logins().count(), detector.fill()), (0, (0, 0)));
    }

    #[test]
    fn findings_name_the_users_that_may_be_named() {
        let mut detector = detector(&Default::default());
        let mut out = Vec::new();
        let mut try_log_in = |secs, client: &str, outcome, user: &str| {
            let auth = SshAuth { outcome, client: client.as_bytes(), user: user.as_bytes(), attempts: 1, ..SshAuth::default() };
            detector.observe(Timestamp::from_secs(START + secs), &auth, Location::default(), &|name| name == b"root", &mut out);
        };
        try_log_in(0, "192.0.2.9", SshOutcome::Accepted, "ana");
        for secs in 0..2 {
            try_log_in(secs, "203.0.113.7", SshOutcome::InvalidUser, "Hunter2");
            try_log_in(secs, "203.0.113.7", SshOutcome::Failed, "root");
            try_log_in(secs, "203.0.113.7", SshOutcome::Failed, "ana");
        }
        try_log_in(3, "203.0.113.7", SshOutcome::Failed, "bob");
        try_log_in(4, "203.0.113.7", SshOutcome::Accepted, "bob");
        // After a quiet day it is another story.
        for secs in 0..5 {
            try_log_in(3 * DAY + secs, "203.0.113.7", SshOutcome::InvalidUser, "Hunter2");
        }
        let evidence: Vec<_> = out.iter().map(|found| found.evidence.join("; ")).collect();
        assert_eq!(
            evidence,
            [
                "5 failed attempts so far; names tried: root ×2, ana ×1, others ×2",
                "user bob; method ; names tried: ana ×2, root ×2, others ×3",
                "5 failed attempts so far; names tried: none of the usual ones; others are not told, they may be passwords",
            ]
        );
        // Nothing else is kept of names, in memory or on disk.
        assert!(!detector.save().iter().any(|write| format!("{write:?}").contains("Hunter2")));
    }

    #[test]
    fn a_new_country_is_told_once_and_the_first_is_learned() {
        let login = |secs, country| (secs, "203.0.113.7".to_owned(), SshOutcome::Accepted, country);
        let told = play(&mut detector(&Default::default()), [login(0, b"ES"), login(1, b"PT"), login(2, b"PT"), login(3, b"ES")]);
        assert_eq!(told, ["1 Warning logged in over SSH from PT, where this user never was before"]);
    }

    #[test]
    fn a_restart_changes_nothing_and_a_flood_hides_nobody() {
        let mut saved = std::collections::BTreeMap::<String, Section>::new();
        let mut told = Vec::new();
        for round in 0..40 {
            let mut detector = detector(&saved);
            told.extend(play(&mut detector, failures([round * 100])));
            told.extend(play(&mut detector, (0..30).map(|n| (round * 100, format!("10.{round}.{n}.1"), SshOutcome::Failed, b"ES"))));
            for write in detector.save() {
                match write {
                    Write::Put { section, pieces } => drop(saved.insert(section, pieces)),
                    Write::Append { section, pieces } => saved.entry(section).or_default().extend(pieces),
                    Write::Delete { .. } => {}
                }
            }
        }
        assert_eq!(told, ["400 Warning failed to log in over SSH 5 times within 10 minutes"]);
        assert!(detector(&saved).fill().1 > 900);
    }
}

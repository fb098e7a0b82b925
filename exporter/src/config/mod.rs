//! The configuration: file, then environment, then checks. [`load()`] gives either meaning (parsed addresses, networks, modes) or every
//! problem at once. Raw text stays inside this room; only the configuration file and the files that it names are opened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::detectors::{containers, players, port_scan, ssh_brute_force, udp_flood};
use crate::formats::{custom, nginx_json};
use crate::notifiers::{Address, discord};
use crate::policy::{incidents, outbox};
use crate::privacy::{ClientMode, SenderMode};
use crate::probes::{docker, host, sqlserver};
use crate::workload::surroundings::Surroundings;

mod checks;
mod environment;
mod feed;
mod files;
mod lists;
mod load;
mod loki;
mod nearest;
mod notifiers;
mod parse;
mod probes;
mod problem;
mod reader;
pub mod reference;
mod secret;
mod secrets;
mod section;
mod settings;
mod sources;
mod summary;
mod values;

pub use environment::environment;
pub use feed::Feed;
pub use load::{load, load_or_default};
pub use loki::Loki;
pub use problem::{Problem, Problems};
pub use secret::Secret;

/// Where the configuration is looked for when no file is named.
pub const DEFAULT_FILE: &str = "/etc/hostwarden/hostwarden.toml";

/// Everything that can be set, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file that was read; `None` if there was none.
    pub file: Option<PathBuf>,
    /// Where `state.dir` was said.
    state_dir_place: Said,
    /// How metrics are served.
    pub server: Server,
    /// What is kept on disk.
    pub state: State,
    /// How people are shown.
    pub privacy: Privacy,
    /// What is known about the web servers.
    pub web: Web,
    /// The logs to read; empty if none was configured.
    pub sources: Vec<Source>,
    /// Log formats that need settings.
    pub formats: Formats,
    /// What looks at the events.
    pub detectors: Detectors,
    /// What is found out about this machine besides its logs.
    pub probes: Probes,
    /// What is looked up about clients.
    pub enrichers: Enrichers,
    /// What becomes of a finding.
    pub policy: Policy,
    /// What happens, for people and for an archive.
    pub feed: Feed,
    /// Who is told what goes on.
    pub notifiers: Notifiers,
    /// Our own log.
    pub log: Log,
}

/// How metrics are served.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// The addresses to serve on; at least one.
    pub listen: Vec<SocketAddr>,
    /// What callers must show; always there when an address is not loopback.
    pub bearer_token: Option<Secret>,
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// Connections served at once.
    pub max_connections: usize,
}

/// The files that make HTTPS.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub certificate_file: PathBuf,
    /// The private key, PEM.
    pub key_file: PathBuf,
}

/// What is kept on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The directory of the database.
    pub dir: PathBuf,
}

/// How people are shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Privacy {
    /// How senders are shown.
    pub senders: SenderMode,
    /// How client addresses are shown.
    pub clients: ClientMode,
    /// The key of the pseudonyms; always there when something is shown by pseudonym.
    pub salt: Option<Secret>,
    /// The longest text from a log, in characters.
    pub text_max_chars: usize,
}

impl Config {
    /// What is wrong with `state.dir`, which shows only on the machine.
    pub fn problem_with_state_dir(&self, what: String, remedy: String) -> Problem {
        let (file, line, key) = match &self.state_dir_place.0 {
            reader::Place::File(line) => (self.file.clone(), *line, "state.dir".to_owned()),
            reader::Place::Variable(name) => (None, None, name.clone()),
        };
        Problem { file, line, key, what, remedy }
    }
}

/// Where something was said, which is no part of what was said: all are equal.
#[derive(Clone, Debug)]
struct Said(reader::Place);

impl PartialEq for Said {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What is known about the web servers.
#[derive(Clone, Debug, PartialEq)]
pub struct Web {
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Known host names in lower case, without port; at most [`MAX_SITES`].
    pub sites: Vec<String>,
    /// Beginnings of the paths whose next segment is a link that people get one at a time.
    pub link_prefixes: Vec<String>,
}

/// The most sites: each is a label value, times methods and codes.
pub const MAX_SITES: usize = 64;

/// One log, or one pattern of logs.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The `source` label: 1 to 32 characters of `a-z 0-9 _ -`, unique.
    pub name: String,
    /// Where the lines come from.
    pub input: Input,
    /// The name of the format, as listed in the reference; `custom.NAME` exists in [`Formats::custom`].
    pub format: String,
    /// Where reading begins.
    pub start: Start,
    /// Longer lines are read only up to here.
    pub max_line_bytes: usize,
    /// The IANA time zone of log times that carry no offset; `None`: the format's own rule.
    pub timezone: Option<String>,
}

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Files.
    File {
        /// An absolute path, or a glob over absolute paths.
        pattern: String,
    },
    /// The log of a container, as the Docker Engine gives it.
    Docker {
        /// Its name.
        container: String,
    },
    /// The journal of systemd.
    Journal {
        /// A unit, or `kernel`.
        unit: String,
        /// Where its files are; `None`: in the usual two places.
        dir: Option<PathBuf>,
    },
}

impl Input {
    /// What is read, in one word: what a log was read under before, if it was.
    pub fn pattern(&self) -> String {
        match self {
            Self::File { pattern } => pattern.clone(),
            Self::Docker { container } => format!("docker:{container}"),
            Self::Journal { unit, .. } => format!("journal:{unit}"),
        }
    }
}

/// Where reading begins at the very first sight of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Only what is written from now on.
    End,
    /// All that is there.
    Beginning,
}

/// Log formats that need settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Formats {
    /// The field names of `nginx_json`.
    pub nginx_json: nginx_json::Fields,
    /// Formats made of named groups, by name.
    pub custom: BTreeMap<String, custom::Config>,
}

/// What looks at the events.
#[derive(Clone, Debug, PartialEq)]
pub struct Detectors {
    /// Pairs messages with replies.
    pub bot_latency: BotLatency,
    /// Tells new kinds of errors from known ones.
    pub bot_errors: BotErrors,
    /// Scores suspicious clients.
    pub suspicion: Suspicion,
    /// Keeps the watchlist.
    pub slow_attacker: SlowAttacker,
    /// Sees links being guessed.
    pub enumeration: Enumeration,
    /// Finds who guesses passwords over SSH.
    pub ssh_brute_force: Detector<ssh_brute_force::Config>,
    /// Finds port scans and floods in the firewall's log.
    pub port_scan: Detector<port_scan::Config>,
    /// Remembers who plays.
    pub players: Detector<players::Config>,
    /// Finds containers in trouble.
    pub containers: Detector<containers::Config>,
    /// Finds floods of UDP services.
    pub udp_flood: udp_flood::Config,
}

/// Scores suspicious clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspicion {
    /// Whether findings are made; scores are kept all the same.
    pub enabled: bool,
    /// Points count half after this long.
    pub half_life_secs: u64,
    /// The score from which a client counts as suspicious.
    pub suspicious_score: u64,
    /// The score from which it is a finding.
    pub finding_score: u64,
    /// The most clients remembered.
    pub max_clients: usize,
}

/// Keeps the watchlist.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowAttacker {
    /// Whether it runs.
    pub enabled: bool,
    /// Strong attacks that make a strike.
    pub attacks: u64,
    /// Distinct hours of a day that they lie in.
    pub hours: u64,
    /// Or distinct days of a month.
    pub days: u64,
    /// Different requests among them.
    pub distinct: u64,
    /// Quiet days after which a strike is forgiven.
    pub forgive_after_days: u64,
    /// The most clients on the list.
    pub max_clients: usize,
}

/// Sees links being guessed.
#[derive(Clone, Debug, PartialEq)]
pub struct Enumeration {
    /// Whether it runs.
    pub enabled: bool,
    /// More different links than this within the window.
    pub threshold: u64,
    /// The window.
    pub window_secs: u64,
    /// More missing links than this within a day.
    pub slow_threshold: u64,
    /// More missing links than this within an hour from one network.
    pub network_threshold: u64,
    /// The most clients, and the most networks, remembered.
    pub max_clients: usize,
}

/// A detector with settings of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector<T> {
    /// Whether it runs.
    pub enabled: bool,
    /// Its settings.
    pub config: T,
}

/// What is found out about this machine besides its logs.
#[derive(Clone, Debug, PartialEq)]
pub struct Probes {
    /// Containers.
    pub docker: Probe<docker::Config>,
    /// Watches files for changes.
    pub integrity: Probe<Integrity>,
    /// Asks CrowdSec what it has decided.
    pub crowdsec: Probe<CrowdSec>,
    /// Counts what arrives at UDP ports.
    pub udp_ports: Probe<UdpPorts>,
    /// The machine itself.
    pub host: Probe<host::Config>,
    /// Instances of SQL Server.
    pub sqlserver: Probe<sqlserver::Config>,
    /// What all of them see instead of this machine: the demo's, which no file can ask for.
    pub made_up: Option<Surroundings>,
}

/// Watches files for changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Integrity {
    /// Paths and patterns, as the host knows them; empty: the defaults.
    pub paths: Vec<String>,
}

/// Asks CrowdSec what it has decided.
#[derive(Clone, Debug, PartialEq)]
pub struct CrowdSec {
    /// Where its local API is, without a slash at the end.
    pub url: String,
    /// A bouncer's key.
    pub api_key: Option<Secret>,
}

/// Counts what arrives at UDP ports.
#[derive(Clone, Debug, PartialEq)]
pub struct UdpPorts {
    /// The ports, each once.
    pub services: Vec<udp_flood::Service>,
    /// Over how long rates are means, and who sent counts as a source.
    pub window_secs: u64,
}

/// A probe: when it looks, and its own settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe<T> {
    /// Whether it runs.
    pub enabled: bool,
    /// From one look to the next.
    pub interval_secs: u64,
    /// How long a look may take.
    pub timeout_secs: u64,
    /// Its settings.
    pub config: T,
}

/// Pairs messages with replies.
#[derive(Clone, Debug, PartialEq)]
pub struct BotLatency {
    /// Whether it runs.
    pub enabled: bool,
    /// A sender without a reply for this long counts as unanswered.
    pub unanswered_after_secs: u64,
    /// A sender without a message for this long is forgotten.
    pub forget_after_secs: u64,
    /// The most senders remembered.
    pub max_senders: usize,
}

/// Tells new kinds of errors from known ones.
#[derive(Clone, Debug, PartialEq)]
pub struct BotErrors {
    /// Whether it runs.
    pub enabled: bool,
    /// The most kinds remembered.
    pub max_kinds: usize,
}

/// What is looked up about clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrichers {
    /// Country and autonomous system of an address.
    pub geoip: GeoIp,
}

/// Country and autonomous system of an address, from databases on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct GeoIp {
    /// Whether it is asked.
    pub enabled: bool,
    /// A database of countries in MaxMind's format; `None`: the built-in one.
    pub country_file: Option<PathBuf>,
    /// A database of autonomous systems in MaxMind's format; `None`: they stay unknown.
    pub asn_file: Option<PathBuf>,
}

/// What becomes of a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Who is never held to be an attacker.
    pub never_ban: NeverBan,
}

/// Who is never held to be an attacker, besides those that are found out.
#[derive(Clone, Debug, PartialEq)]
pub struct NeverBan {
    /// Networks that are left alone.
    pub networks: Vec<IpNet>,
    /// Whether the DNS is asked about claims of bots.
    pub reverse_dns: bool,
    /// Ports that sshd listens on.
    pub ssh_ports: Vec<u16>,
}

/// Who is told what goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Notifiers {
    /// What messages call this machine; empty: its host name.
    pub host: String,
    /// What is one incident.
    pub incidents: incidents::Settings,
    /// A channel of Discord.
    pub discord: Option<Told<Discord>>,
    /// Any program that takes JSON.
    pub webhook: Option<Told<Webhook>>,
    /// The archive of the feed; `None`: there is none.
    pub loki: Option<Loki>,
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told<T> {
    /// Of what, when, and in how many messages.
    pub outbox: outbox::Settings,
    /// How long an answer may take.
    pub timeout_secs: u64,
    /// Who it is.
    pub to: T,
}

/// A channel of Discord.
#[derive(Clone, Debug, PartialEq)]
pub struct Discord {
    /// Where messages are posted.
    pub webhook: discord::Webhook,
    /// How players reach each game server.
    pub servers: Vec<discord::Server>,
}

/// Any program that takes JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where it listens.
    pub address: Address,
    /// What bodies are signed with.
    pub secret: Option<Secret>,
}

/// Our own log.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// How lines are written.
    pub format: LogFormat,
}

/// How lines of our own log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object per line.
    Json,
}

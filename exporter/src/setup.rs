//! Configuration to parts: what the engine, the sources and the server are built from. The one place that knows all of them by name.

use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;

use crate::clock;
use crate::config::{self, Config, Detector, Formats, Input, Problem, Problems, Start};
use crate::detectors::{bot_latency, enumeration, slow_attacker, suspicion};
use crate::engine::{About, DetectionSetup, Engine, NoticesSetup, Setup, SourceSetup};
use crate::enrichers::geoip::{self, GeoIp};
use crate::formats::{self, Format, Kind, Options};
use crate::http;
use crate::notifiers::Notifier;
use crate::notifiers::loki::Loki;
use crate::policy::never_ban::{self, NeverBan};
use crate::privacy::Privacy;
use crate::probes::Planned;
use crate::snapshot::{Section, Write};
use crate::sources::buffers::Buffers;
use crate::sources::docker_logs;
use crate::sources::file::FileSource;
use crate::sources::journal::{self, JournalSource};
use crate::sources::reader::Polled;
use crate::sources::{self, Saved};
use crate::subject::{Locate, TrustedProxies};

mod feed;
mod notifiers;
mod probes;

pub use notifiers::{Planned as PlannedNotifier, notifiers};

/// Version and revision of this build, as in `build_info`. The revision comes from the environment of the build.
pub const BUILD: [&str; 2] = [
    env!("CARGO_PKG_VERSION"),
    match option_env!("HOSTWARDEN_REVISION") {
        Some(revision) => revision,
        None => "unknown",
    },
];

/// The engine and the readers that feed it.
pub struct Parts {
    /// The engine, with all that was saved.
    pub engine: Engine,
    /// The sources in files, those of the journal among them, in the order of the configuration.
    pub files: Vec<Box<dyn Polled>>,
    /// Where these find memory for the next lines.
    pub buffers: Buffers,
    /// The containers whose logs are sources.
    pub containers: Vec<docker_logs::Planned>,
    /// The probes.
    pub probes: Vec<Planned>,
    /// The notifiers.
    pub notifiers: Vec<Box<dyn Notifier>>,
    /// The archive of the feed.
    pub loki: Option<Loki>,
}

/// Builds what runs.
///
/// # Errors
///
/// What is wrong with a format, or that there is no randomness to be had.
pub fn build(config: &Config, detection: DetectionSetup, saved: BTreeMap<String, Section>, set_aside: bool) -> anyhow::Result<Parts> {
    let (key, first_writes) = pairing_key(config, &saved)?;
    let privacy = Arc::new(privacy(&config.privacy, &key));
    let sources = config.sources.iter().map(|source| self::source(config, source, &privacy)).collect::<Result<_, _>>();
    let sources = sources.map_err(anyhow::Error::msg)?;
    let proxies = TrustedProxies::new(config.web.trusted_proxies.clone());
    let probes::Probes { subjects, planned, .. } = probes::probes(config)?;
    let (outboxes, notifiers) =
        notifiers(config)?.into_iter().map(|planned| ((planned.notifier.name(), planned.outbox), planned.notifier)).unzip();
    let detection = DetectionSetup { notices: NoticesSetup { incidents: config.notifiers.incidents.clone(), outboxes }, ..detection };
    let setup = Setup {
        sources,
        proxies,
        privacy,
        detection,
        feed: feed::feed(config),
        probes: subjects,
        build: BUILD,
        saved,
        set_aside,
        first_writes,
    };
    let engine = Engine::new(setup);
    let (mut files, mut containers) = (Vec::<Box<dyn Polled>>::new(), Vec::new());
    let buffers = Buffers::default();
    for (index, source) in config.sources.iter().enumerate() {
        let (pattern, bookmarks) = engine.bookmarks(index);
        let saved = Saved { pattern, bookmarks };
        match &source.input {
            Input::File { pattern } => {
                files.push(Box::new(FileSource::new(index, file(source, pattern), saved).with_buffers(buffers.clone())))
            }
            Input::Docker { container: name } => {
                containers.push(docker_logs::Planned { index, config: container(config, source, name), saved })
            }
            Input::Journal { unit, dir } => {
                files.push(Box::new(JournalSource::new(index, journal(config, source, unit, dir.clone()), saved)))
            }
        }
    }
    Ok(Parts { files, buffers, containers, engine, probes: planned, notifiers, loki: feed::loki(config)? })
}

fn file(source: &config::Source, pattern: &str) -> sources::Config {
    let (start, max_line_bytes) = (start(source), source.max_line_bytes);
    sources::Config { name: source.name.clone(), pattern: pattern.to_owned(), start, max_line_bytes }
}

fn container(config: &Config, source: &config::Source, name: &str) -> docker_logs::Config {
    docker_logs::Config {
        container: name.to_owned(),
        endpoint: config.probes.docker.config.endpoint.clone(),
        pattern: source.input.pattern(),
        start: start(source),
        max_line_bytes: source.max_line_bytes,
    }
}

fn journal(config: &Config, source: &config::Source, unit: &str, dir: Option<PathBuf>) -> journal::Config {
    let unit = if unit == "kernel" { journal::Unit::Kernel } else { journal::Unit::Named(unit.to_owned()) };
    let form = match formats::kind(&source.format, &config.formats.custom) {
        Kind::Ssh => journal::Form::Sshd,
        Kind::Firewall => journal::Form::Headed,
        Kind::Web | Kind::Bot | Kind::WebErrors | Kind::Players => journal::Form::Bare,
    };
    journal::Config { unit, form, dir, pattern: source.input.pattern(), start: start(source), max_line_bytes: source.max_line_bytes }
}

fn start(source: &config::Source) -> sources::Start {
    match source.start {
        Start::End => sources::Start::End,
        Start::Beginning => sources::Start::Beginning,
    }
}

fn source(config: &Config, source: &config::Source, privacy: &Arc<Privacy>) -> Result<SourceSetup, String> {
    Ok(SourceSetup {
        name: source.name.clone(),
        pattern: source.input.pattern(),
        format_name: source.format.clone(),
        format: format(config, &source.format, source.timezone.as_deref(), privacy)?,
        about: about(config, &source.format),
    })
}

/// What looks for attackers.
///
/// # Errors
///
/// As [`locator`].
pub fn detection(config: &Config) -> Result<DetectionSetup, Problems> {
    // Numbers were checked to be small.
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let size = |number: usize| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
    let config::Detectors { suspicion, slow_attacker: slow, enumeration: links, .. } = &config.detectors;
    Ok(DetectionSetup {
        link_prefixes: config.web.link_prefixes.clone(),
        max_clients: size(suspicion.max_clients),
        scores: suspicion::Config {
            half_life_secs: small(suspicion.half_life_secs),
            suspicious_score: small(suspicion.suspicious_score) as f32,
            finding_score: small(suspicion.finding_score) as f32,
        },
        judges_suspicion: suspicion.enabled,
        slow_attacker: slow.enabled.then(|| slow_attacker::Config {
            attacks: small(slow.attacks),
            hours: small(slow.hours),
            days: small(slow.days),
            distinct: small(slow.distinct),
            forgive_after_days: small(slow.forgive_after_days),
            max_clients: size(slow.max_clients),
        }),
        enumeration: links.enabled.then(|| enumeration::Config {
            threshold: small(links.threshold),
            window_secs: small(links.window_secs),
            slow_threshold: small(links.slow_threshold),
            network_threshold: small(links.network_threshold),
            max_clients: size(links.max_clients),
        }),
        never_ban: never_ban(config),
        locate: locator(config)?,
        asks_crowdsec: config.probes.crowdsec.enabled,
        notices: NoticesSetup::default(),
    })
}

/// What records of a format are about.
pub fn about(config: &Config, format: &str) -> About {
    match formats::kind(format, &config.formats.custom) {
        Kind::Web => About::Web { sites: config.web.sites.clone().into() },
        Kind::Bot => bot(config),
        Kind::Ssh => About::Ssh(wanted(&config.detectors.ssh_brute_force)),
        Kind::Firewall => About::Firewall(wanted(&config.detectors.port_scan)),
        Kind::WebErrors => About::WebErrors,
        Kind::Players => About::Players(wanted(&config.detectors.players)),
    }
}

fn wanted<T: Clone>(detector: &Detector<T>) -> Option<T> {
    detector.enabled.then(|| detector.config.clone())
}

fn bot(config: &Config) -> About {
    let (latency, errors) = (&config.detectors.bot_latency, &config.detectors.bot_errors);
    let latency = latency.enabled.then(|| bot_latency::Config {
        unanswered_after: Duration::from_secs(latency.unanswered_after_secs),
        forget_after: Duration::from_secs(latency.forget_after_secs),
        max_senders: NonZeroUsize::new(latency.max_senders).unwrap_or(NonZeroUsize::MIN),
    });
    About::Bot { latency, max_error_kinds: NonZeroUsize::new(errors.max_kinds).filter(|_| errors.enabled) }
}

/// How people are shown. Without a salt nothing is shown by pseudonym; `key` then pairs a sender's messages.
pub fn privacy(config: &config::Privacy, key: &[u8]) -> Privacy {
    let salt = config.salt.as_ref().map_or(key, |salt| salt.expose().as_bytes());
    Privacy::new(config.senders, config.clients, salt, config.text_max_chars)
}

/// Thirty-two random bytes.
///
/// # Errors
///
/// The system has none to give.
pub fn random_key() -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut key)).context("read /dev/urandom")?;
    Ok(key)
}

const PAIRING_KEY_SECTION: &str = "pairing_key";

/// What pairs messages when no salt is configured: made once for this state, so that a restart knows who waits. It never leaves it.
fn pairing_key(config: &Config, saved: &BTreeMap<String, Section>) -> anyhow::Result<(Vec<u8>, Vec<Write>)> {
    if config.privacy.salt.is_some() {
        return Ok((Vec::new(), Vec::new()));
    }
    if let Some(key) = saved.get(PAIRING_KEY_SECTION).and_then(|parts| parts.last()).filter(|key| key.len() == 32) {
        return Ok((key.clone(), Vec::new()));
    }
    let key = random_key()?.to_vec();
    Ok((key.clone(), vec![Write::Put { section: PAIRING_KEY_SECTION.to_owned(), pieces: vec![key] }]))
}

/// Knows where addresses are, as configured. Opens the files that the configuration names.
///
/// # Errors
///
/// Every file that cannot be used, with its key.
pub fn locator(config: &Config) -> Result<Arc<dyn Locate>, Problems> {
    let settings = &config.enrichers.geoip;
    if !settings.enabled {
        return Ok(Arc::new(()));
    }
    let mut problems = Problems::default();
    let mut geoip = GeoIp::default();
    let files = [("country_file", &settings.country_file), ("asn_file", &settings.asn_file)];
    for (key, file) in files.into_iter().filter_map(|(key, file)| Some((key, file.as_deref()?))) {
        let opened = if key == "asn_file" { geoip.open_systems(file) } else { geoip.open_countries(file) };
        if let Err(error) = opened {
            problems.push(unusable(config, key, file, &error));
        }
    }
    if problems.is_empty() { Ok(Arc::new(geoip)) } else { Err(problems) }
}

fn unusable(config: &Config, key: &str, file: &Path, error: &geoip::Error) -> Problem {
    let remedy = "name a file in MaxMind's format (.mmdb) that this user may read, or leave it empty";
    Problem {
        file: config.file.clone(),
        line: None,
        key: format!("enrichers.geoip.{key}"),
        what: format!("{} {error}", file.display()),
        remedy: remedy.to_owned(),
    }
}

/// Who is never a candidate, as far as the configuration says; the surroundings come later.
pub fn never_ban(config: &Config) -> NeverBan {
    NeverBan::new(never_ban::Settings {
        networks: config.policy.never_ban.networks.clone(),
        trusted_proxies: config.web.trusted_proxies.clone(),
        reverse_dns: config.policy.never_ban.reverse_dns,
    })
}

/// How the server is to be run.
pub fn server(config: &Config) -> http::Config {
    http::Config {
        listen: config.server.listen.clone(),
        bearer_token: config.server.bearer_token.as_ref().map(|token| http::Token::new(token.expose())),
        tls: config.server.tls.clone().map(|tls| (tls.certificate_file, tls.key_file)),
        max_connections: config.server.max_connections,
        limits: http::Limits::default(),
    }
}

/// A format by its name.
///
/// # Errors
///
/// What is wrong with the name, the zone, or the configuration of a custom format.
pub fn format(config: &Config, name: &str, timezone: Option<&str>, privacy: &Arc<Privacy>) -> Result<Box<dyn Format>, String> {
    let configured = timezone.map(|name| TimeZone::get(name).map_err(|error| format!("time zone {name}: {error}"))).transpose()?;
    let zone = || configured.clone().unwrap_or_else(TimeZone::system);
    let Formats { nginx_json, custom } = &config.formats;
    let options = Options { privacy: Arc::clone(privacy), zone: &zone, reference: clock::now(), nginx_json, custom };
    formats::by_name(name, &options).map_err(|problems| problems.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hostwarden.toml");
        std::fs::write(&file, text).unwrap();
        let mut config = config::load(Some(&file), []).unwrap();
        config.file = Some("hostwarden.toml".into());
        config
    }

    #[test]
    fn places_are_looked_up_as_configured() {
        let country = |text: &str| {
            let located = locator(&config(text)).unwrap().locate("8.8.8.8".parse().unwrap());
            located.country_or_unknown().to_owned()
        };
        assert_eq!(country(""), "US");
        assert_eq!(country("[enrichers.geoip]\nenabled = false\ncountry_file = '/nowhere.mmdb'"), "ZZ");
    }

    #[test]
    fn every_database_that_cannot_be_used_is_a_problem_of_its_key() {
        let bad = config("[enrichers.geoip]\ncountry_file = '/nowhere.mmdb'\nasn_file = '/dev/null'");
        let remedy = "name a file in MaxMind's format (.mmdb) that this user may read, or leave it empty";
        let said = locator(&bad).err().unwrap().to_string();
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].starts_with("hostwarden.toml: enrichers.geoip.country_file: /nowhere.mmdb cannot be read: "), "{said}");
        assert!(lines[1].starts_with("hostwarden.toml: enrichers.geoip.asn_file: /dev/null is no "), "{said}");
        assert!(lines.len() == 2 && lines.iter().all(|line| line.ends_with(remedy)), "{said}");
    }

    #[test]
    fn networks_of_the_configuration_are_left_alone() {
        let text = "[web]\ntrusted_proxies = ['1.2.3.0/24']\n[policy.never_ban]\nnetworks = ['4.5.6.7', '2a00::1']";
        let never_ban = never_ban(&config(text));
        let reason = |address: &str| {
            let client = crate::subject::Client::parse(address.as_bytes()).unwrap();
            never_ban.reason(client, crate::event::Timestamp::default(), b"").map(|reason| reason.as_str())
        };
        assert_eq!(["1.2.3.4", "4.5.6.7", "4.5.6.8"].map(reason), [Some("trusted_proxy"), Some("configured"), None]);
        assert_eq!(reason("2a00::ffff"), Some("configured"));
    }
}

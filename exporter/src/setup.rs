//! Configuration to parts: what the engine, the sources and the server are built from. The one place that knows all of them by name.

use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;

use crate::clock;
use crate::config::{self, Config, Detector, Formats, Input, Start};
use crate::detectors::bot_latency;
use crate::engine::{About, Engine, Setup, SourceSetup};
use crate::formats::{self, Format, Kind, Options};
use crate::http;
use crate::privacy::Privacy;
use crate::snapshot::{Section, Write};
use crate::sources::file::FileSource;
use crate::sources::{self, Saved};
use crate::subject::TrustedProxies;

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
    /// The file sources, in the order of the configuration.
    pub files: Vec<FileSource>,
}

/// Builds what runs.
///
/// # Errors
///
/// What is wrong with a format, or that there is no randomness to be had.
pub fn build(config: &Config, saved: BTreeMap<String, Section>, set_aside: bool) -> anyhow::Result<Parts> {
    let (key, first_writes) = pairing_key(config, &saved)?;
    let privacy = Arc::new(privacy(&config.privacy, &key));
    let sources = config.sources.iter().map(|source| self::source(config, source, &privacy)).collect::<Result<_, _>>();
    let sources = sources.map_err(anyhow::Error::msg)?;
    let proxies = TrustedProxies::new(config.web.trusted_proxies.clone());
    let engine = Engine::new(Setup { sources, proxies, privacy, build: BUILD, saved, set_aside, first_writes });
    let files = config.sources.iter().enumerate();
    let files = files.map(|(index, source)| {
        let (pattern, bookmarks) = engine.bookmarks(index);
        FileSource::new(index, file(source), Saved { pattern, bookmarks })
    });
    Ok(Parts { files: files.collect(), engine })
}

fn file(source: &config::Source) -> sources::Config {
    let Input::File { pattern } = &source.input;
    let start = match source.start {
        Start::End => sources::Start::End,
        Start::Beginning => sources::Start::Beginning,
    };
    sources::Config { name: source.name.clone(), pattern: pattern.clone(), start, max_line_bytes: source.max_line_bytes }
}

fn source(config: &Config, source: &config::Source, privacy: &Arc<Privacy>) -> Result<SourceSetup, String> {
    let Input::File { pattern } = &source.input;
    Ok(SourceSetup {
        name: source.name.clone(),
        pattern: pattern.clone(),
        format_name: source.format.clone(),
        format: format(config, &source.format, source.timezone.as_deref(), privacy)?,
        about: about(config, &source.format),
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
    Ok((key.clone(), vec![Write::Put { section: PAIRING_KEY_SECTION.to_owned(), bytes: key }]))
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
    let zone = match timezone {
        Some(name) => TimeZone::get(name).map_err(|error| format!("time zone {name}: {error}"))?,
        None => TimeZone::system(),
    };
    let Formats { nginx_json, custom } = &config.formats;
    let options = Options { privacy: Arc::clone(privacy), zone, reference: clock::now(), nginx_json, custom };
    formats::by_name(name, &options).map_err(|problems| problems.join("\n"))
}

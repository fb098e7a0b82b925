//! Configuration to parts: what the engine, the sources and the server are built from. The one place that knows all of them by name.

use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;

use crate::config::{self, Config, Input, Start};
use crate::detectors::bot_latency;
use crate::engine::{About, Engine, Setup, SourceSetup};
use crate::formats;
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
/// What [`check`] finds, or that there is no randomness to be had.
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
    if carries_senders(config, format) {
        let BotSettings { latency, max_error_kinds } = bot_settings(config);
        About::Bot { latency, max_error_kinds }
    } else {
        About::Web { sites: config.web.sites.clone().into() }
    }
}

struct BotSettings {
    latency: bot_latency::Config,
    max_error_kinds: NonZeroUsize,
}

fn bot_settings(config: &Config) -> BotSettings {
    let latency = &config.detectors.bot_latency;
    let at_least_one = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
    BotSettings {
        latency: bot_latency::Config {
            unanswered_after: Duration::from_secs(latency.unanswered_after_secs),
            forget_after: Duration::from_secs(latency.forget_after_secs),
            max_senders: at_least_one(latency.max_senders),
        },
        max_error_kinds: at_least_one(config.detectors.bot_errors.max_kinds),
    }
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

/// A format by its name, or what is wrong with the name.
pub fn format(_config: &Config, name: &str, _timezone: Option<&str>, privacy: &Arc<Privacy>) -> Result<Box<dyn formats::Format>, String> {
    match name {
        "nginx_json" => Ok(Box::new(formats::nginx_json::NginxJson::new(&Default::default()))),
        "caddy_json" => Ok(Box::new(formats::caddy_json::CaddyJson::new(TimeZone::UTC))),
        "traefik_json" => Ok(Box::new(formats::traefik_json::TraefikJson::new())),
        "whatsapp_bot" => Ok(Box::new(formats::whatsapp_bot::WhatsappBot::new(privacy.clone(), TimeZone::UTC))),
        "nginx_combined" => Ok(Box::new(formats::nginx_combined::NginxCombined::new())),
        _ => Err(format!("{name}: no known format")),
    }
}

fn carries_senders(_config: &Config, format: &str) -> bool {
    format == "whatsapp_bot"
}

/// TEMP
pub fn check(_config: &Config) -> Result<(), String> {
    Ok(())
}

//! `demo`: the exporter on a made-up workload in a temporary folder; touches nothing else of this machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tracing::{error, info};

use super::{Failure, random_salt};
use crate::config::{self, Config, Input, Probes, Secret, Source, Start};
use crate::demo::LogFiles;
use crate::detectors::udp_flood;
use crate::event::Timestamp;
use crate::probes::sqlserver;
use crate::setup;
use crate::workload::surroundings::{DATABASE, Surroundings, UDP_SERVICES};
use crate::workload::{Lines, Workload};
use crate::{app, clock, logging};

/// How much has happened already when the demo starts, so that the last hour's quantiles are there from the first page.
const PAST: Duration = Duration::from_secs(3600);
/// How often lines are written.
const STEP: Duration = Duration::from_millis(250);
/// How often probes look.
const LOOK_SECS: u64 = 5;
/// Steps of the past.
const PAST_STEP: Duration = Duration::from_secs(30);

/// The variable of the setting; with `_FILE` behind it, of the file's.
const TOKEN: &str = "HOSTWARDEN__SERVER__BEARER_TOKEN";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to serve; beyond loopback a token is required.
    #[arg(long, default_value = "127.0.0.1:9780")]
    listen: SocketAddr,
    /// The same seed makes the same workload.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Web requests per second.
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// A file with the token that callers must show, as server.bearer_token_file; else HOSTWARDEN__SERVER__BEARER_TOKEN or ..._FILE.
    #[arg(long, value_name = "FILE")]
    bearer_token_file: Option<PathBuf>,
    /// Tell those whom `[notifiers]` of the configuration names, too; otherwise nobody hears of it.
    #[arg(long)]
    notify: bool,
}

/// `configured` is asked only if somebody is to be told.
pub(super) fn run(arguments: Arguments, configured: impl FnOnce() -> Result<Config, Failure>) -> Result<(), Failure> {
    let token = match &arguments.bearer_token_file {
        Some(file) => Some(token(file)?),
        None => token_of_environment()?,
    };
    if !arguments.listen.ip().is_loopback() && token.is_none() {
        let remedy = format!("--bearer-token-file is required, or {TOKEN} or {TOKEN}_FILE in the environment");
        return Err(Failure::Usage(format!("--listen {}: beyond loopback {remedy}", arguments.listen)));
    }
    let folder = tempfile::Builder::new().prefix("hostwarden-demo-").tempdir().context("make a temporary folder")?;
    let mut config = config(arguments.listen, folder.path())?;
    config.server.bearer_token = token;
    if arguments.notify {
        config.notifiers = configured()?.notifiers;
    }
    logging::start(&config.log);
    let mut files = LogFiles::create(folder.path()).with_context(|| format!("write to {}", folder.path().display()))?;
    let now = clock::now();
    let begin = Timestamp::from_micros(now.micros() - i64::try_from(PAST.as_micros()).unwrap_or(0));
    look_around(&mut config.probes, begin);
    let mut workload = Workload::new(arguments.seed, arguments.rate, begin);
    files.append(&workload.days_before()).context("write the past days")?;
    let mut at = begin;
    while at < now {
        at = at.plus(PAST_STEP).min(now);
        files.append(&workload.advance(at)).context("write the past hour")?;
    }
    info!(folder = %folder.path().display(), metrics = %format!("http://{}/metrics", arguments.listen), "The demo writes its logs here and serves there; Ctrl-C ends it and removes the folder.");
    // The thread ends with the process; a folder that is gone by then is no error any more.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(STEP);
            let lines: Lines = workload.advance(clock::now());
            if let Err(error) = files.append(&lines) {
                error!(%error, "The demo could not write its logs.");
                return;
            }
        }
    });
    let detection = setup::detection(&config).map_err(|problems| Failure::Usage(super::bad_configuration(&problems)))?;
    app::run(config, detection)?;
    Ok(())
}

/// The token that all other commands take, too: who asks the demo (`why`, `watchlist`) shows it. Of the rest of a configuration the demo
/// takes nothing, since it looks at nothing of this machine.
fn token_of_environment() -> Result<Option<Secret>, Failure> {
    let is_token = |name: &str| name.strip_prefix(TOKEN).is_some_and(|rest| rest.is_empty() || rest == "_FILE");
    let variables = config::environment().into_iter().filter(|(name, _)| is_token(name));
    let config = config::load(None, variables).map_err(|problems| Failure::Usage(super::bad_configuration(&problems)))?;
    Ok(config.server.bearer_token)
}

/// The token in a file; as short a one as the configuration would refuse is refused here.
fn token(path: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let token = text.trim();
    if token.len() < 16 {
        return Err(Failure::Usage(format!("--bearer-token-file {}: a token has at least 16 characters", path.display())));
    }
    Ok(Secret::new(token.to_owned()))
}

/// Switches all probes on, to look at a machine that was started then and does not exist.
fn look_around(probes: &mut Probes, booted: Timestamp) {
    probes.made_up = Some(Surroundings::new(booted));
    let looked_at = [
        (&mut probes.docker.enabled, &mut probes.docker.interval_secs),
        (&mut probes.host.enabled, &mut probes.host.interval_secs),
        (&mut probes.sqlserver.enabled, &mut probes.sqlserver.interval_secs),
        (&mut probes.udp_ports.enabled, &mut probes.udp_ports.interval_secs),
        (&mut probes.crowdsec.enabled, &mut probes.crowdsec.interval_secs),
        (&mut probes.integrity.enabled, &mut probes.integrity.interval_secs),
    ];
    for (enabled, interval_secs) in looked_at {
        (*enabled, *interval_secs) = (true, LOOK_SECS);
    }
    probes.sqlserver.config.instances = vec![sqlserver::Instance {
        name: DATABASE.to_owned(),
        host: "localhost".to_owned(),
        port: 1433,
        user: String::new(),
        password: sqlserver::Password::new(""),
        encrypt: true,
        trust_certificate: false,
        exec_container: None,
    }];
    probes.udp_ports.config.services =
        UDP_SERVICES.map(|(name, port)| udp_flood::Service { name: name.to_owned(), port, thresholds: [2_000, 500_000, 500] }).to_vec();
}

/// What a user of such a machine would have configured.
fn config(listen: SocketAddr, folder: &Path) -> anyhow::Result<Config> {
    let source = |name: &str, file: &str, format: &str| Source {
        name: name.to_owned(),
        input: Input::File { pattern: folder.join(file).to_string_lossy().into_owned() },
        format: format.to_owned(),
        start: Start::Beginning,
        max_line_bytes: 64 << 10,
        timezone: Some("UTC".to_owned()),
    };
    let mut config = Config::default();
    config.server.listen = vec![listen];
    config.state.dir = folder.join("state");
    config.privacy.salt = Some(Secret::new(random_salt()?));
    config.web.sites = crate::workload::web::SITES.iter().filter(|site| site.contains('.')).map(|site| (*site).to_owned()).collect();
    config.sources = vec![
        source("web", LogFiles::COMBINED, "nginx_combined"),
        source("sites", LogFiles::JSON, "nginx_json"),
        source("bot", LogFiles::BOT, "whatsapp_bot"),
        source("ssh", LogFiles::AUTH, "sshd"),
        source("firewall", LogFiles::FIREWALL, "firewall"),
        source("web_errors", LogFiles::WEB_ERRORS, "nginx_error"),
        source("players", LogFiles::PLAYERS, "players_csv"),
    ];
    Ok(config)
}

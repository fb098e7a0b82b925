//! `run`: the exporter. Without configured sources it looks for the usual logs and says which it found.

use std::path::Path;

use tracing::info;

use super::Failure;
use crate::config::{Config, Input, Source, Start};
use crate::{app, logging, setup};

const UFW_LOG: &str = "/var/log/ufw.log";

/// Where the usual logs are, the source's name, and the format that they have.
const USUAL: [(&str, &str, &str); 4] = [
    ("web", "/var/log/nginx/*access.log", "nginx_combined"),
    ("ssh", "/var/log/auth.log", "sshd"),
    ("firewall", UFW_LOG, "firewall"),
    ("kernel", "/var/log/kern.log", "firewall"),
];

/// The default of the setting of the same name.
const MAX_LINE_BYTES: usize = 64 << 10;

pub(super) fn run(mut config: Config) -> Result<(), Failure> {
    logging::start(&config.log);
    if config.sources.is_empty() {
        config.sources = usual_sources();
    }
    let detection = setup::detection(&config).map_err(|problems| Failure::Usage(super::bad_configuration(&problems)))?;
    app::run(config, detection)?;
    Ok(())
}

/// Sources for the usual logs. Those that are missing now are watched for all the same: they may come with their programs.
fn usual_sources() -> Vec<Source> {
    // UFW's packets stand in the kernel's log as well: they are counted once.
    let is_twice = |name: &str| name == "kernel" && Path::new(UFW_LOG).exists();
    let sources = USUAL.iter().filter(|(name, ..)| !is_twice(name)).map(|&(name, pattern, format)| {
        let found: Vec<_> = glob::glob(pattern).into_iter().flatten().flatten().collect();
        let format = match format == "nginx_combined" && found.iter().any(|path| holds_json(path)) {
            true => "nginx_json",
            false => format,
        };
        // Of what is missing the reader tells.
        if !found.is_empty() {
            info!(source = name, format, files = ?found, "Found logs; reading what is written from now on.");
        }
        Source {
            name: name.to_owned(),
            input: Input::File { pattern: pattern.to_owned() },
            format: format.to_owned(),
            start: Start::End,
            max_line_bytes: MAX_LINE_BYTES,
            timezone: None,
        }
    });
    info!("No sources are configured, so the usual places are searched: see `hostwarden reference config` for what can be.");
    sources.collect()
}

/// Whether a log begins like JSON.
fn holds_json(path: &Path) -> bool {
    use std::io::Read;
    let mut first = [0];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == *b"{"
}

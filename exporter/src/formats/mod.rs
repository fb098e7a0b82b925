#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Bytes to events, one file per log format. A format knows its lines and nothing else: no time, no files, no other format.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::event::{Stamped, Timestamp};
use crate::privacy::Privacy;

pub mod apache;
mod bot_records;
pub mod caddy_json;
pub mod custom;
mod escapes;
pub mod firewall;
mod http_fields;
mod json;
pub mod nginx_combined;
pub mod nginx_error;
pub mod nginx_json;
mod numbers;
pub mod players_csv;
pub mod sshd;
mod syslog;
pub mod timestamps;
pub mod traefik_json;
pub mod whatsapp_bot;

/// What a record turned out to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parsed<'a> {
    /// A record that tells something.
    Event(Stamped<'a>),
    /// A record of this format that tells nothing counted here.
    Skip,
    /// The first line of a record that is held back until it is complete: its event follows with a later line or with [`Format::flush`].
    Open,
    /// A line that belongs to the record before it.
    Continued,
    /// No record of this format. The reason is a fixed word, fit for a label.
    Malformed(&'static str),
}

/// Takes what a format reads. `line` is the line at hand, without its end.
pub trait Sink {
    /// Called once for each line, and once more for a held record that the line (or [`Format::flush`]) ended: that call comes first.
    fn take(&mut self, line: &[u8], parsed: Parsed<'_>);
}

impl<F: FnMut(&[u8], Parsed<'_>)> Sink for F {
    fn take(&mut self, line: &[u8], parsed: Parsed<'_>) {
        self(line, parsed);
    }
}

/// A log format: reads lines in order. Multi-line formats keep the record that is still open.
pub trait Format: Send {
    /// Reads one line, without its end.
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink);

    /// Reads a block of whole lines (each ends with `\n`, the last one may lack it) and gives their number.
    /// Formats with a faster way over many lines have their own.
    fn read_block(&mut self, block: &[u8], sink: &mut dyn Sink) -> u64 {
        let mut count = 0;
        for line in lines(block) {
            self.read_line(line, sink);
            count += 1;
        }
        count
    }

    /// Ends the open record, if any: nothing came for a while, or the input is at its end.
    /// Continuation lines that come later all the same are [`Parsed::Continued`] and never counted again.
    fn flush(&mut self, _sink: &mut dyn Sink) {}

    /// Whether a record is open, so that [`Format::flush`] would end one.
    fn is_open(&self) -> bool {
        false
    }

    /// The open record, to be saved with the bookmark behind it; `null` if none is.
    fn save(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Takes up what [`Format::save`] gave.
    fn load(&mut self, _saved: &serde_json::Value) {}
}

/// The lines of a block, without their ends (`\n` or `\r\n`).
pub fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = first_line(rest);
        rest = after;
        Some(line)
    })
}

/// The first line of a block, without its end, and what stands behind it.
fn first_line(block: &[u8]) -> (&[u8], &[u8]) {
    let (line, after) = match memchr::memchr(b'\n', block) {
        Some(end) => (&block[..end], &block[end + 1..]),
        None => (block, &block[block.len()..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), after)
}

/// What the formats need to know beyond their lines.
pub struct Options<'a> {
    /// Turns senders into pseudonyms.
    pub privacy: Arc<Privacy>,
    /// The zone of times that name no offset. Asked for by formats that have such times only: to find it out reads the system's list.
    pub zone: &'a dyn Fn() -> TimeZone,
    /// About now: the year of times that name none is the last one that does not put them beyond it.
    pub reference: Timestamp,
    /// The field names of `nginx_json`.
    pub nginx_json: &'a nginx_json::Fields,
    /// The formats of the user's own, by what stands behind `custom.`.
    pub custom: &'a BTreeMap<String, custom::Config>,
}

/// Every format that is built in; those of the user's own are named `custom.NAME`.
pub const NAMES: [&str; 10] = [
    "nginx_combined",
    "nginx_json",
    "nginx_error",
    "apache",
    "caddy_json",
    "traefik_json",
    "whatsapp_bot",
    "sshd",
    "firewall",
    "players_csv",
];

/// The format of this name.
///
/// # Errors
/// What is wrong, one text for each problem: a name that is not known, or the configuration of a custom format.
pub fn by_name(name: &str, options: &Options<'_>) -> Result<Box<dyn Format>, Vec<String>> {
    Ok(match name {
        "nginx_combined" => Box::new(nginx_combined::NginxCombined::new()),
        "nginx_json" => Box::new(nginx_json::NginxJson::new(options.nginx_json)),
        "apache" => Box::new(apache::Apache::new()),
        "caddy_json" => Box::new(caddy_json::CaddyJson::new((options.zone)())),
        "traefik_json" => Box::new(traefik_json::TraefikJson::new()),
        "whatsapp_bot" => Box::new(whatsapp_bot::WhatsappBot::new(options.privacy.clone(), (options.zone)())),
        "nginx_error" => Box::new(nginx_error::NginxError::new((options.zone)())),
        "sshd" => Box::new(sshd::Sshd::new((options.zone)(), options.reference)),
        "firewall" => Box::new(firewall::Firewall::new((options.zone)(), options.reference)),
        "players_csv" => Box::new(players_csv::PlayersCsv::new(options.privacy.clone(), (options.zone)())),
        _ => match name.strip_prefix("custom.").and_then(|custom| options.custom.get(custom)) {
            Some(config) => Box::new(custom::Format::new(config, options.privacy.clone(), (options.zone)())?),
            None => return Err(vec![unknown(name, options)]),
        },
    })
}

/// What a format's records tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Web requests.
    Web,
    /// A bot's messages and errors.
    Bot,
    /// Logins over SSH.
    Ssh,
    /// Packets at a firewall.
    Firewall,
    /// Errors of a web server.
    WebErrors,
    /// Players on game servers.
    Players,
}

impl Kind {
    /// Whether its records name people who are shown by pseudonym.
    pub const fn carries_senders(self) -> bool {
        matches!(self, Self::Bot | Self::Players)
    }
}

/// What the records of this format tell of; web requests, if nobody knows it.
pub fn kind(name: &str, custom: &BTreeMap<String, custom::Config>) -> Kind {
    match name {
        "whatsapp_bot" => Kind::Bot,
        "sshd" => Kind::Ssh,
        "firewall" => Kind::Firewall,
        "nginx_error" => Kind::WebErrors,
        "players_csv" => Kind::Players,
        _ => match name.strip_prefix("custom.").and_then(|name| custom.get(name)) {
            Some(config) if config.kind == "bot" => Kind::Bot,
            _ => Kind::Web,
        },
    }
}

fn unknown(name: &str, options: &Options<'_>) -> String {
    let custom = options.custom.keys().map(|name| format!("custom.{name}"));
    let known: Vec<String> = NAMES.iter().map(|&name| name.to_owned()).chain(custom).collect();
    format!("`{name}` is no known format; use {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::{ClientMode, SenderMode};

    #[test]
    fn formats_are_found_by_their_names() {
        let bot = custom::Config { kind: "bot".to_owned(), line: "(?<time>.*)".to_owned(), ..custom::Config::default() };
        let custom = BTreeMap::from([("mybot".to_owned(), bot), ("broken".to_owned(), custom::Config::default())]);
        let options = Options {
            privacy: Arc::new(Privacy::new(SenderMode::Hash, ClientMode::Full, b"salt", 160)),
            zone: &|| TimeZone::UTC,
            reference: Timestamp::default(),
            nginx_json: &nginx_json::Fields::default(),
            custom: &custom,
        };
        for name in NAMES.into_iter().chain(["custom.mybot"]) {
            assert!(by_name(name, &options).is_ok(), "{name}");
            assert_eq!(kind(name, &custom) == Kind::Bot, name.ends_with("bot"), "{name}");
        }
        let problems = |name| by_name(name, &options).err().unwrap();
        assert_eq!(problems("custom.broken").len(), 2);
        let known = format!("{}, custom.broken, custom.mybot", NAMES.join(", "));
        for name in ["nginx", "", "custom.", "custom.other"] {
            assert_eq!(problems(name), [format!("`{name}` is no known format; use {known}")]);
        }
    }

    #[test]
    fn blocks_are_cut_at_line_ends() {
        let cut = |block: &'static str| lines(block.as_bytes()).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>();
        assert_eq!(cut("a\r\n\nb\r\r\nc"), ["a", "", "b\r", "c"]);
        assert_eq!(cut(""), [""; 0]);
        assert_eq!(cut("\n"), [""]);
    }
}

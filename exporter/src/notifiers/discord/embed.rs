//! Deliveries as Discord shows them: one embed each, within its limits whatever the texts are.
//!
//! Limits as Discord documents them (August 2026): title 256, description 4,096, 25 fields of 256 and 1,024, footer 2,048, and 6,000 in
//! all. Ours are smaller, so that their sum fits; a title is a kind and two
//! names, a footer a number and a name.

use std::time::Duration;

use serde::Serialize;

use super::Server;
use super::escape::{block, code, plain, text, units};
use super::places;
use crate::event::Timestamp;
use crate::finding::Severity;
use crate::incident::{Change, Delivery, Incident, PLAYERS, Player, Told};

/// Of the sentence that says what was found.
const SUMMARY: usize = 1_000;
/// Of a whole digest: all that an embed's description takes.
const DIGEST: usize = 4_096;
const VALUE: usize = 1_024;
/// The longest name of a client, a server, a kind.
const NAME: usize = 100;
/// The longest fact.
const FACT: usize = 200;
/// The most incidents in one digest: each gets a line of some 160 units.
pub const DIGEST_MAX: usize = 25;
/// Lines of a digest that was made longer than that all the same.
const LINES: usize = 200;

/// What is posted.
#[derive(Serialize)]
pub(super) struct Message {
    allowed_mentions: AllowedMentions,
    embeds: [Embed; 1],
}

/// Nobody is ever called: an empty list of what may be.
#[derive(Default, Serialize)]
struct AllowedMentions {
    parse: [&'static str; 0],
}

#[derive(Serialize)]
struct Embed {
    title: String,
    description: String,
    color: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    footer: Footer,
}

#[derive(Serialize)]
struct Field {
    name: &'static str,
    value: String,
    inline: bool,
}

#[derive(Serialize)]
struct Footer {
    text: String,
}

/// A delivery, as `host` tells it.
pub(super) fn message(host: &str, servers: &[Server], delivery: &Delivery) -> Message {
    let embed = match delivery.told.as_slice() {
        [told] if told.incident.kind == PLAYERS => player(told, servers),
        [told] => incident(told),
        all => digest(all),
    };
    let waiting = match delivery.waiting {
        0 => String::new(),
        1 => " · 1 more waits to be told".to_owned(),
        waiting => format!(" · {waiting} more wait to be told"),
    };
    let host = plain(host, NAME);
    let host = if host.is_empty() { host } else { format!(" · {host}") };
    let footer = Footer { text: format!("{}{host}{waiting}", embed.footer.text) };
    Message { allowed_mentions: AllowedMentions::default(), embeds: [Embed { footer, ..embed }] }
}

fn incident(told: &Told) -> Embed {
    let Told { change, incident } = told;
    let before = match change {
        Change::Opened => "",
        Change::Updated => "Goes on: ",
        Change::Closed => "Over: ",
    };
    let title = format!("{before}{}: {}", kind(&incident.kind), text(&incident.about, NAME));
    let next = if *change == Change::Closed { None } else { next_step(incident) };
    let next = next.map(|command| format!("\nNext: {command}")).unwrap_or_default();
    let lasted = lasting(incident.lasted());
    let mut fields = Vec::new();
    if let Some(client) = &incident.client {
        let country = incident.country.as_deref().map(|code| format!(" {}", places::words(code))).unwrap_or_default();
        fields.push(field("Client", format!("{}{country}", code(client, NAME))));
    }
    fields.push(field("Source", code(&incident.source, NAME)));
    fields.push(field("Findings", incident.findings.to_string()));
    fields.push(field("Began", moment(incident.opened)));
    match change {
        Change::Closed => fields.push(field("Lasted", lasted)),
        Change::Updated => fields.push(field("Last", format!("{}, for {lasted}", moment(incident.last)))),
        Change::Opened => {}
    }
    if incident.strikes > 0 {
        fields.push(field("Strikes", incident.strikes.to_string()));
    }
    if !incident.evidence.is_empty() {
        fields.push(Field { name: "Evidence", value: facts(&incident.evidence), inline: false });
    }
    Embed { title, description: text(&incident.summary, SUMMARY) + &next, color: color(told), fields, footer: numbered(incident) }
}

fn player(told: &Told, servers: &[Server]) -> Embed {
    let incident = &told.incident;
    let unknown = Player { server: String::new(), returning: false, vpn: None, online: 0 };
    let player = incident.player.as_ref().unwrap_or(&unknown);
    let name = incident.about.strip_suffix(&format!(" on {}", player.server)).unwrap_or(&incident.about);
    let name = if name.trim().is_empty() { "A player".to_owned() } else { text(name, NAME) };
    let server = if player.server.is_empty() { "the server".to_owned() } else { text(&player.server, NAME) };
    let (title, description) = match (told.change, incident.closed) {
        (Change::Closed, closed) => {
            let stayed = closed.map_or(incident.lasted(), |closed| closed.since(incident.opened));
            (format!("{name} left {server}"), format!("left after {}", lasting(stayed)))
        }
        _ => (format!("{name} joined {server}"), format!("joined {}", moment(incident.opened))),
    };
    let mut fields = Vec::new();
    if let Some(client) = &incident.client {
        fields.push(field("From", code(client, NAME)));
    }
    if let Some(country) = &incident.country {
        fields.push(field("Country", places::words(country)));
    }
    if let Some(vpn) = player.vpn {
        fields.push(field("VPN", if vpn { "⚠️ yes" } else { "no" }.to_owned()));
    }
    fields.push(field("Online now", player.online.to_string()));
    if told.change == Change::Closed {
        return Embed { title, description, color: color(told), fields, footer: numbered(incident) };
    }
    fields.push(field("Visits", if player.returning { "🔁 has been here before" } else { "🆕 first visit" }.to_owned()));
    // A log that names no server is the log of the only one.
    let server = servers.iter().find(|server| server.name == player.server).or(match servers {
        [only] if player.server.is_empty() => Some(only),
        _ => None,
    });
    if let Some(Server { connect, .. }) = server {
        fields.push(Field { name: "Connect", value: block(connect, VALUE), inline: false });
    }
    Embed { title, description, color: color(told), fields, footer: numbered(incident) }
}

/// All of them, a line each. A line may be cut, the list is not.
fn digest(all: &[Told]) -> Embed {
    let count = |change| all.iter().filter(|told| told.change == change).count();
    let critical = all.iter().filter(|told| told.incident.severity == Severity::Critical && told.change != Change::Closed).count();
    let counted =
        [(count(Change::Opened), "new"), (count(Change::Updated), "going on"), (count(Change::Closed), "over"), (critical, "critical")];
    let counted: Vec<String> = counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let shown = all.len().min(LINES);
    let more = if all.len() > shown { format!("and {} more", all.len() - shown) } else { String::new() };
    let width = ((DIGEST - units(&more)) / shown.max(1)).saturating_sub(1);
    let mut description = String::new();
    for told in all.iter().take(shown) {
        description.push_str(&line(told, width));
        description.push('\n');
    }
    description.push_str(&more);
    let color = all.iter().map(color).max_by_key(|color| COLORS.iter().position(|known| known == color)).unwrap_or(INFO);
    let footer = Footer { text: format!("Digest of {}", all.len()) };
    Embed { title: format!("{} incidents: {}", all.len(), counted.join(", ")), description, color, fields: Vec::new(), footer }
}

/// One incident in at most `width` units: its number, and as much more as fits.
fn line(told: &Told, width: usize) -> String {
    let Told { change, incident } = told;
    let mark = match incident.severity {
        Severity::Info => "🔵",
        Severity::Warning => "🟠",
        Severity::Critical => "🔴",
    };
    let stands = match change {
        Change::Opened => format!("began {}", moment(incident.opened)),
        Change::Updated => format!("goes on, {} findings", incident.findings),
        Change::Closed => format!("over after {}, {} findings", lasting(incident.lasted()), incident.findings),
    };
    let flag = incident.country.as_deref().map(|code| format!(" {}", places::flag(code))).unwrap_or_default();
    let about = match code(&incident.about, width / 3) {
        nothing if nothing.is_empty() => nothing,
        about => format!(" {about}"),
    };
    let pieces = [format!(" {mark} {}", kind(&incident.kind)), about, flag, format!(" {stands}")];
    let mut line = format!("#{}", incident.id);
    // In front, a # would be a heading.
    line.insert(0, '\\');
    for piece in pieces {
        if units(&line) + units(&piece) <= width {
            line.push_str(&piece);
        }
    }
    line
}

fn field(name: &'static str, value: String) -> Field {
    // Discord refuses fields that say nothing.
    Field { name, value: if value.is_empty() { "–".to_owned() } else { value }, inline: true }
}

fn numbered(incident: &Incident) -> Footer {
    Footer { text: format!("Incident {}", incident.id) }
}

/// As many facts as fit, and how many do not.
fn facts(evidence: &[String]) -> String {
    // For "and 123 more".
    let room = VALUE - 24;
    let mut value = String::new();
    for (number, fact) in evidence.iter().enumerate() {
        let line = code(fact, FACT);
        if units(&value) + units(&line) + 1 > room {
            return format!("{value}and {} more", evidence.len() - number);
        }
        if !line.is_empty() {
            value.push_str(&line);
            value.push('\n');
        }
    }
    if value.is_empty() { "–".to_owned() } else { value }
}

/// What to do to learn more, as a command to copy.
fn next_step(incident: &Incident) -> Option<String> {
    // Of a network nothing is known but what its clients did.
    if let Some(client) = incident.client.as_ref().filter(|client| !client.contains('/')) {
        return Some(code(&format!("hostwarden why {client}"), NAME));
    }
    let command = match incident.kind.as_str() {
        "containers" => "docker ps --all",
        "failed_units" => "systemctl --failed",
        "udp_flood" => "nft list table inet hostwarden_udp",
        _ => return None,
    };
    Some(code(command, NAME))
}

/// A kind in plain words.
fn kind(kind: &str) -> String {
    let known = match kind {
        "bot_errors" => "Bot errors",
        "containers" => "Container in trouble",
        "enumeration" => "Links being guessed",
        "failed_units" => "Unit failed",
        "integrity" => "Watched file changed",
        "port_scan" => "Port scan",
        "slow_attacker" => "Slow attacker",
        "ssh_brute_force" => "SSH password guessing",
        "suspicion" => "Suspicious client",
        "udp_flood" => "UDP flood",
        PLAYERS => "Player",
        other => return text(&other.replace('_', " "), 40),
    };
    known.to_owned()
}

const INFO: u32 = 0x34_98_DB;
const OVER: u32 = 0x7F_8C_7D;
const ORANGE: u32 = 0xE6_7E_22;
const RED: u32 = 0xE7_4C_3C;
const DARK_RED: u32 = 0x99_1B_1B;
/// From what is over to what is worst.
const COLORS: [u32; 5] = [OVER, INFO, ORANGE, RED, DARK_RED];

/// By severity, and by strikes on the watchlist (one orange, two red, three dark red), whichever is worse.
fn color(told: &Told) -> u32 {
    if told.change == Change::Closed {
        return OVER;
    }
    match (told.incident.severity, told.incident.strikes) {
        (_, 3..) => DARK_RED,
        (Severity::Critical, _) | (_, 2) => RED,
        (Severity::Warning, _) | (_, 1) => ORANGE,
        (Severity::Info, 0) => INFO,
    }
}

/// An instant that each reader sees by their own clock, and how long ago it was.
fn moment(at: Timestamp) -> String {
    // What a date can be: the years 1970 to 9999.
    format!("<t:{}:R>", at.secs().clamp(0, 253_402_300_799))
}

/// A duration for people: `1 h 12 min`.
fn lasting(lasted: Duration) -> String {
    let secs = lasted.as_secs();
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests;

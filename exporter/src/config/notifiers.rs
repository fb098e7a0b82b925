//! The sections `[notifiers]` and `[notifiers.NAME]`: who is told, of what, and when. A notifier runs as soon as it has an address.

use super::lists::ListOf;
use super::nearest::nearest;
use super::parse::{not_empty, time_zone};
use super::secrets::Names;
use super::section::Section;
use super::values::{Wrong, wrong};
use super::{Discord, Feed, Notifiers, Told, Webhook, checks};
use crate::detectors;
use crate::finding::Severity;
use crate::incident::PLAYERS;
use crate::notifiers::discord::{self, Server};
use crate::notifiers::{Address, Unfit, webhook};
use crate::policy::quiet_hours::QuietHours;
use crate::policy::{incidents, outbox};

/// The most game servers.
const MAX_SERVERS: usize = 64;
/// The longest name of a server or machine, and what players type.
const MAX_CHARS: usize = 200;

/// Reads all of them; `feed` is what would be pushed to an archive.
pub(super) fn read(root: &mut Section<'_, '_>, feed: &Feed) -> Notifiers {
    root.section("notifiers", "Who is told what goes on: findings of one kind about one subject are one incident.", |all| {
        let doc = "What messages call this machine; empty: its host name.";
        let host = all.optional("host", "shop", doc, short).unwrap_or_default();
        let doc = "An incident is over when nothing more of it was found for this long.";
        let quiet_secs = all.number("quiet_secs", 900, 10..=86_400, doc);
        let doc = "What begins anew within this time after its end is still the same incident.";
        let cooldown_secs = all.number("cooldown_secs", 3_600, 0..=604_800, doc);
        let max = all.size("max_incidents", 4_096, 64..=65_536, "The most incidents that are kept, open and over.");
        let incidents = incidents::Settings { quiet_secs, cooldown_secs, max };
        // One line each.
        Notifiers { host, incidents, discord: discord(all), webhook: webhook(all), loki: super::loki::read(all, feed) }
    })
}

fn discord(all: &mut Section<'_, '_>) -> Option<Told<Discord>> {
    all.section(discord::NAME, "Messages to a channel of Discord; see docs/notifications.md.", |section| {
        let names = Names { text: "webhook_url", file: "webhook_url_file", alias: "HOSTWARDEN_DISCORD_WEBHOOK_URL" };
        let doc = "The webhook, which is a secret: https://discord.com/api/webhooks/ID/TOKEN. None, or an empty file: nothing is sent.";
        let address = section.optional_secret(&names, doc, |text| discord::Webhook::parse(text).map_err(unfit));
        let (mut outbox, timeout_secs) = told(section, discord::MAX_POSTS, discord::DIGEST_MAX);
        let doc = "So many new incidents that wait are told in one message.";
        outbox.digest_from = section.size("digest_from", 5, 2..=100, doc);
        if !section.flag("players", true, "Whether it is told who comes to play and leaves.") {
            outbox.muted.push(PLAYERS.to_owned());
        }
        let doc = "How players reach a game server, for messages about those who come.";
        let servers = section.sections("servers", MAX_SERVERS, doc, |server| {
            let name = server.required("name", "dm", "The server, as the log names it.", short);
            let connect = server.required("connect", "connect 203.0.113.9:27015", "What is shown to be copied.", short);
            name.zip(connect).map(|(name, connect)| Server { name, connect })
        });
        let servers = servers.into_iter().filter_map(|(_, server)| server).collect();
        address.map(|webhook| Told { outbox, timeout_secs, to: Discord { webhook, servers } })
    })
}

fn webhook(all: &mut Section<'_, '_>) -> Option<Told<Webhook>> {
    all.section(webhook::NAME, "The same as JSON, to any program that takes it; see docs/notifications.md.", |section| {
        let names = Names { text: "url", file: "url_file", alias: "" };
        let doc = "Where it is sent; https://, or http:// on this machine or in a private network. None: nothing is sent.";
        let address = section.optional_secret(&names, doc, |text| Address::parse(text).map_err(unfit));
        let names = Names { text: "secret", file: "secret_file", alias: "" };
        let doc = "What bodies are signed with (X-Hostwarden-Signature); at least 16 characters: openssl rand -hex 32.";
        let secret = section.secret(&names, doc, checks::strong);
        let (mut outbox, timeout_secs) = told(section, webhook::MAX_POSTS, webhook::DIGEST_MAX);
        // Whatever waits goes together, and each change is an event of its own.
        (outbox.digest_from, outbox.edits) = (1, false);
        address.map(|address| Told { outbox, timeout_secs, to: Webhook { address, secret } })
    })
}

/// What all notifiers have.
fn told(section: &mut Section<'_, '_>, max_posts: u32, digest_max: usize) -> (outbox::Settings, u64) {
    let words = [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
    let least = section.choice("least", &words, "The least severity that is told.");
    let kind = ListOf { default: &[], example: &["port_scan"], max: 32, is_required: false, of_numbers: false };
    let muted = section.list("muted", &kind, "Kinds that are not told: names of detectors.", known_kind);
    let doc = "When only what is critical is told at once; the rest waits for its end.";
    let hours = section.optional("quiet_hours", "23:00-07:30", doc, quiet_hours);
    let doc = "Where the clock of quiet_hours hangs: an IANA time zone.";
    let zone = section.text("time_zone", "UTC", doc, time_zone);
    let timeout_secs = section.number("timeout_secs", 10, 2..=120, "How long an answer may take.");
    let muted = muted.into_iter().map(|(kind, _)| kind).collect();
    let quiet = hours.map(|(from, until)| QuietHours { from, until, zone });
    (outbox::Settings { least, muted, quiet, digest_from: digest_max, digest_max, max_posts, edits: true }, timeout_secs)
}

fn unfit(unfit: Unfit) -> Wrong {
    Wrong { what: unfit.what.to_owned(), remedy: unfit.remedy.to_owned() }
}

/// A detector's name, or that of players.
fn known_kind(text: &str) -> Result<String, Wrong> {
    let known = || detectors::NAMES.into_iter().chain([PLAYERS]);
    if known().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    let remedy = match nearest(text, known()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("known are {}", known().collect::<Vec<_>>().join(", ")),
    };
    Err(wrong(text, "is no kind of incident", remedy))
}

/// The minutes of the day from which and until which it is quiet, from `23:00-07:30`.
fn quiet_hours(text: &str) -> Result<(u16, u16), Wrong> {
    let minute = |time: &str| {
        let (hours, minutes) = time.trim().split_once(':')?;
        let is_short = |digits: &str| (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let (hours, minutes) = (Some(hours).filter(|hours| is_short(hours))?, Some(minutes).filter(|minutes| is_short(minutes))?);
        let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    let span = text.split_once('-').and_then(|(from, until)| minute(from).zip(minute(until)));
    let remedy = "write from and until by the clock: \"23:00-07:30\"";
    match span {
        None => Err(wrong(text, "is no span of a day", remedy)),
        Some((from, until)) if from == until => Err(wrong(text, "begins when it ends", remedy)),
        Some(span) => Ok(span),
    }
}

/// A short text of one line.
fn short(text: &str) -> Result<String, Wrong> {
    not_empty(text)?;
    if text.chars().count() > MAX_CHARS || text.contains(char::is_control) {
        return Err(Wrong { what: format!("is longer than a line of {MAX_CHARS} characters"), remedy: "write one short line".to_owned() });
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_are_two_times() {
        for (text, expected) in [
            ("23:00-07:30", Some((1_380, 450))),
            ("0:00 - 9:05", Some((0, 545))),
            ("23:00-24:00", None),
            ("23:00-23:00", None),
            ("23-7", None),
            ("23:60-07:30", None),
            ("+1:00-07:30", None),
            ("23:00", None),
            ("", None),
        ] {
            assert_eq!(quiet_hours(text).ok(), expected, "{text:?}");
        }
    }
}

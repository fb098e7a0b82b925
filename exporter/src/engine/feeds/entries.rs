//! What each kind of event says in the feed: a sentence for people and the facts in it. Everything goes through the privacy settings here:
//! senders and clients as configured, texts scrubbed and cut.

use std::borrow::Cow;

use super::Said;
use crate::engine::logged::{LoggedAttack, Showing};
use crate::engine::telling::shown;
use crate::event::{BotMessage, Direction, FirewallAction, FirewallEvent, PlayerChange, PlayerEvent, Protocol, SshAuth, SshOutcome};
use crate::feed::Field;
use crate::finding::Finding;
use crate::privacy::{Privacy, SenderMode, is_printable};

/// The longest texts of strangers, in characters.
const PATH_CHARS: usize = 200;
const AGENT_CHARS: usize = 120;
const NAME_CHARS: usize = 48;
const ERROR_CHARS: usize = 300;

/// Names that everybody tries. A name that does not exist may be a password that somebody typed in the wrong place: of others than these
/// nothing is told.
const USUAL_USERS: [&[u8]; 24] = [
    b"admin",
    b"administrator",
    b"ansible",
    b"backup",
    b"debian",
    b"deploy",
    b"docker",
    b"ec2-user",
    b"ftp",
    b"ftpuser",
    b"git",
    b"guest",
    b"jenkins",
    b"mysql",
    b"nagios",
    b"oracle",
    b"pi",
    b"postgres",
    b"root",
    b"steam",
    b"support",
    b"test",
    b"ubuntu",
    b"user",
];

/// Where somebody is: as shown, and their country.
#[derive(Clone, Copy)]
pub(in crate::engine) struct From<'a> {
    pub(in crate::engine) client: &'a str,
    pub(in crate::engine) country: &'a str,
}

impl From<'_> {
    fn fields(&self) -> [Field; 2] {
        [field("client", self.client), field("country", self.country)]
    }
}

impl std::fmt::Display for From<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} ({})", self.client, self.country)
    }
}

fn field(name: &'static str, value: impl Into<String>) -> Field {
    (Cow::Borrowed(name), value.into())
}

/// A message of a bot, as it may be shown.
pub(in crate::engine) struct Message {
    direction: Direction,
    sender: Option<String>,
    /// Microseconds.
    waited: Option<u64>,
    text: String,
}

impl Message {
    /// `shows_text`: also where senders are hashed or masked.
    pub(super) fn new(privacy: &Privacy, shows_text: bool, message: &BotMessage<'_>, waited: Option<u64>) -> Self {
        let text = match privacy.sender_mode() {
            SenderMode::Full => privacy.scrub(message.text),
            SenderMode::Hash | SenderMode::Anon if shows_text => privacy.scrub(message.text),
            _ => String::new(),
        };
        Self { direction: message.direction, sender: privacy.show(&message.sender), waited, text }
    }

    pub(super) fn said(&self) -> Said {
        let latency = self.waited.map(|micros| format!("{:.3}", micros as f64 / 1e6)).unwrap_or_default();
        let way = if self.direction == Direction::Incoming { "from" } else { "to" };
        let sender = self.sender.as_deref();
        let after = if latency.is_empty() { String::new() } else { format!(", who waited {latency} s for it") };
        let colon = if self.text.is_empty() { "" } else { ": " };
        Said {
            text: format!("Message {way} {}{after}{colon}{}", sender.unwrap_or("a customer"), self.text),
            fields: vec![
                field("direction", self.direction.as_str()),
                field("sender", sender.unwrap_or_default()),
                field("latency_seconds", latency),
            ],
        }
    }
}

/// An error of a bot: its kind as in labels, and its summary.
pub(in crate::engine) fn bot_error(privacy: &Privacy, kind: &str, summary: &[u8]) -> Said {
    let summary = privacy.scrub_to(summary, ERROR_CHARS);
    let text = if summary.is_empty() { format!("The bot logged an error ({kind})") } else { format!("Error of the bot: {summary}") };
    Said { text, fields: vec![field("kind", kind)] }
}

/// Texts of requests as the feed shows them.
pub(in crate::engine) fn showing(privacy: &Privacy) -> Showing<'_> {
    Showing::new(privacy, AGENT_CHARS)
}

/// An attack on a web server.
pub(super) fn attack(showing: &Showing<'_>, attack: &LoggedAttack) -> Said {
    let texts = attack.texts();
    let site = String::from_utf8_lossy(texts.site);
    let from = From { client: &shown(attack.client, showing.privacy()), country: &String::from_utf8_lossy(&attack.country) };
    let method = showing.text(texts.method, NAME_CHARS);
    let path = showing.text(texts.target, PATH_CHARS);
    let (class, status) = (attack.attack.class.as_str(), attack.status);
    let mut fields = vec![
        field("class", class),
        field("site", &*site),
        field("method", method.as_str()),
        field("path", path.as_str()),
        field("status", status.to_string()),
        field("user_agent", showing.agent(texts.user_agent)),
    ];
    fields.extend(from.fields());
    Said { text: format!("{from} tried {class} on {site}: {method} {path}, answered {status}"), fields }
}

/// Whether the name may be told that somebody tried in vain to log in under.
pub(in crate::engine) fn may_tell_user(privacy: &Privacy, user: &[u8]) -> bool {
    privacy.sender_mode() == SenderMode::Full || USUAL_USERS.contains(&user)
}

/// An attempt to log in over SSH.
pub(in crate::engine) fn login(privacy: &Privacy, from: From<'_>, auth: &SshAuth<'_>) -> Said {
    let is_told = auth.outcome == SshOutcome::Accepted || may_tell_user(privacy, auth.user);
    let user = if is_told { privacy.scrub_facts(&String::from_utf8_lossy(auth.user), NAME_CHARS) } else { String::new() };
    let method = privacy.scrub_facts(&String::from_utf8_lossy(auth.method), NAME_CHARS);
    let outcome = match auth.outcome {
        SshOutcome::Accepted => "logged in",
        SshOutcome::InvalidUser => "tried to log in without an account",
        _ => "failed to log in",
    };
    let called = if user.is_empty() { String::new() } else { format!(" as {user}") };
    let times = if auth.attempts > 1 { format!(", {} times", auth.attempts) } else { String::new() };
    let mut fields = vec![field("outcome", auth.outcome.as_str()), field("user", user), field("method", method)];
    fields.extend(from.fields());
    Said { text: format!("{from} {outcome}{called} over SSH{times}"), fields }
}

/// A packet that the firewall blocked.
pub(in crate::engine) fn packet(from: From<'_>, packet: &FirewallEvent<'_>) -> Said {
    let protocol = packet.protocol.as_str();
    let kind = if packet.protocol == Protocol::Other { String::new() } else { format!("{} ", protocol.to_ascii_uppercase()) };
    let port = packet.port.map(|port| port.to_string()).unwrap_or_default();
    let to = if port.is_empty() { String::new() } else { format!(" to port {port}") };
    let mut fields = vec![field("action", FirewallAction::Block.as_str()), field("protocol", protocol), field("port", port)];
    fields.extend(from.fields());
    Said { text: format!("Blocked a {kind}packet of {from}{to}"), fields }
}

/// A player who came or went. Their address is nobody's business.
pub(in crate::engine) fn player(privacy: &Privacy, country: &str, player: &PlayerEvent<'_>) -> Said {
    let name = privacy.scrub_to(player.name, NAME_CHARS);
    let server = privacy.show_thing(&String::from_utf8_lossy(player.server), NAME_CHARS);
    let who = if name.is_empty() { format!("A player ({country})") } else { format!("{name} ({country})") };
    let on = if server.is_empty() { String::new() } else { format!(" {server}") };
    let text = match player.change {
        PlayerChange::Join => format!("{who} joined{on}"),
        PlayerChange::Leave => format!("{who} left{on}"),
        PlayerChange::Restart => format!("The game server{on} began anew"),
    };
    let country = if player.change == PlayerChange::Restart { "" } else { country };
    let fields = [("change", player.change.as_str()), ("name", &name), ("country", country), ("server", &server)];
    Said { text, fields: fields.map(|(name, value)| field(name, value)).into() }
}

/// A finding: fit to be shown already.
pub(in crate::engine) fn finding(finding: &Finding) -> Said {
    let fields = [
        ("detector", finding.detector.as_str()),
        ("severity", finding.severity.as_str()),
        ("client", finding.client.as_deref().unwrap_or_default()),
        ("country", finding.country.as_deref().unwrap_or_default()),
    ];
    Said { text: finding.summary.clone(), fields: fields.map(|(name, value)| field(name, value)).into() }
}

/// In one line, whatever strangers wrote: no line ends or other control characters, nothing that turns the direction of writing.
pub(super) fn one_line(text: String) -> String {
    let is_odd = |c: char| {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if is_printable(&text) || !text.contains(is_odd) {
        return text;
    }
    text.chars()
        .map(|c| {
            if matches!(c, '\n' | '\t') {
                ' '
            } else if is_odd(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

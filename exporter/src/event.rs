#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! The vocabulary: what a log record can say. Formats make events, detectors and metrics read them.
//!
//! Events borrow from the line they were read from; whoever wants to keep something copies it.

use crate::privacy::Sender;

mod timestamp;

pub use timestamp::{Timestamp, from_rfc3339, from_rfc3339_or_null, rfc3339, rfc3339_or_null};

/// An event and the time that its record carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamped<'a> {
    /// When it happened, by the log's own clock.
    pub at: Timestamp,
    /// What happened.
    pub event: Event<'a>,
}

/// What a log record says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A web server answered a request.
    Http(HttpRequest<'a>),
    /// The bot received or sent a message.
    BotMessage(BotMessage<'a>),
    /// The bot logged an error or a traceback.
    BotError(BotError<'a>),
    /// Somebody tried to log in over SSH, or left.
    Ssh(SshAuth<'a>),
    /// The firewall logged a packet.
    Firewall(FirewallEvent<'a>),
    /// The web server logged an error.
    WebError(WebError<'a>),
    /// A player came or went.
    Player(PlayerEvent<'a>),
}

/// One answered request. Texts are raw bytes, freed from the log's own escaping; a field that the log lacks (or has as `-`) is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HttpRequest<'a> {
    /// Who connected, as logged: an address, in Apache's logs perhaps a host name.
    pub peer: &'a [u8],
    /// The `X-Forwarded-For`-style field, unchecked: believe it only from a trusted proxy.
    pub forwarded_for: &'a [u8],
    /// Empty when the request line had none (TLS bytes, an empty request).
    pub method: &'a [u8],
    /// Path and query as on the request line; the whole request text when that is no HTTP.
    pub target: &'a [u8],
    /// HTTP status code; 0 when none was logged.
    pub status: u16,
    /// Bytes sent.
    pub bytes: u64,
    /// Time taken, in microseconds.
    pub duration_micros: Option<u64>,
    /// The host that was asked for.
    pub host: &'a [u8],
    /// The `Referer` header.
    pub referer: &'a [u8],
    /// The `User-Agent` header.
    pub user_agent: &'a [u8],
    /// ISO 3166-1 code, if the web server looked it up.
    pub country: &'a [u8],
}

impl<'a> HttpRequest<'a> {
    /// The target without its query.
    pub fn path(&self) -> &'a [u8] {
        memchr::memchr(b'?', self.target).map_or(self.target, |end| &self.target[..end])
    }
}

/// A message that the bot took in or sent out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BotMessage<'a> {
    /// Which way it went.
    pub direction: Direction,
    /// The customer at the other end.
    pub sender: Sender<'a>,
    /// What was written, if the log has it; else empty. Unscrubbed.
    pub text: &'a [u8],
}

/// Which way a message went, seen from the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a customer.
    Incoming,
    /// To a customer.
    Outgoing,
}

impl Direction {
    /// Both, in the order of the metrics.
    pub const ALL: [Self; 2] = [Self::Incoming, Self::Outgoing];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
        }
    }
}

/// An error that the bot logged: one record, however many lines it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BotError<'a> {
    /// The level of the record; `None` for a traceback without a log line of its own.
    pub level: Option<ErrorLevel>,
    /// Whether a traceback followed.
    pub traceback: bool,
    /// The exception's line if there is one, else the message: what fingerprints are made of. Unscrubbed.
    pub summary: &'a [u8],
    /// The whole record, for people. Unscrubbed, and cut at the limit of a line.
    pub context: &'a [u8],
}

/// How bad the bot says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorLevel {
    /// `ERROR`.
    Error,
    /// `CRITICAL` (or `FATAL`).
    Critical,
}

impl ErrorLevel {
    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// What sshd says about one attempt to log in. Texts are raw bytes; what the record lacks is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SshAuth<'a> {
    /// How it ended.
    pub outcome: SshOutcome,
    /// The user name that was asked for: whatever the other side typed.
    pub user: &'a [u8],
    /// Who connected: an address; a host name where sshd logs one.
    pub client: &'a [u8],
    /// `password`, `publickey`, `keyboard-interactive/pam`, …
    pub method: &'a [u8],
    /// How often it happened: more than once for `message repeated`. 0: a further record of an attempt that was counted already.
    pub attempts: u32,
}

/// How an attempt to log in ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SshOutcome {
    /// Refused.
    Failed,
    /// Let in.
    Accepted,
    /// Refused: there is no such user.
    InvalidUser,
    /// Left before anything was decided.
    Disconnected,
    /// Said something else.
    #[default]
    Other,
}

impl SshOutcome {
    /// The text for people and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Accepted => "accepted",
            Self::InvalidUser => "invalid_user",
            Self::Disconnected => "disconnected",
            Self::Other => "other",
        }
    }
}

/// A packet that the firewall logged. What the record lacks is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FirewallEvent<'a> {
    /// What was done with it.
    pub action: FirewallAction,
    /// `tcp`, `udp`, …: told apart by [`Protocol`].
    pub protocol: Protocol,
    /// Who sent it, by its own word: of a packet, this can be forged.
    pub client: &'a [u8],
    /// The port that it was sent to.
    pub port: Option<u16>,
    /// The port that it was sent from.
    pub source_port: Option<u16>,
    /// Whether it came in from outside (an input interface and no output interface).
    pub inbound: bool,
    /// A TCP packet that opens a connection (SYN without ACK).
    pub opens: bool,
}

/// What a firewall did with a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirewallAction {
    /// Blocked it.
    Block,
    /// Let it pass.
    Allow,
    /// Only noted it, or did not say.
    #[default]
    Other,
}

impl FirewallAction {
    /// All, in the order of the metrics.
    pub const ALL: [Self; 3] = [Self::Block, Self::Allow, Self::Other];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Allow => "allow",
            Self::Other => "other",
        }
    }
}

/// A packet's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP and ICMPv6.
    Icmp,
    /// Any other.
    #[default]
    Other,
}

impl Protocol {
    /// All, in the order of the metrics.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Udp, Self::Icmp, Self::Other];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Other => "other",
        }
    }
}

/// An error that the web server logged. For counting only: nginx writes error lines unescaped, so their words can be forged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WebError<'a> {
    /// What went wrong.
    pub kind: WebErrorKind,
    /// Who asked, by the line's own word; never reason enough to act.
    pub client: &'a [u8],
    /// The message, up to the client. Unscrubbed.
    pub message: &'a [u8],
}

/// What went wrong in the web server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebErrorKind {
    /// CrowdSec's bouncer refused a banned client.
    CrowdsecDenied,
    /// The authentication service answered with an unexpected status: mostly scanners that ask for the bare address.
    AuthUnexpected,
    /// A rate or connection limit was hit.
    RateLimited,
    /// A rule forbade it.
    Forbidden,
    /// A wrong user or password (basic authentication).
    AuthFailed,
    /// A file was not there.
    NotFound,
    /// The server behind could not be reached or answered badly.
    Upstream,
    /// The client sent what is no HTTP.
    BadRequest,
    /// TLS could not be agreed on.
    Tls,
    /// Anything else.
    #[default]
    Other,
}

impl WebErrorKind {
    /// All, in the order of the metrics.
    pub const ALL: [Self; 10] = [
        Self::CrowdsecDenied,
        Self::AuthUnexpected,
        Self::RateLimited,
        Self::Forbidden,
        Self::AuthFailed,
        Self::NotFound,
        Self::Upstream,
        Self::BadRequest,
        Self::Tls,
        Self::Other,
    ];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CrowdsecDenied => "crowdsec_denied",
            Self::AuthUnexpected => "auth_unexpected",
            Self::RateLimited => "rate_limited",
            Self::Forbidden => "forbidden",
            Self::AuthFailed => "auth_failed",
            Self::NotFound => "not_found",
            Self::Upstream => "upstream",
            Self::BadRequest => "bad_request",
            Self::Tls => "tls",
            Self::Other => "other",
        }
    }
}

/// A player came to a game server, or left it. The key by which servers know players again stands in the log and goes no further than
/// `player`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlayerEvent<'a> {
    /// Whether they came or left.
    pub change: PlayerChange,
    /// The game server's name, as logged; empty if the log names none.
    pub server: &'a [u8],
    /// The nickname. Typed by the player.
    pub name: &'a [u8],
    /// Where they came from: an address.
    pub client: &'a [u8],
    /// Who it is, as a pseudonym of the key (or else of the address): never the key itself. `None` when it is about the server.
    pub player: Option<Sender<'a>>,
}

/// Whether a player came or left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayerChange {
    /// Came.
    Join,
    /// Left.
    Leave,
    /// The server began or ended: whoever was there is gone.
    Restart,
}

impl PlayerChange {
    /// The text for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Restart => "restart",
        }
    }
}

/// What kind of attack a request is, in order of priority: the first that fits is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackClass {
    /// A lookup that makes a Java logger load code (Log4Shell).
    Jndi,
    /// Running a command or code.
    RceAttempt,
    /// A web shell that somebody may have left.
    Webshell,
    /// Climbing out of the served folder.
    PathTraversal,
    /// Reading or running a file that a parameter names.
    FileInclusion,
    /// SQL (or another query language) in a parameter.
    SqlInjection,
    /// Script in a parameter.
    Xss,
    /// Making the server ask elsewhere, or using it as a proxy.
    Ssrf,
    /// Files with secrets, backups, repositories, set-up pages.
    ConfigProbe,
    /// The path of a known hole.
    CveProbe,
    /// An attack tool, by its own word.
    Scanner,
    /// A login that was refused.
    LoginBrute,
    /// Only the status is odd. Counts, but never raises a score to a ban.
    Suspicious,
}

impl AttackClass {
    /// All, in the order of priority and of the metrics.
    pub const ALL: [Self; 13] = [
        Self::Jndi,
        Self::RceAttempt,
        Self::Webshell,
        Self::PathTraversal,
        Self::FileInclusion,
        Self::SqlInjection,
        Self::Xss,
        Self::Ssrf,
        Self::ConfigProbe,
        Self::CveProbe,
        Self::Scanner,
        Self::LoginBrute,
        Self::Suspicious,
    ];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jndi => "jndi",
            Self::RceAttempt => "rce_attempt",
            Self::Webshell => "webshell",
            Self::PathTraversal => "path_traversal",
            Self::FileInclusion => "file_inclusion",
            Self::SqlInjection => "sql_injection",
            Self::Xss => "xss",
            Self::Ssrf => "ssrf",
            Self::ConfigProbe => "config_probe",
            Self::CveProbe => "cve_probe",
            Self::Scanner => "scanner",
            Self::LoginBrute => "login_brute",
            Self::Suspicious => "suspicious",
        }
    }

    /// Whether one such request says by itself that somebody means harm. A status is never reason enough, and a refused login may be
    /// the owner's.
    pub const fn is_strong(self) -> bool {
        !matches!(self, Self::Suspicious | Self::LoginBrute)
    }
}

/// What a request was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attack {
    /// Its class.
    pub class: AttackClass,
    /// What gave it away, in a few words: which rule matched where.
    pub why: &'static str,
    /// What was tried, in plain words.
    pub meaning: &'static str,
}

/// What is known about a bot's senders at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SendersNow {
    /// Waiting too long for a reply.
    pub unanswered: u64,
    /// Since when the one of them that waits longest.
    pub oldest: Option<Timestamp>,
    /// With a message in or out during the last hour.
    pub active: u64,
}

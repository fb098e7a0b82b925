//! Who is never a candidate, and why: asked at the last moment before anything is held against a client.
//!
//! A ban hits an address and not a request, so what counts is whose address it is: a published network of a bot protects whatever agent
//! was sent, and an agent alone protects nobody.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;

use super::good_bots::{self, Bot};
use super::published::{self, DOCUMENTATION, Known};
use super::ranges::Ranges;
use super::recent::Recent;
use crate::event::Timestamp;
use crate::subject::Client;

/// Why a client is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is this machine.
    OwnAddress,
    /// It is this machine's way out.
    Gateway,
    /// It answers this machine's questions for names.
    Resolver,
    /// It has a session over SSH open.
    SshPeer,
    /// It logged in within the last 30 days.
    RecentLogin,
    /// The configuration names it.
    Configured,
    /// The configuration trusts it as a proxy.
    TrustedProxy,
    /// It played here within the last 30 days.
    Player,
    /// No address of the internet; what it is for.
    Reserved(&'static str),
    /// An address of examples.
    Documentation,
    /// An edge of the content delivery network of this name.
    Cdn(&'static str),
    /// In a published network of this bot.
    GoodBotNetwork(&'static Bot),
    /// Its name in the DNS is one of this bot, and leads back to it.
    GoodBotName(&'static Bot),
    /// It claims to be this bot, and the DNS failed when that was asked.
    UnprovenBot(&'static Bot),
}

impl Reason {
    /// All label texts.
    pub const LABELS: [&'static str; 13] = [
        "own_address",
        "gateway",
        "resolver",
        "ssh_peer",
        "recent_login",
        "configured",
        "trusted_proxy",
        "player",
        "reserved",
        "documentation",
        "cdn",
        "good_bot",
        "unproven_bot",
    ];

    /// Whether a finding about such a client is still told. Addresses of examples have no owner who could be wronged, and whoever tries
    /// a rule on a made-up log wants to see what it finds.
    pub const fn may_be_told_of(self) -> bool {
        matches!(self, Self::Documentation)
    }

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnAddress => "own_address",
            Self::Gateway => "gateway",
            Self::Resolver => "resolver",
            Self::SshPeer => "ssh_peer",
            Self::RecentLogin => "recent_login",
            Self::Configured => "configured",
            Self::TrustedProxy => "trusted_proxy",
            Self::Player => "player",
            Self::Reserved(_) => "reserved",
            Self::Documentation => "documentation",
            Self::Cdn(_) => "cdn",
            Self::GoodBotNetwork(_) | Self::GoodBotName(_) => "good_bot",
            Self::UnprovenBot(_) => "unproven_bot",
        }
    }
}

/// The rest of a sentence that begins with the client: `is a published network of Googlebot`.
impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnAddress => out.write_str("is an address of this machine"),
            Self::Gateway => out.write_str("is this machine's gateway"),
            Self::Resolver => out.write_str("is this machine's DNS resolver"),
            Self::SshPeer => out.write_str("has an SSH session open"),
            Self::RecentLogin => out.write_str("logged in within the last 30 days"),
            Self::Configured => out.write_str("stands in policy.never_ban.networks"),
            Self::TrustedProxy => out.write_str("stands in web.trusted_proxies"),
            Self::Player => out.write_str("played here within the last 30 days"),
            Self::Reserved(what) => write!(out, "is no address of the internet ({what})"),
            Self::Documentation => out.write_str("is an address that only stands in examples (it is told of all the same)"),
            Self::Cdn(name) => write!(out, "is an edge of {name}, with many visitors behind it"),
            Self::GoodBotNetwork(bot) => write!(out, "is a published network of {}", bot.name),
            Self::GoodBotName(bot) => write!(out, "is {}, as its name in the DNS proves", bot.name),
            Self::UnprovenBot(bot) => write!(out, "claims to be {}, and the DNS could not be asked", bot.name),
        }
    }
}

/// What this machine is connected to, as the edge saw it last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Addresses of its interfaces.
    pub own: Vec<IpAddr>,
    /// Default gateways.
    pub gateways: Vec<IpAddr>,
    /// DNS resolvers.
    pub resolvers: Vec<IpAddr>,
    /// The other ends of established connections to sshd.
    pub ssh_peers: Vec<SocketAddr>,
}

/// What the configuration says.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Networks that are left alone.
    pub networks: Vec<IpNet>,
    /// Networks of trusted proxies.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether claims of bots are proven by the DNS.
    pub reverse_dns: bool,
}

/// How long logins and players are remembered, and answers that prove a bot: as long as what is held against a client.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);
/// A name that was proven is believed for a week: crawlers keep their addresses for months.
const PROVEN: Duration = Duration::from_secs(7 * 86_400);
/// A claim that was refuted, or that could not be checked, is asked again after a day.
const ASKED: Duration = Duration::from_secs(86_400);
/// How soon a claim that could not be checked is checked again.
const RETRY: Duration = Duration::from_secs(3600);
/// sshd closes a connection that has not logged in after `LoginGraceTime`, 120 seconds unless configured; older ones are sessions. Half a
/// minute on top for the look itself.
const LOGIN_GRACE: Duration = Duration::from_secs(150);

/// The most clients remembered, by why. Logins need a password or key and players a client of the game; claims cost an attacker nothing,
/// so that those that came to nothing are remembered apart from the proven ones.
const MAX_LOGINS: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
const MAX_PLAYERS: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();
const MAX_CLAIMS: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// A connection to sshd.
#[derive(Clone, Copy, Debug)]
struct Session {
    peer: SocketAddr,
    /// When it was first seen; `None` if it was there before we looked.
    since: Option<Timestamp>,
    client: Client,
}

/// A claim that was not proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// The DNS says otherwise.
    Refuted,
    /// The DNS could not be asked, first at this time.
    Undecided(Timestamp),
}

/// Everything that speaks for a client.
#[derive(Debug)]
pub struct NeverBan {
    published: Ranges<Known>,
    given: Ranges<Reason>,
    nearby: Ranges<Reason>,
    sessions: Vec<Session>,
    looked_at: Option<Timestamp>,
    logins: Recent<()>,
    players: Recent<()>,
    proven: Recent<&'static Bot>,
    unproven: Recent<Claim>,
    reverse_dns: bool,
}

impl NeverBan {
    /// Knows the published networks and what the configuration says.
    pub fn new(settings: Settings) -> Self {
        let configured = settings.networks.into_iter().map(|network| (network, Reason::Configured));
        let proxies = settings.trusted_proxies.into_iter().map(|network| (network, Reason::TrustedProxy));
        Self {
            published: published::ranges(),
            given: Ranges::new(configured.chain(proxies)),
            nearby: Ranges::new([]),
            sessions: Vec::new(),
            looked_at: None,
            logins: Recent::new(MAX_LOGINS, REMEMBERED),
            players: Recent::new(MAX_PLAYERS, REMEMBERED),
            proven: Recent::new(MAX_CLAIMS, PROVEN),
            unproven: Recent::new(MAX_CLAIMS, ASKED * 7),
            reverse_dns: settings.reverse_dns,
        }
    }

    /// Why `client`, whose user agent is `agent` (empty if there is none), is left alone; `None`: it is a candidate.
    pub fn reason(&self, client: Client, now: Timestamp, agent: &[u8]) -> Option<Reason> {
        let nearby = self.nearby.find(client);
        nearby
            .or_else(|| self.is_in_session(client, now).then_some(Reason::SshPeer))
            .or_else(|| self.logins.get(client, now).map(|_| Reason::RecentLogin))
            .or_else(|| self.given.find(client))
            .or_else(|| self.published.find(client).map(reason_of))
            .or_else(|| self.players.get(client, now).map(|_| Reason::Player))
            .or_else(|| self.proven.get(client, now).map(|(bot, _)| Reason::GoodBotName(bot)))
            .or_else(|| self.unproven_bot(client, now, agent))
    }

    /// Whether `client` may stand in a list of sources: it is no player and nobody else who is left alone. Addresses that nobody has may,
    /// since they show that the list is forged.
    pub fn may_be_listed(&self, client: Client, now: Timestamp) -> bool {
        let is_nobodys = |reason| matches!(reason, Reason::Reserved(_) | Reason::Documentation);
        self.players.get(client, now).is_none() && self.reason(client, now, b"").is_none_or(is_nobodys)
    }

    /// The bot that `client` claims to be, if the edge is to find out whether it is: its name in the DNS must end in one of the suffixes
    /// and lead back to its address. Nothing is to be held against the client before the answer is there.
    pub fn to_verify(&self, client: Client, now: Timestamp, agent: &[u8]) -> Option<&'static Bot> {
        let bot = self.claimed(agent)?;
        let is_due = match self.unproven.get(client, now) {
            None => true,
            Some((Claim::Refuted, at)) => now.since(at) >= ASKED,
            Some((Claim::Undecided(_), at)) => now.since(at) >= RETRY,
        };
        (is_due && self.reason(client, now, b"").is_none()).then_some(bot)
    }

    /// What the machine is connected to, seen at `at`. Sessions that last longer than sshd waits for a login count as logins.
    pub fn look_around(&mut self, seen: Surroundings, at: Timestamp) {
        let named = |addresses: Vec<IpAddr>, reason| addresses.into_iter().map(move |address| (IpNet::from(address), reason));
        let own = named(seen.own, Reason::OwnAddress).chain(named(seen.gateways, Reason::Gateway));
        self.nearby = Ranges::new(own.chain(named(seen.resolvers, Reason::Resolver)));
        let is_first = self.looked_at.is_none();
        let session = |peer: SocketAddr| {
            let before = self.sessions.iter().find(|session| session.peer == peer);
            let since = before.map_or_else(|| (!is_first).then_some(at), |session| session.since);
            Session { peer, since, client: Client::of(peer.ip()) }
        };
        self.sessions = seen.ssh_peers.into_iter().map(session).collect();
        let first_look = *self.looked_at.get_or_insert(at);
        for session in &self.sessions {
            if at.since(session.since.unwrap_or(first_look)) >= LOGIN_GRACE {
                self.logins.note(session.client, (), at);
            }
        }
    }

    /// `client` logged in over SSH at `at`.
    pub fn note_login(&mut self, client: Client, at: Timestamp) {
        self.logins.note(client, (), at);
    }

    /// `client` joined a game at `at`.
    pub fn note_player(&mut self, client: Client, at: Timestamp) {
        self.players.note(client, (), at);
    }

    /// `client` is what it claims to be.
    pub fn note_verified(&mut self, client: Client, bot: &'static Bot, at: Timestamp) {
        self.unproven.forget(client);
        self.proven.note(client, bot, at);
    }

    /// `client` is not what it claims to be: anybody.
    pub fn note_refuted(&mut self, client: Client, at: Timestamp) {
        self.proven.forget(client);
        self.unproven.note(client, Claim::Refuted, at);
    }

    /// The DNS could not be asked. That speaks for `client` for a day, counted from the first time: whoever answers for its own names
    /// could fail for ever.
    pub fn note_undecided(&mut self, client: Client, at: Timestamp) {
        let since = match self.unproven.get(client, at) {
            Some((Claim::Undecided(since), _)) => since,
            _ => at,
        };
        self.unproven.note(client, Claim::Undecided(since), at);
    }

    /// How many clients are remembered, of all kinds.
    pub fn tracked(&self) -> usize {
        self.logins.len() + self.players.len() + self.proven.len() + self.unproven.len()
    }

    /// The bot that this agent claims, if the DNS can prove it.
    fn claimed(&self, agent: &[u8]) -> Option<&'static Bot> {
        good_bots::claims(agent).filter(|bot| self.reverse_dns && !bot.suffixes.is_empty())
    }

    fn unproven_bot(&self, client: Client, now: Timestamp, agent: &[u8]) -> Option<Reason> {
        match self.unproven.get(client, now)? {
            (Claim::Undecided(since), _) if now.since(since) < ASKED => self.claimed(agent).map(Reason::UnprovenBot),
            _ => None,
        }
    }

    /// A connection that was there before we looked gets the benefit of the doubt; one that we saw begin may still be guessing passwords.
    fn is_in_session(&self, client: Client, now: Timestamp) -> bool {
        let is_open = |session: &Session| session.since.is_none_or(|since| now.since(since) >= LOGIN_GRACE);
        self.sessions.iter().any(|session| session.client == client && is_open(session))
    }
}

fn reason_of(known: Known) -> Reason {
    match known {
        Known::Reserved(DOCUMENTATION) => Reason::Documentation,
        Known::Reserved(what) => Reason::Reserved(what),
        Known::Cdn(name) => Reason::Cdn(name),
        Known::Bot(bot) => Reason::GoodBotNetwork(bot),
    }
}

#[cfg(test)]
mod tests;

//! What happens to a machine besides its web sites: guessing over SSH (fast, slow, from a network), the owner's logins, scans and noise at
//! the firewall, errors of the web server, players who come and go.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;
use std::time::Duration;

use super::Lines;
use super::random::{Random, identifier, mixed};
use super::stamps;
use crate::event::Timestamp;

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// A client guesses this many times more.
    Guess { client: u32, left: u32 },
    /// A client that guesses every quarter of an hour.
    SlowGuess,
    /// The owner logs in; sometimes mistyping first.
    Owner,
    /// A client tries this many ports more.
    Scan { client: u32, left: u32 },
    /// A packet that nobody asked for.
    Noise,
    /// An error of the web server.
    WebError,
    /// A player comes.
    Join,
    /// This one leaves.
    Leave { player: u64 },
}

/// Makes those logs up. They have their own pace: such things do not come with the visitors.
pub struct Machine {
    random: Random,
    queue: BinaryHeap<Reverse<(Timestamp, Act)>>,
    connections: u32,
    joins: u64,
}

/// Where the slow guesser and the owner are.
const SLOW_CLIENT: u32 = 0x2d8f_4a17;
const OWNER: u32 = 0x5717_c80b;
const USERS: [(&str, bool); 8] = [
    ("root", true),
    ("admin", false),
    ("ubuntu", false),
    ("postgres", true),
    ("test", false),
    ("git", true),
    ("oracle", false),
    ("pi", false),
];
const PORTS: [u32; 10] = [22, 23, 445, 1433, 3306, 3389, 5900, 6379, 8080, 8443];
const PLAYERS: u64 = 60;
const SERVERS: [&str; 2] = ["arena", "capture"];
const NAMES: [&str; 6] = ["Falcon", "Mina", "r0ck", "Tomate", "\"El, Jefe\"", "zz"];

impl Machine {
    /// Everything happens at least once within the first half minute from `start`.
    pub fn new(seed: u64, start: Timestamp) -> Self {
        let mut random = Random::new(seed);
        let (guesser, scanner) = (visitor(&mut random), visitor(&mut random));
        let firsts = [
            (Act::Owner, 1),
            (Act::Guess { client: guesser, left: 12 }, 2),
            (Act::Scan { client: scanner, left: 25 }, 3),
            (Act::Noise, 4),
            (Act::WebError, 5),
            (Act::Join, 6),
            (Act::SlowGuess, 7),
        ];
        let queue = firsts.into_iter().map(|(act, secs)| Reverse((start.plus(Duration::from_secs(secs)), act))).collect();
        Self { random, queue, connections: 0, joins: 0 }
    }

    /// When the next thing happens.
    pub fn due(&self) -> Timestamp {
        self.queue.peek().map_or(Timestamp::from_micros(i64::MAX), |Reverse((at, _))| *at)
    }

    /// Moves what would have come before `now` to `now`.
    pub(super) fn skip_to(&mut self, now: Timestamp) {
        let queue = std::mem::take(&mut self.queue);
        self.queue = queue.into_iter().map(|Reverse((at, act))| Reverse((at.max(now), act))).collect();
    }

    /// Lets the next thing happen.
    pub fn step(&mut self, lines: &mut Lines) {
        let Some(Reverse((at, act))) = self.queue.pop() else { return };
        match act {
            Act::Guess { client, left } => self.guess(at, client, left, &mut lines.auth),
            Act::SlowGuess => {
                self.attempt(at, SLOW_CLIENT, &mut lines.auth);
                self.then(at, 900.0, Act::SlowGuess);
            }
            Act::Owner => self.owner(at, &mut lines.auth),
            Act::Scan { client, left } => self.scan(at, client, left, &mut lines.firewall),
            Act::Noise => self.noise(at, &mut lines.firewall),
            Act::WebError => self.web_error(at, &mut lines.web_errors),
            Act::Join => self.join(at, &mut lines.players),
            Act::Leave { player } => write_player(at, "leave", player, &mut lines.players),
        }
    }

    fn then(&mut self, at: Timestamp, mean_secs: f64, act: Act) {
        let wait = Duration::from_secs_f64(self.random.exponential(mean_secs).clamp(0.001, 86_400.0));
        self.queue.push(Reverse((at.plus(wait), act)));
    }

    fn guess(&mut self, at: Timestamp, client: u32, left: u32, out: &mut Vec<u8>) {
        self.attempt(at, client, out);
        match left {
            0 => {
                let next = Act::Guess { client: visitor(&mut self.random), left: self.random.below(20) as u32 };
                self.then(at, 240.0, next);
            }
            _ => self.then(at, 3.0, Act::Guess { client, left: left - 1 }),
        }
    }

    /// One wrong password, as sshd tells it.
    fn attempt(&mut self, at: Timestamp, client: u32, out: &mut Vec<u8>) {
        let (user, exists) = self.random.pick(&USERS);
        let from = format!("{} port {}", std::net::Ipv4Addr::from_bits(client), 30_000 + self.random.below(30_000));
        let (failed, closed) = if exists { ("", "authenticating") } else { ("invalid user ", "invalid") };
        self.connections += 1;
        if !exists {
            self.ssh(at, &format!("Invalid user {user} from {from}"), out);
        }
        self.ssh(at, &format!("Failed password for {failed}{user} from {from} ssh2"), out);
        self.ssh(at, &format!("Connection closed by {closed} user {user} {from} [preauth]"), out);
    }

    fn owner(&mut self, at: Timestamp, out: &mut Vec<u8>) {
        let from = format!("{} port {}", std::net::Ipv4Addr::from_bits(OWNER), 30_000 + self.random.below(30_000));
        self.connections += 1;
        if self.random.chance(0.2) {
            self.ssh(at, &format!("Failed password for deploy from {from} ssh2"), out);
        }
        self.ssh(at, &format!("Accepted publickey for deploy from {from} ssh2: ED25519 SHA256:{:043x}", mixed(7)), out);
        self.ssh(at, "pam_unix(sshd:session): session opened for user deploy(uid=1000) by (uid=0)", out);
        self.then(at, 1_200.0, Act::Owner);
    }

    fn ssh(&self, at: Timestamp, message: &str, out: &mut Vec<u8>) {
        stamps::write_rsyslog(out, at);
        writeln!(out, " web sshd-session[{}]: {message}", 1_000 + self.connections % 60_000).unwrap_or_default();
    }

    fn scan(&mut self, at: Timestamp, client: u32, left: u32, out: &mut Vec<u8>) {
        let port = 1 + self.random.below(10_000) as u32;
        self.packet(at, client, port, "TCP", out);
        match left {
            0 => {
                let next = Act::Scan { client: visitor(&mut self.random), left: 16 + self.random.below(40) as u32 };
                self.then(at, 600.0, next);
            }
            _ => self.then(at, 0.5, Act::Scan { client, left: left - 1 }),
        }
    }

    fn noise(&mut self, at: Timestamp, out: &mut Vec<u8>) {
        let client = visitor(&mut self.random);
        let (port, protocol) = self.random.weighted(&[(8, (self.random.clone().pick(&PORTS), "TCP")), (2, (27_015, "UDP"))]);
        self.packet(at, client, port, protocol, out);
        self.then(at, 2.0, Act::Noise);
    }

    fn packet(&mut self, at: Timestamp, client: u32, port: u32, protocol: &str, out: &mut Vec<u8>) {
        let (source, from) = (1_024 + self.random.below(60_000), std::net::Ipv4Addr::from_bits(client));
        let end = if protocol == "TCP" { "WINDOW=1024 RES=0x00 SYN URGP=0" } else { "LEN=33" };
        stamps::write_rsyslog(out, at);
        let words = format!("IN=eth0 OUT= MAC= SRC={from} DST=192.0.2.10 LEN=40 TOS=0x00 PREC=0x00 TTL=244 ID=54321 PROTO={protocol}");
        writeln!(out, " web kernel: [UFW BLOCK] {words} SPT={source} DPT={port} {end} ").unwrap_or_default();
    }

    fn web_error(&mut self, at: Timestamp, out: &mut Vec<u8>) {
        let message = self.random.pick(&[
            "auth request unexpected status: 404",
            "access forbidden by rule",
            "limiting requests, excess: 0.512 by zone \"api\"",
            "open() \"/srv/www/favicon.ico\" failed (2: No such file or directory)",
            "upstream timed out (110: Connection timed out) while reading response header from upstream",
            "client sent invalid method while reading client request line",
        ]);
        let client = std::net::Ipv4Addr::from_bits(visitor(&mut self.random));
        stamps::write_nginx_error(out, at);
        writeln!(out, " [error] 17#17: *{} {message}, client: {client}, server: shop.example.org", self.random.below(100_000))
            .unwrap_or_default();
        self.then(at, 15.0, Act::WebError);
    }

    fn join(&mut self, at: Timestamp, out: &mut Vec<u8>) {
        let player = self.random.below(PLAYERS);
        write_player(at, "join", player, out);
        self.joins += 1;
        let stay = if self.joins == 1 { 10.0 } else { 1_200.0 };
        self.then(at, stay, Act::Leave { player });
        self.then(at, 60.0, Act::Join);
    }
}

/// `1795255200,join,Falcon,203.0.113.7,KEY,arena`
fn write_player(at: Timestamp, event: &str, player: u64, out: &mut Vec<u8>) {
    let mut key = String::new();
    identifier(mixed(player), 32, &mut key);
    let address = std::net::Ipv4Addr::from_bits(0x5100_0000 | (mixed(player) as u32 & 0x00ff_ffff));
    let (name, server) = (NAMES[player as usize % NAMES.len()], SERVERS[player as usize % SERVERS.len()]);
    writeln!(out, "{},{event},{name},{address},{key},{server}", at.secs()).unwrap_or_default();
}

/// An address out in the world.
fn visitor(random: &mut Random) -> u32 {
    (45 + random.below(150) as u32) << 24 | random.below(1 << 24) as u32
}

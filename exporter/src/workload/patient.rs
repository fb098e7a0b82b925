//! Attackers with patience: who guesses links every few minutes, and who probed slowly over the last days, under every limit of a rate.

use std::time::Duration;

use super::probes::SCANNERS;
use super::random::{Random, identifier, mixed};
use super::web::Request;
use crate::event::Timestamp;

/// Links that one of them guesses, two seconds apart: more than the threshold of fifteen within five minutes.
const GUESSES: u32 = 24;
const BETWEEN_GUESSES: Duration = Duration::from_secs(2);
/// When the first begins, and how long it is from one to the next.
const FIRST: Duration = Duration::from_secs(10);
const BETWEEN_GUESSERS: Duration = Duration::from_secs(660);
/// What is guessed: a payment, a ticket, a menu.
const LINKS: [&str; 3] = ["/pago/", "/t/", "/menu/"];

/// Days of the past in which slow attackers came, one each on this many of them: each such day is a strike.
const PAST_DAYS: [i64; 3] = [1, 2, 4];
/// Requests of such a day, and the time between them, in seconds: over five hours, never more than three in one.
const PROBES_PER_DAY: i64 = 12;
const BETWEEN_PROBES: i64 = 1_500;
/// The last of a day, before now, in seconds.
const LAST_PROBE: i64 = 3 * 3_600;
const DAY: i64 = 86_400;

/// What they try: nothing that a browser would.
const PROBED: [&str; 6] = [
    "/.git/config",
    "/.env",
    "/?id=1%27%20UNION%20SELECT%20password%20FROM%20users--",
    "/cgi-bin/.%2e/.%2e/.%2e/.%2e/bin/sh",
    "/backup.sql",
    "/view?page=php://filter/convert.base64-encode/resource=config",
];
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";

/// Numbers of clients that nobody else has.
const GUESSERS_FROM: u64 = 20_000;
const SLOW_FROM: u64 = 21_000;

/// Makes their requests up.
pub struct Patient {
    seed: u64,
    random: Random,
    due: Timestamp,
    made: u32,
    request: Request,
}

impl Patient {
    /// The first guesser begins soon after `start`.
    pub(super) fn new(seed: u64, start: Timestamp) -> Self {
        Self { seed, random: Random::new(seed), due: start.plus(FIRST), made: 0, request: Request::default() }
    }

    /// When the next link is guessed.
    pub(super) fn due(&self) -> Timestamp {
        self.due
    }

    /// Leaves out what would have come before `now`.
    pub(super) fn skip_to(&mut self, now: Timestamp) {
        self.due = self.due.max(now);
    }

    /// Makes the request that is due.
    pub(super) fn step(&mut self) -> &Request {
        let guesser = self.made / GUESSES;
        let mut target = LINKS[guesser as usize % LINKS.len()].to_owned();
        identifier(self.random.any(), 8, &mut target);
        self.request = Request {
            at: self.due,
            client: GUESSERS_FROM + u64::from(guesser) % 500,
            target,
            millis: 3 + self.random.below(20),
            agent: SCANNERS[(mixed(self.seed ^ u64::from(guesser)) % SCANNERS.len() as u64) as usize],
            ..missing()
        };
        self.made += 1;
        let is_last = self.made.is_multiple_of(GUESSES);
        self.due = self.due.plus(if is_last { BETWEEN_GUESSERS } else { BETWEEN_GUESSES });
        &self.request
    }
}

/// What the slow ones did in the days before `now`, in order: one got a strike each on three days, one on two, one yesterday.
pub fn slow_attacks(now: Timestamp) -> Vec<Request> {
    let mut requests = Vec::new();
    for (day, count) in PAST_DAYS.into_iter().zip([3, 2, 1]).rev() {
        for probe in 0..PROBES_PER_DAY {
            for attacker in 0..count {
                let ago = (day - 1) * DAY + LAST_PROBE + (PROBES_PER_DAY - probe) * BETWEEN_PROBES - attacker * 60;
                let target = PROBED[(probe + attacker) as usize % PROBED.len()].to_owned();
                let at = Timestamp::from_secs(now.secs() - ago);
                requests.push(Request { at, client: SLOW_FROM + 4 * attacker as u64, target, agent: BROWSER, ..missing() });
            }
        }
    }
    requests
}

fn missing() -> Request {
    Request { method: "GET", status: 404, bytes: 153, millis: 2, site: super::web::SITES[0], referer: "-", ..Request::default() }
}

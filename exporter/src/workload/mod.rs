#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Believable logs, made up: what the demo writes, and what benchmarks read. Pure and seeded: the same seed and times give the same bytes.
//!
//! Names, addresses and numbers are invented; any likeness is chance.

use std::time::Duration;

use crate::event::Timestamp;

pub mod bot;
pub mod machine;
pub mod patient;
mod probes;
mod random;
mod stamps;
pub mod surroundings;
pub mod web;

pub use bot::Bot;
pub use machine::Machine;
pub use patient::Patient;
pub use web::Web;

/// The most time made up at once: a demo that slept (a closed laptop) goes on, it does not catch up.
const MAX_STEP: Duration = Duration::from_secs(60);

/// How many of the web's requests a bot gets as messages.
const MESSAGES_PER_REQUEST: f64 = 0.05;

/// The logs of one machine: a web server's in two formats, a bot's, and those of sshd, firewall, web errors and players.
pub struct Workload {
    combined: Web,
    json: Web,
    bot: Bot,
    machine: Machine,
    patient: Patient,
    now: Timestamp,
}

/// Whole lines, by log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// nginx's combined format with `$request_time`.
    pub combined: Vec<u8>,
    /// nginx's log as JSON, several sites.
    pub json: Vec<u8>,
    /// The bot's log; its times are UTC.
    pub bot: Vec<u8>,
    /// sshd's log, with other programs' lines.
    pub auth: Vec<u8>,
    /// The firewall's log.
    pub firewall: Vec<u8>,
    /// nginx's error log; its times are UTC.
    pub web_errors: Vec<u8>,
    /// The game servers' CSV.
    pub players: Vec<u8>,
}

impl Workload {
    /// A workload that begins at `start` with about `rate` web requests per second in all.
    pub fn new(seed: u64, rate: f64, start: Timestamp) -> Self {
        let rate = rate.clamp(0.01, 100_000.0);
        Self {
            combined: Web::new(seed, rate / 2.0, start, None),
            json: Web::new(seed.wrapping_add(1), rate / 2.0, start, None),
            bot: Bot::new(seed.wrapping_add(2), rate * MESSAGES_PER_REQUEST, start, None),
            machine: Machine::new(seed.wrapping_add(3), start),
            patient: Patient::new(seed.wrapping_add(4), start),
            now: start,
        }
    }

    /// What slow attackers left in the log of the web server in the days before the workload begins.
    pub fn days_before(&self) -> Lines {
        let mut lines = Lines::default();
        patient::slow_attacks(self.now).iter().for_each(|request| request.write_combined(&mut lines.combined));
        lines
    }

    /// What is logged up to `now`, since the last call.
    pub fn advance(&mut self, now: Timestamp) -> Lines {
        let mut lines = Lines::default();
        if now.since(self.now) > MAX_STEP {
            self.combined.skip_to(now);
            self.json.skip_to(now);
            self.bot.skip_to(now);
            self.machine.skip_to(now);
            self.patient.skip_to(now);
        }
        self.now = self.now.max(now);
        while self.combined.due().min(self.patient.due()) <= now {
            let request = if self.patient.due() < self.combined.due() { self.patient.step() } else { self.combined.step() };
            request.write_combined(&mut lines.combined);
        }
        while self.json.due() <= now {
            self.json.step().write_json(&mut lines.json);
        }
        while self.bot.due() <= now {
            self.bot.step(&mut lines.bot);
        }
        while self.machine.due() <= now {
            self.machine.step(&mut lines);
        }
        lines
    }
}

#[cfg(test)]
mod tests;

//! What the engine wants to know about the world around: what this machine is connected to, each half minute, and whether a client is the
//! bot that it claims to be. Both may take their time, on threads of their own.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Interval, MissedTickBehavior};

use crate::clock;
use crate::config::Config;
use crate::engine::Input;
use crate::enrichers::reverse_dns::{self, Budget, System, Verdict};
use crate::policy::good_bots::Bot;
use crate::policy::never_ban::Surroundings;
use crate::probes::surroundings;
use crate::subject::Client;

/// Well below the time after which a connection to sshd counts as a session.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Questions to the DNS: crawlers come from few addresses, and whoever lies shall not make us a flood.
const LOOKUPS_PER_HOUR: u32 = 240;
/// Questions under way; each holds a thread until the resolver gives up, and saving needs one too.
const MAX_LOOKUPS: usize = 2;

/// Lookups under way.
pub(super) struct Lookups {
    look: Interval,
    ssh_ports: Vec<u16>,
    looking: Option<JoinHandle<Surroundings>>,
    verifying: JoinSet<(Client, &'static Bot, Verdict)>,
    /// Clients that are being asked for, also those whose thread goes on after nobody waits for it.
    asked: HashSet<Client>,
    /// Answers that need no question.
    ready: Vec<Input>,
    budget: Budget,
}

impl Lookups {
    pub(super) fn new(config: &Config) -> Self {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            look,
            ssh_ports: config.policy.never_ban.ssh_ports.clone(),
            looking: None,
            verifying: JoinSet::new(),
            asked: HashSet::new(),
            ready: Vec::new(),
            budget: Budget::new(LOOKUPS_PER_HOUR),
        }
    }

    /// Asks the DNS, unless that is under way or too much was asked.
    pub(super) fn verify(&mut self, client: Client, address: IpAddr, bot: &'static Bot) {
        if self.asked.contains(&client) {
            return;
        }
        if self.verifying.len() >= MAX_LOOKUPS || !self.budget.take(clock::now()) {
            self.ready.push(Input::Verified { client, bot, proven: None });
            return;
        }
        self.asked.insert(client);
        self.verifying.spawn(async move {
            // The thread cannot be stopped; it is waited for only so long, but its place stays taken until it ends.
            let lookup = tokio::task::spawn_blocking(move || reverse_dns::verify(&System, address, bot.suffixes));
            (client, bot, reverse_dns::within(reverse_dns::TIMEOUT, lookup).await)
        });
    }

    /// The next thing that was found out.
    pub(super) async fn next(&mut self) -> Input {
        loop {
            if let Some(input) = self.ready.pop() {
                return input;
            }
            tokio::select! {
                Some(done) = self.verifying.join_next(), if !self.verifying.is_empty() => {
                    // A lookup that panicked answers nothing: the client is asked for again when it does something.
                    let Ok((client, bot, verdict)) = done else { continue };
                    self.asked.remove(&client);
                    let proven = match verdict {
                        Verdict::Verified => Some(true),
                        Verdict::Refuted => Some(false),
                        Verdict::Unknown => None,
                    };
                    return Input::Verified { client, bot, proven };
                }
                seen = wait(&mut self.looking) => {
                    self.looking = None;
                    if let Some(seen) = seen {
                        return Input::Surroundings(seen);
                    }
                }
                _ = self.look.tick(), if self.looking.is_none() => {
                    let ports = self.ssh_ports.clone();
                    self.looking = Some(tokio::task::spawn_blocking(move || surroundings::read(Path::new("/"), &ports)));
                }
            }
        }
    }
}

async fn wait(looking: &mut Option<JoinHandle<Surroundings>>) -> Option<Surroundings> {
    match looking {
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}

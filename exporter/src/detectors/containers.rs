//! Containers in trouble: died by themselves, out of memory, unhealthy, restarted again and again. Docker tells of most of it as it
//! happens; a look at all containers finds what was not told. What people do through Docker (stop, kill, remove) is no trouble, and
//! neither is a Docker that is restarted and takes all containers along.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::event::Timestamp;
use crate::finding::{About, Found, Severity};
use crate::sample::docker::{self, Container, ContainerEvent, Details, Happening, Health, State};

mod words;

use words::{code_in_words, evidence, is_commanded_code, minutes, times};

/// Its name in `findings_total`.
pub const NAME: &str = "containers";

/// The most containers remembered; the one in which nothing has happened for longest gives way.
const MAX_CONTAINERS: usize = 512;
/// How long a death waits: Docker may tell afterwards that memory ran out.
const HOLD: Duration = Duration::from_secs(1);
/// A death this soon after memory ran out is told by that.
const OOM_DEATH: Duration = Duration::from_secs(10);
/// How long after somebody's signal a container ends because of it. `docker stop` waits for seconds; databases ask for minutes.
const OBEYS_WITHIN: Duration = Duration::from_secs(600);
/// How far the time of an event and the one that a look tells of the same death may lie apart.
const SAME_DEATH: Duration = Duration::from_millis(500);
/// A look was begun before it was handed in: it may be older than an event before it by so much.
const LOOK_AGE: Duration = Duration::from_secs(10);
/// How long a container that is in no look is remembered.
const FORGET_AFTER: Duration = Duration::from_secs(60);
/// Signals that ask a program to do something else than to end (signal(7)): HUP, USR1, USR2, CONT, WINCH.
const NOT_ENDING: [u32; 5] = [1, 10, 12, 18, 28];

/// Settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Deaths in the window that make a restart loop.
    pub restarts: usize,
    /// The window, in seconds.
    pub window_secs: u64,
    /// The least time between two findings of a kind about one container, in seconds.
    pub cooldown_secs: u64,
}

/// What is known of the containers.
pub struct Containers {
    config: Config,
    /// By id.
    containers: BTreeMap<String, Known>,
    /// When all were looked at last.
    last_look: Option<Timestamp>,
    /// Whether looks have succeeded one after another since then.
    is_uninterrupted: bool,
}

/// What is known of one container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Known {
    name: String,
    touched: Timestamp,
    /// When its main process was started, if it ran at the last look.
    run: Option<Timestamp>,
    /// How often Docker had restarted it at the last look; `None`: never looked at.
    restarts: Option<u64>,
    /// Deaths that Docker told of since then: with an error, and without.
    told: (u64, u64),
    /// The last death, and the last of those that a look told of.
    last_death: Timestamp,
    looked_death: Timestamp,
    last_oom: Timestamp,
    /// When somebody sent it a signal to end.
    signalled: Timestamp,
    /// The last deaths with an error, no more than make a loop.
    deaths: Vec<Timestamp>,
    /// Deaths in the running restart loop; 0: there is none.
    looping: u64,
    health: Option<Health>,
    health_at: Timestamp,
    /// Whether people know that it is unhealthy.
    is_told_unhealthy: bool,
    /// When it was told of last, by [`Kind`].
    findings: [Timestamp; 3],
    #[serde(skip)]
    pending: Option<Death>,
}

#[derive(Clone, Copy)]
enum Kind {
    Died,
    OutOfMemory,
    Unhealthy,
}

/// A death that is about to be told.
#[derive(Clone, Debug, PartialEq)]
struct Death {
    at: Timestamp,
    due: Timestamp,
    code: i64,
    last_words: Option<String>,
}

impl Containers {
    /// Knows no container yet.
    pub fn new(config: Config) -> Self {
        Self { config, containers: BTreeMap::new(), last_look: None, is_uninterrupted: false }
    }

    /// Takes what happened to a container.
    pub fn observe(&mut self, now: Timestamp, event: ContainerEvent, out: &mut Vec<Found>) {
        let at = event.at.min(now);
        let config = self.config;
        let ContainerEvent { id, name, what, last_words, .. } = event;
        let known = self.known(now, &id, &name);
        let is_commanded = at.since(known.signalled) <= OBEYS_WITHIN && known.signalled != Timestamp::default();
        match what {
            Happening::Started => known.signalled = Timestamp::default(),
            Happening::Signalled(signal) if NOT_ENDING.contains(&signal) => {}
            Happening::Signalled(_) => known.signalled = at,
            // Its signal is told of before, unless that was missed.
            Happening::Stopped => known.forgive(),
            Happening::Died(_) if is_commanded => known.end(at),
            // A look was quicker.
            Happening::Died(_) if at <= known.looked_death.plus(SAME_DEATH) => {}
            Happening::Died(0) => {
                known.end(at);
                known.told.1 += 1;
            }
            Happening::Died(code) => {
                known.told.0 += 1;
                known.die(now, &config, Death { at, due: now.plus(HOLD), code, last_words }, out);
            }
            Happening::OomKilled => known.out_of_memory(at, &config, last_words.as_deref(), out),
            // Its checks fail because it is being stopped.
            Happening::Health(Health::Unhealthy) if is_commanded => {}
            Happening::Health(health) => {
                known.health_at = now;
                known.feel(at, &config, Some(health), last_words.as_deref(), out);
            }
            Happening::Destroyed => {
                known.settle(&config, out);
                self.containers.remove(&id);
            }
        }
    }

    /// Takes a look at all containers.
    pub fn look(&mut self, now: Timestamp, seen: &docker::Containers, out: &mut Vec<Found>) {
        let config = self.config;
        let last_look = self.last_look;
        let mut lived_on = 0;
        let mut dead: Vec<(String, Death, bool)> = Vec::new();
        for container in &seen.list {
            let Some(details) = container.details else {
                let known = self.known(now, &container.id, &container.name);
                known.feel_by_look(now, &config, container, out);
                continue;
            };
            let is_new = !self.containers.contains_key(&container.id);
            let known = self.known(now, &container.id, &container.name);
            lived_on += usize::from(known.run.is_some() && known.run == details.started && is_alive(container));
            // Of one that was never seen, only what happened since the last look is news.
            let is_news = known.run.is_some() || (is_new && last_look.is_some_and(|last| details.finished > Some(last)));
            if is_news && let Some(death) = known.unseen_death(now, container, &details) {
                dead.push((container.id.clone(), death, details.oom_killed));
            }
            known.count_restarts(now, &config, &details, out);
            known.feel_by_look(now, &config, container, out);
            known.run = details.started.filter(|_| is_alive(container));
        }
        // A Docker that goes down takes all along, and nobody has crashed.
        let is_own = lived_on > 0 || (self.is_uninterrupted && dead.len() == 1);
        for (id, death, is_oom) in dead {
            let Some(known) = self.containers.get_mut(&id) else { continue };
            known.end(death.at);
            known.looked_death = death.at;
            if is_own && is_oom {
                known.out_of_memory(death.at, &config, None, out);
            } else if is_own && !is_commanded_code(death.code) {
                known.die(now, &config, death, out);
            }
        }
        (self.last_look, self.is_uninterrupted) = (Some(now), true);
        self.forget(now);
    }

    /// Docker could not be asked.
    pub fn lose(&mut self) {
        self.is_uninterrupted = false;
    }

    /// Tells what has waited long enough, and of loops that have ended.
    pub fn on_tick(&mut self, now: Timestamp, out: &mut Vec<Found>) {
        let config = self.config;
        for known in self.containers.values_mut() {
            if known.pending.as_ref().is_some_and(|death| death.due <= now) {
                known.settle(&config, out);
            }
            known.calm_down(now, &config, out);
        }
    }

    /// For [`Containers::load`].
    pub fn save(&self) -> Value {
        json!({ "containers": self.containers, "last_look": self.last_look })
    }

    /// Takes up what [`Containers::save`] gave. What it cannot read is as good as not there.
    pub fn load(&mut self, saved: &Value) {
        self.containers = serde_json::from_value(saved["containers"].clone()).unwrap_or_default();
        self.last_look = serde_json::from_value(saved["last_look"].clone()).unwrap_or_default();
        while self.containers.len() > MAX_CONTAINERS {
            self.containers.pop_last();
        }
    }

    fn known(&mut self, now: Timestamp, id: &str, name: &str) -> &mut Known {
        if !self.containers.contains_key(id) && self.containers.len() >= MAX_CONTAINERS {
            let quietest = self.containers.iter().min_by_key(|(_, known)| known.touched).map(|(id, _)| id.clone());
            self.containers.remove(&quietest.unwrap_or_default());
        }
        let known = self.containers.entry(id.to_owned()).or_default();
        known.touched = now;
        if known.name != name {
            name.clone_into(&mut known.name);
        }
        known
    }

    fn forget(&mut self, now: Timestamp) {
        self.containers.retain(|_, known| known.pending.is_some() || now.since(known.touched) <= FORGET_AFTER);
    }
}

impl Known {
    /// Its main process ended, and that is all right or told otherwise.
    fn end(&mut self, at: Timestamp) {
        self.last_death = self.last_death.max(at);
        self.signalled = Timestamp::default();
        // The next run has its own health.
        self.health = None;
    }

    /// It was stopped by somebody after all.
    fn forgive(&mut self) {
        if self.pending.take().is_some() {
            self.deaths.pop();
        }
    }

    /// Its main process ended with an error.
    fn die(&mut self, now: Timestamp, config: &Config, death: Death, out: &mut Vec<Found>) {
        self.settle(config, out);
        self.end(death.at);
        let is_oom = death.at.since(self.last_oom) <= OOM_DEATH && self.last_oom != Timestamp::default();
        self.crash(death.at, config);
        if self.looping > 1 {
            return;
        }
        if self.looping == 1 {
            self.looping = self.deaths.len() as u64;
            let text = format!("is in a restart loop: it died {} times within {}", self.looping, minutes(config.window_secs));
            return self.tell(death.at, Severity::Critical, text, evidence(Some(death.code), death.last_words.as_deref()), out);
        }
        if !is_oom {
            self.pending = Some(Death { due: now.plus(HOLD), ..death });
        }
    }

    /// Counts a death. Begins a loop if it is one too many; the loop counts on then.
    fn crash(&mut self, at: Timestamp, config: &Config) {
        let window = Duration::from_secs(config.window_secs);
        self.deaths.retain(|death| at.since(*death) <= window);
        self.deaths.push(at);
        let surplus = self.deaths.len().saturating_sub(config.restarts);
        self.deaths.drain(..surplus);
        if self.looping > 0 || self.deaths.len() >= config.restarts {
            self.looping += 1;
        }
    }

    /// Tells of the death that waits.
    fn settle(&mut self, config: &Config, out: &mut Vec<Found>) {
        let Some(death) = self.pending.take() else { return };
        if self.may_tell(Kind::Died, death.at, config) {
            let text = format!("died by itself with {}", code_in_words(death.code));
            self.tell(death.at, Severity::Warning, text, evidence(None, death.last_words.as_deref()), out);
        }
    }

    fn out_of_memory(&mut self, at: Timestamp, config: &Config, last_words: Option<&str>, out: &mut Vec<Found>) {
        self.last_oom = self.last_oom.max(at);
        // Its death was told of first.
        self.pending = None;
        if self.looping == 0 && self.may_tell(Kind::OutOfMemory, at, config) {
            let text = "ran out of memory, and the kernel killed a process of it".to_owned();
            self.tell(at, Severity::Critical, text, evidence(None, last_words), out);
        }
    }

    fn feel_by_look(&mut self, now: Timestamp, config: &Config, container: &Container, out: &mut Vec<Found>) {
        if now.since(self.health_at) > LOOK_AGE {
            // Docker calls what has stopped unhealthy.
            self.feel(now, config, container.health.filter(|_| is_alive(container)), None, out);
        }
    }

    fn feel(&mut self, at: Timestamp, config: &Config, health: Option<Health>, last_words: Option<&str>, out: &mut Vec<Found>) {
        if self.health == health {
            return;
        }
        self.health = health;
        match health {
            Some(Health::Unhealthy) if !self.is_told_unhealthy => {
                if !self.may_tell(Kind::Unhealthy, at, config) {
                    // The next look asks again.
                    self.health = None;
                    return;
                }
                self.is_told_unhealthy = true;
                self.tell(at, Severity::Warning, "became unhealthy".to_owned(), evidence(None, last_words), out);
            }
            Some(Health::Healthy) if std::mem::take(&mut self.is_told_unhealthy) => {
                self.tell(at, Severity::Info, "is healthy again".to_owned(), Vec::new(), out);
            }
            _ => {}
        }
    }

    /// A death that only a look tells of.
    fn unseen_death(&self, now: Timestamp, container: &Container, details: &Details) -> Option<Death> {
        let is_over = matches!(container.state, Some(State::Exited | State::Dead));
        let at = details.finished.filter(|at| *at > self.last_death.plus(SAME_DEATH))?.min(now);
        let is_told = self.told != (0, 0) || now.since(self.last_death) <= LOOK_AGE;
        (is_over && details.exit_code != 0 && !is_told).then_some(Death { at, due: now, code: details.exit_code, last_words: None })
    }

    /// Takes the restarts since the last look of which Docker did not tell.
    fn count_restarts(&mut self, now: Timestamp, config: &Config, details: &Details, out: &mut Vec<Found>) {
        let (with_error, without) = std::mem::take(&mut self.told);
        let before = self.restarts.replace(details.restarts);
        let more = before.map_or(0, |before| details.restarts.saturating_sub(before));
        let unseen = more.saturating_sub(with_error);
        let at = details.finished.unwrap_or(now).min(now);
        if unseen == 0 || (at <= self.last_death.plus(SAME_DEATH) && without == 0) {
            return;
        }
        let was_looping = self.looping > 0;
        (0..unseen.min(config.restarts as u64)).for_each(|_| self.crash(at, config));
        (self.last_death, self.looked_death) = (self.last_death.max(at), at);
        if self.looping > 0 && !was_looping {
            self.looping = self.deaths.len() as u64;
            let text = format!("is in a restart loop: Docker started it again {} since the last look", times(more));
            self.tell(at, Severity::Critical, text, Vec::new(), out);
        } else if unseen > without && self.looping == 0 && self.may_tell(Kind::Died, at, config) {
            let text = format!("died by itself, and Docker started it again ({} since the last look)", times(unseen));
            self.tell(at, Severity::Warning, text, Vec::new(), out);
        }
    }

    /// Ends a restart loop in which nothing has died for the window.
    fn calm_down(&mut self, now: Timestamp, config: &Config, out: &mut Vec<Found>) {
        let quiet = now.since(self.last_death.max(self.deaths.last().copied().unwrap_or_default()));
        if self.looping == 0 || quiet <= Duration::from_secs(config.window_secs) {
            return;
        }
        let (total, window) = (std::mem::take(&mut self.looping), minutes(config.window_secs));
        self.deaths.clear();
        let text = format!("has left its restart loop: it died {total} times, and not once in the last {window}");
        self.tell(now, Severity::Info, text, Vec::new(), out);
    }

    fn may_tell(&mut self, kind: Kind, at: Timestamp, config: &Config) -> bool {
        let last = &mut self.findings[kind as usize];
        let is_due = *last == Timestamp::default() || at.since(*last) >= Duration::from_secs(config.cooldown_secs);
        if is_due {
            *last = at;
        }
        is_due
    }

    fn tell(&self, at: Timestamp, severity: Severity, summary: String, evidence: Vec<String>, out: &mut Vec<Found>) {
        let about = About::Thing(format!("Container {}", self.name));
        out.push(Found { at, detector: NAME, severity, about, summary, reckoned: Vec::new(), evidence });
    }
}

fn is_alive(container: &Container) -> bool {
    container.state.is_some_and(State::is_alive)
}

#[cfg(test)]
mod tests;

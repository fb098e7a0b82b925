//! What the engine keeps of one source: its format, its bookmarks, and what was learned from its lines.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde_json::json as json_value;

use super::detection::Context;
use super::machine::{FirewallSubject, PlayersSubject, SshSubject};
use super::recorder::Recorder;
use super::{Action, ErrorView, OPEN_RECORD, Shared, SourceView};
use crate::batch::{Batch, Bookmark, Change};
use crate::detectors::bot_errors::{BotErrors, RecentError};
use crate::detectors::bot_latency::{self, BotLatency};
use crate::detectors::players::{self, Players};
use crate::detectors::port_scan::{self, PortScan};
use crate::detectors::ssh_brute_force::{self, SshBruteForce};
use crate::event::Timestamp;
use crate::formats::Format;
use crate::metrics::hour_window::HourWindow;
use crate::metrics::http::Http;
use crate::metrics::own::Table;
use crate::metrics::{Page, bot, sources, web_errors};
use crate::privacy::Privacy;
use crate::snapshot::{Section, Unchanged, Write, json};

/// Lines that fit nothing, and no other, make it likely that the format is another one.
const MALFORMED_TO_DOUBT: u64 = 20;

/// What a source is built from.
pub struct Setup {
    /// Its name.
    pub name: String,
    /// What it reads.
    pub pattern: String,
    /// Its format's name.
    pub format_name: String,
    /// Its format.
    pub format: Box<dyn Format>,
    /// What its records are about.
    pub about: About,
}

/// What a source's records are about.
pub enum About {
    /// Web requests, told apart by these sites.
    Web {
        /// Host names in lower case.
        sites: std::sync::Arc<[String]>,
    },
    /// A bot.
    Bot {
        /// For pairing replies; `None`: not wanted.
        latency: Option<bot_latency::Config>,
        /// The most kinds of error remembered; `None`: not told apart.
        max_error_kinds: Option<NonZeroUsize>,
    },
    /// Logins over SSH, and how those who guess are found.
    Ssh(Option<ssh_brute_force::Config>),
    /// Packets at a firewall, and how scans are found.
    Firewall(Option<port_scan::Config>),
    /// Errors of a web server.
    WebErrors,
    /// Players on game servers, and how they are remembered.
    Players(Option<players::Config>),
}

/// What was learned from a source's lines.
pub enum Subject {
    /// Of web requests.
    Web(Box<Http>),
    /// Of a bot.
    Bot(Box<BotSubject>),
    /// Of sshd.
    Ssh(Box<SshSubject>),
    /// Of a firewall.
    Firewall(Box<FirewallSubject>),
    /// Of a web server's errors.
    WebErrors(Box<web_errors::WebErrors>),
    /// Of players.
    Players(Box<PlayersSubject>),
}

/// What was learned of a bot.
pub struct BotSubject {
    /// Its counters.
    pub metrics: bot::Bot,
    pub(super) latency: Option<BotLatency>,
    pub(super) errors: BotErrors,
    max_error_kinds: usize,
    max_senders: usize,
}

pub(super) struct Source {
    name: String,
    pattern: String,
    /// The pattern under which it was read before this start.
    saved_pattern: Option<String>,
    format_name: String,
    format: Box<dyn Format>,
    counters: sources::Source,
    subject: Subject,
    bookmarks: BTreeMap<u64, Bookmark>,
    last_lines: Timestamp,
    proxy_told: bool,
    format_told: bool,
}

impl Source {
    pub(super) fn new(setup: Setup, saved: &BTreeMap<String, Section>) -> Self {
        let Setup { name, pattern, format_name, mut format, about } = setup;
        let section = json(saved.get(&section(&name)));
        let mut counters = sources::Source::default();
        counters.load(&section["counters"]);
        format.load(&section["open"]);
        let mut subject = match about {
            About::Web { sites } => {
                let mut http = Http::new(sites);
                http.load(&section["http"]);
                Subject::Web(Box::new(http))
            }
            About::Bot { latency, max_error_kinds } => {
                let mut metrics = bot::Bot::default();
                metrics.load(&section["bot"]);
                Subject::Bot(Box::new(BotSubject {
                    metrics,
                    max_senders: latency.as_ref().map_or(0, |latency| latency.max_senders.get()),
                    latency: latency.map(|latency| BotLatency::new(latency, senders_section(&name), saved.get(&senders_section(&name)))),
                    errors: BotErrors::new(max_error_kinds, saved.get(&errors_section(&name))),
                    max_error_kinds: max_error_kinds.map_or(0, NonZeroUsize::get),
                }))
            }
            About::Ssh(config) => Subject::Ssh(Box::new(SshSubject::new(&name, config, &section["ssh"], saved))),
            About::Firewall(config) => Subject::Firewall(Box::new(FirewallSubject::new(&name, config, &section["firewall"], saved))),
            About::Players(config) => Subject::Players(Box::new(PlayersSubject::new(&name, config, &section["players"], saved))),
            About::WebErrors => {
                let mut metrics = web_errors::WebErrors::default();
                metrics.load(&section["web_errors"]);
                Subject::WebErrors(Box::new(metrics))
            }
        };
        let windows = saved.range(window_section(&name, "")..).take_while(|(key, _)| key.starts_with(&window_section(&name, "")));
        windows.for_each(|(_, slot)| {
            if let Some(window) = subject.window() {
                window.load(&json(Some(slot)));
            }
        });
        Self {
            saved_pattern: section["pattern"].as_str().map(str::to_owned),
            bookmarks: serde_json::from_value::<Vec<_>>(section["bookmarks"].clone()).unwrap_or_default().into_iter().collect(),
            name,
            pattern,
            format_name,
            format,
            counters,
            subject,
            last_lines: Timestamp::default(),
            proxy_told: false,
            format_told: false,
        }
    }

    pub(super) fn bookmarks(&self) -> (Option<String>, Vec<(u64, Bookmark)>) {
        (self.saved_pattern.clone(), self.bookmarks.iter().map(|(key, bookmark)| (*key, bookmark.clone())).collect())
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.counters.status().caught_up
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Takes a batch whole: lines, bookmarks, loss. Says whether it came from a log that had no bookmark.
    pub(super) fn take(&mut self, now: Timestamp, mut batch: Batch, shared: &mut Shared, actions: &mut Vec<Action>) -> bool {
        self.counters.take(&batch);
        if !batch.lines.is_empty() {
            self.last_lines = now;
            let (format, mut recorder) = self.recorder(now, shared, actions);
            let lines = format.read_block(&batch.lines, &mut recorder);
            self.counters.read(lines);
        }
        let mut is_new = false;
        for (key, change) in batch.bookmarks.drain(..) {
            match change {
                Change::Set(bookmark) => is_new |= self.bookmarks.insert(key, bookmark).is_none(),
                Change::Forget => drop(self.bookmarks.remove(&key)),
            }
        }
        if batch.lines.capacity() > 0 {
            actions.push(Action::Recycle(batch.lines));
        }
        if self.counters.proxy_suspected() && !std::mem::replace(&mut self.proxy_told, true) {
            actions.push(Action::ProxySuspected { source: self.name.clone() });
        }
        if let Some(problem) = self.format_problem()
            && !std::mem::replace(&mut self.format_told, true)
        {
            actions.push(Action::FormatSuspected { source: self.name.clone(), problem });
        }
        is_new
    }

    /// That the format is likely another one.
    fn format_problem(&self) -> Option<String> {
        let [parsed, skipped, malformed] = self.counters.records();
        let fits_nothing = malformed >= MALFORMED_TO_DOUBT && parsed + skipped == 0;
        fits_nothing.then(|| format!("none of {malformed} lines fits the format {}", self.format_name))
    }

    pub(super) fn tick(&mut self, now: Timestamp, shared: &mut Shared, actions: &mut Vec<Action>) {
        if self.format.is_open() && now.has_passed(OPEN_RECORD, self.last_lines) {
            self.flush(now, shared, actions);
        }
        self.subject.on_tick(now);
    }

    pub(super) fn flush(&mut self, now: Timestamp, shared: &mut Shared, actions: &mut Vec<Action>) {
        let (format, mut recorder) = self.recorder(now, shared, actions);
        format.flush(&mut recorder);
    }

    fn recorder<'e>(
        &'e mut self,
        now: Timestamp,
        shared: &'e mut Shared,
        actions: &'e mut Vec<Action>,
    ) -> (&'e mut dyn Format, Recorder<'e>) {
        let Shared { proxies, privacy, own, detection, feeds } = shared;
        let context = Context { now, source: &self.name, proxies, privacy, own, feeds, actions };
        let (counters, subject) = (&mut self.counters, &mut self.subject);
        (&mut *self.format, Recorder { context, counters, subject, detection, sampled: false })
    }

    pub(super) fn show(&self, now: Timestamp, page: &mut Page) {
        self.counters.show(&self.name, page);
        match &self.subject {
            Subject::Web(http) => http.show(&self.name, now, page),
            Subject::Bot(bot) => {
                let senders = bot.latency.as_ref().map(|latency| latency.senders(now));
                bot.metrics.show(&self.name, now, senders.unwrap_or_default(), page);
            }
            Subject::Ssh(ssh) => ssh.metrics.show(&self.name, page),
            Subject::Firewall(firewall) => firewall.show(&self.name, page),
            Subject::WebErrors(errors) => errors.show(&self.name, page),
            Subject::Players(players) => players.show(page),
        }
    }

    pub(super) fn label_overflows(&self) -> u64 {
        match &self.subject {
            Subject::Web(http) => http.overflows(),
            _ => 0,
        }
    }

    pub(super) fn tables(&self) -> Vec<Table> {
        let bot = match &self.subject {
            Subject::Bot(bot) => bot,
            Subject::Ssh(ssh) => return ssh.tables(),
            Subject::Firewall(firewall) => return firewall.tables(),
            Subject::Players(players) => return players.tables(),
            Subject::Web(_) | Subject::WebErrors(_) => return Vec::new(),
        };
        let (senders, evicted_senders) = bot.latency.as_ref().map(BotLatency::fill).unwrap_or_default();
        let (kinds, evicted_kinds) = bot.errors.fill();
        vec![
            Table { name: "senders", tracked: senders, limit: bot.max_senders, evicted: evicted_senders },
            Table { name: "error_kinds", tracked: kinds, limit: bot.max_error_kinds, evicted: evicted_kinds },
        ]
    }

    pub(super) fn view(&self) -> SourceView {
        let (status, [parsed, skipped, malformed]) = (self.counters.status(), self.counters.records());
        SourceView {
            name: self.name.clone(),
            file: self.pattern.clone(),
            format: self.format_name.clone(),
            up: status.up,
            caught_up: status.caught_up,
            files: status.files,
            lag_bytes: status.lag_bytes,
            lost_bytes: self.counters.lost_bytes(),
            lines: self.counters.lines(),
            parsed,
            skipped,
            malformed,
            last_record: self.counters.last_record(),
            problem: status.problem.clone().or_else(|| self.format_problem()),
        }
    }

    pub(super) fn recent_errors(&self, privacy: &Privacy) -> Vec<ErrorView> {
        let Subject::Bot(bot) = &self.subject else { return Vec::new() };
        let view = |RecentError { at, kind, summary, context }| ErrorView { source: self.name.clone(), at, kind, summary, context };
        bot.errors.recent(privacy).map(view).collect()
    }

    /// What changed since it was last saved.
    pub(super) fn save(&mut self, privacy: &Privacy, unchanged: &mut Unchanged) -> Vec<Write> {
        let mut section = json_value!({
            "pattern": self.pattern, "bookmarks": self.bookmarks.iter().collect::<Vec<_>>(), "counters": self.counters.save(),
            "open": self.format.save(),
        });
        let mut writes = Vec::new();
        match &mut self.subject {
            Subject::Web(http) => section["http"] = http.save(),
            Subject::Bot(bot) => {
                section["bot"] = bot.metrics.save();
                writes.extend(bot.latency.as_mut().and_then(BotLatency::save));
                writes.extend(unchanged.put(errors_section(&self.name), bot.errors.save(privacy)));
            }
            Subject::Ssh(ssh) => {
                section["ssh"] = ssh.metrics.save();
                writes.extend(ssh.save());
            }
            Subject::Firewall(firewall) => {
                section["firewall"] = firewall.counters();
                writes.extend(firewall.scans.as_mut().and_then(PortScan::save));
            }
            Subject::WebErrors(errors) => section["web_errors"] = errors.save(),
            Subject::Players(players) => {
                section["players"] = players.metrics.save();
                writes.extend(players.players.as_mut().and_then(Players::save));
            }
        }
        writes.extend(unchanged.put(self::section(&self.name), section.to_string().into_bytes()));
        let changed = self.subject.window().map(HourWindow::save_changed).unwrap_or_default();
        writes.extend(changed.into_iter().map(|(place, slot)| Write::Put {
            section: window_section(&self.name, &place.to_string()),
            pieces: vec![slot.to_string().into_bytes()],
        }));
        writes
    }

    /// After a commit that failed.
    pub(super) fn save_all_again(&mut self) {
        if let Some(window) = self.subject.window() {
            window.mark_all_changed();
        }
        self.subject.save_all_again();
    }
}

impl Subject {
    fn on_tick(&mut self, now: Timestamp) {
        if let Some(window) = self.window() {
            window.on_tick(now);
        }
        match self {
            Self::Bot(bot) => bot.latency.iter_mut().for_each(|latency| latency.on_tick(now)),
            Self::Ssh(ssh) => ssh.brute_force.iter_mut().for_each(|detector| detector.on_tick(now)),
            Self::Firewall(firewall) => firewall.scans.iter_mut().for_each(|detector| detector.on_tick(now)),
            Self::Players(players) => players.players.iter_mut().for_each(|players| players.on_tick(now)),
            Self::Web(_) | Self::WebErrors(_) => {}
        }
    }

    fn save_all_again(&mut self) {
        match self {
            Self::Bot(bot) => bot.latency.iter_mut().for_each(BotLatency::save_all_again),
            Self::Ssh(ssh) => ssh.brute_force.iter_mut().for_each(SshBruteForce::save_all_again),
            Self::Firewall(firewall) => firewall.scans.iter_mut().for_each(PortScan::save_all_again),
            Self::Players(players) => players.players.iter_mut().for_each(Players::save_all_again),
            Self::Web(_) | Self::WebErrors(_) => {}
        }
    }

    fn window(&mut self) -> Option<&mut HourWindow> {
        match self {
            Self::Web(http) => Some(http.window()),
            Self::Bot(bot) => Some(bot.metrics.window()),
            _ => None,
        }
    }
}

fn section(source: &str) -> String {
    format!("source/{source}")
}

fn senders_section(source: &str) -> String {
    format!("senders/{source}")
}

fn errors_section(source: &str) -> String {
    format!("errors/{source}")
}

/// Source names hold no slash, so no other source's windows begin like this.
fn window_section(source: &str, place: &str) -> String {
    format!("window/{source}/{place}")
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Web(_) => "Web",
            Self::Bot(_) => "Bot",
            Self::Ssh(_) => "Ssh",
            Self::Firewall(_) => "Firewall",
            Self::WebErrors(_) => "WebErrors",
            Self::Players(_) => "Players",
        })
    }
}

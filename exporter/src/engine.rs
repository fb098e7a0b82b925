#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! The heart: owns all state, takes inputs, gives actions. It never waits and never looks around: time and bytes come in as
//! arguments.
//!
//! A page is answered only when the state that it shows has been saved, so that no crash can make a counter go back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::batch::{Batch, Bookmark};
use crate::event::Timestamp;
use crate::finding::Found;
use crate::metrics::own::{Own, Table};
use crate::metrics::{Page, names};
use crate::privacy::{Privacy, Seal};
use crate::sample::Sample;
use crate::snapshot::{Pieces, Section, Unchanged, Write, json};
use crate::subject::TrustedProxies;

mod decisions;
mod detection;
mod feeds;
mod findings;
mod ledger;
mod links;
mod logged;
mod machine;
mod messages;
mod notices;
pub mod probes;
mod queries;
mod ranking;
mod recorder;
mod source;
mod telling;
mod views;

pub use detection::Setup as DetectionSetup;
use detection::{By as ByWhom, Context, Detection};
use feeds::Feeds;
pub use feeds::{PushSettings, Settings as FeedSettings};
pub use machine::{FirewallSubject, PlayersSubject, SshSubject};
pub use messages::{Action, Answer, Ask, Input, Token};
pub use notices::Setup as NoticesSetup;
use probes::Probes;
pub use queries::{By, FeedFilter, Filter, IncidentFilter, Query, Window};
use source::Source;
pub use source::{About, Setup as SourceSetup, Subject};
pub use views::{ErrorView, SourceView};

/// A record that stays open this long without a further line is complete.
const OPEN_RECORD: Duration = Duration::from_secs(1);
/// The longest that learned things stay unsaved when nobody asks for a page.
const COMMIT_EVERY: Duration = Duration::from_secs(60);
/// The rest before a commit that nothing but findings asks for: a first one is saved at once, and a storm of them costs little.
const FINDINGS_REST: Duration = Duration::from_secs(5);
/// How far a log's clock may be ahead of ours.
pub(crate) const CLOCK_AHEAD: Duration = Duration::from_secs(60);

/// What the engine is built from.
pub struct Setup {
    /// The sources, in the order that [`Batch::source`] counts.
    pub sources: Vec<SourceSetup>,
    /// Proxies that are believed.
    pub proxies: TrustedProxies,
    /// How people are shown.
    pub privacy: Arc<Privacy>,
    /// What looks for attackers.
    pub detection: DetectionSetup,
    /// How the feed is kept; `None`: there is none.
    pub feed: Option<FeedSettings>,
    /// What is kept of the probes.
    pub probes: Vec<Box<dyn probes::Subject>>,
    /// Version and revision of the build.
    pub build: [&'static str; 2],
    /// What was saved.
    pub saved: BTreeMap<String, Section>,
    /// Whether a state could not be read and was kept aside.
    pub set_aside: bool,
    /// Goes into the first commit.
    pub first_writes: Vec<Write>,
}

/// The engine.
pub struct Engine {
    sources: Vec<Source>,
    shared: Shared,
    probes: Probes,
    seal: Option<Seal>,
    build: [&'static str; 2],
    /// Until a commit has succeeded.
    first_writes: Vec<Write>,
    unchanged: Unchanged,
    ready: Readiness,
    /// Who gets the page that is being saved, and the page's parts that only they know.
    committing: Option<Vec<(Token, Page)>>,
    /// Who asked while a commit was under way, with their inbox lengths.
    waiting: Vec<(Token, usize)>,
    last_commit: Timestamp,
    /// Something was read that may not be there, or not be found, a second time.
    is_fleeting: bool,
    stopping: Stopping,
}

/// What all sources work with.
struct Shared {
    proxies: TrustedProxies,
    privacy: Arc<Privacy>,
    own: Own,
    detection: Detection,
    feeds: Feeds,
}

impl Shared {
    /// Tells what a probe led to.
    fn tell(&mut self, now: Timestamp, probe: &'static str, found: Vec<Found>, actions: &mut Vec<Action>) {
        let Self { proxies, privacy, own, detection, feeds } = self;
        let mut context = Context { now, source: probe, proxies, privacy, own, feeds, actions };
        for found in found {
            detection.tell(&mut context, found, ByWhom::default());
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    /// Some source has not read all that was there at the start.
    CatchingUp,
    /// All has been read; the next commit saves it.
    CaughtUp,
    /// All has been read and is being saved.
    Saving,
    /// All has been read and saved once.
    Ready,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    No,
    /// Once the commit that is under way has ended, the last one begins.
    Wanted,
    /// The last commit is under way.
    Saving,
}

impl Engine {
    /// Takes up what was saved.
    pub fn new(setup: Setup) -> Self {
        let Setup { sources, proxies, privacy, detection, feed, probes, build, saved, set_aside, first_writes } = setup;
        let mut own = Own::new(&crate::detectors::NAMES);
        let counters = json(saved.get(OWN_SECTION));
        own.load(&counters);
        if set_aside {
            own.set_aside();
        }
        let seal = privacy.seal();
        let mut saved = saved;
        if let Some(seal) = &seal {
            let sealed = saved.iter_mut().filter(|(section, _)| section.starts_with(detection::SEALED));
            // What another salt sealed is as good as not there.
            sealed.for_each(|(section, parts)| *parts = parts.iter().filter_map(|part| seal.open(section, part)).collect());
        }
        let probes = Probes::new(probes, &saved, &counters);
        let feeds = Feeds::new(feed, &privacy, &saved, &counters);
        let mut detection = Detection::new(detection, &saved, &counters);
        let sources: Vec<Source> = sources.into_iter().map(|setup| Source::new(setup, &saved)).collect();
        for source in &sources {
            detection.leave_alone(source.subject());
        }
        Self {
            sources,
            shared: Shared { proxies, privacy, own, detection, feeds },
            probes,
            seal,
            build,
            first_writes,
            unchanged: Unchanged::default(),
            ready: Readiness::CatchingUp,
            committing: None,
            waiting: Vec::new(),
            last_commit: Timestamp::default(),
            is_fleeting: false,
            stopping: Stopping::No,
        }
    }

    /// The pattern under which a source was read before, if it was, and its bookmarks.
    pub fn bookmarks(&self, source: usize) -> (Option<String>, Vec<(u64, Bookmark)>) {
        self.sources.get(source).map(Source::bookmarks).unwrap_or_default()
    }

    /// Takes one input.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Lines(batch) => self.lines(now, batch, &mut actions),
            Input::Tick => self.tick(now, &mut actions),
            Input::Ask(token, ask) => self.ask(now, token, ask, &mut actions),
            Input::Committed { ok, took } => self.committed(now, ok, took, &mut actions),
            Input::Probed(mut report) => {
                let probe = report.probe;
                let decisions = report.samples.extract_if(.., |sample| matches!(sample, Sample::CrowdSec(_)));
                decisions.for_each(|sample| self.shared.detection.decided(now, sample));
                let found = self.probes.take(now, report);
                self.shared.tell(now, probe, found, &mut actions);
            }
            Input::Surroundings(seen) => self.shared.detection.never_ban.look_around(seen, now),
            Input::Verified { client, bot, proven } => {
                let never_ban = &mut self.shared.detection.never_ban;
                match proven {
                    Some(true) => never_ban.note_verified(client, bot, now),
                    Some(false) => never_ban.note_refuted(client, now),
                    None => never_ban.note_undecided(client, now),
                }
            }
            Input::Delivered(delivered) => self.shared.detection.notices.delivered(now, &delivered),
            Input::Pushed(pushed) => {
                self.shared.feeds.pushed(now, pushed);
                // What an archive missed follows batch on batch: one at each tick would keep it late for long.
                if self.committing.is_none() && self.shared.feeds.wants_commit(now) {
                    self.commit(now, Vec::new(), &mut actions);
                }
            }
            Input::Stop => {
                // A commit that is under way holds what was there when it began.
                self.stopping = if self.committing.is_some() { Stopping::Wanted } else { Stopping::Saving };
                self.shared.detection.notices.stop();
                if self.committing.is_none() {
                    self.commit(now, Vec::new(), &mut actions);
                }
            }
        }
        let Shared { feeds, privacy, .. } = &mut self.shared;
        actions.extend(feeds.next_push(now, privacy).map(Action::Push));
        actions
    }

    fn lines(&mut self, now: Timestamp, batch: Batch, actions: &mut Vec<Action>) {
        let Some(source) = self.sources.get_mut(batch.source) else { return };
        self.is_fleeting |= batch.is_fleeting;
        // Until its bookmark is saved, a log that is rotated away cannot be found again.
        self.is_fleeting |= source.take(now, batch, &mut self.shared, actions);
        if self.ready == Readiness::CatchingUp && self.sources.iter().all(Source::is_caught_up) {
            // The bookmarks of a first start must be on disk before anyone relies on them.
            self.ready = Readiness::CaughtUp;
            self.is_fleeting = true;
        }
        if self.is_fleeting && self.committing.is_none() {
            self.commit(now, Vec::new(), actions);
        }
    }

    fn tick(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        for source in &mut self.sources {
            source.tick(now, &mut self.shared, actions);
        }
        for (probe, found) in self.probes.on_tick(now) {
            self.shared.tell(now, probe, found, actions);
        }
        self.shared.detection.on_tick(now);
        self.shared.feeds.on_tick(now);
        if self.sources.is_empty() && self.ready == Readiness::CatchingUp {
            self.ready = Readiness::CaughtUp;
        }
        let Detection { findings, notices, .. } = &mut self.shared.detection;
        notices.send(now, actions);
        let has_rested = |rest| now.has_passed(rest, self.last_commit);
        let has_findings = findings.are_unsaved() && has_rested(FINDINGS_REST);
        let is_wanted = has_findings || notices.are_unsaved() || self.shared.feeds.wants_commit(now);
        let is_due = self.is_fleeting || is_wanted || has_rested(COMMIT_EVERY);
        if self.committing.is_none() && (self.ready == Readiness::CaughtUp || is_due) {
            self.commit(now, Vec::new(), actions);
        }
    }

    fn ask(&mut self, now: Timestamp, token: Token, ask: Ask, actions: &mut Vec<Action>) {
        let answer = match ask {
            Ask::Page { .. } | Ask::Ready if self.ready != Readiness::Ready => Answer::NotReady,
            Ask::Page { inbox } if self.committing.is_some() => return self.waiting.push((token, inbox)),
            Ask::Page { inbox } => {
                let page = self.page(now, inbox);
                return self.commit(now, vec![(token, page)], actions);
            }
            Ask::Ready => Answer::Ready,
            Ask::Sources => Answer::Sources(self.sources.iter().map(Source::view).collect()),
            Ask::Errors => Answer::Errors(self.sources.iter().flat_map(|source| source.recent_errors(&self.shared.privacy)).collect()),
            Ask::Query(query) => Answer::Json(self.query(now, &query)),
        };
        actions.push(Action::Answer(token, answer));
    }

    fn committed(&mut self, now: Timestamp, ok: bool, took: Duration, actions: &mut Vec<Action>) {
        let answers = self.committing.take().unwrap_or_default();
        actions.extend(answers.into_iter().map(|(token, page)| Action::Answer(token, Answer::Page(page))));
        self.shared.own.commit(took, ok);
        self.shared.feeds.committed(ok);
        if ok {
            self.first_writes.clear();
            self.shared.detection.notices.saved();
            self.shared.detection.notices.send(now, actions);
        } else {
            self.unchanged.forget();
            self.sources.iter_mut().for_each(Source::save_all_again);
            self.shared.detection.save_all_again();
            self.probes.save_all_again();
        }
        if self.ready == Readiness::Saving {
            self.ready = Readiness::Ready;
        }
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            let pages = waiting.into_iter().map(|(token, inbox)| (token, self.page(now, inbox))).collect();
            self.commit(now, pages, actions);
        }
        match self.stopping {
            Stopping::Saving if self.committing.is_none() => actions.push(Action::Stopped),
            Stopping::Wanted if self.committing.is_none() => {
                self.stopping = Stopping::Saving;
                self.commit(now, Vec::new(), actions);
            }
            _ => {}
        }
    }

    /// Saves what changed, and answers with `pages` once it is saved. Nothing changed: nothing to wait for.
    fn commit(&mut self, now: Timestamp, pages: Vec<(Token, Page)>, actions: &mut Vec<Action>) {
        let mut writes = self.first_writes.clone();
        let Shared { own, detection, privacy, feeds, .. } = &mut self.shared;
        writes.extend(self.sources.iter_mut().flat_map(|source| source.save(privacy, &mut self.unchanged)));
        writes.extend(detection.save(privacy, feeds));
        writes.extend(feeds.save(privacy));
        writes.extend(self.probes.save());
        let mut counters = own.save();
        detection.save_counters(&mut counters);
        feeds.save_counters(&mut counters);
        self.probes.save_counters(&mut counters);
        writes.extend(self.unchanged.put(OWN_SECTION.to_owned(), counters.to_string().into_bytes()));
        if let Some(seal) = &self.seal {
            writes = writes.into_iter().filter_map(|write| sealed(seal, write)).collect();
        }
        (self.last_commit, self.is_fleeting) = (now, false);
        if self.ready == Readiness::CaughtUp {
            self.ready = Readiness::Saving;
        }
        self.committing = Some(pages);
        actions.push(Action::Commit(writes));
    }

    /// All rows, as they are now.
    pub fn page(&self, now: Timestamp, inbox: usize) -> Page {
        let mut page = Page::default();
        page.info(&names::BUILD_INFO, &self.build);
        let mut tables: Vec<Table> = self.shared.detection.tables();
        tables.extend(self.probes.tables());
        let mut overflows = 0;
        for source in &self.sources {
            source.show(now, &mut page);
            overflows += source.label_overflows();
            for table in source.tables() {
                match tables.iter_mut().find(|known| known.name == table.name) {
                    Some(sum) => {
                        sum.tracked += table.tracked;
                        sum.limit += table.limit;
                        sum.evicted += table.evicted;
                    }
                    None => tables.push(table),
                }
            }
        }
        page.counter(&names::LABEL_OVERFLOW, &[names::HTTP_REQUESTS.name], overflows);
        Own::show_tables(&tables, &mut page);
        self.shared.detection.show(now, &self.shared.privacy, &mut page);
        self.probes.show(now, &mut page);
        self.shared.feeds.show(&mut page);
        self.shared.own.show(&mut page);
        page.gauge(&names::ENGINE_INBOX, &[], inbox as f64);
        page
    }

    /// How the sources stand, and what each counted: for summaries.
    pub fn subjects(&self) -> impl Iterator<Item = (SourceView, &Subject)> {
        self.sources.iter().map(|source| (source.view(), source.subject()))
    }

    /// Ends records that are still open: the input is at its end.
    pub fn flush(&mut self, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        for source in &mut self.sources {
            source.flush(now, &mut self.shared, &mut actions);
        }
        actions
    }
}

/// The write, with its contents sealed if they name clients.
fn sealed(seal: &Seal, write: Write) -> Option<Write> {
    let closed = |section: &str, pieces: Pieces| pieces.into_iter().map(|piece| seal.close(section, &piece)).collect::<Option<Pieces>>();
    Some(match write {
        Write::Put { ref section, .. } | Write::Append { ref section, .. } if !section.starts_with(detection::SEALED) => write,
        Write::Put { section, pieces } => Write::Put { pieces: closed(&section, pieces)?, section },
        Write::Append { section, pieces } => Write::Append { pieces: closed(&section, pieces)?, section },
        Write::Delete { section } => Write::Delete { section },
    })
}

const OWN_SECTION: &str = "own";

#[cfg(test)]
mod tests;

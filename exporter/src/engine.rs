#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! The heart: owns all state, takes inputs, gives actions. It never waits and never looks around: time and bytes come in as
//! arguments.
//!
//! A page is answered only when the state that it shows has been saved, so that no crash can make a counter go back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::batch::{Batch, Bookmark};
use crate::event::{Timestamp, rfc3339, rfc3339_or_null};
use crate::finding::Finding;
use crate::metrics::own::{Own, Table};
use crate::metrics::{Page, names};
use crate::privacy::Privacy;
use crate::snapshot::{Section, Unchanged, Write, json};
use crate::subject::TrustedProxies;

mod machine;
mod recorder;
mod source;

pub use machine::{FirewallSubject, PlayersSubject, SshSubject};
use source::Source;
pub use source::{About, Setup as SourceSetup, Subject};

/// A record that stays open this long without a further line is complete.
const OPEN_RECORD: Duration = Duration::from_secs(1);
/// The longest that learned things stay unsaved when nobody asks for a page.
const COMMIT_EVERY: Duration = Duration::from_secs(60);
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
    /// Version and revision of the build.
    pub build: [&'static str; 2],
    /// What was saved.
    pub saved: BTreeMap<String, Section>,
    /// Whether a state could not be read and was kept aside.
    pub set_aside: bool,
    /// Goes into the first commit.
    pub first_writes: Vec<Write>,
}

/// Who asked: given back with the answer.
pub type Token = u64;

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// Lines of a source.
    Lines(Batch),
    /// Time passed.
    Tick,
    /// Somebody asks.
    Ask(Token, Ask),
    /// The last [`Action::Commit`] ended after `took`.
    Committed {
        /// Whether it was written.
        ok: bool,
        /// How long it took.
        took: Duration,
    },
    /// No more input will come: save what is left.
    Stop,
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The metrics. `inbox` batches wait for the engine.
    Page {
        /// Batches in the inbox.
        inbox: usize,
    },
    /// Whether everything that was there at the start has been read.
    Ready,
    /// How the sources stand.
    Sources,
    /// The most recent errors of the bots.
    Errors,
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// The page, saved.
    Page(Page),
    /// Not caught up yet.
    NotReady,
    /// For [`Ask::Ready`], when it is so.
    Ready,
    /// For [`Ask::Sources`].
    Sources(Vec<SourceView>),
    /// For [`Ask::Errors`], newest first.
    Errors(Vec<ErrorView>),
}

/// How a source stands, for people and the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// What it reads.
    pub file: String,
    /// Its format.
    pub format: String,
    /// Whether it can be read.
    pub up: bool,
    /// Whether everything that was there at the start has been read.
    pub caught_up: bool,
    /// Files being followed.
    pub files: u64,
    /// Bytes not read yet.
    pub lag_bytes: u64,
    /// Bytes that never will be read.
    pub lost_bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Records that told something.
    pub parsed: u64,
    /// Records that told nothing.
    pub skipped: u64,
    /// Records that were malformed.
    pub malformed: u64,
    /// When the newest record happened.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub last_record: Option<Timestamp>,
    /// What is wrong, if anything is.
    pub problem: Option<String>,
}

/// An error of a bot. Its texts are scrubbed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ErrorView {
    /// Which source.
    pub source: String,
    /// When, by the log's own clock.
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// `error`, `critical` or `traceback`.
    pub kind: String,
    /// One line that says what it was.
    pub summary: String,
    /// The whole record.
    pub context: String,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Save this in one transaction; [`Input::Committed`] must follow. There is never more than one under way.
    Commit(Vec<Write>),
    /// Answer who asked.
    Answer(Token, Answer),
    /// Tell people.
    Finding(Finding),
    /// Tell the operator that a source's clients hide behind a proxy.
    ProxySuspected {
        /// The source.
        source: String,
    },
    /// These bytes were read; the buffer may be used again.
    Recycle(Vec<u8>),
    /// All is saved after [`Input::Stop`].
    Stopped,
}

/// The engine.
pub struct Engine {
    sources: Vec<Source>,
    proxies: TrustedProxies,
    privacy: Arc<Privacy>,
    build: [&'static str; 2],
    own: Own,
    /// Until a commit has succeeded.
    first_writes: Vec<Write>,
    unchanged: Unchanged,
    ready: Readiness,
    /// Who gets the page that is being saved, and the page's parts that only they know.
    committing: Option<Vec<(Token, Page)>>,
    /// Who asked while a commit was under way, with their inbox lengths.
    waiting: Vec<(Token, usize)>,
    last_commit: Timestamp,
    stopping: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    /// Some source has not read all that was there at the start.
    CatchingUp,
    /// All has been read and is being saved.
    Saving,
    /// All has been read and saved once.
    Ready,
}

impl Engine {
    /// Takes up what was saved.
    pub fn new(setup: Setup) -> Self {
        let Setup { sources, proxies, privacy, build, saved, set_aside, first_writes } = setup;
        let mut own = Own::new(&crate::detectors::NAMES);
        own.load(&json(saved.get(OWN_SECTION)));
        if set_aside {
            own.set_aside();
        }
        Self {
            sources: sources.into_iter().map(|setup| Source::new(setup, &saved)).collect(),
            proxies,
            privacy,
            build,
            own,
            first_writes,
            unchanged: Unchanged::default(),
            ready: Readiness::CatchingUp,
            committing: None,
            waiting: Vec::new(),
            last_commit: Timestamp::default(),
            stopping: false,
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
            Input::Stop => {
                self.stopping = true;
                if self.committing.is_none() {
                    self.commit(now, Vec::new(), &mut actions);
                }
            }
        }
        actions
    }

    fn lines(&mut self, now: Timestamp, batch: Batch, actions: &mut Vec<Action>) {
        let Some(source) = self.sources.get_mut(batch.source) else { return };
        source.take(now, batch, &self.proxies, &self.privacy, &mut self.own, actions);
        if self.ready == Readiness::CatchingUp && self.sources.iter().all(Source::is_caught_up) {
            // The bookmarks of a first start must be on disk before anyone relies on them.
            self.ready = Readiness::Saving;
            if self.committing.is_none() {
                self.commit(now, Vec::new(), actions);
            }
        }
    }

    fn tick(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        for source in &mut self.sources {
            source.tick(now, &self.proxies, &self.privacy, &mut self.own, actions);
        }
        if self.sources.is_empty() && self.ready == Readiness::CatchingUp {
            self.ready = Readiness::Saving;
        }
        if self.committing.is_none() && (self.ready == Readiness::Saving || now.since(self.last_commit) >= COMMIT_EVERY) {
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
            Ask::Errors => Answer::Errors(self.sources.iter().flat_map(Source::recent_errors).collect()),
        };
        actions.push(Action::Answer(token, answer));
    }

    fn committed(&mut self, now: Timestamp, ok: bool, took: Duration, actions: &mut Vec<Action>) {
        let answers = self.committing.take().unwrap_or_default();
        actions.extend(answers.into_iter().map(|(token, page)| Action::Answer(token, Answer::Page(page))));
        self.own.commit(took, ok);
        if ok {
            self.first_writes.clear();
        } else {
            self.unchanged.forget();
            self.sources.iter_mut().for_each(Source::save_all_again);
        }
        if self.ready == Readiness::Saving {
            self.ready = Readiness::Ready;
        }
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            let pages = waiting.into_iter().map(|(token, inbox)| (token, self.page(now, inbox))).collect();
            self.commit(now, pages, actions);
        } else if self.stopping {
            actions.push(Action::Stopped);
        }
    }

    /// Saves what changed, and answers with `pages` once it is saved. Nothing changed: nothing to wait for.
    fn commit(&mut self, now: Timestamp, pages: Vec<(Token, Page)>, actions: &mut Vec<Action>) {
        let mut writes = self.first_writes.clone();
        writes.extend(self.sources.iter_mut().flat_map(|source| source.save(&mut self.unchanged)));
        writes.extend(self.unchanged.put(OWN_SECTION.to_owned(), self.own.save().to_string().into_bytes()));
        self.last_commit = now;
        self.committing = Some(pages);
        actions.push(Action::Commit(writes));
    }

    /// All rows, as they are now.
    pub fn page(&self, now: Timestamp, inbox: usize) -> Page {
        let mut page = Page::default();
        page.info(&names::BUILD_INFO, &self.build);
        let mut tables: Vec<Table> = Vec::new();
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
        self.own.show(&mut page);
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
            source.flush(now, &self.proxies, &self.privacy, &mut self.own, &mut actions);
        }
        actions
    }
}

const OWN_SECTION: &str = "own";

#[cfg(test)]
mod tests;

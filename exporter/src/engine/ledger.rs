//! Attacks for people to read: the last ones, what is attacked most, and samples of what each suspicious client did. What metrics must
//! not carry: paths, agents, addresses.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::logged::{LoggedAttack, LoggedAttacks, Seen, Showing, cut};
use crate::detectors::window::{DAY, Table, Weigh, seconds};
use crate::event::{Attack, AttackClass, HttpRequest, Timestamp};
use crate::privacy::Privacy;
use crate::snapshot::{ChangeLog, Section, Write, json_lines};
use crate::subject::Client;

/// Attacks that are kept for people.
pub(super) const MAX_RECENT: usize = 500;
/// Paths and agents counted, each by site and class.
const MAX_TOPS: usize = 2_048;
/// Newcomers remembered while they wait for their second time.
const WAITING: usize = 4_096;
/// Clients of which samples are kept, and how many of each.
const MAX_SAMPLED: usize = 1_024;
const MAX_SAMPLES: usize = 8;
/// Deeds after which a client is worth a place among those of which samples are kept.
const DEEDS_TO_ENTER: u32 = 3;
/// The longest path and agent that are shown, in characters.
const TEXT_CHARS: usize = 200;

/// The sections of the ledger; those that name clients begin with `clients/`.
const RECENT: &str = "clients/attacks";
const TOPS: &str = "tops";
const SAMPLES: &str = "clients/samples";

/// Texts as this room shows them.
pub(super) fn showing(privacy: &Privacy) -> Showing<'_> {
    Showing::new(privacy, TEXT_CHARS)
}

/// An attack, fit to be shown but for its client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Seconds since the epoch.
    pub(super) at: u32,
    pub(super) source: String,
    pub(super) site: String,
    pub(super) client: Client,
    pub(super) country: String,
    pub(super) class: AttackClass,
    pub(super) why: String,
    pub(super) meaning: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) user_agent: String,
}

impl Entry {
    fn new(logged: &LoggedAttack, showing: &Showing<'_>) -> Self {
        let shown = |text: &[u8]| showing.text(text, TEXT_CHARS);
        let plain = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let texts = logged.texts();
        Self {
            at: seconds(logged.at),
            source: plain(texts.source),
            site: plain(texts.site),
            client: logged.client,
            country: plain(&logged.country),
            class: logged.attack.class,
            why: logged.attack.why.to_owned(),
            meaning: logged.attack.meaning.to_owned(),
            method: shown(texts.method),
            path: shown(texts.target),
            status: logged.status,
            user_agent: showing.agent(texts.user_agent),
        }
    }
}

/// What is counted for a ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum What {
    Path,
    Agent,
}

/// How often something was part of an attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Top {
    pub(super) what: What,
    pub(super) site: String,
    pub(super) class: AttackClass,
    pub(super) text: Text,
    pub(super) count: u64,
    pub(super) last: u32,
}

impl Weigh for Top {
    fn weight(&self, now: u32) -> u64 {
        self.count.min(1 << 30) << 20 >> (now.saturating_sub(self.last) / DAY).min(40)
    }
}

/// A text of a request: as logged until somebody looks at it or it is saved, since most are never looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(super) enum Text {
    Raw(Arc<[u8]>),
    Agent(Arc<[u8]>),
    Shown(Arc<str>),
}

impl From<String> for Text {
    fn from(shown: String) -> Self {
        Self::Shown(shown.into())
    }
}

/// What was not made ready for people is nothing for the disk either.
impl From<Text> for String {
    fn from(text: Text) -> Self {
        if let Text::Shown(shown) = text { shown.as_ref().to_owned() } else { Self::new() }
    }
}

impl Text {
    fn new(text: &[u8]) -> Self {
        Self::Raw(cut(text).into())
    }

    /// A user agent.
    fn agent(agent: &[u8]) -> Self {
        Self::Agent(cut(agent).into())
    }

    /// As people may see it.
    pub(super) fn shown(&self, showing: &Showing<'_>) -> String {
        match self {
            Self::Raw(text) => showing.text(text, TEXT_CHARS),
            Self::Agent(agent) => showing.agent(agent),
            Self::Shown(text) => text.as_ref().to_owned(),
        }
    }

    fn make_shown(&mut self, showing: &Showing<'_>) {
        if !matches!(self, Self::Shown(_)) {
            *self = Self::Shown(self.shown(showing).into());
        }
    }

    /// The same text, if this is one as logged.
    fn same(&self, logged: &[u8]) -> Option<Self> {
        let (Self::Raw(text) | Self::Agent(text)) = self else { return None };
        (**text == *cut(logged)).then(|| self.clone())
    }
}

/// One thing that a client did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) at: u32,
    pub(super) class: AttackClass,
    pub(super) why: Cow<'static, str>,
    pub(super) meaning: Cow<'static, str>,
    pub(super) method: Text,
    pub(super) path: Text,
    pub(super) status: u16,
    pub(super) user_agent: Text,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Samples {
    kept: Vec<Sample>,
    count: u32,
    last: u32,
}

impl Samples {
    fn make_shown(&mut self, showing: &Showing<'_>) {
        for place in 0..self.kept.len() {
            let (before, rest) = self.kept.split_at_mut(place);
            let Some(sample) = rest.first_mut() else { return };
            [&mut sample.method, &mut sample.path, &mut sample.user_agent].into_iter().for_each(|text| text.make_shown(showing));
            // What was kept once is again.
            if let Some(other) = before.iter().find(|other| other.user_agent == sample.user_agent) {
                sample.user_agent = other.user_agent.clone();
            }
        }
    }
}

impl Weigh for Samples {
    fn weight(&self, now: u32) -> u64 {
        u64::from(self.count) << 20 >> (now.saturating_sub(self.last) / DAY).min(40)
    }
}

/// The ledger.
pub(super) struct Ledger {
    /// The last attacks before the start, as they were saved, and those since.
    before: VecDeque<Entry>,
    since: LoggedAttacks,
    /// How many of the newest are not saved yet.
    unsaved: usize,
    log: ChangeLog,
    tops: Table<u64, Top>,
    /// Newcomers to the full table, by a part of their key.
    waiting: Vec<u64>,
    samples: Table<Client, Samples>,
}

impl Ledger {
    /// Takes up what was saved.
    pub(super) fn new<'s>(saved: impl Fn(&str) -> Option<&'s Section>) -> Self {
        let lines = saved(RECENT).into_iter().flat_map(json_lines);
        let mut before: VecDeque<Entry> = lines.filter_map(|line| serde_json::from_value(line).ok()).collect();
        before.drain(..before.len().saturating_sub(MAX_RECENT));
        Self {
            before,
            since: LoggedAttacks::default(),
            unsaved: 0,
            log: ChangeLog::new(RECENT.to_owned(), saved(RECENT)),
            waiting: vec![0; WAITING],
            tops: Table::new(MAX_TOPS, TOPS.to_owned(), saved(TOPS)),
            samples: Table::new(MAX_SAMPLED, SAMPLES.to_owned(), saved(SAMPLES)),
        }
    }

    /// Writes an attack down. `is_new`: the client has not done the same before.
    pub(super) fn add(&mut self, at: Timestamp, place: &Seen<'_>, request: &HttpRequest<'_>, attack: Attack, is_new: bool) {
        let secs = seconds(at);
        for (what, text) in [(What::Path, place.path), (What::Agent, request.user_agent)] {
            self.count(secs, place, attack.class, what, text);
        }
        if is_new {
            self.sample(secs, place, request, attack);
        }
        self.unsaved = (self.unsaved + 1).min(MAX_RECENT);
        self.since.push(at, place, request, attack);
        if self.before.len() + self.since.len() > MAX_RECENT && self.before.pop_front().is_none() {
            self.since.pop();
        }
    }

    /// Keeps a sample of what a client does: one of each kind, so that a long list of the same hides nothing. In a full table only who
    /// has done several things gets in.
    fn sample(&mut self, secs: u32, place: &Seen<'_>, request: &HttpRequest<'_>, attack: Attack) {
        let known = self.samples.find(&place.client);
        if known.is_none() && place.deeds < DEEDS_TO_ENTER && self.samples.is_full() {
            return;
        }
        let known = known.unwrap_or_else(|| self.samples.enter(place.client, secs, Samples::default()));
        let samples = self.samples.at_mut(known);
        (samples.count, samples.last) = (samples.count.saturating_add(1), secs);
        let is_alike = |sample: &Sample| sample.class == attack.class && sample.meaning == attack.meaning && sample.why == attack.why;
        if samples.kept.iter().any(is_alike) {
            return;
        }
        if samples.kept.len() >= MAX_SAMPLES {
            // A class that has no sample yet takes the place of the oldest of those that have several, else of a less important one.
            if samples.kept.iter().any(|sample| sample.class == attack.class) {
                return;
            }
            let several = |class| samples.kept.iter().filter(|other| other.class == class).count() > 1;
            let repeated = samples.kept.iter().enumerate().filter(|(_, sample)| several(sample.class)).min_by_key(|(_, sample)| sample.at);
            let lesser =
                || samples.kept.iter().enumerate().max_by_key(|(_, sample)| sample.class).filter(|(_, one)| one.class > attack.class);
            let Some((place, _)) = repeated.or_else(lesser) else { return };
            samples.kept.remove(place);
        }
        // A client hardly ever changes its method, nor its agent.
        let kept = &mut samples.kept;
        let method = kept.iter().find_map(|sample| sample.method.same(request.method));
        let user_agent = kept.iter().find_map(|sample| sample.user_agent.same(request.user_agent));
        let sample = Sample {
            at: secs,
            class: attack.class,
            why: attack.why.into(),
            meaning: attack.meaning.into(),
            method: method.unwrap_or_else(|| Text::new(request.method)),
            path: Text::new(request.target),
            status: request.status,
            user_agent: user_agent.unwrap_or_else(|| Text::agent(request.user_agent)),
        };
        // Most clients have one or two.
        kept.reserve_exact(1);
        kept.push(sample);
    }

    fn count(&mut self, secs: u32, place: &Seen<'_>, class: AttackClass, what: What, text: &[u8]) {
        // Stays the same over restarts; whoever makes two paths meet spoils a ranking and nothing else.
        let key = foldhash::fast::FixedState::default().hash_one((place.site, class, what, text));
        let known = self.tops.find(&key);
        // A path that comes once must not push one out that comes often: in a full table a newcomer waits for its second time.
        if known.is_none() && self.tops.is_full() {
            let waiting = &mut self.waiting[(key % WAITING as u64) as usize];
            if std::mem::replace(waiting, key) != key {
                return;
            }
        }
        let known = known.unwrap_or_else(|| {
            let text = if what == What::Agent { Text::agent(text) } else { Text::new(text) };
            let top = Top { what, site: place.site.to_owned(), class, text, count: 0, last: secs };
            self.tops.enter(key, secs, top)
        });
        let top = self.tops.at_mut(known);
        (top.count, top.last) = (top.count + 1, top.last.max(secs));
    }

    /// The last attacks, newest first.
    pub(super) fn recent(&self, privacy: &Privacy) -> impl Iterator<Item = Entry> {
        let showing = showing(privacy);
        self.since.iter(0).rev().map(move |logged| Entry::new(&logged, &showing)).chain(self.before.iter().rev().cloned())
    }

    /// All that is ranked.
    pub(super) fn tops(&self) -> impl Iterator<Item = &Top> {
        self.tops.iter().map(|(_, top)| top)
    }

    /// What a client did, newest first.
    pub(super) fn samples(&self, client: Client) -> impl Iterator<Item = &Sample> {
        let mut samples: Vec<&Sample> = self.samples.get(&client).into_iter().flat_map(|samples| &samples.kept).collect();
        samples.sort_by_key(|sample| std::cmp::Reverse(sample.at));
        samples.into_iter()
    }

    /// Forgets what nobody has done for two days.
    pub(super) fn on_tick(&mut self, now: Timestamp) {
        let now = seconds(now);
        self.tops.sweep(8, |top| now.saturating_sub(top.last) > 2 * DAY);
        self.samples.sweep(4, |samples| now.saturating_sub(samples.last) > 30 * DAY);
    }

    /// The writes that save what is new.
    pub(super) fn save(&mut self, privacy: &Privacy) -> Vec<Write> {
        let known = self.before.len() + self.since.len() - std::mem::take(&mut self.unsaved);
        let (before, since, showing) = (&self.before, &self.since, showing(privacy));
        let shown = |known: usize| {
            let since = since.iter(known.saturating_sub(before.len())).map(|logged| Entry::new(&logged, &showing));
            before.iter().skip(known).cloned().chain(since).collect()
        };
        self.samples.each_changed(|samples| samples.make_shown(&showing));
        self.tops.each_changed(|top| top.text.make_shown(&showing));
        let write = self.log.write(|| shown(known), || shown(0));
        write.into_iter().chain(self.tops.save()).chain(self.samples.save()).collect()
    }

    /// After a commit that failed.
    pub(super) fn save_all_again(&mut self) {
        self.log.rewrite();
        self.tops.save_all_again();
        self.samples.save_all_again();
    }
}

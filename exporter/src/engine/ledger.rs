//! Attacks for people to read: the last ones, what is attacked most, and samples of what each suspicious client did. What metrics must
//! not carry: paths, agents, addresses.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::logged::{LoggedAttack, LoggedAttacks, Seen, Showing, cut};
use crate::detectors::window::{DAY, Place, Table, Weigh, seconds};
use crate::event::{Attack, AttackClass, HttpRequest, Timestamp};
use crate::privacy::Privacy;
use crate::snapshot::{ChangeLog, Lines, Section, Write, json_lines};
use crate::subject::Client;

mod samples;

pub(super) use samples::Sample;
use samples::Samples;

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
/// Different methods that are kept once.
const MAX_METHODS: usize = 16;
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
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "String")]
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

impl Default for Text {
    fn default() -> Self {
        Self::Shown(Arc::default())
    }
}

/// What was not made ready for people is nothing for the disk either.
impl Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(if let Self::Shown(shown) = self { shown } else { "" })
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

/// The last attacks. Those since the start are with the feed, as far as it had room for them: nothing is written down twice.
struct Recent {
    /// Before the start, as they were saved.
    before: VecDeque<Entry>,
    /// How many there were since.
    count: u64,
    /// Those of them that the feed had no room for.
    unfed: LoggedAttacks,
}

/// The number of the first attack that is among the last, when there were `count`.
pub(super) fn first_recent(count: u64) -> u64 {
    count.saturating_sub(MAX_RECENT as u64)
}

impl Recent {
    fn new(mut before: VecDeque<Entry>) -> Self {
        before.drain(..before.len().saturating_sub(MAX_RECENT));
        Self { before, count: 0, unfed: LoggedAttacks::default() }
    }

    /// One more has been written down.
    fn one_more(&mut self) {
        self.count += 1;
        self.unfed.forget_until(first_recent(self.count));
        if self.before.len() + self.since() > MAX_RECENT {
            self.before.pop_front();
        }
    }

    /// How many came since the start.
    fn since(&self) -> usize {
        usize::try_from(self.count - first_recent(self.count)).unwrap_or(MAX_RECENT)
    }

    /// The last so many since the start, oldest first.
    fn last(&self, count: usize, fed: &LoggedAttacks) -> Vec<LoggedAttack> {
        let first = self.count.saturating_sub(count as u64);
        let mut last: Vec<LoggedAttack> = fed.since(first).chain(self.unfed.since(first)).collect();
        last.sort_unstable_by_key(|logged| logged.number);
        last
    }

    /// The last so many, oldest first.
    fn shown(&self, count: usize, fed: &LoggedAttacks, showing: &Showing<'_>) -> Lines {
        let since = self.since().min(count);
        let before = self.before.iter().skip((self.before.len() + since).saturating_sub(count));
        let since = self.last(since, fed).into_iter().map(|logged| Entry::new(&logged, showing));
        before.cloned().chain(since).collect()
    }
}

/// The ledger.
pub(super) struct Ledger {
    recent: Recent,
    /// How many of the newest are not saved yet.
    unsaved: usize,
    log: ChangeLog,
    tops: Table<u64, Top>,
    /// Newcomers to the full table, by a part of their key.
    waiting: Vec<u64>,
    samples: Table<Client, Samples>,
    /// Methods of samples: there are few, and each is kept once.
    methods: Vec<Text>,
}

impl Ledger {
    /// Takes up what was saved.
    pub(super) fn new<'s>(saved: impl Fn(&str) -> Option<&'s Section>) -> Self {
        let lines = saved(RECENT).into_iter().flat_map(json_lines);
        Self {
            recent: Recent::new(lines.filter_map(|line| serde_json::from_value(line).ok()).collect()),
            unsaved: 0,
            log: ChangeLog::new(RECENT.to_owned(), saved(RECENT)),
            waiting: vec![0; WAITING],
            tops: Table::new(MAX_TOPS, TOPS.to_owned(), saved(TOPS)),
            samples: Table::new(MAX_SAMPLED, SAMPLES.to_owned(), saved(SAMPLES)),
            methods: Vec::new(),
        }
    }

    /// How many attacks there were since the start.
    pub(super) fn count(&self) -> u64 {
        self.recent.count
    }

    /// Writes an attack down. `is_new`: the client has not done the same before. `is_fed`: the feed has it.
    pub(super) fn add(&mut self, at: Timestamp, place: &Seen<'_>, request: &HttpRequest<'_>, attack: Attack, is_new: bool, is_fed: bool) {
        let secs = seconds(at);
        let ranked = [(What::Path, place.path), (What::Agent, request.user_agent)];
        let ranked = ranked.map(|(what, text)| self.rank(secs, place, attack.class, what, text));
        if is_new {
            self.sample(secs, place, request, attack, ranked);
        }
        self.unsaved = (self.unsaved + 1).min(MAX_RECENT);
        if !is_fed {
            self.recent.unfed.push(at, place, request, attack);
        }
        self.recent.one_more();
    }

    /// Keeps a sample of what a client does: one of each kind, so that a long list of the same hides nothing. In a full table only who
    /// has done several things gets in. `ranked`: where its path and agent stand, whose texts need not be kept twice.
    fn sample(&mut self, secs: u32, place: &Seen<'_>, request: &HttpRequest<'_>, attack: Attack, ranked: [Option<Place>; 2]) {
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
        let [path, user_agent] = [(ranked[0], request.target), (ranked[1], request.user_agent)]
            .map(|(place, text)| place.and_then(|place| self.tops.at(place).text.same(text)));
        // A client hardly ever changes its agent.
        let kept = &mut samples.kept;
        let user_agent = user_agent.or_else(|| kept.iter().find_map(|sample| sample.user_agent.same(request.user_agent)));
        let sample = Sample {
            at: secs,
            class: attack.class,
            why: attack.why.into(),
            meaning: attack.meaning.into(),
            method: known_method(&mut self.methods, request.method),
            path: path.unwrap_or_else(|| Text::new(request.target)),
            status: request.status,
            user_agent: user_agent.unwrap_or_else(|| Text::agent(request.user_agent)),
        };
        // Most clients have one or two.
        kept.reserve_exact(1);
        kept.push(sample);
    }

    /// Counts a text; gives where it stands, if it does.
    fn rank(&mut self, secs: u32, place: &Seen<'_>, class: AttackClass, what: What, text: &[u8]) -> Option<Place> {
        // Stays the same over restarts; whoever makes two paths meet spoils a ranking and nothing else.
        let key = foldhash::fast::FixedState::default().hash_one((place.site, class, what, text));
        let known = self.tops.find(&key);
        // A path that comes once must not push one out that comes often: in a full table a newcomer waits for its second time.
        if known.is_none() && self.tops.is_full() {
            let waiting = &mut self.waiting[(key % WAITING as u64) as usize];
            if std::mem::replace(waiting, key) != key {
                return None;
            }
        }
        let known = known.unwrap_or_else(|| {
            let text = if what == What::Agent { Text::agent(text) } else { Text::new(text) };
            let top = Top { what, site: place.site.to_owned(), class, text, count: 0, last: secs };
            self.tops.enter(key, secs, top)
        });
        let top = self.tops.at_mut(known);
        (top.count, top.last) = (top.count + 1, top.last.max(secs));
        Some(known)
    }

    /// The last attacks, newest first. `fed` has those that the feed keeps.
    pub(super) fn recent(&self, privacy: &Privacy, fed: &LoggedAttacks) -> impl Iterator<Item = Entry> {
        let (showing, last) = (showing(privacy), self.recent.last(MAX_RECENT, fed));
        let before = self.recent.before.iter().rev().cloned();
        last.into_iter().rev().map(move |logged| Entry::new(&logged, &showing)).chain(before)
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
    pub(super) fn save(&mut self, privacy: &Privacy, fed: &LoggedAttacks) -> Vec<Write> {
        let (unsaved, showing) = (std::mem::take(&mut self.unsaved), showing(privacy));
        let shown = |count| self.recent.shown(count, fed, &showing);
        let write = self.log.write(|| shown(unsaved), || shown(MAX_RECENT));
        self.samples.each_changed(|samples| samples.make_shown(&showing));
        self.tops.each_changed(|top| top.text.make_shown(&showing));
        write.into_iter().chain(self.tops.save()).chain(self.samples.save()).collect()
    }

    /// After a commit that failed.
    pub(super) fn save_all_again(&mut self) {
        self.log.rewrite();
        self.tops.save_all_again();
        self.samples.save_all_again();
    }
}

/// A method as a text that others with the same share.
fn known_method(methods: &mut Vec<Text>, method: &[u8]) -> Text {
    methods.iter().find_map(|known| known.same(method)).unwrap_or_else(|| {
        let text = Text::new(method);
        if methods.len() < MAX_METHODS {
            methods.push(text.clone());
        }
        text
    })
}

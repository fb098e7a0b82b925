//! What waits to be told by one notifier: who has to hear of what, when, and in how many messages.
//!
//! An entry is an incident, not a message: what happens to an incident while it waits is told with it, so a flood makes the messages
//! fuller and not more. Entries are saved with what led to them and leave when their outcome is saved; so a crash repeats at most the one
//! delivery that was under way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::incidents::{Changed, Incidents};
use super::quiet_hours::QuietHours;
use crate::event::Timestamp;
use crate::finding::Severity;
use crate::incident::{Change, Delivered, Delivery, Incident, Outcome, PLAYERS, Told};
use crate::snapshot::{ChangeLog, Section, Write, json_lines};

/// How long the next edit waits after the first message, the first edit, and so on, in seconds: news grows old.
const EDIT_AFTER_SECS: [u64; 3] = [60, 600, 3_600];

/// How one notifier is to be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The least severity that is told.
    pub least: Severity,
    /// Kinds that are not told.
    pub muted: Vec<String>,
    /// When only what is critical is told; the rest waits.
    pub quiet: Option<QuietHours>,
    /// So many or more incidents that wait to be told of for the first time are told in one digest.
    pub digest_from: usize,
    /// The most incidents in a digest.
    pub digest_max: usize,
    /// The most messages and edits for one incident, at least 2.
    pub max_posts: u32,
    /// Whether what goes on is told by editing the first message. Otherwise each change is news of its own.
    pub edits: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { least: Severity::Info, muted: Vec::new(), quiet: None, digest_from: 5, digest_max: 25, max_posts: 5, edits: true }
    }
}

/// What is counted of deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Messages and edits that arrived.
    pub sent: u64,
    /// Changes of incidents that were told together with others.
    pub merged: u64,
    /// Attempts that have to be made again.
    pub retried: u64,
    /// Incidents of which nobody will hear by this notifier.
    pub dropped: u64,
}

/// An incident that has been or is to be told of.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    /// What there is to tell, and when; `None`: all is told.
    news: Option<News>,
    /// Whether it has been told of.
    told: bool,
    /// The message that tells of it, if that can be edited.
    message: Option<String>,
    /// Messages and edits so far, and those of which nobody knows.
    posts: u32,
    /// Whether this entry is on disk.
    #[serde(skip)]
    saved: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct News {
    change: Change,
    /// Since when it waits.
    since: Timestamp,
    /// It is not told before.
    due: Timestamp,
}

/// Whether the outcome of the last delivery is on disk: until then nothing more is sent, so that a crash repeats one message at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcomes {
    Saved,
    Saving,
    Unsaved,
}

/// The incidents that one notifier tells of.
pub struct Outbox {
    notifier: &'static str,
    settings: Settings,
    entries: BTreeMap<u64, Entry>,
    /// What is being delivered: the incidents, and those of them that changed meanwhile.
    in_flight: Option<(Vec<u64>, BTreeMap<u64, Changed>)>,
    /// Whether the last outcome is on disk.
    outcome: Outcomes,
    blocked_until: Timestamp,
    counts: Counts,
    unsaved: BTreeSet<u64>,
    saving: BTreeSet<u64>,
    log: ChangeLog,
}

impl Outbox {
    /// Takes up what was saved: the entries, and the counts as [`Outbox::counts`] gave them.
    pub fn new(notifier: &'static str, settings: Settings, saved: Option<&Section>, counts: Counts) -> Self {
        let mut entries = BTreeMap::new();
        for line in saved.into_iter().flat_map(json_lines) {
            let Ok((id, entry)) = serde_json::from_value::<(u64, Option<Entry>)>(line) else { continue };
            match entry {
                Some(entry) => entries.insert(id, Entry { saved: true, ..entry }),
                None => entries.remove(&id),
            };
        }
        Self {
            notifier,
            settings,
            entries,
            in_flight: None,
            outcome: Outcomes::Saved,
            blocked_until: Timestamp::default(),
            counts,
            unsaved: BTreeSet::new(),
            saving: BTreeSet::new(),
            log: ChangeLog::new(section(notifier), saved),
        }
    }

    /// The notifier's name.
    pub fn notifier(&self) -> &'static str {
        self.notifier
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many incidents wait to be told of, and since when the first of them.
    pub fn waiting(&self) -> (usize, Option<Timestamp>) {
        let waiting = || self.entries.values().filter_map(|entry| entry.news);
        (waiting().count(), waiting().map(|news| news.since).min())
    }

    /// Takes a change of an incident.
    pub fn note(&mut self, now: Timestamp, incident: &Incident, changed: Changed) {
        // Who plays is no matter of severity.
        if (incident.severity < self.settings.least && incident.kind != PLAYERS) || self.settings.muted.contains(&incident.kind) {
            return;
        }
        self.unsaved.insert(incident.id);
        let Some(entry) = self.entries.get_mut(&incident.id) else {
            if changed.change != Change::Closed {
                let news = Some(News { change: Change::Opened, since: now, due: now });
                self.entries.insert(incident.id, Entry { news, told: false, message: None, posts: 0, saved: false });
            }
            return;
        };
        if let Some((ids, meanwhile)) = &mut self.in_flight
            && ids.contains(&incident.id)
        {
            let is_worse = changed.is_worse || meanwhile.get(&incident.id).is_some_and(|before| before.is_worse);
            meanwhile.insert(incident.id, Changed { is_worse, ..changed });
            return;
        }
        let is_final = changed.change == Change::Closed;
        match &mut entry.news {
            // An incident that nobody has heard of opens, whatever happened to it since.
            Some(news) if !entry.told => {
                news.due = news.due.min(now);
                self.counts.merged += 1;
            }
            Some(news) => {
                news.change = changed.change;
                if is_final || changed.is_worse {
                    news.due = now;
                }
                self.counts.merged += 1;
            }
            None => match news(entry, &self.settings, now, changed) {
                Some(news) => entry.news = Some(news),
                None => self.counts.merged += u64::from(!is_final),
            },
        }
        // Who has to be woken hears of it anew: an edit makes no sound.
        if changed.is_worse && incident.severity == Severity::Critical && entry.posts + 2 <= self.settings.max_posts {
            entry.message = None;
        }
    }

    /// The next message to be sent, if one is due and the last is settled. [`Outbox::done`] must follow.
    pub fn next(&mut self, now: Timestamp, incidents: &Incidents) -> Option<Delivery> {
        if self.in_flight.is_some() || self.outcome != Outcomes::Saved || now < self.blocked_until {
            return None;
        }
        self.forget(incidents);
        let is_quiet = self.settings.quiet.as_ref().is_some_and(|quiet| quiet.contains(now));
        let mut due: Vec<(&u64, &Entry, News)> = Vec::new();
        for (id, entry) in &self.entries {
            let urgent = || incidents.get(*id).is_some_and(|incident| incident.severity == Severity::Critical);
            if let Some(news) = entry.news.filter(|news| entry.saved && news.due <= now)
                && (!is_quiet || urgent())
            {
                due.push((id, entry, news));
            }
        }
        let fresh = due.iter().filter(|(_, entry, _)| !entry.told).count();
        // First what nobody has heard of, in the order in which it began.
        due.sort_by_key(|(id, entry, news)| (entry.told, if entry.told { news.due } else { Timestamp::default() }, **id));
        let count = match fresh {
            _ if !self.settings.edits => due.len().min(self.settings.digest_max),
            0 => 1,
            fresh if fresh >= self.settings.digest_from => fresh.min(self.settings.digest_max),
            _ => 1,
        };
        let waiting = due.len().saturating_sub(count);
        due.truncate(count);
        let edits = due.first().filter(|_| count == 1).and_then(|(_, entry, _)| entry.message.clone());
        let ids: Vec<u64> = due.iter().map(|(id, ..)| **id).collect();
        let told: Vec<Told> =
            due.iter().filter_map(|(id, _, news)| Some(Told { change: news.change, incident: incidents.get(**id)?.clone() })).collect();
        if told.is_empty() {
            return None;
        }
        self.in_flight = Some((ids, BTreeMap::new()));
        Some(Delivery { told, edits, waiting })
    }

    /// Takes what became of the delivery that was under way.
    pub fn done(&mut self, now: Timestamp, delivered: &Delivered, incidents: &Incidents) {
        let Some((ids, meanwhile)) = self.in_flight.take() else { return };
        self.blocked_until = now.plus(delivered.wait);
        self.outcome = Outcomes::Unsaved;
        let is_alone = ids.len() == 1;
        match &delivered.outcome {
            Outcome::Sent { .. } => {
                self.counts.sent += 1;
                self.counts.merged += ids.len() as u64 - 1;
            }
            Outcome::Retry { .. } => self.counts.retried += 1,
            Outcome::Gone => {}
            Outcome::Refused => self.counts.dropped += ids.len() as u64,
        }
        for id in &ids {
            let Some(entry) = self.entries.get_mut(id) else { continue };
            let most = self.settings.max_posts;
            match &delivered.outcome {
                Outcome::Sent { message } => {
                    entry.told = true;
                    entry.posts += 1;
                    entry.news = None;
                    if let Some(message) = message.as_ref().filter(|_| is_alone) {
                        entry.message = Some(message.clone());
                    }
                }
                Outcome::Retry { may_have_arrived } => {
                    entry.posts += u32::from(*may_have_arrived);
                    if entry.posts >= most {
                        self.counts.dropped += u64::from(!entry.told);
                        (entry.told, entry.news) = (true, None);
                    }
                }
                // Nobody wants to see it.
                Outcome::Gone | Outcome::Refused => (entry.told, entry.news, entry.message, entry.posts) = (true, None, None, most),
            }
            self.unsaved.insert(*id);
        }
        for (id, changed) in meanwhile {
            if let Some(incident) = incidents.get(id) {
                self.note(now, incident, changed);
            }
        }
    }

    /// Lets go of what can never be told of again.
    fn forget(&mut self, incidents: &Incidents) {
        let (unsaved, counts) = (&mut self.unsaved, &mut self.counts);
        self.entries.retain(|id, entry| {
            let is_known = incidents.get(*id).is_some();
            let stays = is_known && (entry.news.is_some() || incidents.is_live(*id));
            if !stays {
                counts.dropped += u64::from(!is_known && !entry.told);
                unsaved.insert(*id);
            }
            stays
        });
    }

    /// Whether something has to be saved before the next message can go.
    pub fn is_unsaved(&self) -> bool {
        self.outcome == Outcomes::Unsaved || self.entries.values().any(|entry| !entry.saved)
    }

    /// What changed since the last call.
    pub fn save(&mut self) -> Option<Write> {
        self.saving = std::mem::take(&mut self.unsaved);
        if self.outcome == Outcomes::Unsaved {
            self.outcome = Outcomes::Saving;
        }
        let entries = &self.entries;
        self.log.write(|| self.saving.iter().map(|id| (id, entries.get(id))).collect(), || entries.iter().collect())
    }

    /// After a commit of what [`Outbox::save`] gave.
    pub fn saved(&mut self) {
        for id in std::mem::take(&mut self.saving) {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.saved = true;
            }
        }
        if self.outcome == Outcomes::Saving {
            self.outcome = Outcomes::Saved;
        }
    }

    /// After a commit that failed.
    pub fn save_all_again(&mut self) {
        self.unsaved.append(&mut self.saving);
        if self.outcome == Outcomes::Saving {
            self.outcome = Outcomes::Unsaved;
        }
        self.log.rewrite();
    }
}

/// What is told of a change of an incident that has been told of, and when. The last message is kept for the end.
fn news(entry: &Entry, settings: &Settings, now: Timestamp, changed: Changed) -> Option<News> {
    let is_final = changed.change == Change::Closed;
    let most = if is_final { settings.max_posts } else { settings.max_posts.saturating_sub(1) };
    // What a digest told of cannot be edited; only that it became worse is worth a message.
    let can_be_told = !settings.edits || entry.message.is_some() || changed.is_worse;
    if entry.posts >= most || !can_be_told {
        return None;
    }
    let step = (entry.posts.saturating_sub(1) as usize).min(EDIT_AFTER_SECS.len() - 1);
    let later = if is_final || changed.is_worse { 0 } else { EDIT_AFTER_SECS[step] };
    Some(News { change: changed.change, since: now, due: now.plus(Duration::from_secs(later)) })
}

/// Where a notifier's entries are saved.
pub fn section(notifier: &str) -> String {
    format!("clients/outbox/{notifier}")
}

#[cfg(test)]
mod tests;

//! Incidents and who is told of them: findings become incidents, each notifier's outbox learns of the change, and what is due goes out once
//! it is saved.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Action;
use crate::event::Timestamp;
use crate::finding::Finding;
use crate::incident::Delivered;
use crate::metrics::own::Table;
use crate::metrics::{Page, notifications};
use crate::policy::incidents::{self, Changed, Incidents, PlayerNews};
use crate::policy::outbox::{self, Outbox};
use crate::snapshot::{Section, Write};
use crate::subject::Client;

/// What incidents and outboxes are built from.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// How findings become incidents.
    pub incidents: incidents::Settings,
    /// The notifiers, by name, and how each is to be used.
    pub outboxes: Vec<(&'static str, outbox::Settings)>,
}

/// Incidents and outboxes.
pub(super) struct Notices {
    incidents: Incidents,
    outboxes: Vec<Outbox>,
    /// Nothing goes out while the engine stops.
    stopped: bool,
}

impl Notices {
    /// Takes up what was saved; `counters` as [`Notices::save_counters`] gave them.
    pub(super) fn new(setup: Setup, saved: &BTreeMap<String, Section>, counters: &Value) -> Self {
        let outbox = |(notifier, settings)| {
            let counts = serde_json::from_value(counters[notifier].clone()).unwrap_or_default();
            Outbox::new(notifier, settings, saved.get(&outbox::section(notifier)), counts)
        };
        Self {
            incidents: Incidents::new(setup.incidents, saved.get(incidents::SECTION), counters["evicted"].as_u64().unwrap_or(0)),
            outboxes: setup.outboxes.into_iter().map(outbox).collect(),
            stopped: false,
        }
    }

    /// Takes a finding; see [`Incidents::take`].
    pub(super) fn found(&mut self, now: Timestamp, finding: &Finding, strikes: u32, client: Option<Client>) {
        let changed = self.incidents.take(now, finding, strikes, client);
        self.note(now, changed);
    }

    /// Takes news of a player.
    pub(super) fn player(&mut self, now: Timestamp, news: PlayerNews) {
        if let Some(changed) = self.incidents.player(now, news) {
            self.note(now, changed);
        }
    }

    fn note(&mut self, now: Timestamp, changed: Changed) {
        if let Some(incident) = self.incidents.get(changed.id) {
            self.outboxes.iter_mut().for_each(|outbox| outbox.note(now, incident, changed));
        }
    }

    /// Closes what is over; see [`Incidents::on_tick`].
    pub(super) fn on_tick(&mut self, now: Timestamp, last_deed: impl Fn(Client) -> Option<Timestamp>) {
        for changed in self.incidents.on_tick(now, last_deed) {
            self.note(now, changed);
        }
    }

    /// Sends what is due and saved.
    pub(super) fn send(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.stopped {
            return;
        }
        for outbox in &mut self.outboxes {
            if let Some(delivery) = outbox.next(now, &self.incidents) {
                actions.push(Action::Deliver { notifier: outbox.notifier(), delivery });
            }
        }
    }

    /// Takes what became of a message.
    pub(super) fn delivered(&mut self, now: Timestamp, delivered: &Delivered) {
        if let Some(outbox) = self.outboxes.iter_mut().find(|outbox| outbox.notifier() == delivered.notifier) {
            outbox.done(now, delivered, &self.incidents);
        }
    }

    /// Nothing more goes out.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether something waits to be saved before it can go out.
    pub(super) fn are_unsaved(&self) -> bool {
        self.outboxes.iter().any(Outbox::is_unsaved)
    }

    /// All incidents, and what is known of them.
    pub(super) fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// Writes this part's rows.
    pub(super) fn show(&self, page: &mut Page) {
        notifications::show_open(self.incidents.open(), page);
        for outbox in &self.outboxes {
            let counts = outbox.counts();
            let (waiting, oldest) = outbox.waiting();
            let outcomes = [counts.sent, counts.merged, counts.retried, counts.dropped];
            notifications::show(outbox.notifier(), &notifications::Now { outcomes, waiting, oldest }, page);
        }
    }

    /// The fill of the bounded table.
    pub(super) fn table(&self) -> Table {
        let (tracked, limit) = self.incidents.fill();
        Table { name: "incidents", tracked, limit, evicted: self.incidents.evicted() }
    }

    /// For the engine's own section: the counters.
    pub(super) fn save_counters(&self) -> Value {
        let counts = self.outboxes.iter().map(|outbox| (outbox.notifier().to_owned(), json!(outbox.counts())));
        let mut counters: serde_json::Map<String, Value> = counts.collect();
        counters.insert("evicted".to_owned(), self.incidents.evicted().into());
        counters.into()
    }

    /// The writes that save what changed.
    pub(super) fn save(&mut self) -> Vec<Write> {
        self.incidents.save().into_iter().chain(self.outboxes.iter_mut().filter_map(Outbox::save)).collect()
    }

    /// After a commit.
    pub(super) fn saved(&mut self) {
        self.outboxes.iter_mut().for_each(Outbox::saved);
    }

    /// After a commit that failed.
    pub(super) fn save_all_again(&mut self) {
        self.incidents.save_all_again();
        self.outboxes.iter_mut().for_each(Outbox::save_all_again);
    }
}

//! The findings of all detectors: numbered, counted, kept for people, saved. A finding becomes an action at once; whoever carries it out
//! waits until it is saved, so that a crash makes none twice.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Action;
use super::detection::Context;
use super::feeds::entries;
use crate::feed::Feed;
use crate::finding::Finding;
use crate::snapshot::{ChangeLog, Section, Write, json_lines};

/// Findings that are kept for people.
pub(super) const MAX_FINDINGS: usize = 500;
/// The section that they are saved in.
pub(super) const SECTION: &str = "clients/findings";

/// What was found.
pub(super) struct Findings {
    recent: VecDeque<Arc<Finding>>,
    last_id: u64,
    /// How many of the newest are not saved yet.
    unsaved: usize,
    log: ChangeLog,
}

impl Findings {
    /// Takes up what was saved.
    pub(super) fn new(saved: Option<&Section>) -> Self {
        let mut recent: VecDeque<Arc<Finding>> =
            saved.into_iter().flat_map(json_lines).filter_map(|line| serde_json::from_value(line).ok().map(Arc::new)).collect();
        recent.drain(..recent.len().saturating_sub(MAX_FINDINGS));
        let last_id = recent.iter().map(|finding| finding.id).max().unwrap_or(0);
        Self { recent, last_id, unsaved: 0, log: ChangeLog::new(SECTION.to_owned(), saved) }
    }

    /// Makes a finding known. Its number is given here.
    pub(super) fn add(&mut self, finding: Finding, context: &mut Context<'_>) {
        self.last_id += 1;
        let finding = Arc::new(Finding { id: self.last_id, ..finding });
        context.own.finding(&finding.detector, finding.severity);
        context.feeds.add(Feed::Incident, finding.at, &finding.source, || entries::finding(&finding));
        if self.recent.len() == MAX_FINDINGS {
            self.recent.pop_front();
        }
        self.recent.push_back(Arc::clone(&finding));
        self.unsaved = (self.unsaved + 1).min(MAX_FINDINGS);
        context.actions.push(Action::Finding(finding));
    }

    /// The most recent ones, newest first: logs that are read one after another may tell of the same hour.
    pub(super) fn recent(&self) -> impl Iterator<Item = &Finding> {
        let mut recent: Vec<&Finding> = self.recent.iter().map(Arc::as_ref).collect();
        recent.sort_by_key(|finding| std::cmp::Reverse((finding.at, finding.id)));
        recent.into_iter()
    }

    /// Whether some wait to be saved.
    pub(super) fn are_unsaved(&self) -> bool {
        self.unsaved > 0
    }

    /// The write that saves what is new.
    pub(super) fn save(&mut self) -> Option<Write> {
        let known = self.recent.len() - std::mem::take(&mut self.unsaved);
        let recent = &self.recent;
        self.log.write(|| recent.iter().skip(known).map(Arc::as_ref).collect(), || recent.iter().map(Arc::as_ref).collect())
    }

    /// After a commit that failed.
    pub(super) fn save_all_again(&mut self) {
        self.unsaved = self.recent.len();
        self.log.rewrite();
    }
}

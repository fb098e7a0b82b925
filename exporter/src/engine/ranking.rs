//! Who is most suspicious, of those who may be shown.

use super::detection::Detection;
use crate::event::Timestamp;
use crate::policy::never_ban::Reason;
use crate::subject::Client;

/// Clients on the page with their score.
const TOP_CLIENTS: usize = 20;
/// The lowest score that is shown.
const MIN_SCORE: f32 = 1.0;

impl Detection {
    /// All suspicious clients that may be shown, the highest score first.
    pub(super) fn ranked(&self, now: Timestamp) -> Vec<(Client, f32)> {
        let mut scores: Vec<(Client, f32)> = self.scores(now).collect();
        scores.sort_by(by_score);
        scores.retain(|(client, _)| self.may_be_shown(*client, now));
        scores
    }

    /// The first so many of [`Detection::ranked`], without a list of all.
    pub(super) fn top(&self, now: Timestamp) -> Vec<(Client, f32)> {
        let mut top: Vec<(Client, f32)> = Vec::with_capacity(TOP_CLIENTS + 1);
        for one in self.scores(now) {
            let place = top.partition_point(|known| by_score(known, &one).is_lt());
            if place < TOP_CLIENTS && self.may_be_shown(one.0, now) {
                top.insert(place, one);
                top.truncate(TOP_CLIENTS);
            }
        }
        top
    }

    fn scores(&self, now: Timestamp) -> impl Iterator<Item = (Client, f32)> {
        // Points only fade: most clients need no closer look.
        let suspects = self.suspects.iter().filter(|(_, suspect)| suspect.points >= MIN_SCORE);
        let scores = suspects.map(move |(client, suspect)| (client, self.suspicion.score(suspect, now)));
        scores.filter(|(_, score)| *score >= MIN_SCORE)
    }

    fn may_be_shown(&self, client: Client, now: Timestamp) -> bool {
        self.never_ban.reason(client, now, b"").is_none_or(Reason::may_be_told_of)
    }
}

/// The highest score first, then by address.
fn by_score(one: &(Client, f32), other: &(Client, f32)) -> std::cmp::Ordering {
    other.1.total_cmp(&one.1).then(one.0.cmp(&other.0))
}

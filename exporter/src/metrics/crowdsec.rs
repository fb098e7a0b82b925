//! What CrowdSec has decided, by origin, type and scenario; and requests of those whom it bans that arrive all the same.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::names::{CROWDSEC_DECISIONS, HTTP_BANNED_REQUESTS, LABEL_OVERFLOW};
use super::page::Page;

/// The type of decision that keeps somebody out.
pub const BAN: &str = "ban";
/// The most combinations of origin, type and scenario that are told apart; on the page, those with most decisions.
const MAX_LABELS: usize = 4_096;
const MAX_SHOWN: usize = 100;
/// The most scenarios of requests: they stay for good, as counters do.
const MAX_SCENARIOS: usize = 100;
const OTHER: &str = "other";

/// A combination of origin, type and scenario, by its number. 0 stands for those that are not told apart.
pub type LabelId = u32;

/// Counters and their names.
pub struct CrowdSec {
    labels: Vec<Label>,
    by_name: HashMap<[Arc<str>; 3], LabelId>,
    /// Labels without decisions, whose numbers may be given anew. Some may be in use again.
    free: Vec<LabelId>,
    /// Requests of banned clients; the first are those of all other scenarios.
    requests: Vec<(Arc<str>, u64)>,
    decision_overflows: u64,
    request_overflows: u64,
}

struct Label {
    /// Origin, type, scenario.
    name: [Arc<str>; 3],
    decisions: u64,
    /// Its place in [`CrowdSec::requests`].
    requests: usize,
}

impl Default for CrowdSec {
    fn default() -> Self {
        let other: Arc<str> = OTHER.into();
        let name = [Arc::clone(&other), Arc::clone(&other), Arc::clone(&other)];
        let labels = vec![Label { name, decisions: 0, requests: 0 }];
        let (decision_overflows, request_overflows) = (0, 0);
        Self { labels, by_name: HashMap::new(), free: Vec::new(), requests: vec![(other, 0)], decision_overflows, request_overflows }
    }
}

impl CrowdSec {
    /// The number of a combination of origin, type and scenario, with one decision more.
    pub fn add(&mut self, name: [&Arc<str>; 3]) -> LabelId {
        let name = name.map(Arc::clone);
        let id = self.by_name.get(&name).copied().unwrap_or_else(|| self.enter(name));
        if let Some(label) = self.labels.get_mut(id as usize) {
            label.decisions += 1;
        }
        id
    }

    /// One decision less.
    pub fn remove(&mut self, id: LabelId) {
        let Some(label) = self.labels.get_mut(id as usize) else { return };
        label.decisions = label.decisions.saturating_sub(1);
        if label.decisions == 0 && id != 0 {
            self.free.push(id);
        }
    }

    /// Counts a request of a client that is banned by a decision of this label.
    pub fn arrived(&mut self, id: LabelId) {
        let Some(label) = self.labels.get(id as usize) else { return };
        self.request_overflows += u64::from(label.requests == 0);
        if let Some((_, count)) = self.requests.get_mut(label.requests) {
            *count += 1;
        }
    }

    /// Origin, type and scenario.
    pub fn name(&self, id: LabelId) -> Option<&[Arc<str>; 3]> {
        self.labels.get(id as usize).map(|label| &label.name)
    }

    fn enter(&mut self, name: [Arc<str>; 3]) -> LabelId {
        let id = if self.labels.len() < MAX_LABELS { Some(self.labels.len()) } else { self.unused() };
        let Some(id) = id else {
            self.decision_overflows += 1;
            return 0;
        };
        let requests = if &*name[1] == BAN { self.scenario(&name[2]) } else { 0 };
        let label = Label { name: name.clone(), decisions: 0, requests };
        match self.labels.get_mut(id) {
            Some(old) => {
                self.by_name.remove(&old.name);
                *old = label;
            }
            None => self.labels.push(label),
        }
        let id = LabelId::try_from(id).unwrap_or(0);
        self.by_name.insert(name, id);
        id
    }

    fn unused(&mut self) -> Option<usize> {
        std::iter::from_fn(|| self.free.pop())
            .map(|id| id as usize)
            .find(|id| self.labels.get(*id).is_some_and(|label| label.decisions == 0))
    }

    /// The place of a scenario among those of requests.
    fn scenario(&mut self, name: &Arc<str>) -> usize {
        if let Some(known) = self.requests.iter().position(|(known, _)| known == name) {
            return known;
        }
        if self.requests.len() > MAX_SCENARIOS {
            return 0;
        }
        self.requests.push((Arc::clone(name), 0));
        self.requests.len() - 1
    }

    /// Writes these rows.
    pub fn show(&self, page: &mut Page) {
        let mut labels: Vec<&Label> = self.labels.iter().filter(|label| label.decisions > 0).collect();
        let is_other = |label: &Label| label.name.iter().all(|name| &**name == OTHER);
        // The most decisions first, and behind them all what is not told apart anyway.
        labels.sort_by(|a, b| is_other(a).cmp(&is_other(b)).then(b.decisions.cmp(&a.decisions)).then_with(|| a.name.cmp(&b.name)));
        let shown = labels.iter().take_while(|label| !is_other(label)).take(MAX_SHOWN).count();
        let (shown, rest) = labels.split_at_checked(shown).unwrap_or_default();
        for label in shown {
            page.gauge(&CROWDSEC_DECISIONS, &label.name.each_ref().map(|name| &**name), label.decisions as f64);
        }
        if !rest.is_empty() {
            let rest: u64 = rest.iter().map(|label| label.decisions).sum();
            page.gauge(&CROWDSEC_DECISIONS, &[OTHER; 3], rest as f64);
        }
        for (place, (scenario, count)) in self.requests.iter().enumerate() {
            if place > 0 || *count > 0 {
                page.counter(&HTTP_BANNED_REQUESTS, &[scenario], *count);
            }
        }
        page.counter(&LABEL_OVERFLOW, &[CROWDSEC_DECISIONS.name], self.decision_overflows);
        page.counter(&LABEL_OVERFLOW, &[HTTP_BANNED_REQUESTS.name], self.request_overflows);
    }

    /// For [`CrowdSec::load`]: the counters.
    pub fn save(&self) -> Value {
        let requests: Vec<(&str, u64)> = self.requests.iter().map(|(scenario, count)| (&**scenario, *count)).collect();
        json!({ "requests": requests, "overflows": [self.decision_overflows, self.request_overflows] })
    }

    /// Takes up what [`CrowdSec::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        for row in saved["requests"].as_array().into_iter().flatten().take(MAX_SCENARIOS + 1) {
            let (Some(scenario), Some(count)) = (row[0].as_str(), row[1].as_u64()) else { continue };
            let place = self.scenario(&scenario.into());
            if let Some((_, sum)) = self.requests.get_mut(place) {
                *sum += count;
            }
        }
        self.decision_overflows = saved["overflows"][0].as_u64().unwrap_or(0);
        self.request_overflows = saved["overflows"][1].as_u64().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Exposition;
    use super::*;

    fn add(crowdsec: &mut CrowdSec, origin: &str, scenario: &str) -> LabelId {
        crowdsec.add([&origin.into(), &BAN.into(), &scenario.into()])
    }

    fn rows(crowdsec: &CrowdSec, name: &str) -> Vec<String> {
        let mut page = Page::default();
        crowdsec.show(&mut page);
        page.render(Exposition::Text).lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
    }

    #[test]
    fn decisions_come_and_go() {
        let mut crowdsec = CrowdSec::default();
        let ids = [add(&mut crowdsec, "CAPI", "probing"), add(&mut crowdsec, "CAPI", "probing"), add(&mut crowdsec, "cscli", "by hand")];
        assert_eq!((ids[0], ids[0] == ids[1], ids[0] == ids[2]), (1, true, false));
        crowdsec.remove(ids[2]);
        let row = "hostwarden_crowdsec_decisions{origin=\"CAPI\",type=\"ban\",scenario=\"probing\"} 2.0";
        assert_eq!(rows(&crowdsec, "hostwarden_crowdsec"), [row]);
    }

    #[test]
    fn requests_are_kept_over_restarts() {
        let mut before = CrowdSec::default();
        let id = add(&mut before, "CAPI", "probing");
        add(&mut before, "CAPI", "never seen");
        before.arrived(id);
        let mut after = CrowdSec::default();
        after.load(&before.save());
        let id = add(&mut after, "lists:x", "probing");
        after.arrived(id);
        let expected = ["probing\"} 2", "never seen\"} 0"].map(|row| format!("hostwarden_http_banned_requests_total{{scenario=\"{row}"));
        assert_eq!(rows(&after, "hostwarden_http_banned"), expected);
    }

    #[test]
    fn labels_are_bounded() {
        let mut crowdsec = CrowdSec::default();
        for number in 0..2 * MAX_LABELS {
            let id = add(&mut crowdsec, "x", &number.to_string());
            crowdsec.arrived(id);
        }
        assert_eq!((crowdsec.labels.len(), crowdsec.by_name.len()), (MAX_LABELS, MAX_LABELS - 1));
        assert_eq!(crowdsec.decision_overflows, MAX_LABELS as u64 + 1);
        let shown = rows(&crowdsec, "hostwarden_crowdsec");
        assert_eq!(shown.len(), MAX_SHOWN + 1);
        let total: f64 = shown.iter().filter_map(|row| row.rsplit_once(' ')?.1.parse::<f64>().ok()).sum();
        assert_eq!(total, 2.0 * MAX_LABELS as f64, "none is lost");
        assert_eq!(rows(&crowdsec, "hostwarden_http_banned").len(), MAX_SCENARIOS + 1);
        assert_eq!(crowdsec.request_overflows, (2 * MAX_LABELS - MAX_SCENARIOS) as u64);
        // Numbers that nobody needs are given anew.
        crowdsec.remove(7);
        assert_eq!((add(&mut crowdsec, "x", "fresh"), add(&mut crowdsec, "x", "fresher")), (7, 0));
    }
}

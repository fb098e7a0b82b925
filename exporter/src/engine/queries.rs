//! Questions of the API about attackers, and their answers as JSON: bounded, paged, and with clients shown as configured.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::detection::Detection;
use super::feeds::entries;
use super::ledger::{self, What};
use super::logged::Showing;
use super::telling::shown;
use super::{Engine, Shared};
use crate::detectors::suspects::{Kind, Suspect};
use crate::detectors::suspicion::explained;
use crate::event::{AttackClass, Timestamp};
use crate::feed::{Entry, Feed};
use crate::incident::Incident;
use crate::privacy::Privacy;
use crate::subject::Client;

/// Entries on a page if nobody says how many, and at most.
const PAGE: usize = 50;
/// See [`PAGE`].
const MAX_PAGE: usize = 500;
/// Paths, agents and clients named for each site, class and country.
const RANKED: usize = 10;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Suspicious clients, the highest score first.
    Clients(Window),
    /// One client, by the address or the pseudonym that it is shown by.
    Client(String),
    /// The last attacks, newest first.
    Attacks(Window, Filter),
    /// Attacks summed up by `site`, `class` or `country`.
    AttacksBy(By),
    /// Slow attackers, the latest first.
    Watchlist(Window),
    /// What was found, newest first.
    Findings(Window),
    /// Incidents, newest first.
    Incidents(Window, IncidentFilter),
    /// One incident, by its number.
    Incident(u64),
    /// What happened, newest first.
    Feed(Window, FeedFilter),
    /// How the probes stand.
    Probes,
    /// The containers, by name.
    Containers(Window),
    /// Take this client off the watchlist.
    Forgive(String),
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Entries left out.
    pub offset: usize,
    /// The most entries; `None`: 50. Never more than 500.
    pub limit: Option<usize>,
}

/// Which attacks: those that equal each text that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// As in labels.
    pub class: Option<String>,
    /// As in labels.
    pub site: Option<String>,
    /// As in labels.
    pub source: Option<String>,
    /// ISO code.
    pub country: Option<String>,
    /// As shown.
    pub client: Option<String>,
}

/// Which incidents: those that fulfil each condition that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// A detector's name, or `players`.
    pub kind: Option<String>,
    /// As in labels.
    pub severity: Option<String>,
    /// As shown.
    pub client: Option<String>,
    /// Whether it goes on.
    pub open: Option<bool>,
    /// Text, in any case, that stands in who it is about, in what was found or in what that rests on.
    pub text: Option<String>,
}

/// Which entries of the feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedFilter {
    /// Of this feed only.
    pub feed: Option<Feed>,
    /// Those whose text or facts hold this, whatever the case of its letters.
    pub holds: Option<String>,
    /// Those with a higher number.
    pub after: u64,
}

/// What attacks are summed up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Host name.
    Site,
    /// Attack class.
    Class,
    /// Country of the client.
    Country,
}

impl Window {
    /// The page of these entries, with how many there are in all; only those on the page are written out.
    fn page<T, V: Serialize>(self, name: &str, entries: impl Iterator<Item = T>, write: impl Fn(T) -> V) -> Value {
        let limit = self.limit.unwrap_or(PAGE).min(MAX_PAGE);
        let (mut page, mut total) = (Vec::new(), 0);
        for entry in entries {
            if total >= self.offset && page.len() < limit {
                page.push(write(entry));
            }
            total += 1;
        }
        json!({ "total": total, "offset": self.offset, "limit": limit, name: page })
    }
}

impl Filter {
    fn lets_pass(&self, entry: &Value) -> bool {
        let fields =
            [("class", &self.class), ("site", &self.site), ("source", &self.source), ("country", &self.country), ("client", &self.client)];
        fields.into_iter().all(|(name, wanted)| wanted.as_ref().is_none_or(|wanted| entry[name] == **wanted))
    }
}

impl IncidentFilter {
    fn lets_pass(&self, incident: &Incident) -> bool {
        let is = |wanted: &Option<String>, text: Option<&str>| wanted.as_deref().is_none_or(|wanted| text == Some(wanted));
        let holds = |text: &str| self.text.as_ref().is_none_or(|wanted| text.to_lowercase().contains(&wanted.to_lowercase()));
        is(&self.kind, Some(&incident.kind))
            && is(&self.severity, Some(incident.severity.as_str()))
            && is(&self.client, incident.client.as_deref())
            && self.open.is_none_or(|open| open == incident.closed.is_none())
            && [&incident.about, &incident.summary].into_iter().chain(&incident.evidence).any(|text| holds(text))
    }
}

impl FeedFilter {
    /// `holds` in lower case.
    fn lets_pass(entry: &Entry, holds: &str) -> bool {
        let is_in = |text: &str| text.to_lowercase().contains(holds);
        is_in(&entry.text) || is_in(&entry.source) || entry.fields.iter().any(|(_, value)| is_in(value))
    }
}

impl Engine {
    /// The answer; `None` if there is nothing of that name.
    pub fn query(&mut self, now: Timestamp, query: &Query) -> Option<Value> {
        if let Query::Forgive(id) = query {
            return self.forgive(id);
        }
        let (detection, privacy) = (&self.shared.detection, &*self.shared.privacy);
        Some(match query {
            Query::Clients(window) => {
                let clients = detection.ranked(now).into_iter();
                let known = clients.filter_map(|(client, _)| Some((client, detection.suspects.get(client)?)));
                window.page("clients", known, |(client, suspect)| brief(now, detection, privacy, client, suspect))
            }
            Query::Client(id) => return one(now, detection, privacy, id),
            Query::Attacks(window, filter) => {
                let recent = detection.ledger.recent(privacy, self.shared.feeds.attacks());
                let entries = recent.map(|entry| attack(&entry, privacy));
                window.page("attacks", entries.filter(|entry| filter.lets_pass(entry)), |entry| entry)
            }
            Query::AttacksBy(By::Country) => {
                let mut countries: Vec<(String, u64)> = detection.attacks.by_country().filter(|(_, count)| *count > 0).collect();
                countries.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
                json!({ "countries": countries.into_iter().map(|(country, count)| json!({ "country": country, "attacks": count })).collect::<Vec<_>>() })
            }
            Query::AttacksBy(by) => self.summed_up(*by),
            Query::Watchlist(window) => {
                let mut watched: Vec<_> = detection.slow_attacker.iter().flat_map(|slow| slow.iter()).collect();
                watched.sort_by(|a, b| b.1.changed.cmp(&a.1.changed).then(a.0.cmp(&b.0)));
                let shown = |(client, watched): (Client, &crate::detectors::slow_attacker::Watched)| {
                    json!({
                        "client": shown(client, privacy), "country": country(detection, client), "strikes": watched.strikes,
                        "strikes_in_all": watched.total, "since": time(watched.since), "last_strike": time(watched.changed),
                        "last_seen": time(watched.last), "score": score(now, detection, client),
                    })
                };
                window.page("watchlist", watched.into_iter(), shown)
            }
            Query::Findings(window) => window.page("findings", detection.findings.recent(), |finding| finding),
            Query::Incidents(window, filter) => {
                let incidents = detection.notices.incidents().iter();
                window.page("incidents", incidents.filter(|incident| filter.lets_pass(incident)), |incident| up_to_now(detection, incident))
            }
            Query::Incident(id) => json!(up_to_now(detection, detection.notices.incidents().get(*id)?)),
            Query::Feed(window, filter) => {
                let feeds = &self.shared.feeds;
                let holds = filter.holds.as_deref().unwrap_or_default().to_lowercase();
                let showing = entries::showing(privacy);
                let entries = feeds.newest(filter.after, filter.feed);
                let written = |entry| feeds.written(entry, &showing);
                let entries =
                    entries.filter(|entry| holds.is_empty() || written(entry).is_some_and(|entry| FeedFilter::lets_pass(&entry, &holds)));
                let mut answer = window.page("feed", entries, |entry| written(entry).map(|entry| happened(&entry)));
                answer["last"] = feeds.last_id().into();
                answer["push"] = json!(feeds.push_state());
                answer
            }
            Query::Probes => self.probes.view(),
            Query::Containers(window) => window.page("containers", self.probes.view_of("docker").into_iter(), |container| container),
            Query::Forgive(_) => return None,
        })
    }

    fn forgive(&mut self, id: &str) -> Option<Value> {
        let Shared { detection, privacy, .. } = &mut self.shared;
        let slow_attacker = detection.slow_attacker.as_mut()?;
        let client = slow_attacker.iter().map(|(client, _)| client).find(|client| is_named(*client, id, privacy))?;
        slow_attacker.forgive(client).then(|| json!({ "forgiven": shown(client, privacy) }))
    }

    /// Attacks in all and what was attacked most, by site or by class.
    fn summed_up(&self, by: By) -> Value {
        let mut sums: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
        for (_, subject) in self.subjects() {
            let super::Subject::Web(http) = subject else { continue };
            for (site, counts) in http.attacks() {
                for (class, count) in AttackClass::ALL.iter().zip(counts) {
                    let key = if by == By::Site { site } else { class.as_str() };
                    *sums.entry(key.to_owned()).or_default() += count;
                }
            }
        }
        let mut sums: Vec<(String, u64)> = sums.into_iter().filter(|(_, count)| *count > 0).collect();
        sums.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let (detection, privacy) = (&self.shared.detection, &*self.shared.privacy);
        let entry = |(key, count): (String, u64)| {
            let ranked =
                |what| ranking(detection, privacy, what, |site, class| if by == By::Site { site == key } else { class.as_str() == key });
            let name = if by == By::Site { "site" } else { "class" };
            let other = if by == By::Site {
                ("classes", ranked_by_count(detection, |top| (top.site == key).then(|| top.class.as_str().to_owned())))
            } else {
                ("sites", ranked_by_count(detection, |top| (top.class.as_str() == key).then(|| top.site.clone())))
            };
            json!({
                name: key, "attacks": count, other.0: other.1, "paths": ranked(What::Path), "user_agents": ranked(What::Agent),
                "clients": clients_of(&self.shared, by, &key),
            })
        };
        let name = if by == By::Site { "sites" } else { "classes" };
        json!({ name: sums.into_iter().map(entry).collect::<Vec<_>>() })
    }
}

/// The most frequent of what was part of attacks that `belongs` chooses.
fn ranking(detection: &Detection, privacy: &Privacy, what: What, belongs: impl Fn(&str, AttackClass) -> bool) -> Vec<Value> {
    let mut counts: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    let showing = ledger::showing(privacy);
    for top in detection.ledger.tops().filter(|top| top.what == what && belongs(&top.site, top.class)) {
        *counts.entry(top.text.shown(&showing)).or_default() += top.count;
    }
    ranked(counts)
}

/// Who attacked most: by class from what is held against everybody, by site from the last attacks.
fn clients_of(shared: &Shared, by: By, key: &str) -> Vec<Value> {
    let Shared { detection, privacy, feeds, .. } = shared;
    let mut counts: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    if by == By::Site {
        for entry in detection.ledger.recent(privacy, feeds.attacks()).filter(|entry| entry.site == key) {
            *counts.entry(shown(entry.client, privacy)).or_default() += 1;
        }
    } else if let Some(kind) = Kind::all().find(|kind| kind.as_str() == key) {
        for (client, tally) in detection.suspects.iter().filter_map(|(client, suspect)| Some((client, suspect.tally(kind)?))) {
            *counts.entry(shown(client, privacy)).or_default() += u64::from(tally.times);
        }
    }
    ranked(counts)
}

fn ranked_by_count(detection: &Detection, key: impl Fn(&ledger::Top) -> Option<String>) -> Vec<Value> {
    let mut counts: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for top in detection.ledger.tops().filter(|top| top.what == What::Path) {
        if let Some(key) = key(top) {
            *counts.entry(key).or_default() += top.count;
        }
    }
    ranked(counts)
}

fn ranked(counts: std::collections::BTreeMap<String, u64>) -> Vec<Value> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts.into_iter().take(RANKED).map(|(text, count)| json!({ "name": text, "attacks": count })).collect()
}

fn brief(now: Timestamp, detection: &Detection, privacy: &Privacy, client: Client, suspect: &Suspect) -> Value {
    let location = detection.locate.locate(client.address());
    let kinds = Kind::all().filter_map(|kind| suspect.tally(kind));
    let kinds: serde_json::Map<String, Value> = kinds.map(|tally| (tally.kind.as_str().to_owned(), tally.times.into())).collect();
    json!({
        "client": shown(client, privacy), "country": location.country_or_unknown(), "asn": location.asn,
        "score": score(now, detection, client), "suspicious": detection.suspicion.is_suspicious(suspect, now),
        "requests": suspect.requests, "attacks": suspect.deeds, "strong_attacks": suspect.strong, "kinds": kinds,
        "attack_hours": suspect.hours(u32::try_from(now.secs()).unwrap_or(0)).1,
        "first_seen": time(suspect.first), "last_seen": time(suspect.last),
        "strikes": detection.slow_attacker.as_ref().and_then(|slow| slow.watched(client)).map_or(0, |watched| watched.strikes),
    })
}

/// One client with everything that its score rests on.
fn one(now: Timestamp, detection: &Detection, privacy: &Privacy, id: &str) -> Option<Value> {
    let by_address = address(id);
    let by_name = || detection.suspects.iter().map(|(client, _)| client).find(|client| shown(*client, privacy) == id);
    let client = by_address.or_else(by_name)?;
    let never_ban = detection.never_ban.reason(client, now, b"").map(|reason| reason.to_string());
    let crowdsec = detection.decisions.ban_of(now, client).map(|ban| detection.decisions.view(ban));
    let Some(suspect) = detection.suspects.get(client) else {
        let watched = detection.slow_attacker.as_ref().and_then(|slow| slow.watched(client));
        return (by_address.is_some() || watched.is_some()).then(|| {
            json!({
                "client": shown(client, privacy), "country": country(detection, client), "score": 0, "attacks": 0, "requests": 0,
                "strikes": watched.map_or(0, |watched| watched.strikes), "never_ban": never_ban, "crowdsec": crowdsec, "terms": [], "samples": [],
                "findings": [],
            })
        });
    };
    let mut view = brief(now, detection, privacy, client, suspect);
    let terms = detection.suspicion.terms(suspect, now);
    let term = |term: &crate::detectors::suspicion::Term| {
        json!({
            "kind": term.kind.as_str(), "times": term.times, "different": term.distinct, "points": round(term.points), "cap": term.cap,
            "text": explained(term),
        })
    };
    view["terms"] = terms.iter().map(term).collect();
    let showing = ledger::showing(privacy);
    view["samples"] = detection.ledger.samples(client).map(|one| sample(one, &showing)).collect();
    view["organisation"] = detection.locate.organisation(client.address()).into();
    view["never_ban"] = never_ban.into();
    view["crowdsec"] = crowdsec.into();
    let name = shown(client, privacy);
    view["findings"] = json!(detection.findings.recent().filter(|finding| finding.client.as_deref() == Some(&name)).collect::<Vec<_>>());
    Some(view)
}

fn address(id: &str) -> Option<Client> {
    Client::parse(id.strip_suffix("/64").unwrap_or(id).as_bytes())
}

/// Whether somebody means `client` by `id`: its address, or how it is shown.
fn is_named(client: Client, id: &str, privacy: &Privacy) -> bool {
    address(id) == Some(client) || shown(client, privacy) == id
}

fn sample(sample: &ledger::Sample, showing: &Showing<'_>) -> Value {
    json!({
        "at": time(sample.at), "class": sample.class.as_str(), "why": sample.why, "meaning": sample.meaning, "method": sample.method.shown(showing),
        "path": sample.path.shown(showing), "status": sample.status, "user_agent": sample.user_agent.shown(showing),
    })
}

fn attack(entry: &ledger::Entry, privacy: &Privacy) -> Value {
    json!({
        "at": time(entry.at), "source": entry.source, "site": entry.site, "client": shown(entry.client, privacy), "country": entry.country,
        "class": entry.class.as_str(), "why": entry.why, "meaning": entry.meaning, "method": entry.method, "path": entry.path,
        "status": entry.status, "user_agent": entry.user_agent,
    })
}

fn happened(entry: &Entry) -> Value {
    let facts: serde_json::Map<_, _> = entry.fields.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    json!({
        "id": entry.id, "at": entry.at.to_rfc3339(), "feed": entry.feed.as_str(), "source": entry.source, "text": entry.text, "fields": facts,
    })
}

fn score(now: Timestamp, detection: &Detection, client: Client) -> f64 {
    detection.suspects.get(client).map_or(0.0, |suspect| round(detection.suspicion.score(suspect, now)))
}

/// One place behind the point: more would be noise.
fn round(points: f32) -> f64 {
    (f64::from(points) * 10.0).round() / 10.0
}

fn country(detection: &Detection, client: Client) -> String {
    detection.locate.locate(client.address()).country_or_unknown().to_owned()
}

fn time(secs: u32) -> Option<String> {
    Timestamp::from_secs(i64::from(secs)).to_rfc3339()
}

/// An incident with the last thing that its client did: not all of that is a finding, and incidents hear of it only once they have been
/// quiet.
fn up_to_now<'i>(detection: &Detection, incident: &'i Incident) -> Cow<'i, Incident> {
    let client = detection.notices.incidents().deeds_of(incident).filter(|_| incident.closed.is_none());
    let suspect = client.and_then(|client| detection.suspects.get(client));
    match suspect.map(|suspect| Timestamp::from_secs(i64::from(suspect.last))) {
        Some(last) if last > incident.last => Cow::Owned(Incident { last, ..incident.clone() }),
        _ => Cow::Borrowed(incident),
    }
}

//! Which incident a finding belongs to, and when an incident is over.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::json;

use crate::event::Timestamp;
use crate::finding::{Finding, Severity};
use crate::incident::{Change, Incident, PLAYERS, Player};
use crate::snapshot::{ChangeLog, Lines, Section, Write, json_lines};
use crate::subject::Client;

mod saved;

/// The section that incidents are saved in: they name clients.
pub const SECTION: &str = "clients/incidents";

/// Nobody plays longer than this without a leave in the log, in seconds: the server was stopped.
const MAX_STAY_SECS: u64 = 86_400;

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// An incident is over when nothing more of it has been found for this long, in seconds.
    pub quiet_secs: u64,
    /// What begins anew within this time after its end goes on being the same incident, in seconds.
    pub cooldown_secs: u64,
    /// The most incidents that are kept, open and closed.
    pub max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { quiet_secs: 900, cooldown_secs: 3_600, max: 4_096 }
    }
}

/// A player who came or left.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayerNews {
    /// When, by the log's clock.
    pub at: Timestamp,
    /// The source.
    pub source: String,
    /// The name that they gave themselves.
    pub name: String,
    /// Where they come from: ISO code, `ZZ` unknown.
    pub country: String,
    /// Whether they came; otherwise they left.
    pub came: bool,
    /// What else is known.
    pub player: Player,
}

/// What a finding did to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub id: u64,
    /// What.
    pub change: Change,
    /// It is more urgent than it was.
    pub is_worse: bool,
}

/// An incident that may still go on.
struct Live {
    id: u64,
    /// The clock's time of the last finding; of the end, if it has ended.
    seen: Timestamp,
    /// Whose deeds it is about.
    client: Option<Client>,
}

/// All incidents that are kept.
pub struct Incidents {
    settings: Settings,
    /// Boxed: the map's nodes are about half full, and an incident is large.
    kept: BTreeMap<u64, Box<Incident>>,
    /// Incidents that further findings belong to, by kind and subject.
    live: HashMap<Key, Live>,
    /// Those that are over: they make room first.
    over: BTreeSet<u64>,
    last_id: u64,
    evicted: u64,
    unsaved: BTreeSet<u64>,
    log: ChangeLog,
}

impl Incidents {
    /// Takes up what was saved; so many had been dropped for others by then.
    pub fn new(settings: Settings, saved: Option<&Section>, evicted: u64) -> Self {
        let (mut kept, mut clients) = (BTreeMap::new(), HashMap::new());
        for line in saved.into_iter().flat_map(json_lines) {
            if let Some(gone) = line["gone"].as_u64() {
                kept.remove(&gone);
                clients.remove(&gone);
            } else if let Some((incident, client)) = saved::read(&line) {
                clients.insert(incident.id, client);
                kept.insert(incident.id, Box::new(incident));
            }
        }
        let live = |incident: &Incident| Live {
            id: incident.id,
            seen: incident.closed.unwrap_or(incident.last),
            client: clients.get(&incident.id).copied().flatten(),
        };
        let live = kept.values().map(|incident| (key_of(incident), live(incident.as_ref()))).collect();
        let over = kept.values().filter(|incident| incident.closed.is_some()).map(|incident| incident.id).collect();
        let last_id = kept.keys().next_back().copied().unwrap_or(0);
        let log = ChangeLog::new(SECTION.to_owned(), saved);
        Self { settings, kept, live, over, last_id, evicted, unsaved: BTreeSet::new(), log }
    }

    /// The incident with this number, if it is still kept.
    pub fn get(&self, id: u64) -> Option<&Incident> {
        self.kept.get(&id).map(Box::as_ref)
    }

    /// All that are kept, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.kept.values().rev().map(Box::as_ref)
    }

    /// How many are kept, and the most that are.
    pub fn fill(&self) -> (usize, usize) {
        (self.kept.len(), self.settings.max)
    }

    /// How many were dropped to make room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// How many are open, by severity.
    pub fn open(&self) -> [u64; 3] {
        Severity::ALL.map(|severity| {
            let is_open = |incident: &&Incident| incident.closed.is_none() && incident.severity == severity && incident.kind != PLAYERS;
            self.iter().filter(is_open).count() as u64
        })
    }

    /// Takes a finding about somebody or something, who has been put on the watchlist so often. As long as `client` goes on with
    /// anything that is held against it, the incident goes on.
    pub fn take(&mut self, now: Timestamp, finding: &Finding, strikes: u32, client: Option<Client>) -> Changed {
        let key = key(&finding.detector, &finding.about);
        if let Some(id) = self.live(&key, now, client) {
            return self.goes_on(id, finding, strikes);
        }
        let id = self.next_id(key, now, client);
        self.keep(Incident {
            id,
            kind: finding.detector.clone(),
            severity: finding.severity,
            source: finding.source.clone(),
            about: finding.about.clone(),
            client: finding.client.clone(),
            country: finding.country.clone(),
            strikes,
            summary: finding.summary.clone(),
            evidence: finding.evidence.clone(),
            opened: finding.at,
            last: finding.at,
            closed: None,
            findings: 1,
            player: None,
        });
        Changed { id, change: Change::Opened, is_worse: false }
    }

    fn goes_on(&mut self, id: u64, finding: &Finding, strikes: u32) -> Changed {
        let mut is_worse = false;
        if let Some(incident) = self.kept.get_mut(&id) {
            is_worse = finding.severity > incident.severity;
            incident.severity = incident.severity.max(finding.severity);
            incident.strikes = incident.strikes.max(strikes);
            incident.summary.clone_from(&finding.summary);
            incident.evidence.clone_from(&finding.evidence);
            // Logs that are read one after another may tell of the same hour.
            incident.opened = incident.opened.min(finding.at);
            incident.last = incident.last.max(finding.at);
            incident.closed = None;
            incident.findings += 1;
            self.over.remove(&id);
        }
        Changed { id, change: Change::Updated, is_worse }
    }

    /// A player came or left. Each stay is an incident of its own; who comes back within the cooldown goes on with the last one.
    pub fn player(&mut self, now: Timestamp, news: PlayerNews) -> Option<Changed> {
        let about = about(&news);
        let key = key(PLAYERS, &about);
        let live = self.live(&key, now, None);
        let incident = live.and_then(|id| self.kept.get_mut(&id));
        match incident {
            Some(incident) => {
                let id = incident.id;
                incident.last = incident.last.max(news.at);
                incident.findings += u64::from(news.came);
                incident.closed = (!news.came).then_some(now);
                if news.came {
                    self.over.remove(&id)
                } else {
                    self.over.insert(id)
                };
                incident.summary = sentence(&news);
                incident.player = Some(Player { returning: incident.player.as_ref().is_some_and(|p| p.returning), ..news.player });
                Some(Changed { id, change: if news.came { Change::Updated } else { Change::Closed }, is_worse: false })
            }
            None if news.came => {
                let id = self.next_id(key, now, None);
                self.keep(Incident {
                    id,
                    kind: PLAYERS.to_owned(),
                    severity: Severity::Info,
                    source: news.source.clone(),
                    about,
                    client: None,
                    country: Some(news.country.clone()),
                    strikes: 0,
                    summary: sentence(&news),
                    evidence: Vec::new(),
                    opened: news.at,
                    last: news.at,
                    closed: None,
                    findings: 1,
                    player: Some(news.player),
                });
                Some(Changed { id, change: Change::Opened, is_worse: false })
            }
            None => None,
        }
    }

    /// The incident that something of this kind and subject belongs to, noted as changed now.
    fn live(&mut self, key: &Key, now: Timestamp, client: Option<Client>) -> Option<u64> {
        let live = self.live.get_mut(key)?;
        (live.seen, live.client) = (now, client);
        self.unsaved.insert(live.id);
        Some(live.id)
    }

    fn next_id(&mut self, key: Key, now: Timestamp, client: Option<Client>) -> u64 {
        self.make_room();
        self.last_id += 1;
        self.live.insert(key, Live { id: self.last_id, seen: now, client });
        self.unsaved.insert(self.last_id);
        self.last_id
    }

    fn keep(&mut self, incident: Incident) {
        self.kept.insert(incident.id, Box::new(incident));
    }

    /// Forgets the oldest that is over, else the oldest.
    fn make_room(&mut self) {
        if self.kept.len() < self.settings.max.max(1) {
            return;
        }
        let Some(id) = self.over.pop_first().or_else(|| self.kept.keys().next().copied()) else { return };
        if let Some(incident) = self.kept.remove(&id) {
            self.live.remove(&key_of(&incident));
        }
        self.unsaved.insert(id);
        self.evicted += 1;
        // Nothing is saved, in a replay or since the disk is full, and most of these are gone: all that is kept will be written.
        if self.unsaved.len() > 2 * self.settings.max {
            self.unsaved.clear();
            self.log.rewrite();
        }
    }

    /// Closes what has been quiet, and gives it. `last_deed` is when a client last did something that is held against it: not all of that
    /// is a finding, and who goes on guessing is not quiet. Stays of players end when they leave.
    pub fn on_tick(&mut self, now: Timestamp, last_deed: impl Fn(Client) -> Option<Timestamp>) -> Vec<Changed> {
        let (quiet, cooldown) = (self.settings.quiet_secs, self.settings.cooldown_secs);
        let mut closed = Vec::new();
        let (kept, unsaved) = (&mut self.kept, &mut self.unsaved);
        self.live.retain(|_, Live { id, seen, client }| {
            let Some(incident) = kept.get_mut(id) else { return false };
            // A clock that was put back holds nothing back: it is quiet from then on.
            *seen = (*seen).min(now);
            let silent = now.since(*seen).as_secs();
            if incident.closed.is_some() {
                return silent < cooldown;
            }
            let patience = if incident.kind == PLAYERS { MAX_STAY_SECS } else { quiet };
            let is_recent = |deed: &Timestamp| now.since(*deed).max(deed.since(now)).as_secs() < patience;
            let deed = client.filter(|_| silent >= patience).and_then(&last_deed).filter(is_recent);
            if let Some(deed) = deed {
                (incident.last, *seen) = (incident.last.max(deed), deed.min(now));
                unsaved.insert(*id);
            } else if silent >= patience {
                (incident.closed, *seen) = (Some(now), now);
                closed.push(Changed { id: *id, change: Change::Closed, is_worse: false });
            }
            true
        });
        closed.sort_by_key(|changed| changed.id);
        self.unsaved.extend(closed.iter().map(|changed| changed.id));
        self.over.extend(closed.iter().map(|changed| changed.id));
        closed
    }

    /// Whether an incident may still go on.
    pub fn is_live(&self, id: u64) -> bool {
        self.kept.get(&id).is_some_and(|incident| self.live.get(&key_of(incident)).is_some_and(|live| live.id == id))
    }

    /// Whose deeds an incident is about, if it may still go on.
    pub fn deeds_of(&self, incident: &Incident) -> Option<Client> {
        deeds_of(&self.live, incident)
    }

    /// What changed since the last call.
    pub fn save(&mut self) -> Option<Write> {
        let (kept, live) = (&self.kept, &self.live);
        let unsaved = std::mem::take(&mut self.unsaved);
        let changes = || {
            let mut lines = Lines::default();
            for id in unsaved {
                match kept.get(&id) {
                    Some(incident) => lines.push(&saved::written(incident, deeds_of(live, incident))),
                    None => lines.push(&json!({ "gone": id })),
                }
            }
            lines
        };
        self.log.write(changes, || kept.values().map(|incident| saved::written(incident, deeds_of(live, incident))).collect())
    }

    /// After a commit that failed.
    pub fn save_all_again(&mut self) {
        self.log.rewrite();
    }
}

fn deeds_of(live: &HashMap<Key, Live>, incident: &Incident) -> Option<Client> {
    live.get(&key_of(incident)).filter(|live| live.id == incident.id).and_then(|live| live.client)
}

/// Kind and subject, in one text since there are thousands: no kind holds a line end.
type Key = Box<str>;

fn key(kind: &str, about: &str) -> Key {
    [kind, "\n", about].concat().into()
}

fn key_of(incident: &Incident) -> Key {
    key(&incident.kind, &incident.about)
}

fn about(news: &PlayerNews) -> String {
    if news.player.server.is_empty() { news.name.clone() } else { format!("{} on {}", news.name, news.player.server) }
}

fn sentence(news: &PlayerNews) -> String {
    let server = if news.player.server.is_empty() { String::new() } else { format!(" {}", news.player.server) };
    let (did, online) = (if news.came { "joined" } else { "left" }, news.player.online);
    format!("{} {did}{server}; {online} online.", news.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_795_255_200 + secs)
    }

    fn finding(secs: i64, about: &str, severity: Severity) -> Finding {
        Finding {
            id: 0,
            at: at(secs),
            detector: "enumeration".into(),
            severity,
            source: "web".into(),
            about: about.into(),
            client: Some(about.into()),
            country: Some("DE".into()),
            summary: format!("{about} at {secs}."),
            evidence: Vec::new(),
        }
    }

    fn settings(max: usize) -> Settings {
        Settings { quiet_secs: 900, cooldown_secs: 3_600, max }
    }

    #[test]
    fn findings_are_one_incident_until_it_has_been_quiet() {
        let mut incidents = Incidents::new(settings(10), None, 0);
        let mut take = |now: i64, about: &str, severity| {
            let changed = incidents.take(at(now), &finding(now, about, severity), 0, None);
            (changed.id, changed.change, changed.is_worse)
        };
        assert_eq!(take(0, "a", Severity::Warning), (1, Change::Opened, false));
        assert_eq!(take(1, "b", Severity::Warning), (2, Change::Opened, false));
        assert_eq!(take(60, "a", Severity::Info), (1, Change::Updated, false));
        assert_eq!(take(61, "a", Severity::Critical), (1, Change::Updated, true));
        let closed =
            |incidents: &mut Incidents, now| incidents.on_tick(at(now), |_| None).iter().map(|changed| changed.id).collect::<Vec<_>>();
        assert_eq!(closed(&mut incidents, 900), Vec::<u64>::new());
        assert_eq!(closed(&mut incidents, 901), [2]);
        assert_eq!(closed(&mut incidents, 961), [1]);
        let first = incidents.get(1).unwrap();
        assert_eq!((first.findings, first.severity, first.lasted().as_secs(), first.closed), (3, Severity::Critical, 61, Some(at(961))));
        // Within the cooldown it goes on; after it, it is another one.
        let again = incidents.take(at(4_000), &finding(4_000, "a", Severity::Info), 0, None);
        assert_eq!((again.id, again.change, incidents.get(1).unwrap().closed), (1, Change::Updated, None));
        incidents.on_tick(at(4_901), |_| None);
        assert_eq!(incidents.take(at(4_901), &finding(4_901, "b", Severity::Info), 0, None).id, 3);
    }

    #[test]
    fn a_clock_that_was_put_back_holds_nothing_back() {
        let (client, day) = (Client::parse(b"203.0.113.7"), 86_400);
        let mut incidents = Incidents::new(settings(10), None, 0);
        incidents.take(at(day), &finding(day, "a", Severity::Warning), 0, client);
        assert!(incidents.on_tick(at(0), |_| Some(at(day))).is_empty());
        assert!(incidents.on_tick(at(899), |_| Some(at(day))).is_empty());
        assert_eq!(incidents.on_tick(at(900), |_| Some(at(day))).len(), 1);
    }

    #[test]
    fn who_goes_on_is_not_quiet() {
        let client = Client::parse(b"203.0.113.7");
        let mut incidents = Incidents::new(settings(10), None, 0);
        incidents.take(at(0), &finding(0, "a", Severity::Warning), 0, client);
        let deed = |secs: i64| move |who| (Some(who) == client).then(|| at(secs));
        assert!(incidents.on_tick(at(900), deed(850)).is_empty());
        assert_eq!(incidents.get(1).unwrap().last, at(850));
        // Nor after a restart.
        let Some(Write::Put { pieces, .. }) = incidents.save() else { panic!() };
        let mut incidents = Incidents::new(settings(10), Some(&pieces), 0);
        assert!(incidents.on_tick(at(1_750), deed(1_700)).is_empty());
        assert!(incidents.on_tick(at(2_599), deed(1_700)).is_empty(), "it is not looked for before that");
        assert_eq!(incidents.on_tick(at(2_600), deed(1_700)).len(), 1);
    }

    #[test]
    fn players_stay_from_coming_to_leaving() {
        let mut incidents = Incidents::new(settings(10), None, 0);
        let mut play = |secs: i64, name: &str, came| {
            let player = Player { server: "halo".into(), returning: false, vpn: None, online: u64::from(came) };
            let news = PlayerNews { at: at(secs), source: "players".into(), name: name.into(), country: "DE".into(), came, player };
            incidents.player(at(secs), news).map(|changed| (changed.id, changed.change))
        };
        assert_eq!(play(0, "Ann", false), None);
        assert_eq!(play(1, "Ann", true), Some((1, Change::Opened)));
        assert_eq!(play(2, "Bob", true), Some((2, Change::Opened)));
        assert_eq!(play(61, "Ann", false), Some((1, Change::Closed)));
        assert_eq!(play(70, "Ann", true), Some((1, Change::Updated)));
        assert!(incidents.on_tick(at(80_000), |_| None).is_empty(), "silence is no end of a game");
        let ann = incidents.get(1).unwrap();
        assert_eq!((ann.summary.as_str(), ann.lasted().as_secs()), ("Ann joined halo; 1 online.", 69));
    }

    #[test]
    fn incidents_are_bounded_and_saved() {
        let mut incidents = Incidents::new(settings(3), None, 0);
        let mut section: Section = Vec::new();
        for (now, about) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            incidents.take(at(now as i64), &finding(now as i64, about, Severity::Warning), 1, None);
            match incidents.save() {
                Some(Write::Put { pieces, .. }) => section = pieces,
                Some(Write::Append { pieces, .. }) => section.extend(pieces),
                other => panic!("{other:?}"),
            }
        }
        let ids = |incidents: &Incidents| incidents.iter().map(|incident| incident.id).collect::<Vec<_>>();
        assert_eq!(ids(&incidents), [5, 4, 3]);
        let mut loaded = Incidents::new(settings(3), Some(&section), 0);
        assert_eq!(ids(&loaded), [5, 4, 3]);
        assert_eq!(loaded.get(4), incidents.get(4));
        let known = loaded.take(at(10), &finding(10, "e", Severity::Warning), 2, None);
        assert_eq!((known.id, known.change), (5, Change::Updated));
        assert_eq!(loaded.take(at(10), &finding(10, "a", Severity::Warning), 0, None).id, 6);
    }

    #[test]
    fn what_waits_to_be_saved_is_bounded() {
        let mut incidents = Incidents::new(settings(3), None, 0);
        let take = |incidents: &mut Incidents, n: i64| {
            incidents.take(at(n), &finding(n, &n.to_string(), Severity::Warning), 0, None);
        };
        take(&mut incidents, 0);
        assert!(matches!(incidents.save(), Some(Write::Put { .. })), "the first time");
        take(&mut incidents, 1);
        assert!(matches!(incidents.save(), Some(Write::Append { .. })));
        for n in 2..1_000 {
            take(&mut incidents, n);
            assert!(incidents.unsaved.len() <= 8, "{n}");
        }
        let Some(Write::Put { pieces, .. }) = incidents.save() else { panic!() };
        let loaded = Incidents::new(settings(3), Some(&pieces), 0);
        assert_eq!(loaded.iter().map(|incident| incident.id).collect::<Vec<_>>(), [1_000, 999, 998]);
    }
}

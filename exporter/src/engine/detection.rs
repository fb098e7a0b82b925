//! What happens to everything that can be held against somebody: it is classified, remembered, judged, and told if nobody may not be
//! told of.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Action;
use super::decisions::Decisions;
use super::feeds::{Feeds, entries};
use super::findings::Findings;
use super::ledger::Ledger;
use super::links::{Links, hash};
use super::logged::Seen;
use super::notices::{self, Notices};
use super::source::Subject;
use super::telling::shown;
use crate::classify::Classifier;
use crate::detectors::enumeration::{self, Enumeration, Link};
use crate::detectors::slow_attacker::{self, SlowAttacker};
use crate::detectors::suspects::{Deed, Kind, Suspects};
use crate::detectors::suspicion::{self, Suspicion};
use crate::detectors::window::Place;
use crate::event::{
    Attack, AttackClass, FirewallAction, FirewallEvent, HttpRequest, PlayerChange, PlayerEvent, SshAuth, SshOutcome, Timestamp,
};
use crate::feed::Feed;
use crate::finding::{About, Found, Severity};
use crate::incident::Player;
use crate::metrics::Page;
use crate::metrics::attacks::{self, Attacks, Scope};
use crate::metrics::http::{Http, Judgement};
use crate::metrics::own::{Own, Table};
use crate::policy::incidents::PlayerNews;
use crate::policy::never_ban::{NeverBan, Reason};
use crate::privacy::Privacy;
use crate::sample::Sample;
use crate::snapshot::{Section, Write};
use crate::subject::{self, Client, Locate, Location, TrustedProxies};

/// Sections that name clients begin so: they are sealed on disk unless addresses are shown in full.
pub(super) const SEALED: &str = "clients/";
const SUSPECTS: &str = "clients/suspects";
const WATCHED: &str = "clients/watched";
const VISITORS: [&str; 2] = ["clients/visitors", "clients/networks"];
/// Counters of attackers, in the engine's own section.
const ATTACKS: &str = "attacks";
/// Counters of messages, there too.
const NOTICES: &str = "notices";
/// Counters of CrowdSec's decisions, there too.
const CROWDSEC: &str = "crowdsec";
/// How web servers answer whom a bouncer keeps out: forbidden, too many requests, and nginx's way to close the connection.
const KEPT_OUT: [u16; 3] = [403, 429, 444];
/// The longest name of a player in a message, in characters.
const NAME_CHARS: usize = 48;

/// What detection is built from.
pub struct Setup {
    /// Beginnings of the paths whose next segment is a link of its own.
    pub link_prefixes: Vec<String>,
    /// The most clients of whom something is remembered.
    pub max_clients: std::num::NonZeroUsize,
    /// How clients are scored.
    pub scores: suspicion::Config,
    /// Whether a high score is a finding.
    pub judges_suspicion: bool,
    /// `None`: not wanted.
    pub slow_attacker: Option<slow_attacker::Config>,
    /// `None`: not wanted.
    pub enumeration: Option<enumeration::Config>,
    /// Who is never told of.
    pub never_ban: NeverBan,
    /// Knows where clients are.
    pub locate: Arc<dyn Locate>,
    /// Whether CrowdSec tells whom it bans.
    pub asks_crowdsec: bool,
    /// Who hears of what is found.
    pub notices: notices::Setup,
}

/// What detection knows.
pub(super) struct Detection {
    classifier: Classifier,
    links: Links,
    pub(super) suspects: Suspects,
    pub(super) suspicion: Suspicion,
    judges_suspicion: bool,
    pub(super) slow_attacker: Option<SlowAttacker>,
    pub(super) enumeration: Option<Enumeration>,
    pub(super) never_ban: NeverBan,
    pub(super) locate: Arc<dyn Locate>,
    pub(super) attacks: Attacks,
    pub(super) ledger: Ledger,
    pub(super) findings: Findings,
    pub(super) notices: Notices,
    pub(super) decisions: Decisions,
}

/// Who did something, by its own word and by the log's.
#[derive(Clone, Copy, Default)]
pub(super) struct By<'a> {
    /// Its user agent.
    pub(super) agent: &'a [u8],
    /// Its address as logged.
    pub(super) address: &'a [u8],
}

/// Everything around an event that is not the event.
pub(super) struct Context<'e> {
    pub(super) now: Timestamp,
    pub(super) source: &'e str,
    pub(super) proxies: &'e TrustedProxies,
    pub(super) privacy: &'e Privacy,
    pub(super) own: &'e mut Own,
    pub(super) feeds: &'e mut Feeds,
    pub(super) actions: &'e mut Vec<Action>,
}

impl Detection {
    /// Takes up what was saved.
    pub(super) fn new(setup: Setup, saved: &BTreeMap<String, Section>, own: &serde_json::Value) -> Self {
        let section = |name: &str| saved.get(name);
        let mut attacks = Attacks::default();
        attacks.load(&own[ATTACKS], reasons());
        let slow_attacker = setup.slow_attacker.map(|config| SlowAttacker::new(config, WATCHED, section(WATCHED)));
        let enumeration = setup.enumeration.map(|config| Enumeration::new(config, VISITORS, VISITORS.map(section)));
        // Without the detector nobody asks for links.
        let links = Links::new(if enumeration.is_some() { setup.link_prefixes } else { Vec::new() });
        Self {
            classifier: Classifier::new(),
            links,
            suspects: Suspects::new(setup.max_clients, SUSPECTS, section(SUSPECTS)),
            judges_suspicion: setup.judges_suspicion,
            suspicion: Suspicion::new(setup.scores),
            slow_attacker,
            enumeration,
            never_ban: setup.never_ban,
            locate: setup.locate,
            attacks,
            ledger: Ledger::new(section),
            findings: Findings::new(saved.get(super::findings::SECTION)),
            notices: Notices::new(setup.notices, saved, &own[NOTICES]),
            decisions: Decisions::new(setup.asks_crowdsec, &own[CROWDSEC]),
        }
    }

    /// Looks at a request: what it is, and whether it is a visitor's.
    pub(super) fn request(&mut self, at: Timestamp, context: &mut Context<'_>, request: &HttpRequest<'_>, http: &mut Http) -> Judgement {
        let by = By { agent: request.user_agent, address: context.proxies.client(request) };
        // Looked for before anything else, so that memory has brought what is known of a client by the time that it is needed.
        let client = if self.suspects.may_know(by.address) { Client::parse(by.address) } else { None };
        let known = client.and_then(|client| self.suspects.find(client));
        if let Some(place) = known {
            let suspect = self.suspects.at_mut(place);
            suspect.requests = suspect.requests.saturating_add(1);
        }
        let attack = self.classifier.classify(request);
        let class = attack.map(|attack| attack.class);
        let is_kept_out = self.is_kept_out(at, context, request);
        // How a ban is answered says nothing about who is banned: it was said before.
        let attack = attack.filter(|attack| !is_kept_out || attack.class.is_strong());
        let link = self.links.opened(request).filter(|_| !is_kept_out);
        // Nearly all requests end here.
        if attack.is_none() && link.is_none() && known.is_none() {
            return Judgement { class, is_attackers: false };
        }
        let is_strong = class.is_some_and(AttackClass::is_strong);
        let Some(client) = client.or_else(|| Client::parse(by.address)) else { return Judgement { class, is_attackers: is_strong } };
        let mut is_suspicious = false;
        if let Some(place) = known {
            let suspect = self.suspects.at(place);
            // Behind an untold proxy all visitors share an address: what one of them did must not make attackers of all.
            is_suspicious = !is_strong
                && self.suspicion.is_suspicious(suspect, at)
                && self.never_ban.reason(client, context.now, request.user_agent).is_none_or(Reason::may_be_told_of);
        }
        if let Some(attack) = attack {
            self.attack(at, context, (client, known), by, request, attack, http);
        }
        if let Some(link) = link {
            self.link_opened(at, context, client, by, link);
        }
        Judgement { class, is_attackers: is_strong || is_suspicious }
    }

    /// Counts a request of somebody whom CrowdSec bans at that time; whether it was answered as bans are.
    fn is_kept_out(&mut self, at: Timestamp, context: &Context<'_>, request: &HttpRequest<'_>) -> bool {
        if self.decisions.is_empty() {
            return false;
        }
        let address = subject::address(context.proxies.client(request));
        let Some(ban) = address.and_then(|address| self.decisions.ban(at, address)) else { return false };
        self.decisions.arrived(ban);
        KEPT_OUT.contains(&request.status)
    }

    /// Takes what CrowdSec decided.
    pub(super) fn decided(&mut self, now: Timestamp, sample: Sample) {
        if let Sample::CrowdSec(decisions) = sample {
            self.decisions.take(now, decisions);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is another owner's")]
    fn attack(
        &mut self,
        at: Timestamp,
        context: &mut Context<'_>,
        (client, known): (Client, Option<Place>),
        by: By<'_>,
        request: &HttpRequest<'_>,
        attack: Attack,
        http: &mut Http,
    ) {
        let class = attack.class;
        // An odd status alone says nothing about who has nothing else against it.
        if class == AttackClass::Suspicious {
            if let Some(place) = known {
                let deed = Deed { kind: Kind::Web(class), what: hash(&[request.target]), times: 1 };
                self.deed(at, context, (client, place), deed, by);
            }
            return;
        }
        let place = known.or_else(|| {
            let place = self.suspects.enter(at, client)?;
            self.suspects.at_mut(place).requests = 1;
            Some(place)
        });
        let country = self.country(client, place, request.country);
        self.attacks.country(country);
        let path = request.path();
        // Injections differ behind the question mark, probes before it.
        let what =
            if matches!(class, AttackClass::ConfigProbe | AttackClass::CveProbe | AttackClass::Webshell) { path } else { request.target };
        let deed = Deed { kind: Kind::Web(class), what: hash(&[what]), times: 1 };
        let is_new = place.is_some_and(|place| self.deed(at, context, (client, place), deed, by));
        let deeds = place.map_or(0, |place| self.suspects.at(place).deeds);
        let (number, site) = (self.ledger.count(), http.site_name(request.host));
        let seen = Seen { number, source: context.source, site, path, client, deeds, country };
        let is_fed = context.feeds.attack(at, &seen, request, attack);
        self.ledger.add(at, &seen, request, attack, is_new, is_fed);
    }

    /// Holds something against a client that stands at a place, and tells what comes of it. Whether it is new of this client.
    fn deed(&mut self, at: Timestamp, context: &mut Context<'_>, (client, place): (Client, Place), deed: Deed, by: By<'_>) -> bool {
        let suspect = self.suspects.at_mut(place);
        let noted = suspect.note(at, deed);
        let score = self.suspicion.score_deed(at, suspect, noted, deed.times);
        let slow = self.slow_attacker.as_mut().filter(|_| deed.kind.is_strong()).and_then(|slow| slow.judge(at, client, suspect));
        let score = if self.judges_suspicion { self.suspicion.judge(at, client, suspect, score) } else { None };
        if let Some(found) = score
            && self.tell(context, found, by)
        {
            self.suspicion.told(at, self.suspects.at_mut(place));
        }
        if let Some(found) = slow
            && self.tell(context, found, by)
            && let Some(slow) = &mut self.slow_attacker
        {
            slow.strike(at, client, self.suspects.at_mut(place));
        }
        noted.is_new
    }

    /// Holds something against a client, if there is room for it.
    fn hold(&mut self, at: Timestamp, context: &mut Context<'_>, client: Client, deed: Deed, by: By<'_>) {
        if let Some(place) = self.suspects.find(client).or_else(|| self.suspects.enter(at, client)) {
            self.deed(at, context, (client, place), deed, by);
        }
    }

    fn link_opened(&mut self, at: Timestamp, context: &mut Context<'_>, client: Client, by: By<'_>, link: Link) {
        let Some(found) = self.enumeration.as_mut().and_then(|enumeration| enumeration.open(at, client, link)) else { return };
        let scope = if matches!(found.about, About::Client(_)) { Scope::Client } else { Scope::Network };
        if self.tell(context, found, by) {
            self.attacks.enumeration(scope);
            if scope == Scope::Client {
                let deed = Deed { kind: Kind::Enumeration, what: u64::from(link.hash), times: 1 };
                self.hold(at, context, client, deed, by);
            }
        }
    }

    /// What an attempt to log in over SSH says about a client, besides what its detector found.
    pub(super) fn ssh(&mut self, at: Timestamp, context: &mut Context<'_>, auth: &SshAuth<'_>, found: Vec<Found>) {
        let by = By { agent: b"", address: auth.client };
        let client = Client::parse(auth.client);
        if matches!(auth.outcome, SshOutcome::Accepted | SshOutcome::Failed | SshOutcome::InvalidUser) && auth.attempts > 0 {
            let Context { privacy, source, feeds, .. } = context;
            feeds.add(Feed::Ssh, at, source, || self.with_place(auth.client, privacy, |from| entries::login(privacy, from, auth)));
        }
        if let (SshOutcome::Failed | SshOutcome::InvalidUser, Some(client), 1..) = (auth.outcome, client, auth.attempts) {
            self.attacks.country(self.locate.locate(client.address()).code());
            self.hold(at, context, client, Deed { kind: Kind::SshFailure, what: hash(&[auth.user]), times: auth.attempts }, by);
        }
        // Who got in by guessing is no owner.
        let is_guessed = found.iter().any(|found| found.severity == Severity::Critical);
        for found in found {
            self.tell(context, found, by);
        }
        if let (SshOutcome::Accepted, Some(client), false) = (auth.outcome, client, is_guessed) {
            self.never_ban.note_login(client, at);
        }
    }

    /// What a packet at the firewall says about a client, besides what its detector found.
    pub(super) fn packet(
        &mut self,
        at: Timestamp,
        context: &mut Context<'_>,
        packet: &FirewallEvent<'_>,
        is_scan: bool,
        found: Vec<Found>,
    ) {
        let by = By { agent: b"", address: packet.client };
        if packet.action == FirewallAction::Block && packet.inbound {
            let Context { privacy, source, feeds, .. } = context;
            feeds.add(Feed::Firewall, at, source, || self.with_place(packet.client, privacy, |from| entries::packet(from, packet)));
        }
        if is_scan && let Some(client) = Client::parse(packet.client) {
            self.hold(at, context, client, Deed { kind: Kind::PortScan, what: 0, times: 1 }, by);
        }
        for found in found {
            self.tell(context, found, by);
        }
    }

    /// Players are left alone, and people hear who came and left.
    pub(super) fn player(&mut self, at: Timestamp, context: &mut Context<'_>, event: &PlayerEvent<'_>, player: Option<Player>) {
        let Context { privacy, source, feeds, .. } = context;
        feeds.add(Feed::Players, at, source, || entries::player(privacy, self.locate_text(event.client).country_or_unknown(), event));
        if let Some(client) = Client::parse(event.client) {
            self.never_ban.note_player(client, at);
        }
        let Some(player) = player else { return };
        let news = PlayerNews {
            at,
            source: context.source.to_owned(),
            name: context.privacy.show_thing(&String::from_utf8_lossy(event.name), NAME_CHARS),
            country: self.locate_text(event.client).country_or_unknown().to_owned(),
            came: event.change == PlayerChange::Join,
            player,
        };
        self.notices.player(context.now, news);
    }

    /// Leaves alone whom a source remembers from before the start: who logged in, who played.
    pub(super) fn leave_alone(&mut self, subject: &Subject) {
        match subject {
            Subject::Ssh(ssh) => ssh.logins().for_each(|(client, at)| self.never_ban.note_login(client, at)),
            Subject::Players(players) => players.recent().for_each(|(client, at)| self.never_ban.note_player(client, at)),
            _ => {}
        }
    }

    /// What is said of somebody, with the address as people may see it and its country.
    fn with_place<T>(&self, address: &[u8], privacy: &Privacy, say: impl FnOnce(entries::From<'_>) -> T) -> T {
        let client = Client::parse(address).map_or_else(|| privacy.show_client(address), |client| shown(client, privacy));
        say(entries::From { client: &client, country: self.locate_text(address).country_or_unknown() })
    }

    /// Where an address is that a log names.
    pub(super) fn locate_text(&self, address: &[u8]) -> Location {
        Client::parse(address).map(|client| self.locate.locate(client.address())).unwrap_or_default()
    }

    /// Where a client is: by the log's own word if it has one, else by the database, which is asked once.
    fn country(&mut self, client: Client, place: Option<Place>, logged: &[u8]) -> [u8; 2] {
        if let [a, b] = *logged
            && a.is_ascii_uppercase()
            && b.is_ascii_uppercase()
        {
            return [a, b];
        }
        if let Some(country) = place.and_then(|place| self.suspects.at(place).country) {
            return country;
        }
        let country = self.locate.locate(client.address()).code();
        if let Some(place) = place {
            self.suspects.at_mut(place).country = Some(country);
        }
        country
    }

    /// Forgets what has aged out.
    pub(super) fn on_tick(&mut self, now: Timestamp) {
        self.suspects.on_tick(now);
        self.ledger.on_tick(now);
        self.decisions.on_tick(now);
        let suspects = &self.suspects;
        self.notices.on_tick(now, |client| suspects.get(client).map(|suspect| Timestamp::from_secs(i64::from(suspect.last))));
        if let Some(slow_attacker) = &mut self.slow_attacker {
            slow_attacker.on_tick(now);
        }
        if let Some(enumeration) = &mut self.enumeration {
            enumeration.on_tick(now);
        }
    }

    /// Writes this part's rows.
    pub(super) fn show(&self, now: Timestamp, privacy: &Privacy, page: &mut Page) {
        let row = |(client, score): (Client, f32)| {
            let country = self.locate.locate(client.address()).country_or_unknown().to_owned();
            // As precise as the terms that explain it.
            (shown(client, privacy), country, (f64::from(score) * 10.0).round() / 10.0)
        };
        let mut top: Vec<(String, String, f64)> = Vec::new();
        for (client, country, score) in self.top(now).into_iter().map(row) {
            // Several clients may be shown as one network: the highest score stands for it.
            if !top.iter().any(|(known, ..)| *known == client) {
                top.push((client, country, score));
            }
        }
        let now = attacks::Now {
            top,
            suspicious: self.suspects.iter().filter(|(_, suspect)| self.suspicion.is_suspicious(suspect, now)).count() as u64,
            enumerating: self.enumeration.as_ref().map_or(0, |enumeration| enumeration.enumerating(now)) as u64,
            watchlist: self.slow_attacker.as_ref().map(SlowAttacker::by_strikes).unwrap_or_default(),
        };
        self.attacks.show(&now, reasons(), page);
        self.decisions.show(page);
        self.notices.show(page);
    }

    /// The fill of the bounded tables.
    pub(super) fn tables(&self) -> Vec<Table> {
        let table = |name, (tracked, limit, evicted)| Table { name, tracked, limit, evicted };
        let slow_attacker = self.slow_attacker.as_ref().map(|slow| table("watchlist", slow.fill()));
        let enumeration = self.enumeration.as_ref().map(|enumeration| table("links", enumeration.fill()));
        let clients = [table("clients", self.suspects.fill())];
        let others = self.decisions.tables().into_iter().chain([self.notices.table()]);
        clients.into_iter().chain(slow_attacker).chain(enumeration).chain(others).collect()
    }

    /// For the engine's own section: the counters.
    pub(super) fn save_counters(&self, own: &mut serde_json::Value) {
        own[ATTACKS] = self.attacks.save();
        own[CROWDSEC] = self.decisions.save();
        own[NOTICES] = self.notices.save_counters();
    }

    /// The writes that save what changed; the feed has some of it.
    pub(super) fn save(&mut self, privacy: &Privacy, feeds: &Feeds) -> Vec<Write> {
        let mut writes = self.ledger.save(privacy, feeds.attacks());
        writes.extend(self.suspects.save());
        writes.extend(self.slow_attacker.as_mut().and_then(SlowAttacker::save));
        writes.extend(self.enumeration.iter_mut().flat_map(Enumeration::save));
        writes.extend(self.findings.save());
        writes.extend(self.notices.save());
        writes
    }

    /// After a commit that failed.
    pub(super) fn save_all_again(&mut self) {
        self.ledger.save_all_again();
        self.suspects.save_all_again();
        self.findings.save_all_again();
        self.notices.save_all_again();
        self.slow_attacker.iter_mut().for_each(SlowAttacker::save_all_again);
        self.enumeration.iter_mut().for_each(Enumeration::save_all_again);
    }
}

fn reasons() -> impl Iterator<Item = &'static str> {
    Reason::LABELS.into_iter()
}

//! The memory of clients that did something odd: what, how often, when, on how many paths. Detectors judge from it; it judges nothing.
//!
//! Bounded: when it is full, only a client that was seen before gets in, and the one with the least against it gives way. So ten
//! million addresses that come once neither grow it nor push out who comes back.

use std::num::NonZeroUsize;

use smallvec::SmallVec;

use super::window::{DAY, HOUR, Place, Sightings, Slots, Table, Weigh, seconds};
use crate::event::{AttackClass, Timestamp};
use crate::snapshot::{Section, Write};
use crate::subject::Client;

mod presence;
mod saved;

use presence::Presence;

/// What can be held against a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request of an attack class.
    Web(AttackClass),
    /// A refused login over SSH.
    SshFailure,
    /// A scan of ports; its source can be forged.
    PortScan,
    /// Guessing links.
    Enumeration,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = AttackClass::ALL.len() + 3;

    /// All.
    pub fn all() -> impl Iterator<Item = Self> {
        AttackClass::ALL.into_iter().map(Self::Web).chain([Self::SshFailure, Self::PortScan, Self::Enumeration])
    }

    /// Its place among all.
    pub fn index(self) -> usize {
        match self {
            Self::Web(class) => class as usize,
            Self::SshFailure => AttackClass::ALL.len(),
            Self::PortScan => AttackClass::ALL.len() + 1,
            Self::Enumeration => AttackClass::ALL.len() + 2,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web(class) => class.as_str(),
            Self::SshFailure => "ssh_failure",
            Self::PortScan => "port_scan",
            Self::Enumeration => "enumeration",
        }
    }

    /// Whether it says by itself that somebody means harm.
    pub const fn is_strong(self) -> bool {
        match self {
            Self::Web(class) => class.is_strong(),
            Self::Enumeration => true,
            Self::SshFailure | Self::PortScan => false,
        }
    }
}

/// One thing that a client did.
#[derive(Clone, Copy, Debug)]
pub struct Deed {
    /// What kind of thing.
    pub kind: Kind,
    /// Tells deeds of a kind apart: a hash of the path, the user name, the port.
    pub what: u64,
    /// How often, for records that stand for several.
    pub times: u32,
}

/// What is held against a client, of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// Of which kind.
    pub kind: Kind,
    /// How often.
    pub times: u32,
    /// On how many paths (users, ports), as far as they can be told apart.
    pub distinct: u16,
    /// Points of the score at [`Suspect::scored_at`].
    pub points: f32,
    /// The first different deeds of the kind, by a part of what they did; 0 is a free place. Told apart for certain, so that nothing else
    /// that a client does can hide them.
    pub firsts: [u16; FIRSTS],
}

/// Deeds of a kind that are told apart for certain: enough for most of the points that a kind can give.
const FIRSTS: usize = 4;

/// All that is known about a suspicious client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suspect {
    /// When it was first suspicious, in seconds since the epoch.
    pub first: u32,
    /// When it last did something odd.
    pub last: u32,
    /// Requests in all since it is known.
    pub requests: u32,
    /// Odd things in all.
    pub deeds: u32,
    /// Strong ones in all.
    pub strong: u32,
    /// Of the kinds that there were, in the order of the first time: most clients only ever do one.
    pub tallies: SmallVec<[Tally; 1]>,
    /// When the points were last reckoned.
    pub scored_at: u32,
    /// The sum of the tallies' points then, since every request of this client asks for it: who changes one sums up anew.
    pub points: f32,
    /// How far the suspicion has been told, see `suspicion`.
    pub told: u8,
    /// Different strong deeds since the slow attacker's last strike.
    pub distinct_strong: u16,
    /// Where the client is by the database, once somebody asked; not saved.
    pub country: Option<[u8; 2]>,
    /// What the only deed so far was, hashed: most clients never do a second one, and need no history.
    only: u64,
    history: Option<Box<History>>,
}

/// What came of a deed that was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// It is a new one and not a repetition.
    pub is_new: bool,
    /// Where in the suspect's tallies its kind stands.
    pub tally: usize,
}

/// What was done when, and which of it was new.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct History {
    /// Strong deeds in the last 24 hours, by hour.
    hours: Slots<24>,
    /// Strong deeds in the last 30 days, by day.
    days: Slots<30>,
    /// A bit for each strong deed: one whose bit is set is taken for one that was done before, unless its tally knows better.
    seen: [u64; 4],
    /// The same for weak ones, which come in crowds and must not hide strong ones.
    seen_weak: [u64; 2],
    /// The same for strong ones since the slow attacker's last strike.
    seen_since_strike: [u64; 4],
}

impl Suspect {
    /// Strong deeds in the 24 hours before `now` (seconds since the epoch), and in how many different ones.
    pub fn hours(&self, now: u32) -> (u32, u32) {
        self.with_history(|history| history.hours.sum(now / HOUR))
    }

    /// Strong deeds in the 30 days before `now` (seconds since the epoch), and on how many different ones.
    pub fn days(&self, now: u32) -> (u32, u32) {
        self.with_history(|history| history.days.sum(now / DAY))
    }

    /// After a strike of the slow attacker: what led to it does not count again.
    pub fn begin_anew(&mut self) {
        self.distinct_strong = 0;
        let history = self.history_mut();
        history.hours.clear();
        history.days.clear();
        history.seen_since_strike = [0; 4];
    }

    fn with_history<T>(&self, ask: impl FnOnce(&History) -> T) -> T {
        match &self.history {
            Some(history) => ask(history),
            None => ask(&self.history_of_one()),
        }
    }

    fn history_mut(&mut self) -> &mut History {
        if self.history.is_none() {
            self.history = Some(Box::new(self.history_of_one()));
            self.only = 0;
        }
        self.history.get_or_insert_default()
    }

    /// Of who has done one thing.
    fn history_of_one(&self) -> History {
        let mut history = History::default();
        match self.tallies.first() {
            Some(tally) if tally.kind.is_strong() => {
                history.note_strong(self.first, self.only);
            }
            Some(_) => {
                mark(&mut history.seen_weak, self.only);
            }
            None => {}
        }
        history
    }

    /// What is held against it of a kind.
    pub fn tally(&self, kind: Kind) -> Option<&Tally> {
        self.tallies.iter().find(|tally| tally.kind == kind)
    }

    /// Where in `tallies` it is; it is there from now on.
    fn tally_place(&mut self, kind: Kind) -> usize {
        self.tallies.iter().position(|tally| tally.kind == kind).unwrap_or_else(|| {
            // Few kinds each, of tens of thousands.
            self.tallies.reserve_exact(1);
            self.tallies.push(Tally { kind, times: 0, distinct: 0, points: 0.0, firsts: [0; FIRSTS] });
            self.tallies.len() - 1
        })
    }

    /// Notes a deed.
    pub fn note(&mut self, at: Timestamp, deed: Deed) -> Noted {
        let secs = seconds(at);
        let is_strong = deed.kind.is_strong();
        // One path may be part of deeds of several kinds (the multiplier spreads them, Knuth).
        let what = deed.what.wrapping_add(deed.kind.index() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (is_unseen, is_new_since_strike) = if self.tallies.is_empty() && self.history.is_none() {
            self.only = what;
            (true, true)
        } else {
            if secs.saturating_sub(self.last) > DAY {
                // Who tries the same again another day does something again.
                let history = self.history_mut();
                (history.seen, history.seen_weak) = ([0; 4], [0; 2]);
                self.tallies.iter_mut().for_each(|tally| tally.firsts = [0; FIRSTS]);
            }
            let history = self.history_mut();
            if is_strong { history.note_strong(secs, what) } else { (mark(&mut history.seen_weak, what), false) }
        };
        let place = self.tally_place(deed.kind);
        let tally = &mut self.tallies[place];
        let is_new = tally.is_first(what).unwrap_or(is_unseen);
        tally.times = tally.times.saturating_add(deed.times);
        tally.distinct = tally.distinct.saturating_add(u16::from(is_new));
        self.first = if self.deeds == 0 { secs } else { self.first.min(secs) };
        self.last = self.last.max(secs);
        self.deeds = self.deeds.saturating_add(deed.times);
        if is_strong {
            self.strong = self.strong.saturating_add(deed.times);
            self.distinct_strong = self.distinct_strong.saturating_add(u16::from(is_new_since_strike));
        }
        Noted { is_new, tally: place }
    }
}

impl History {
    /// Notes a strong deed; whether it was not seen before, and not since the last strike.
    fn note_strong(&mut self, secs: u32, what: u64) -> (bool, bool) {
        self.hours.add(secs / HOUR);
        self.days.add(secs / DAY);
        (mark(&mut self.seen, what), mark(&mut self.seen_since_strike, what))
    }
}

impl Tally {
    /// Whether a deed is one of the first different ones, and new; `None` once there were too many to tell.
    fn is_first(&mut self, what: u64) -> Option<bool> {
        // Never 0, which is a free place.
        let part = (what >> 40) as u16 | 1;
        let place = self.firsts.iter().position(|known| *known == part || *known == 0)?;
        Some(std::mem::replace(&mut self.firsts[place], part) == 0)
    }
}

/// Sets a deed's bit; whether it was not set.
fn mark<const WORDS: usize>(bits: &mut [u64; WORDS], what: u64) -> bool {
    let (word, bit) = ((what >> 32) as usize % WORDS, 1 << (what >> 58));
    let was_set = bits[word] & bit != 0;
    bits[word] |= bit;
    !was_set
}

impl Weigh for Suspect {
    /// Strong deeds count most, then that there are many; what is long ago counts half each day.
    fn weight(&self, now: u32) -> u64 {
        let age = now.saturating_sub(self.last) / DAY;
        let (strong, deeds) = (u64::from(self.strong), u64::from(self.deeds.min(1_000)));
        (strong * 64 + deeds) << 20 >> age.min(30)
    }
}

/// Who is suspicious.
pub struct Suspects {
    table: Table<Client, Suspect>,
    presence: Presence,
    sightings: Sightings,
}

/// Clients remembered as seen once while the table is full, for each place in it.
const SIGHTINGS_PER_PLACE: usize = 32;
/// The most of them, four in a set: 4 MiB, enough for a million newcomers between two requests of a slow attacker.
const MAX_SIGHTING_SETS: usize = 1 << 18;

impl Suspects {
    /// At most `max_clients`; takes up what was saved.
    pub fn new(max_clients: NonZeroUsize, section: &str, saved: Option<&Section>) -> Self {
        let sets = (max_clients.get() * SIGHTINGS_PER_PLACE / 4).min(MAX_SIGHTING_SETS);
        let sightings = Sightings::new(u32::try_from(sets).unwrap_or(1));
        let table = Table::new(max_clients.get(), section.to_owned(), saved);
        let mut presence = Presence::new(max_clients.get());
        presence.set(table.iter().map(|(client, _)| *client));
        Self { table, presence, sightings }
    }

    /// Whether anything may be known about the client that a log names so; quicker than [`Suspects::find`], which knows for certain.
    #[inline]
    pub fn may_know(&self, address: &[u8]) -> bool {
        self.presence.may_hold(address)
    }

    /// Where a client stands, if anything is known about it.
    pub fn find(&self, client: Client) -> Option<Place> {
        self.table.find(&client)
    }

    /// Where a client of whom nothing is known gets a place; none if there is no room for somebody that was never seen before.
    pub fn enter(&mut self, at: Timestamp, client: Client) -> Option<Place> {
        let secs = seconds(at);
        let is_let_in = !self.table.is_full() || self.sightings.note(client, secs);
        if !is_let_in {
            return None;
        }
        if self.presence.is_stale() {
            self.presence.set(self.table.iter().map(|(client, _)| *client));
        }
        self.presence.add(client);
        Some(self.table.enter(client, secs, Suspect::default()))
    }

    /// Who stands there.
    pub fn at(&self, place: Place) -> &Suspect {
        self.table.at(place)
    }

    /// The same, to be changed.
    pub fn at_mut(&mut self, place: Place) -> &mut Suspect {
        self.table.at_mut(place)
    }

    /// What is known about a client.
    pub fn get(&self, client: Client) -> Option<&Suspect> {
        self.find(client).map(|place| self.at(place))
    }

    /// Everybody.
    pub fn iter(&self) -> impl Iterator<Item = (Client, &Suspect)> {
        self.table.iter().map(|(client, suspect)| (*client, suspect))
    }

    /// Forgets who has done nothing for 30 days.
    pub fn on_tick(&mut self, now: Timestamp) {
        let now = seconds(now);
        let step = self.table.len() / 600 + 16;
        self.table.sweep(step, |suspect| now.saturating_sub(suspect.last) > 30 * DAY);
    }

    /// Clients in the table, its limit, and how many gave way to others.
    pub fn fill(&self) -> (usize, usize, u64) {
        (self.table.len(), self.table.limit(), self.table.evicted())
    }

    /// The write that saves what changed.
    pub fn save(&mut self) -> Option<Write> {
        self.table.save()
    }

    /// After a commit that failed.
    pub fn save_all_again(&mut self) {
        self.table.save_all_again();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(class: AttackClass, what: u64) -> Deed {
        Deed { kind: Kind::Web(class), what, times: 1 }
    }

    fn note(suspects: &mut Suspects, at: Timestamp, client: Client, deed: Deed) -> Option<bool> {
        let place = suspects.find(client).or_else(|| suspects.enter(at, client))?;
        Some(suspects.at_mut(place).note(at, deed).is_new)
    }

    #[test]
    fn a_client_is_known_by_what_it_did() {
        let mut suspects = Suspects::new(NonZeroUsize::new(8).unwrap(), "s", None);
        let (client, at) = (Client::V4(7), Timestamp::from_secs(1_775_253_600));
        for (class, what, new) in [
            (AttackClass::ConfigProbe, 1, true),
            (AttackClass::ConfigProbe, 1, false),
            (AttackClass::ConfigProbe, 2, true),
            (AttackClass::Suspicious, 3, true),
        ] {
            assert_eq!(note(&mut suspects, at, client, deed(class, what)), Some(new));
        }
        let suspect = suspects.get(client).unwrap();
        assert_eq!((suspect.deeds, suspect.strong, suspect.distinct_strong), (4, 3, 2));
        let tally = suspect.tally(Kind::Web(AttackClass::ConfigProbe)).unwrap();
        assert_eq!((tally.times, tally.distinct), (3, 2));
        assert_eq!(suspect.tally(Kind::SshFailure), None);
        let saved = serde_json::to_string(suspect).unwrap();
        assert_eq!(serde_json::from_str::<Suspect>(&saved).unwrap(), *suspect);
    }

    #[test]
    fn who_did_one_thing_has_the_history_of_it() {
        let at = Timestamp::from_secs(1_775_253_600);
        for class in [AttackClass::ConfigProbe, AttackClass::Suspicious] {
            let mut suspect = Suspect::default();
            assert!(suspect.note(at, deed(class, 7)).is_new);
            let strong = u32::from(class.is_strong());
            assert_eq!((suspect.hours(seconds(at)), suspect.days(seconds(at))), ((strong, strong), (strong, strong)));
            let restarted: Suspect = serde_json::from_str(&serde_json::to_string(&suspect).unwrap()).unwrap();
            assert_eq!(restarted, suspect);
            for mut suspect in [suspect, restarted] {
                assert!(!suspect.note(at, deed(class, 7)).is_new, "{class:?}: the same again");
                assert!(suspect.note(at, deed(class, 8)).is_new);
                assert_eq!((suspect.hours(seconds(at)).0, u32::from(suspect.distinct_strong)), (3 * strong, 2 * strong));
                suspect.begin_anew();
                assert_eq!(serde_json::from_str::<Suspect>(&serde_json::to_string(&suspect).unwrap()).unwrap(), suspect);
                assert_eq!((suspect.hours(seconds(at)).0, suspect.distinct_strong), (0, 0));
                let later = at.plus(std::time::Duration::from_secs(2 * 86_400));
                assert!(suspect.note(later, deed(class, 7)).is_new, "{class:?}: another day");
            }
        }
    }

    #[test]
    fn who_was_saved_before_is_known_still() {
        // Two versions ago with a history of everybody, one ago of who did several things.
        let whole = "[1775253600,1775253601,2,2,2,[[10,1,1,9.5,[52489,0,0,0]],[3,1,1,25.0,[71,0,0,0]]],1775253601,0,[493126,[[0,2]]],\
                     [20546,[[0,2]]],2,[2341871806232657920,0,0,0],[0,0],[2341871806232657920,0,0,0]]";
        let listed = "[1775253600,1775253601,2,2,2,[[10,1,1,9.5,[52489,0,0,0]],[3,1,1,25.0,[71,0,0,0]]],1775253601,0,2,\
                      [[493126,[[0,2]]],[20546,[[0,2]]],[55,61],[],null]]";
        let [whole, listed] = [whole, listed].map(|before| serde_json::from_str::<Suspect>(before).unwrap());
        assert_eq!((whole.deeds, whole.distinct_strong, whole.hours(1_775_253_601), whole.points), (2, 2, (2, 1), 34.5));
        assert_eq!((whole.first, whole.last, whole.scored_at), (1_775_253_600, 1_775_253_601, 1_775_253_601));
        assert_eq!(serde_json::from_str::<Suspect>(&serde_json::to_string(&whole).unwrap()).unwrap(), whole);
        assert_eq!(listed, whole);
        let once = "[1775255548,1775255549,1,1,1,[[8,1,1,12.0,[22881,0,0,0]]],1775255548,0,1,5789765975897481405]";
        let mut once: Suspect = serde_json::from_str(once).unwrap();
        assert_eq!((once.deeds, once.only, &once.history), (1, 5_789_765_975_897_481_405, &None));
        (once.first, once.last) = (once.last, once.first);
        assert_eq!(serde_json::from_str::<Suspect>(&serde_json::to_string(&once).unwrap()).unwrap(), once, "clocks go back");
        for damaged in ["\"\"", "\"QUJD\"", "\"%\"", "[]", "{}", "7"] {
            assert!(serde_json::from_str::<Suspect>(damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_crowd_of_weak_deeds_hides_no_strong_one() {
        let at = Timestamp::from_secs(1_775_253_600);
        let mut suspect = Suspect::default();
        let hash = |n: u64| (n + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        (0..2_000).for_each(|n| {
            suspect.note(at, deed(AttackClass::Suspicious, hash(n)));
        });
        (0..200).for_each(|n| {
            suspect.note(at, deed(AttackClass::ConfigProbe, hash(n)));
        });
        for class in [AttackClass::Jndi, AttackClass::RceAttempt, AttackClass::PathTraversal] {
            // Also on paths that were part of something else.
            assert!((0..FIRSTS as u64).all(|n| suspect.note(at, deed(class, hash(n))).is_new), "{class:?}");
            assert!((0..FIRSTS as u64).all(|n| !suspect.note(at, deed(class, hash(n))).is_new), "{class:?}: again");
        }
    }

    #[test]
    fn in_a_full_table_only_who_comes_back_gets_in() {
        let mut suspects = Suspects::new(NonZeroUsize::new(64).unwrap(), "s", None);
        let at = Timestamp::from_secs(1_775_253_600);
        (0..64).for_each(|n| assert!(note(&mut suspects, at, Client::V4(n), deed(AttackClass::Xss, 1)).is_some()));
        assert!(note(&mut suspects, at, Client::V4(1_000), deed(AttackClass::Xss, 1)).is_none());
        let later = Timestamp::from_secs(1_775_253_600 + 3_600);
        assert!(note(&mut suspects, later, Client::V4(1_000), deed(AttackClass::Xss, 2)).is_some());
        assert_eq!(suspects.fill(), (64, 64, 1));
    }

    #[test]
    fn kinds_have_their_places() {
        assert!(Kind::all().enumerate().all(|(place, kind)| kind.index() == place));
        assert_eq!(Kind::all().count(), Kind::COUNT);
    }
}

//! The watchlist: attackers that come slowly, a few requests every few hours, under every limit of a rate. Each time that a client does
//! enough strong things over enough hours it gets a strike; strikes are kept for weeks and forgiven one by one.
//!
//! The rule is the one of the field (ten attacks over three distinct hours in a day), but on strong kinds of attack and on different
//! paths: by statuses alone it would list search engines, and who asks for one missing file all day.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::suspects::Suspect;
use super::window::{DAY, Table, Weigh, seconds};
use crate::event::Timestamp;
use crate::finding::{About, Found, Severity};
use crate::snapshot::{Section, Write};
use crate::subject::Client;

/// Its name in `findings_total`.
pub const NAME: &str = "slow_attacker";

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Strong attacks that make a strike.
    pub attacks: u32,
    /// Distinct hours of the last 24 that they must lie in.
    pub hours: u32,
    /// Or distinct days of the last 30.
    pub days: u32,
    /// Different requests among them.
    pub distinct: u32,
    /// Days without an attack after which one strike is forgiven.
    pub forgive_after_days: u32,
    /// The most clients on the list.
    pub max_clients: NonZeroUsize,
}

/// A client on the watchlist.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// When it got its first strike, in seconds since the epoch.
    pub since: u32,
    /// When it last got one, or one was forgiven.
    pub changed: u32,
    /// When it last attacked.
    pub last: u32,
    /// Strikes that stand.
    pub strikes: u32,
    /// Strikes in all.
    pub total: u32,
}

impl Weigh for Watched {
    fn weight(&self, now: u32) -> u64 {
        u64::from(self.strikes) << 20 >> (now.saturating_sub(self.last) / DAY).min(30)
    }
}

/// The detector.
pub struct SlowAttacker {
    config: Config,
    watched: Table<Client, Watched>,
}

impl SlowAttacker {
    /// With these settings; takes up what was saved.
    pub fn new(config: Config, section: &str, saved: Option<&Section>) -> Self {
        Self { watched: Table::new(config.max_clients.get(), section.to_owned(), saved), config }
    }

    /// Looks at a client that has just done a strong thing: the finding, if that makes a strike. [`SlowAttacker::strike`] must follow if it
    /// is let stand.
    pub fn judge(&mut self, at: Timestamp, client: Client, suspect: &Suspect) -> Option<Found> {
        let secs = seconds(at);
        let place = self.watched.find(&client);
        if let Some(place) = place {
            let watched = self.watched.at_mut(place);
            watched.last = watched.last.max(secs);
        }
        let Config { attacks, hours, days, distinct, .. } = self.config;
        // Most clients need no closer look.
        if u32::from(suspect.distinct_strong) < distinct || suspect.strong < attacks {
            return None;
        }
        let (in_hours, distinct_hours) = suspect.hours(secs);
        let over = if in_hours >= attacks && distinct_hours >= hours {
            format!("{in_hours} attacks over {distinct_hours} hours of a day")
        } else {
            let (in_days, distinct_days) = suspect.days(secs);
            if in_days < attacks || distinct_days < days {
                return None;
            }
            format!("{in_days} attacks over {distinct_days} days of a month")
        };
        let strikes = place.map_or(0, |place| self.watched.at(place).strikes) + 1;
        Some(Found {
            at,
            detector: NAME,
            severity: if strikes > 1 { Severity::Critical } else { Severity::Warning },
            about: About::Client(client),
            summary: format!("attacks slowly: {over}, strike {strikes}"),
            reckoned: vec![format!("{} different strong requests", suspect.distinct_strong)],
            evidence: Vec::new(),
        })
    }

    /// Gives a client a strike; its counts begin anew.
    pub fn strike(&mut self, at: Timestamp, client: Client, suspect: &mut Suspect) {
        let secs = seconds(at);
        let watched = self.watched.entry(client, secs, || Watched { since: secs, changed: secs, last: secs, strikes: 0, total: 0 });
        watched.strikes = watched.strikes.saturating_add(1);
        watched.total = watched.total.saturating_add(1);
        (watched.changed, watched.last) = (secs, watched.last.max(secs));
        suspect.begin_anew();
    }

    /// Forgives a strike of those that have been quiet, and forgets who has none left.
    pub fn on_tick(&mut self, now: Timestamp) {
        let secs = seconds(now);
        let wait = self.config.forgive_after_days.saturating_mul(DAY);
        let quiet = |watched: &Watched| secs.saturating_sub(watched.last.max(watched.changed)) >= wait;
        let due: Vec<Client> = self.watched.iter().filter(|(_, watched)| quiet(watched)).map(|(client, _)| *client).collect();
        for client in due {
            if let Some(watched) = self.watched.get_mut(&client) {
                watched.strikes = watched.strikes.saturating_sub(1);
                watched.changed = secs;
                if watched.strikes == 0 {
                    self.watched.remove(&client);
                }
            }
        }
    }

    /// Takes a client off the list; whether it was on it.
    pub fn forgive(&mut self, client: Client) -> bool {
        self.watched.remove(&client).is_some()
    }

    /// A client's entry.
    pub fn watched(&self, client: Client) -> Option<&Watched> {
        self.watched.get(&client)
    }

    /// The list.
    pub fn iter(&self) -> impl Iterator<Item = (Client, &Watched)> {
        self.watched.iter().map(|(client, watched)| (*client, watched))
    }

    /// Clients with 1, 2, 3, and 4 or more strikes.
    pub fn by_strikes(&self) -> [u64; 4] {
        let mut counts = [0; 4];
        for (_, watched) in self.watched.iter() {
            counts[watched.strikes.clamp(1, 4) as usize - 1] += 1;
        }
        counts
    }

    /// Clients on the list, its limit, and how many gave way to others.
    pub fn fill(&self) -> (usize, usize, u64) {
        (self.watched.len(), self.watched.limit(), self.watched.evicted())
    }

    /// The write that saves what changed.
    pub fn save(&mut self) -> Option<Write> {
        self.watched.save()
    }

    /// After a commit that failed.
    pub fn save_all_again(&mut self) {
        self.watched.save_all_again();
    }
}

#[cfg(test)]
mod tests {
    use super::super::suspects::{Deed, Kind, Suspects};
    use super::*;
    use crate::event::AttackClass;

    const START: i64 = 1_775_253_600;

    struct Case {
        suspects: Suspects,
        slow: SlowAttacker,
    }

    impl Case {
        fn new() -> Self {
            let max_clients = NonZeroUsize::new(100).unwrap();
            let config = Config { attacks: 10, hours: 3, days: 5, distinct: 3, forgive_after_days: 7, max_clients };
            Self { suspects: Suspects::new(max_clients, "s", None), slow: SlowAttacker::new(config, "w", None) }
        }

        fn attack(&mut self, secs: i64, class: AttackClass, what: u64) -> bool {
            let (at, client) = (Timestamp::from_secs(START + secs), Client::V4(7));
            let place = self.suspects.find(client).or_else(|| self.suspects.enter(at, client)).unwrap();
            let suspect = self.suspects.at_mut(place);
            suspect.note(at, Deed { kind: Kind::Web(class), what, times: 1 });
            let found = self.slow.judge(at, client, suspect).is_some();
            if found {
                self.slow.strike(at, client, suspect);
            }
            found
        }

        fn strikes(&self) -> u32 {
            self.slow.watched(Client::V4(7)).map_or(0, |watched| watched.strikes)
        }
    }

    #[test]
    fn ten_attacks_over_three_hours_are_a_strike() {
        let mut case = Case::new();
        for n in 0..9 {
            assert!(!case.attack(n * 2_400, AttackClass::ConfigProbe, n as u64), "{n}");
        }
        assert!(case.attack(9 * 2_400, AttackClass::ConfigProbe, 9));
        for n in 0..9 {
            assert!(!case.attack(30_000 + n * 2_400, AttackClass::ConfigProbe, n as u64), "counts begin anew");
        }
        assert!(case.attack(30_000 + 9 * 2_400, AttackClass::ConfigProbe, 9));
        assert_eq!((case.strikes(), case.slow.by_strikes()), (2, [0, 1, 0, 0]));
    }

    #[test]
    fn bursts_weak_classes_and_one_path_are_none() {
        let mut case = Case::new();
        assert!(!(0..100).any(|n| case.attack(n, AttackClass::ConfigProbe, n as u64)), "a burst of one hour");
        let mut case = Case::new();
        assert!(!(0..100).any(|n| case.attack(n * 3_600, AttackClass::Suspicious, n as u64)), "statuses");
        let mut case = Case::new();
        assert!(!(0..100).any(|n| case.attack(n * 3_600, AttackClass::ConfigProbe, 1)), "one path");
    }

    #[test]
    fn a_few_a_day_for_days_are_a_strike() {
        let mut case = Case::new();
        let strikes = (0..12).filter(|n| case.attack(n * 43_200, AttackClass::SqlInjection, *n as u64)).count();
        assert_eq!(strikes, 1);
    }

    #[test]
    fn strikes_are_forgiven_one_by_one() {
        let mut case = Case::new();
        for strike in 0..2 {
            (0..10).for_each(|n| {
                case.attack(strike * 86_400 + n * 3_600, AttackClass::Xss, n as u64);
            });
        }
        assert_eq!(case.strikes(), 2);
        let day = |day: i64| Timestamp::from_secs(START + day * 86_400);
        case.slow.on_tick(day(7));
        assert_eq!(case.strikes(), 2);
        case.slow.on_tick(day(9));
        assert_eq!(case.strikes(), 1);
        case.slow.on_tick(day(10));
        assert_eq!(case.strikes(), 1);
        case.slow.on_tick(day(17));
        assert_eq!(case.slow.fill().0, 0);
    }
}

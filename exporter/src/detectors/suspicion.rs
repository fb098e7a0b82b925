//! The suspicion score of a client: points for what it did, halved every few hours, capped for each kind of deed, and explained term by
//! term. A client whose score passes a threshold is a finding.
//!
//! The weights are a judgement, not a measurement: how many different requests of a kind it takes to be sure that somebody means harm.
//! One or two for what no visitor sends by mistake (a command to run), five for a look at `/.env`. The status of an answer and a refused
//! login are capped far below any threshold: alone they never make a client an attacker, however often they come.

use crate::event::{AttackClass, Timestamp};
use crate::finding::{About, Found, Severity};
use crate::subject::Client;

use super::suspects::{Kind, Noted, Suspect};
use super::window::seconds;

/// Its name in `findings_total`.
pub const NAME: &str = "suspicion";

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Seconds after which points count half.
    pub half_life_secs: u32,
    /// The score from which a client counts as suspicious.
    pub suspicious_score: f32,
    /// The score from which it is a finding.
    pub finding_score: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self { half_life_secs: 43_200, suspicious_score: 20.0, finding_score: 60.0 }
    }
}

/// Points for the first deed of its kind on one path, and the most for all deeds of the kind.
const fn weight(kind: Kind) -> (f32, f32) {
    match kind {
        Kind::Web(AttackClass::Jndi | AttackClass::RceAttempt) => (40.0, 100.0),
        Kind::Web(AttackClass::Webshell) => (30.0, 80.0),
        Kind::Web(AttackClass::PathTraversal | AttackClass::FileInclusion | AttackClass::SqlInjection) => (25.0, 80.0),
        Kind::Web(AttackClass::Xss | AttackClass::Ssrf) => (15.0, 60.0),
        Kind::Web(AttackClass::ConfigProbe | AttackClass::CveProbe) => (12.0, 80.0),
        Kind::Web(AttackClass::Scanner) => (10.0, 40.0),
        Kind::Web(AttackClass::LoginBrute) => (2.0, 18.0),
        Kind::Web(AttackClass::Suspicious) => (0.5, 5.0),
        Kind::SshFailure => (3.0, 40.0),
        Kind::PortScan => (5.0, 15.0),
        Kind::Enumeration => (40.0, 80.0),
    }
}

/// Whether doing the same again says more: logins are tried on one path again and again, anything else is the same fact again.
const fn adds_up(kind: Kind) -> bool {
    matches!(kind, Kind::SshFailure | Kind::Web(AttackClass::LoginBrute))
}

/// One term of a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// For which kind of deed.
    pub kind: Kind,
    /// How often it was done.
    pub times: u32,
    /// On how many paths.
    pub distinct: u16,
    /// Points by now.
    pub points: f32,
    /// The most points for this kind.
    pub cap: f32,
}

/// The detector.
#[derive(Clone, Copy, Debug)]
pub struct Suspicion {
    config: Config,
}

impl Suspicion {
    /// With these settings.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Scores a deed that has just been noted; gives the score. Who had calmed down to a quarter may be told of anew.
    pub fn score_deed(&self, at: Timestamp, suspect: &mut Suspect, noted: Noted, times: u32) -> f32 {
        let now = seconds(at);
        let fade = self.fade(suspect, now);
        let mut score = 0.0;
        for tally in &mut suspect.tallies {
            tally.points *= fade;
            score += tally.points;
        }
        suspect.scored_at = suspect.scored_at.max(now);
        if score < self.config.finding_score / 4.0 {
            suspect.told = 0;
        }
        if let Some(tally) = suspect.tallies.get_mut(noted.tally) {
            let (points, cap) = weight(tally.kind);
            let counted = if adds_up(tally.kind) { times } else { u32::from(noted.is_new) };
            tally.points = (tally.points + points * counted as f32).min(cap);
        }
        suspect.points = suspect.tallies.iter().map(|tally| tally.points).sum();
        suspect.points
    }

    /// The score at `now`.
    pub fn score(&self, suspect: &Suspect, now: Timestamp) -> f32 {
        suspect.points * self.fade(suspect, seconds(now))
    }

    /// Whether a client counts as suspicious.
    pub fn is_suspicious(&self, suspect: &Suspect, now: Timestamp) -> bool {
        // Points only fade: most clients need no closer look.
        suspect.points >= self.config.suspicious_score && self.score(suspect, now) >= self.config.suspicious_score
    }

    /// The score's terms at `now`, the greatest first.
    pub fn terms(&self, suspect: &Suspect, now: Timestamp) -> Vec<Term> {
        let fade = self.fade(suspect, seconds(now));
        let term = |tally: &super::suspects::Tally| Term {
            kind: tally.kind,
            times: tally.times,
            distinct: tally.distinct,
            points: tally.points * fade,
            cap: weight(tally.kind).1,
        };
        let mut terms: Vec<Term> = suspect.tallies.iter().map(term).collect();
        terms.sort_by(|a, b| b.points.total_cmp(&a.points).then(a.kind.index().cmp(&b.kind.index())));
        terms
    }

    /// What is to be told of `client`, whose score is now `score`, if that has passed a threshold that was not told yet: once at the
    /// finding's score, once at twice of it.
    pub fn judge(&self, at: Timestamp, client: Client, suspect: &Suspect, score: f32) -> Option<Found> {
        let level = self.level(score);
        if level <= suspect.told {
            return None;
        }
        let terms = self.terms(suspect, at);
        let reckoned = terms.iter().filter(|term| term.points >= 0.5).map(explained).collect();
        let classes = terms.iter().filter(|term| term.points >= 0.5).map(|term| term.kind.as_str()).take(4).collect::<Vec<_>>();
        Some(Found {
            at,
            detector: NAME,
            severity: if level > 1 { Severity::Critical } else { Severity::Warning },
            about: About::Client(client),
            summary: format!("reached a suspicion score of {score:.0} by {}", classes.join(", ")),
            reckoned,
            evidence: Vec::new(),
        })
    }

    /// Notes that what [`Suspicion::judge`] gave was told.
    pub fn told(&self, at: Timestamp, suspect: &mut Suspect) {
        suspect.told = self.level(self.score(suspect, at));
    }

    fn level(&self, score: f32) -> u8 {
        u8::from(score >= self.config.finding_score) + u8::from(score >= 2.0 * self.config.finding_score)
    }

    fn fade(&self, suspect: &Suspect, now: u32) -> f32 {
        if now <= suspect.scored_at {
            return 1.0;
        }
        let age = (now - suspect.scored_at) as f32;
        (-age / self.config.half_life_secs.max(1) as f32).exp2()
    }
}

/// A term for people.
pub fn explained(term: &Term) -> String {
    let Term { kind, times, distinct, points, cap } = term;
    let tenths = (points * 10.0).round() as u32;
    let (points, tenth) = (tenths / 10, tenths % 10);
    let often = if *times == 1 { "once".to_owned() } else { format!("{times} times, {distinct} different") };
    format!("{}: {often}, {points}.{tenth} of at most {} points", kind.as_str(), *cap as u32)
}

#[cfg(test)]
mod tests {
    use super::super::suspects::{Deed, Suspects};
    use super::*;
    use std::num::NonZeroUsize;

    const AT: i64 = 1_775_253_600;

    struct Case {
        suspects: Suspects,
        suspicion: Suspicion,
        found: Vec<Found>,
    }

    impl Case {
        fn new() -> Self {
            let suspects = Suspects::new(NonZeroUsize::new(100).unwrap(), "s", None);
            Self { suspects, suspicion: Suspicion::new(Config::default()), found: Vec::new() }
        }

        fn deed(&mut self, secs: i64, kind: Kind, what: u64) -> f32 {
            let at = Timestamp::from_secs(AT + secs);
            let client = Client::V4(7);
            let place = self.suspects.find(client).or_else(|| self.suspects.enter(at, client)).unwrap();
            let suspect = self.suspects.at_mut(place);
            let noted = suspect.note(at, Deed { kind, what, times: 1 });
            let score = self.suspicion.score_deed(at, suspect, noted, 1);
            if let Some(found) = self.suspicion.judge(at, client, suspect, score) {
                self.suspicion.told(at, suspect);
                self.found.push(found);
            }
            self.suspicion.score(suspect, at)
        }
    }

    #[test]
    fn two_commands_are_enough_and_are_told_once() {
        let mut case = Case::new();
        assert_eq!(case.deed(0, Kind::Web(AttackClass::RceAttempt), 1), 40.0);
        assert!(case.found.is_empty());
        case.deed(1, Kind::Web(AttackClass::RceAttempt), 2);
        case.deed(2, Kind::Web(AttackClass::RceAttempt), 3);
        assert_eq!(case.found.len(), 1);
        assert_eq!(case.found[0].severity, Severity::Warning);
        assert_eq!(case.found[0].summary, "reached a suspicion score of 80 by rce_attempt");
        (4..8).for_each(|n| {
            case.deed(n, Kind::Web(AttackClass::SqlInjection), n as u64);
        });
        assert_eq!(case.found.len(), 2);
        assert_eq!(case.found[1].severity, Severity::Critical);
        case.deed(9, Kind::Web(AttackClass::Jndi), 99);
        assert_eq!(case.found.len(), 2);
        // A week later all has faded.
        case.deed(7 * 86_400, Kind::Web(AttackClass::Jndi), 100);
        case.deed(7 * 86_400, Kind::Web(AttackClass::Jndi), 101);
        assert_eq!(case.found.len(), 3);
    }

    #[test]
    fn statuses_and_refused_logins_never_make_an_attacker() {
        let mut case = Case::new();
        for n in 0..10_000 {
            case.deed(n, Kind::Web(AttackClass::Suspicious), n as u64);
            case.deed(n, Kind::Web(AttackClass::LoginBrute), 5);
            case.deed(n, Kind::PortScan, n as u64);
        }
        assert!(case.found.is_empty());
        assert!(case.deed(10_000, Kind::Web(AttackClass::Suspicious), 1) < 40.0);
    }

    #[test]
    fn the_same_path_again_is_the_same_fact() {
        let mut case = Case::new();
        (0..600).for_each(|n| {
            case.deed(n, Kind::Web(AttackClass::ConfigProbe), 1);
        });
        let score = case.deed(600, Kind::Web(AttackClass::ConfigProbe), 1);
        assert!(score <= 12.0, "{score}");
        assert!(case.deed(3 * 86_400, Kind::Web(AttackClass::ConfigProbe), 1) >= 12.0, "days later it is tried anew");
    }

    #[test]
    fn points_fade_and_every_term_is_explained() {
        let mut case = Case::new();
        case.deed(0, Kind::Web(AttackClass::PathTraversal), 1);
        let score = case.deed(43_200, Kind::Web(AttackClass::Suspicious), 2);
        assert!((score - 13.0).abs() < 0.01, "{score}");
        let suspect = case.suspects.get(Client::V4(7)).unwrap();
        let terms = case.suspicion.terms(suspect, Timestamp::from_secs(AT + 43_200));
        assert_eq!(
            terms.iter().map(explained).collect::<Vec<_>>(),
            ["path_traversal: once, 12.5 of at most 80 points", "suspicious: once, 0.5 of at most 5 points"]
        );
    }
}

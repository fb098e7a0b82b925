//! What an attacked path means: secrets, backups, repositories, holes by their path, panels of products that are not installed here.
//!
//! Needles are parts of resolved lower-case paths. A path that an own application may serve counts only when it is refused or missing.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;

use super::automaton::{Case, Needles, automaton};
use super::rules::{Rule, rule};

mod holes;
mod own_files;
mod panels;
mod secrets;
mod with_query;

pub(super) use with_query::QUERY_RULES;

/// Where in a path a needle must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    /// Anywhere.
    Part,
    /// A whole segment, or several.
    Segment,
    /// At the end.
    End,
    /// Whole segments at the front.
    Top,
    /// All of it; a slash at its end does not count.
    Whole,
}

/// With which answers a path counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    /// With any: nobody asks for it who means well.
    Always,
    /// Refused or missing (400 to 499).
    Refused,
    /// Missing (404, 410), or forbidden outright (403, 444).
    Missing,
}

/// A rule and the needles that it looks for.
struct PathRule {
    rule: Rule,
    spot: Spot,
    when: When,
    needles: &'static [&'static str],
}

use Spot::{End, Part, Segment, Top, Whole};
use When::{Always, Missing, Refused};

/// All path rules. Sources: own lists; crowdsecurity/sec-lists (sensitive_data, trendy_cves, admin_interfaces; MIT); paths of published holes.
fn rules() -> impl Iterator<Item = &'static PathRule> {
    [secrets::SECRETS, holes::HOLES, panels::PANELS].into_iter().flatten()
}

static TECHNOLOGY: Rule =
    rule!(CveProbe, "panel of a product that is not here", "Looked for the login page or panel of a product that is not installed here");
static WEBSHELL: Rule = rule!(Webshell, "web shell by its name", "Looked for a web shell that another attacker may have left");

/// Panels and login pages of products, one path a line.
const TECHNOLOGIES: &str = include_str!("paths/technologies.txt");
/// File names of web shells, one a line.
const WEBSHELLS: &str = include_str!("paths/webshells.txt");

/// The tables compiled.
pub(super) struct Paths {
    needles: Needles,
    entries: Vec<(&'static Rule, Spot, When)>,
    /// Whole last segments.
    webshells: HashMap<&'static [u8], When, foldhash::fast::FixedState>,
    own_files: AhoCorasick,
}

/// What a path says, by the answer it got.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathFinding {
    pub(super) always: Option<&'static Rule>,
    pub(super) refused: Option<&'static Rule>,
    pub(super) missing: Option<&'static Rule>,
}

impl PathFinding {
    fn add(&mut self, rule: &'static Rule, when: When) {
        let slot = match when {
            Always => &mut self.always,
            Refused => &mut self.refused,
            Missing => &mut self.missing,
        };
        if slot.is_none_or(|known| rule.class < known.class) {
            *slot = Some(rule);
        }
    }
}

impl Paths {
    pub(super) fn new() -> Self {
        let listed = TECHNOLOGIES.lines().filter(|line| !line.starts_with('#')).map(|line| match line.strip_prefix('=') {
            Some(whole) => (whole.trim_end_matches('/'), (&TECHNOLOGY, Whole, Missing)),
            None => (line, (&TECHNOLOGY, Part, Missing)),
        });
        let table = rules().flat_map(|one| one.needles.iter().map(|needle| (*needle, (&one.rule, one.spot, one.when))));
        let all: Vec<_> = table.chain(listed).collect();
        let webshells = WEBSHELLS.lines().filter(|line| !line.starts_with('#'));
        Self {
            needles: Needles::new(all.iter().map(|(needle, _)| needle.as_bytes())),
            entries: all.into_iter().map(|(_, entry)| entry).collect(),
            webshells: webshells
                .map(|line| line.strip_prefix('?').map_or((line.as_bytes(), Always), |name| (name.as_bytes(), Missing)))
                .collect(),
            own_files: automaton(own_files::PARTS.iter().copied(), Case::Lower),
        }
    }

    /// What a resolved lower-case path says.
    pub(super) fn find(&self, path: &[u8]) -> PathFinding {
        let mut found = PathFinding::default();
        self.needles.each(path, |needle, place| {
            let Some(&(rule, spot, when)) = self.entries.get(needle) else { return };
            let rest = path.get(place.end..).unwrap_or_default();
            let fits = match spot {
                Part => true,
                Segment => matches!(rest, [] | [b'/', ..]),
                Top => place.start == 0 && matches!(rest, [] | [b'/', ..]),
                End => rest.is_empty(),
                Whole => place.start == 0 && matches!(rest, [] | [b'/']),
            };
            if fits {
                found.add(rule, when);
            }
        });
        let name = memchr::memrchr(b'/', path).map_or(path, |at| path.get(at + 1..).unwrap_or_default());
        if let Some(&when) = self.webshells.get(name) {
            found.add(&WEBSHELL, when);
        }
        found
    }

    /// Whether a path leads to files that belong to whoever looks at them.
    pub(super) fn holds_own_files(&self, path: &[u8]) -> bool {
        self.own_files.is_match(path)
    }
}

/// What of the tables counts with any answer: the words that a quick look at a target must search for.
pub(super) fn telling_words() -> impl Iterator<Item = &'static str> {
    let table = rules().filter(|one| one.when == Always).flat_map(|one| one.needles.iter().copied());
    let shells = WEBSHELLS.lines().filter(|line| !line.starts_with(['#', '?']));
    table.chain(shells)
}

/// What of the tables counts only with some answers: with the above all that a path without a query can be known by.
pub(super) fn words_when_refused() -> impl Iterator<Item = &'static str> {
    let table = rules().filter(|one| one.when != Always).flat_map(|one| one.needles.iter().copied());
    let listed = TECHNOLOGIES.lines().filter(|line| !line.starts_with('#'));
    let technologies = listed.map(|line| line.strip_prefix('=').map_or(line, |whole| whole.trim_end_matches('/')));
    let shells = WEBSHELLS.lines().filter_map(|line| line.strip_prefix('?'));
    table.chain(technologies).chain(shells)
}

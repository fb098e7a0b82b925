//! What a rule is, and a set of rules that is matched in one pass.

use regex::bytes::{RegexSet, RegexSetBuilder};

use crate::event::{Attack, AttackClass};

/// Where in a request something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Parameter,
    Path,
    Body,
    Referer,
    UserAgent,
    Request,
}

/// A rule: its class, its name with each place (in the order of [`Place`]), and what it means.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) class: AttackClass,
    pub(super) why: [&'static str; 6],
    pub(super) meaning: &'static str,
}

impl Rule {
    pub(super) fn at(&self, place: Place) -> Attack {
        Attack { class: self.class, why: self.why[place as usize], meaning: self.meaning }
    }
}

/// Writes a rule: class, name, meaning.
macro_rules! rule {
    ($class:ident, $name:literal, $meaning:literal) => {
        crate::classify::rules::Rule {
            class: crate::event::AttackClass::$class,
            why: [
                concat!($name, " in a parameter"),
                concat!($name, " in the path"),
                concat!($name, " in the body"),
                concat!($name, " in the Referer"),
                concat!($name, " in the User-Agent"),
                concat!($name, " in the request line"),
            ],
            meaning: $meaning,
        }
    };
}
pub(super) use rule;

/// A rule and the expressions (bytes, lower case) of which one must match.
pub(super) struct Signature {
    pub(super) rule: Rule,
    pub(super) patterns: &'static [&'static str],
}

/// Signatures compiled into one automaton, linear in the text.
pub(super) struct Signatures {
    set: RegexSet,
    rules: Vec<&'static Rule>,
}

impl Signatures {
    /// Compiles the tables. A pattern that is no expression would leave the set empty: a test looks at each.
    pub(super) fn new(tables: &[&'static [Signature]]) -> Self {
        let all =
            || tables.iter().flat_map(|table| table.iter()).flat_map(|one| one.patterns.iter().map(move |pattern| (*pattern, &one.rule)));
        let compiled = RegexSetBuilder::new(all().map(|(pattern, _)| pattern))
            .unicode(false)
            .dot_matches_new_line(true)
            .dfa_size_limit(8 << 20)
            .build();
        let rules = all().map(|(_, rule)| rule).collect();
        compiled.map_or_else(|_| Self { set: RegexSet::empty(), rules: Vec::new() }, |set| Self { set, rules })
    }

    /// The rule that matches; of several the one of the most important class, then the first of the tables.
    pub(super) fn find(&self, text: &[u8]) -> Option<&'static Rule> {
        let matches = self.set.matches(text);
        matches.iter().filter_map(|index| self.rules.get(index).copied()).min_by_key(|rule| rule.class)
    }

    /// How many expressions were compiled.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.set.len()
    }
}

/// The more important of two findings.
pub(super) fn stronger(one: Option<Attack>, other: Option<Attack>) -> Option<Attack> {
    [one, other].into_iter().flatten().min_by_key(|attack| attack.class)
}

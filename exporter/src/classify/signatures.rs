//! Expressions that are looked for in decoded values. Only those are asked whose required texts ([`required`]) stand in the value, and
//! each is compiled when it is first asked, so that start-up is quick and what nobody tries costs no memory.

use std::cell::OnceCell;

use aho_corasick::AhoCorasick;
use regex::bytes::{Regex, RegexBuilder};

use super::automaton::{Case, automaton};
use super::required;
use super::rules::Rule;

/// States that an expression may remember, in bytes: there are some forty.
const MAX_STATES_BYTES: usize = 128 << 10;

/// A rule and the expressions (bytes, lower case) of which one must match.
pub(super) struct Signature {
    pub(super) rule: Rule,
    pub(super) patterns: &'static [&'static str],
}

/// Tables of signatures.
pub(super) struct Signatures {
    /// The most important class first, then in the order of the tables. No more than 64.
    all: Vec<(&'static Rule, Expression)>,
    required: AhoCorasick,
    /// By needle of `required`: which signatures it may be a match of, as bits.
    needed_by: Vec<u64>,
    /// Signatures that nothing is required for.
    always: u64,
}

impl Signatures {
    /// Reads the tables. An expression that does not compile would never match: a test looks at each.
    pub(super) fn new(tables: &[&'static [Signature]]) -> Self {
        let mut signatures: Vec<&'static Signature> = tables.iter().flat_map(|table| table.iter()).collect();
        signatures.sort_by_key(|one| one.rule.class);
        let mut needles: Vec<(Vec<u8>, u64)> = Vec::new();
        let mut always = 0;
        for (index, one) in signatures.iter().enumerate() {
            for pattern in one.patterns {
                match required::texts(pattern) {
                    Some(texts) => needles.extend(texts.into_iter().map(|text| (text, 1 << index))),
                    None => always |= 1 << index,
                }
            }
        }
        needles.sort_unstable();
        needles.dedup_by(|(later, more), (text, bits)| {
            let same = later == text;
            *bits |= if same { *more } else { 0 };
            same
        });
        Self {
            all: signatures.iter().map(|one| (&one.rule, Expression::any(one.patterns))).collect(),
            required: automaton(needles.iter().map(|(text, _)| text.as_slice()), Case::Lower),
            needed_by: needles.into_iter().map(|(_, bits)| bits).collect(),
            always,
        }
    }

    /// The rule that matches; of several the one of the most important class, then the first of the tables.
    pub(super) fn find(&self, text: &[u8]) -> Option<&'static Rule> {
        let needles = self.required.find_overlapping_iter(text).filter_map(|one| self.needed_by.get(one.pattern().as_usize()));
        let mut open = needles.fold(self.always, |open, bits| open | bits);
        while open != 0 {
            let (rule, expression) = self.all.get(open.trailing_zeros() as usize)?;
            if expression.is_match(text) {
                return Some(rule);
            }
            open &= open - 1;
        }
        None
    }

    /// The same with every expression asked.
    #[cfg(test)]
    pub(super) fn find_carefully(&self, text: &[u8]) -> Option<&'static Rule> {
        self.all.iter().find(|(_, expression)| expression.is_match(text)).map(|(rule, _)| *rule)
    }

    /// Whether every expression compiles.
    #[cfg(test)]
    pub(super) fn compile(&self) -> bool {
        self.all.iter().all(|(_, expression)| expression.compiled().is_some())
    }
}

/// Compiled when it is first asked.
pub(super) struct Expression {
    text: String,
    compiled: OnceCell<Option<Regex>>,
}

impl Expression {
    /// Matches what any of the patterns matches.
    pub(super) fn any(patterns: &[&str]) -> Self {
        Self { text: format!("(?:{})", patterns.join(")|(?:")), compiled: OnceCell::new() }
    }

    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.compiled().is_some_and(|regex| regex.is_match(text))
    }

    pub(super) fn compiled(&self) -> Option<&Regex> {
        let compile =
            || RegexBuilder::new(&self.text).unicode(false).dot_matches_new_line(true).dfa_size_limit(MAX_STATES_BYTES).build().ok();
        self.compiled.get_or_init(compile).as_ref()
    }
}

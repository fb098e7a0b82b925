//! Expressions that are looked for in decoded values. Only those are asked whose required texts ([`Required`]) stand in the value, and
//! each is compiled when it is first asked, so that start-up is quick and what nobody tries costs no memory.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

use super::automaton::Needles;
use super::required::Required;
use super::rules::Rule;

/// States that an expression may remember, in bytes. There are some two hundred; all payloads of the test data together and texts made of
/// their words compile so many of them that they take up 4 MiB. With less room other engines step in, which take up more.
const MAX_STATES_BYTES: usize = 128 << 10;
/// There is room for 64 times as many expressions; with more of them nothing that classifies can be made, and every test fails.
const WORDS: usize = 4;

/// A rule and the expressions (bytes, lower case) of which one must match.
pub(super) struct Signature {
    pub(super) rule: Rule,
    pub(super) patterns: &'static [&'static str],
}

/// Tables of signatures.
pub(super) struct Signatures {
    /// The most important class first, then in the order of the tables.
    all: Vec<(&'static Rule, Expression)>,
    required: Needles,
    /// By needle of `required`: of which expressions it is in the first set, and in the second.
    needed_by: Vec<[Expressions; 2]>,
    /// Expressions that have no such set.
    without: [Expressions; 2],
}

/// Some of the expressions, by their places.
#[derive(Clone, Copy, Debug, Default)]
struct Expressions([u64; WORDS]);

impl Expressions {
    fn add(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn add_all(&mut self, others: Self) {
        self.0.iter_mut().zip(others.0).for_each(|(word, more)| *word |= more);
    }

    /// Places that are in both, from the first on.
    fn in_both(self, other: Self) -> impl Iterator<Item = usize> {
        let words = self.0.into_iter().zip(other.0).map(|(one, other)| one & other);
        words.enumerate().flat_map(|(number, word)| {
            let bits = std::iter::successors(Some(word), |word| Some(word & word.wrapping_sub(1))).take_while(|word| *word != 0);
            bits.map(move |word| number * 64 + word.trailing_zeros() as usize)
        })
    }
}

impl Signatures {
    /// Reads the tables. An expression that does not compile would never match: a test looks at each.
    pub(super) fn new(tables: &[&'static [Signature]], required: &Required) -> Self {
        let mut signatures: Vec<&'static Signature> = tables.iter().flat_map(|table| table.iter()).collect();
        signatures.sort_by_key(|one| one.rule.class);
        let patterns = signatures.iter().flat_map(|one| one.patterns.iter().map(|pattern| (&one.rule, *pattern)));
        let patterns: Vec<(&'static Rule, &'static str)> = patterns.collect();
        let mut needles: BTreeMap<Vec<u8>, [Expressions; 2]> = BTreeMap::new();
        let mut without = [Expressions::default(); 2];
        for (place, (_, pattern)) in patterns.iter().enumerate() {
            let mut sets = required.texts(pattern).into_iter();
            for (number, without) in without.iter_mut().enumerate() {
                match sets.next() {
                    Some(texts) => texts.into_iter().for_each(|text| needles.entry(text).or_default()[number].add(place)),
                    None => without.add(place),
                }
            }
        }
        Self {
            all: patterns.into_iter().map(|(rule, pattern)| (rule, Expression::new(pattern))).collect(),
            required: Needles::new(needles.keys().map(Vec::as_slice)),
            needed_by: needles.into_values().collect(),
            without,
        }
    }

    /// The rule that matches; of several the one of the most important class, then the first of the tables.
    pub(super) fn find(&self, text: &[u8]) -> Option<&'static Rule> {
        let [mut first, mut second] = self.without;
        self.required.each(text, |needle, _| {
            let [of_first, of_second] = self.needed_by.get(needle).copied().unwrap_or_default();
            first.add_all(of_first);
            second.add_all(of_second);
        });
        let mut asked = first.in_both(second).filter_map(|place| self.all.get(place));
        asked.find(|(_, expression)| expression.is_match(text)).map(|(rule, _)| *rule)
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
    pattern: &'static str,
    compiled: OnceCell<Option<Regex>>,
}

impl Expression {
    /// Matches what the pattern matches.
    pub(super) const fn new(pattern: &'static str) -> Self {
        Self { pattern, compiled: OnceCell::new() }
    }

    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.compiled().is_some_and(|regex| regex.is_match(text))
    }

    pub(super) fn compiled(&self) -> Option<&Regex> {
        let compile = || {
            // Without the engines that are made in full beforehand, and without looks for literals, which have been found: compiling takes
            // less than half as long, and matching as long.
            let config =
                Config::new().utf8_empty(false).dfa(false).onepass(false).auto_prefilter(false).hybrid_cache_capacity(MAX_STATES_BYTES);
            let syntax = syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true);
            Regex::builder().configure(config).syntax(syntax).build(self.pattern).ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }
}

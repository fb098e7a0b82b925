//! Automata that look for many needles at once.

use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, Anchored, MatchKind};

/// Of what texts an automaton is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// As they came.
    Any,
    /// Lower case already.
    Lower,
}

/// An automaton of needles in lower case. Not the fastest kind, but ten times smaller: few texts get here.
/// One without needles, should the table be too large to compile: tests look at each needle.
pub(super) fn automaton<'a>(needles: impl Iterator<Item = &'a [u8]>, case: Case) -> AhoCorasick {
    let needles: Vec<&[u8]> = needles.collect();
    let kind = Some(AhoCorasickKind::ContiguousNFA);
    let mut builder = AhoCorasickBuilder::new();
    builder.ascii_case_insensitive(case == Case::Any).match_kind(MatchKind::Standard).kind(kind);
    builder.build(&needles).or_else(|_| AhoCorasick::new(&needles)).unwrap_or_else(|_| empty())
}

/// An automaton of needles in lower case that gives all that stand in a text, those within one another too.
pub(super) struct Needles(Option<NFA>);

impl Needles {
    /// None are found if the table is too large to compile: tests look at each needle.
    pub(super) fn new<'a>(needles: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(NFA::builder().prefilter(false).build(needles).ok())
    }

    /// Gives the number of each needle in `text`, and the bytes from its beginning to its end.
    #[inline]
    pub(super) fn each(&self, text: &[u8], mut found: impl FnMut(usize, std::ops::Range<usize>)) {
        let Some(automaton) = &self.0 else { return };
        let Ok(mut state) = automaton.start_state(Anchored::No) else { return };
        for (at, byte) in text.iter().enumerate() {
            state = automaton.next_state(Anchored::No, state, *byte);
            if automaton.is_special(state) && automaton.is_match(state) {
                for index in 0..automaton.match_len(state) {
                    let needle = automaton.match_pattern(state, index);
                    let end = at + 1;
                    found(needle.as_usize(), end.saturating_sub(automaton.pattern_len(needle))..end);
                }
            }
        }
    }
}

fn empty() -> AhoCorasick {
    let none: [&[u8]; 0] = [];
    AhoCorasick::new(none).unwrap_or_else(|_| empty())
}

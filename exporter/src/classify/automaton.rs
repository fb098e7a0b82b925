//! Automata that look for many needles at once.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

/// Of what texts an automaton is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// As they came.
    Any,
    /// Lower case already.
    Lower,
}

/// An automaton of needles in lower case. Not the fastest kind, but ten times smaller: filters see to it that few texts get here.
/// One without needles, should the table be too large to compile: tests look at each needle.
pub(super) fn automaton<'a>(needles: impl Iterator<Item = &'a [u8]>, case: Case) -> AhoCorasick {
    let needles: Vec<&[u8]> = needles.collect();
    let kind = Some(AhoCorasickKind::ContiguousNFA);
    let mut builder = AhoCorasickBuilder::new();
    builder.ascii_case_insensitive(case == Case::Any).match_kind(MatchKind::Standard).kind(kind);
    builder.build(&needles).or_else(|_| AhoCorasick::new(&needles)).unwrap_or_else(|_| empty())
}

fn empty() -> AhoCorasick {
    let none: [&[u8]; 0] = [];
    AhoCorasick::new(none).unwrap_or_else(|_| empty())
}

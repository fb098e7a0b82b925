//! What a pattern cannot match without: up to two sets of short texts, of each of which every match holds one. A value that lacks all of
//! a set need not be asked about the pattern, which is what makes hundreds of patterns cheap. Derived from the pattern itself, so that
//! nothing can be forgotten. What was derived is kept in `required.txt`: parsing two hundred patterns was more than half of a start.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Larger classes and alternations say too little.
const MAX_TEXTS: usize = 128;

/// Texts of which a match holds one.
type Texts = Vec<Vec<u8>>;

/// Line by line a pattern and its sets, behind tabs; texts are escaped, and blanks stand between them. A test compares it with what is
/// derived; with `BLESS=1` it is written anew.
const DERIVED: &str = include_str!("required.txt");

/// What was derived.
pub(super) struct Required(HashMap<&'static str, &'static str, FixedState>);

impl Required {
    /// Reads it.
    pub(super) fn new() -> Self {
        Self(DERIVED.lines().filter_map(|line| line.split_once('\t')).collect())
    }

    /// The sets for `pattern` (bytes, no Unicode), the rarest first; empty if there are none, or if it is no pattern.
    pub(super) fn texts(&self, pattern: &str) -> Vec<Texts> {
        let read =
            |sets: &&str| sets.split('\t').filter(|set| !set.is_empty()).map(|set| set.split(' ').map(unescaped).collect()).collect();
        self.0.get(pattern).map_or_else(|| derived(pattern), read)
    }
}

/// Undoes `escape_ascii`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let digit = |bytes: &mut std::str::Bytes<'_>| bytes.next().and_then(|byte| char::from(byte).to_digit(16)).unwrap_or(0) as u8;
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match (byte, if byte == b'\\' { bytes.next() } else { None }) {
            (_, Some(b'x')) => digit(&mut bytes) << 4 | digit(&mut bytes),
            (_, Some(b'n')) => b'\n',
            (_, Some(b'r')) => b'\r',
            (_, Some(b't')) => b'\t',
            (_, Some(itself)) | (itself, None) => itself,
        });
    }
    out
}

fn derived(pattern: &str) -> Vec<Texts> {
    let mut parser = ParserBuilder::new().utf8(false).unicode(false).dot_matches_new_line(true).build();
    parser.parse(pattern).map(|hir| of(&hir)).unwrap_or_default()
}

fn of(hir: &Hir) -> Vec<Texts> {
    match hir.kind() {
        HirKind::Literal(literal) => vec![vec![literal.0.to_vec()]],
        HirKind::Class(Class::Bytes(class)) => {
            let bytes: Texts = class.iter().flat_map(|range| range.start()..=range.end()).map(|byte| vec![byte]).collect();
            if bytes.len() <= MAX_TEXTS / 16 { vec![bytes] } else { Vec::new() }
        }
        HirKind::Repetition(repetition) if repetition.min > 0 => of(&repetition.sub),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Concat(parts) => {
            let mut all: Vec<Texts> = parts.iter().flat_map(of).collect();
            all.sort_by(|one, other| likelihood(one).total_cmp(&likelihood(other)));
            all.truncate(2);
            all
        }
        HirKind::Alternation(parts) => {
            let parts: Vec<Vec<Texts>> = parts.iter().map(of).collect();
            // Where one way has a single set, that one stands for its second too.
            let set = |number: usize| parts.iter().map(|sets| sets.get(number).or(sets.last()).cloned()).collect::<Option<Vec<_>>>();
            let sets = [0, 1].map(set).into_iter().flatten().map(|sets| sets.concat());
            let mut sets: Vec<Texts> = sets.filter(|texts| texts.len() <= MAX_TEXTS).collect();
            sets.dedup();
            sets
        }
        _ => Vec::new(),
    }
}

/// Roughly how often a value holds one of the texts: letters are frequent, marks rare.
fn likelihood(texts: &[Vec<u8>]) -> f64 {
    let of_byte = |byte: &u8| match byte {
        b'a'..=b'z' | b' ' | b'/' | b'.' => 1.0 / 12.0,
        b'0'..=b'9' | b'-' | b'_' | b'=' | b':' => 1.0 / 24.0,
        _ => 1.0 / 48.0,
    };
    texts.iter().map(|text| text.iter().map(of_byte).product::<f64>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "BLESS=1 writes the file anew")]
    fn what_was_derived_is_what_the_patterns_say() {
        let tables = crate::classify::values::TABLES.iter().flat_map(|tables| tables.iter()).copied().flatten();
        let mut patterns: Vec<&str> = tables.flat_map(|signature| signature.patterns).copied().collect();
        patterns.sort_unstable();
        patterns.dedup();
        let escaped = |text: &Vec<u8>| text.escape_ascii().to_string().replace(' ', "\\x20");
        let set = |texts: &Texts| texts.iter().map(escaped).collect::<Vec<_>>().join(" ");
        let line = |pattern: &&str| format!("{pattern}\t{}\n", derived(pattern).iter().map(set).collect::<Vec<_>>().join("\t"));
        let lines: String = patterns.iter().map(line).collect();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write("src/classify/required.txt", &lines).unwrap();
            return;
        }
        assert!(lines == DERIVED, "src/classify/required.txt is out of date: BLESS=1 cargo test -p hostwarden --lib required");
        let known = Required::new();
        assert!(patterns.len() > 150 && patterns.len() == known.0.len());
        for pattern in patterns {
            assert_eq!(known.texts(pattern), derived(pattern), "{pattern}");
        }
        assert_eq!(known.texts("[<>]unknown"), derived("[<>]unknown"));
    }

    #[test]
    fn each_match_holds_one_of_the_texts() {
        for (pattern, expected) in [
            (r"\brm\s+-r?f", vec![vec!["rm"], vec!["-"]]),
            (r"(?:^|[;|])\s*(?:wget|curl)[ \n]", vec![vec!["wget", "curl"], vec!["\n", " "]]),
            (r"\w+/\w+x?", vec![vec!["/"]]),
            (r"[<>]\(", vec![vec!["("], vec!["<", ">"]]),
            (r"a?b*", vec![]),
            (r"(?:abc|\d+)", vec![]),
            (r"(?:x+y){2}", vec![vec!["x"], vec!["y"]]),
            (r"(?:a|b.c)", vec![vec!["a", "b"], vec!["a", "c"]]),
            (r"(?:", vec![]),
        ] {
            let texts = derived(pattern);
            let text = |text: &Vec<u8>| String::from_utf8(text.clone()).unwrap();
            let texts: Vec<Vec<String>> = texts.iter().map(|set| set.iter().map(text).collect()).collect();
            assert_eq!(texts, expected, "{pattern}");
        }
    }
}

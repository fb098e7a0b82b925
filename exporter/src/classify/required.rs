//! What a pattern cannot match without: up to two sets of short texts, of each of which every match holds one. A value that lacks all of
//! a set need not be asked about the pattern, which is what makes hundreds of patterns cheap. Derived from the pattern itself, so that
//! nothing can be forgotten.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Larger classes and alternations say too little.
const MAX_TEXTS: usize = 128;

/// Texts of which a match holds one.
type Texts = Vec<Vec<u8>>;

/// The sets for `pattern` (bytes, no Unicode), the rarest first; empty if there are none, or if it is no pattern.
pub(super) fn texts(pattern: &str) -> Vec<Texts> {
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
            let texts = super::texts(pattern);
            let text = |text: &Vec<u8>| String::from_utf8(text.clone()).unwrap();
            let texts: Vec<Vec<String>> = texts.iter().map(|set| set.iter().map(text).collect()).collect();
            assert_eq!(texts, expected, "{pattern}");
        }
    }
}

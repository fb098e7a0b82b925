//! What a pattern cannot match without: short texts of which each match holds at least one. A value that holds none need not be asked
//! about the pattern, which is what makes hundreds of patterns cheap. Derived from the pattern itself, so that nothing can be forgotten.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Larger classes and alternations say too little.
const MAX_TEXTS: usize = 128;

/// The texts of which every match of `pattern` (bytes, no Unicode) holds one; `None` if there are no such texts.
pub(super) fn texts(pattern: &str) -> Option<Vec<Vec<u8>>> {
    let mut parser = ParserBuilder::new().utf8(false).unicode(false).dot_matches_new_line(true).build();
    of(&parser.parse(pattern).ok()?)
}

fn of(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Class(Class::Bytes(class)) => {
            let bytes: Vec<_> = class.iter().flat_map(|range| range.start()..=range.end()).map(|byte| vec![byte]).collect();
            (bytes.len() <= MAX_TEXTS / 16).then_some(bytes)
        }
        HirKind::Repetition(repetition) if repetition.min > 0 => of(&repetition.sub),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(of).min_by(|one, other| likelihood(one).total_cmp(&likelihood(other))),
        HirKind::Alternation(parts) => {
            let all = parts.iter().map(of).collect::<Option<Vec<_>>>()?.concat();
            (all.len() <= MAX_TEXTS).then_some(all)
        }
        _ => None,
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
            (r"\brm\s+-r?f", Some(vec!["rm"])),
            (r"(?:^|[;|])\s*(?:wget|curl)\s", Some(vec!["wget", "curl"])),
            (r"[<>]\(", Some(vec!["("])),
            (r"a?b*", None),
            (r"(?:abc|\d+)", None),
            (r"(?:x+y){2}", Some(vec!["x"])),
        ] {
            let texts = super::texts(pattern);
            let texts = texts.as_ref().map(|texts| texts.iter().map(|text| std::str::from_utf8(text).unwrap()).collect::<Vec<_>>());
            assert_eq!(texts, expected, "{pattern}");
        }
    }
}

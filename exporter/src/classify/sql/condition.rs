//! Conditions of constants, which make a query true or false for every row.

use super::names::is_delay;
use super::tokens::{Kind, Token};
use super::{CONDITION, SUBQUERY, selects};
use crate::classify::rules::Rule;

/// `or 1=1`, `and 'a'='a`, `where 5=5`, `or sleep(5)`, `or 1--`: a condition of constants after what ended a value.
pub(super) fn condition(tokens: &[Token<'_>], at: usize, odd_quotes: bool) -> Option<&'static Rule> {
    let broke_out = at.checked_sub(1).is_some_and(|before| tokens[before].kind == Kind::Quote);
    let closed = at.checked_sub(1).is_some_and(|before| tokens[before].kind == Kind::Close);
    let word = tokens[at].text;
    // `1) as x where 1=1`: what sqlmap closes a FROM clause with.
    if word == b"as" {
        let named = (broke_out || closed) && tokens.get(at + 1).is_some_and(|name| name.kind == Kind::Word);
        return (named && tokens.get(at + 2).is_some_and(|after| after.is(b"where") || after.kind == Kind::Semicolon))
            .then_some(&CONDITION);
    }
    let mut next = at + 1;
    let mut quoted = false;
    while let Some(token) = tokens.get(next) {
        quoted |= token.kind == Kind::Quote;
        let skipped =
            matches!(token.kind, Kind::Open | Kind::Quote) || matches!(token.text, b"not" | b"!" | b"-" | b"~" | b"binary" | b"exists");
        if !skipped {
            break;
        }
        next += 1;
    }
    let first = tokens.get(next)?;
    if first.is(b"select") && selects(tokens, next + 1, true) {
        return Some(&SUBQUERY);
    }
    let compared_by_word = matches!(word, b"like" | b"rlike" | b"regexp" | b"in" | b"is" | b"div" | b"not");
    if compared_by_word {
        let calls = first.kind == Kind::Word && tokens.get(next + 1).is_some_and(|after| after.kind == Kind::Open) && is_delay(first.text);
        return (broke_out && (odd_quotes && quoted || calls)).then_some(&CONDITION);
    }
    let (left, end) = operand(tokens, next, quoted)?;
    let Some(comparison) = tokens.get(end) else {
        return (broke_out && odd_quotes && quoted && first.kind == Kind::Number).then_some(&CONDITION);
    };
    let compares = comparison.kind == Kind::Compare
        || matches!(comparison.text, b"like" | b"rlike" | b"regexp" | b"in" | b"is" | b"between" | b"glob" | b"ilike");
    if !compares {
        let cut = matches!(comparison.kind, Kind::Comment | Kind::Semicolon) && broke_out;
        let constant = matches!(left, Operand::Constant) || first.is(b"true") || first.is(b"false");
        return (cut && constant).then_some(&CONDITION);
    }
    let mut right = end + 1;
    while tokens.get(right).is_some_and(|token| {
        matches!(token.kind, Kind::Open | Kind::Quote | Kind::Compare | Kind::Operator) || matches!(token.text, b"not")
    }) {
        right += 1;
    }
    let other = tokens.get(right).map(|token| token.text);
    let telling = match left {
        Operand::Constant => other.is_some() || quoted,
        Operand::Call => true,
        Operand::Name => other == Some(first.text) || broke_out && odd_quotes,
    };
    telling.then_some(&CONDITION)
}

/// What stands on one side of a comparison.
enum Operand {
    Constant,
    Call,
    Name,
}

/// The operand that begins at `at`, and the token after it, closing brackets and quotes skipped.
fn operand(tokens: &[Token<'_>], at: usize, quoted: bool) -> Option<(Operand, usize)> {
    let token = tokens.get(at)?;
    let (operand, mut end) = match token.kind {
        Kind::Number | Kind::Variable => (Operand::Constant, at + 1),
        Kind::Compare if quoted => (Operand::Constant, at),
        Kind::Comment if quoted => (Operand::Constant, at),
        Kind::Word if tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Open) => (Operand::Call, closing(tokens, at + 1)),
        Kind::Word if quoted => (Operand::Constant, at + 1),
        Kind::Word => (Operand::Name, at + 1),
        _ => return None,
    };
    // A quoted text may have several words, a sum several terms.
    while let Some(next) = tokens.get(end) {
        let inside = matches!(next.kind, Kind::Close | Kind::Quote | Kind::Operator) || next.is(b"||");
        let term = tokens.get(end - 1).is_some_and(|before| before.kind == Kind::Operator || before.is(b"||"))
            && matches!(next.kind, Kind::Number | Kind::Word);
        if !inside && !term {
            break;
        }
        end += 1;
    }
    Some((operand, end))
}

/// The token after the bracket that closes the one at `at`.
fn closing(tokens: &[Token<'_>], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth <= 1 => return index + 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

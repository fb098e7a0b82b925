//! SQL in a value: a tokeniser, and what no injection can do without. A value is judged by its tokens, not by words that people use too
//! (`union`, `select`, `or`): each rule asks for the punctuation that makes the words a statement.

use super::rules::{Rule, rule};

mod condition;
mod names;
mod tokens;

use condition::condition;
use names::{is_catalogue, is_system_procedure, is_telling_function};
use tokens::{Kind, Token, tokens};

static CONDITION: Rule =
    rule!(SqlInjection, "SQL condition", "Tried to change a database query with a condition that is always true or false");
static UNION: Rule = rule!(SqlInjection, "SQL UNION SELECT", "Tried to read other tables through a database query");
static SUBQUERY: Rule = rule!(SqlInjection, "SQL subquery", "Tried to slip a query of its own into a database query");
static STACKED: Rule = rule!(SqlInjection, "SQL statement after another", "Tried to run a database statement of its own");
static FUNCTION: Rule =
    rule!(SqlInjection, "SQL function", "Tried to make the database wait, fail or read files, to learn from how it answers");
static COMMENT: Rule = rule!(SqlInjection, "SQL comment after a quote", "Tried to cut off the rest of a database query");
static ORDER: Rule = rule!(SqlInjection, "SQL ORDER BY after a value", "Tried to count the columns of a database query");
static CATALOGUE: Rule = rule!(SqlInjection, "SQL catalogue", "Tried to read the list of tables in a database");

/// What SQL stands in a decoded lower-case value, if any.
pub(super) fn find(value: &[u8]) -> Option<&'static Rule> {
    let tokens = tokens(value);
    let tokens = tokens.as_slice();
    let odd_quotes = tokens.iter().filter(|token| token.kind == Kind::Quote).count() % 2 == 1;
    if only_operator_between_quotes(tokens) {
        return Some(&CONDITION);
    }
    (0..tokens.len()).find_map(|at| at_token(tokens, at, odd_quotes))
}

fn at_token(tokens: &[Token<'_>], at: usize, odd_quotes: bool) -> Option<&'static Rule> {
    let token = tokens[at];
    let before = at.checked_sub(1).map(|at| tokens[at]);
    match token.kind {
        Kind::Semicolon => stacked(tokens, at).then_some(&STACKED),
        Kind::Comment => ends_after_quote(tokens, at).then_some(&COMMENT),
        Kind::Logic => after_value(before).then(|| condition(tokens, at, odd_quotes)).flatten(),
        Kind::Variable => (token.text.starts_with(b"@@") && token.text.len() > 4).then_some(&FUNCTION),
        Kind::Open if tokens.get(at + 1).is_some_and(|next| next.is(b"select")) => selects(tokens, at + 2, true).then_some(&SUBQUERY),
        Kind::Word => at_word(tokens, at, before, odd_quotes),
        _ => None,
    }
}

fn at_word(tokens: &[Token<'_>], at: usize, before: Option<Token<'_>>, odd_quotes: bool) -> Option<&'static Rule> {
    let after = |further: usize| tokens.get(at + further);
    let next_is = |further: usize, words: &[&[u8]]| after(further).is_some_and(|token| words.contains(&token.text));
    let called = after(1).is_some_and(|next| next.kind == Kind::Open);
    match tokens[at].text {
        b"and" | b"or" | b"xor" | b"where" | b"having" | b"rlike" | b"regexp" | b"like" | b"in" | b"is" | b"not" | b"div" | b"as"
            if after_value(before) =>
        {
            condition(tokens, at, odd_quotes)
        }
        b"union" => {
            let mut select = at + 1;
            while tokens
                .get(select)
                .is_some_and(|token| token.kind == Kind::Open || matches!(token.text, b"all" | b"distinct" | b"distinctrow"))
            {
                select += 1;
            }
            let select_follows = tokens.get(select).is_some_and(|token| token.is(b"select"));
            (select_follows && (selects(tokens, select + 1, false) || after_value(before) && select + 1 == tokens.len())).then_some(&UNION)
        }
        b"select" => selects_from(tokens, at).then_some(&SUBQUERY),
        b"order" | b"group" if next_is(1, &[b"by"]) && after_value(before) && before.is_some() => {
            let column = after(2).is_some_and(|token| matches!(token.kind, Kind::Number | Kind::Open));
            let ends = after(3).is_none_or(|token| matches!(token.kind, Kind::Comment | Kind::Comma | Kind::Close | Kind::Semicolon));
            (column && ends || before.is_some_and(|token| token.kind == Kind::Quote) && odd_quotes).then_some(&ORDER)
        }
        b"waitfor" if next_is(1, &[b"delay", b"time"]) && after(2).is_some_and(|token| token.kind == Kind::Quote) => Some(&FUNCTION),
        b"case" if next_is(1, &[b"when"]) => {
            let rest = tokens.get(at + 2..).unwrap_or_default();
            (rest.iter().any(|token| token.is(b"then")) && rest.iter().any(|token| token.kind == Kind::Compare)).then_some(&SUBQUERY)
        }
        b"into" if next_is(1, &[b"outfile", b"dumpfile"]) => Some(&FUNCTION),
        b"procedure" if next_is(1, &[b"analyse"]) => Some(&FUNCTION),
        b"exec" | b"execute" if after(1).is_some_and(|next| is_system_procedure(next.text)) => Some(&STACKED),
        b"declare" if after(1).is_some_and(|next| next.kind == Kind::Variable) => Some(&STACKED),
        b"insert" if next_is(1, &[b"into"]) && tokens.iter().skip(at + 2).any(|token| token.is(b"values") || token.is(b"select")) => {
            Some(&STACKED)
        }
        b"in" if next_is(1, &[b"boolean"]) && next_is(2, &[b"mode"]) => Some(&CONDITION),
        word if is_system_procedure(word) => Some(&STACKED),
        word if is_catalogue(word) => Some(&CATALOGUE),
        word if called && is_telling_function(word) => Some(&FUNCTION),
        b"sleep" | b"if" | b"iif" | b"ascii" | b"ord"
            if called && after(2).is_some_and(|inner| matches!(inner.kind, Kind::Number | Kind::Open | Kind::Quote)) =>
        {
            let alone = tokens[at].is(b"sleep") && after(2).is_some_and(|inner| inner.kind == Kind::Number) && before.is_none();
            (alone || before.is_some_and(|token| in_query(tokens, token)) && after_value_or_logic(before)).then_some(&FUNCTION)
        }
        b"char" | b"chr" if called && after(2).is_some_and(|inner| inner.kind == Kind::Number) => {
            let joined = tokens.iter().filter(|token| token.is(b"char") || token.is(b"chr")).count() > 1;
            let beside = before.is_some_and(|token| token.is(b"||") || token.is(b"+"));
            (joined || beside).then_some(&FUNCTION)
        }
        b"concat" | b"concat_ws" | b"group_concat"
            if called
                && tokens.iter().skip(at).any(|token| {
                    token.text.starts_with(b"0x") || token.text.starts_with(b"@@") || token.is(b"select") || token.is(b"from")
                }) =>
        {
            Some(&FUNCTION)
        }
        _ => None,
    }
}

/// `before` ends a value: what follows is outside of the place that the page meant it for.
fn after_value(before: Option<Token<'_>>) -> bool {
    before.is_none_or(|token| {
        matches!(token.kind, Kind::Quote | Kind::Number | Kind::Close | Kind::Comment | Kind::Semicolon) || token.is(b"%")
    })
}

fn after_value_or_logic(before: Option<Token<'_>>) -> bool {
    after_value(before)
        || before.is_some_and(|token| {
            matches!(token.kind, Kind::Logic | Kind::Compare | Kind::Open | Kind::Comma | Kind::Operator)
                || matches!(token.text, b"and" | b"or" | b"xor" | b"select" | b"where" | b"then" | b"else" | b"when" | b"not" | b"like")
        })
}

/// Whether the rest of the value speaks SQL or breaks out of a string.
fn in_query(tokens: &[Token<'_>], before: Token<'_>) -> bool {
    before.kind == Kind::Logic
        || tokens
            .iter()
            .any(|token| token.kind == Kind::Quote || matches!(token.text, b"and" | b"or" | b"xor" | b"select" | b"where" | b"having"))
}

/// What follows `select` is a list of columns rather than the rest of a sentence.
fn selects(tokens: &[Token<'_>], at: usize, nested: bool) -> bool {
    let Some(first) = tokens.get(at) else { return nested };
    let second = tokens.get(at + 1);
    match first.kind {
        Kind::Number => second
            .is_none_or(|next| next.kind != Kind::Word || matches!(next.text, b"from" | b"where" | b"union" | b"limit" | b"and" | b"or")),
        Kind::Variable | Kind::Open | Kind::Quote | Kind::Comment => true,
        Kind::Operator => first.is(b"*") || first.is(b"-"),
        Kind::Word if matches!(first.text, b"null" | b"case" | b"top" | b"distinct" | b"char" | b"count") => true,
        Kind::Word => second.is_some_and(|next| matches!(next.kind, Kind::Comma | Kind::Open) || matches!(next.text, b"from" | b"where")),
        _ => false,
    }
}

/// `select * from x`, `select a,b from x`, `select x from users`: with a list, a call or a clause after it.
fn selects_from(tokens: &[Token<'_>], at: usize) -> bool {
    let Some(from) = (at + 1..tokens.len().min(at + 40)).find(|&index| tokens[index].is(b"from")) else { return false };
    let table = tokens.get(from + 1).is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Open | Kind::Quote));
    let columns = &tokens[at + 1..from];
    let star = columns.len() == 1 && columns[0].is(b"*");
    let list = columns.len() > 2
        && columns.iter().all(|token| token.kind != Kind::Word || token.text.len() < 30)
        && columns.windows(2).all(|pair| pair[0].kind != Kind::Word || pair[1].kind != Kind::Word);
    let clause = columns.len() == 1
        && tokens
            .get(from + 2)
            .is_some_and(|token| matches!(token.kind, Kind::Semicolon | Kind::Comment) || matches!(token.text, b"where" | b"limit"));
    table && (star || list || clause)
}

/// `;` and a statement behind a value.
fn stacked(tokens: &[Token<'_>], at: usize) -> bool {
    let Some(verb) = tokens.get(at + 1) else { return false };
    let object = tokens.get(at + 2);
    let object_is = |words: &[&[u8]]| object.is_some_and(|token| words.contains(&token.text));
    let calls = object.is_some_and(|token| token.kind == Kind::Open);
    match verb.text {
        b"select" => selects(tokens, at + 2, true),
        b"(" => object_is(&[b"select"]),
        b"drop" | b"create" | b"alter" | b"truncate" => object_is(&[
            b"table",
            b"database",
            b"user",
            b"view",
            b"function",
            b"procedure",
            b"or",
            b"schema",
            b"login",
            b"index",
            b"trigger",
        ]),
        b"insert" => object_is(&[b"into"]),
        b"delete" => object_is(&[b"from"]),
        b"update" => tokens.get(at + 3).is_some_and(|token| token.is(b"set")),
        b"declare" | b"exec" | b"execute" => object.is_some_and(|token| {
            matches!(token.kind, Kind::Variable | Kind::Open) || token.text.contains(&b'_') || token.text.contains(&b'.')
        }),
        b"waitfor" => object_is(&[b"delay", b"time"]),
        b"shutdown" => object.is_none_or(|token| matches!(token.kind, Kind::Comment | Kind::Semicolon) || token.is(b"with")),
        b"begin" => object.is_some_and(|token| token.text.contains(&b'.') || token.text.contains(&b'_')),
        b"iif" | b"if" | b"call" | b"sleep" | b"pg_sleep" => calls && after_value(at.checked_sub(1).map(|before| tokens[before])),
        b"copy" | b"grant" | b"load" | b"attach" => object_is(&[b"data", b"database", b"all"]) || calls,
        _ => false,
    }
}

/// A quote, perhaps brackets, and a comment that ends the value.
fn ends_after_quote(tokens: &[Token<'_>], at: usize) -> bool {
    let quoted = tokens
        .iter()
        .take(at)
        .rev()
        .find(|token| !matches!(token.kind, Kind::Close | Kind::Semicolon))
        .is_some_and(|token| token.kind == Kind::Quote);
    let ends = tokens.iter().skip(at + 1).all(|token| matches!(token.kind, Kind::Operator | Kind::Comment | Kind::Other));
    quoted && ends
}

/// `'-'`, `'='`, `' or '`: a quote, an operator, a quote, and nothing else.
fn only_operator_between_quotes(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [a, operator, b] | [a, operator, b, Token { kind: Kind::Comment | Kind::Quote, .. }] => {
            let operates =
                matches!(operator.kind, Kind::Operator | Kind::Compare | Kind::Logic) || matches!(operator.text, b"or" | b"and" | b"like");
            a.kind == Kind::Quote && b.kind == Kind::Quote && operates
        }
        _ => false,
    }
}

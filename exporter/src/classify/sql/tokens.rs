//! A value cut into tokens of SQL, whichever database would read it.

/// The most tokens looked at.
const MAX_TOKENS: usize = 400;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Word,
    Variable,
    Quote,
    Compare,
    Logic,
    Operator,
    Comma,
    Open,
    Close,
    Semicolon,
    Comment,
    Other,
}

/// A token and what it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a [u8],
}

impl Token<'_> {
    /// Whether it is this very word.
    pub(super) fn is(&self, word: &[u8]) -> bool {
        self.text == word
    }
}

/// The tokens of a decoded lower-case value, the first of them if there are very many.
pub(super) fn tokens(value: &[u8]) -> Vec<Token<'_>> {
    let mut tokens = Vec::with_capacity(32);
    let mut rest = value;
    while let Some(&first) = rest.first() {
        if tokens.len() == MAX_TOKENS {
            break;
        }
        let (kind, length) = next_token(rest, first);
        if let Some(kind) = kind {
            tokens.push(Token { kind, text: &rest[..length] });
        }
        rest = &rest[length..];
    }
    tokens
}

/// The kind of the token at the front, `None` for what separates tokens, and its length.
fn next_token(rest: &[u8], first: u8) -> (Option<Kind>, usize) {
    let run = |test: fn(&u8) -> bool| rest.iter().take_while(|byte| test(byte)).count();
    match (first, rest.get(1)) {
        (0..=b' ' | 0x7F | 0xA0, _) => (None, 1),
        (b'0'..=b'9', _) => number(rest),
        (b'.', Some(b'0'..=b'9')) => (Some(Kind::Number), 1 + rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count()),
        (b'a'..=b'z' | b'_' | 0x80.., _) => {
            (Some(Kind::Word), run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | 0x80..)))
        }
        (b'@', _) => (Some(Kind::Variable), run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@' | b'.')).max(1)),
        (b'\'' | b'"' | b'`', _) => (Some(Kind::Quote), 1),
        // MySQL runs what stands in `/*! … */`; other comments only separate.
        (b'/', Some(b'*')) if rest.get(2) == Some(&b'!') => (None, 3 + rest[3..].iter().take_while(|byte| byte.is_ascii_digit()).count()),
        (b'/', Some(b'*')) => match memchr::memmem::find(&rest[2..], b"*/") {
            Some(end) => (None, end + 4),
            None => (Some(Kind::Comment), rest.len()),
        },
        (b'*', Some(b'/')) => (None, 2),
        (b'-', Some(b'-')) if rest.get(2).is_none_or(|byte| !byte.is_ascii_alphanumeric()) || rest.len() < 8 => (Some(Kind::Comment), 2),
        (b'#', _) => (Some(Kind::Comment), 1),
        (b'|', Some(b'|')) | (b'&', Some(b'&')) => (Some(Kind::Logic), 2),
        (b'=' | b'<' | b'>', _) => (Some(Kind::Compare), run(|byte| matches!(byte, b'=' | b'<' | b'>'))),
        (b'!', Some(b'=')) => (Some(Kind::Compare), 2),
        (b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'&' | b'|' | b'~' | b'!', _) => (Some(Kind::Operator), 1),
        (b',', _) => (Some(Kind::Comma), 1),
        (b'(', _) => (Some(Kind::Open), 1),
        (b')', _) => (Some(Kind::Close), 1),
        (b';', _) => (Some(Kind::Semicolon), 1),
        _ => (Some(Kind::Other), 1),
    }
}

/// `12`, `1.5`, `0x41`, and the 1 of `1or`; `1st` is a word.
fn number(rest: &[u8]) -> (Option<Kind>, usize) {
    if rest.starts_with(b"0x") {
        return (Some(Kind::Number), 2 + rest[2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count());
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let word = rest[digits..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    match &rest[digits..digits + word] {
        b"" | b"or" | b"and" | b"union" | b"order" | b"xor" | b"where" | b"having" | b"e0union" => (Some(Kind::Number), digits),
        _ => (Some(Kind::Word), digits + word),
    }
}

//! Reads Rust source as text: its tokens without comments and test code, and every path that it names, written out in full.
//!
//! It knows words, not types: a re-export or a macro could fool it. Clippy's bans (clippy.toml) catch what matters most of that.

use std::collections::BTreeMap;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// An identifier or keyword.
    Word,
    /// A string literal; the text is what stands between the quotes.
    Text,
    /// One punctuation character, or `::`.
    Mark,
}

/// A word, literal or mark.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }
}

/// A path as named somewhere, from its root: `crate::…`, `std::…` or a crate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// The source's tokens, without comments, and without items under `#[cfg(test)]`.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    without_tests(&Lexer { rest: source.chars().collect(), at: 0, line: 1 }.all())
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.rest.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn next(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        self.line += usize::from(c == '\n');
        c
    }

    fn all(mut self) -> Vec<Token> {
        let mut found = Vec::new();
        while self.at < self.rest.len() {
            let line = self.line;
            if let Some((kind, text)) = self.token() {
                found.push(Token { kind, text, line });
            }
        }
        found
    }

    fn token(&mut self) -> Option<(Kind, String)> {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => {
                while !matches!(self.peek(0), '\n' | '\0') {
                    self.next();
                }
                None
            }
            ('/', '*') => {
                self.block_comment();
                None
            }
            ('"', _) => Some((Kind::Text, self.string())),
            ('\'', _) => {
                self.quote();
                None
            }
            (':', ':') => {
                self.at += 2;
                Some((Kind::Mark, "::".to_owned()))
            }
            (c, _) if c.is_alphanumeric() || c == '_' => self.word_or_literal(),
            (c, _) if c.is_whitespace() => {
                self.next();
                None
            }
            _ => Some((Kind::Mark, self.next().to_string())),
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.rest.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.next();
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// A string with escapes; the escapes stay as they are written.
    fn string(&mut self) -> String {
        self.next();
        let mut text = String::new();
        while self.at < self.rest.len() {
            match self.next() {
                '"' => break,
                '\\' => text.extend(['\\', self.next()]),
                c => text.push(c),
            }
        }
        text
    }

    /// A raw string behind its `r`: quotes only end it with as many `#` behind them as stood in front.
    fn raw_string(&mut self) -> String {
        let mut hashes = 0;
        while self.peek(0) == '#' {
            self.next();
            hashes += 1;
        }
        self.next();
        let mut text = String::new();
        while self.at < self.rest.len() {
            let c = self.next();
            if c == '"' && (0..hashes).all(|n| self.peek(n) == '#') {
                self.at += hashes;
                break;
            }
            text.push(c);
        }
        text
    }

    /// A character literal, or the tick of a lifetime.
    fn quote(&mut self) {
        self.next();
        if self.peek(0) == '\\' {
            self.at += 2;
            while !matches!(self.next(), '\'' | '\0') {}
        } else if self.peek(1) == '\'' {
            self.next();
            self.next();
        }
    }

    fn word_or_literal(&mut self) -> Option<(Kind, String)> {
        let mut word = String::new();
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            word.push(self.next());
        }
        match (word.as_str(), self.peek(0), self.peek(1)) {
            ("r" | "br" | "cr", '"', _) | ("r" | "br" | "cr", '#', '"' | '#') => Some((Kind::Text, self.raw_string())),
            ("b" | "c", '"', _) => Some((Kind::Text, self.string())),
            ("b", '\'', _) => {
                self.quote();
                None
            }
            ("r", '#', _) => {
                self.next();
                self.word_or_literal()
            }
            _ => Some((Kind::Word, word)),
        }
    }
}

/// Leaves out what stands under `#[cfg(test)]`: tests may know more than the room that they are in.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_test_attribute(&tokens[at..]) {
            at = item_end(tokens, at);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

fn is_test_attribute(tokens: &[Token]) -> bool {
    let expected = ["#", "[", "cfg", "(", "test", ")", "]"];
    tokens.len() >= expected.len() && tokens.iter().zip(expected).all(|(token, text)| token.is(text))
}

/// Behind the item that begins with the attribute at `start`: behind its `;`, or behind the bracket that closes its first `{`.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            _ if token.kind == Kind::Text => {}
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token.is("}") {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Every path that the tokens of the module `module` (`["formats", "sshd"]`; the root is empty) name.
pub(crate) fn paths(tokens: &[Token], module: &[String]) -> Vec<Path> {
    let mut reader = Reader { tokens, at: 0, module: module.to_vec(), inline: Vec::new(), uses: Vec::new(), bare: Vec::new() };
    reader.all();
    let names: BTreeMap<String, Vec<String>> =
        reader.uses.iter().filter_map(|(name, path)| Some((name.clone()?, path.segments.clone()))).collect();
    let uses = reader.uses.into_iter().map(|(_, path)| path);
    let mut found: Vec<Path> = uses.chain(reader.bare).collect();
    for path in &mut found {
        // A few rounds: `use std::env; use env::var;` is two steps, and no honest source needs more.
        for _ in 0..4 {
            let Some(meant) = path.segments.first().and_then(|first| names.get(first)) else { break };
            if meant.first() == path.segments.first() {
                break;
            }
            path.segments.splice(..1, meant.iter().cloned());
        }
    }
    found
}

/// Keywords that a path with a leading `::` may follow.
const BEFORE_A_PATH: [&str; 10] = ["as", "dyn", "else", "for", "impl", "in", "match", "mut", "return", "where"];

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    module: Vec<String>,
    /// For each open brace: whether it is that of an inline module.
    inline: Vec<bool>,
    /// From `use`: the name it gives, and what it means.
    uses: Vec<(Option<String>, Path)>,
    bare: Vec<Path>,
}

impl Reader<'_> {
    fn is(&self, ahead: usize, text: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.is(text))
    }

    fn all(&mut self) {
        while let Some(token) = self.tokens.get(self.at) {
            let after_path = self.at > 0 && (self.tokens[self.at - 1].is("::") || self.tokens[self.at - 1].is("."));
            match (token.kind, token.text.as_str()) {
                (Kind::Word, "use") if !self.is(1, "<") => {
                    self.at += 1;
                    self.use_tree(&[]);
                    continue;
                }
                (Kind::Word, "mod") if self.is(2, "{") => {
                    self.module.push(self.tokens[self.at + 1].text.clone());
                    self.inline.push(true);
                    self.at += 3;
                    continue;
                }
                (Kind::Word, "extern") if self.is(1, "crate") => {
                    self.at += 2;
                    self.bare_path();
                    continue;
                }
                (Kind::Word, word) if !after_path && self.is(1, "::") && !BEFORE_A_PATH.contains(&word) => {
                    self.bare_path();
                    continue;
                }
                (Kind::Mark, "::") if self.is_at_root() => {
                    self.at += 1;
                    self.bare_path();
                    continue;
                }
                (Kind::Mark, "{") => self.inline.push(false),
                (Kind::Mark, "}") => {
                    let closed = self.inline.pop();
                    self.module.truncate(self.module.len() - usize::from(closed == Some(true)));
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Whether the `::` at hand begins a path, rather than going on with one (or with a type in `<>`).
    fn is_at_root(&self) -> bool {
        let Some(before) = self.at.checked_sub(1).map(|at| &self.tokens[at]) else { return true };
        match before.kind {
            Kind::Mark => !before.is(">"),
            Kind::Word => BEFORE_A_PATH.contains(&before.text.as_str()),
            Kind::Text => false,
        }
    }

    fn word(&mut self) -> Option<(String, usize)> {
        let token = self.tokens.get(self.at).filter(|token| token.kind == Kind::Word)?;
        self.at += 1;
        Some((token.text.clone(), token.line))
    }

    fn bare_path(&mut self) {
        let Some((first, line)) = self.word() else { return };
        let mut segments = vec![first];
        while self.is(0, "::") {
            self.at += 1;
            let Some((next, _)) = self.word() else { break };
            segments.push(next);
        }
        let path = Path { segments: self.rooted(segments), line };
        self.bare.push(path);
    }

    /// One branch of a `use`, up to and without what ends it.
    fn use_tree(&mut self, front: &[String]) {
        let mut segments = front.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        loop {
            if self.is(0, "::") {
                self.at += 1;
            } else if self.is(0, "{") {
                self.at += 1;
                while self.at < self.tokens.len() && !self.is(0, "}") && !self.is(0, ";") {
                    self.use_tree(&segments);
                    self.at += usize::from(self.is(0, ","));
                }
                self.at += 1;
                return;
            } else if self.is(0, "*") {
                self.at += 1;
                segments.push("*".to_owned());
            } else if self.is(0, "as") {
                self.at += 1;
                let name = self.word().map(|(name, _)| name);
                self.used(name, segments, line);
                return;
            } else if let Some((word, _)) = self.word() {
                // `use std::{self, fs}`: self is what stands in front.
                if word != "self" || segments.is_empty() {
                    segments.push(word);
                }
            } else {
                // `,`, `;` or `}`; anything else is no Rust, and must not stop us.
                if ![",", ";", "}"].iter().any(|end| self.is(0, end)) {
                    self.at += 1;
                }
                let name = segments.last().cloned();
                if !segments.is_empty() {
                    self.used(name, segments, line);
                }
                return;
            }
        }
    }

    fn used(&mut self, name: Option<String>, segments: Vec<String>, line: usize) {
        let path = Path { segments: self.rooted(segments), line };
        self.uses.push((name, path));
    }

    /// `self` and `super` written out; what is not of this crate stays as it is.
    fn rooted(&self, segments: Vec<String>) -> Vec<String> {
        let first = segments.first().map(String::as_str);
        if matches!(first, Some("crate" | "hostwarden")) {
            return ["crate".to_owned()].into_iter().chain(segments.into_iter().skip(1)).collect();
        }
        if !matches!(first, Some("self" | "super")) {
            return segments;
        }
        let mut module = self.module.clone();
        let mut rest = segments.into_iter().peekable();
        while let Some(step) = rest.next_if(|segment| segment == "self" || segment == "super") {
            if step == "super" {
                module.pop();
            }
        }
        ["crate".to_owned()].into_iter().chain(module).chain(rest).collect()
    }
}

//! Text that must not be seen: prints as `***`. And the tests that keep weak ones out, which never repeat what they tested.

use std::fmt;

/// A secret. It can be used, not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for those who must compare, sign or send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// The shortest secret, in characters: 16 hexadecimal digits are 64 bits (taste: what a person can still be asked to paste).
pub(super) const MIN_CHARS: usize = 16;

/// Fewer different characters than this are a key that was leant on: 16 random hexadecimal digits have fewer once in 10^10.
const MIN_DIFFERENT: usize = 4;

/// Words that fill the place of a secret in examples. A text made of nothing else is not secret.
const PLACEHOLDERS: &[&str] = &[
    "a",
    "abc",
    "abcdef",
    "admin",
    "an",
    "bearer",
    "change",
    "changeit",
    "changeme",
    "default",
    "demo",
    "dummy",
    "example",
    "fill",
    "foo",
    "bar",
    "foobar",
    "generate",
    "here",
    "hostwarden",
    "in",
    "insert",
    "is",
    "it",
    "key",
    "letmein",
    "long",
    "me",
    "my",
    "not",
    "pass",
    "password",
    "passwd",
    "please",
    "put",
    "qwerty",
    "qwertyuiop",
    "random",
    "replace",
    "salt",
    "sample",
    "secret",
    "set",
    "some",
    "string",
    "super",
    "test",
    "the",
    "this",
    "to",
    "todo",
    "token",
    "user",
    "value",
    "very",
    "with",
    "your",
];

/// Why `text` is too weak to keep anything secret; `None` if nothing speaks against it.
pub(super) fn weakness(text: &str) -> Option<&'static str> {
    if text.chars().count() < MIN_CHARS {
        Some("has fewer than 16 characters")
    } else if text.chars().collect::<std::collections::BTreeSet<_>>().len() < MIN_DIFFERENT {
        Some("repeats the same few characters")
    } else if is_placeholder(text) {
        Some("is a placeholder that everybody knows")
    } else {
        None
    }
}

/// Whether the letters of `text` are nothing but words of [`PLACEHOLDERS`], and there are letters.
fn is_placeholder(text: &str) -> bool {
    let letters: String = text.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    // `reached[n]`: the first n bytes are made of words.
    let mut reached = vec![false; letters.len() + 1];
    reached[0] = true;
    for start in 0..letters.len() {
        if !reached[start] {
            continue;
        }
        let Some(rest) = letters.get(start..) else { continue };
        for word in PLACEHOLDERS.iter().filter(|word| rest.starts_with(**word)) {
            reached[start + word.len()] = true;
        }
    }
    // A random secret of hexadecimal digits may hold no letters but "abc" or "a": such words count only if they fill the text.
    let filled = letters.chars().count() * 2 > text.chars().filter(|c| c.is_alphanumeric()).count();
    !letters.is_empty() && filled && reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let secret = Secret::new("0123456789abcdef");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "0123456789abcdef");
    }

    #[test]
    fn weak_ones_are_known() {
        assert_eq!(weakness("short"), Some("has fewer than 16 characters"));
        assert_eq!(weakness("éééééééééééé"), Some("has fewer than 16 characters"), "characters, not bytes");
        assert_eq!(weakness("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), Some("repeats the same few characters"));
        for text in [
            "changemechangeme",
            "change-me-change-me",
            "ChangeMe_Please!!",
            "change-me-to-a-long-random-string",
            "secretsecretsecret",
            "default-salt-12345",
            "passwordpassword",
            "my-super-secret-salt",
            "replace with your secret",
            "example-example-example",
        ] {
            assert_eq!(weakness(text), Some("is a placeholder that everybody knows"), "{text}");
        }
    }

    #[test]
    fn good_ones_pass() {
        for text in [
            "9f86d081884c7d659a2feaa0c55ad015",
            "0123e45678901234",
            "3141592653589793",
            "correct horse battery staple",
            "+34600123456 789",
            "a314159265358979",
            "пароль пароль пар",
        ] {
            assert_eq!(weakness(text), None, "{text}");
        }
    }
}

//! A text character by character, where what is encoded in a request (`%3A`) is one character too.

/// A character of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// As it stands there.
    pub(super) text: &'a str,
    /// What it means.
    pub(super) means: char,
    /// It is encoded.
    pub(super) is_code: bool,
}

/// Cuts `text`. Codes of other characters than `is_undone` says are cut as the three characters that they are.
pub(super) fn pieces(text: &str, is_undone: impl Fn(char) -> bool) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let code = code(rest).filter(|decoded| is_undone(*decoded));
        let (text, behind) = rest.split_at(if code.is_some() { CODE_BYTES } else { first.len_utf8() });
        rest = behind;
        Some(Piece { text, means: code.unwrap_or(first), is_code: code.is_some() })
    })
}

/// A `%` and two hexadecimal digits.
const CODE_BYTES: usize = 3;

/// The encoded character that `text` begins with.
fn code(text: &str) -> Option<char> {
    let hex = text.get(..CODE_BYTES)?.strip_prefix('%')?;
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::from_str_radix(hex, 16).ok().filter(|_| is_hex).map(char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_one_piece_where_they_are_undone() {
        let cut = |text, is_undone: fn(char) -> bool| pieces(text, is_undone).map(|piece| (piece.text, piece.means)).collect::<Vec<_>>();
        assert_eq!(cut("a%3aé%", |_| true), [("a", 'a'), ("%3a", ':'), ("é", 'é'), ("%", '%')]);
        assert_eq!(cut("%3A%20", |c| c == ' '), [("%", '%'), ("3", '3'), ("A", 'A'), ("%20", ' ')]);
        assert_eq!(cut("%+1%é1", |_| true), [("%", '%'), ("+", '+'), ("1", '1'), ("%", '%'), ("é", 'é'), ("1", '1')]);
    }
}

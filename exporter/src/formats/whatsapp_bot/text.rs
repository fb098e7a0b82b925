//! What was written in a message, as far as the bot logs it: `body="…"` and the like behind the sender.

/// What the text is called.
const NAMES: [&[u8]; 5] = [b"body", b"text", b"message", b"msg", b"content"];

/// The text in what stands behind a sender; empty if there is none.
pub(super) fn written(behind: &[u8]) -> &[u8] {
    let is_named = |at: usize| {
        let before = behind.get(..at).unwrap_or_default();
        NAMES.iter().any(|name| before.strip_suffix(*name).is_some_and(|front| !front.last().is_some_and(u8::is_ascii_alphanumeric)))
    };
    let found = memchr::memchr_iter(b'=', behind).find(|at| is_named(*at));
    let text = found.and_then(|at| behind.get(at + 1..)).unwrap_or_default().trim_ascii();
    let Some((quote @ (b'"' | b'\''), quoted)) = text.split_first() else { return text };
    // A customer may write quotes too: the last one ends it.
    memchr::memrchr(*quote, quoted).and_then(|end| quoted.get(..end)).unwrap_or(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_their_names() {
        for (behind, expected) in [
            (" sid=SM1 profile=\"Ana\" body=\"hola\"", "hola"),
            (" body='it''s \"so\"'", "it''s \"so\""),
            (" body=\"she said \"hi\" to me\" ", "she said \"hi\" to me"),
            (" text=plain words", "plain words"),
            (" body=\"cut off", "cut off"),
            (" somebody=\"else\"", ""),
            (" sid=SM1", ""),
            (" body=", ""),
            ("", ""),
        ] {
            assert_eq!(written(behind.as_bytes()), expected.as_bytes(), "{behind}");
        }
    }
}

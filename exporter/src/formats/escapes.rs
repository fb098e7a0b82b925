//! Undoes the escaping of nginx's and Apache's text logs.

/// Appends `text` to `out` with its escapes undone: `\\xHH`, and Apache's `\\"`, `\\\\`, `\\n`, `\\t` and the like. What is no escape stays as it is.
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (byte, length) = match rest {
            [_, b'x', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (b'\\', 1),
            },
            [_, b'n', ..] => (b'\n', 2),
            [_, b't', ..] => (b'\t', 2),
            [_, b'r', ..] => (b'\r', 2),
            [_, b'b', ..] => (0x08, 2),
            [_, b'v', ..] => (0x0b, 2),
            [_, b'f', ..] => (0x0c, 2),
            [_, byte @ (b'"' | b'\\'), ..] => (*byte, 2),
            _ => (b'\\', 1),
        };
        out.push(byte);
        rest = &rest[length..];
    }
    out.extend_from_slice(rest);
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_are_undone_and_nothing_else_is() {
        for (text, expected) in [
            (r"\x16\x03\xfF!", &b"\x16\x03\xff!"[..]),
            (r#"say \"hi\" \\ there"#, br#"say "hi" \ there"#),
            (r"a\nb\tc\rd", b"a\nb\tc\rd"),
            (r"\q \x4 \xzz \", br"\q \x4 \xzz \"),
            ("", b""),
        ] {
            let mut out = Vec::new();
            super::unescape(text.as_bytes(), &mut out);
            assert_eq!(out, expected, "{text}");
        }
    }
}

//! What a container's process writes, as the API sends it: pieces of both streams behind heads of eight bytes.

/// The pieces, each with its stream (1 is standard output, 2 standard error). Without heads (a terminal, or words of the engine's own) all
/// is one piece of standard output. The last piece may be cut off; what is left of a head is not told.
pub fn frames(sent: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = sent;
    std::iter::from_fn(move || match rest {
        [] => None,
        // The stream, three zeros, the length.
        [stream @ 0..=2, 0, 0, 0, a, b, c, d, behind @ ..] => {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let (piece, next) = behind.split_at_checked(length).unwrap_or((behind, &[]));
            rest = next;
            Some((*stream, piece))
        }
        bare => {
            let is_all = bare.len() == sent.len();
            rest = &[];
            is_all.then_some((1, bare))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_apart() {
        for (sent, expected) in [
            (&b""[..], &[][..]),
            (b"\x01\0\0\0\0\0\0\x02ab\x02\0\0\0\0\0\0\x01c", &[(1, &b"ab"[..]), (2, b"c")]),
            (b"\x01\0\0\0\0\0\0\x00\x02\0\0\0\0\0\0\x01c", &[(1, b""), (2, b"c")]),
            (b"\x02\0\0\0\xff\xff\xff\xffabc", &[(2, b"abc")]),
            (b"\x01\0\0\0\0\0\0\x01a\x02\0\0", &[(1, b"a")]),
            (b"with a terminal\r\n", &[(1, b"with a terminal\r\n")]),
            (b"\x03\0\0\0\0\0\0\x01a", &[(1, b"\x03\0\0\0\0\0\0\x01a")]),
        ] {
            assert_eq!(frames(sent).collect::<Vec<_>>(), expected, "{sent:?}");
        }
    }
}

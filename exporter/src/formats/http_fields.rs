//! The fields of a logged request that need more than copying, for the formats that name their fields.

use super::numbers;

/// A status as digits; `000` and `0` stand for none.
pub(super) fn status(text: &[u8]) -> Result<u16, &'static str> {
    if text.is_empty() {
        return Err("no_status");
    }
    numbers::unsigned(text).filter(|_| text.len() <= 3).and_then(|status| u16::try_from(status).ok()).ok_or("bad_status")
}

/// A number of bytes; none if `text` is empty or `-`.
pub(super) fn bytes(text: &[u8]) -> Result<u64, &'static str> {
    match text {
        b"" | b"-" => Ok(0),
        _ => numbers::unsigned(text).ok_or("bad_bytes"),
    }
}

/// `192.0.2.7:4711` or `[2001:db8::7]:4711` without the port; a bare address stays as it is.
pub(super) fn without_port(address: &[u8]) -> &[u8] {
    if let [b'[', inside @ ..] = address {
        return inside.split(|&byte| byte == b']').next().unwrap_or_default();
    }
    let mut colons = memchr::memchr_iter(b':', address);
    match (colons.next(), colons.next()) {
        (Some(colon), None) => &address[..colon],
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_bytes() {
        for (text, expected) in [
            ("200", Ok(200)),
            ("0", Ok(0)),
            ("000", Ok(0)),
            ("", Err("no_status")),
            ("2000", Err("bad_status")),
            ("2e2", Err("bad_status")),
            ("-", Err("bad_status")),
        ] {
            assert_eq!(status(text.as_bytes()), expected, "{text}");
        }
        assert_eq!((bytes(b""), bytes(b"-"), bytes(b"12"), bytes(b"1k")), (Ok(0), Ok(0), Ok(12), Err("bad_bytes")));
    }

    #[test]
    fn ports_are_taken_off() {
        for (address, expected) in [
            ("192.0.2.7:4711", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[", ""),
            ("", ""),
        ] {
            assert_eq!(without_port(address.as_bytes()), expected.as_bytes(), "{address}");
        }
    }
}

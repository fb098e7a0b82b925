//! Takes IPv6 addresses out of texts; those of IPv4 look like numbers and are told with them.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::ClientMode;

/// Whether `text` may hold an address; a quick look.
pub(super) fn may_hold_address(text: &str) -> bool {
    let count = |wanted| text.bytes().filter(|byte| *byte == wanted).count();
    count(b'.') >= 3 || count(b':') >= 2
}

/// Takes out IPv6 addresses, unless addresses are shown in full.
pub(super) fn without_v6(text: &str, clients: ClientMode) -> Cow<'_, str> {
    if clients == ClientMode::Full || text.bytes().filter(|byte| *byte == b':').count() < 2 {
        return Cow::Borrowed(text);
    }
    let is_in_address = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((front, begun)) = rest.find(is_in_address).and_then(|at| rest.split_at_checked(at)) {
        let (word, behind) = begun.split_at(begun.find(|c: char| !is_in_address(c)).unwrap_or(begun.len()));
        out.push_str(front);
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_whole = !is_part(out.chars().next_back()) && !is_part(behind.chars().next());
        let address = word.trim_end_matches('.');
        let address = if address.ends_with("::") { address } else { address.trim_end_matches(':') };
        if is_whole && address.parse::<Ipv6Addr>().is_ok() && address.contains(|c: char| c.is_ascii_digit()) {
            out.push_str("<address>");
            out.push_str(word.get(address.len()..).unwrap_or_default());
        } else {
            out.push_str(word);
        }
        rest = behind;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::super::{Privacy, SenderMode};
    use super::*;

    fn privacy(clients: ClientMode) -> Privacy {
        Privacy::new(SenderMode::Hash, clients, b"0123456789abcdef0123456789abcdef", 160)
    }

    #[test]
    fn addresses_in_requests_are_told_as_such() {
        for (text, full, hash) in [
            ("/?x=wget http://37.48.254.120/x", "/?x=wget http://37.48.254.120/x", "/?x=wget http://<address>/x"),
            (
                "/?x=wget%20http%3A%2f%2F37.48.254.120%2Fx",
                "/?x=wget%20http%3A%2f%2F37.48.254.120%2Fx",
                "/?x=wget%20http%3A%2f%2F<address>%2Fx",
            ),
            ("/?x=nc+37.48.254.120+44", "/?x=nc+<address>+<number>", "/?x=nc+<address>+<number>"),
            ("/?x=ping%20-c%203%2037.48.254.120;", "/?x=ping%20-c%20<number>%20<address>;", "/?x=ping%20-c%20<number>%20<address>;"),
            ("/37.48.254.120/12", "/<address>/12", "/<address>/12"),
            ("/37.48.254.120/600123456", "/<address>/<number>", "/<address>/<number>"),
            ("/?a=10.0.0.7&b=8.8.8.8:53", "/?a=<address>&b=8.8.8.8:53", "/?a=<address>&b=<address>:53"),
            ("/?tel=34.60.91.87 123", "/?tel=<address> <number>", "/?tel=<address> <number>"),
            ("/?tel=%2B34 60.91.87.12", "/?tel=%2B<number> <address>", "/?tel=%2B<number> <address>"),
            ("/?tel=34.600.98.71", "/?tel=<number>", "/?tel=<number>"),
            ("/?a=1.2.3.4.5&b=1.02.3.4", "/?a=<number>&b=<number>", "/?a=<number>&b=<number>"),
            ("/?u=http://[2001:db8::7]/x", "/?u=http://[2001:db8::7]/x", "/?u=http://[<address>]/x"),
        ] {
            let shown = |clients| privacy(clients).scrub_request(text.as_bytes(), 200);
            assert_eq!([shown(ClientMode::Full), shown(ClientMode::Hash), shown(ClientMode::Prefix)], [full, hash, hash], "{text}");
        }
        let all = Privacy::new(SenderMode::Full, ClientMode::Full, b"", 160);
        assert_eq!(all.scrub_request(b"nc 37.48.254.120 4444", 200), "nc 37.48.254.120 4444");
    }

    #[test]
    fn hidden_addresses_are_hidden_in_texts() {
        for (text, full, hash) in [
            ("cannot reach 10.0.0.7:6379", "cannot reach <address>:6379", "cannot reach <address>:6379"),
            ("cannot reach 1.1.1.1.", "cannot reach 1.1.1.1.", "cannot reach <address>."),
            ("GET http://172.18.0.5:8000/x failed", "GET http://172.18.0.5:8000/… failed", "GET http://<address>:8000/… failed"),
            ("from 2001:db8::7: refused", "from 2001:db8::7: refused", "from <address>: refused"),
            ("from fe80::1%eth0, ::1", "from fe80::1%eth0, ::1", "from <address>%eth0, <address>"),
            ("std::u8::d::1 at 16:03:54", "std::u8::d::1 at 16:03:54", "std::u8::d::1 at 16:03:54"),
            ("dead::beef", "dead::beef", "dead::beef"),
        ] {
            let shown = |clients| privacy(clients).scrub(text.as_bytes());
            assert_eq!([shown(ClientMode::Full), shown(ClientMode::Hash)], [full, hash], "{text}");
        }
    }
}

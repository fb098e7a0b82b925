//! Takes IPv6 addresses out of texts; those of IPv4 look like numbers and are told with them.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::ops::Range;

use super::ClientMode;
use super::pieces::{Piece, pieces};

/// Whether `text` may hold an address; a quick look.
pub(super) fn may_hold_address(text: &str) -> bool {
    let count = |wanted| text.bytes().filter(|byte| *byte == wanted).count();
    count(b'.') >= 3 || count(b':') >= 2
}

/// Takes out IPv6 addresses, unless addresses are shown in full; of a request also those whose colons are `encoded`.
pub(super) fn without_v6(text: &str, clients: ClientMode, encoded: bool) -> Cow<'_, str> {
    let may_hold = text.bytes().filter(|byte| *byte == b':').count() >= 2 || (encoded && text.contains("%3"));
    if clients == ClientMode::Full || !may_hold {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut word = Word::default();
    let mut is_behind_word = false;
    for Piece { text: piece, means, is_code } in pieces(text, move |_| encoded) {
        let is_of_word = !is_code && means.is_alphanumeric();
        if means == ':' || (!is_code && (means.is_ascii_hexdigit() || means == '.')) {
            word.is_cut |= word.plain.is_empty() && is_behind_word;
            word.push(means, piece);
        } else {
            word.flush(is_of_word, &mut out);
            out.push_str(piece);
        }
        is_behind_word = is_of_word;
    }
    word.flush(false, &mut out);
    Cow::Owned(out)
}

/// What may be an address: hexadecimal digits, colons and dots.
#[derive(Default)]
struct Word {
    /// As it stands in the text.
    raw: String,
    /// With its codes undone.
    plain: String,
    /// Where in `raw` each byte of `plain` ends.
    ends: Vec<usize>,
    /// A letter or another digit stands before it.
    is_cut: bool,
}

impl Word {
    fn push(&mut self, c: char, piece: &str) {
        self.raw.push_str(piece);
        self.plain.push(c);
        self.ends.push(self.raw.len());
    }

    /// Writes it without its address and begins anew. `goes_on`: a letter or another digit stands behind it.
    fn flush(&mut self, goes_on: bool, out: &mut String) {
        let found = if goes_on { None } else { address(&self.plain, self.is_cut) };
        let end = |at: usize| at.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        let raw = |from: usize, to: usize| self.raw.get(from..to).unwrap_or_default();
        match found {
            Some(Range { start, end: behind }) => {
                out.push_str(raw(0, end(start)));
                out.push_str("<address>");
                out.push_str(raw(end(behind), self.raw.len()));
            }
            None => out.push_str(&self.raw),
        }
        self.raw.clear();
        self.plain.clear();
        self.ends.clear();
        self.is_cut = false;
    }
}

/// Where an address stands in a word: not what its name (`ip:`, `IPv6:`) leaves of itself in front, nor a port or a full stop behind.
fn address(word: &str, is_cut: bool) -> Option<Range<usize>> {
    let colon = word.find(':')?;
    // Behind `::` goes on what names things in programs.
    let is_behind_name = (is_cut || colon == 0) && word.get(colon + 1..colon + 2) != Some(":");
    if is_cut && !is_behind_name {
        return None;
    }
    let start = if is_behind_name { colon + 1 } else { 0 };
    let text = word.get(start..)?.trim_end_matches('.');
    let text = if text.ends_with("::") { text } else { text.trim_end_matches(':') };
    let without_port = text.rsplit_once(':').map(|(front, _)| front);
    let is_address = |text: &&str| text.parse::<Ipv6Addr>().is_ok() && text.contains(|c: char| c.is_ascii_digit());
    let found = [Some(text), without_port].into_iter().flatten().find(is_address)?;
    Some(start..start + found.len())
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
            ("/?u=%5B2001%3Adb8%3a%3A7%5D", "/?u=%5B2001%3Adb8%3a%3A7%5D", "/?u=%5B<address>%5D"),
            ("/?t=16%3A03%3A54&x=a::b", "/?t=16%3A03%3A54&x=a::b", "/?t=16%3A03%3A54&x=a::b"),
        ] {
            let shown = |clients| privacy(clients).scrub_request(text.as_bytes(), 200);
            assert_eq!([shown(ClientMode::Full), shown(ClientMode::Hash), shown(ClientMode::Prefix)], [full, hash, hash], "{text}");
        }
        let all = Privacy::new(SenderMode::Full, ClientMode::Full, b"", 160);
        assert_eq!(all.scrub_request(b"nc 37.48.254.120 4444", 200), "nc 37.48.254.120 4444");
    }

    #[test]
    fn agents_hide_them_too() {
        for (agent, hash) in [
            ("x/2001:db8::1", "x/<address>"),
            ("host/1234:5678::9 (a)", "host/<address> (a)"),
            ("x/1::7", "x/<address>"),
            ("Foo/2.0: 1.1", "Foo/2.0: 1.1"),
        ] {
            assert_eq!(privacy(ClientMode::Full).scrub_agent(agent.as_bytes(), 200), agent);
            assert_eq!(privacy(ClientMode::Hash).scrub_agent(agent.as_bytes(), 200), hash);
        }
    }

    #[test]
    fn long_rows_of_marks_take_no_longer_than_other_texts() {
        // The longest line; with each mark looked at from each other one this would take minutes.
        for mark in ["/", ":", "a/1", ": ", "1:", "%3A", "a/"] {
            let text = mark.repeat(1 << 15);
            for clients in [ClientMode::Full, ClientMode::Hash] {
                privacy(clients).scrub_agent(text.as_bytes(), 200);
                privacy(clients).scrub_request(text.as_bytes(), 200);
                privacy(clients).scrub(text.as_bytes());
            }
        }
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
            ("ip:2001:db8::1, peer:::1", "ip:2001:db8::1, peer:::1", "ip:<address>, peer:::1"),
            ("[IPv6:2001:db8::7]", "[IPv6:2001:db8::7]", "[IPv6:<address>]"),
            ("/2001:db8:0:0:0:0:0:7:5123 from", "/2001:db8:0:0:0:0:0:7:5123 from", "/<address>:5123 from"),
            (":: 1:2 u8::3:: a:1", ":: 1:2 u8::3:: a:1", ":: 1:2 u8::3:: a:1"),
        ] {
            let shown = |clients| privacy(clients).scrub(text.as_bytes());
            assert_eq!([shown(ClientMode::Full), shown(ClientMode::Hash)], [full, hash], "{text}");
        }
    }
}

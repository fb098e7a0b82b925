//! Apache's `common` and `combined`: `%h %l %u %t "%r" %>s %b`, with or without `"%{Referer}i" "%{User-agent}i"`, with a virtual host in
//! front (`%v:%p`, `%v`) and a duration behind (`%D`, `%T`) if there are any.
//!
//! Apache writes quotes, backslashes and control bytes inside values as escapes, user names included: a bare quote ends a field.

use std::net::IpAddr;

use super::nginx_combined::split_request;
use super::timestamps::ClfClock;
use super::{Format, Parsed, Sink, escapes, http_fields, numbers};
use crate::event::{Event, HttpRequest, Stamped};

/// The time in `[04/Apr/2026:12:59:12 +0200] `.
const TIME_BYTES: usize = 26;

/// Whole numbers behind a line are microseconds (`%D`), but ones this small are seconds (`%T`): no request is served that fast.
const SECONDS_BELOW: u64 = 32;

/// The format's state: caches and buffers only.
#[derive(Default)]
pub struct Apache {
    clock: ClfClock,
    unescaped: Vec<u8>,
}

impl Apache {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Format for Apache {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        if line.is_empty() {
            return sink.take(line, Parsed::Skip);
        }
        let parsed = cut(line).and_then(|fields| finish(&fields, &mut self.clock, &mut self.unescaped));
        sink.take(line, parsed.unwrap_or_else(Parsed::Malformed));
    }
}

struct Fields<'a> {
    site: &'a [u8],
    peer: &'a [u8],
    time: &'a [u8],
    request: &'a [u8],
    status: &'a [u8],
    bytes: &'a [u8],
    referer: &'a [u8],
    user_agent: &'a [u8],
    duration: &'a [u8],
}

fn cut(line: &[u8]) -> Result<Fields<'_>, &'static str> {
    let (head, rest) = until_quote(line).ok_or("quotes")?;
    let [before @ .., b']', b' '] = head else { return Err("no_time") };
    let (who, time) = before.split_at_checked(before.len().wrapping_sub(TIME_BYTES)).ok_or("no_time")?;
    let (site, peer) = site_and_peer(who.strip_suffix(b" [").ok_or("no_time")?)?;
    let (request, rest) = until_quote(rest).ok_or("quotes")?;
    let mut words = rest.strip_prefix(b" ").ok_or("no_status")?.splitn(3, |&byte| byte == b' ');
    let (status, bytes, rest) = (words.next().unwrap_or_default(), words.next().ok_or("bad_bytes")?, words.next().unwrap_or_default());
    let mut fields = Fields { site, peer, time, request, status, bytes, referer: b"", user_agent: b"", duration: rest };
    if let Some(rest) = rest.strip_prefix(b"\"") {
        let (referer, rest) = until_quote(rest).ok_or("quotes")?;
        let (user_agent, rest) = rest.strip_prefix(b" \"").and_then(until_quote).ok_or("quotes")?;
        fields = Fields { referer, user_agent, duration: rest.strip_prefix(b" ").unwrap_or_default(), ..fields };
    }
    Ok(fields)
}

/// What stands before the next quote that is not escaped, and what behind it.
fn until_quote(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        at += 2;
    }
}

/// `[site] client ident user`, where the user may hold blanks.
fn site_and_peer(who: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let mut words = who.split(|&byte| byte == b' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let name = http_fields::without_port(first);
    let is_address = |word: &[u8]| std::str::from_utf8(word).is_ok_and(|word| word.parse::<IpAddr>().is_ok());
    // A client has no port; and where an ident would stand behind a client, an address can only be the client itself.
    let (site, peer) = if name.len() < first.len() || is_address(second) { (name, second) } else { (&b""[..], first) };
    if peer.is_empty() { Err("no_client") } else { Ok((site, peer)) }
}

fn finish<'a>(fields: &Fields<'a>, clock: &mut ClfClock, unescaped: &'a mut Vec<u8>) -> Result<Parsed<'a>, &'static str> {
    let at = clock.parse(fields.time).ok_or("bad_time")?;
    let status = http_fields::status(fields.status)?;
    let bytes = http_fields::bytes(fields.bytes)?;
    let [request, referer, user_agent] = freed([fields.request, fields.referer, fields.user_agent], unescaped);
    let (method, target) = split_request(request);
    Ok(Parsed::Event(Stamped {
        at,
        event: Event::Http(HttpRequest {
            peer: fields.peer,
            forwarded_for: b"",
            method,
            target,
            status,
            bytes,
            duration_micros: duration_micros(fields.duration),
            host: fields.site,
            referer,
            user_agent,
            country: b"",
        }),
    }))
}

/// The texts without escapes; `-` is none.
fn freed<'a>(texts: [&'a [u8]; 3], unescaped: &'a mut Vec<u8>) -> [&'a [u8]; 3] {
    let texts = texts.map(|text| if text == b"-" { b"" } else { text });
    if texts.iter().all(|text| memchr::memchr(b'\\', text).is_none()) {
        return texts;
    }
    unescaped.clear();
    let [first, second, _] = texts.map(|text| {
        escapes::unescape(text, unescaped);
        unescaped.len()
    });
    [&unescaped[..first], &unescaped[first..second], &unescaped[second..]]
}

/// `%D` or `%T`, if that is what stands at the end.
fn duration_micros(text: &[u8]) -> Option<u64> {
    match numbers::unsigned(text) {
        Some(seconds) if seconds < SECONDS_BELOW => Some(seconds * 1_000_000),
        Some(micros) => Some(micros),
        None => numbers::fixed(text, 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> String {
        let mut read = Vec::new();
        Apache::new().read_line(line.as_bytes(), &mut |_: &[u8], parsed: Parsed<'_>| {
            read.push(match parsed {
                Parsed::Event(Stamped { at, event: Event::Http(request) }) => {
                    let text = |text: &[u8]| text.escape_ascii().to_string();
                    let texts = [request.host, request.peer, request.method, request.target, request.referer, request.user_agent];
                    assert_eq!(at.secs(), 1_775_300_352);
                    format!("{} {} {} {:?}", texts.map(text).join("|"), request.status, request.bytes, request.duration_micros)
                }
                other => format!("{other:?}"),
            });
        });
        read.concat()
    }

    const TIME: &str = "[04/Apr/2026:12:59:12 +0200]";

    #[test]
    fn the_shapes_of_a_line() {
        for (line, expected) in [
            ("192.0.2.7 - - T \"GET / HTTP/1.1\" 200 12", "|192.0.2.7|GET|/|| 200 12 None"),
            ("192.0.2.7 - - T \"GET / HTTP/1.1\" 304 -", "|192.0.2.7|GET|/|| 304 0 None"),
            ("192.0.2.7 - - T \"GET / HTTP/1.1\" 200 12 \"http://a/\" \"curl\"", "|192.0.2.7|GET|/|http://a/|curl 200 12 None"),
            ("2001:db8::7 - ana T \"GET / HTTP/1.1\" 200 12 \"-\" \"-\" 1234", "|2001:db8::7|GET|/|| 200 12 Some(1234)"),
            ("192.0.2.7 - - T \"GET / HTTP/1.1\" 200 12 \"-\" \"-\" 3", "|192.0.2.7|GET|/|| 200 12 Some(3000000)"),
            ("192.0.2.7 - - T \"GET / HTTP/1.1\" 200 12 0.377", "|192.0.2.7|GET|/|| 200 12 Some(377000)"),
            ("a.example:443 192.0.2.7 - - T \"GET / HTTP/1.1\" 200 12", "a.example|192.0.2.7|GET|/|| 200 12 None"),
            ("a.example 2001:db8::7 - - T \"GET / HTTP/1.1\" 200 12", "a.example|2001:db8::7|GET|/|| 200 12 None"),
            ("host.example - ana T \"GET / HTTP/1.1\" 200 12", "|host.example|GET|/|| 200 12 None"),
            ("192.0.2.7 - a b [c] \\\"x T \"GET / HTTP/1.1\" 200 12", "|192.0.2.7|GET|/|| 200 12 None"),
            (
                "192.0.2.7 - - T \"GET /\\\"a\\\\b\\xff HTTP/1.1\" 200 12 \"x\\ny\" \"\\\"\"",
                "|192.0.2.7|GET|/\\\"a\\\\b\\xff|x\\ny|\\\" 200 12 None",
            ),
            ("192.0.2.7 - - T \"\\x16\\x03\\x01\" 400 226", "|192.0.2.7||\\x16\\x03\\x01|| 400 226 None"),
            ("192.0.2.7 - - T \"-\" 408 -", "|192.0.2.7|||| 408 0 None"),
            ("", "Skip"),
        ] {
            assert_eq!(read(&line.replacen(" T ", &format!(" {TIME} "), 1)), expected, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_has_a_reason() {
        let line = format!("192.0.2.7 - - {TIME} \"GET / HTTP/1.1\" 200 12 \"-\" \"curl\"");
        for (from, to, expected) in [
            ("192.0.2.7 - -", "", "no_client"),
            ("04/Apr", "99/Apr", "bad_time"),
            ("[", "", "no_time"),
            ("\"GET", "GET", "no_time"),
            (" 200 12 \"-\" \"curl\"", "", "no_status"),
            (" 200 12", "", "bad_status"),
            (" 200", " 2000", "bad_status"),
            (" 12", "", "quotes"),
            (" 12 \"-\" \"curl\"", "", "bad_bytes"),
            (" 12", " 1k", "bad_bytes"),
            ("curl\"", "curl", "quotes"),
            ("curl\"", "curl\\\"", "quotes"),
            (" \"curl\"", "", "quotes"),
            ("\"", "", "quotes"),
        ] {
            assert_eq!(read(&line.replace(from, to)), format!("Malformed({expected:?})"), "{from} -> {to}");
        }
    }
}

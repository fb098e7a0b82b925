//! Caddy's access log: zap's JSON, with the request as an object inside. Other records of the same log (admin, TLS, errors) are skipped.

use jiff::tz::TimeZone;

use super::json::Scanner;
use super::timestamps::AnyClock;
use super::{Format, Parsed, Sink, http_fields, numbers};
use crate::event::{Event, HttpRequest, Stamped};

/// Where each value stands, the best place first. `client_ip` is what Caddy makes of its own trusted proxies.
const PLACES: [&[&str]; 13] = [
    &["logger"],
    &["msg"],
    &["ts", "time", "timestamp"],
    &["request.client_ip", "request.remote_ip", "request.remote_addr"],
    &["request.method"],
    &["request.uri"],
    &["request.host"],
    &["request.headers.User-Agent"],
    &["request.headers.Referer"],
    &["request.headers.X-Forwarded-For"],
    &["status"],
    &["size"],
    &["duration"],
];

/// The format's state: caches and buffers only.
pub struct CaddyJson {
    scanner: Scanner,
    clock: AnyClock,
}

impl CaddyJson {
    /// Nothing read yet. Times without an offset (Caddy's `wall` formats) are wall-clock times of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { scanner: Scanner::new(PLACES.map(|keys| keys.iter().copied())), clock: AnyClock::new(zone) }
    }
}

impl Format for CaddyJson {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let Self { scanner, clock } = self;
        scanner.read_line(line, sink, |values| record(values, clock));
    }

    fn read_block(&mut self, block: &[u8], sink: &mut dyn Sink) -> u64 {
        let Self { scanner, clock } = self;
        scanner.read_block(block, sink, |values| record(values, clock))
    }
}

fn record<'a>(values: &[&'a [u8]; 13], clock: &mut AnyClock) -> Result<Parsed<'a>, &'static str> {
    let [logger, message, time, peer, method, target, host, user_agent, referer, forwarded_for, status, size, duration] = *values;
    // `http.log.error` tells of the same request once more. A log may be set up without logger and message.
    let is_access = match (logger, message) {
        (b"", b"") => !method.is_empty() && !status.is_empty(),
        _ => logger.starts_with(b"http.log.access") || message == b"handled request",
    };
    if !is_access {
        return Ok(Parsed::Skip);
    }
    if peer.is_empty() {
        return Err("no_client");
    }
    if time.is_empty() {
        return Err("no_time");
    }
    Ok(Parsed::Event(Stamped {
        at: clock.parse(time).ok_or("bad_time")?,
        event: Event::Http(HttpRequest {
            peer: http_fields::without_port(peer),
            forwarded_for,
            method,
            target,
            status: http_fields::status(status)?,
            bytes: http_fields::bytes(size)?,
            duration_micros: numbers::fixed(duration, 6),
            host,
            referer,
            user_agent,
            country: b"",
        }),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"level":"info","ts":1646861401.5241024,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"127.0.0.1","remote_port":"41342","client_ip":"127.0.0.1","proto":"HTTP/2.0","method":"GET","host":"localhost","uri":"/a?b=\u003c","headers":{"User-Agent":["curl/7.82.0","second"],"Accept":["*/*"],"X-Forwarded-For":["192.0.2.7"]},"tls":{"resumed":false,"version":772}},"bytes_read":0,"user_id":"","duration":0.000929675,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"],"User-Agent":["no"]}}"#;

    fn read(line: &str) -> String {
        let mut read = Vec::new();
        CaddyJson::new(TimeZone::UTC).read_line(line.as_bytes(), &mut |_: &[u8], parsed: Parsed<'_>| {
            read.push(match parsed {
                Parsed::Event(Stamped { at, event: Event::Http(request) }) => {
                    let text = |text: &[u8]| text.escape_ascii().to_string();
                    let texts = [request.peer, request.forwarded_for, request.method, request.target, request.host, request.user_agent];
                    let numbers = (at.micros(), request.status, request.bytes, request.duration_micros);
                    format!("{} {numbers:?}", texts.map(text).join(" "))
                }
                other => format!("{other:?}"),
            });
        });
        read.concat()
    }

    #[test]
    fn requests_and_other_records() {
        let expected = "127.0.0.1 192.0.2.7 GET /a?b=< localhost curl/7.82.0 (1646861401524102, 200, 10900, Some(929))";
        assert_eq!(read(LINE), expected);
        for (from, to, expected) in [
            ("1646861401.5241024", "\"2022/03/09 21:30:01.524\"", expected.replace("524102,", "524000,")),
            (r#""logger":"http.log.access.log0","msg":"handled request","#, "", expected.to_owned()),
            ("\"client_ip\":\"127.0.0.1\"", "\"client_ip\":\"2001:db8::7\"", expected.replacen("127.0.0.1", "2001:db8::7", 1)),
            ("\"status\":200", "\"status\":0", expected.replace(" 200,", " 0,")),
            (LINE, r#"{"level":"info","ts":1646861401.5,"logger":"admin","msg":"admin endpoint started"}"#, "Skip".to_owned()),
            (LINE, "", "Skip".to_owned()),
            (
                r#""logger":"http.log.access.log0","msg":"handled request""#,
                r#""logger":"http.log.error.log0","msg":"dial tcp: refused""#,
                "Skip".to_owned(),
            ),
            ("_ip", "_no", "Malformed(\"no_client\")".to_owned()),
            ("\"ts\"", "\"when\"", "Malformed(\"no_time\")".to_owned()),
            ("1646861401.5241024", "\"now\"", "Malformed(\"bad_time\")".to_owned()),
            ("\"status\":200", "\"status\":null", "Malformed(\"no_status\")".to_owned()),
            ("\"size\":10900", "\"size\":-1", "Malformed(\"bad_bytes\")".to_owned()),
            ("}}", "}", "Malformed(\"bad_json\")".to_owned()),
        ] {
            assert_eq!(read(&LINE.replace(from, to)), expected, "{from} -> {to}");
        }
    }

    #[test]
    fn addresses_of_old_versions_lose_their_port() {
        let old =
            LINE.replace("client_ip\":\"127.0.0.1\"", "x\":1").replace("remote_ip\":\"127.0.0.1", "remote_addr\":\"[2001:db8::7]:41342");
        assert!(read(&old).starts_with("2001:db8::7 "), "{}", read(&old));
    }
}

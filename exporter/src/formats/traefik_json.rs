//! Traefik's access log as JSON: one flat object per request. Traefik's own log in the same stream is skipped.

use jiff::tz::TimeZone;

use super::json::Scanner;
use super::timestamps::AnyClock;
use super::{Format, Parsed, Sink, http_fields, numbers};
use crate::event::{Event, HttpRequest, Stamped};

/// Where each value stands, the best place first. Header fields are there if Traefik is told to keep them.
const PLACES: [&[&str]; 11] = [
    &["ClientHost", "ClientAddr"],
    &["StartUTC", "StartLocal", "time"],
    &["RequestMethod"],
    &["RequestPath"],
    &["RequestHost", "RequestAddr"],
    &["DownstreamStatus", "OriginStatus"],
    &["DownstreamContentSize", "OriginContentSize"],
    &["Duration"],
    &["request_User-Agent"],
    &["request_Referer"],
    &["request_X-Forwarded-For"],
];

/// The format's state: caches and buffers only.
pub struct TraefikJson {
    scanner: Scanner,
    clock: AnyClock,
}

impl TraefikJson {
    /// Nothing read yet.
    pub fn new() -> Self {
        // Traefik writes no time without an offset.
        Self { scanner: Scanner::new(PLACES.map(|keys| keys.iter().copied())), clock: AnyClock::new(TimeZone::UTC) }
    }
}

impl Default for TraefikJson {
    fn default() -> Self {
        Self::new()
    }
}

impl Format for TraefikJson {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let Self { scanner, clock } = self;
        scanner.read_line(line, sink, |values| record(values, clock));
    }

    fn read_block(&mut self, block: &[u8], sink: &mut dyn Sink) -> u64 {
        let Self { scanner, clock } = self;
        scanner.read_block(block, sink, |values| record(values, clock))
    }
}

fn record<'a>(values: &[&'a [u8]; 11], clock: &mut AnyClock) -> Result<Parsed<'a>, &'static str> {
    let [peer, time, method, target, host, status, size, nanos, user_agent, referer, forwarded_for] = *values;
    if method.is_empty() && target.is_empty() && status.is_empty() {
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
            duration_micros: numbers::unsigned(nanos).map(|nanos| nanos / 1_000),
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

    const LINE: &str = r#"{"ClientAddr":"192.0.2.7:52146","ClientHost":"192.0.2.7","ClientPort":"52146","ClientUsername":"-","DownstreamContentSize":19,"DownstreamStatus":404,"Duration":86742,"GzipRatio":0,"OriginContentSize":0,"OriginDuration":0,"OriginStatus":0,"RequestAddr":"example.org:8080","RequestHost":"example.org","RequestMethod":"GET","RequestPath":"/.env?x=\"1\"","RequestPort":"8080","RequestProtocol":"HTTP/1.1","RequestScheme":"http","StartLocal":"2026-04-04T12:59:12.123456789+02:00","StartUTC":"2026-04-04T10:59:12.123456789Z","entryPointName":"web","level":"info","msg":"","request_User-Agent":"curl/8","time":"2026-04-04T12:59:12+02:00"}"#;

    fn read(line: &str) -> String {
        let mut read = Vec::new();
        TraefikJson::new().read_line(line.as_bytes(), &mut |_: &[u8], parsed: Parsed<'_>| {
            read.push(match parsed {
                Parsed::Event(Stamped { at, event: Event::Http(request) }) => {
                    let text = |text: &[u8]| text.escape_ascii().to_string();
                    let texts = [request.peer, request.method, request.target, request.host, request.user_agent];
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
        let expected = "192.0.2.7 GET /.env?x=\\\"1\\\" example.org curl/8 (1775300352123456, 404, 19, Some(86))";
        assert_eq!(read(LINE), expected);
        for (from, to, expected) in [
            ("\"DownstreamStatus\":404", "\"x\":404", expected.replace("404", "0")),
            ("\"StartUTC\"", "\"x\"", expected.to_owned()),
            ("\"ClientHost\":\"192.0.2.7\"", "\"ClientAddr\":\"x\"", expected.to_owned()),
            (LINE, r#"{"level":"info","msg":"Configuration loaded","time":"2026-04-04T12:59:12+02:00"}"#, "Skip".to_owned()),
            (LINE, "", "Skip".to_owned()),
            ("Client", "Server", "Malformed(\"no_client\")".to_owned()),
            ("\"StartUTC\":\"2026", "\"StartUTC\":\"x026", "Malformed(\"bad_time\")".to_owned()),
            ("Size\":19,", "Size\":1.9,", "Malformed(\"bad_bytes\")".to_owned()),
            (":404,", ":4e2,", "Malformed(\"bad_status\")".to_owned()),
            ("\"GET\"", "\"GET", "Malformed(\"bad_json\")".to_owned()),
        ] {
            assert_eq!(read(&LINE.replace(from, to)), expected, "{from} -> {to}");
        }
        let timeless = LINE.replace("\"Start", "\"x").replace("\"time\"", "\"x\"");
        assert_eq!(read(&timeless), "Malformed(\"no_time\")");
        assert_eq!(read(&LINE.replace("Status\"", "x\"")), "Malformed(\"no_status\")");
    }
}

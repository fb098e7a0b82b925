//! nginx with a `log_format` that writes one JSON object per line, as SWAG users have it. The field names are mappable.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::json::Scanner;
use super::nginx_combined::split_request;
use super::timestamps::AnyClock;
use super::{Format, Parsed, Sink, http_fields, numbers};
use crate::event::{Event, HttpRequest, Stamped};

/// The names of the log's fields. Each may list several, separated by commas: the first that has a value is taken. A field inside an
/// object is written with dots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// The client's address (`$remote_addr`).
    pub client: String,
    /// The time: `$time_local`, `$time_iso8601` or `$msec`.
    pub time: String,
    /// The whole request line (`$request`). Preferred to `method` and `uri`, which nginx leaves empty for what it refuses with 400.
    pub request: String,
    /// The method (`$request_method`).
    pub method: String,
    /// Path and query (`$request_uri`).
    pub uri: String,
    /// The status (`$status`).
    pub status: String,
    /// Bytes sent (`$body_bytes_sent`).
    pub bytes: String,
    /// Time taken, in seconds (`$request_time`).
    pub duration: String,
    /// The host asked for (`$host`).
    pub host: String,
    /// `$http_referer`.
    pub referer: String,
    /// `$http_user_agent`.
    pub user_agent: String,
    /// `$http_x_forwarded_for`.
    pub forwarded_for: String,
    /// The client's country as an ISO 3166-1 code (`$geoip2_data_country_code`).
    pub country: String,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            client: "ip,remote_addr,client,client_ip,remote_ip".to_owned(),
            time: "time,time_iso8601,time_local,msec,timestamp,@timestamp".to_owned(),
            request: "request".to_owned(),
            method: "method,request_method".to_owned(),
            uri: "uri,request_uri".to_owned(),
            status: "status".to_owned(),
            bytes: "bytes,body_bytes_sent,bytes_sent,size".to_owned(),
            duration: "req_time,request_time,duration".to_owned(),
            host: "host,http_host,server_name".to_owned(),
            referer: "ref,referer,http_referer,referrer".to_owned(),
            user_agent: "ua,user_agent,http_user_agent,agent".to_owned(),
            forwarded_for: "xff,forwarded_for,http_x_forwarded_for,x_forwarded_for".to_owned(),
            country: "country_code,geoip_country_code,geoip2_data_country_code".to_owned(),
        }
    }
}

/// The format's state: caches and buffers only.
pub struct NginxJson {
    scanner: Scanner,
    clock: AnyClock,
}

impl NginxJson {
    /// Nothing read yet.
    pub fn new(fields: &Fields) -> Self {
        let Fields { client, time, request, method, uri, status, bytes, duration, host, referer, user_agent, forwarded_for, country } =
            fields;
        let places = [client, time, request, method, uri, status, bytes, duration, host, referer, user_agent, forwarded_for, country];
        let keys = places.map(|keys| keys.split(',').map(str::trim).filter(|key| !key.is_empty()));
        // nginx writes no time without an offset.
        Self { scanner: Scanner::new(keys), clock: AnyClock::new(TimeZone::UTC) }
    }
}

impl Format for NginxJson {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let Self { scanner, clock } = self;
        scanner.read_line(line, sink, |values| request(values, clock));
    }

    fn read_block(&mut self, block: &[u8], sink: &mut dyn Sink) -> u64 {
        let Self { scanner, clock } = self;
        scanner.read_block(block, sink, |values| request(values, clock))
    }
}

fn request<'a>(values: &[&'a [u8]; 13], clock: &mut AnyClock) -> Result<Parsed<'a>, &'static str> {
    let [peer, time, request, method, uri, status, bytes, duration, host, referer, user_agent, forwarded_for, country] = *values;
    if peer.is_empty() {
        return Err("no_client");
    }
    if time.is_empty() {
        return Err("no_time");
    }
    let (method, target) = if request.is_empty() { (method, uri) } else { split_request(request) };
    Ok(Parsed::Event(Stamped {
        at: clock.parse(time).ok_or("bad_time")?,
        event: Event::Http(HttpRequest {
            peer,
            forwarded_for,
            method,
            target,
            status: http_fields::status(status)?,
            bytes: http_fields::bytes(bytes)?,
            duration_micros: numbers::fixed(duration, 6),
            host,
            referer,
            user_agent,
            country,
        }),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    fn read(line: &str) -> Result<(i64, HttpRequest<'static>), String> {
        let mut read = None;
        NginxJson::new(&Fields::default()).read_line(line.as_bytes(), &mut |_: &[u8], parsed: Parsed<'_>| {
            read = Some(match parsed {
                Parsed::Event(Stamped { at, event: Event::Http(request) }) => Ok((at.micros(), leaked(&request))),
                other => Err(format!("{other:?}")),
            });
        });
        read.unwrap()
    }

    fn leaked(request: &HttpRequest<'_>) -> HttpRequest<'static> {
        let leak = |text: &[u8]| &*text.to_vec().leak();
        HttpRequest {
            peer: leak(request.peer),
            forwarded_for: leak(request.forwarded_for),
            method: leak(request.method),
            target: leak(request.target),
            host: leak(request.host),
            referer: leak(request.referer),
            user_agent: leak(request.user_agent),
            country: leak(request.country),
            ..*request
        }
    }

    const SWAG: &str = r#"{"ip":"159.223.73.209","method":"POST","uri":"/cgi-bin/.../bin/sh","status":400,"host":"rappedoos.com","ua":"-","country":"Singapore","city":"Singapore","country_code":"SG","time":"04/Apr/2026:12:59:12 +0200","req_time":"0.377"}"#;

    #[test]
    fn swags_fields() {
        let (at, request) = read(SWAG).unwrap();
        assert_eq!(at, Timestamp::from_secs(1_775_300_352).micros());
        let expected = HttpRequest {
            peer: b"159.223.73.209",
            method: b"POST",
            target: b"/cgi-bin/.../bin/sh",
            status: 400,
            host: b"rappedoos.com",
            country: b"SG",
            duration_micros: Some(377_000),
            ..HttpRequest::default()
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn nginxs_own_names_and_the_whole_request_line() {
        let line = r#"{"time_iso8601":"2026-04-04T12:59:12+02:00","remote_addr":"2001:db8::7","request":"GET /a\"b HTTP/1.1","request_uri":"/wrong","status":"200","body_bytes_sent":"612","http_referer":"-","http_user_agent":"curl \\ 8","http_x_forwarded_for":"192.0.2.7, 10.0.0.1","server_name":"_","request_time":"-"}"#;
        let (at, request) = read(line).unwrap();
        assert_eq!(at, 1_775_300_352_000_000);
        let expected = HttpRequest {
            peer: b"2001:db8::7",
            method: b"GET",
            target: b"/a\"b",
            status: 200,
            bytes: 612,
            user_agent: b"curl \\ 8",
            forwarded_for: b"192.0.2.7, 10.0.0.1",
            host: b"_",
            ..HttpRequest::default()
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn what_is_missing_or_wrong_has_a_reason() {
        for (from, to, expected) in [
            ("159.223.73.209", "", "Malformed(\"no_client\")"),
            ("04/Apr/2026:12:59:12 +0200", "", "Malformed(\"no_time\")"),
            ("04/Apr/2026:12:59:12 +0200", "yesterday", "Malformed(\"bad_time\")"),
            (":400,", ":null,", "Malformed(\"no_status\")"),
            (":400,", ":4000,", "Malformed(\"bad_status\")"),
            ("\"city\":", "\"bytes\":", "Malformed(\"bad_bytes\")"),
            ("}", "", "Malformed(\"bad_json\")"),
            ("{", "", "Malformed(\"not_json\")"),
            (SWAG, "", "Skip"),
        ] {
            assert_eq!(read(&SWAG.replace(from, to)).unwrap_err(), expected, "{from} -> {to}");
        }
    }

    #[test]
    fn names_can_be_mapped() {
        let fields = Fields { client: "who.address, ip".to_owned(), ..Fields::default() };
        let mut seen = Vec::new();
        let mut format = NginxJson::new(&fields);
        let line = SWAG.replace("\"ip\":\"159.223.73.209\"", "\"who\":{\"address\":\"192.0.2.7\"},\"ip\":\"x\"");
        for line in [SWAG, line.as_str()] {
            format.read_line(line.as_bytes(), &mut |_: &[u8], parsed: Parsed<'_>| {
                let Parsed::Event(Stamped { event: Event::Http(request), .. }) = parsed else { panic!("{parsed:?}") };
                seen.push(String::from_utf8(request.peer.to_vec()).unwrap());
            });
        }
        assert_eq!(seen, ["159.223.73.209", "192.0.2.7"]);
    }
}

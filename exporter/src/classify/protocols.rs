//! What is no request for a page: other protocols on the web port, proxy abuse, methods that only tools use, and request lines that the
//! server refused whole (nginx leaves method and target empty then and logs the text).

use crate::event::HttpRequest;

use super::rules::{Found, Place, Rule, rule};

static TLS: Rule = rule!(Suspicious, "TLS on a plain port", "Spoke TLS to a port that does not: mostly a scan, sometimes a wrong address");
static SSH: Rule = rule!(Scanner, "SSH banner", "Spoke SSH to the web server: a scan for services");
static RDP: Rule = rule!(Scanner, "remote desktop request", "Spoke the remote desktop protocol to the web server: a scan for services");
static PROBE: Rule = rule!(Scanner, "port scanner's greeting", "Sent what port scanners send to learn which service answers");
static HTTP2: Rule = rule!(Suspicious, "HTTP/2 preface", "Spoke HTTP/2 to a port that does not");
static BINARY: Rule = rule!(Suspicious, "bytes that are no request", "Sent bytes that are no request: mostly a scan for another service");
static PROXY: Rule = rule!(Ssrf, "request for another host", "Tried to use the server as a proxy");

/// Method and target; taken out of the whole request text where the server left them there.
pub(super) fn request_line<'a>(method: &'a [u8], target: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    if !method.is_empty() {
        return (method, target);
    }
    let Some(space) = memchr::memchr(b' ', target) else { return (method, target) };
    let (first, rest) = (&target[..space], &target[space + 1..]);
    let is_method = (2..=18).contains(&first.len()) && first.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    if !is_method {
        return (method, target);
    }
    let rest = memchr::memmem::rfind(rest, b" HTTP/").map_or(rest, |at| &rest[..at]);
    (first, rest)
}

/// What the request is besides its target, if it is no request for a page of this server.
pub(super) fn find(request: &HttpRequest<'_>, method: &[u8], target: &[u8]) -> Option<Found> {
    let rule = if method.eq_ignore_ascii_case(b"CONNECT") {
        Some(&PROXY)
    } else if let Some(origin) = origin(target) {
        let own = !request.host.is_empty() && without_port(origin).eq_ignore_ascii_case(without_port(request.host));
        (!own).then_some(&PROXY)
    } else if method.is_empty() {
        other_protocol(target)
    } else {
        match method {
            b"PRI" => Some(&HTTP2),
            b"SSTP_DUPLEX_POST" | b"RDG_OUT_DATA" | b"DESCRIBE" | b"TRACK" | b"DEBUG" | b"HELP" | b"STATS" | b"EHLO" | b"HELO" => {
                Some(&PROBE)
            }
            _ => None,
        }
    };
    rule.map(|rule| rule.at(Place::Request))
}

fn other_protocol(text: &[u8]) -> Option<&'static Rule> {
    let has = |needle: &[u8]| memchr::memmem::find(text, needle).is_some();
    match text {
        [] => None,
        [0x16, 0x03, ..] | [0x80, _, 0x01, ..] => Some(&TLS),
        _ if text.starts_with(b"SSH-") => Some(&SSH),
        _ if has(b"mstshash=") || text.starts_with(b"\x03\x00\x00") => Some(&RDP),
        _ if text.starts_with(b"PRI *") => Some(&HTTP2),
        _ if text.starts_with(b"MGLNDD_")
            || text.starts_with(b"GIOP")
            || text.starts_with(b"JRMI")
            || text.starts_with(b"OPTIONS sip")
            || has(b"jsonrpc")
            || has(b"SMBr")
            || has(b"random1random2") =>
        {
            Some(&PROBE)
        }
        _ if text.iter().any(|byte| !(0x20..0x80).contains(byte)) => Some(&BINARY),
        _ => None,
    }
}

/// `host:port` of a target in absolute form.
fn origin(target: &[u8]) -> Option<&[u8]> {
    if matches!(target.first(), Some(b'/') | None) {
        return None;
    }
    let rest = ["http://", "https://", "HTTP://", "ftp://"].iter().find_map(|scheme| target.strip_prefix(scheme.as_bytes()))?;
    Some(rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).map_or(rest, |end| &rest[..end]))
}

/// The target without scheme and host.
pub(super) fn without_origin(target: &[u8]) -> &[u8] {
    let Some(host) = origin(target) else { return target };
    memchr::memmem::find(target, b"://").and_then(|at| target.get(at + 3 + host.len()..)).unwrap_or_default()
}

fn without_port(host: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', host) {
        Some(at) if host.get(at + 1..).is_some_and(|port| port.iter().all(u8::is_ascii_digit)) => &host[..at],
        _ => host,
    }
}

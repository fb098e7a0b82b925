//! Values in a body: forms, JSON, XML and multipart, kept simple. Access logs have none; the command `classify` may be given one.

use super::normalise::MAX_BYTES;
use super::rules::{Found, Place, Rule, rule, stronger};
use super::values::Values;

static ENTITY: Rule = rule!(FileInclusion, "external entity", "Tried to make an XML parser read a file or ask elsewhere");

/// The most values looked at.
const MAX_VALUES: usize = 256;

/// What stands in a body.
pub(super) fn find(values: &mut Values, body: &[u8]) -> Option<Found> {
    let body = body.get(..MAX_BYTES).unwrap_or(body).trim_ascii();
    match body.first()? {
        b'{' | b'[' => strings(values, body),
        b'<' => stronger(external_entity(body).then(|| ENTITY.at(Place::Body)), between_tags(values, body)),
        _ if body.starts_with(b"--") => parts(values, body),
        _ => pairs(values, body),
    }
}

/// `name=value&…`, or a text.
fn pairs(values: &mut Values, body: &[u8]) -> Option<Found> {
    body.split(|&byte| byte == b'&').take(MAX_VALUES).fold(None, |found, pair| stronger(found, values.find_in_pair(pair, Place::Body)))
}

/// The strings of a JSON text; names with a `$` are MongoDB's operators.
fn strings(values: &mut Values, body: &[u8]) -> Option<Found> {
    let mut found = None;
    if memchr::memchr(b'$', body).is_some() {
        found = values.find_in_value(body, b"", Place::Body).filter(|found| found.attack().why.contains("MongoDB"));
    }
    let mut rest = body;
    for _ in 0..MAX_VALUES {
        let Some(start) = memchr::memchr(b'"', rest) else { break };
        rest = &rest[start + 1..];
        let end = closing_quote(rest);
        found = stronger(found, values.find_in_value(&rest[..end], b"", Place::Body));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    found
}

/// Where a JSON string ends.
fn closing_quote(text: &[u8]) -> usize {
    let mut escaped = false;
    let at = text.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    at.unwrap_or(text.len())
}

/// A document type with entities of its own, or taken from elsewhere. Few documents that mean well have one.
fn external_entity(body: &[u8]) -> bool {
    let body = body.to_ascii_lowercase();
    memchr::memmem::find(&body, b"<!entity").is_some() || memchr::memmem::find(&body, b"xi:include").is_some()
}

/// The texts between the tags of an XML document.
fn between_tags(values: &mut Values, body: &[u8]) -> Option<Found> {
    let texts = body.split(|&byte| byte == b'<').filter_map(|piece| piece.get(memchr::memchr(b'>', piece)? + 1..));
    texts.take(MAX_VALUES).fold(None, |found, text| stronger(found, values.find_in_value(text.trim_ascii(), b"", Place::Body)))
}

/// The parts of a multipart body, without their headers.
fn parts(values: &mut Values, body: &[u8]) -> Option<Found> {
    let mut found = None;
    let mut rest = body;
    for _ in 0..MAX_VALUES {
        let Some(start) = memchr::memmem::find(rest, b"\r\n\r\n") else { break };
        rest = &rest[start + 4..];
        let end = memchr::memmem::find(rest, b"\r\n--").unwrap_or(rest.len());
        found = stronger(found, values.find_in_value(&rest[..end], b"", Place::Body));
        rest = rest.get(end..).unwrap_or_default();
    }
    found
}

//! The head of a syslog line: when, and which program. What the formats of system logs share.

use jiff::tz::TimeZone;

use super::timestamps::{BsdClock, IsoClock};
use crate::event::Timestamp;

/// A line behind its head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Record<'a> {
    pub(super) at: Timestamp,
    /// The program's name and process, as in `sshd[123]`; empty if there is only a time in front.
    pub(super) program: &'a [u8],
    pub(super) pid: Option<u32>,
    pub(super) message: &'a [u8],
}

/// Reads heads: `Nov  2 15:40:14 host sshd[1]: `, the same with RFC 3339 or `journalctl -o short-iso` times, RFC 5424, each with or
/// without a priority in front; or a time alone, as `docker logs -t` has it.
pub(super) struct Heads {
    bsd: BsdClock,
    iso: IsoClock,
}

impl Heads {
    pub(super) fn new(zone: TimeZone, reference: Timestamp) -> Self {
        Self { bsd: BsdClock::new(zone.clone(), reference), iso: IsoClock::new(zone) }
    }

    /// The line's parts; nothing if no time stands in front.
    pub(super) fn read<'a>(&mut self, line: &'a [u8]) -> Option<Record<'a>> {
        let (line, is_5424) = without_priority(line);
        let (at, rest) =
            if line.first().is_some_and(u8::is_ascii_digit) { self.iso.parse_prefix(line)? } else { self.bsd.parse_prefix(line)? };
        let rest = rest.strip_prefix(b" ")?;
        if is_5424 { rfc_5424(at, rest) } else { Some(tagged(at, rest)) }
    }

    /// What the year of the next stamp rests on.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.bsd.last()
    }

    pub(super) fn go_on_from(&mut self, last: Option<Timestamp>) {
        self.bsd.go_on_from(last);
    }
}

/// The line behind `<38>` or `<38>1 `, and whether it is of RFC 5424.
fn without_priority(line: &[u8]) -> (&[u8], bool) {
    let end = line.iter().take(5).position(|&byte| byte == b'>');
    let Some((b"<", digits)) = end.and_then(|end| line.get(..end)).and_then(|head| head.split_at_checked(1)) else { return (line, false) };
    let rest = line.get(digits.len() + 2..).unwrap_or_default();
    match rest.strip_prefix(b"1 ") {
        _ if !digits.iter().all(u8::is_ascii_digit) => (line, false),
        Some(rest) => (rest, true),
        None => (rest, false),
    }
}

/// `host program[pid]: message`; without that, all of it is the message.
fn tagged(at: Timestamp, rest: &[u8]) -> Record<'_> {
    let found = split(rest, b' ').and_then(|(_, tagged)| {
        let (tag, message) = split(tagged, b' ').unwrap_or((tagged, b""));
        let (program, pid) = program(tag.strip_suffix(b":")?);
        Some(Record { at, program, pid, message })
    });
    found.unwrap_or(Record { at, program: b"", pid: None, message: rest })
}

/// `host program pid msgid data message`.
fn rfc_5424(at: Timestamp, rest: &[u8]) -> Option<Record<'_>> {
    let (_, rest) = split(rest, b' ')?;
    let (program, rest) = split(rest, b' ')?;
    let (pid, rest) = split(rest, b' ')?;
    let (_, rest) = split(rest, b' ')?;
    let message = match rest {
        [b'-', rest @ ..] => rest,
        _ => behind_data(rest)?,
    };
    let message = message.strip_prefix(b" ").unwrap_or(message);
    let message = message.strip_prefix("\u{feff}".as_bytes()).unwrap_or(message);
    Some(Record { at, program, pid: number(pid), message })
}

/// What stands behind `[id name="value" …][…]`.
fn behind_data(mut rest: &[u8]) -> Option<&[u8]> {
    while let [b'[', inner @ ..] = rest {
        let (mut quoted, mut escaped) = (false, false);
        let end = inner.iter().position(|&byte| {
            let ends = byte == b']' && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })?;
        rest = inner.get(end + 1..)?;
    }
    Some(rest)
}

fn program(tag: &[u8]) -> (&[u8], Option<u32>) {
    match tag.strip_suffix(b"]").and_then(|tag| split(tag, b'[')) {
        Some((program, pid)) => (program, number(pid)),
        None => (tag, None),
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    super::numbers::unsigned(digits).and_then(|number| u32::try_from(number).ok())
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = memchr::memchr(at, text)?;
    Some((&text[..place], &text[place + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_head_is_read() {
        let mut heads = Heads::new(TimeZone::UTC, Timestamp::from_secs(1_795_255_200));
        let mut read = |line: &str| {
            let Some(record) = heads.read(line.as_bytes()) else { return "none".to_owned() };
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let at = record.at.to_rfc3339().unwrap();
            format!("{at} {} {:?} {}", text(record.program), record.pid, text(record.message))
        };
        for (line, expected) in [
            ("Nov  2 15:40:14 web sshd[1]: x: y", "2026-11-02T15:40:14Z sshd Some(1) x: y"),
            ("<38>Nov 2 15:40:14 web sshd: x", "2026-11-02T15:40:14Z sshd None x"),
            ("2026-11-02T15:40:14.5+01:00 web sshd-session[22]: x", "2026-11-02T14:40:14Z sshd-session Some(22) x"),
            ("2026-11-02T15:40:14+0000 web kernel: [ 1.5] x", "2026-11-02T15:40:14Z kernel None [ 1.5] x"),
            ("<38>1 2026-11-02T15:40:14Z web sshd 7 - - x y", "2026-11-02T15:40:14Z sshd Some(7) x y"),
            ("<38>1 2026-11-02T15:40:14Z web sshd 7 - [a b=\"]\\\"\"][c] \u{feff}x", "2026-11-02T15:40:14Z sshd Some(7) x"),
            ("<38>1 2026-11-02T15:40:14Z web sshd 7 - [a x", "none"),
            ("2026-11-02T15:40:14Z Failed password", "2026-11-02T15:40:14Z  None Failed password"),
            ("Nov  2 15:40:14 web", "2026-11-02T15:40:14Z  None web"),
            ("Nov  2 15:40:14", "none"),
            ("sshd[1]: x", "none"),
            ("<38", "none"),
            ("", "none"),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}

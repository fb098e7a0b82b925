//! The head of a Python log line: time, level, logger, message, in the shapes that `logging` is usually set up for.

use crate::event::{ErrorLevel, Timestamp};
use crate::formats::timestamps::IsoClock;

/// The head of a line.
#[derive(Debug, PartialEq)]
pub(super) struct Head<'a> {
    pub(super) at: Timestamp,
    /// Only levels that tell of an error.
    pub(super) level: Option<ErrorLevel>,
    /// What the program said, as far as it can be told from the logger's name.
    pub(super) message: &'a [u8],
    /// The same, if the first word of `message` is the logger's name (`INFO bot Message sent to …`); else empty.
    pub(super) behind_name: &'a [u8],
}

/// Levels may stand behind logger, process and thread.
const WORDS_BEFORE_LEVEL: usize = 3;

/// Longer words are no names of loggers.
const MAX_NAME_BYTES: usize = 128;

/// Reads the head of a line; nothing if it does not begin with a time.
pub(super) fn read<'a>(line: &'a [u8], clock: &mut IsoClock) -> Option<Head<'a>> {
    let line = line.strip_prefix(b"[").unwrap_or(line);
    if !line.first()?.is_ascii_digit() {
        return None;
    }
    let (at, rest) = clock.parse_prefix(line)?;
    let start = skip_separators(rest);
    let mut text = start;
    let mut named = false;
    for _ in 0..=WORDS_BEFORE_LEVEL {
        let (word, after) = text.split_at(text.iter().position(|&byte| is_separator(byte)).unwrap_or(text.len()));
        let bracketed = rest.len().checked_sub(text.len() + 1).and_then(|before| rest.get(before)) == Some(&b'[');
        if let Some(level) = level(word, bracketed) {
            let (message, behind_name) = split_name(skip_closers(after), named);
            return Some(Head { at, level: level.error(), message, behind_name });
        }
        named |= !is_place(word);
        text = skip_separators(after);
    }
    let (message, behind_name) = split_name(start, false);
    Some(Head { at, level: None, message, behind_name })
}

#[derive(Clone, Copy)]
enum Level {
    Lower,
    Error,
    Critical,
}

impl Level {
    fn error(self) -> Option<ErrorLevel> {
        match self {
            Self::Lower => None,
            Self::Error => Some(ErrorLevel::Error),
            Self::Critical => Some(ErrorLevel::Critical),
        }
    }
}

/// Python's levels, those of loguru and structlog, and short forms. In lower case only structlog writes them: `[info     ]`.
fn level(word: &[u8], bracketed: bool) -> Option<Level> {
    Some(match word {
        b"INFO" | b"DEBUG" | b"WARNING" | b"WARN" | b"NOTICE" | b"TRACE" | b"SUCCESS" | b"NOTSET" => Level::Lower,
        b"ERROR" | b"ERR" | b"EXCEPTION" => Level::Error,
        b"CRITICAL" | b"CRIT" | b"FATAL" => Level::Critical,
        b"info" | b"debug" | b"warning" | b"warn" if bracketed => Level::Lower,
        b"error" if bracketed => Level::Error,
        b"critical" | b"fatal" if bracketed => Level::Critical,
        _ => return None,
    })
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'[' | b']' | b'(' | b')' | b'|' | b':')
}

/// Skips what stands between the parts of a head, a lone dash included.
fn skip_separators(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [byte, rest @ ..] if is_separator(*byte) => rest,
            [b'-', b' ', rest @ ..] => rest,
            _ => return text,
        }
    }
}

/// As [`skip_separators`], but stops where a bracket opens: that is the next part.
fn skip_closers(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b' ' | b'\t' | b']' | b')' | b'|' | b':', rest @ ..] => rest,
            [b'-', b' ', rest @ ..] => rest,
            _ => return text,
        }
    }
}

/// Takes the logger's name off: `[bot] …`, `[30] [bot] …`, `bot.webhook (30): …`, `bot.webhook:handle:42 - …`, `bot:…`, `in app: …`.
/// Of `bot Message …` the message stands beside it, as that may be no name at all.
///
/// At most one name is taken off (none if it was `named` before): a customer's text comes behind the program's own words, and so must
/// never come to stand where a message begins.
fn split_name(text: &[u8], named: bool) -> (&[u8], &[u8]) {
    let (text, named) = skip_brackets(text, named);
    let candidate = text.strip_prefix(b"in ").unwrap_or(text);
    let length = candidate.iter().take(MAX_NAME_BYTES).take_while(|byte| is_name(**byte)).count();
    let (name, rest) = candidate.split_at(length);
    if named || !name.first().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'_' | b'<')) {
        return (text, b"");
    }
    let rest = skip_process(rest);
    if name.ends_with(b":") || matches!(rest, [b':', ..] | [b' ', b'-' | b'|', b' ', ..]) {
        return (skip_closers(rest), b"");
    }
    if let Some(colon) = name.iter().position(|&byte| byte == b':') {
        return (&candidate[colon + 1..], b"");
    }
    // `INFO Ignoring new message from …` has no logger, `INFO bot New message from …` has.
    let behind = rest.trim_ascii_start();
    let is_logger = name.iter().any(|byte| matches!(byte, b'.' | b'_')) || behind.first().is_some_and(u8::is_ascii_uppercase);
    (text, if is_logger { behind } else { b"" })
}

fn is_name(byte: u8) -> bool {
    IS_NAME[usize::from(byte)]
}

static IS_NAME: [bool; 256] = {
    let mut is_name = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        is_name[byte] = character.is_ascii_alphanumeric() || matches!(character, b'.' | b'_' | b'-' | b'/' | b'$' | b'<' | b'>' | b':');
        byte += 1;
    }
    is_name
};

/// Whether a word is a process, a thread or a line of code rather than a logger.
fn is_place(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_digit) || word.starts_with(b"MainThread") || word.starts_with(b"Thread-") || word.ends_with(b".py")
}

/// Skips up to two parts in brackets: places, and a name if there was none.
fn skip_brackets(mut text: &[u8], mut named: bool) -> (&[u8], bool) {
    for _ in 0..2 {
        let (inside, closer) = match text {
            [b'[', inside @ ..] => (inside, b']'),
            [b'(', inside @ ..] => (inside, b')'),
            _ => break,
        };
        let Some(end) = inside.iter().take(MAX_NAME_BYTES).position(|&byte| byte == closer) else { break };
        let (word, after) = inside.split_at(end);
        if !is_place(word.split(|&byte| byte == b':').next().unwrap_or_default()) && std::mem::replace(&mut named, true) {
            break;
        }
        text = skip_closers(after);
    }
    (text, named)
}

/// Skips ` (30)` or `[30]`, a process behind a logger's name.
fn skip_process(text: &[u8]) -> &[u8] {
    let Some((b'(' | b'[', inside)) = text.strip_prefix(b" ").unwrap_or(text).split_first() else { return text };
    let digits = inside.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match &inside[digits..] {
        [b')' | b']', rest @ ..] if digits > 0 => rest,
        _ => text,
    }
}

/// `line` without the colours that terminals are sent (`ESC [ … letter`), in `scratch` if there are any.
pub(super) fn without_colours<'a>(line: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr::memchr(0x1b, line).is_none() {
        return line;
    }
    scratch.clear();
    let mut rest = line;
    while let Some(at) = memchr::memchr(0x1b, rest) {
        scratch.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let sequence = match rest {
            [_, b'[', sequence @ ..] => sequence.iter().take(16).position(|byte| matches!(byte, 0x40..=0x7e)),
            _ => None,
        };
        let length = sequence.map_or(1, |end| end + 3);
        if sequence.is_none() {
            scratch.push(0x1b);
        }
        rest = &rest[length..];
    }
    scratch.extend_from_slice(rest);
    scratch
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn the_usual_shapes_of_a_head() {
        for (head, level) in [
            ("2026-04-04 00:00:00,342 [ERROR] bot.sql (30): ", Some(ErrorLevel::Error)),
            ("2026-04-04 00:00:00,342 [ERROR] bot.sql: ", Some(ErrorLevel::Error)),
            ("2026-04-04 00:00:00,342 - bot.sql - ERROR - ", Some(ErrorLevel::Error)),
            ("2026-04-04 00:00:00,342 - my-bot - 30 - ERROR - ", Some(ErrorLevel::Error)),
            ("2026-04-04 00:00:00,342 ERROR: ", Some(ErrorLevel::Error)),
            ("2026-04-04 00:00:00,342 CRITICAL [bot.sql] ", Some(ErrorLevel::Critical)),
            ("2026-04-04 00:00:00,342 FATAL bot.sql[30]: ", Some(ErrorLevel::Critical)),
            ("2026-04-04 00:00:00,342:INFO:bot:", None),
            ("2026-04-04T00:00:00.342Z [error    ] ", Some(ErrorLevel::Error)),
            ("2026-04-04 00:00:00.342 | ERROR    | bot.sql:save:42 - ", Some(ErrorLevel::Error)),
            ("[2026-04-04 00:00:00,342] ERROR in app: ", Some(ErrorLevel::Error)),
            ("[2026-04-04 00:00:00 +0000] [30] [ERROR] ", Some(ErrorLevel::Error)),
            ("2026-04-04 00:00:00,342 WARN [30] [bot.sql] ", None),
            ("2026-04-04 00:00:00,342 WARN [MainThread] bot.sql: ", None),
            ("2026-04-04 00:00:00,342 - bot.sql - WARNING - [sql.py:42] - ", None),
            ("2026-04-04 00:00:00,342 ", None),
            ("2026-04-04 00:00:00,342 error: ", None),
        ] {
            for message in ["Could not save order 7: deadlock", "Incoming message from +34600123456"] {
                let line = format!("{head}{message}");
                let read = read(line.as_bytes(), &mut IsoClock::new(TimeZone::UTC)).unwrap();
                assert_eq!((read.level, read.message.escape_ascii().to_string()), (level, message.to_owned()), "{line}");
                assert_eq!(read.at.secs(), 1_775_260_800, "{line}");
            }
        }
    }

    #[test]
    fn a_bare_name_may_be_one() {
        let mut clock = IsoClock::new(TimeZone::UTC);
        for (line, behind) in [
            ("2026-04-04 00:00:00,342 INFO bot Message sent", "Message sent"),
            ("2026-04-04 00:00:00,342 INFO bot.twilio message sent", "message sent"),
            ("2026-04-04 00:00:00,342 INFO Ignoring message", ""),
            ("2026-04-04 00:00:00,342 INFO bot.twilio: body: message", ""),
        ] {
            assert_eq!(read(line.as_bytes(), &mut clock).unwrap().behind_name, behind.as_bytes(), "{line}");
        }
    }

    #[test]
    fn what_has_no_time_is_no_head() {
        for line in ["", "[", "Traceback (most recent call last):", "  File \"x.py\", line 1", "2026-04-04", "2026-13-04 00:00:00 [INFO] x"]
        {
            assert_eq!(read(line.as_bytes(), &mut IsoClock::new(TimeZone::UTC)), None, "{line}");
        }
    }

    #[test]
    fn colours_are_taken_off_and_other_escapes_stay() {
        for (line, expected) in [
            ("\x1b[32mINFO\x1b[0m x\x1b[1;31m", "INFO x"),
            ("no colour", "no colour"),
            ("\x1b]0;title \x1b[", "\x1b]0;title \x1b["),
            ("\x1b", "\x1b"),
        ] {
            assert_eq!(without_colours(line.as_bytes(), &mut Vec::new()), expected.as_bytes());
        }
    }
}

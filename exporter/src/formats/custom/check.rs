//! From a custom format's configuration to the format: everything that is wrong is found at once.

use super::*;

/// A compiled expression of a user is never larger.
const MAX_PATTERN_BYTES: usize = 1 << 20;

const HTTP_GROUPS: [&str; 14] = [
    "time",
    "client",
    "method",
    "path",
    "request",
    "status",
    "bytes",
    "duration",
    "duration_ms",
    "host",
    "referer",
    "user_agent",
    "forwarded_for",
    "country",
];
const BOT_GROUPS: [&str; 3] = ["time", "level", "message"];

pub(super) fn build(config: &Config, privacy: Arc<Privacy>, zone: TimeZone) -> Result<Format, Vec<String>> {
    let mut problems = Vec::new();
    let kind = match config.kind.as_str() {
        "http" => http(config, &mut problems).map(Kind::Http),
        "bot" => bot(config, privacy, &mut problems).map(|bot| Kind::Bot(Box::new(bot))),
        other => {
            problems.push(format!("kind: `{other}` is not known; use `http` or `bot`"));
            None
        }
    };
    let line = pattern("line", &config.line, &mut problems);
    if config.line.is_empty() {
        problems.push("line: is missing; give a regular expression with named groups such as (?<time>…)".to_owned());
    }
    let clock = clock(&config.time_format, zone, &mut problems);
    match (kind, line, problems.is_empty()) {
        (Some(kind), Some(line), true) => Ok(Format { groups: line.capture_locations(), line, clock, kind }),
        _ => Err(problems),
    }
}

fn http(config: &Config, problems: &mut Vec<String>) -> Option<HttpGroups> {
    for (key, text) in [("incoming", &config.incoming), ("outgoing", &config.outgoing), ("continuation", &config.continuation)] {
        if !text.is_empty() {
            problems.push(format!("{key}: is for bots only; leave it out, or use kind = \"bot\""));
        }
    }
    let line = silent_pattern(&config.line)?;
    check_groups("line", &line, &HTTP_GROUPS, &["time", "client", "status"], problems);
    let number = |name: &str| number(&line, name);
    if number("request") == 0 && (number("method") == 0 || number("path") == 0) {
        problems.push("line: nothing tells what was asked for; add the group `request`, or the groups `method` and `path`".to_owned());
    }
    Some(HttpGroups {
        time: number("time"),
        client: number("client"),
        method: number("method"),
        path: number("path"),
        request: number("request"),
        status: number("status"),
        bytes: number("bytes"),
        duration: number("duration"),
        duration_ms: number("duration_ms"),
        host: number("host"),
        referer: number("referer"),
        user_agent: number("user_agent"),
        forwarded_for: number("forwarded_for"),
        country: number("country"),
    })
}

fn bot(config: &Config, privacy: Arc<Privacy>, problems: &mut Vec<String>) -> Option<Bot> {
    let incoming = phrase("incoming", &config.incoming, problems);
    let outgoing = phrase("outgoing", &config.outgoing, problems);
    let continuation = match config.continuation.as_str() {
        "" => Continuation::Anything,
        "indent" => Continuation::Indented,
        text => pattern("continuation", text, problems).map_or(Continuation::Anything, Continuation::Matching),
    };
    let line = silent_pattern(&config.line)?;
    check_groups("line", &line, &BOT_GROUPS, &["time"], problems);
    let groups = BotGroups { time: number(&line, "time"), level: number(&line, "level"), message: number(&line, "message") };
    Some(Bot { privacy, groups, incoming, outgoing, continuation, records: Records::default() })
}

fn phrase(key: &str, text: &str, problems: &mut Vec<String>) -> Option<Phrase> {
    if text.is_empty() {
        return None;
    }
    let pattern = pattern(key, text, problems)?;
    check_groups(key, &pattern, &["sender", "text"], &["sender"], problems);
    let (sender, text) = (number(&pattern, "sender"), number(&pattern, "text"));
    Some(Phrase { pattern, sender, text })
}

fn check_groups(key: &str, pattern: &Regex, known: &[&str], required: &[&str], problems: &mut Vec<String>) {
    for name in pattern.capture_names().flatten().filter(|name| !known.contains(name)) {
        problems.push(format!("{key}: the group `{name}` is not known; use {}", known.join(", ")));
    }
    for name in required.iter().filter(|name| number(pattern, name) == 0) {
        problems.push(format!("{key}: the group `{name}` is missing; add (?<{name}>…)"));
    }
}

fn number(pattern: &Regex, name: &str) -> usize {
    pattern.capture_names().position(|group| group == Some(name)).unwrap_or(0)
}

fn pattern(key: &str, text: &str, problems: &mut Vec<String>) -> Option<Regex> {
    // Without Unicode, `.` takes any byte: logs hold bytes that are no text.
    match RegexBuilder::new(text).unicode(false).size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES).build() {
        Ok(pattern) => Some(pattern),
        Err(regex::Error::CompiledTooBig(limit)) => {
            problems.push(format!("{key}: the expression needs more than {limit} bytes; use fewer or smaller repetitions"));
            None
        }
        Err(error) => {
            // The parser's text is drawn over several lines; what is wrong stands on the last.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            problems.push(format!("{key}: `{text}` is no regular expression ({reason}); correct it, or escape what is meant literally"));
            None
        }
    }
}

/// The expression, if it is one; what is wrong with it is told elsewhere.
fn silent_pattern(text: &str) -> Option<Regex> {
    if text.is_empty() { None } else { pattern("", text, &mut Vec::new()) }
}

fn clock(format: &str, zone: TimeZone, problems: &mut Vec<String>) -> Clock {
    if format.is_empty() {
        return Clock::Any(AnyClock::new(zone));
    }
    let example = jiff::Timestamp::UNIX_EPOCH.to_zoned(zone.clone());
    let mut clock = Clock::Given { format: format.to_owned(), zone };
    match jiff::fmt::strtime::format(format, &example) {
        Err(error) => problems.push(format!("time_format: `{format}` is not understood ({error}); use letters such as %Y-%m-%d %H:%M:%S")),
        Ok(text) if clock.parse(text.as_bytes()).is_none() => {
            problems.push(format!("time_format: `{format}` names no full date and time; add what is missing, such as %Y-%m-%d %H:%M:%S"));
        }
        Ok(_) => {}
    }
    clock
}

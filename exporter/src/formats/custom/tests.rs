use super::*;
use crate::formats::Format as _;
use crate::privacy::{ClientMode, SenderMode};

fn privacy() -> Arc<Privacy> {
    Arc::new(Privacy::new(SenderMode::Full, ClientMode::Full, b"salt", 160))
}

fn format(config: &Config) -> Result<Format, Vec<String>> {
    Format::new(config, privacy(), TimeZone::get("Europe/Madrid").unwrap())
}

fn http() -> Config {
    let line =
        r#"^(?<time>\S+) (?<client>\S+) "(?<request>[^"]*)" (?<status>\d+) (?<bytes>\S+) (?<duration_ms>\S+)(?: (?<user_agent>.*))?$"#;
    Config { kind: "http".to_owned(), line: line.to_owned(), ..Config::default() }
}

fn bot() -> Config {
    Config {
        kind: "bot".to_owned(),
        line: r"^(?<time>.{19}) (?<level>[A-Z]+) (?<message>.*)$".to_owned(),
        incoming: r"^in (?<sender>\S+)".to_owned(),
        outgoing: r"^out (?<sender>\S+)".to_owned(),
        time_format: "%d.%m.%Y %H:%M:%S".to_owned(),
        continuation: "indent".to_owned(),
    }
}

fn read(config: &Config, lines: &[&[u8]]) -> Vec<String> {
    let mut format = format(config).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut told = Vec::new();
    let mut sink = |_: &[u8], parsed: Parsed<'_>| {
        told.push(match parsed {
            Parsed::Event(Stamped { at, event: Event::Http(request) }) => {
                let texts = [request.peer, request.method, request.target, request.user_agent].map(|text| text.escape_ascii().to_string());
                format!("{} {} {} {} {:?}", at.secs(), texts.join(" "), request.status, request.bytes, request.duration_micros)
            }
            Parsed::Event(Stamped { at, event: Event::BotMessage(message) }) => {
                format!("{} {} {}", at.secs(), message.direction.as_str(), privacy().show(&message.sender).unwrap())
            }
            Parsed::Event(Stamped { event: Event::BotError(error), .. }) => {
                format!("{:?} {} {}", error.level, error.traceback, error.summary.escape_ascii())
            }
            other => format!("{other:?}"),
        });
    };
    lines.iter().for_each(|line| format.read_line(line, &mut sink));
    format.flush(&mut sink);
    told
}

#[test]
fn requests() {
    for (line, expected) in [
        (
            &b"2026-04-04T12:59:12+02:00 192.0.2.7 \"GET /a HTTP/1.1\" 200 12 1.5 curl"[..],
            "1775300352 192.0.2.7 GET /a curl 200 12 Some(1500)",
        ),
        (b"1775300352.5 2001:db8::7 \"\" 400 - - \xff\x00", "1775300352 2001:db8::7   \\xff\\x00 400 0 None"),
        (b"1775300352 - \"GET /\" 200 0 0", "Malformed(\"no_client\")"),
        (b"then 192.0.2.7 \"GET /\" 200 0 0", "Malformed(\"bad_time\")"),
        (b"1775300352 192.0.2.7 \"GET /\" 2000 0 0", "Malformed(\"bad_status\")"),
        (b"1775300352 192.0.2.7 \"GET /\" 200 x 0", "Malformed(\"bad_bytes\")"),
        (b"something else", "Malformed(\"no_match\")"),
        (b"", "Skip"),
    ] {
        assert_eq!(read(&http(), &[line]), [expected], "{}", line.escape_ascii());
    }
}

#[test]
fn bots() {
    let lines = [
        &b" lost"[..],
        b"04.04.2026 12:59:12 INFO in +34600123456 hi",
        b"04.04.2026 12:59:13 INFO out +34600123456",
        b"04.04.2026 12:59:13 INFO in ()",
        b"04.04.2026 12:59:14 ERROR it broke",
        b"\tby itself",
        b"neither",
        b"04.04.2026 12:59:15 FATAL gone",
        b"99.04.2026 12:59:15 FATAL gone",
    ];
    let expected = [
        "Malformed(\"no_header\")",
        "1775300352 incoming +34600123456",
        "1775300353 outgoing +34600123456",
        "1775300353 incoming ()",
        "Open",
        "Continued",
        "Malformed(\"no_match\")",
        "Some(Error) false it broke",
        "Open",
        "Malformed(\"bad_time\")",
        "Some(Critical) false gone",
    ];
    assert_eq!(read(&bot(), &lines), expected);
    let all = Config { continuation: String::new(), ..bot() };
    assert_eq!(read(&all, &lines[4..7]), ["Open", "Continued", "Continued", "Some(Error) false it broke"]);
    let dots = Config { continuation: r"^\.\.\.".to_owned(), ..bot() };
    assert_eq!(
        read(&dots, &[lines[4], b"... more", b" no"]),
        ["Open", "Continued", "Malformed(\"no_match\")", "Some(Error) false it broke"]
    );
}

#[test]
fn every_problem_is_told_at_once() {
    let told = |config: &Config| format(config).err().unwrap_or_default().join("\n");
    assert_eq!(
        told(&Config { kind: "web".to_owned(), ..Config::default() }),
        "kind: `web` is not known; use `http` or `bot`\n\
         line: is missing; give a regular expression with named groups such as (?<time>…)"
    );
    let wrong = Config {
        kind: "http".to_owned(),
        line: "(?<client>.) (?<colour>.) (?<method>.)".to_owned(),
        incoming: "x".to_owned(),
        time_format: "%H:%M".to_owned(),
        ..Config::default()
    };
    assert_eq!(
        told(&wrong),
        "incoming: is for bots only; leave it out, or use kind = \"bot\"\n\
         line: the group `colour` is not known; use time, client, method, path, request, status, bytes, duration, duration_ms, host, \
         referer, user_agent, forwarded_for, country\n\
         line: the group `time` is missing; add (?<time>…)\n\
         line: the group `status` is missing; add (?<status>…)\n\
         line: nothing tells what was asked for; add the group `request`, or the groups `method` and `path`\n\
         time_format: `%H:%M` names no full date and time; add what is missing, such as %Y-%m-%d %H:%M:%S"
    );
    let wrong = Config { line: "(".to_owned(), outgoing: "to (?<who>.)".to_owned(), time_format: "%!".to_owned(), ..bot() };
    let told_of = told(&wrong);
    for part in [
        "line: `(` is no regular expression (unclosed group); correct it",
        "outgoing: the group `who` is not known; use sender",
        "outgoing: the group `sender` is missing; add (?<sender>…)",
        "time_format: `%!` is not understood (",
    ] {
        assert!(told_of.contains(part), "{told_of}");
    }
    assert_eq!(told_of.lines().count(), 4, "{told_of}");
    let large = Config { line: r"(?<time>\w{1000}{1000})".to_owned(), ..bot() };
    assert!(told(&large).contains("line: the expression needs more than 1048576 bytes; use fewer"), "{}", told(&large));
}

//! Runs every format over `tests/formats/<format>/*.log` and compares with the `.expected` beside it (`BLESS=1` rewrites it), and checks
//! what must hold of any bytes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hostwarden::event::{BotError, ErrorLevel, Event, HttpRequest, Stamped, Timestamp};
use hostwarden::formats::{self, Format, Parsed, custom, lines, nginx_json};
use hostwarden::privacy::{ClientMode, Privacy, SenderMode};
use proptest::prelude::*;

fn privacy() -> Arc<Privacy> {
    Arc::new(Privacy::new(SenderMode::Full, ClientMode::Full, b"salt", 160))
}

/// The two custom formats stand for all that users may write.
fn custom() -> BTreeMap<String, custom::Config> {
    let web = custom::Config {
        kind: "http".to_owned(),
        line:
            r#"^(?<time>\S+) (?<client>\S+) "(?<request>[^"]*)" (?<status>\d+) (?<bytes>\S+) (?<duration_ms>\S+)(?: (?<user_agent>.*))?$"#
                .to_owned(),
        ..custom::Config::default()
    };
    let bot = custom::Config {
        kind: "bot".to_owned(),
        line: r"^(?<time>.{19}) (?<level>[A-Z]+) (?<message>.*)$".to_owned(),
        incoming: r"^in (?<sender>\S+)".to_owned(),
        outgoing: r"^out (?<sender>\S+)".to_owned(),
        time_format: "%d.%m.%Y %H:%M:%S".to_owned(),
        continuation: "indent".to_owned(),
    };
    BTreeMap::from([("web".to_owned(), web), ("bot".to_owned(), bot)])
}

/// 2026-11-21T10:00:00Z: tells the year of times that name none.
const REFERENCE: Timestamp = Timestamp::from_secs(1_795_255_200);

fn format(name: &str) -> Box<dyn Format> {
    let (nginx_json, custom) = (nginx_json::Fields::default(), custom());
    let zone = || jiff::tz::TimeZone::get("Europe/Madrid").unwrap();
    let options = formats::Options { privacy: privacy(), zone: &zone, reference: REFERENCE, nginx_json: &nginx_json, custom: &custom };
    formats::by_name(name, &options).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn names() -> Vec<String> {
    formats::NAMES.into_iter().map(str::to_owned).chain(custom().keys().map(|name| format!("custom.{name}"))).collect()
}

/// A record as one line of text.
fn shown(parsed: &Parsed<'_>) -> String {
    let Parsed::Event(Stamped { at, event }) = parsed else { return format!("{parsed:?}") };
    let event = match event {
        Event::Http(request) => http(request),
        Event::BotMessage(message) => {
            let sender = privacy().show(&message.sender).unwrap();
            let text = if message.text.is_empty() { String::new() } else { format!(" \"{}\"", message.text.escape_ascii()) };
            format!("{} {}{text}", message.direction.as_str(), sender.escape_default())
        }
        Event::BotError(BotError { level, traceback, summary, context }) => {
            let level = level.map_or("none", ErrorLevel::as_str);
            let lines = lines(context).count();
            format!("{level} traceback={traceback} lines={lines} bytes={} {}", context.len(), summary.escape_ascii())
        }
        Event::Ssh(auth) => format!(
            "ssh {} x{} user=\"{}\" client=\"{}\" method=\"{}\"",
            auth.outcome.as_str(),
            auth.attempts,
            auth.user.escape_ascii(),
            auth.client.escape_ascii(),
            auth.method.escape_ascii()
        ),
        Event::Firewall(packet) => format!(
            "firewall {} {} client=\"{}\" port={:?} source_port={:?} inbound={} opens={}",
            packet.action.as_str(),
            packet.protocol.as_str(),
            packet.client.escape_ascii(),
            packet.port,
            packet.source_port,
            packet.inbound,
            packet.opens
        ),
        Event::WebError(error) => {
            let (kind, client, message) = (error.kind.as_str(), error.client.escape_ascii(), error.message.escape_ascii());
            format!("web_error {kind} client=\"{client}\" \"{message}\"")
        }
        Event::Player(player) => format!(
            "player {} server=\"{}\" name=\"{}\" client=\"{}\" {}",
            player.change.as_str(),
            player.server.escape_ascii(),
            player.name.escape_ascii(),
            player.client.escape_ascii(),
            player.player.map_or_else(String::new, |player| privacy().show(&player).unwrap())
        ),
    };
    format!("{} {event}", at.micros())
}

fn http(request: &HttpRequest<'_>) -> String {
    let HttpRequest { peer, forwarded_for, method, target, status, bytes, duration_micros, host, referer, user_agent, country } = request;
    let texts = [
        ("peer", peer),
        ("forwarded_for", forwarded_for),
        ("method", method),
        ("target", target),
        ("host", host),
        ("referer", referer),
        ("user_agent", user_agent),
        ("country", country),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!(" {name}=\"{}\"", text.escape_ascii()));
    let duration = duration_micros.map_or_else(String::new, |micros| format!(" {micros}us"));
    format!("{status} {bytes}B{duration}{}", texts.collect::<String>())
}

/// What the lines of `block` give, each behind its number; what only the end of the log gives, behind `end`.
fn numbered(name: &str, block: &[u8]) -> String {
    let mut format = format(name);
    let mut text = String::new();
    for (number, line) in (1..).zip(lines(block)) {
        format.read_line(line, &mut |_: &[u8], parsed: Parsed<'_>| text += &format!("{number}: {}\n", shown(&parsed)));
    }
    format.flush(&mut |_: &[u8], parsed: Parsed<'_>| text += &format!("end: {}\n", shown(&parsed)));
    text
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut logs: Vec<PathBuf> =
        files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    logs.sort();
    logs
}

#[test]
fn logs_give_what_is_expected() {
    let mut wrong = Vec::new();
    for name in names() {
        let logs = corpus(&name);
        assert!(!logs.is_empty(), "no log of {name}");
        for path in logs {
            let told = numbered(&name, &std::fs::read(&path).unwrap());
            let expected = path.with_extension("expected");
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(&expected, &told).unwrap();
            }
            let expected = std::fs::read_to_string(&expected).unwrap_or_default();
            let differs = told.lines().zip(expected.lines()).find(|(told, expected)| told != expected);
            if told != expected {
                wrong.push(format!("{}: {differs:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The sums of `whatsapp_bot/day.log` are known from where it was made.
#[test]
fn a_bots_day_adds_up() {
    let path = corpus("whatsapp_bot").into_iter().find(|path| path.ends_with("day.log")).unwrap();
    let told = numbered("whatsapp_bot", &std::fs::read(path).unwrap());
    let count = |word: &str| told.lines().filter(|line| line.contains(word)).count();
    let counts =
        [count(" incoming "), count(" outgoing "), count(" error traceback="), count(" critical traceback="), count("traceback=true")];
    assert_eq!(counts, DAY);
    assert_eq!(count("Malformed") + count(" none traceback="), 0);
}

/// Incoming, outgoing, errors, criticals, tracebacks.
const DAY: [usize; 5] = [360, 341, 13, 2, 3];

/// What `block` gives, read in one go or in pieces that end after the lines given by `cuts`, with a restart between them or not.
fn in_pieces(name: &str, block: &[u8], cuts: &[usize], restart: bool) -> Vec<String> {
    let mut format = format(name);
    let mut told = Vec::new();
    let mut rest = block;
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', block).map(|end| end + 1).collect();
    let mut cuts: Vec<usize> = cuts.iter().filter_map(|cut| ends.get(cut % ends.len().max(1)).copied()).chain([block.len()]).collect();
    cuts.sort_unstable();
    for cut in cuts {
        let (piece, after) = rest.split_at(cut - (block.len() - rest.len()));
        let count = format.read_block(piece, &mut |_: &[u8], parsed: Parsed<'_>| told.push(shown(&parsed)));
        assert_eq!(count, lines(piece).count() as u64);
        rest = after;
        if restart {
            let saved = serde_json::from_str(&format.save().to_string()).unwrap();
            format = self::format(name);
            format.load(&saved);
        }
    }
    format.flush(&mut |_: &[u8], parsed: Parsed<'_>| told.push(shown(&parsed)));
    told
}

/// What the lines of `block` give one by one. Each gives one record, after the one that it ended, if any.
fn one_by_one(name: &str, block: &[u8]) -> Vec<String> {
    let mut format = format(name);
    let mut told = Vec::new();
    for line in lines(block) {
        let was_open = format.is_open();
        let mut ended = Vec::new();
        format.read_line(line, &mut |given: &[u8], parsed: Parsed<'_>| {
            assert_eq!(given, line);
            ended.push(matches!(parsed, Parsed::Event(Stamped { event: Event::BotError(_), .. })));
            told.push(shown(&parsed));
        });
        match ended[..] {
            [false] => {}
            [true, false] => assert!(was_open),
            _ => panic!("{name} took {} as {ended:?}", line.escape_ascii()),
        }
    }
    let open = format.is_open();
    let mut ended = 0;
    format.flush(&mut |_: &[u8], parsed: Parsed<'_>| {
        ended += 1;
        told.push(shown(&parsed));
    });
    assert_eq!((ended, format.is_open()), (i32::from(open), false));
    told
}

#[test]
fn very_long_lines_are_lines() {
    for name in names() {
        for path in corpus(&name) {
            let log = std::fs::read(&path).unwrap();
            let Some(line) = lines(&log).find(|line| line.len() > 40) else { continue };
            let middle = line.len() / 2;
            for filler in ["a", "\"", "\\", "[", "{\"a\":", ":", " ", "\\u", "\0", "\u{1b}["] {
                let long = [&line[..middle], filler.repeat(1_000_000 / filler.len()).as_bytes(), &line[middle..], b"\n"].concat();
                let block = [&long, &log[..], &long].concat();
                assert_eq!(one_by_one(&name, &block), in_pieces(&name, &block, &[], false), "{name}, {filler:?}");
            }
        }
    }
}

/// Logs made of the corpus' lines, of changed ones, and of noise.
fn log() -> impl Strategy<Value = (String, Vec<u8>)> {
    prop::sample::select(names()).prop_flat_map(|name| {
        let known: Vec<Vec<u8>> =
            corpus(&name).iter().flat_map(|path| lines(&std::fs::read(path).unwrap()).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
        let known = prop::sample::select(known);
        let changed = (known.clone(), any::<prop::sample::Index>(), byte(), 0..4_u8).prop_map(|(mut line, place, byte, how)| {
            let place = place.index(line.len() + 1);
            match (how, line.get_mut(place)) {
                (0, _) => line.truncate(place),
                (1, _) => line.insert(place, byte),
                (2, _) => drop(line.drain(..place)),
                (_, Some(old)) => *old = byte,
                (_, None) => {}
            }
            line
        });
        let line = prop_oneof![4 => known, 4 => changed, 1 => prop::collection::vec(any::<u8>(), 0..80), 1 => prop::collection::vec(byte(), 0..80)];
        let block = prop::collection::vec(line, 0..40).prop_map(|lines| lines.join(&b'\n'));
        (Just(name), block)
    })
}

fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), prop::sample::select(b"\"\\ []{}:,-\n\r\x00\x1bu0".to_vec())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_a_log_is_cut_it_tells_the_same((name, block) in log(), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let told = one_by_one(&name, &block);
        prop_assert_eq!(&in_pieces(&name, &block, &[], false), &told);
        prop_assert_eq!(&in_pieces(&name, &block, &cuts, false), &told);
        prop_assert_eq!(&in_pieces(&name, &block, &cuts, true), &told);
    }
}

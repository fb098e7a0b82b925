//! Any bytes through any format: the first byte names the format, the second says where the log is cut; the rest is the log.
//! It must be read without a panic, and tell the same in one piece and in two with a restart between them.

#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use hostwarden::event::Timestamp;
use hostwarden::formats::{self, Format, Parsed, custom, lines, nginx_json};
use hostwarden::privacy::{ClientMode, Privacy, SenderMode};
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;

static CUSTOM: LazyLock<BTreeMap<String, custom::Config>> = LazyLock::new(|| {
    let config = |kind: &str, line: &str, phrase: &str| custom::Config {
        kind: kind.to_owned(),
        line: line.to_owned(),
        incoming: phrase.to_owned(),
        ..custom::Config::default()
    };
    let web = config("http", r#"^(?<time>\S+) (?<client>\S+) "(?<request>[^"]*)" (?<status>\d+)(?: (?<user_agent>.*))?$"#, "");
    let bot = config("bot", r"^(?<time>.{19}) (?<level>[A-Z]+) (?<message>.*)$", r"^in (?<sender>\S+)");
    BTreeMap::from([("web".to_owned(), web), ("bot".to_owned(), bot)])
});
static FIELDS: LazyLock<nginx_json::Fields> = LazyLock::new(nginx_json::Fields::default);
static PRIVACY: LazyLock<Arc<Privacy>> = LazyLock::new(|| Arc::new(Privacy::new(SenderMode::Hash, ClientMode::Full, b"salt", 160)));

fn format(number: u8) -> Box<dyn Format> {
    let options = formats::Options { privacy: PRIVACY.clone(), zone: &|| TimeZone::UTC, reference: Timestamp::from_secs(1_795_255_200), nginx_json: &FIELDS, custom: &CUSTOM };
    let names: Vec<&str> = formats::NAMES.into_iter().chain(["custom.web", "custom.bot"]).collect();
    formats::by_name(names[usize::from(number) % names.len()], &options).unwrap()
}

fn tell(told: &mut Vec<String>) -> impl FnMut(&[u8], Parsed<'_>) {
    |_, parsed| told.push(format!("{parsed:?}"))
}

fuzz_target!(|input: &[u8]| {
    let [number, cut, log @ ..] = input else { return };
    let mut whole = Vec::new();
    let mut reader = format(*number);
    let count = reader.read_block(log, &mut tell(&mut whole));
    assert_eq!(count, lines(log).count() as u64);
    reader.flush(&mut tell(&mut whole));

    let ends = log.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let (before, after) = log.split_at(ends.take(usize::from(*cut)).last().unwrap_or(0));
    let mut cut = Vec::new();
    let mut reader = format(*number);
    reader.read_block(before, &mut tell(&mut cut));
    let saved = serde_json::from_str(&reader.save().to_string()).unwrap();
    let mut reader = format(*number);
    reader.load(&saved);
    reader.read_block(after, &mut tell(&mut cut));
    reader.flush(&mut tell(&mut cut));
    assert_eq!(whole, cut);
});

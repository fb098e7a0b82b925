//! Joins and leaves of game servers, as their scripts append them to a CSV file.
//!
//! A header names the columns, in any order; without one they are `time,event,name,ip,key,server`. Fields are divided by `,` `;` or a tab,
//! and may be quoted (RFC 4180). The key by which a server knows a player again is turned into a pseudonym here and goes no further. Let
//! the script quote names: a name with a line break would begin a record of its own.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::timestamps::AnyClock;
use super::{Format, Parsed, Sink};
use crate::event::{Event, PlayerChange, PlayerEvent, Stamped};
use crate::privacy::Privacy;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Column {
    Time,
    Event,
    Name,
    Client,
    Key,
    Server,
    Other,
}

/// The columns of a file without a header.
const USUAL: [Column; 6] = [Column::Time, Column::Event, Column::Name, Column::Client, Column::Key, Column::Server];

/// What columns are called; each is known by its first name.
const NAMES: [(Column, &[&str]); 6] = [
    (Column::Time, &["time", "timestamp", "ts", "date", "datetime", "at"]),
    (Column::Event, &["event", "action", "type"]),
    (Column::Name, &["name", "player", "nick", "nickname", "player_name"]),
    (Column::Client, &["ip", "address", "client", "addr", "ip_address"]),
    (Column::Key, &["key", "cdkey", "cd_key", "hash", "guid", "id", "key_hash", "cdkey_hash", "player_id", "steamid"]),
    (Column::Server, &["server", "port", "map", "server_name"]),
];

const JOINS: [&str; 7] = ["join", "joined", "connect", "connected", "enter", "login", "+"];
const LEAVES: [&str; 15] = [
    "leave",
    "left",
    "quit",
    "part",
    "disconnect",
    "disconnected",
    "exit",
    "logout",
    "drop",
    "dropped",
    "kick",
    "kicked",
    "ban",
    "timeout",
    "-",
];
const RESTARTS: [&str; 8] = ["start", "started", "stop", "stopped", "restart", "shutdown", "server_start", "server_stop"];

/// More columns than this are no header of ours.
const MAX_COLUMNS: usize = 32;

/// The format's state.
pub struct PlayersCsv {
    privacy: Arc<Privacy>,
    clock: AnyClock,
    header: Option<Header>,
    /// The fields of the line at hand, freed from quotes, one behind the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// What the file's own header said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    separator: u8,
    columns: Vec<Column>,
}

impl PlayersCsv {
    /// Nothing read yet. Times without an offset are wall-clock times of `zone`.
    pub fn new(privacy: Arc<Privacy>, zone: TimeZone) -> Self {
        Self { privacy, clock: AnyClock::new(zone), header: None, text: Vec::new(), ends: Vec::new() }
    }

    fn parse(&mut self, line: &[u8]) -> Parsed<'_> {
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            return Parsed::Skip;
        }
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        if let Some(header) = self.read_header(line) {
            self.header = Some(header);
            return Parsed::Skip;
        }
        if !self.split(line, self.header.as_ref().map_or_else(|| first_separator(line), |header| header.separator)) {
            return Parsed::Malformed("open_quote");
        }
        self.record()
    }

    /// The line as a header, if it names a time and an event.
    fn read_header(&mut self, line: &[u8]) -> Option<Header> {
        let separator = first_separator(line);
        let is_likely = line.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'"');
        if !is_likely || !self.split(line, separator) || self.ends.len() > MAX_COLUMNS {
            return None;
        }
        let columns: Vec<Column> = (0..self.ends.len()).map(|index| column(self.field(index))).collect();
        (columns.contains(&Column::Time) && columns.contains(&Column::Event)).then_some(Header { separator, columns })
    }

    /// Divides a line; false if a quote is not closed.
    fn split(&mut self, line: &[u8], separator: u8) -> bool {
        self.text.clear();
        self.ends.clear();
        let mut bytes = line.iter().copied().peekable();
        loop {
            let mut is_open = bytes.next_if_eq(&b'"').is_some();
            loop {
                match bytes.next() {
                    Some(b'"') if is_open => {
                        // Two quotes are one; a single one closes.
                        is_open = bytes.next_if_eq(&b'"').is_some();
                        self.text.extend(is_open.then_some(b'"'));
                    }
                    None if is_open => return false,
                    None => {
                        self.ends.push(self.text.len());
                        return true;
                    }
                    Some(byte) if byte == separator && !is_open => break,
                    Some(byte) => self.text.push(byte),
                }
            }
            self.ends.push(self.text.len());
        }
    }

    fn field(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(index).and_then(|end| self.text.get(start..*end)).unwrap_or_default().trim_ascii()
    }

    fn of(&self, column: Column) -> &[u8] {
        let columns = self.header.as_ref().map_or(USUAL.as_slice(), |header| &header.columns);
        columns.iter().position(|known| *known == column).map_or(b"".as_slice(), |index| self.field(index))
    }

    fn record(&mut self) -> Parsed<'_> {
        let mut clock = self.clock.clone();
        let Some(at) = clock.parse(self.of(Column::Time)) else { return Parsed::Malformed("bad_time") };
        self.clock = clock;
        let event = self.of(Column::Event);
        let is_one_of = |words: &[&str]| words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(event));
        let change = match () {
            () if is_one_of(&JOINS) => PlayerChange::Join,
            () if is_one_of(&LEAVES) => PlayerChange::Leave,
            () if is_one_of(&RESTARTS) => PlayerChange::Restart,
            () => return Parsed::Skip,
        };
        let (name, client) = (self.of(Column::Name), without_port(self.of(Column::Client)));
        let key = [self.of(Column::Key), client, name].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let player = self.privacy.player(key);
        if player.is_none() && change != PlayerChange::Restart {
            return Parsed::Malformed("no_player");
        }
        let event = PlayerEvent { change, server: self.of(Column::Server), name, client, player };
        Parsed::Event(Stamped { at, event: Event::Player(event) })
    }
}

impl Format for PlayersCsv {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let parsed = self.parse(line);
        sink.take(line, parsed);
    }

    fn save(&self) -> Value {
        serde_json::to_value(&self.header).unwrap_or_default()
    }

    fn load(&mut self, saved: &Value) {
        self.header = Header::deserialize(saved).ok().filter(|header| header.columns.len() <= MAX_COLUMNS);
    }
}

/// The first separator of a line divides its first field, a time or a column's name, in which no other stands.
fn first_separator(line: &[u8]) -> u8 {
    line.iter().copied().find(|byte| matches!(byte, b',' | b';' | b'\t')).unwrap_or(b',')
}

fn column(name: &[u8]) -> Column {
    let is_called = |names: &[&str]| names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
    NAMES.iter().find(|(_, names)| is_called(names)).map_or(Column::Other, |(column, _)| *column)
}

/// `203.0.113.7:28960` and `[2001:db8::1]:28960`, as game servers write them.
fn without_port(address: &[u8]) -> &[u8] {
    if let Some(inner) = address.strip_prefix(b"[") {
        return inner.split(|&byte| byte == b']').next().unwrap_or(inner);
    }
    match memchr::memchr(b':', address) {
        Some(colon) if memchr::memrchr(b':', address) == Some(colon) => &address[..colon],
        _ => address,
    }
}

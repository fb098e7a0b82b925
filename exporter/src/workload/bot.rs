//! A bot's log: customers who write and get replies (or not), chatter, errors, tracebacks, and a new kind of error now and then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;
use std::time::Duration;

use super::random::{Random, identifier, mixed};
use super::stamps;
use crate::event::Timestamp;

/// Different customers, unless told otherwise.
const CUSTOMERS: u64 = 300;

/// How many errors of each sort there are for a hundred messages in.
const ERRORS: f64 = 5.0;
const TRACEBACKS: f64 = 3.0;
const NEW_KINDS: f64 = 1.0;
const CRITICALS: f64 = 1.5;
const CHATTER: f64 = 110.0;

/// What a written record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Record {
    /// A message from this customer.
    Incoming(u64),
    /// A message to this customer.
    Outgoing(u64),
    /// A record that says nothing counted.
    Chatter,
    /// An `ERROR` of one line.
    Error,
    /// An `ERROR` with a traceback.
    Traceback,
    /// The same, of a kind that was not there before (until the words run out).
    NewKind,
    /// A `CRITICAL` of one line.
    Critical,
}

/// Makes a bot's log up. Times are in whole milliseconds, UTC.
pub struct Bot {
    random: Random,
    /// Messages in per second, on the mean.
    rate: f64,
    /// What comes next, soonest first. Messages and each sort of other record put their own next one here.
    queue: BinaryHeap<Reverse<(Timestamp, Record)>>,
    distinct: Option<u64>,
    customers: u64,
    kinds: u64,
}

impl Bot {
    /// About `rate` incoming messages per second from `start` on. With `distinct` customers, each message comes from the next of them.
    pub fn new(seed: u64, rate: f64, start: Timestamp, distinct: Option<u64>) -> Self {
        let mut bot = Self { random: Random::new(seed), rate, queue: BinaryHeap::new(), distinct, customers: 0, kinds: 0 };
        // Each sort once within the first half minute, so that whoever watches sees all of them soon.
        let firsts = [
            (Record::Incoming(0), 500),
            (Record::Chatter, 1_000),
            (Record::Error, 6_000),
            (Record::Traceback, 11_000),
            (Record::Critical, 17_000),
            (Record::NewKind, 23_000),
        ];
        bot.queue.extend(firsts.map(|(record, millis)| Reverse((start.plus(Duration::from_millis(millis)), record))));
        bot
    }

    /// When the next record is written.
    pub fn due(&self) -> Timestamp {
        self.queue.peek().map_or(Timestamp::from_micros(i64::MAX), |Reverse((at, _))| *at)
    }

    /// Moves what would have come before `now` to `now`.
    pub(super) fn skip_to(&mut self, now: Timestamp) {
        let queue = std::mem::take(&mut self.queue);
        self.queue = queue.into_iter().map(|Reverse((at, record))| Reverse((at.max(now), record))).collect();
    }

    /// Writes the record that is due, and tells what it was and when.
    pub fn step(&mut self, out: &mut Vec<u8>) -> Option<(Timestamp, Record)> {
        let Reverse((at, record)) = self.queue.pop()?;
        match record {
            Record::Incoming(customer) => {
                self.write_incoming(out, at, customer);
                self.reply_and_next(at, customer);
            }
            Record::Outgoing(customer) => self.write_outgoing(out, at, customer),
            Record::Chatter => self.repeat(at, record, CHATTER, |bot| bot.write_chatter(out, at)),
            Record::Error => self.repeat(at, record, ERRORS, |bot| bot.write_error(out, at)),
            Record::Traceback => self.repeat(at, record, TRACEBACKS, |bot| {
                let kind = bot.random.pick(EXCEPTIONS);
                bot.write_traceback(out, at, kind);
            }),
            Record::NewKind => self.repeat(at, record, NEW_KINDS, |bot| {
                let kind = new_kind(bot.kinds);
                bot.kinds += 1;
                bot.write_traceback(out, at, &kind);
            }),
            Record::Critical => self.repeat(at, record, CRITICALS, |bot| bot.write_critical(out, at)),
        }
        Some((at, record))
    }

    /// Writes a record and puts the next of its sort in the queue: `per_hundred` of them for a hundred messages.
    fn repeat(&mut self, at: Timestamp, record: Record, per_hundred: f64, write: impl FnOnce(&mut Self)) {
        write(self);
        let gap = self.random.exponential(100.0 / (per_hundred * self.rate));
        self.put(at, gap, record);
    }

    fn put(&mut self, at: Timestamp, secs: f64, record: Record) {
        let millis = (secs * 1_000.0).clamp(1.0, 3.6e6) as u64;
        self.queue.push(Reverse((at.plus(Duration::from_millis(millis)), record)));
    }

    fn reply_and_next(&mut self, at: Timestamp, customer: u64) {
        // One in twenty waits for ever; most replies take about a second, some need a slow service.
        if self.random.chance(0.95) {
            let slow = if self.random.chance(0.1) { 4.0 } else { 1.0 };
            let secs = (0.3 + self.random.skewed(0.7) * slow).min(8.0);
            self.put(at, secs, Record::Outgoing(customer));
        }
        let next = match self.distinct {
            Some(distinct) => self.customers % distinct.max(1),
            // Half of the messages belong to a talk that is under way.
            None if self.random.chance(0.5) => customer,
            None => self.random.below(CUSTOMERS),
        };
        self.customers += 1;
        let gap = self.random.exponential(1.0 / self.rate);
        self.put(at, gap, Record::Incoming(next));
    }

    fn write_front(&mut self, out: &mut Vec<u8>, at: Timestamp, level: &str, logger: &str) {
        stamps::write_python(out, at);
        // Writing to memory does not fail.
        write!(out, " [{level}] {logger} ({}): ", 30 + self.random.below(3)).unwrap_or_default();
    }

    fn write_incoming(&mut self, out: &mut Vec<u8>, at: Timestamp, customer: u64) {
        self.write_front(out, at, "INFO", "bot.webhook");
        let (sid, name, text) = (self.random.any(), NAMES[(mixed(customer) % NAMES.len() as u64) as usize], self.random.pick(QUESTIONS));
        let number = number(customer);
        writeln!(out, "Incoming message from whatsapp:+{number} sid=SM{sid:016x}{:016x} profile=\"{name}\" body=\"{text}\"", mixed(sid))
            .unwrap_or_default();
    }

    fn write_outgoing(&mut self, out: &mut Vec<u8>, at: Timestamp, customer: u64) {
        self.write_front(out, at, "INFO", "bot.twilio");
        let (sid, text) = (self.random.any(), self.filled(ANSWERS));
        writeln!(out, "Outgoing message to whatsapp:+{} sid=SM{sid:016x}{:016x} body=\"{text}\"", number(customer), mixed(sid))
            .unwrap_or_default();
    }

    fn write_chatter(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        let (level, logger) =
            self.random.pick(&[("INFO", "bot.orders"), ("DEBUG", "bot.session"), ("DEBUG", "bot.redis"), ("WARNING", "bot.twilio")]);
        self.write_front(out, at, level, logger);
        let text = self.filled(if level == "WARNING" { WARNINGS } else { NOTES });
        writeln!(out, "{text}").unwrap_or_default();
    }

    fn write_error(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        self.write_front(out, at, "ERROR", "bot.sql");
        let text = self.filled(ERROR_LINES);
        writeln!(out, "{text}").unwrap_or_default();
    }

    fn write_critical(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        self.write_front(out, at, "CRITICAL", "bot.main");
        let text = self.filled(CRITICAL_LINES);
        writeln!(out, "{text}").unwrap_or_default();
    }

    fn write_traceback(&mut self, out: &mut Vec<u8>, at: Timestamp, exception: &str) {
        self.write_front(out, at, "ERROR", "bot.webhook");
        out.extend_from_slice(b"unhandled exception while processing a message\nTraceback (most recent call last):\n");
        for (file, function, code) in FRAMES.iter().take(1 + self.random.below(FRAMES.len() as u64) as usize) {
            let line = 20 + self.random.below(400);
            writeln!(out, "  File \"/app/bot/{file}.py\", line {line}, in {function}\n    {code}").unwrap_or_default();
        }
        writeln!(out, "{exception}").unwrap_or_default();
    }

    /// One of the texts, with an identifier for `{}`.
    fn filled(&mut self, texts: &[&str]) -> String {
        let text = self.random.pick(texts);
        let mut id = String::new();
        identifier(self.random.any(), 8, &mut id);
        text.replace("{}", &id)
    }
}

/// Customer number `customer` as a phone number: no two alike below 10^8.
fn number(customer: u64) -> u64 {
    // The factor is divisible by neither 2 nor 5, so that no two meet; in Spain, mobile numbers begin with 6.
    34_600_000_000 + customer * 7_654_361 % 100_000_000
}

/// Error number `n` of a kind not seen before: words, since numbers do not make a kind. Begins again after 512.
fn new_kind(n: u64) -> String {
    const PARTS: [&str; 8] = ["Order", "Menu", "Payment", "Address", "Coupon", "Driver", "Session", "Invoice"];
    const FAULTS: [&str; 8] = ["Missing", "Expired", "Locked", "Duplicate", "Unreadable", "Refused", "Stale", "Oversized"];
    const DOINGS: [&str; 8] = ["loading", "saving", "printing", "checking", "sending", "merging", "pricing", "closing"];
    let of = |words: [&'static str; 8], n: u64| words[(n % 8) as usize];
    let (part, fault, doing) = (of(PARTS, n), of(FAULTS, n / 8), of(DOINGS, n / 64));
    format!("panchi.errors.{part}{fault}: while {doing} what the customer asked for")
}

const NAMES: &[&str] = &["Ana", "Luis G.", "María José", "Pepe 🍕", "J. Pérez", "Lucía", "el Chino", "Noa"];

const QUESTIONS: &[&str] = &[
    "hola",
    "Hola, quiero hacer un pedido",
    "2 pollos y una ración de patatas",
    "cuánto tarda?",
    "1",
    "confirmar",
    "gracias!",
    "ya pagué",
    "👍",
    "quiero hablar con una persona",
    "menu",
];

const ANSWERS: &[&str] = &[
    "¡Hola! ¿Qué deseas pedir hoy?",
    "Aquí tienes tu menú: https://shop.example.org/menu/{}",
    "Tu enlace de pago: https://shop.example.org/pago/{}",
    "Pedido confirmado. Tiempo estimado: 35 minutos.",
    "No te he entendido, responde con un número del menú.",
    "Sigue tu pedido aquí: https://shop.example.org/t/{}",
];

const NOTES: &[&str] =
    &["session state=MENU key=sess:{} ttl=1800", "GET order:{} -> hit", "order {} stored", "worker heartbeat ok queue=0"];

const WARNINGS: &[&str] = &["slow response from Twilio API: 2310ms", "retrying send of {} (1/3)"];

const ERROR_LINES: &[&str] = &[
    "could not save order {}: deadlock victim, retry 1/3",
    "menu {} is not in the cache and the database did not answer",
    "webhook signature of {} does not match",
];

const CRITICAL_LINES: &[&str] = &["database connection pool exhausted", "redis has been unreachable for 30 s, sessions are lost"];

const EXCEPTIONS: &[&str] = &[
    "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused.",
    "pyodbc.OperationalError: ('08S01', '[08S01] [Microsoft][ODBC Driver 18 for SQL Server]TCP Provider: Error code 0x68 (104)')",
    "KeyError: 'MessageSid'",
    "twilio.base.exceptions.TwilioRestException: HTTP 429 error: Unable to create record: Too Many Requests",
    "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
];

const FRAMES: &[(&str, &str, &str)] = &[
    ("webhook", "handle", "reply = flow.dispatch(message)"),
    ("flow", "dispatch", "return self.states[state](message)"),
    ("orders", "save", "db.execute(INSERT_ORDER, order)"),
    ("db", "execute", "return self.cursor.execute(sql, params)"),
];

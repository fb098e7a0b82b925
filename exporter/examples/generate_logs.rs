//! Writes a log of any size, made up by the demo's own workload, and prints the truth about it as JSON: for benchmarks and checks.
//!
//! `cargo run --release --example generate_logs -- combined --lines 2000000 --output access.log > access.truth.json`
#![allow(clippy::print_stdout, reason = "the truth goes to stdout")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use hostwarden::event::Timestamp;
use hostwarden::workload::bot::Record;
use hostwarden::workload::web::Request;
use hostwarden::workload::{Bot, Web};
use serde_json::{Value, json};

/// The lines spread over about a day.
const DAY_SECS: f64 = 86_400.0;
/// Lines that a bot writes for each message that it takes in, counted over a long log.
const BOT_LINES_PER_MESSAGE: f64 = 3.4;

#[derive(Parser)]
struct Arguments {
    /// What to write.
    kind: Kind,
    /// How many lines; a bot's last record may add some.
    #[arg(long)]
    lines: u64,
    /// The same seed gives the same log.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Every request or message from the next of so many clients or senders, instead of a believable crowd (up to 10,000,000).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    distinct: Option<u64>,
    /// Seconds since 1970 at which the log begins.
    #[arg(long, default_value_t = 1_795_132_800)]
    start: i64,
    /// Where to.
    #[arg(long)]
    output: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// nginx's combined format with `$request_time`.
    Combined,
    /// nginx's log as JSON.
    Json,
    /// A bot's log.
    Bot,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&arguments.output)?);
    let truth = match arguments.kind {
        Kind::Combined => web(&arguments, &mut out, Request::write_combined)?,
        Kind::Json => web(&arguments, &mut out, Request::write_json)?,
        Kind::Bot => bot(&arguments, &mut out)?,
    };
    out.flush()?;
    println!("{truth:#}");
    Ok(())
}

fn web(arguments: &Arguments, out: &mut impl Write, write: fn(&Request, &mut Vec<u8>)) -> io::Result<Value> {
    let rate = arguments.lines as f64 / DAY_SECS;
    let mut web = Web::new(arguments.seed, rate, Timestamp::from_secs(arguments.start), arguments.distinct);
    let (mut log_bytes, mut response_bytes, mut millis_sum) = (0, 0, 0);
    let (mut methods, mut statuses, mut requests, mut sites) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut clients = HashSet::new();
    let mut line = Vec::new();
    for _ in 0..arguments.lines {
        let request = web.step();
        line.clear();
        write(request, &mut line);
        out.write_all(&line)?;
        log_bytes += line.len() as u64;
        response_bytes += request.bytes;
        millis_sum += request.millis;
        *methods.entry(request.method).or_insert(0_u64) += 1;
        *statuses.entry(request.status).or_insert(0_u64) += 1;
        *sites.entry(request.site).or_insert(0_u64) += 1;
        *requests.entry((request.method, request.status)).or_insert(0_u64) += 1;
        clients.insert(request.client);
    }
    let requests: BTreeMap<String, u64> = requests.into_iter().map(|((method, status), n)| (format!("{method} {status}"), n)).collect();
    Ok(json!({
        "lines": arguments.lines, "log_bytes": log_bytes, "response_bytes": response_bytes, "request_time_ms_sum": millis_sum,
        "methods": methods, "statuses": statuses, "requests": requests, "sites": sites, "distinct_clients": clients.len(),
    }))
}

fn bot(arguments: &Arguments, out: &mut impl Write) -> io::Result<Value> {
    let rate = arguments.lines as f64 / DAY_SECS / BOT_LINES_PER_MESSAGE;
    let mut bot = Bot::new(arguments.seed, rate, Timestamp::from_secs(arguments.start), arguments.distinct);
    let (mut lines, mut log_bytes) = (0_u64, 0_u64);
    let (mut incoming, mut outgoing, mut errors, mut criticals, mut tracebacks) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    let (mut replies, mut reply_micros_sum) = (0_u64, 0_i64);
    // Who waits, since when: each waiting message is answered by the next one out.
    let mut waiting: HashMap<u64, Vec<Timestamp>> = HashMap::new();
    let mut senders = HashSet::new();
    let mut record = Vec::new();
    while lines < arguments.lines {
        record.clear();
        let Some((at, kind)) = bot.step(&mut record) else { break };
        out.write_all(&record)?;
        lines += record.iter().filter(|&&byte| byte == b'\n').count() as u64;
        log_bytes += record.len() as u64;
        match kind {
            Record::Incoming(sender) => {
                incoming += 1;
                senders.insert(sender);
                waiting.entry(sender).or_default().push(at);
            }
            Record::Outgoing(sender) => {
                outgoing += 1;
                for since in waiting.remove(&sender).unwrap_or_default() {
                    replies += 1;
                    reply_micros_sum += at.micros() - since.micros();
                }
            }
            Record::Chatter => {}
            Record::Error => errors += 1,
            Record::Critical => criticals += 1,
            Record::Traceback | Record::NewKind => {
                errors += 1;
                tracebacks += 1;
            }
        }
    }
    Ok(json!({
        "lines": lines, "log_bytes": log_bytes, "incoming": incoming, "outgoing": outgoing, "errors": errors, "criticals": criticals,
        "tracebacks": tracebacks, "replies": replies, "reply_ms_sum": reply_micros_sum / 1_000, "distinct_senders": senders.len(),
    }))
}

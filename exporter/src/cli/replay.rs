//! `replay`: whole logs through the same engine, with the time in the log, no network and no state.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, whole_logs};
use crate::batch::{Batch, Status};
use crate::clock;
use crate::config::Config;
use crate::engine::{Action, Engine, Input, Query, Setup, SourceSetup, SourceView, Subject, Window};
use crate::event::Timestamp;
use crate::finding::Finding;
use crate::metrics::Exposition;
use crate::metrics::hour_window::QUANTILES;
use crate::setup;
use crate::subject::TrustedProxies;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How the lines are written: a format's name.
    #[arg(long)]
    format: String,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Logs, oldest first; `-` is stdin; .gz and .zst are unpacked.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A summary for people.
    Text,
    /// The findings, one a line.
    Json,
    /// The /metrics page.
    Metrics,
}

pub(super) fn run(config: Config, arguments: &Arguments) -> Result<(), Failure> {
    let mut engine = engine(&config, &arguments.format, "replay")?;
    let now = clock::now();
    let mut findings = Found::default();
    let mut out = std::io::stdout().lock();
    let bar = progress(&arguments.files);
    for path in &arguments.files {
        let told = bar.clone();
        let log = whole_logs::open(path, move |bytes| told.add(bytes))?;
        let batches = whole_logs::batches(log, |lines, cut_lines, read_bytes| {
            // Never caught up: then the engine would want to save what it knows.
            let status = Status { up: true, files: 1, ..Status::default() };
            let batch = Batch { lines, read_bytes, cut_lines, status, ..Batch::default() };
            let mut buffer = Vec::new();
            for action in engine.step(now, Input::Lines(batch)) {
                match action {
                    Action::Recycle(bytes) => buffer = bytes,
                    Action::Finding(finding) => keep(&mut findings, &finding, arguments.output, &mut out)?,
                    _ => {}
                }
            }
            Ok(buffer)
        });
        batches.map_err(|error| error.context(format!("replay {}", path.display())))?;
    }
    for action in engine.flush(now) {
        if let Action::Finding(finding) = action {
            keep(&mut findings, &finding, arguments.output, &mut out)?;
        }
    }
    bar.finish();
    match arguments.output {
        Output::Text => out.write_all(summary(&mut engine, &findings).as_bytes())?,
        Output::Json => {}
        Output::Metrics => out.write_all(engine.page(end_of_log(&engine).unwrap_or(now), 0).render(Exposition::Text).as_bytes())?,
    }
    // The process ends: what it knows need not be taken apart piece by piece.
    std::mem::forget(engine);
    Ok(())
}

/// An engine with one source and nothing saved.
pub(super) fn engine(config: &Config, format: &str, name: &str) -> Result<Engine, Failure> {
    let privacy = Arc::new(setup::privacy(&config.privacy, &setup::random_key()?));
    let source = SourceSetup {
        name: name.to_owned(),
        pattern: name.to_owned(),
        format_name: format.to_owned(),
        format: setup::format(config, format, None, &privacy).map_err(Failure::Usage)?,
        about: setup::about(config, format),
    };
    let proxies = TrustedProxies::new(config.web.trusted_proxies.clone());
    let mut offline = config.clone();
    // No network: who claims to be a bot is not asked for.
    offline.policy.never_ban.reverse_dns = false;
    let detection = setup::detection(&offline).map_err(|problems| Failure::Usage(super::bad_configuration(&problems)))?;
    Ok(Engine::new(Setup {
        sources: vec![source],
        proxies,
        privacy,
        detection,
        feed: None,
        probes: Vec::new(),
        build: setup::BUILD,
        saved: Default::default(),
        set_aside: false,
        first_writes: Vec::new(),
    }))
}

/// Clients named in the summary.
const TOP_CLIENTS: usize = 10;
/// Findings in the summary; of more it gives the number.
const MAX_FINDINGS: usize = 20;

/// What was found, for the summary.
#[derive(Default)]
struct Found {
    first: Vec<Finding>,
    by_detector: BTreeMap<String, u64>,
}

fn keep(findings: &mut Found, finding: &Finding, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    *findings.by_detector.entry(finding.detector.clone()).or_default() += 1;
    if output == Output::Json {
        serde_json::to_writer(&mut *out, finding)?;
        out.write_all(b"\n")?;
    } else if findings.first.len() < MAX_FINDINGS {
        findings.first.push(finding.clone());
    }
    Ok(())
}

fn end_of_log(engine: &Engine) -> Option<Timestamp> {
    engine.subjects().filter_map(|(view, _)| view.last_record).max()
}

fn summary(engine: &mut Engine, findings: &Found) -> String {
    let mut text = String::new();
    let now = end_of_log(engine).unwrap_or_default();
    for (view, subject) in engine.subjects() {
        text.push_str(&lines(&view));
        match subject {
            Subject::Web(http) => {
                text.push_str(&row("status", counts(&http.by_code())));
                text.push_str(&row("method", counts(&http.by_method())));
                text.push_str(&row("bytes sent", http.response_bytes().to_string()));
                text.push_str(&row("request time, last hour", quantiles(http.quantiles(now))));
                text.push_str(&row("attacks", counts(&http.by_class())));
            }
            Subject::Bot(bot) => {
                let [incoming, outgoing] = bot.metrics.messages();
                text.push_str(&row(
                    "messages",
                    format!("{incoming} incoming, {outgoing} outgoing, {} replies paired", bot.metrics.replies()),
                ));
                text.push_str(&row("reply time, last hour", quantiles(bot.metrics.quantiles(now))));
                text.push_str(&row("errors", format!("{}, {} kinds", counts(&bot.metrics.errors()), bot.metrics.new_error_kinds())));
            }
            Subject::Ssh(ssh) => text.push_str(&row("attempts", counts(&ssh.metrics.attempts()))),
            Subject::Firewall(firewall) => {
                text.push_str(&row("action", counts(&firewall.metrics.by_action())));
                text.push_str(&row("protocol", counts(&firewall.metrics.by_protocol())));
            }
            Subject::WebErrors(errors) => text.push_str(&row("errors", counts(&errors.by_kind()))),
            Subject::Players(players) => {
                let [joins, leaves, returns] = players.metrics.totals();
                text.push_str(&row("players", format!("{joins} joins, {leaves} leaves, {returns} by who had been here before")));
            }
        }
    }
    text.push_str(&top_clients(engine, now));
    let by_detector: Vec<(&str, u64)> = findings.by_detector.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    text.push_str(&row("findings", counts(&by_detector)));
    for finding in &findings.first {
        let at = finding.at.to_rfc3339().unwrap_or_default();
        text.push_str(&row("finding", format!("{} {at} {}", finding.severity.as_str(), finding.summary)));
    }
    let more = findings.by_detector.values().sum::<u64>() - findings.first.len() as u64;
    if more > 0 {
        text.push_str(&row("finding", format!("{more} more; --output json gives all")));
    }
    text
}

/// The clients with the highest scores at the end of the log, and why.
fn top_clients(engine: &mut Engine, now: Timestamp) -> String {
    let window = Window { offset: 0, limit: Some(TOP_CLIENTS) };
    let answer = engine.query(now, &Query::Clients(window)).unwrap_or_default();
    let client = |client: &serde_json::Value| {
        let name = client["client"].as_str().unwrap_or_default();
        let country = client["country"].as_str().unwrap_or_default();
        let kinds = client["kinds"].as_object().into_iter().flatten();
        let kinds: Vec<String> = kinds.map(|(kind, times)| format!("{kind} {times}")).collect();
        row("client", format!("{name} ({country}), score {}: {}", client["score"], kinds.join(", ")))
    };
    answer["clients"].as_array().into_iter().flatten().map(client).collect()
}

fn lines(view: &SourceView) -> String {
    let until = view.last_record.and_then(Timestamp::to_rfc3339);
    let fits_nothing = view.malformed > 0 && view.parsed + view.skipped == 0;
    let remark = || row("remark", format!("no line fits {0}: hostwarden explain --format {0} says why", view.format));
    row("lines", view.lines.to_string())
        + &fits_nothing.then(remark).unwrap_or_default()
        + &row("records", format!("{} parsed, {} skipped, {} malformed", view.parsed, view.skipped, view.malformed))
        + &row("last record", until.unwrap_or_else(|| "none".to_owned()))
}

fn row(name: &str, value: String) -> String {
    format!("{name:<24} {value}\n")
}

fn counts(counts: &[(&str, u64)]) -> String {
    let shown: Vec<String> = counts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

fn quantiles(quantiles: Option<[f64; 3]>) -> String {
    let Some(seconds) = quantiles else { return "none".to_owned() };
    QUANTILES
        .iter()
        .zip(seconds)
        .map(|((quantile, _), seconds)| format!("p{:.0} {seconds:.3} s", quantile * 100.0))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Counts bytes on a bar; draws it seldom, since every call from the hot path counts.
#[derive(Clone)]
struct Progress {
    bar: ProgressBar,
    undrawn: Rc<Cell<u64>>,
}

/// Bytes between two drawings.
const DRAW_BYTES: u64 = 8 << 20;

impl Progress {
    fn add(&self, bytes: u64) {
        let undrawn = self.undrawn.get() + bytes;
        if undrawn < DRAW_BYTES {
            return self.undrawn.set(undrawn);
        }
        self.undrawn.set(0);
        self.bar.inc(undrawn);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar on a terminal, none elsewhere; a spinner if a size is not known.
fn progress(files: &[PathBuf]) -> Progress {
    let undrawn = Rc::default();
    if !std::io::stderr().is_terminal() {
        return Progress { bar: ProgressBar::hidden(), undrawn };
    }
    let sizes: Option<u64> = files.iter().map(|path| std::fs::metadata(path).ok().map(|metadata| metadata.len())).sum();
    let bar = match sizes {
        Some(size) => ProgressBar::new(size),
        None => ProgressBar::new_spinner(),
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    Progress { bar, undrawn }
}

//! `explain`: one JSON object per record on stdout, so that a user sees why a line counts as what.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Failure, events, replay, whole_logs};
use crate::batch::Batch;
use crate::classify::Classifier;
use crate::clock;
use crate::config::Config;
use crate::engine::{Action, Engine, Input};
use crate::event::Event;
use crate::finding::Finding;
use crate::formats::{self, Format, Parsed};
use crate::privacy::Privacy;
use crate::setup;
use crate::subject::TrustedProxies;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How the lines are written: a format's name.
    #[arg(long)]
    format: String,
    /// The log; without it, or as `-`, stdin.
    file: Option<PathBuf>,
}

pub(super) fn run(config: Config, arguments: &Arguments) -> Result<(), Failure> {
    let privacy = Arc::new(setup::privacy(&config.privacy, &setup::random_key()?));
    let mut explainer = Explainer {
        format: setup::format(&config, &arguments.format, None, &privacy).map_err(Failure::Usage)?,
        engine: replay::engine(&config, &arguments.format, "explain")?,
        classifier: Classifier::new(),
        proxies: TrustedProxies::new(config.web.trusted_proxies.clone()),
        privacy,
        line: 0,
        opened: None,
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let log = whole_logs::open(arguments.file.as_deref().unwrap_or("-".as_ref()), |_| {})?;
    whole_logs::batches(log, |lines, _, _| {
        for line in formats::lines(&lines) {
            explainer.line += 1;
            explainer.explain(line, &mut out)?;
        }
        // Who types lines wants to see the answer.
        out.flush()?;
        Ok(lines)
    })?;
    explainer.finish(&mut out)?;
    out.flush()?;
    Ok(())
}

struct Explainer {
    format: Box<dyn Format>,
    /// Sees the same lines, for what the detectors find.
    engine: Engine,
    classifier: Classifier,
    proxies: TrustedProxies,
    privacy: Arc<Privacy>,
    line: u64,
    /// The first line of the record that is held back.
    opened: Option<u64>,
}

impl Explainer {
    fn explain(&mut self, line: &[u8], out: &mut impl Write) -> anyhow::Result<()> {
        let batch = Batch { lines: [line, b"\n"].concat(), ..Batch::default() };
        let findings = findings(self.engine.step(clock::now(), Input::Lines(batch)));
        let mut records = Vec::new();
        let Self { format, opened, classifier, proxies, privacy, line: number, .. } = self;
        format.read_line(line, &mut |_: &[u8], parsed: Parsed<'_>| {
            records.extend(record(*number, opened, parsed, classifier, proxies, privacy));
        });
        print(records, findings, out)
    }

    fn finish(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        let findings = findings(self.engine.flush(clock::now()));
        let mut records = Vec::new();
        let Self { format, opened, classifier, proxies, privacy, line: number, .. } = self;
        format.flush(&mut |_: &[u8], parsed: Parsed<'_>| {
            records.extend(record(*number, opened, parsed, classifier, proxies, privacy));
        });
        print(records, findings, out)
    }
}

/// The object of one record, or nothing for a line that is only a part of one. A record that was held back is named by its first line.
fn record(
    line: u64,
    opened: &mut Option<u64>,
    parsed: Parsed<'_>,
    classifier: &mut Classifier,
    proxies: &TrustedProxies,
    privacy: &Privacy,
) -> Option<Value> {
    match parsed {
        Parsed::Event(stamped) => {
            let line = opened.take().unwrap_or(line);
            let mut record = json!({ "line": line, "event": events::json(stamped.at, &stamped.event, proxies, privacy), "findings": [] });
            if let Event::Http(request) = &stamped.event
                && let Some(attack) = classifier.classify(request)
            {
                record["class"] = attack.class.as_str().into();
                record["why"] = attack.why.into();
                record["meaning"] = attack.meaning.into();
            }
            Some(record)
        }
        Parsed::Skip => Some(json!({ "line": line, "event": null, "findings": [] })),
        Parsed::Malformed(reason) => Some(json!({ "line": line, "event": null, "error": reason, "findings": [] })),
        Parsed::Open => {
            *opened = Some(line);
            None
        }
        Parsed::Continued => None,
    }
}

fn findings(actions: Vec<Action>) -> Vec<Finding> {
    actions
        .into_iter()
        .filter_map(|action| if let Action::Finding(finding) = action { Some(Arc::unwrap_or_clone(finding)) } else { None })
        .collect()
}

/// Findings come with the record that ended with this line: the first one.
fn print(mut records: Vec<Value>, findings: Vec<Finding>, out: &mut impl Write) -> anyhow::Result<()> {
    if let Some(first) = records.first_mut() {
        first["findings"] = json!(findings);
    }
    for record in records {
        serde_json::to_writer(&mut *out, &record)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

//! The page at `/`: one HTML file without scripts and without anything from elsewhere. Every text in it is escaped.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use serde_json::Value;

use crate::engine::{ErrorView, SourceView};
use crate::event::Timestamp;

const STYLE: &str = include_str!("page.css");

/// Nothing but this page's own style, named by its hash.
pub(super) fn content_security_policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
}

/// What the page shows.
pub(super) struct Contents {
    pub(super) sources: Vec<SourceView>,
    pub(super) errors: Vec<ErrorView>,
    /// The API's answers: lists `clients` and `findings`.
    pub(super) clients: Value,
    pub(super) findings: Value,
}

/// The whole page.
pub(super) fn render(contents: &Contents, now: Timestamp) -> String {
    let mut out = String::with_capacity(8 * 1024);
    // Writing to a string does not fail.
    write(&mut out, contents, now).unwrap_or(());
    out
}

fn write(out: &mut String, contents: &Contents, now: Timestamp) -> fmt::Result {
    let Contents { sources, errors, clients, findings } = contents;
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Hostwarden</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>Hostwarden</h1>\n<p>{}</p>\n\
         <nav><a href=\"/metrics\">Metrics</a><a href=\"/-/ready\">Readiness</a><a href=\"/-/healthy\">Health</a>\
         <a href=\"/api/v1/sources\">Sources (JSON)</a><a href=\"/api/v1/errors\">Errors (JSON)</a>\
         <a href=\"/api/v1/clients\">Clients (JSON)</a><a href=\"/api/v1/findings\">Findings (JSON)</a></nav>\n</header>\n<main>\n\
         <h2>Sources</h2>\n",
        verdict(sources)
    )?;
    for source in sources {
        write_source(out, source, now)?;
    }
    write_findings(out, findings, now)?;
    write_clients(out, clients)?;
    out.push_str("<h2>Recent errors of the bot</h2>\n");
    if errors.is_empty() {
        out.push_str("<p class=\"dim\">None seen.</p>\n");
    }
    for error in errors {
        writeln!(
            out,
            "<details><summary><span class=\"down\">{}</span> <span class=\"dim\">{} · {}</span><br><b>{}</b></summary><pre>{}</pre></details>",
            Escaped(&error.kind),
            Escaped(&error.source),
            When(Some(error.at), now),
            Escaped(&error.summary),
            Escaped(&error.context),
        )?;
    }
    write!(out, "</main>\n<footer class=\"dim\"><p>As of {}. Reload for news.</p></footer>\n</body>\n</html>\n", When(Some(now), now))
}

fn write_findings(out: &mut String, findings: &Value, now: Timestamp) -> fmt::Result {
    out.push_str("<h2>Recent findings</h2>\n");
    let findings = list(findings, "findings");
    if findings.is_empty() {
        out.push_str("<p class=\"dim\">None so far.</p>\n");
    }
    for finding in findings {
        let severity = text(finding, "severity");
        let class = if severity == "info" { "dim" } else { "down" };
        let at = text(finding, "at").parse::<jiff::Timestamp>().ok().map(|at| Timestamp::from_secs(at.as_second()));
        write!(
            out,
            "<details><summary><span class=\"{class}\">{}</span> <span class=\"dim\">{} · {}</span><br><b>{}</b></summary><pre>",
            Escaped(severity),
            Escaped(text(finding, "detector")),
            When(at, now),
            Escaped(text(finding, "summary")),
        )?;
        for fact in list(finding, "evidence") {
            writeln!(out, "{}", Escaped(fact.as_str().unwrap_or_default()))?;
        }
        out.push_str("</pre></details>\n");
    }
    Ok(())
}

fn write_clients(out: &mut String, clients: &Value) -> fmt::Result {
    out.push_str("<h2>Most suspicious clients</h2>\n");
    let clients = list(clients, "clients");
    if clients.is_empty() {
        return out.write_str("<p class=\"dim\">Nobody is suspicious.</p>\n");
    }
    for client in clients {
        let kinds = client["kinds"].as_object().into_iter().flatten();
        let kinds: Vec<String> = kinds.map(|(kind, times)| format!("{kind} {times}")).collect();
        writeln!(
            out,
            "<article>\n<h3>{} <small>{}</small></h3>\n<dl><div><dt>Score</dt><dd>{}</dd></div><div><dt>Attacks</dt><dd>{}</dd></div>\
             <div><dt>Strikes</dt><dd>{}</dd></div></dl>\n<p class=\"dim\">{}</p>\n</article>",
            Escaped(text(client, "client")),
            Escaped(text(client, "country")),
            client["score"].as_f64().unwrap_or(0.0),
            Count(client["attacks"].as_u64().unwrap_or(0)),
            client["strikes"].as_u64().unwrap_or(0),
            Escaped(&kinds.join(", ")),
        )?;
    }
    Ok(())
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// The state at a glance.
fn verdict(sources: &[SourceView]) -> String {
    let down = sources.iter().filter(|source| !source.up).count();
    let behind = sources.iter().filter(|source| source.up && !source.caught_up).count();
    match (sources.len(), down, behind) {
        (0, ..) => "<b class=\"wait\">No source is configured.</b>".to_owned(),
        (all, 0, 0) => format!("<b class=\"up\">All sources are read ({all}).</b>"),
        (all, 0, behind) => format!("<b class=\"wait\">Catching up with {behind} of {all} sources.</b>"),
        (all, down, _) => format!("<b class=\"down\">{down} of {all} sources cannot be read.</b>"),
    }
}

fn write_source(out: &mut String, source: &SourceView, now: Timestamp) -> fmt::Result {
    let (class, state) = match (source.up, source.caught_up) {
        (false, _) => ("down", "down"),
        (true, false) => ("wait", "catching up"),
        (true, true) => ("up", "up"),
    };
    write!(
        out,
        "<article>\n<h3>{} <span class=\"{class}\">{state}</span> <small>{}</small></h3>\n",
        Escaped(&source.name),
        Escaped(&source.format)
    )?;
    if let Some(problem) = &source.problem {
        writeln!(out, "<p class=\"down\">{}</p>", Escaped(problem))?;
    }
    writeln!(
        out,
        "<dl><div><dt>Last record</dt><dd>{}</dd></div><div><dt>Not read yet</dt><dd>{}</dd></div>\
         <div><dt>Lines</dt><dd>{}</dd></div><div><dt>Malformed</dt><dd>{}</dd></div><div><dt>Files</dt><dd>{}</dd></div>\
         <div><dt>Lost</dt><dd>{}</dd></div></dl>\n</article>",
        When(source.last_record, now),
        Bytes(source.lag_bytes),
        Count(source.lines),
        Count(source.malformed),
        source.files,
        Bytes(source.lost_bytes),
    )
}

/// Text that stays text, in HTML's content and in quoted attributes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => out.write_str("&amp;"),
                '<' => out.write_str("&lt;"),
                '>' => out.write_str("&gt;"),
                '"' => out.write_str("&quot;"),
                '\'' => out.write_str("&#39;"),
                '\0' => out.write_char('\u{fffd}'),
                _ => out.write_char(c),
            }?;
        }
        Ok(())
    }
}

/// A time and how long ago it was.
struct When(Option<Timestamp>, Timestamp);

impl Display for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((at, text)) = self.0.and_then(|at| Some((at, at.to_rfc3339()?))) else { return out.write_str("never") };
        write!(out, "<time datetime=\"{text}\">{}</time>", text.replace('T', " ").replace('Z', " UTC"))?;
        match self.1.since(at) {
            age if age < Duration::from_secs(1) => Ok(()),
            age if age < Duration::from_secs(120) => write!(out, " ({} s ago)", age.as_secs()),
            age if age < Duration::from_secs(2 * 3600) => write!(out, " ({} min ago)", age.as_secs() / 60),
            age if age < Duration::from_secs(48 * 3600) => write!(out, " ({} h ago)", age.as_secs() / 3600),
            age => write!(out, " ({} days ago)", age.as_secs() / 86_400),
        }
    }
}

/// `65 504`: thousands set apart by narrow blanks that break no line, as in SI.
struct Count(u64);

impl Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                out.write_char('\u{202f}')?;
            }
            out.write_char(digit)?;
        }
        Ok(())
    }
}

/// `1.4 MB`: powers of ten.
struct Bytes(u64);

impl Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
        if self.0 < 1000 {
            return write!(out, "{} B", self.0);
        }
        let mut amount = self.0 as f64 / 1e3;
        let mut unit = 0;
        while amount >= 999.95 && unit + 1 < UNITS.len() {
            amount /= 1e3;
            unit += 1;
        }
        write!(out, "{amount:.1} {}", UNITS.get(unit).unwrap_or(&"TB"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_secs(1_787_300_000);

    fn source(name: &str) -> SourceView {
        SourceView { name: name.to_owned(), up: true, caught_up: true, ..SourceView::default() }
    }

    fn render(sources: &[SourceView], now: Timestamp) -> String {
        let contents = Contents { sources: sources.to_vec(), errors: Vec::new(), clients: Value::Null, findings: Value::Null };
        super::render(&contents, now)
    }

    #[test]
    fn no_text_becomes_markup() {
        let nasty = "<script>alert('1')</script>\"&amp;\0";
        let text = || nasty.to_owned();
        let sources = [SourceView { format: text(), problem: Some(text()), ..source(nasty) }];
        let errors = [ErrorView { source: text(), kind: text(), summary: text(), context: text(), at: Timestamp::default() }];
        let findings =
            json!({ "findings": [{ "severity": nasty, "detector": nasty, "at": nasty, "summary": nasty, "evidence": [nasty] }] });
        let clients = json!({ "clients": [{ "client": nasty, "country": nasty, "kinds": { nasty: 1 } }] });
        let page = super::render(&Contents { sources: sources.into(), errors: errors.into(), clients, findings }, NOW);
        assert!(!page.contains("<script") && !page.contains('\0'));
        assert_eq!(page.matches("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;amp;\u{fffd}").count(), 14);
    }

    #[test]
    fn the_page_says_how_things_stand() {
        assert!(render(&[], NOW).contains("No source is configured."));
        assert!(render(&[source("a"), source("b")], NOW).contains("All sources are read (2)."));
        let behind = SourceView { caught_up: false, ..source("a") };
        assert!(render(&[behind.clone(), source("b")], NOW).contains("Catching up with 1 of 2 sources."));
        let down = SourceView { up: false, problem: Some("open /x: denied".to_owned()), ..source("b") };
        let page = render(&[behind, down], NOW);
        assert!(page.contains("1 of 2 sources cannot be read.") && page.contains("open /x: denied"));
    }

    #[test]
    fn numbers_are_for_people() {
        let count = |count| Count(count).to_string().replace('\u{202f}', "_");
        assert_eq!([0, 999, 1_000, 65_504, 1_000_000].map(count), ["0", "999", "1_000", "65_504", "1_000_000"]);
        let bytes = |bytes| Bytes(bytes).to_string();
        assert_eq!(
            [0, 999, 1_000, 1_440_000, 999_960, u64::MAX].map(bytes),
            ["0 B", "999 B", "1.0 kB", "1.4 MB", "1.0 MB", "18446744.1 TB"]
        );
        let when = |ago| When(Some(Timestamp::from_secs(NOW.secs() - ago)), NOW).to_string();
        assert_eq!(when(0), "<time datetime=\"2026-08-21T08:13:20Z\">2026-08-21 08:13:20 UTC</time>");
        for (ago, said) in [(1, "1 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (200_000, "2 days")] {
            assert!(when(ago).ends_with(&format!(" ({said} ago)")), "{ago}");
        }
        assert_eq!(When(Some(Timestamp::from_micros(i64::MIN)), NOW).to_string(), "never");
    }
}

//! The page at `/`: one HTML file without scripts and without anything from elsewhere. Every text in it is escaped.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use serde_json::Value;

use crate::engine::{ErrorView, SourceView};
use crate::event::Timestamp;
use crate::incident::PLAYERS;
use words::{Bytes, Count, Escaped, When};

mod words;

const STYLE: &str = include_str!("page.css");
/// Incidents on the page.
const INCIDENTS: usize = 10;

/// Nothing but this page's own style, named by its hash.
pub(super) fn content_security_policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
}

/// What the page shows.
pub(super) struct Contents {
    pub(super) sources: Vec<SourceView>,
    pub(super) errors: Vec<ErrorView>,
    /// The API's answers: lists `clients`, `incidents` and `probes`.
    pub(super) clients: Value,
    pub(super) incidents: Value,
    pub(super) probes: Value,
}

/// The whole page.
pub(super) fn render(contents: &Contents, now: Timestamp) -> String {
    let mut out = String::with_capacity(8 * 1024);
    // Writing to a string does not fail.
    write(&mut out, contents, now).unwrap_or(());
    out
}

fn write(out: &mut String, contents: &Contents, now: Timestamp) -> fmt::Result {
    let Contents { sources, errors, clients, incidents, probes } = contents;
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Hostwarden</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>Hostwarden</h1>\n<p>{}</p>\n{}\
         <nav><a href=\"#sources\">Sources</a><a href=\"/metrics\">Metrics</a><a href=\"/-/ready\">Readiness</a></nav>\n\
         </header>\n<main>\n",
        verdict(sources),
        failing(probes),
    )?;
    write_incidents(out, incidents, now)?;
    write_clients(out, clients)?;
    write_errors(out, errors, now)?;
    out.push_str("<h2 id=\"sources\">Sources <a href=\"/api/v1/sources\">JSON</a></h2>\n");
    for source in sources {
        write_source(out, source, now)?;
    }
    write_probes(out, probes, now)?;
    write!(out, "</main>\n<footer class=\"dim\"><p>As of {}. Reload for news.</p></footer>\n</body>\n</html>\n", When(Some(now), now))
}

fn write_errors(out: &mut String, errors: &[ErrorView], now: Timestamp) -> fmt::Result {
    out.push_str("<h2>Recent errors of the bot <a href=\"/api/v1/errors\">JSON</a></h2>\n");
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
    Ok(())
}

fn write_probes(out: &mut String, probes: &Value, now: Timestamp) -> fmt::Result {
    out.push_str("<h2>Probes <a href=\"/api/v1/probes\">JSON</a></h2>\n");
    let probes = list(probes, "probes");
    if probes.is_empty() {
        return out.write_str("<p class=\"dim\">None is switched on.</p>\n");
    }
    for probe in probes {
        let (class, state) = match probe["success"].as_bool() {
            Some(true) => ("up", "up"),
            Some(false) => ("down", "down"),
            None => ("wait", "not looked yet"),
        };
        write!(out, "<article>\n<h3>{} <span class=\"{class}\">{state}</span></h3>\n", Escaped(text(probe, "probe")))?;
        if let Some(problem) = probe["problem"].as_str() {
            writeln!(out, "<p class=\"down\">{}</p>", Escaped(problem))?;
        }
        writeln!(out, "<p class=\"dim\">Last success: {}</p>\n</article>", When(instant(probe, "last_success"), now))?;
    }
    Ok(())
}

fn write_incidents(out: &mut String, incidents: &Value, now: Timestamp) -> fmt::Result {
    out.push_str("<h2>Incidents <a href=\"/api/v1/incidents\">JSON</a> <a href=\"/api/v1/feed\">feed</a></h2>\n");
    // Who comes to play is no incident to those who look whether they are fine.
    let mut shown = list(incidents, "incidents").iter().filter(|incident| text(incident, "kind") != PLAYERS).take(INCIDENTS).peekable();
    if shown.peek().is_none() {
        out.push_str("<p class=\"dim\">None so far.</p>\n");
    }
    for incident in shown {
        let severity = text(incident, "severity");
        let class = match severity {
            "info" => "dim",
            "warning" => "wait",
            _ => "down",
        };
        write!(
            out,
            "<details><summary><span class=\"{class}\">{}</span> <span class=\"dim\">{} · {} · {}</span><br><b>{}</b></summary><pre>",
            Escaped(severity),
            Escaped(text(incident, "kind")),
            if incident["closed"].is_null() { "goes on" } else { "over" },
            When(instant(incident, "last"), now),
            Escaped(text(incident, "summary")),
        )?;
        if let Some(findings @ 2..) = incident["findings"].as_u64() {
            writeln!(out, "{findings} findings, the first {}", When(instant(incident, "opened"), now))?;
        }
        for fact in list(incident, "evidence") {
            writeln!(out, "{}", Escaped(fact.as_str().unwrap_or_default()))?;
        }
        out.push_str("</pre></details>\n");
    }
    Ok(())
}

fn write_clients(out: &mut String, clients: &Value) -> fmt::Result {
    out.push_str(
        "<h2>Most suspicious clients <a href=\"/api/v1/clients\">JSON</a> <a href=\"/api/v1/watchlist\">watchlist</a> \
         <a href=\"/api/v1/attacks\">last attacks</a></h2>\n",
    );
    let clients = list(clients, "clients");
    if clients.is_empty() {
        return out.write_str("<p class=\"dim\">Nobody is suspicious.</p>\n");
    }
    for client in clients {
        let kinds = client["kinds"].as_object().into_iter().flatten();
        let kinds: Vec<String> = kinds.map(|(kind, times)| format!("{kind} {times}")).collect();
        writeln!(
            out,
            "<article>\n<h3><a href=\"/api/v1/clients/{}\">{}</a> <small>{}</small></h3>\n<dl><div><dt>Score</dt><dd>{}</dd></div><div><dt>Attacks</dt><dd>{}</dd></div>\
             <div><dt>Strikes</dt><dd>{}</dd></div></dl>\n<p class=\"dim\">{}</p>\n</article>",
            utf8_percent_encode(text(client, "client"), NON_ALPHANUMERIC),
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

fn instant(value: &Value, name: &str) -> Option<Timestamp> {
    text(value, name).parse::<jiff::Timestamp>().ok().map(|at| Timestamp::from_secs(at.as_second()))
}

/// The probes that fail, if any do.
fn failing(probes: &Value) -> String {
    let failing = list(probes, "probes").iter().filter(|probe| probe["success"] == false);
    let names: Vec<String> = failing.map(|probe| Escaped(text(probe, "probe")).to_string()).collect();
    if names.is_empty() { String::new() } else { format!("<p><b class=\"down\">Failing probes: {}.</b></p>\n", names.join(", ")) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_secs(1_787_300_000);

    fn source(name: &str) -> SourceView {
        SourceView { name: name.to_owned(), up: true, caught_up: true, ..SourceView::default() }
    }

    fn render(sources: &[SourceView], now: Timestamp) -> String {
        let contents =
            Contents { sources: sources.to_vec(), errors: Vec::new(), clients: Value::Null, incidents: Value::Null, probes: Value::Null };
        super::render(&contents, now)
    }

    #[test]
    fn no_text_becomes_markup() {
        let nasty = "<script>alert('1')</script>\"&amp;\0";
        let text = || nasty.to_owned();
        let sources = [SourceView { format: text(), problem: Some(text()), ..source(nasty) }];
        let errors = [ErrorView { source: text(), kind: text(), summary: text(), context: text(), at: Timestamp::default() }];
        let incidents =
            json!({ "incidents": [{ "severity": nasty, "kind": nasty, "last": nasty, "summary": nasty, "evidence": [nasty] }] });
        let clients = json!({ "clients": [{ "client": nasty, "country": nasty, "kinds": { nasty: 1 } }] });
        let probes = json!({ "probes": [{ "probe": nasty, "success": false, "problem": nasty, "last_success": nasty }] });
        let page = super::render(&Contents { sources: sources.into(), errors: errors.into(), clients, incidents, probes }, NOW);
        assert!(!page.contains("<script") && !page.contains('\0'));
        assert_eq!(page.matches("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;amp;\u{fffd}").count(), 17);
    }

    #[test]
    fn incidents_are_shown_and_players_are_not() {
        let incident = |kind: &str, findings: u64| {
            json!({ "severity": "warning", "kind": kind, "closed": null, "summary": format!("{kind} {findings}."), "findings": findings,
                "opened": "2026-08-21T09:00:00Z", "last": "2026-08-21T09:30:00Z" })
        };
        let incidents = json!({ "incidents": [incident("players", 1), incident("port_scan", 3)] });
        let contents = Contents { sources: Vec::new(), errors: Vec::new(), clients: Value::Null, incidents, probes: Value::Null };
        let page = super::render(&contents, NOW);
        assert!(!page.contains("players 1.") && page.contains("port_scan 3.") && page.contains("goes on"), "{page}");
        assert!(page.contains("3 findings, the first <time datetime=\"2026-08-21T09:00:00Z\">"), "{page}");
    }

    #[test]
    fn the_page_says_how_things_stand() {
        assert!(render(&[], NOW).contains("None is switched on."));
        assert!(render(&[], NOW).contains("No source is configured."));
        assert!(render(&[source("a"), source("b")], NOW).contains("All sources are read (2)."));
        let behind = SourceView { caught_up: false, ..source("a") };
        assert!(render(&[behind.clone(), source("b")], NOW).contains("Catching up with 1 of 2 sources."));
        let down = SourceView { up: false, problem: Some("open /x: denied".to_owned()), ..source("b") };
        let page = render(&[behind, down], NOW);
        assert!(page.contains("1 of 2 sources cannot be read.") && page.contains("open /x: denied"));
    }
}

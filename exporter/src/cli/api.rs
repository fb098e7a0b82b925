//! `why`, `watchlist` and `forgive`: ask the running exporter over its API, and say it in words.

use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;

use super::Failure;
use crate::config::Config;
use crate::http::client::{self, Method, Scheme};

/// A busy exporter may take a moment.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Clients of the watchlist that are shown.
const MAX_SHOWN: usize = 500;

/// Says what is known about a client, term by term.
pub(super) fn why(config: &Config, client: &str) -> Result<(), Failure> {
    let view = ask(config, Method::GET, &format!("clients/{}", escaped(client)))?;
    print!("{}", explained(&view));
    Ok(())
}

/// Lists the slow attackers.
pub(super) fn watchlist(config: &Config) -> Result<(), Failure> {
    let view = ask(config, Method::GET, &format!("watchlist?limit={MAX_SHOWN}"))?;
    let watched = view["watchlist"].as_array().map(Vec::as_slice).unwrap_or_default();
    if watched.is_empty() {
        println!("Nobody is on the watchlist.");
    }
    for entry in watched {
        println!(
            "{:<40} {:<3} strikes {:<3} since {}  last seen {}  score {}",
            text(entry, "client"),
            text(entry, "country"),
            entry["strikes"],
            text(entry, "since"),
            text(entry, "last_seen"),
            entry["score"]
        );
    }
    Ok(())
}

/// Takes a client off the watchlist.
pub(super) fn forgive(config: &Config, client: &str) -> Result<(), Failure> {
    ask(config, Method::DELETE, &format!("watchlist/{}", escaped(client)))?;
    println!("{client} is off the watchlist.");
    Ok(())
}

fn ask(config: &Config, method: Method, path: &str) -> Result<Value, Failure> {
    let address = *config.server.listen.first().context("no address to ask")?;
    let scheme = if config.server.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let token = config.server.bearer_token.as_ref().map(|token| token.expose());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let path = format!("/api/v1/{path}");
    let reply = runtime.block_on(client::ask(method, address, scheme, &path, token, TIMEOUT)).map_err(|error| match error {
        client::Error::Connect { address, source } => {
            anyhow!("connect to {address}, where server.listen says the exporter serves: {source}")
        }
        other => other.into(),
    })?;
    let value: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if reply.status != 200 {
        let why = value["error"].as_str().unwrap_or("no reason given").to_owned();
        return Err(anyhow!("ask {address}: answered {}: {why}", reply.status).into());
    }
    Ok(value)
}

/// A client's name as one segment of a path.
fn escaped(client: &str) -> String {
    percent_encoding::utf8_percent_encode(client, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or("-")
}

fn explained(view: &Value) -> String {
    let list = |name: &str| view[name].as_array().cloned().unwrap_or_default();
    let mut out = format!(
        "{} ({}): score {}, {} requests, {} attacks, {} strikes\n",
        text(view, "client"),
        text(view, "country"),
        view["score"],
        view["requests"],
        view["attacks"],
        view["strikes"]
    );
    if let Some(reason) = view["never_ban"].as_str() {
        out.push_str(&format!("Never a candidate for a ban: it {reason}.\n"));
    }
    if let Some(scenario) = view["crowdsec"]["scenario"].as_str() {
        out.push_str(&format!("CrowdSec bans it for {scenario} until {}.\n", text(&view["crowdsec"], "until")));
    }
    if let (Some(first), Some(last)) = (view["first_seen"].as_str(), view["last_seen"].as_str()) {
        out.push_str(&format!("First seen {first}, last seen {last}.\n"));
    }
    let section = |out: &mut String, title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push_str(&format!("{title}\n"));
            lines.iter().for_each(|line| out.push_str(&format!("  {line}\n")));
        }
    };
    section(&mut out, "The score's terms:", list("terms").iter().map(|term| text(term, "text").to_owned()).collect());
    let sample = |sample: &Value| {
        let what = format!("{} {} {} {}", text(sample, "at"), text(sample, "method"), text(sample, "path"), sample["status"]);
        format!("{what}: {} ({})", text(sample, "meaning"), text(sample, "class"))
    };
    section(&mut out, "What it did, the first of each kind:", list("samples").iter().map(sample).collect());
    let finding = |finding: &Value| {
        let facts = finding["evidence"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let facts: String = facts.map(|fact| format!("\n    {fact}")).collect();
        format!("{} {}: {}{facts}", text(finding, "at"), text(finding, "detector"), text(finding, "summary"))
    };
    section(&mut out, "Findings:", list("findings").iter().map(finding).collect());
    if list("terms").is_empty() {
        out.push_str("Nothing is held against it.\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_client_is_explained_in_words() {
        let view = json!({
            "client": "203.0.113.7", "country": "SG", "score": 61.5, "requests": 9, "attacks": 7, "strikes": 0,
            "first_seen": "2026-04-04T00:00:00Z", "last_seen": "2026-04-04T01:00:00Z",
            "terms": [{ "text": "rce_attempt: 2 times" }],
            "samples": [{ "at": "T", "method": "GET", "path": "/x", "status": 404, "meaning": "Runs a command", "class": "rce_attempt" }],
            "findings": [{ "at": "T", "detector": "suspicion", "summary": "S.", "evidence": ["names tried: root ×12", "a fact"] }],
        });
        let expected = "203.0.113.7 (SG): score 61.5, 9 requests, 7 attacks, 0 strikes\n\
                        First seen 2026-04-04T00:00:00Z, last seen 2026-04-04T01:00:00Z.\n\
                        The score's terms:\n  rce_attempt: 2 times\n\
                        What it did, the first of each kind:\n  T GET /x 404: Runs a command (rce_attempt)\n\
                        Findings:\n  T suspicion: S.\n    names tried: root ×12\n    a fact\n";
        assert_eq!(explained(&view), expected);
        let banned = json!({ "client": "203.0.113.7", "crowdsec": { "origin": "cscli", "scenario": "a/b", "until": "T" } });
        assert!(explained(&banned).contains("\nCrowdSec bans it for a/b until T.\n"));
        let nobody = json!({ "client": "192.168.1.2", "country": "ZZ", "score": 0, "never_ban": "stands in web.trusted_proxies" });
        assert!(
            explained(&nobody).ends_with("Never a candidate for a ban: it stands in web.trusted_proxies.\nNothing is held against it.\n")
        );
    }
}

//! The read API's paths and parameters: from text to a question of the engine.

use crate::engine::{By, FeedFilter, Filter, IncidentFilter, Query, Window};
use crate::event::AttackClass;
use crate::feed::Feed;
use crate::finding::Severity;

const PREFIX: &str = "/api/v1/";

/// The question of a path and its parameters; `None` if the path is none of these.
///
/// # Errors
///
/// What is wrong with the parameters.
pub(super) fn query(path: &str, parameters: Option<&str>) -> Option<Result<Query, String>> {
    let path = path.strip_prefix(PREFIX)?;
    let known: &[&str] = match path {
        "clients" | "watchlist" | "findings" | "containers" => &["limit", "offset"],
        "attacks" => &["limit", "offset", "class", "site", "source", "country", "client", "by"],
        "incidents" => &["limit", "offset", "kind", "severity", "client", "state", "q"],
        "feed" => &["limit", "offset", "feed", "q", "after"],
        "probes" => &[],
        _ if path.strip_prefix("incidents/").is_some_and(|id| id.parse::<u64>().is_ok()) => &[],
        _ if path.strip_prefix("clients/").is_some_and(|id| !id.is_empty()) => &[],
        _ => return None,
    };
    Some(Parameters::read(parameters, known).and_then(|parameters| {
        let window = parameters.window()?;
        Ok(match path {
            "clients" => Query::Clients(window),
            "watchlist" => Query::Watchlist(window),
            "findings" => Query::Findings(window),
            "incidents" => Query::Incidents(window, parameters.incidents()?),
            "feed" => Query::Feed(window, parameters.feed()?),
            "probes" => Query::Probes,
            "containers" => Query::Containers(window),
            "attacks" => match parameters.get("by").as_deref() {
                None => Query::Attacks(window, parameters.filter()?),
                Some("site") => Query::AttacksBy(By::Site),
                Some("class") => Query::AttacksBy(By::Class),
                Some("country") => Query::AttacksBy(By::Country),
                Some(_) => return Err("by is site, class or country".to_owned()),
            },
            path if path.starts_with("incidents/") => {
                Query::Incident(path.trim_start_matches("incidents/").parse().map_err(|_| "an incident has a number".to_owned())?)
            }
            id => Query::Client(decoded(id.trim_start_matches("clients/"))),
        })
    }))
}

/// The client that a path of the watchlist names.
pub(super) fn watched(path: &str) -> Option<String> {
    path.strip_prefix(PREFIX)?.strip_prefix("watchlist/").filter(|id| !id.is_empty()).map(decoded)
}

struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(text: Option<&str>, known: &[&str]) -> Result<Self, String> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text.unwrap_or_default().as_bytes()).into_owned().collect();
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some(_) if known.is_empty() => Err("no parameters are known here".to_owned()),
            Some((name, _)) => Err(format!("`{}` is no parameter here; known are {}", name.escape_default(), known.join(", "))),
            None => Ok(Self(pairs)),
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn number(&self, name: &str) -> Result<Option<usize>, String> {
        self.get(name).map(|value| value.parse().map_err(|_| format!("{name} must be a whole number"))).transpose()
    }

    fn window(&self) -> Result<Window, String> {
        Ok(Window { offset: self.number("offset")?.unwrap_or(0), limit: self.number("limit")? })
    }

    fn feed(&self) -> Result<FeedFilter, String> {
        let named = |name: String| {
            let feed = Feed::ALL.into_iter().find(|feed| feed.as_str() == name);
            feed.ok_or_else(|| format!("feed is one of {}", Feed::ALL.map(Feed::as_str).join(", ")))
        };
        let feed = self.get("feed").map(named).transpose()?;
        Ok(FeedFilter { feed, holds: self.get("q"), after: self.number("after")?.unwrap_or(0) as u64 })
    }

    fn filter(&self) -> Result<Filter, String> {
        let class = self.get("class");
        if class.as_ref().is_some_and(|class| AttackClass::ALL.iter().all(|known| known.as_str() != class)) {
            return Err(format!("class is one of {}", AttackClass::ALL.map(AttackClass::as_str).join(", ")));
        }
        Ok(Filter { class, site: self.get("site"), source: self.get("source"), country: self.get("country"), client: self.get("client") })
    }

    fn incidents(&self) -> Result<IncidentFilter, String> {
        let severity = self.get("severity");
        if severity.as_ref().is_some_and(|severity| Severity::ALL.iter().all(|known| known.as_str() != severity)) {
            return Err(format!("severity is one of {}", Severity::ALL.map(Severity::as_str).join(", ")));
        }
        let open = match self.get("state").as_deref() {
            None => None,
            Some("open") => Some(true),
            Some("closed") => Some(false),
            Some(_) => return Err("state is open or closed".to_owned()),
        };
        Ok(IncidentFilter { kind: self.get("kind"), severity, client: self.get("client"), open, text: self.get("q") })
    }
}

/// A segment of a path with percent-encoding undone; what is no UTF-8 then is replaced.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_questions() {
        let window = |offset, limit| Window { offset, limit };
        for (path, parameters, expected) in [
            ("/api/v1/clients", "", Query::Clients(window(0, None))),
            ("/api/v1/clients", "limit=5&offset=10", Query::Clients(window(10, Some(5)))),
            ("/api/v1/clients/2001:db8::%2F64", "", Query::Client("2001:db8::/64".to_owned())),
            ("/api/v1/containers", "offset=5", Query::Containers(window(5, None))),
            ("/api/v1/findings", "limit=1", Query::Findings(window(0, Some(1)))),
            ("/api/v1/incidents/7", "", Query::Incident(7)),
            (
                "/api/v1/incidents",
                "state=open&severity=critical&q=a+b",
                Query::Incidents(
                    window(0, None),
                    IncidentFilter {
                        severity: Some("critical".into()),
                        open: Some(true),
                        text: Some("a b".into()),
                        ..IncidentFilter::default()
                    },
                ),
            ),
            (
                "/api/v1/feed",
                "feed=web&q=%2e%65nv&after=7",
                Query::Feed(window(0, None), FeedFilter { feed: Some(Feed::Web), holds: Some(".env".into()), after: 7 }),
            ),
            ("/api/v1/attacks", "by=site", Query::AttacksBy(By::Site)),
            (
                "/api/v1/attacks",
                "class=xss&site=a%2Eb",
                Query::Attacks(window(0, None), Filter { class: Some("xss".into()), site: Some("a.b".into()), ..Filter::default() }),
            ),
        ] {
            assert_eq!(query(path, Some(parameters)), Some(Ok(expected)), "{path}?{parameters}");
        }
        for path in ["/api/v1/", "/api/v1/clients/", "/api/v1/bans", "/clients", "/api/v1/sources"] {
            assert_eq!(query(path, None), None, "{path}");
        }
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (path, parameters, expected) in [
            ("/api/v1/clients", "limit=x", "limit must be a whole number"),
            ("/api/v1/clients", "limit=-1", "limit must be a whole number"),
            ("/api/v1/clients", "page=2", "`page` is no parameter here; known are limit, offset"),
            ("/api/v1/clients/x", "a", "no parameters are known here"),
            ("/api/v1/incidents", "state=on", "state is open or closed"),
            ("/api/v1/incidents", "severity=high", "severity is one of info, warning, critical"),
            ("/api/v1/feed", "feed=nginx", "feed is one of bot, web, ssh, firewall, players, incident"),
            ("/api/v1/attacks", "by=ip", "by is site, class or country"),
            (
                "/api/v1/attacks",
                "class=foo",
                "class is one of jndi, rce_attempt, webshell, path_traversal, file_inclusion, sql_injection, xss, ssrf, config_probe, \
                 cve_probe, scanner, login_brute, suspicious",
            ),
        ] {
            assert_eq!(query(path, Some(parameters)), Some(Err(expected.to_owned())), "{path}?{parameters}");
        }
    }
}

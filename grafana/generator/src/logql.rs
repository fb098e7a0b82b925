//! LogQL, as much of it as is needed: the exporter pushes with few labels, and says the rest as structured metadata.

/// The labels that the exporter pushes with, beside `instance`.
const STREAMS: &str = r#"job="hostwarden", instance=~"$instance""#;
/// What it pushes under `feed`.
const FEEDS: &[&str] = &["bot", "web", "ssh", "firewall", "players", "incident"];
/// What it says of a line beside the line.
const METADATA: &[&str] = &["client", "country", "class", "site", "sender", "direction", "severity", "detector", "source"];

/// A query for lines.
#[derive(Clone)]
pub struct Lines(String);

/// The lines of one feed.
///
/// # Panics
///
/// There is no such feed.
pub fn feed(name: &str) -> Lines {
    assert!(FEEDS.contains(&name), "the feeds are {FEEDS:?}");
    Lines(format!("{{{STREAMS}, feed=\"{name}\"}}"))
}

/// The lines of all feeds.
pub fn all_feeds() -> Lines {
    Lines(format!("{{{STREAMS}, feed=~\".+\"}}"))
}

impl Lines {
    /// Those with this text in them, as it stands in the dashboard's variable; case does not matter.
    pub fn with_text_of(self, variable: &str) -> Self {
        Self(format!("{} |~ `(?i)${{{variable}:regex}}`", self.0))
    }

    /// Those whose metadata is among what the dashboard's variable of the same name holds, or is not said.
    ///
    /// # Panics
    ///
    /// Lines say no such thing.
    pub fn var(self, name: &str) -> Self {
        check(name);
        Self(format!("{} | {name}=~`${{{name}:regex}}|`", self.0))
    }

    /// Those whose metadata is exactly what the dashboard's variable holds.
    ///
    /// # Panics
    ///
    /// Lines say no such thing.
    pub fn exactly(self, name: &str, variable: &str) -> Self {
        check(name);
        Self(format!("{} | {name}=`${{{variable}:raw}}`", self.0))
    }

    /// Those whose metadata fits a regular expression.
    ///
    /// # Panics
    ///
    /// Lines say no such thing.
    pub fn re(self, name: &str, value: &str) -> Self {
        check(name);
        Self(format!("{} | {name}=~`{value}`", self.0))
    }

    /// How many, by feed.
    pub fn count_by_feed(self) -> String {
        format!("sum by (feed) (count_over_time({} [$__auto]))", self.0)
    }

    /// The query.
    pub fn text(&self) -> &str {
        &self.0
    }
}

fn check(name: &str) {
    assert!(METADATA.contains(&name), "a line says {METADATA:?}");
}

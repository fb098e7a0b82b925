#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What a detector tells: plain data, fit to be shown to people.

use serde::{Deserialize, Serialize};

use crate::event::{Timestamp, from_rfc3339, rfc3339};
use crate::subject::{Client, Network};

/// How urgent a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it today.
    Warning,
    /// Look at it now.
    Critical,
}

impl Severity {
    /// All, in the order of the metrics.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What a detector found, before it is decided whether anybody is told: nothing here is fit to be shown yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// When it happened, by the log's clock.
    pub at: Timestamp,
    /// The detector's name.
    pub detector: &'static str,
    /// How urgent it is.
    pub severity: Severity,
    /// Who did it.
    pub about: About,
    /// What they did, as the rest of a sentence that begins with who did it: `tried 12 users over SSH within 10 minutes`. Holds
    /// numbers and words of our own only.
    pub summary: String,
    /// What it rests on, one fact each, as far as that is numbers and words of our own only.
    pub reckoned: Vec<String>,
    /// What else it rests on, one fact each; may hold texts from the log, which are scrubbed before anybody sees them.
    pub evidence: Vec<String>,
}

/// Who did it, or what it happened to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// One client.
    Client(Client),
    /// Several clients of one network.
    Network(Network),
    /// A thing of this machine, as a sentence begins with it: `Container web`. Its name is shown whole: `shop-web-1` is no secret.
    Thing(String),
    /// What arrives at a port of this machine.
    Port(Port),
}

/// A port, and who sent to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The service behind it, as the configuration calls it.
    pub service: String,
    /// The UDP port.
    pub port: u16,
    /// Who claims to have sent how many packets, the busiest first. Whoever plays here, and others who are left alone, are taken out
    /// before anybody sees them.
    pub sources: Vec<(Client, u64)>,
}

/// Something that a person should know. Its texts are scrubbed and its client is shown as configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its number: findings are numbered from 1 in the order in which they were made, and a number is never used twice.
    pub id: u64,
    /// When it happened, by the log's clock.
    #[serde(serialize_with = "rfc3339", deserialize_with = "from_rfc3339")]
    pub at: Timestamp,
    /// Which detector found it.
    pub detector: String,
    /// How urgent it is.
    pub severity: Severity,
    /// In which source.
    pub source: String,
    /// Who or what it is about, as people may see it: `203.0.113.7`, `Container web`; of a source itself, its name.
    #[serde(default)]
    pub about: String,
    /// The client or network that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Where that is: ISO 3166-1 code, `ZZ` unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// What was found, in a sentence.
    pub summary: String,
    /// What it rests on, one fact each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

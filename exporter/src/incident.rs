#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What goes on, and how people hear of it: findings of one kind about one subject are one incident, from the first of them until it has
//! been quiet. Plain data, fit to be shown: the engine makes it, notifiers send it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{Timestamp, from_rfc3339, from_rfc3339_or_null, rfc3339, rfc3339_or_null};
use crate::finding::Severity;

/// The kind of incidents that are players who come and go.
pub const PLAYERS: &str = "players";

/// Something that goes on, or has ended. Its texts are scrubbed and its client is shown as configured, but they still hold what strangers
/// wrote: whoever sends it somewhere must escape it for that place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number: counted from 1, never used twice.
    pub id: u64,
    /// What kind it is: the name of the detector that found it, or [`PLAYERS`].
    pub kind: String,
    /// How urgent the worst of it was.
    pub severity: Severity,
    /// In which source or by which probe it was seen first.
    pub source: String,
    /// Who or what it is about, as people may see it: `203.0.113.7`, `Container web`, a player's name.
    pub about: String,
    /// The client or network, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Where that is: ISO 3166-1 code, `ZZ` unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// How often the client has been put on the watchlist; 0: it is not on it.
    #[serde(default)]
    pub strikes: u32,
    /// What was found last, in a sentence.
    pub summary: String,
    /// What that rests on, one fact each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// When the first of it happened, by the log's clock.
    #[serde(serialize_with = "rfc3339", deserialize_with = "from_rfc3339")]
    pub opened: Timestamp,
    /// When the last of it happened, by the log's clock.
    #[serde(serialize_with = "rfc3339", deserialize_with = "from_rfc3339")]
    pub last: Timestamp,
    /// Since when it has been over.
    #[serde(default, serialize_with = "rfc3339_or_null", deserialize_with = "from_rfc3339_or_null")]
    pub closed: Option<Timestamp>,
    /// How many findings it has.
    pub findings: u64,
    /// What else is known of a player.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<Player>,
}

/// What is known of a player who came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Player {
    /// The game server, as the log names it; empty if it does not.
    pub server: String,
    /// Whether they have been here before.
    pub returning: bool,
    /// Whether they come through a VPN or proxy; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpn: Option<bool>,
    /// How many play on that server now.
    pub online: u64,
}

impl Incident {
    /// How long it lasted, or has lasted until its last finding.
    pub fn lasted(&self) -> Duration {
        self.last.since(self.opened)
    }
}

/// What happened to an incident since it was last told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It began.
    Opened,
    /// It goes on, or has become worse.
    Updated,
    /// It is over.
    Closed,
}

/// An incident, and why it is told of now.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Why.
    pub change: Change,
    /// The incident as it is now.
    pub incident: Incident,
}

/// One message to be sent by a notifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// What it tells, oldest first; never empty. More than one is a digest.
    pub told: Vec<Told>,
    /// The message that is to be edited, as [`Outcome::Sent`] named it; `None`: a new one.
    pub edits: Option<String>,
    /// How many incidents wait to be told of after these.
    pub waiting: usize,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// By which notifier.
    pub notifier: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long the other side wants to be left alone, zero or more: nothing is handed out before that has passed.
    pub wait: Duration,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It arrived. `message` names it for later edits, if it can be edited.
    Sent {
        /// The other side's name for it.
        message: Option<String>,
    },
    /// It has to be tried again.
    Retry {
        /// Nobody knows whether it arrived: the answer did not come.
        may_have_arrived: bool,
    },
    /// The message that was to be edited is not there any more: somebody took it away, and it is not told again.
    Gone,
    /// It was refused for what it is and never will arrive.
    Refused,
}

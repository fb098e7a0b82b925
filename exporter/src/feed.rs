#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! The feed: what happens, one entry each, for people to read as it comes and for an archive to keep. Plain data, fit to be shown: clients
//! and senders as configured, texts scrubbed. The engine makes and keeps it, `notifiers/loki.rs` pushes it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feed {
    /// Messages and errors of a bot.
    Bot,
    /// Attacks on web servers.
    Web,
    /// Attempts to log in over SSH.
    Ssh,
    /// Packets that a firewall blocked.
    Firewall,
    /// Players who come and go.
    Players,
    /// What was found.
    Incident,
}

impl Feed {
    /// All, in the order of the metrics.
    pub const ALL: [Self; 6] = [Self::Bot, Self::Web, Self::Ssh, Self::Firewall, Self::Players, Self::Incident];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Web => "web",
            Self::Ssh => "ssh",
            Self::Firewall => "firewall",
            Self::Players => "players",
            Self::Incident => "incident",
        }
    }
}

/// A fact of an entry: its name (`a-z_`) and its value.
pub type Field = (Cow<'static, str>, String);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number: counted from 1 over all feeds without gaps, never used twice.
    pub id: u64,
    /// When it happened, by the log's clock.
    pub at: Timestamp,
    /// What it is about.
    pub feed: Feed,
    /// The source or probe that it was seen by.
    pub source: String,
    /// A sentence for people, in one line.
    pub text: String,
    /// The facts in it, for filters.
    #[serde(default)]
    pub fields: Vec<Field>,
}

/// Entries that are pushed together, oldest number first; never empty. A batch that is tried again is the same batch.
pub type Batch = Arc<[Entry]>;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// How it ended.
    pub outcome: Outcome,
    /// How long the other side wants to be left alone, zero or more.
    pub wait: Duration,
}

/// How a push ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Taken,
    /// It was refused for what it is and never will arrive.
    Refused,
    /// It has to be tried again; it may have arrived all the same.
    Retry,
}

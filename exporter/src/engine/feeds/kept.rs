//! One entry as the feed keeps it: what comes in floods is written out when somebody looks or when it is saved, since most of it is
//! driven out before.

use super::entries::Message;
use crate::event::Timestamp;
use crate::feed::{Entry, Feed};

/// One entry. Small, so that a flood of attacks leaves the processor's cache to others.
pub(in crate::engine) enum Kept {
    Written(Box<Entry>),
    /// An attack, by its number among the logged ones.
    Attack {
        id: u64,
        at: Timestamp,
        number: u64,
    },
    Message(Box<KeptMessage>),
}

/// A message of a bot.
pub(in crate::engine) struct KeptMessage {
    pub(super) id: u64,
    pub(super) at: Timestamp,
    pub(super) source: Box<str>,
    pub(super) message: Message,
}

impl Kept {
    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Written(entry) => entry.id,
            Self::Attack { id, .. } => *id,
            Self::Message(message) => message.id,
        }
    }

    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Written(entry) => entry.at,
            Self::Attack { at, .. } => *at,
            Self::Message(message) => message.at,
        }
    }

    pub(super) fn feed(&self) -> Feed {
        match self {
            Self::Written(entry) => entry.feed,
            Self::Attack { .. } => Feed::Web,
            Self::Message(_) => Feed::Bot,
        }
    }
}

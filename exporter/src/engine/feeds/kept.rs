//! One entry as the feed keeps it: what comes in floods is written out when somebody looks or when it is saved, since most of it is
//! driven out before.

use super::entries::Message;
use crate::event::Timestamp;
use crate::feed::{Entry, Feed};

/// One entry.
pub(in crate::engine) enum Kept {
    Written(Entry),
    /// An attack, by its number among the logged ones.
    Attack {
        id: u64,
        at: Timestamp,
        number: u64,
    },
    Message {
        id: u64,
        at: Timestamp,
        source: Box<str>,
        message: Message,
    },
}

impl Kept {
    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Written(entry) => entry.id,
            Self::Attack { id, .. } | Self::Message { id, .. } => *id,
        }
    }

    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Written(entry) => entry.at,
            Self::Attack { at, .. } | Self::Message { at, .. } => *at,
        }
    }

    pub(super) fn feed(&self) -> Feed {
        match self {
            Self::Written(entry) => entry.feed,
            Self::Attack { .. } => Feed::Web,
            Self::Message { .. } => Feed::Bot,
        }
    }
}

//! Which messages are of one attempt. sshd writes up to five lines for one wrong password; a person counts it once.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::message::Step;
use crate::event::Timestamp;

/// Connections remembered at once. sshd itself lets in a hundred (`MaxStartups`) that have not logged in.
const MAX_OPEN: usize = 256;
/// A connection is over after this many seconds, even if nobody said so: sshd gives two minutes (`LoginGraceTime`), and process numbers
/// come again.
const MAX_OPEN_SECS: u64 = 600;

/// Connections that have not logged in yet, oldest first.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Attempts {
    open: VecDeque<(u64, Timestamp, State)>,
}

/// What was counted of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// One attempt, of which the wrong password or key is still to be told.
    #[serde(rename = "r")]
    Refused,
    /// The same, told by PAM.
    #[serde(rename = "p")]
    Pam,
    /// All attempts so far, with what was wrong.
    #[serde(rename = "t")]
    Told,
}

impl Attempts {
    /// How many attempts are new with this step of a connection.
    pub(super) fn count(&mut self, at: Timestamp, connection: u64, step: Step) -> u32 {
        let state = self.take(at, connection);
        let (new, state) = match (step, state) {
            (Step::None, state) => (0, state),
            (Step::Refused, _) => (1, Some(State::Refused)),
            (Step::Probed, None) => (1, Some(State::Refused)),
            (Step::Probed, state) => (0, state),
            (Step::Failed, Some(State::Refused | State::Pam)) => (0, Some(State::Told)),
            (Step::Failed, _) => (1, Some(State::Told)),
            (Step::PamFailed, Some(State::Refused)) => (0, Some(State::Pam)),
            (Step::PamFailed, _) => (1, Some(State::Pam)),
            (Step::Exceeded, None) => (1, Some(State::Told)),
            (Step::Exceeded, state) => (0, state),
            (Step::Ended, state) => (u32::from(state.is_none()), None),
            (Step::Accepted, _) => (1, None),
        };
        if let Some(state) = state {
            if self.open.len() >= MAX_OPEN {
                self.open.pop_front();
            }
            self.open.push_back((connection, at, state));
        }
        new
    }

    fn take(&mut self, at: Timestamp, connection: u64) -> Option<State> {
        let place = self.open.iter().rposition(|(open, ..)| *open == connection)?;
        let (_, since, state) = self.open.remove(place)?;
        (at.since(since).as_secs() <= MAX_OPEN_SECS).then_some(state)
    }

    /// Forgets what a damaged state may hold too much.
    pub(super) fn bounded(mut self) -> Self {
        self.open.truncate(MAX_OPEN);
        self
    }
}

/// One number for a connection: its process (or, where none is told, its port) and its client. FNV-1a; who aims at another's number
/// changes what is counted of their own.
pub(super) fn connection(process: &[u8], client: &[u8]) -> u64 {
    let bytes = process.iter().chain(b"/").chain(client);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

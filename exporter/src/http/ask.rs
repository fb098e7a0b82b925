//! The questions that the server asks, and what it gets: a bounded queue of questions, each with a place for its own kind of answer.

use serde::{Serialize, Serializer};
use tokio::sync::{mpsc, oneshot};

use crate::event::Timestamp;

/// A question, with where its answer goes. A reply that nobody waits for any more may be left out (`is_closed`).
#[derive(Debug)]
pub enum Ask {
    /// The metrics page; `None` as long as the logs have not been caught up with.
    Page(Exposition, oneshot::Sender<Option<String>>),
    /// Whether the logs have been caught up with.
    Ready(oneshot::Sender<bool>),
    /// How the sources stand, in the order of the configuration.
    Sources(oneshot::Sender<Vec<SourceState>>),
    /// The last errors that bots logged, newest first.
    Errors(oneshot::Sender<Vec<BotError>>),
}

/// A text format of the metrics page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

impl Exposition {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// How one source stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SourceState {
    /// Its name in the configuration.
    pub name: String,
    /// The format that its lines are read as.
    pub format: String,
    /// Whether it can be read.
    pub up: bool,
    /// Whether everything that was there at the start has been read once.
    pub caught_up: bool,
    /// Bytes written but not read yet.
    pub lag_bytes: u64,
    /// Files being followed.
    pub files: u64,
    /// Lines read since its counters began.
    pub lines: u64,
    /// Records that were none of its format.
    pub malformed: u64,
    /// Bytes that can never be read.
    pub lost_bytes: u64,
    /// When its last record says that it was written.
    #[serde(serialize_with = "rfc3339")]
    pub last_record: Option<Timestamp>,
    /// Why it is not up.
    pub problem: Option<String>,
}

/// An error that a bot logged. All text is scrubbed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BotError {
    /// The source's name.
    pub source: String,
    /// When, by the log's own clock.
    #[serde(serialize_with = "rfc3339")]
    pub at: Option<Timestamp>,
    /// `error`, `critical` or `traceback`.
    pub kind: String,
    /// One line that says what it was.
    pub summary: String,
    /// The whole record.
    pub context: String,
}

fn rfc3339<S: Serializer>(at: &Option<Timestamp>, out: S) -> Result<S::Ok, S::Error> {
    at.and_then(instant).serialize(out)
}

/// As `2026-08-21T09:30:00Z`; `None` outside the years that this can say.
pub(super) fn instant(at: Timestamp) -> Option<String> {
    jiff::Timestamp::from_second(at.secs()).ok().map(|at| at.to_string())
}

/// Where questions go in.
#[derive(Clone, Debug)]
pub struct Handle(mpsc::Sender<Ask>);

impl Handle {
    /// A handle, and where the questions come out; at most `capacity` of them wait.
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, receiver) = mpsc::channel(capacity);
        (Self(asks), receiver)
    }

    /// Asks, and waits; `None` if nobody answers (any more). `question` is a variant of [`Ask`].
    pub(super) async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(question(reply)).await.ok()?;
        answer.await.ok()
    }
}

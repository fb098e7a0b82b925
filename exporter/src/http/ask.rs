//! The questions that the server asks, and what it gets: a bounded queue of questions, each with a place for its own kind of answer.

use tokio::sync::{mpsc, oneshot};

use crate::engine::{ErrorView, Query, SourceView};
use crate::metrics::Exposition;

/// A question, with where its answer goes. A reply that nobody waits for any more may be left out (`is_closed`).
#[derive(Debug)]
pub enum Ask {
    /// The metrics page; `None` as long as the logs have not been caught up with.
    Page(Exposition, oneshot::Sender<Option<String>>),
    /// Whether the logs have been caught up with.
    Ready(oneshot::Sender<bool>),
    /// How the sources stand, in the order of the configuration.
    Sources(oneshot::Sender<Vec<SourceView>>),
    /// The last errors that bots logged, newest first.
    Errors(oneshot::Sender<Vec<ErrorView>>),
    /// Anything else of the API; `None` if there is nothing of that name.
    Query(Query, oneshot::Sender<Option<serde_json::Value>>),
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

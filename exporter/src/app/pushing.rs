//! Hands the feed's batches to the archive, one at a time, in a task of its own: however slow it is, nobody waits for it.

use tokio::task::JoinHandle;

use crate::feed::{Batch, Pushed};
use crate::notifiers::loki::Loki;

/// The archive at work, if there is one.
pub(super) struct Pushing {
    /// Away while a push is under way.
    loki: Option<Loki>,
    under_way: Option<JoinHandle<(Loki, Pushed)>>,
}

impl Pushing {
    pub(super) fn new(loki: Option<Loki>) -> Self {
        Self { loki, under_way: None }
    }

    /// Begins to push; what becomes of it comes by [`Pushing::next`].
    pub(super) fn push(&mut self, batch: Batch) {
        let Some(mut loki) = self.loki.take() else { return };
        self.under_way = Some(tokio::spawn(async move {
            let pushed = loki.push(&batch).await;
            (loki, pushed)
        }));
    }

    /// What became of the push under way; never, if there is none.
    pub(super) async fn next(&mut self) -> Pushed {
        if let Some(task) = &mut self.under_way
            && let Ok((loki, pushed)) = task.await
        {
            (self.loki, self.under_way) = (Some(loki), None);
            return pushed;
        }
        std::future::pending().await
    }
}

//! Runs the notifiers: each in a task of its own, one message at a time, so that a slow one delays nobody.

use std::collections::HashMap;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::incident::{Delivered, Delivery};
use crate::notifiers::{Answer, Notifier};

/// Outcomes that wait for the engine at most; there is no more than one of each notifier.
const OUTCOMES: usize = 16;

/// The notifiers at work.
pub(super) struct Notifying {
    messages: HashMap<&'static str, mpsc::Sender<Delivery>>,
    outcomes: mpsc::Receiver<Delivered>,
    /// Ended with us.
    _tasks: JoinSet<()>,
    under_way: usize,
}

impl Notifying {
    /// Starts all of them.
    pub(super) fn start(notifiers: Vec<Box<dyn Notifier>>) -> Self {
        let (sender, outcomes) = mpsc::channel(OUTCOMES);
        let (mut messages, mut tasks) = (HashMap::new(), JoinSet::new());
        for notifier in notifiers {
            let (to_send, deliveries) = mpsc::channel(1);
            messages.insert(notifier.name(), to_send);
            tasks.spawn(run(notifier, deliveries, sender.clone()));
        }
        Self { messages, outcomes, _tasks: tasks, under_way: 0 }
    }

    /// Hands a message to its notifier.
    pub(super) fn send(&mut self, notifier: &'static str, delivery: Delivery) {
        // The engine hands in the next one only when it has heard of the last.
        if self.messages.get(notifier).is_some_and(|messages| messages.try_send(delivery).is_ok()) {
            self.under_way += 1;
        }
    }

    /// Whether a message is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way > 0
    }

    /// What became of a message; waits for ever if none is under way.
    pub(super) async fn next(&mut self) -> Delivered {
        match self.outcomes.recv().await {
            Some(delivered) => {
                self.under_way -= 1;
                delivered
            }
            None => std::future::pending().await,
        }
    }
}

async fn run(mut notifier: Box<dyn Notifier>, mut deliveries: mpsc::Receiver<Delivery>, outcomes: mpsc::Sender<Delivered>) {
    while let Some(delivery) = deliveries.recv().await {
        let Answer { outcome, wait } = notifier.send(&delivery).await;
        let delivered = Delivered { notifier: notifier.name(), outcome, wait };
        if outcomes.send(delivered).await.is_err() {
            return;
        }
    }
}

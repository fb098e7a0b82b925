//! How people hear of incidents: each notifier knows one way to send a message, and how that way wants to be treated. What is told, to
//! whom, and how often, the engine decides; here nothing is kept but the manners of the other side (limits, back-off). [`loki`] is an archive
//! of the whole feed, not a way to send messages, and stands for itself.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::incident::{Delivery, Outcome};

pub mod loki;

/// What became of a delivery, and how long the other side wants to be left alone then.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
    /// Zero or more: nothing is handed in before this has passed.
    pub wait: Duration,
}

/// One way to send messages.
pub trait Notifier: Send {
    /// Its name, as in labels.
    fn name(&self) -> &'static str;

    /// Sends a message, and says what became of it within a bounded time. Called again only when that is known and saved.
    fn send<'a>(&'a mut self, delivery: &'a Delivery) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;
}

//! What comes into the engine, and what it wants done.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{ErrorView, Query, SourceView};
use crate::batch::Batch;
use crate::feed::{self, Pushed};
use crate::finding::Finding;
use crate::incident::{Delivered, Delivery};
use crate::metrics::Page;
use crate::policy::good_bots::Bot;
use crate::policy::never_ban::Surroundings;
use crate::sample::Report;
use crate::snapshot::Write;
use crate::subject::Client;

/// Who asked: given back with the answer.
pub type Token = u64;

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// Lines of a source.
    Lines(Batch),
    /// Time passed.
    Tick,
    /// Somebody asks.
    Ask(Token, Ask),
    /// The last [`Action::Commit`] ended after `took`.
    Committed {
        /// Whether it was written.
        ok: bool,
        /// How long it took.
        took: Duration,
    },
    /// What a probe saw.
    Probed(Report),
    /// What this machine is connected to now.
    Surroundings(Surroundings),
    /// The answer to [`Action::Verify`].
    Verified {
        /// Who was asked for.
        client: Client,
        /// Which bot it claims to be.
        bot: &'static Bot,
        /// Whether its name in the DNS proves it; `None`: the DNS could not be asked.
        proven: Option<bool>,
    },
    /// What became of [`Action::Deliver`].
    Delivered(Delivered),
    /// The last [`Action::Push`] ended.
    Pushed(Pushed),
    /// No more input will come: save what is left.
    Stop,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The metrics. `inbox` batches wait for the engine.
    Page {
        /// Batches in the inbox.
        inbox: usize,
    },
    /// Whether everything that was there at the start has been read.
    Ready,
    /// How the sources stand.
    Sources,
    /// The most recent errors of the bots.
    Errors,
    /// Anything else that the API serves.
    Query(Query),
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// The page, saved.
    Page(Page),
    /// Not caught up yet.
    NotReady,
    /// For [`Ask::Ready`], when it is so.
    Ready,
    /// For [`Ask::Sources`].
    Sources(Vec<SourceView>),
    /// For [`Ask::Errors`], newest first.
    Errors(Vec<ErrorView>),
    /// For [`Ask::Query`]; `None`: there is nothing of that name.
    Json(Option<serde_json::Value>),
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Save this in one transaction; [`Input::Committed`] must follow. There is never more than one under way.
    Commit(Vec<Write>),
    /// Answer who asked.
    Answer(Token, Answer),
    /// Tell people.
    Finding(Arc<Finding>),
    /// Send this message; [`Input::Delivered`] must follow.
    Deliver {
        /// By which notifier.
        notifier: &'static str,
        /// What.
        delivery: Delivery,
    },
    /// Ask the DNS whether a client is the bot that it claims to be; [`Input::Verified`] must follow.
    Verify {
        /// The client.
        client: Client,
        /// Its address.
        address: IpAddr,
        /// The bot.
        bot: &'static Bot,
    },
    /// Push entries of the feed; [`Input::Pushed`] must follow. There is never more than one under way.
    Push(feed::Batch),
    /// Tell the operator that a source's clients hide behind a proxy.
    ProxySuspected {
        /// The source.
        source: String,
    },
    /// Tell the operator that no line of a source fits its format.
    FormatSuspected {
        /// The source.
        source: String,
        /// What is wrong, in words.
        problem: String,
    },
    /// These bytes were read; the buffer may be used again.
    Recycle(Vec<u8>),
    /// All is saved after [`Input::Stop`].
    Stopped,
}

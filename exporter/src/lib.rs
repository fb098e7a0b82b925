//! Hostwarden: log line → source → format → event → detectors → metrics, findings, state.
//!
//! # The path of one line
//!
//! 1. [`sources`] reads bytes of a file and knows the bookmark behind them; a [`batch`] of whole lines goes to the inbox.
//! 2. [`engine`] owns all state. It gives the lines to their [`formats`], which make an [`event`] of each record.
//! 3. [`metrics`] count the event; [`detectors`] pair it with others and may give a [`finding`].
//! 4. When somebody asks for the page, the engine first gives what changed ([`snapshot`]) to the [`store`], bookmarks and counters in
//!    one transaction, and only then the page to [`http`].
//!
//! # The rooms
//!
//! Pure, without I/O, clock or async: [`event`], [`batch`], [`subject`] (who it is about), [`privacy`] (the only place that sees a phone
//! number), [`finding`], [`feed`], [`sample`] (what probes saw), [`snapshot`], [`formats`], [`classify`] (what attack a request is), [`detectors`], [`policy`] (whom nothing is
//! held against), [`metrics`], [`engine`], [`workload`] (made-up logs).
//!
//! The edge, where I/O lives and nothing is decided: [`config`], [`sources`], [`probes`], [`enrichers`], [`store`], [`http`], [`docker_api`],
//! [`clock`] (the only one that asks for the time), [`logging`], [`demo`]. [`setup`] builds the parts from the configuration, [`app`] runs
//! them, [`cli`] is the commands.
//!
//! What each room may name is a table in `tests/rooms.rs`.

pub mod app;
pub mod batch;
pub mod classify;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod detectors;
pub mod docker_api;
pub mod engine;
pub mod enrichers;
pub mod event;
pub mod feed;
pub mod finding;
pub mod formats;
pub mod http;
pub mod incident;
pub mod logging;
pub mod metrics;
pub mod notifiers;
pub mod policy;
pub mod privacy;
pub mod probes;
pub mod sample;
pub mod setup;
pub mod snapshot;
pub mod sources;
pub mod store;
pub mod subject;
pub mod workload;

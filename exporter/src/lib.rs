//! Hostwarden: log line → source → format → event → detectors → metrics, findings, state.

pub mod app;
pub mod batch;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod detectors;
pub mod engine;
pub mod event;
pub mod finding;
pub mod formats;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod privacy;
pub mod setup;
pub mod snapshot;
pub mod sources;
pub mod store;
pub mod subject;
pub mod workload;

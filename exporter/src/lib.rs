//! Hostwarden: log line → source → format → event → detectors → metrics, findings, state.

pub mod batch;
pub mod clock;
pub mod config;
pub mod event;
pub mod formats;
pub mod privacy;

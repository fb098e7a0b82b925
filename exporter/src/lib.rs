//! Hostwarden: log line → source → format → event → detectors → metrics, findings, state.

pub mod batch;
pub mod clock;
pub mod event;
pub mod formats;
pub mod privacy;
pub mod sources;

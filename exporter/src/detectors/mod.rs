#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Events to findings and derived facts, one file per detector. Each is bounded and pure: time comes in with the event or as `now`.

pub mod bot_errors;
pub mod bot_latency;

/// The detectors that make findings, as in `findings_total`.
pub const NAMES: [&str; 1] = [bot_errors::NAME];

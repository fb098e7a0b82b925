#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Events to findings and derived facts, one file per detector. Each is bounded and pure: time comes in with the event or as `now`.

pub mod bot_errors;
pub mod bot_latency;
pub mod enumeration;
pub mod slow_attacker;
pub mod suspects;
pub mod suspicion;
pub mod window;

/// The detectors that make findings, as in `findings_total`.
pub const NAMES: [&str; 4] = [bot_errors::NAME, enumeration::NAME, slow_attacker::NAME, suspicion::NAME];

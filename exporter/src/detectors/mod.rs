#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Events to findings and derived facts, one file per detector. Each is bounded and pure: time comes in with the event or as `now`.

pub mod bot_errors;
pub mod bot_latency;
pub mod players;
pub mod port_scan;
pub mod ssh_brute_force;
mod table;

/// The detectors that make findings, as in `findings_total`.
pub const NAMES: [&str; 3] = [bot_errors::NAME, ssh_brute_force::NAME, port_scan::NAME];

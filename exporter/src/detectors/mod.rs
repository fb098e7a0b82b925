#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Events to findings and derived facts, one file per detector. Each is bounded and pure: time comes in with the event or as `now`.

pub mod bot_errors;
pub mod bot_latency;
pub mod containers;
pub mod enumeration;
pub mod failed_units;
pub mod integrity;
pub mod players;
pub mod port_scan;
pub mod slow_attacker;
pub mod ssh_brute_force;
pub mod suspects;
pub mod suspicion;
pub mod udp_flood;
pub mod window;

/// The detectors that make findings, as in `findings_total`.
pub const NAMES: [&str; 10] = [
    bot_errors::NAME,
    containers::NAME,
    enumeration::NAME,
    failed_units::NAME,
    integrity::NAME,
    port_scan::NAME,
    slow_attacker::NAME,
    ssh_brute_force::NAME,
    suspicion::NAME,
    udp_flood::NAME,
];

//! Reading log files exactly once: one test for each hazard, and a model that plays random ones.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "clippy knows tests by their attribute, and helpers have none"
)]

#[path = "sources/hazards.rs"]
mod hazards;
#[path = "sources/model.rs"]
mod model;
#[path = "sources/rig.rs"]
mod rig;
#[path = "sources/thread.rs"]
mod thread;

//! Reading log files exactly once: one test for each hazard, and a model that plays random ones.

#[path = "sources/hazards.rs"]
mod hazards;
#[path = "sources/rig.rs"]
mod rig;

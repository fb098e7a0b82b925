#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What becomes of a finding: who is never a candidate for anything, which incident it belongs to, and who is told of it when.
//!
//! [`never_ban`] answers why a client is left alone, [`good_bots`] which bot a request claims to be and how that is proven. [`incidents`]
//! puts findings together, an [`outbox`] for each notifier knows what it has still to tell.

pub mod good_bots;
pub mod incidents;
pub mod never_ban;
pub mod outbox;
mod published;
pub mod quiet_hours;
mod ranges;
mod recent;

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What becomes of a finding: so far, who is never a candidate for anything.
//!
//! [`never_ban`] answers why a client is left alone, [`good_bots`] which bot a request claims to be and how that is proven.

pub mod good_bots;
pub mod never_ban;
mod published;
mod ranges;
mod recent;

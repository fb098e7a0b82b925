#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! What is counted, one file per area, and how it becomes a page. An area holds plain numbers, can be saved and restored, and knows
//! no detector.

pub mod attacks;
pub mod bot;
pub mod containers;
pub mod crowdsec;
pub mod firewall;
pub mod histogram;
pub mod host;
pub mod hour_window;
pub mod http;
pub mod integrity;
pub mod names;
pub mod notifications;
pub mod own;
pub mod page;
pub mod players;
pub mod reference;
pub mod sources;
pub mod sqlserver;
pub mod ssh;
pub mod udp;
pub mod web_errors;

pub use page::{Exposition, Page};

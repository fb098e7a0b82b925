//! The dashboards, one file each, and the list of them.

use crate::model::Dashboard;

mod bot;
mod client;
mod containers;
mod games;
mod host;
mod hostwarden;
mod overview;
mod security;
mod web;

/// All dashboards, as a person would look at them.
pub fn all() -> Vec<Dashboard> {
    vec![
        overview::dashboard(),
        bot::dashboard(),
        web::dashboard(),
        security::dashboard(),
        client::dashboard(),
        containers::dashboard(),
        games::dashboard(),
        host::dashboard(),
        hostwarden::dashboard(),
    ]
}

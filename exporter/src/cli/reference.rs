//! `reference`: what the code says about itself.

use super::Failure;
use crate::config::reference;
use crate::metrics;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum What {
    /// Every setting, in Markdown.
    Config,
    /// Every metric, in Markdown.
    Metrics,
    /// Every variable, as an `.env` file.
    Env,
    /// Every setting, as a commented configuration file.
    File,
}

pub(super) fn run(what: What) -> Result<(), Failure> {
    match what {
        What::Config => print!("{}", reference::markdown()),
        What::Metrics => print!("{}", metrics::reference::markdown()),
        What::Env => print!("{}", reference::env()),
        What::File => print!("{}", reference::file()),
    }
    Ok(())
}

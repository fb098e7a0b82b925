//! `check-config`: all problems, or what would run.

use super::Failure;
use crate::config::Config;
use crate::setup;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    setup::check(&config).map_err(Failure::Usage)?;
    println!("{}", config.summary());
    Ok(())
}

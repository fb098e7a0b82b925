//! `check-config`: all problems, or what would run.

use super::Failure;
use crate::config::Config;
use crate::setup;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    setup::locator(&config).map_err(|problems| Failure::Usage(super::bad_configuration(&problems)))?;
    println!("{}", config.summary());
    Ok(())
}

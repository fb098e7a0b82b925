//! `check-config`: all problems, or what would run.

use super::Failure;
use crate::config::Config;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    println!("{}", config.summary());
    Ok(())
}

//! `healthcheck`: for containers without a shell.

use std::time::Duration;

use anyhow::Context;

use super::Failure;
use crate::config::Config;
use crate::http::client::{self, Scheme};

/// Longer than a page takes, shorter than any orchestrator waits.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) fn run(config: Config) -> Result<(), Failure> {
    let address = *config.server.listen.first().context("no address to ask")?;
    let scheme = if config.server.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let answer = runtime.block_on(client::get(address, scheme, "/-/healthy", None, TIMEOUT))?;
    if answer.status != 200 {
        return Err(anyhow::anyhow!("ask {address}: answered {}", answer.status).into());
    }
    println!("healthy");
    Ok(())
}

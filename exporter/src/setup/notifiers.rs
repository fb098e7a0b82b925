//! The notifiers that have an address: who is told, and how each is to be used. The list of all notifiers.

use std::time::Duration;

use crate::config::{Config, Told};
use crate::notifiers::discord::{self, Discord};
use crate::notifiers::webhook::{self, Webhook};
use crate::notifiers::{NoClient, Notifier};
use crate::policy::outbox;

/// Where Linux says what this machine is called.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// A notifier, and how it is to be used.
pub struct Planned {
    /// Who sends.
    pub notifier: Box<dyn Notifier>,
    /// What, when, and in how many messages.
    pub outbox: outbox::Settings,
}

/// All that have an address.
///
/// # Errors
///
/// This machine has no certificates, and one of them is reached by HTTPS.
pub fn notifiers(config: &Config) -> Result<Vec<Planned>, NoClient> {
    let settings = &config.notifiers;
    let host = host(&settings.host);
    let mut all = Vec::new();
    if let Some(told) = &settings.discord {
        let (webhook, servers) = (told.to.webhook.clone(), told.to.servers.clone());
        let config = discord::Config { webhook, host: host.clone(), timeout: timeout(told), servers };
        all.push(planned(Discord::new(config)?, told));
    }
    if let Some(told) = &settings.webhook {
        let secret = told.to.secret.as_ref().map(|secret| secret.expose().to_owned());
        let config = webhook::Config { address: told.to.address.clone(), secret, host: host.clone(), timeout: timeout(told) };
        all.push(planned(Webhook::new(config)?, told));
    }
    Ok(all)
}

fn planned<T>(notifier: impl Notifier + 'static, told: &Told<T>) -> Planned {
    Planned { notifier: Box::new(notifier), outbox: told.outbox.clone() }
}

fn timeout<T>(told: &Told<T>) -> Duration {
    Duration::from_secs(told.timeout_secs)
}

/// What messages call this machine.
fn host(configured: &str) -> String {
    if configured.is_empty() { host_name() } else { configured.to_owned() }
}

/// What this machine calls itself; empty if it does not say.
pub(super) fn host_name() -> String {
    std::fs::read_to_string(HOST_NAME).unwrap_or_default().trim().to_owned()
}

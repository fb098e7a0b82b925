//! The feed and its archive, as configured.

use std::time::Duration;

use super::notifiers::host_name;
use crate::config::{self, Config, Secret};
use crate::engine::{FeedSettings, PushSettings};
use crate::notifiers::loki::{self, Credentials, Loki};

/// The most bytes of a push before it is compressed: Loki takes 4 MiB by default.
const BATCH_BYTES: usize = 1 << 20;

/// How the feed is kept; `None`: there is none.
pub(super) fn feed(config: &Config) -> Option<FeedSettings> {
    let feed = &config.feed;
    let push = config.notifiers.loki.as_ref().map(|loki| PushSettings {
        batch_entries: loki.batch_entries,
        batch_bytes: BATCH_BYTES,
        interval: Duration::from_secs(loki.interval_secs),
    });
    let settings = FeedSettings { max_entries: feed.max_entries, per_second: feed.max_per_second, bot_text: feed.bot_text, push };
    feed.enabled.then_some(settings)
}

/// Who takes the feed.
///
/// # Errors
///
/// Why it cannot be pushed to.
pub(super) fn loki(config: &Config) -> anyhow::Result<Option<Loki>> {
    let Some(settings) = &config.notifiers.loki else { return Ok(None) };
    let config::Loki { url, instance, tenant, user, password, bearer_token, timeout_secs, .. } = settings.clone();
    let text = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned());
    let credentials = match (user, text(password), text(bearer_token)) {
        (_, _, Some(token)) => Credentials::Bearer(token),
        (Some(user), Some(password), None) => Credentials::Basic(user, password),
        _ => Credentials::None,
    };
    // A label that is empty is none.
    let instance = instance.or_else(|| Some(host_name()).filter(|name| !name.is_empty())).unwrap_or_else(|| "localhost".to_owned());
    Ok(Some(Loki::new(loki::Config { url, instance, tenant, credentials, timeout: Duration::from_secs(timeout_secs) })?))
}

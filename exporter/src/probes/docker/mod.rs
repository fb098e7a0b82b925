//! Containers by the Docker API: all of them at each poll, and what happens to them in between. Asks GET only:
//! `/containers/json`, `/containers/ID/json`, `/containers/ID/stats`, `/containers/ID/logs`, `/events` (docs/probes.md).

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;

use crate::clock;
use crate::probes::{Error, Outlet, Probe, Work};
use crate::sample::Sample;
use crate::sample::docker::{Container, Containers};

mod answers;
mod client;
mod last_words;
mod watch;

use answers::{Inspected, Listed, Stats};
use client::Client;
pub use client::Endpoint;

/// The probe's name.
pub const NAME: &str = "docker";

/// The most containers that are shown; each has some twenty series.
pub const MAX_CONTAINERS: usize = 200;
/// Containers asked about at once.
const AT_ONCE: usize = 16;
/// How long one container's answer may take. The engine measures once a second and answers then.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// The longest answers that are read, in bytes. An entry of the list has about one KiB, a container's details about ten.
const LIST_BYTES: usize = 8 << 20;
const DETAILS_BYTES: usize = 1 << 20;

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where Docker listens.
    pub endpoint: Endpoint,
    /// Whether each container's details are asked for.
    pub inspect: bool,
}

/// Looks at Docker.
pub struct Docker {
    client: Client,
    inspect: bool,
    /// When what has not been answered is left out, counted from the start of a poll.
    give_up_after: Duration,
}

impl Docker {
    /// A probe whose polls may take `timeout`.
    pub fn new(config: &Config, timeout: Duration) -> Self {
        Self { client: Client::new(config.endpoint.clone()), inspect: config.inspect, give_up_after: timeout.mul_f64(0.8) }
    }

    /// All containers. Only the list has to be answered; who does not tell the rest in time delays and hides nobody else.
    async fn look(&self) -> Result<Containers, Error> {
        let give_up = clock::stopwatch() + self.give_up_after;
        let listed: Vec<Listed> = self.client.get("/containers/json?all=1", LIST_BYTES).await?;
        let mut list: Vec<Container> = listed.into_iter().filter_map(Listed::container).collect();
        list.sort_by(|a, b| (!is_alive(a), &a.name).cmp(&(!is_alive(b), &b.name)));
        list.dedup_by(|a, b| a.name == b.name);
        let left_out = list.len().saturating_sub(MAX_CONTAINERS);
        list.truncate(MAX_CONTAINERS);
        let list = stream::iter(list).map(|container| self.complete(container, give_up)).buffered(AT_ONCE).collect().await;
        Ok(Containers { list, left_out })
    }

    /// Adds to a container what the list does not tell. Each on its own: one that cannot be measured can still be told about.
    async fn complete(&self, mut container: Container, give_up: Instant) -> Container {
        let within = || ANSWER_WITHIN.min(give_up.saturating_duration_since(clock::stopwatch()));
        let stats = if is_alive(&container) { tokio::time::timeout(within(), self.stats(&container.id)).await } else { Ok(None) };
        if self.inspect
            && let Ok(Some(details)) = tokio::time::timeout(within(), self.details(&container.id)).await
        {
            details.complete(&mut container);
        }
        // It may have been started again between the two: what was measured before then is of another run.
        let started = container.details.and_then(|details| details.started);
        let is_of_this_run = |stats: &Stats| started.zip(stats.measured()).is_none_or(|(started, measured)| measured >= started);
        container.usage = stats.ok().flatten().filter(is_of_this_run).and_then(|stats| stats.usage());
        container
    }

    async fn details(&self, id: &str) -> Option<Inspected> {
        self.client.get(&format!("/containers/{id}/json"), DETAILS_BYTES).await.ok()
    }

    /// Without `one-shot` the engine would measure twice, a second apart.
    async fn stats(&self, id: &str) -> Option<Stats> {
        self.client.get(&format!("/containers/{id}/stats?stream=0&one-shot=1"), DETAILS_BYTES).await.ok()
    }
}

fn is_alive(container: &Container) -> bool {
    container.state.is_none_or(|state| state.is_alive())
}

impl Probe for Docker {
    fn name(&self) -> &'static str {
        NAME
    }

    fn poll(&mut self) -> Work<'_> {
        Work::Async(Box::pin(async { self.look().await.map(|containers| vec![Sample::Containers(containers)]).into() }))
    }

    fn watch(&mut self, outlet: Outlet) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        Some(Box::pin(watch::watch(self.client.clone(), outlet)))
    }
}

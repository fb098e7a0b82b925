//! Containers by the Docker API: all of them at each poll, and what happens to them in between. Asks GET only:
//! `/containers/json`, `/containers/ID/json`, `/containers/ID/stats`, `/containers/ID/logs`, `/events` (docs/probes.md).

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use serde::de::DeserializeOwned;

use crate::clock;
pub use crate::docker_api::Endpoint;
use crate::probes::{Error, Outlet, Probe, Seen, Work};
use crate::sample::Sample;
use crate::sample::docker::{Container, Containers};

mod answers;
mod client;
mod last_words;
mod watch;

use answers::{Inspected, Listed, Stats};
use client::Client;

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

    /// All containers. Who does not tell the rest in time delays and hides nobody else; if nobody tells it, that is a problem of Docker or
    /// of a proxy's rules.
    async fn look(&self) -> Result<Seen, Error> {
        let give_up = clock::stopwatch() + self.give_up_after;
        let listed: Vec<Listed> = self.client.get("/containers/json?all=1", LIST_BYTES).await?;
        let mut list: Vec<Container> = listed.into_iter().filter_map(Listed::container).collect();
        list.sort_by(|a, b| (!is_alive(a), &a.name).cmp(&(!is_alive(b), &b.name)));
        list.dedup_by(|a, b| a.name == b.name);
        let left_out = list.len().saturating_sub(MAX_CONTAINERS);
        list.truncate(MAX_CONTAINERS);
        let told: Vec<Told> = stream::iter(list).map(|container| self.complete(container, give_up)).buffered(AT_ONCE).collect().await;
        let problem = common(told.iter().map(|told| &told.details)).or_else(|| common(told.iter().map(|told| &told.stats)));
        let list = told.into_iter().map(|told| told.container).collect();
        Ok(Seen { samples: vec![Sample::Containers(Containers { list, left_out })], problem })
    }

    /// Adds to a container what the list does not tell. Each on its own: one that cannot be measured can still be told about.
    async fn complete(&self, mut container: Container, give_up: Instant) -> Told {
        let id = container.id.clone();
        let stats = if is_alive(&container) { Some(self.ask(&id, "stats?stream=0&one-shot=1", give_up).await) } else { None };
        let details = if self.inspect { Some(self.ask::<Inspected>(&id, "json", give_up).await) } else { None };
        if let Some(Ok(details)) = &details {
            details.complete(&mut container);
        }
        // It may have been started again between the two: what was measured before then is of another run.
        let started = container.details.and_then(|details| details.started);
        let is_of_this_run = |stats: &&Stats| started.zip(stats.measured()).is_none_or(|(started, measured)| measured >= started);
        container.usage = stats.as_ref().and_then(|stats| stats.as_ref().ok()).filter(is_of_this_run).and_then(Stats::usage);
        Told { container, details: details.map(|asked| asked.map(drop)), stats: stats.map(|asked| asked.map(drop)) }
    }

    async fn ask<T: DeserializeOwned>(&self, id: &str, what: &str, give_up: Instant) -> Result<T, Error> {
        let within = ANSWER_WITHIN.min(give_up.saturating_duration_since(clock::stopwatch()));
        let path = format!("/containers/{id}/{what}");
        tokio::time::timeout(within, self.client.get(&path, DETAILS_BYTES)).await.map_err(|_| Error::TimedOut(within))?
    }
}

/// A container, and how asking for it alone went; `None`: it was not asked.
struct Told {
    container: Container,
    details: Option<Result<(), Error>>,
    stats: Option<Result<(), Error>>,
}

/// What failed for all that were asked.
fn common<'a>(asked: impl Iterator<Item = &'a Option<Result<(), Error>>>) -> Option<Error> {
    let mut failed = None;
    for asked in asked.flatten() {
        let Err(error) = asked else { return None };
        failed = Some(Error::failed("ask for single containers", error));
    }
    failed
}

fn is_alive(container: &Container) -> bool {
    container.state.is_none_or(|state| state.is_alive())
}

impl Probe for Docker {
    fn name(&self) -> &'static str {
        NAME
    }

    fn poll(&mut self) -> Work<'_> {
        Work::Async(Box::pin(async { self.look().await.unwrap_or_else(|problem| Err(problem).into()) }))
    }

    fn watch(&mut self, outlet: Outlet) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        Some(Box::pin(watch::watch(self.client.clone(), outlet)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_fails_for_all_is_a_problem() {
        let failed = || Some(Err(Error::failed("ask", "status 403")));
        let common = |asked: &[Option<Result<(), Error>>]| common(asked.iter()).map(|error| error.to_string());
        assert_eq!(common(&[failed(), None, failed()]).as_deref(), Some("ask for single containers: ask: status 403"));
        assert_eq!(common(&[failed(), Some(Ok(()))]), None, "one is slow");
        assert_eq!(common(&[None, None]), None);
        assert_eq!(common(&[]), None);
    }
}

//! What Docker answers, as far as it is read. Everything may be missing, `null` or new: what is not understood is left out, and never a
//! reason to leave out the rest. Details hold the container's environment, with its passwords: what no field here asks for is skipped while
//! it is read and kept nowhere.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::event::Timestamp;
use crate::sample::docker::{Container, ContainerEvent, Details, Happening, Health, State, Usage};

/// The longest text that is taken of a name, a service, an image, in characters. Docker itself sets no bound.
const TEXT_CHARS: usize = 128;
/// Who Compose made it for.
const SERVICE_LABEL: &str = "com.docker.compose.service";

/// An entry of `GET /containers/json`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Listed {
    #[serde(deserialize_with = "lenient")]
    id: String,
    #[serde(deserialize_with = "lenient")]
    names: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    image: String,
    #[serde(deserialize_with = "lenient")]
    state: String,
    #[serde(deserialize_with = "lenient")]
    status: String,
    #[serde(deserialize_with = "lenient")]
    labels: BTreeMap<String, String>,
}

/// The answer of `GET /containers/ID/json`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Inspected {
    #[serde(deserialize_with = "lenient")]
    restart_count: u64,
    #[serde(deserialize_with = "lenient")]
    state: InspectedState,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct InspectedState {
    #[serde(deserialize_with = "lenient")]
    status: String,
    #[serde(deserialize_with = "lenient")]
    started_at: String,
    #[serde(deserialize_with = "lenient")]
    finished_at: String,
    #[serde(deserialize_with = "lenient")]
    exit_code: i64,
    #[serde(deserialize_with = "lenient", rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(deserialize_with = "lenient")]
    health: InspectedHealth,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct InspectedHealth {
    #[serde(deserialize_with = "lenient")]
    status: String,
}

/// The answer of `GET /containers/ID/stats`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    #[serde(deserialize_with = "lenient")]
    read: String,
    #[serde(deserialize_with = "lenient")]
    cpu_stats: CpuStats,
    #[serde(deserialize_with = "lenient")]
    memory_stats: MemoryStats,
    #[serde(deserialize_with = "lenient")]
    networks: BTreeMap<String, Network>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CpuStats {
    #[serde(deserialize_with = "lenient")]
    cpu_usage: CpuUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CpuUsage {
    #[serde(deserialize_with = "lenient")]
    total_usage: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MemoryStats {
    #[serde(deserialize_with = "lenient")]
    usage: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    limit: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    stats: BTreeMap<String, u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Network {
    #[serde(deserialize_with = "lenient")]
    rx_bytes: u64,
    #[serde(deserialize_with = "lenient")]
    tx_bytes: u64,
}

/// A line of `GET /events`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    #[serde(deserialize_with = "lenient", rename = "Action")]
    action: String,
    #[serde(deserialize_with = "lenient", rename = "Actor")]
    actor: Actor,
    #[serde(deserialize_with = "lenient", rename = "timeNano")]
    time_nano: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Actor {
    #[serde(deserialize_with = "lenient", rename = "ID")]
    id: String,
    #[serde(deserialize_with = "lenient", rename = "Attributes")]
    attributes: BTreeMap<String, String>,
}

/// A value, or its default where something else stands.
fn lenient<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(input: D) -> Result<T, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Maybe<T> {
        It(T),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Maybe::deserialize(input)? {
        Maybe::It(value) => value,
        Maybe::Other(_) => T::default(),
    })
}

impl Listed {
    /// The container, as far as the list tells; `None` if it cannot be asked for by its id.
    pub(super) fn container(self) -> Option<Container> {
        let name = self.names.iter().map(|name| name.trim_start_matches('/')).find(|name| !name.contains('/'))?;
        Some(Container {
            name: cleaned(name),
            service: self.labels.get(SERVICE_LABEL).map(|service| cleaned(service)).unwrap_or_default(),
            image: cleaned(&self.image),
            state: State::parse(&self.state),
            health: health_of(&self.status),
            id: Some(self.id).filter(|id| is_id(id))?,
            details: None,
            usage: None,
        })
    }
}

/// What the list's words for people say of the health: `Up 3 minutes (health: starting)`.
fn health_of(status: &str) -> Option<Health> {
    let word = status.strip_suffix(')')?.rsplit_once('(')?.1;
    Health::parse(word.strip_prefix("health: ").unwrap_or(word))
}

impl Inspected {
    /// Adds what was learned. It is newer than the list.
    pub(super) fn complete(&self, container: &mut Container) {
        let state = &self.state;
        container.state = State::parse(&state.status).or(container.state);
        container.health = Health::parse(&state.health.status);
        container.details = Some(Details {
            started: instant(&state.started_at),
            finished: instant(&state.finished_at),
            exit_code: state.exit_code,
            oom_killed: state.oom_killed,
            restarts: self.restart_count,
        });
    }
}

/// An instant; Docker's `0001-01-01T00:00:00Z` is none.
fn instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).filter(|at| at.secs() > 0)
}

impl Stats {
    /// When it was measured.
    pub(super) fn measured(&self) -> Option<Timestamp> {
        instant(&self.read)
    }

    /// What it uses; `None` if it is not running: Docker answers with nothing but zeros then.
    pub(super) fn usage(&self) -> Option<Usage> {
        let sum = |bytes: fn(&Network) -> u64| self.networks.values().map(bytes).fold(0, u64::saturating_add);
        Some(Usage {
            cpu: Duration::from_nanos(self.cpu_stats.cpu_usage.total_usage),
            memory_bytes: self.memory_stats.used()?,
            memory_limit_bytes: self.memory_stats.limit,
            received_bytes: sum(|network| network.rx_bytes),
            transmitted_bytes: sum(|network| network.tx_bytes),
        })
    }
}

impl MemoryStats {
    /// As `docker stats` counts it. With control groups of version 1 both keys are there, and the total is the right one.
    fn used(&self) -> Option<u64> {
        let usage = self.usage?;
        let keys = ["total_inactive_file", "inactive_file"];
        let inactive = keys.into_iter().filter_map(|key| self.stats.get(key)).find(|inactive| **inactive < usage);
        Some(usage - inactive.unwrap_or(&0))
    }
}

impl Told {
    /// What happened; `None` for what is not of interest here.
    pub(super) fn event(self) -> Option<ContainerEvent> {
        let attribute = |name: &str| self.actor.attributes.get(name).map(String::as_str);
        let number = |name: &str| attribute(name).and_then(|number| number.parse::<i64>().ok());
        let what = match self.action.as_str() {
            "start" => Happening::Started,
            "stop" => Happening::Stopped,
            "die" => Happening::Died(number("exitCode").unwrap_or(0)),
            "oom" => Happening::OomKilled,
            "kill" => Happening::Signalled(u32::try_from(number("signal")?).ok()?),
            "destroy" => Happening::Destroyed,
            action => Happening::Health(Health::parse(action.strip_prefix("health_status: ")?)?),
        };
        Some(ContainerEvent {
            at: Timestamp::from_micros(self.time_nano / 1_000),
            name: cleaned(attribute("name")?),
            service: attribute(SERVICE_LABEL).map(cleaned).unwrap_or_default(),
            what,
            last_words: None,
            id: Some(self.actor.id).filter(|id| is_id(id))?,
        })
    }

    /// What tells it from all others: time, container, action.
    pub(super) fn key(&self) -> (i64, String, String) {
        (self.time_nano, self.actor.id.clone(), self.action.clone())
    }
}

/// Whether it can stand in a path.
fn is_id(id: &str) -> bool {
    (12..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A text as it may stand in labels and sentences: printable, without quotes and backslashes, not too long.
fn cleaned(text: &str) -> String {
    text.trim().chars().take(TEXT_CHARS).map(|c| if c.is_control() || matches!(c, '"' | '\\') { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests;

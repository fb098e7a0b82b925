//! What the probe of Docker saw: all containers as they are, and what happened to one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// All containers at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Containers {
    /// The containers, no more than the probe takes.
    pub list: Vec<Container>,
    /// How many there are beyond those.
    pub left_out: usize,
}

/// One container. Its texts are cleaned and bounded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, without the slash that Docker puts in front.
    pub name: String,
    /// Its service in Compose; empty if it has none.
    pub service: String,
    /// What it was made from.
    pub image: String,
    /// What it is doing; `None`: something that this version does not know.
    pub state: Option<State>,
    /// `None`: no health check.
    pub health: Option<Health>,
    /// `None`: Docker did not tell.
    pub details: Option<Details>,
    /// `None`: it is not running, or did not answer in time.
    pub usage: Option<Usage>,
}

/// What Docker tells of a container only when asked for it alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Details {
    /// When its main process was started last; `None`: never.
    pub started: Option<Timestamp>,
    /// When its main process ended last; `None`: never.
    pub finished: Option<Timestamp>,
    /// What its main process ended with; 0 while it runs.
    pub exit_code: i64,
    /// Whether the kernel killed a process of its last run for lack of memory.
    pub oom_killed: bool,
    /// How often Docker has started it again by itself; begins anew when somebody starts it.
    pub restarts: u64,
}

/// What a running container uses. Counts begin at 0 when it is started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Time on the processors.
    pub cpu: Duration,
    /// Memory without the part of the page cache that could be given back at once, as `docker stats` has it.
    pub memory_bytes: u64,
    /// The most memory that it may use; without a limit, that of the machine.
    pub memory_limit_bytes: Option<u64>,
    /// Received over all interfaces.
    pub received_bytes: u64,
    /// Sent over all interfaces.
    pub transmitted_bytes: u64,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made and never started.
    Created,
    /// Its main process runs.
    Running,
    /// Frozen.
    Paused,
    /// Its main process ended and Docker will start it again.
    Restarting,
    /// Being removed.
    Removing,
    /// Its main process ended.
    Exited,
    /// Could not be removed.
    Dead,
}

impl State {
    /// All, in the order of the metrics.
    pub const ALL: [Self; 7] = [Self::Created, Self::Running, Self::Paused, Self::Restarting, Self::Removing, Self::Exited, Self::Dead];

    /// The label text, which is Docker's own word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// The state of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether there are processes.
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// What a container's health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Too early to say.
    Starting,
    /// Fine.
    Healthy,
    /// Not fine.
    Unhealthy,
}

impl Health {
    /// Docker's own word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// The health of this word; `None` for `none` and anything else.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Starting, Self::Healthy, Self::Unhealthy].into_iter().find(|health| health.as_str() == word)
    }
}

/// Something that happened to a container. Its texts are cleaned and bounded.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerEvent {
    /// When, by Docker's clock.
    pub at: Timestamp,
    /// As [`Container::id`].
    pub id: String,
    /// As [`Container::name`].
    pub name: String,
    /// As [`Container::service`].
    pub service: String,
    /// What.
    pub what: Happening,
    /// The last line of its log that looks like an error, else its last line; for what may be a finding.
    pub last_words: Option<String>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Its main process was started.
    Started,
    /// Somebody sent it a signal through Docker.
    Signalled(u32),
    /// Its main process ended with this code.
    Died(i64),
    /// Somebody stopped it through Docker.
    Stopped,
    /// The kernel killed one of its processes for lack of memory.
    OomKilled,
    /// Its health check says so from now on.
    Health(Health),
    /// It was removed.
    Destroyed,
}

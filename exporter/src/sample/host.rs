//! What the probe of the host saw: the kernel's own numbers, a part at a time. A part that could not be read is `None`.

use crate::event::Timestamp;

/// The machine at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    /// Processor time since the machine started, all processors together.
    pub cpu: Option<Cpu>,
    /// When it started.
    pub booted: Option<Timestamp>,
    /// Main memory.
    pub memory: Option<Memory>,
    /// Swap; its `available` is what is free.
    pub swap: Option<Memory>,
    /// Tasks that ran or waited for a disk, on average over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Local filesystems, each once.
    pub filesystems: Vec<Filesystem>,
    /// All processes, and when they were looked at.
    pub processes: Option<Processes>,
    /// Connections and who listens.
    pub sockets: Option<Sockets>,
    /// Names of systemd units that failed; `None` also where systemd cannot be asked.
    pub failed_units: Option<Vec<String>>,
}

/// What a processor's time goes to, in the order of [`Cpu`].
pub const CPU_MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

/// Seconds since the machine started, by mode.
pub type Cpu = [f64; CPU_MODES.len()];

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What can be given to programs without pushing others out.
    pub available: u64,
}

/// A filesystem, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Filesystem {
    /// Where the host has mounted it.
    pub mount: String,
    /// All of it.
    pub size: u64,
    /// What others than root may still write.
    pub available: u64,
}

/// All processes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processes {
    /// When they were looked at, in seconds since the machine started: unlike a clock this never jumps.
    pub uptime_secs: f64,
    /// Each of them.
    pub all: Vec<Process>,
}

/// One process.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Its number, which is used again after its end.
    pub pid: i32,
    /// When it started, in seconds since the machine did: with the number, this tells it from all others.
    pub started_secs: f64,
    /// The name of its program as the kernel has it, at most 15 bytes; of a thread of the kernel, what stands before a `/`.
    pub name: String,
    /// Processor time that it has used, in seconds.
    pub cpu_secs: f64,
    /// Memory that it holds, in bytes; what it shares with others counts in full.
    pub memory: u64,
}

/// What a connection is told apart by: protocol and state, in the order of [`Sockets::connections`].
pub const CONNECTIONS: [(&str, &str); 13] = [
    ("tcp", "established"),
    ("tcp", "syn_sent"),
    ("tcp", "syn_recv"),
    ("tcp", "fin_wait_1"),
    ("tcp", "fin_wait_2"),
    ("tcp", "time_wait"),
    ("tcp", "closed"),
    ("tcp", "close_wait"),
    ("tcp", "last_ack"),
    ("tcp", "listen"),
    ("tcp", "closing"),
    ("udp", "established"),
    ("udp", "unconnected"),
];

/// Sockets of IPv4 and IPv6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sockets {
    /// How many there are, by [`CONNECTIONS`].
    pub connections: [u64; CONNECTIONS.len()],
    /// Where something listens, in order and each once.
    pub listeners: Vec<Listener>,
}

/// A port that something listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// From where it can be reached.
    pub scope: Scope,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// The port.
    pub port: u16,
}

/// From where a socket can be reached, going by its address; a firewall may still stand in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// From other machines.
    External,
    /// From this one only.
    Loopback,
}

impl Scope {
    /// Both.
    pub const ALL: [Self; 2] = [Self::External, Self::Loopback];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Loopback => "loopback",
        }
    }
}

//! What arrived at UDP ports, as the kernel counted it.

use std::net::IpAddr;

use crate::event::Timestamp;

/// What one table of counters holds.
#[derive(Clone, Debug, PartialEq)]
pub struct UdpPorts {
    /// When it was read.
    pub at: Timestamp,
    /// Which table it is. Its counters begin at 0 with it and only grow: those of another one begin anew.
    pub table: i64,
    /// One for each port that it counts.
    pub ports: Vec<UdpPort>,
}

/// What arrived at one port since the table was made.
#[derive(Clone, Debug, PartialEq)]
pub struct UdpPort {
    /// The port.
    pub port: u16,
    /// Packets.
    pub packets: u64,
    /// Their bytes, with the headers of IP and UDP.
    pub bytes: u64,
    /// Who sent them; `None`: the table is gone by now, and these are its last words.
    pub sources: Option<UdpSources>,
}

/// The senders of the last window. Anybody can put any address into a UDP packet: these are claims.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UdpSources {
    /// Distinct addresses.
    pub count: u64,
    /// No more fit in: there were at least so many.
    pub is_full: bool,
    /// Of them, those that sent one packet or two.
    pub brief: u64,
    /// Of them, those that nobody on the internet has: what is reserved, for examples, for groups.
    pub unroutable: u64,
    /// Those with most packets, and how many, since they were last away for a whole window; the busiest first.
    pub busiest: Vec<(IpAddr, u64)>,
}

//! The table of counters as `nft` takes it, and the one process that is started for it: only to make the table and to take it away.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::Config;
use crate::probes::Error;

/// The table, in the family `inet`. Nobody else's.
pub(super) const TABLE: &str = "hostwarden_udp";
/// The most senders of one address family that a set holds for a port: about 1 MiB of the kernel's memory.
pub(super) const SET_SIZE: usize = 8_192;
/// Rules that each port has, and that all share.
const RULES_OF_PORT: usize = 4;
const RULES_OF_ALL: usize = 1;

/// What the table is to be.
pub(super) struct Layout {
    body: String,
    /// Two tables with the same number count the same things.
    pub(super) number: u64,
    /// How many rules it has.
    pub(super) rules: usize,
}

impl Layout {
    /// As configured.
    pub(super) fn new(config: &Config) -> Self {
        let body = body(config);
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        Self { number: hasher.finish(), rules: RULES_OF_ALL + RULES_OF_PORT * config.ports.len(), body }
    }

    /// Makes the table, in the place of one that may be there, in one transaction. The name of an empty counter tells when it was made, in
    /// microseconds, and by which layout.
    pub(super) fn make(&self, made: i64) -> Result<(), Error> {
        let Self { body, number, .. } = self;
        run(&format!("{REMOVE}table inet {TABLE} {{\ncounter {} {{ }}\n{body}}}\n", mark(made, *number)))
    }
}

/// The name of the counter that tells of a table.
pub(super) fn mark(made: i64, layout: u64) -> String {
    format!("made_{made:x}_{layout:x}")
}

/// Takes the table away, if it is there.
pub(super) fn remove() -> Result<(), Error> {
    run(REMOVE)
}

/// Adding what is there is no error, and removing what is not there is one.
const REMOVE: &str = "add table inet hostwarden_udp\ndelete table inet hostwarden_udp\n";

/// At raw priority in prerouting, packets for programs of the host and for containers pass alike, their addresses as they came.
///
/// What is only routed through to somewhere else (`unicast`: a container that plays on a server elsewhere) has not arrived here. A set
/// that is full refuses a sender and ends its rule; the counter stands before.
fn body(config: &Config) -> String {
    let mut text = String::new();
    let window = config.window_secs;
    for port in &config.ports {
        // Writing into a String cannot fail.
        let _infallible = write!(
            text,
            "counter port_{port} {{ }}
set v4_{port} {{ type ipv4_addr; size {SET_SIZE}; flags dynamic, timeout; timeout {window}s; }}
set v6_{port} {{ type ipv6_addr; size {SET_SIZE}; flags dynamic, timeout; timeout {window}s; }}
chain port_{port} {{
fib daddr type unicast return
counter name port_{port}
update @v4_{port} {{ ip saddr counter }}
update @v6_{port} {{ ip6 saddr counter }}
}}
"
        );
    }
    let jumps: Vec<String> = config.ports.iter().map(|port| format!("{port} : jump port_{port}")).collect();
    let hook = "type filter hook prerouting priority raw; policy accept;";
    text + &format!("chain received {{\n{hook}\nudp dport vmap {{ {} }}\n}}\n", jumps.join(", "))
}

fn run(script: &str) -> Result<(), Error> {
    let failed = |cause: &dyn std::fmt::Display| Error::failed("run nft", cause);
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut nft = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed(&"it is not there: install nftables"),
        _ => failed(&error),
    })?;
    // It reads all before it says anything: neither waits for the other.
    let written = nft.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(script.as_bytes()));
    let ended = nft.wait_with_output().map_err(|error| failed(&error))?;
    if ended.status.success() {
        return written.map_err(|error| failed(&error));
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.lines().next().unwrap_or_default().trim_start_matches("/dev/stdin:").trim();
    Err(failed(&if said.is_empty() { ended.status.to_string() } else { said.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_differ_with_what_they_count() {
        let layout = |ports: &[u16], window_secs| Layout::new(&Config { ports: ports.to_vec(), window_secs });
        let one = layout(&[27_015], 10);
        assert!(one.body.contains("udp dport vmap { 27015 : jump port_27015 }"), "{}", one.body);
        assert!(one.body.contains("timeout 10s"), "{}", one.body);
        let rules = one.body.lines().filter(|line| ["fib ", "counter name", "update ", "udp "].iter().any(|rule| line.starts_with(rule)));
        assert_eq!((rules.count(), one.rules), (5, 5));
        let others = [layout(&[27_016], 10), layout(&[27_015], 20), layout(&[27_015, 27_016], 10)];
        assert!(others.iter().all(|other| other.number != one.number) && layout(&[27_015], 10).number == one.number);
        assert!(REMOVE.contains(TABLE));
    }
}

//! Sockets: how many there are in which state, and where something listens, from `/proc/1/net/{tcp,tcp6,udp,udp6}`. The tables are read
//! as a stream: a busy proxy has a hundred thousand connections.

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use super::super::Error;
use super::super::socket_table::SocketTable;
use crate::sample::host::{CONNECTIONS, Listener, Scope, Sockets};

/// The most lines of a table that are read; making more of them costs the kernel half a second and more.
const MAX_LINES: usize = 500_000;
/// A line has some 150 bytes.
const BUFFER_BYTES: usize = 32 * 1024;
/// The most ports noted; a port that was met twice counts twice until the end.
const MAX_LISTENERS: usize = 8_192;

/// All of them. A kernel without IPv6 lacks two of the tables.
pub(super) fn read(proc: &Path) -> Result<Sockets, Error> {
    let mut sockets = Sockets::default();
    // Without a look at the first process' network, the own one; with the host's /proc mounted in a container, that is the container's.
    let net = if proc.join("1/net/tcp").exists() { proc.join("1/net") } else { proc.join("net") };
    for (name, protocol) in [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")] {
        let file = net.join(name);
        match SocketTable::open(&file) {
            Ok(table) => count(BufReader::with_capacity(BUFFER_BYTES, table), protocol, &mut sockets),
            Err(error) if error.kind() == ErrorKind::NotFound && name != "tcp" => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(|error| Error::failed(format!("read {}", file.display()), error))?;
    }
    sockets.listeners.sort_unstable();
    sockets.listeners.dedup();
    Ok(sockets)
}

/// Counts the sockets of a table.
fn count(mut table: impl BufRead, protocol: &'static str, sockets: &mut Sockets) -> std::io::Result<()> {
    let mut line = Vec::with_capacity(256);
    for _ in 0..MAX_LINES {
        line.clear();
        if table.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        // The heading has no state.
        let Some((local, state)) = fields(&line) else { continue };
        let Some(place) = CONNECTIONS.iter().position(|known| *known == (protocol, word(protocol, state))) else { continue };
        if let Some(number) = sockets.connections.get_mut(place) {
            *number += 1;
        }
        let listens = matches!((protocol, state), ("tcp", LISTEN) | ("udp", CLOSE));
        if let Some((scope, port)) = listens.then(|| address(local)).flatten()
            && sockets.listeners.len() < MAX_LISTENERS
        {
            sockets.listeners.push(Listener { scope, protocol, port });
        }
    }
    Err(std::io::Error::other(format!("has more than {MAX_LINES} lines")))
}

/// Local address and state of `  0: 0100007F:1F90 00000000:0000 0A …`.
fn fields(line: &[u8]) -> Option<(&str, u8)> {
    let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace().skip(1);
    let (local, _remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    Some((local, u8::from_str_radix(state, 16).ok()?))
}

/// Numbers of states, from the kernel's `include/net/tcp_states.h`.
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;

/// The word for a state, in the kernel's order.
fn word(protocol: &str, state: u8) -> &'static str {
    match (protocol, state) {
        (_, 1) => "established",
        ("udp", CLOSE) => "unconnected",
        ("tcp", 2) => "syn_sent",
        // A request that is no socket yet has a number of its own, which older kernels do not show.
        ("tcp", 3 | 12) => "syn_recv",
        ("tcp", 4) => "fin_wait_1",
        ("tcp", 5) => "fin_wait_2",
        ("tcp", 6) => "time_wait",
        ("tcp", CLOSE) => "closed",
        ("tcp", 8) => "close_wait",
        ("tcp", 9) => "last_ack",
        ("tcp", LISTEN) => "listen",
        ("tcp", 11) => "closing",
        _ => "",
    }
}

/// Scope and port of `0100007F:1F90`: four bytes each in the order of the processor.
fn address(text: &str) -> Option<(Scope, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = address.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let words: Vec<u32> = words.map(|word| word.map(|word| u32::from_be_bytes(word.to_ne_bytes()))).collect::<Option<_>>()?;
    let is_loopback = match words[..] {
        [v4] | [0, 0, 0xffff, v4] => v4 >> 24 == 127,
        [0, 0, 0, last] => last == 1,
        _ => false,
    };
    Some((if is_loopback { Scope::Loopback } else { Scope::External }, port)).filter(|_| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_are_read_as_the_kernel_writes_them() {
        for (text, expected) in [
            ("0100007F:1F90", Some((Scope::Loopback, 8080))),
            ("3500007F:0035", Some((Scope::Loopback, 53))),
            ("00000000:0016", Some((Scope::External, 22))),
            ("0100000A:0016", Some((Scope::External, 22))),
            ("00000000000000000000000001000000:0050", Some((Scope::Loopback, 80))),
            ("0000000000000000FFFF00000100007F:0050", Some((Scope::Loopback, 80))),
            ("00000000000000000000000000000000:0050", Some((Scope::External, 80))),
            ("B80D01200000000000000000010000FF:0050", Some((Scope::External, 80))),
            ("00000000:0000", None),
            ("0000:0016:1", None),
            ("zz:0016", None),
        ] {
            assert_eq!(address(text), expected, "{text}");
        }
    }

    #[test]
    fn sockets_are_counted_by_state() {
        let mut sockets = Sockets::default();
        let line = |state: &str| format!("   0: 00000000:0016 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0 0 1 1 0\n");
        let mut table = "  sl  local_address rem_address   st tx_queue\n".to_owned();
        ["01", "0A", "0C", "03", "06", "06", "FF", "x"].iter().for_each(|state| table += &line(state));
        table += "\u{0}\n\n:\n";
        count(table.as_bytes(), "tcp", &mut sockets).unwrap();
        count(line("07").as_bytes(), "udp", &mut sockets).unwrap();
        let told: Vec<_> = CONNECTIONS.iter().zip(sockets.connections).filter(|(_, number)| *number > 0).collect();
        assert_eq!(
            told,
            [
                (&("tcp", "established"), 1),
                (&("tcp", "syn_recv"), 2),
                (&("tcp", "time_wait"), 2),
                (&("tcp", "listen"), 1),
                (&("udp", "unconnected"), 1)
            ]
        );
        assert_eq!(sockets.listeners.len(), 2);
    }

    #[test]
    fn all_words_are_known_labels() {
        for (protocol, states) in [("tcp", 1..=12), ("udp", 7..=7)] {
            for state in states {
                assert!(CONNECTIONS.contains(&(protocol, word(protocol, state))), "{protocol} {state}");
            }
        }
    }
}

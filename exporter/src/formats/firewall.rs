//! Packets that the kernel's firewall logged (UFW, iptables, nftables): `KEY=value` pairs and bare flags behind a free prefix, from
//! syslog, `journalctl`, or Proxmox' own log.
//!
//! The sender's address is what the packet says: of UDP and of a lone SYN it can be forged. Logging is rate-limited (UFW: three a minute
//! and ten at once, for each rule), so counts are lower bounds.

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use super::syslog::Heads;
use super::timestamps::ClfClock;
use super::{Format, Parsed, Sink, numbers};
use crate::event::{Event, FirewallAction, FirewallEvent, Protocol, Stamped, Timestamp};

/// The format's state.
pub struct Firewall {
    heads: Heads,
    clf: ClfClock,
}

impl Firewall {
    /// Nothing read yet. Times without an offset are wall-clock times of `zone`; `reference` is about now and tells the year of times that
    /// name none.
    pub fn new(zone: TimeZone, reference: Timestamp) -> Self {
        Self { heads: Heads::new(zone, reference), clf: ClfClock::default() }
    }

    fn parse<'a>(&mut self, line: &'a [u8]) -> Parsed<'a> {
        let (at, message, is_kernel) = match self.heads.read(line) {
            Some(record) if record.program == b"kernel" => (record.at, record.message, true),
            Some(record) if !record.program.is_empty() => return Parsed::Skip,
            Some(record) => (record.at, record.message, false),
            None => self.proxmox(line).map_or((Timestamp::UNKNOWN, line, false), |(at, message)| (at, message, false)),
        };
        match packet(message) {
            Some(Ok(packet)) => Parsed::Event(Stamped { at, event: Event::Firewall(packet) }),
            Some(Err(reason)) => Parsed::Malformed(reason),
            None if is_kernel || line.is_empty() => Parsed::Skip,
            None => Parsed::Malformed("no_packet"),
        }
    }

    /// `VMID LEVEL CHAIN 20/Jun/2022:13:09:14 +0200 MESSAGE`
    fn proxmox<'a>(&mut self, line: &'a [u8]) -> Option<(Timestamp, &'a [u8])> {
        let mut blanks = memchr::memchr_iter(b' ', line);
        let start = blanks.nth(2)? + 1;
        let (stamp, message) = line.get(start..)?.split_first_chunk::<26>()?;
        Some((self.clf.parse(stamp)?, message.trim_ascii_start()))
    }
}

impl Format for Firewall {
    fn read_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let parsed = self.parse(line);
        sink.take(line, parsed);
    }

    fn save(&self) -> Value {
        json!({ "last": self.heads.last() })
    }

    fn load(&mut self, saved: &Value) {
        self.heads.go_on_from(Timestamp::deserialize(&saved["last"]).ok());
    }
}

/// The packet of a kernel message; nothing if it tells of none.
fn packet(message: &[u8]) -> Option<Result<FirewallEvent<'_>, &'static str>> {
    let message = without_uptime(message);
    let start = first_field(message)?;
    let (prefix, fields) = message.split_at(start);
    Some(read(action(prefix), fields))
}

/// The kernel's own stamp, `[12345.678901] `, comes off.
fn without_uptime(message: &[u8]) -> &[u8] {
    let inner = message.strip_prefix(b"[").and_then(|rest| rest.split_at_checked(memchr::memchr(b']', rest)?));
    match inner {
        Some((time, rest)) if time.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b' ')) => {
            rest.get(1..).unwrap_or_default().trim_ascii_start()
        }
        _ => message,
    }
}

/// Where the fields begin: with `IN=`, or (Proxmox, outgoing) with `OUT=` behind nothing or a colon.
fn first_field(message: &[u8]) -> Option<usize> {
    let begins = |field: &[u8]| {
        let is_word = |place: &usize| *place == 0 || matches!(message.get(place - 1), Some(b' ' | b':' | b']'));
        memchr::memmem::find_iter(message, field).find(is_word)
    };
    begins(b"IN=").or_else(|| {
        begins(b"OUT=").filter(|place| message.get(..*place).is_some_and(|prefix| matches!(prefix.trim_ascii_end(), [] | [.., b':'])))
    })
}

/// What a rule's prefix says was done: the last word that says so.
fn action(prefix: &[u8]) -> FirewallAction {
    const WORDS: [(&str, FirewallAction); 10] = [
        ("block", FirewallAction::Block),
        ("blocked", FirewallAction::Block),
        ("drop", FirewallAction::Block),
        ("dropped", FirewallAction::Block),
        ("deny", FirewallAction::Block),
        ("denied", FirewallAction::Block),
        ("reject", FirewallAction::Block),
        ("rejected", FirewallAction::Block),
        ("allow", FirewallAction::Allow),
        ("accept", FirewallAction::Allow),
    ];
    let meaning = |word: &[u8]| WORDS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(word)).map(|(_, action)| *action);
    prefix.split(|byte| !byte.is_ascii_alphabetic()).rev().find_map(meaning).unwrap_or_default()
}

/// Fields of a packet, each as it comes first: of two `LEN`, and of what an ICMP error quotes between brackets, the second is another's.
fn read(action: FirewallAction, fields: &[u8]) -> Result<FirewallEvent<'_>, &'static str> {
    let mut packet = FirewallEvent { action, ..FirewallEvent::default() };
    let (mut input, mut output, mut protocol, mut syn, mut ack) = (b"".as_slice(), b"".as_slice(), None, false, false);
    for field in fields.split(|&byte| byte == b' ').take_while(|field| !field.starts_with(b"[")) {
        let (key, value) = match memchr::memchr(b'=', field) {
            Some(place) => (&field[..place], &field[place + 1..]),
            None => (field, b"".as_slice()),
        };
        match key {
            b"IN" if input.is_empty() => input = value,
            b"OUT" if output.is_empty() => output = value,
            b"SRC" if packet.client.is_empty() => packet.client = value,
            b"PROTO" if protocol.is_none() => protocol = Some(self::protocol(value)),
            b"SPT" if packet.source_port.is_none() => packet.source_port = Some(port(value)?),
            b"DPT" if packet.port.is_none() => packet.port = Some(port(value)?),
            b"SYN" => syn = true,
            // `ACK=0` is a sequence number.
            b"ACK" if field.len() == 3 => ack = true,
            _ => {}
        }
    }
    if packet.client.is_empty() {
        return Err("no_source");
    }
    packet.protocol = protocol.unwrap_or_default();
    packet.inbound = !input.is_empty() && output.is_empty();
    packet.opens = packet.protocol == Protocol::Tcp && syn && !ack;
    Ok(packet)
}

/// By name, or by number where the kernel writes that.
fn protocol(text: &[u8]) -> Protocol {
    match text {
        b"TCP" | b"tcp" | b"6" => Protocol::Tcp,
        b"UDP" | b"udp" | b"17" => Protocol::Udp,
        b"ICMP" | b"ICMPv6" | b"icmp" | b"1" | b"58" => Protocol::Icmp,
        _ => Protocol::Other,
    }
}

fn port(text: &[u8]) -> Result<u16, &'static str> {
    numbers::unsigned(text).and_then(|port| u16::try_from(port).ok()).ok_or("bad_port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_say_what_was_done() {
        use FirewallAction::{Allow, Block, Other};
        for (prefix, expected) in [
            ("[UFW BLOCK] ", Block),
            ("[UFW LIMIT BLOCK] ", Block),
            ("[UFW ALLOW] ", Allow),
            ("[UFW AUDIT] ", Other),
            ("IPTABLES-DROP: ", Block),
            ("PVEFW-reject: ", Block),
            ("policy DROP: ", Block),
            ("nft denied ", Block),
            ("ACCEPT: ", Allow),
            ("blockchain: ", Other),
            ("", Other),
        ] {
            assert_eq!(action(prefix.as_bytes()), expected, "{prefix}");
        }
    }
}

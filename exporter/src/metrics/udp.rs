//! Packets, bytes and senders at UDP ports, and floods of them.

use serde_json::{Value, json};

use super::names::{UDP_BYTES, UDP_FLOODS, UDP_PACKETS, UDP_SOURCES};
use super::page::Page;
use crate::sample::udp_ports::UdpPort;

/// The words for what a flood can be of, in the order in which each port counts them.
pub const KINDS: [&str; 3] = ["packets", "bytes", "sources"];

/// What arrived at the ports. The kernel's counters begin anew with each of its tables; these never do.
#[derive(Default)]
pub struct Udp {
    ports: Vec<Port>,
    /// The table that was read last.
    table: i64,
}

/// What arrived at one port.
#[derive(Default)]
pub struct Port {
    service: String,
    port: u16,
    /// Packets and bytes since the very beginning.
    pub totals: [u64; 2],
    /// Packets and bytes as the kernel has counted them by now.
    kernel: [u64; 2],
    sources: Option<u64>,
    floods: [u64; KINDS.len()],
}

impl Udp {
    /// Nothing has arrived yet.
    pub fn new(ports: impl IntoIterator<Item = (String, u16)>) -> Self {
        Self { ports: ports.into_iter().map(|(service, port)| Port { service, port, ..Port::default() }).collect(), table: 0 }
    }

    /// What follows are counters of this table.
    pub fn read(&mut self, table: i64) {
        if self.table != table {
            self.table = table;
            self.ports.iter_mut().for_each(|port| port.kernel = [0; 2]);
        }
    }

    /// Takes what the table has of a port; gives its place and totals, if it is one of ours.
    pub fn take(&mut self, seen: &UdpPort) -> Option<(usize, [u64; 2])> {
        let place = self.ports.iter().position(|port| port.port == seen.port)?;
        let port = self.ports.get_mut(place)?;
        let kernel = [seen.packets, seen.bytes];
        for ((total, before), now) in port.totals.iter_mut().zip(port.kernel).zip(kernel) {
            *total = total.saturating_add(now.saturating_sub(before));
        }
        port.kernel = kernel;
        port.sources = seen.sources.as_ref().map(|sources| sources.count);
        Some((place, port.totals))
    }

    /// Counts a flood of the port at a place.
    pub fn flood(&mut self, place: usize, kind: usize) {
        if let Some(count) = self.ports.get_mut(place).and_then(|port| port.floods.get_mut(kind)) {
            *count += 1;
        }
    }

    /// Nobody knows who sends now.
    pub fn lose(&mut self) {
        self.ports.iter_mut().for_each(|port| port.sources = None);
    }

    /// Writes these rows.
    pub fn show(&self, page: &mut Page) {
        for port in &self.ports {
            let (service, number) = (port.service.as_str(), port.port.to_string());
            let labels = [service, &number];
            page.counter(&UDP_PACKETS, &labels, port.totals[0]);
            page.counter(&UDP_BYTES, &labels, port.totals[1]);
            if let Some(sources) = port.sources {
                page.gauge(&UDP_SOURCES, &labels, sources as f64);
            }
            // A service may have several ports.
            KINDS.iter().zip(port.floods).for_each(|(kind, floods)| page.add_counter(&UDP_FLOODS, &[service, kind], floods));
        }
    }

    /// For [`Udp::load`].
    pub fn save(&self) -> Value {
        let port = |port: &Port| (port.port.to_string(), json!([port.totals, port.kernel, port.floods]));
        json!({ "table": self.table, "ports": self.ports.iter().map(port).collect::<serde_json::Map<_, _>>() })
    }

    /// Takes up what [`Udp::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        self.table = saved["table"].as_i64().unwrap_or(0);
        for port in &mut self.ports {
            let saved = &saved["ports"][port.port.to_string()];
            let numbers = |numbers: &mut [u64], saved: &Value| {
                numbers.iter_mut().enumerate().for_each(|(place, number)| *number = saved[place].as_u64().unwrap_or(0));
            };
            numbers(&mut port.totals, &saved[0]);
            numbers(&mut port.kernel, &saved[1]);
            numbers(&mut port.floods, &saved[2]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp() -> Udp {
        Udp::new([("game".to_owned(), 27_015), ("voice".to_owned(), 9_987)])
    }

    fn take(udp: &mut Udp, table: i64, packets: u64) -> Option<[u64; 2]> {
        udp.read(table);
        udp.take(&UdpPort { port: 9_987, packets, bytes: packets * 100, sources: None }).map(|(_, totals)| totals)
    }

    #[test]
    fn totals_go_on_over_tables_and_restarts() {
        let mut before = udp();
        assert_eq!(take(&mut before, 1, 10), Some([10, 1_000]));
        assert_eq!(take(&mut before, 1, 15), Some([15, 1_500]), "the same table: what came since");
        assert_eq!(take(&mut before, 2, 4), Some([19, 1_900]), "another one: all of it");
        before.flood(1, 2);
        let mut after = udp();
        after.load(&before.save());
        assert_eq!(take(&mut after, 2, 7), Some([22, 2_200]), "what came while nobody looked");
        assert_eq!(take(&mut after, 2, 5), Some([22, 2_200]), "never back");
        assert_eq!((after.ports[1].floods, after.ports[0].totals), ([0, 0, 1], [0, 0]));
        assert!(after.take(&UdpPort { port: 53, packets: 1, bytes: 1, sources: None }).is_none());
    }
}

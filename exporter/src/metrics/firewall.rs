//! Packets that a firewall logged.

use serde_json::{Value, json};

use super::names::FIREWALL_EVENTS;
use super::page::Page;
use crate::event::{FirewallAction, FirewallEvent, Protocol};

/// Counters of one firewall's log, by action and protocol.
#[derive(Default)]
pub struct Firewall {
    packets: [[u64; Protocol::ALL.len()]; FirewallAction::ALL.len()],
}

impl Firewall {
    /// Counts a packet.
    pub fn observe(&mut self, packet: &FirewallEvent<'_>) {
        self.packets[packet.action as usize][packet.protocol as usize] += 1;
    }

    /// Packets by action, as labelled.
    pub fn by_action(&self) -> [(&'static str, u64); FirewallAction::ALL.len()] {
        FirewallAction::ALL.map(|action| (action.as_str(), self.packets[action as usize].iter().sum()))
    }

    /// Packets by protocol, as labelled.
    pub fn by_protocol(&self) -> [(&'static str, u64); Protocol::ALL.len()] {
        Protocol::ALL.map(|protocol| (protocol.as_str(), self.packets.iter().map(|counts| counts[protocol as usize]).sum()))
    }

    /// Writes these rows.
    pub fn show(&self, source: &str, page: &mut Page) {
        for (action, counts) in FirewallAction::ALL.iter().zip(&self.packets) {
            for (protocol, count) in Protocol::ALL.iter().zip(counts) {
                page.counter(&FIREWALL_EVENTS, &[source, action.as_str(), protocol.as_str()], *count);
            }
        }
    }

    /// For [`Firewall::load`].
    pub fn save(&self) -> Value {
        json!(self.packets)
    }

    /// Takes up what [`Firewall::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        for (action, counts) in self.packets.iter_mut().enumerate() {
            counts.iter_mut().enumerate().for_each(|(protocol, count)| *count = saved[action][protocol].as_u64().unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_and_saved() {
        let mut firewall = Firewall::default();
        for (action, protocol) in
            [(FirewallAction::Block, Protocol::Tcp), (FirewallAction::Block, Protocol::Udp), (FirewallAction::Other, Protocol::Udp)]
        {
            firewall.observe(&FirewallEvent { action, protocol, ..FirewallEvent::default() });
        }
        let mut again = Firewall::default();
        again.load(&firewall.save());
        assert_eq!(again.by_action(), [("block", 2), ("allow", 0), ("other", 1)]);
        assert_eq!(again.by_protocol(), [("tcp", 1), ("udp", 2), ("icmp", 0), ("other", 0)]);
    }
}

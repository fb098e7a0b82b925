//! What the kernel has in the table of counters.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{Attributes, Failure, List, Netlink};
use super::nft::{SET_SIZE, TABLE};
use crate::sample::udp_ports::{UdpPort, UdpSources};

// Numbers of linux/netfilter/nf_tables.h. What a rule, an element or an object belongs to has the number 1 in all.
const NFTA_TABLE: u16 = 1;
const NFTA_OBJ_NAME: u16 = 2;
const NFTA_OBJ_TYPE: u16 = 3;
const NFTA_OBJ_DATA: u16 = 4;
const NFT_OBJECT_COUNTER: [u8; 4] = [0, 0, 0, 1];
const NFTA_COUNTER_BYTES: u16 = 1;
const NFTA_COUNTER_PACKETS: u16 = 2;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_EXPR: u16 = 7;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;

/// The most ports that are read of a table, whoever made it.
const MAX_PORTS: usize = 256;
/// The busiest senders that are told of a port.
const BUSIEST: usize = 64;
/// The most packets of a sender that is brief: one, and one that the network doubled.
const BRIEF_PACKETS: u64 = 2;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// When it was made, in microseconds, and by which layout; `None`: it is not there, or somebody else's.
    pub(super) made: Option<(i64, u64)>,
    /// Its counters, without senders.
    pub(super) ports: Vec<UdpPort>,
    /// How many rules it has.
    pub(super) rules: usize,
}

/// Reads it; one that is not there is empty.
pub(super) fn read(netlink: &mut Netlink) -> Result<Table, Failure> {
    let which = [(NFTA_TABLE, TABLE)];
    let mut table: Table = netlink.list(List::Objects, &which, add_object)?;
    // Old kernels list the rules of all tables.
    let is_ours = |rule: Attributes<'_>| rule.text(NFTA_TABLE) == Some(TABLE);
    table.rules = netlink.list(List::Rules, &which, |rules: &mut usize, rule| *rules += usize::from(is_ours(rule)))?;
    Ok(table)
}

fn add_object(table: &mut Table, object: Attributes<'_>) {
    let is_counter = object.text(NFTA_TABLE) == Some(TABLE) && object.find(NFTA_OBJ_TYPE) == Some(&NFT_OBJECT_COUNTER);
    let Some(name) = object.text(NFTA_OBJ_NAME).filter(|_| is_counter) else { return };
    if let Some((made, layout)) = name.strip_prefix("made_").and_then(|rest| rest.split_once('_')) {
        table.made = i64::from_str_radix(made, 16).ok().zip(u64::from_str_radix(layout, 16).ok());
    } else if let Some(port) = name.strip_prefix("port_").and_then(|port| port.parse().ok())
        && table.ports.len() < MAX_PORTS
    {
        let counter = object.within(NFTA_OBJ_DATA);
        let (packets, bytes) = (counter.number(NFTA_COUNTER_PACKETS), counter.number(NFTA_COUNTER_BYTES));
        table.ports.push(UdpPort { port, packets, bytes, sources: None });
    }
}

/// Reads who sent to a port within the last window.
pub(super) fn sources(netlink: &mut Netlink, port: u16) -> Result<UdpSources, Failure> {
    let mut senders = Senders::default();
    for family in ["v4", "v6"] {
        let set = format!("{family}_{port}");
        let which = [(NFTA_TABLE, TABLE), (NFTA_SET_ELEM_LIST_SET, set.as_str())];
        senders.join(netlink.list(List::Elements, &which, Senders::add)?);
    }
    Ok(senders.told())
}

/// Who sent, and how many packets. While the kernel moves elements about, it may list one twice.
#[derive(Default)]
struct Senders {
    known: HashSet<IpAddr>,
    packets: Vec<(IpAddr, u64)>,
    is_full: bool,
}

impl Senders {
    fn add(&mut self, elements: Attributes<'_>) {
        for element in elements.within(NFTA_SET_ELEM_LIST_ELEMENTS).each_within(NFTA_LIST_ELEM) {
            let Some(address) = element.within(NFTA_SET_ELEM_KEY).find(NFTA_DATA_VALUE).and_then(address) else { continue };
            if self.known.len() < SET_SIZE && self.known.insert(address) {
                let packets = element.within(NFTA_SET_ELEM_EXPR).within(NFTA_EXPR_DATA).number(NFTA_COUNTER_PACKETS);
                self.packets.push((address, packets));
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.is_full |= other.packets.len() >= SET_SIZE;
        self.packets.extend(other.packets);
    }

    fn told(mut self) -> UdpSources {
        let count = |is_it: fn(&(IpAddr, u64)) -> bool| self.packets.iter().filter(|sender| is_it(sender)).count() as u64;
        let (brief, unroutable) = (count(|(_, packets)| *packets <= BRIEF_PACKETS), count(|(address, _)| is_unroutable(*address)));
        let total = self.packets.len() as u64;
        self.packets.sort_unstable_by_key(|(address, packets)| (std::cmp::Reverse(*packets), *address));
        self.packets.truncate(BUSIEST);
        UdpSources { count: total, is_full: self.is_full, brief, unroutable, busiest: self.packets }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

/// Addresses that nobody has: IANA's registries of special-purpose addresses, without those that local networks use.
fn is_unroutable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            matches!(v4.octets(), [0 | 224..=255, ..] | [192, 0, 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _])
        }
        // In use are 2000::/3, and locally fc00::/7 and fe80::/10.
        IpAddr::V6(v6) => match v6.segments() {
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => true,
            [first, ..] => !matches!(first, 0x2000..=0x3fff | 0xfc00..=0xfdff | 0xfe80..=0xfebf) && !v6.is_loopback(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::netlink::tests::{attribute, attributes};
    use super::*;

    fn counter(packets: u64, bytes: u64) -> Vec<u8> {
        [attribute(NFTA_COUNTER_BYTES, &bytes.to_be_bytes()), attribute(NFTA_COUNTER_PACKETS, &packets.to_be_bytes())].concat()
    }

    fn object(table: &str, name: &str, kind: u8) -> Vec<u8> {
        let text = |kind, text: &str| attribute(kind, format!("{text}\0").as_bytes());
        let kind = attribute(NFTA_OBJ_TYPE, &[0, 0, 0, kind]);
        [text(NFTA_TABLE, table), text(NFTA_OBJ_NAME, name), kind, attribute(NFTA_OBJ_DATA, &counter(3, 384))].concat()
    }

    fn element(address: &[u8], packets: u64) -> Vec<u8> {
        let key = attribute(NFTA_SET_ELEM_KEY, &attribute(NFTA_DATA_VALUE, address));
        let expression = [attribute(1, b"counter\0"), attribute(NFTA_EXPR_DATA, &counter(packets, 1))].concat();
        attribute(NFTA_LIST_ELEM, &[key, attribute(NFTA_SET_ELEM_EXPR, &expression)].concat())
    }

    #[test]
    fn counters_of_our_table_are_read_and_others_are_not() {
        let mut table = Table::default();
        for (of, name, kind) in [
            (TABLE, "made_1f_ffffffffffffffff", 1),
            (TABLE, "port_27015", 1),
            (TABLE, "port_70000", 1),
            (TABLE, "port_", 1),
            (TABLE, "port_53", 2),
            ("other", "port_53", 1),
        ] {
            add_object(&mut table, attributes(&object(of, name, kind)));
        }
        assert_eq!(table.made, Some((31, u64::MAX)));
        assert_eq!(table.ports, [UdpPort { port: 27_015, packets: 3, bytes: 384, sources: None }]);
    }

    #[test]
    fn senders_are_counted_once_and_the_busiest_are_told() {
        let elements: Vec<u8> = [
            element(&[10, 0, 0, 1], 5),
            element(&[203, 0, 113, 9], 2),
            element(&[10, 0, 0, 1], 5),
            element(&[1, 2, 3], 5),
            attribute(NFTA_LIST_ELEM, &[9]),
        ]
        .concat();
        let (mut v4, mut v6) = (Senders::default(), Senders::default());
        v4.add(attributes(&attribute(NFTA_SET_ELEM_LIST_ELEMENTS, &elements)));
        v6.add(attributes(&attribute(NFTA_SET_ELEM_LIST_ELEMENTS, &element(&Ipv6Addr::LOCALHOST.octets(), 7))));
        v4.join(v6);
        let told = v4.told();
        assert_eq!((told.count, told.brief, told.unroutable, told.is_full), (3, 1, 1, false));
        let busiest: Vec<String> = told.busiest.iter().map(|(address, packets)| format!("{address} {packets}")).collect();
        assert_eq!(busiest, ["::1 7", "10.0.0.1 5", "203.0.113.9 2"]);
    }

    #[test]
    fn a_full_set_says_so_and_holds_no_more() {
        let (mut all, mut v4) = (Senders::default(), Senders::default());
        for number in 0..SET_SIZE as u32 + 100 {
            v4.add(attributes(&attribute(NFTA_SET_ELEM_LIST_ELEMENTS, &element(&number.to_be_bytes(), 1))));
        }
        all.join(v4);
        let told = all.told();
        assert_eq!((told.count, told.is_full, told.busiest.len()), (SET_SIZE as u64, true, BUSIEST));
    }

    #[test]
    fn addresses_that_nobody_has() {
        let is = |text: &str| is_unroutable(text.parse().unwrap());
        for nobodys in ["0.1.2.3", "198.51.100.1", "198.18.0.1", "240.0.0.1", "255.255.255.255", "2001:db8::1", "ff02::1", "4000::1"] {
            assert!(is(nobodys), "{nobodys}");
        }
        for somebodys in ["8.8.8.8", "10.0.0.1", "127.0.0.1", "100.64.0.1", "192.168.1.1", "2a00::1", "fd00::1", "fe80::1", "::1"] {
            assert!(!is(somebodys), "{somebodys}");
        }
    }
}

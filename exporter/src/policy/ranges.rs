//! Networks and what each means, found by binary search: a few steps for thousands of networks, 12 bytes for each IPv4 one.

use std::cmp::Reverse;

use ipnet::IpNet;

use crate::subject::Client;

/// Networks and their meanings. Networks either lie in each other or have nothing in common; of nested ones the widest counts.
#[derive(Clone, Debug)]
pub(super) struct Ranges<T> {
    v4: Sorted<u32, T>,
    v6: Sorted<u64, T>,
}

/// Those of one family.
#[derive(Clone, Debug)]
struct Sorted<B, T> {
    /// Where each begins: by themselves, so that a search looks at little memory.
    firsts: Vec<B>,
    /// Where each ends, and what it means.
    rest: Vec<(B, T)>,
}

/// From the first client to the last.
#[derive(Clone, Copy, Debug)]
struct Range<B, T> {
    first: B,
    last: B,
    meaning: T,
}

impl<T: Copy> Ranges<T> {
    /// Networks in any order; of equal ones the first counts. A network smaller than a /64 covers its whole /64, as clients do.
    pub(super) fn new(networks: impl IntoIterator<Item = (IpNet, T)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, meaning) in networks {
            match (Client::of(network.network()), Client::of(network.broadcast())) {
                (Client::V4(first), Client::V4(last)) => v4.push(Range { first, last, meaning }),
                (Client::V6(first), Client::V6(last)) => v6.push(Range { first, last, meaning }),
                // `::ffff:0:0/95` and wider hold all of IPv4, and nobody means that.
                _ => {}
            }
        }
        Self { v4: outermost(v4), v6: outermost(v6) }
    }

    /// What the network around `client` means.
    pub(super) fn find(&self, client: Client) -> Option<T> {
        match client {
            Client::V4(bits) => self.v4.find(bits),
            Client::V6(bits) => self.v6.find(bits),
        }
    }
}

fn outermost<B: Ord + Copy, T: Copy>(mut ranges: Vec<Range<B, T>>) -> Sorted<B, T> {
    ranges.sort_by_key(|range| (range.first, Reverse(range.last)));
    let mut kept: Vec<Range<B, T>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        if kept.last().is_none_or(|last| last.last < range.first) {
            kept.push(range);
        }
    }
    Sorted {
        firsts: kept.iter().map(|range| range.first).collect(),
        rest: kept.into_iter().map(|range| (range.last, range.meaning)).collect(),
    }
}

impl<B: Ord + Copy, T: Copy> Sorted<B, T> {
    fn find(&self, bits: B) -> Option<T> {
        let after = self.firsts.partition_point(|first| *first <= bits);
        self.rest.get(after.checked_sub(1)?).filter(|(last, _)| bits <= *last).map(|(_, meaning)| *meaning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_over_all_networks_finds_the_same() {
        let networks =
            ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/32", "255.255.255.255/32", "192.0.2.128/25", "::ffff:198.51.100.0/120", "2001:db8::/33"];
        let networks: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
        let ranges = Ranges::new(networks.iter().map(|network| (*network, ())));
        for address in [
            "9.255.255.255",
            "10.0.0.0",
            "10.1.2.3",
            "10.255.255.255",
            "11.0.0.0",
            "0.0.0.0",
            "0.0.0.1",
            "255.255.255.254",
            "255.255.255.255",
            "192.0.2.127",
            "192.0.2.128",
            "2001:db7:ffff:ffff::",
            "2001:db8::",
            "2001:db8:7fff:ffff:ffff::1",
            "2001:db8:8000::",
        ] {
            let address = address.parse().unwrap();
            let expected = networks.iter().any(|network| network.contains(&address));
            assert_eq!(ranges.find(Client::of(address)).is_some(), expected, "{address}");
        }
        assert!(ranges.find(Client::of("198.51.100.9".parse().unwrap())).is_some(), "mapped networks are IPv4");
    }

    #[test]
    fn an_address_covers_its_64_and_no_more() {
        let ranges = Ranges::new([("2001:db8:1:2::5/128".parse().unwrap(), 'a'), ("::/0".parse().unwrap(), 'b')]);
        assert_eq!(ranges.find(Client::of("2001:db8:1:2:ffff::".parse().unwrap())), Some('b'), "of nested ones the widest counts");
        let ranges = Ranges::new([("2001:db8:1:2::5/128".parse().unwrap(), 'a')]);
        assert_eq!(ranges.find(Client::of("2001:db8:1:2:ffff::".parse().unwrap())), Some('a'));
        assert_eq!(ranges.find(Client::of("2001:db8:1:3::5".parse().unwrap())), None);
    }
}

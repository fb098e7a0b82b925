//! Networks whose owner everybody can know: reserved ones, content delivery networks, and bots that publish theirs.

use ipnet::IpNet;

use super::good_bots::{BOTS, Bot};
use super::ranges::Ranges;
use crate::subject::CLOUDFLARE;

/// What a network is known as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Not an address of the internet: [`RESERVED`].
    Reserved(&'static str),
    /// An edge of a content delivery network, by its name for people.
    Cdn(&'static str),
    /// Published by the owner of a bot.
    Bot(&'static Bot),
}

/// A network a line: see its head.
const NETWORKS: &str = include_str!("networks.txt");

/// Content delivery networks of the list, by their key.
const CDNS: &[(&str, &str)] =
    &[("arvancloud", "ArvanCloud"), ("cloudfront", "Amazon CloudFront"), ("gcore", "Gcore"), ("quic_cloud", "QUIC.cloud")];

/// IANA's registries of special-purpose addresses (RFC 6890 and later), and what they are for. Translated and tunnelled addresses (NAT64,
/// 6to4, Teredo) are left out: somebody on the internet is behind each.
pub(super) const RESERVED: &[(&str, &str)] = &[
    ("0.0.0.0/8", "\"this\" network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by customers of one carrier"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", DOCUMENTATION),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", DOCUMENTATION),
    ("203.0.113.0/24", DOCUMENTATION),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    // The unspecified and the loopback address.
    ("::/64", "loopback"),
    ("100::/64", "discard-only"),
    ("2001:2::/48", "benchmarking"),
    ("2001:10::/28", "reserved"),
    ("2001:20::/28", "reserved"),
    ("2001:db8::/32", DOCUMENTATION),
    ("3fff::/20", DOCUMENTATION),
    ("5f00::/16", "reserved"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "private"),
    ("ff00::/8", "multicast"),
];

/// Addresses that stand in examples. Nobody has one, but tests and demonstrations are full of them.
pub(super) const DOCUMENTATION: &str = "documentation";

/// All published networks.
pub(super) fn ranges() -> Ranges<Known> {
    let reserved = RESERVED.iter().map(|(network, use_)| (*network, Known::Reserved(use_)));
    let cloudflare = CLOUDFLARE.iter().map(|network| (*network, Known::Cdn("Cloudflare")));
    let listed = lines().filter_map(|line| line.split_once(' ')).filter_map(|(network, owner)| Some((network, known(owner)?)));
    let parsed = |(network, known): (&str, Known)| Some((network.parse::<IpNet>().ok()?, known));
    Ranges::new(reserved.chain(cloudflare).chain(listed).filter_map(parsed))
}

fn lines() -> impl Iterator<Item = &'static str> {
    NETWORKS.lines().filter(|line| !line.starts_with('#'))
}

fn known(owner: &str) -> Option<Known> {
    let cdn = CDNS.iter().find(|(key, _)| *key == owner).map(|(_, name)| Known::Cdn(name));
    cdn.or_else(|| BOTS.iter().find(|bot| bot.id == owner).map(Known::Bot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Client;

    #[test]
    fn every_line_of_the_list_is_understood() {
        let ranges = ranges();
        for line in lines() {
            let (network, owner) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            let network: IpNet = network.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(network.trunc(), network, "{line}");
            assert!(known(owner).is_some(), "{line}: unknown owner");
            assert!(ranges.find(Client::of(network.network())).is_some(), "{line}");
            // A slip of a digit must not let half the internet through: the widest that are published are a /13 and a /29 of 32 bits.
            assert!(network.prefix_len() >= if network.addr().is_ipv4() { 13 } else { 29 }, "{line}: too wide");
        }
        assert!(lines().count() > 1500, "the list is gone");
        for (key, _) in CDNS {
            assert!(lines().any(|line| line.ends_with(&format!(" {key}"))), "{key} has no networks");
        }
        for bot in BOTS.iter().filter(|bot| bot.suffixes.is_empty()) {
            assert!(lines().any(|line| line.ends_with(&format!(" {}", bot.id))), "{} cannot be proven", bot.id);
        }
    }

    #[test]
    fn reserved_networks_agree_with_the_standard_library() {
        let ranges = ranges();
        let is_reserved = |text: &str| matches!(ranges.find(Client::parse(text.as_bytes()).unwrap()), Some(Known::Reserved(_)));
        for (network, _) in RESERVED {
            let network: IpNet = network.parse().unwrap();
            assert!(is_reserved(&network.network().to_string()) && is_reserved(&network.broadcast().to_string()), "{network}");
        }
        for address in ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.32.0.0", "192.0.1.0", "198.20.0.0"] {
            assert!(!is_reserved(address), "{address}");
        }
        for address in ["2001:db7::", "2001:4860::", "64:ff9b::808:808", "2002:808:808::", "2a00::", "fbff::"] {
            assert!(!is_reserved(address), "{address}");
        }
    }
}

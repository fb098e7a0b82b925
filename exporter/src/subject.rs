#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Who it is about: the client behind the proxies, as one IPv4 address or one IPv6 /64, and where it is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use wide::u8x16;

use crate::event::HttpRequest;

/// Whom something is held against: one IPv4 address, or one IPv6 /64, since whoever has one address there has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Client {
    /// An IPv4 address; IPv4-mapped IPv6 addresses are these.
    V4(u32),
    /// The upper half of an IPv6 address.
    V6(u64),
}

/// The network around a client, for attacks that are spread over one: a /24, or an IPv6 /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Network {
    /// The upper three bytes.
    V4(u32),
    /// The upper six bytes.
    V6(u64),
}

/// One number is quicker to hash than a kind and a number.
impl std::hash::Hash for Client {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.bits());
    }
}

impl Client {
    /// The client that has this address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            // The upper half.
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }

    /// The client that a log names; `None` for host names and anything else that is no address.
    pub fn parse(text: &[u8]) -> Option<Self> {
        parse_v4(text).map(Self::V4).or_else(|| upper_half(text).map(Self::V6)).or_else(|| parse(text).map(Self::of))
    }

    /// Its address; of a /64, the first one.
    pub fn address(self) -> IpAddr {
        match self {
            Self::V4(bits) => Ipv4Addr::from_bits(bits).into(),
            Self::V6(bits) => Ipv6Addr::from_bits(u128::from(bits) << 64).into(),
        }
    }

    /// The network around it.
    pub fn network(self) -> Network {
        match self {
            Self::V4(bits) => Network::V4(bits >> 8),
            Self::V6(bits) => Network::V6(bits >> 16),
        }
    }

    /// One number that no other client has, for hashing.
    pub fn bits(self) -> u64 {
        match self {
            // No address in use begins with 0000::/32.
            Self::V4(bits) => u64::from(bits),
            Self::V6(bits) => bits,
        }
    }
}

impl Network {
    /// Its first address.
    pub fn address(self) -> IpAddr {
        match self {
            Self::V4(bits) => Ipv4Addr::from_bits(bits << 8).into(),
            Self::V6(bits) => Ipv6Addr::from_bits(u128::from(bits) << 80).into(),
        }
    }
}

/// `203.0.113.7`, `2001:db8:1:2::/64`.
impl fmt::Display for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(_) => write!(out, "{}", self.address()),
            Self::V6(_) => write!(out, "{}/64", self.address()),
        }
    }
}

/// `203.0.113.0/24`, `2001:db8:1::/48`.
impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(_) => write!(out, "{}/24", self.address()),
            Self::V6(_) => write!(out, "{}/48", self.address()),
        }
    }
}

/// Where an address is and whose it is, as a database of registrations has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// ISO 3166-1 alpha-2 code in capitals; `None` if nobody knows.
    pub country: Option<[u8; 2]>,
    /// Autonomous system number.
    pub asn: Option<u32>,
}

impl Location {
    /// The country's code: `ZZ` if nobody knows.
    pub fn code(&self) -> [u8; 2] {
        self.country.unwrap_or(*b"ZZ")
    }

    /// The country's code for labels: `ZZ` if nobody knows.
    pub fn country_or_unknown(&self) -> &str {
        self.country.as_ref().and_then(|code| std::str::from_utf8(code).ok()).unwrap_or("ZZ")
    }
}

/// Knows where addresses are.
pub trait Locate: Send + Sync {
    /// Where this one is.
    fn locate(&self, address: IpAddr) -> Location;
    /// The name of an autonomous system, if it is known.
    fn organisation(&self, _address: IpAddr) -> Option<String> {
        None
    }
}

/// Knows nothing.
impl Locate for () {
    fn locate(&self, _address: IpAddr) -> Location {
        Location::default()
    }
}

/// Proxies whose word about the client is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    cloudflare: Vec<IpNet>,
}

impl TrustedProxies {
    /// Requests from these networks carry the client's address in their forwarded-for field.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, cloudflare: CLOUDFLARE.iter().filter_map(|network| network.parse().ok()).collect() }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client's address as text. The field is walked from its right end, each proxy having added the one that it saw, up to the
    /// first address that is not a trusted proxy; what a client wrote itself stands further left and is never believed.
    pub fn client<'a>(&self, request: &HttpRequest<'a>) -> &'a [u8] {
        if self.networks.is_empty() || request.forwarded_for.is_empty() || !parse(request.peer).is_some_and(|peer| self.contains(peer)) {
            return request.peer;
        }
        let mut client = request.peer;
        for hop in request.forwarded_for.rsplit(|&byte| byte == b',') {
            let hop = without_port(hop.trim_ascii());
            let Some(address) = parse(hop) else { break };
            client = hop;
            if !self.contains(address) {
                break;
            }
        }
        client
    }

    /// Whether `request` came through a proxy that hides the client: a private address or a Cloudflare edge that is not trusted.
    pub fn hides_client(&self, request: &HttpRequest<'_>) -> bool {
        parse(request.peer)
            .is_some_and(|peer| !self.contains(peer) && (is_private(peer) || self.cloudflare.iter().any(|network| network.contains(&peer))))
    }
}

/// The address that a log names, IPv4 where it is IPv4 mapped into IPv6; `None` for host names and anything else that is none.
pub fn address(text: &[u8]) -> Option<IpAddr> {
    parse_v4(text).map(|bits| Ipv4Addr::from_bits(bits).into()).or_else(|| parse(text))
}

/// Dotted decimals of eight bytes or more, as nearly all clients have them; the few shorter ones are left to the standard library's
/// parser. All bytes at once, since a branch for each costs more than the arithmetic.
fn parse_v4(text: &[u8]) -> Option<u32> {
    const ROOM: usize = 16;
    let (Some(head), Some(tail), 8..ROOM) = (text.first_chunk(), text.last_chunk(), text.len()) else { return None };
    // Put together in registers: what was just written in pieces is slow to read as a whole.
    let bytes = u128::from(u64::from_le_bytes(*head)) | u128::from(u64::from_le_bytes(*tail)) << (8 * (text.len() - 8));
    let bytes = bytes.to_le_bytes();
    let lanes = u8x16::new(bytes);
    let digits = lanes.max(u8x16::splat(b'0')).simd_eq(lanes) & lanes.min(u8x16::splat(b'9')).simd_eq(lanes);
    let mut dots = lanes.simd_eq(u8x16::splat(b'.')).to_bitmask();
    let mut is_sound = digits.to_bitmask() | dots == (1 << text.len()) - 1;
    let (mut address, mut start) = (0, 0);
    for number in 0..4 {
        let end = if number < 3 { dots.trailing_zeros() as usize } else { text.len() };
        dots &= dots.wrapping_sub(1);
        let count = end.wrapping_sub(start);
        // Places that the number does not have count as zero.
        let digit = |place: usize| {
            let digit = u32::from(bytes[end.wrapping_sub(place) % ROOM].wrapping_sub(b'0'));
            if count >= place { digit } else { 0 }
        };
        let value = digit(1) + 10 * digit(2) + 100 * digit(3);
        let begins_with_zero = bytes[start % ROOM] == b'0';
        is_sound &= matches!(count, 1..=3) & (value < 256) & ((count == 1) | !begins_with_zero);
        address = address << 8 | value;
        start = end.wrapping_add(1);
    }
    (is_sound && dots == 0).then_some(address)
}

/// The upper half of an IPv6 address whose first four groups are written out, as nearly all are; `None` for any other way to write one,
/// and for those that may stand for an IPv4 address. All bytes at once, as in [`parse_v4`].
fn upper_half(text: &[u8]) -> Option<u64> {
    const LANES: usize = 16;
    // The longest has eight groups of four digits.
    let (Some(last), LANES..40) = (text.last_chunk::<LANES>(), text.len()) else { return None };
    // A bit for each byte.
    let [mut colons, mut digits] = [0_u64; 2];
    let mut look = |piece: &[u8; LANES], place: usize| {
        let lanes = u8x16::new(*piece);
        let lower = lanes | u8x16::splat(b' ');
        let is_between =
            |lanes: u8x16, first, last| lanes.max(u8x16::splat(first)).simd_eq(lanes) & lanes.min(u8x16::splat(last)).simd_eq(lanes);
        colons |= u64::from(lanes.simd_eq(u8x16::splat(b':')).to_bitmask()) << place;
        digits |= u64::from((is_between(lanes, b'0', b'9') | is_between(lower, b'a', b'f')).to_bitmask()) << place;
    };
    text.as_chunks().0.iter().zip([0, LANES]).for_each(|(piece, place)| look(piece, place));
    look(last, text.len() - LANES);

    let (count, doubled) = (colons.count_ones(), colons & colons >> 1);
    let mut ends = [0; 4];
    let mut rest = colons;
    for end in &mut ends {
        *end = rest.trailing_zeros() as usize;
        rest &= rest.wrapping_sub(1);
    }
    // Eight groups, or `::` once for one or more that are zero, behind the fourth.
    let is_whole = match doubled {
        0 => count == 7,
        _ => doubled.is_power_of_two() && doubled.trailing_zeros() as usize >= ends[3] && count < 8,
    };
    let longer_than_four = digits & digits >> 1 & digits >> 2 & digits >> 3 & digits >> 4;
    let begins_or_ends_with_colon = (colons | colons >> (text.len() - 1)) & 1 == 1;
    if colons | digits != (1 << text.len()) - 1 || !is_whole || longer_than_four != 0 || begins_or_ends_with_colon {
        return None;
    }
    let (mut upper, mut start) = (0, 0);
    for end in ends {
        // Places that the group does not have count as zero.
        let digit = |place: usize| {
            let digit = text.get(end.wrapping_sub(place)).map_or(0, |digit| u64::from(HEX_DIGITS[usize::from(*digit)]));
            if end - start >= place { digit } else { 0 }
        };
        upper = upper << 16 | digit(4) << 12 | digit(3) << 8 | digit(2) << 4 | digit(1);
        start = end + 1;
    }
    (upper != 0).then_some(upper)
}

/// What each byte is worth as a hexadecimal digit; 255 for all others.
static HEX_DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value];
        digits[digit as usize] = value as u8;
        digits[digit.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    digits
};

fn parse(text: &[u8]) -> Option<IpAddr> {
    // Longest text of an address: 45 bytes (IPv4-mapped IPv6).
    if text.len() > 45 {
        return None;
    }
    Some(std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok()?.to_canonical())
}

/// `203.0.113.7:1234` and `[2001:db8::1]:1234` without their ports, as some proxies write them.
fn without_port(hop: &[u8]) -> &[u8] {
    if let Some(inner) = hop.strip_prefix(b"[") {
        return inner.split(|&byte| byte == b']').next().unwrap_or(hop);
    }
    match hop.iter().position(|&byte| byte == b':') {
        Some(colon) if !hop[colon + 1..].contains(&b':') => &hop[..colon],
        _ => hop,
    }
}

/// Addresses that no visitor from outside has. Loopback is left out: whoever asks from the machine itself is no proxy.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Cloudflare's published edge networks (cloudflare.com/ips, July 2026).
pub const CLOUDFLARE: [&str; 22] = [
    "173.245.48.0/20",
    "103.21.244.0/22",
    "103.22.200.0/22",
    "103.31.4.0/22",
    "141.101.64.0/18",
    "108.162.192.0/18",
    "190.93.240.0/20",
    "188.114.96.0/20",
    "197.234.240.0/22",
    "198.41.128.0/17",
    "162.158.0.0/15",
    "104.16.0.0/13",
    "104.24.0.0/14",
    "172.64.0.0/13",
    "131.0.72.0/22",
    "2400:cb00::/32",
    "2606:4700::/32",
    "2803:f800::/32",
    "2405:b500::/32",
    "2405:8100::/32",
    "2a06:98c0::/29",
    "2c0f:f248::/32",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded_for: &str, trusted: &[&str]) -> String {
        let proxies = TrustedProxies::new(trusted.iter().map(|network| network.parse().unwrap()).collect());
        let request = HttpRequest { peer: peer.as_bytes(), forwarded_for: forwarded_for.as_bytes(), ..HttpRequest::default() };
        String::from_utf8(proxies.client(&request).to_vec()).unwrap()
    }

    #[test]
    fn clients_are_addresses_or_networks_of_64_bits() {
        for (text, expected, network) in [
            ("203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
            ("0.0.0.0", "0.0.0.0", "0.0.0.0/24"),
            ("255.255.255.255", "255.255.255.255", "255.255.255.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
            ("::1", "::/64", "::/48"),
            ("2a0c:5a80:1f55:81b1:211:54f1:741b:375", "2a0c:5a80:1f55:81b1::/64", "2a0c:5a80:1f55::/48"),
            ("0:0:0:0:0:FFFF:CB00:7107", "203.0.113.7", "203.0.113.0/24"),
        ] {
            let client = Client::parse(text.as_bytes()).unwrap();
            assert_eq!((client.to_string().as_str(), client.network().to_string().as_str()), (expected, network), "{text}");
            assert_eq!(Client::of(client.address()), client, "{text}");
        }
        for text in ["", "203.0.113", "203.0.113.256", "203.0.113.7.8", "203.0.113.07", "1.2.3.", ".1.2.3", "1..2.3", "2001:db8::g", "host"]
        {
            assert_eq!(Client::parse(text.as_bytes()), None, "{text}");
        }
        let odd_groups = [
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:",
            "1:2:3:4:5:6:7:8:9",
            "12345:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7:g",
            "1::3:4:5:6:7:8",
        ];
        for text in ["1.2.3.4", "01.2.3.4", "1.2.3.4444", "1.2.3.999", "10.20.30.40", "1.2.3.4 ", "255.1.0.0"].into_iter().chain(odd_groups)
        {
            assert_eq!(Client::parse(text.as_bytes()), text.parse().ok().map(Client::of), "{text}");
        }
    }

    #[test]
    fn dotted_decimals_are_read_as_the_standard_library_reads_them() {
        const PARTS: [&str; 17] = ["0", "1", "9", "10", "47", "99", "100", "199", "255", "256", "300", "01", "1000", "", "a", "1 ", "/9"];
        for a in PARTS {
            for b in PARTS {
                for c in PARTS {
                    for d in PARTS {
                        for text in [format!("{a}.{b}.{c}.{d}"), format!("{a}.{b}.{c}{d}"), format!("{a}.{b}.{c}.{d}.{a}")] {
                            assert_eq!(Client::parse(text.as_bytes()), text.parse().ok().map(Client::of), "{text}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn groups_are_read_as_the_standard_library_reads_them() {
        const PARTS: [&str; 6] = ["1", "abCD", "0", "", "12345", "g"];
        for a in PARTS {
            for b in PARTS {
                for c in PARTS {
                    for d in PARTS {
                        let some = format!("{a}:{b}:{c}:{d}");
                        let texts = [
                            format!("{some}:2:3:4:5"),
                            format!("2:3:4:5:{some}"),
                            format!("{some}:2a0c:5:F4:81b"),
                            format!("2a0c:5:F4:81b:{some}"),
                            format!("2::{some}"),
                            format!("{some}::2:3"),
                            some,
                        ];
                        for text in texts {
                            assert_eq!(Client::parse(text.as_bytes()), text.parse().ok().map(Client::of), "{text}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("203.0.113.9", "198.51.100.1", &[]), "203.0.113.9");
        assert_eq!(client("203.0.113.9", "198.51.100.1", &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", "198.51.100.1", &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", "", &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_wrote_itself_is_not_believed() {
        let trusted = &["10.0.0.0/8", "2001:db8:1::/48"];
        assert_eq!(client("10.0.0.1", "8.8.8.8, 198.51.100.1, 10.0.0.2", trusted), "198.51.100.1");
        assert_eq!(client("10.0.0.1", "8.8.8.8, nonsense", trusted), "10.0.0.1");
        assert_eq!(client("10.0.0.1", "198.51.100.1, nonsense, 10.0.0.2", trusted), "10.0.0.2");
        assert_eq!(client("::ffff:10.0.0.1", "[2001:db8:2::7]:443", trusted), "2001:db8:2::7");
        assert_eq!(client("2001:db8:1::1", "198.51.100.1:5555", trusted), "198.51.100.1");
        assert_eq!(client("10.0.0.1", "10.0.0.3,10.0.0.2", trusted), "10.0.0.3");
    }

    #[test]
    fn every_network_of_the_table_parses() {
        assert_eq!(TrustedProxies::new(Vec::new()).cloudflare.len(), CLOUDFLARE.len());
    }

    #[test]
    fn a_proxy_that_hides_the_client_is_seen() {
        let proxies = TrustedProxies::new(vec!["172.18.0.0/16".parse().unwrap()]);
        let hides = |peer: &str| proxies.hides_client(&HttpRequest { peer: peer.as_bytes(), ..HttpRequest::default() });
        for peer in ["172.19.0.1", "104.16.0.1", "104.23.255.255", "2606:4700::1", "2a06:98c7::1", "100.64.3.3", "fd00::1"] {
            assert!(hides(peer), "{peer}");
        }
        for peer in ["172.18.0.1", "104.28.0.1", "2606:4701::1", "2a06:98c8::1", "127.0.0.1", "100.128.0.1", "www.example.org", ""] {
            assert!(!hides(peer), "{peer}");
        }
    }
}

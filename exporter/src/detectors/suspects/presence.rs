//! A quick look whether anything may be known about who stands in a log line: a Bloom filter over addresses as logs write them, asked
//! before the address is even read, since nearly all requests come from clients of whom nothing is known.

use smallvec::SmallVec;

use crate::subject::Client;

/// Bits for each client that there is room for: with two of them set for each, one stranger in twenty is looked at closer; one in six just
/// before it begins anew.
const BITS_PER_CLIENT: usize = 8;

/// Which IPv4 clients may be known. Of all others nothing is said.
pub(super) struct Presence {
    /// A power of two of them.
    words: Vec<u64>,
    /// Clients since it was empty, those who are gone included: nobody is taken out.
    entered: usize,
}

impl Presence {
    /// Nobody is known, with room for `clients`.
    pub(super) fn new(clients: usize) -> Self {
        let words = (clients * BITS_PER_CLIENT / 64).next_power_of_two();
        Self { words: vec![0; words], entered: 0 }
    }

    /// Whether a client that a log names so may be known; no if it certainly is not.
    #[inline]
    pub(super) fn may_hold(&self, text: &[u8]) -> bool {
        key(text).is_none_or(|key| self.words[self.word(key)] & bits(key) == bits(key))
    }

    /// A client is known from now on.
    pub(super) fn add(&mut self, client: Client) {
        self.entered += 1;
        let Client::V4(address) = client else { return };
        if let Some(key) = key(&dotted(address)) {
            let word = self.word(key);
            self.words[word] |= bits(key);
        }
    }

    /// Whether so many have come since it was empty that it is worth beginning anew with those who are still there.
    pub(super) fn is_stale(&self) -> bool {
        self.entered > self.words.len() * 64 / BITS_PER_CLIENT * 2
    }

    /// Begins anew.
    pub(super) fn set(&mut self, clients: impl Iterator<Item = Client>) {
        self.words.fill(0);
        self.entered = 0;
        clients.for_each(|client| self.add(client));
    }

    fn word(&self, key: u64) -> usize {
        key as usize & (self.words.len() - 1)
    }
}

/// An address as logs write it, written quicker than by the standard library.
fn dotted(address: u32) -> SmallVec<[u8; 16]> {
    let mut text = SmallVec::new();
    for octet in address.to_be_bytes() {
        let digits = [octet / 100, octet / 10 % 10, octet % 10].map(|digit| b'0' + digit);
        let zeros = usize::from(octet < 100) + usize::from(octet < 10);
        text.extend_from_slice(&digits[zeros..]);
        text.push(b'.');
    }
    text.pop();
    text
}

/// Two of a word's bits, by bits of the key that do not choose the word.
fn bits(key: u64) -> u64 {
    1 << (key >> 58) | 1 << (key >> 52 & 63)
}

/// Of a dotted decimal of eight bytes or more, which each client has one of; `None` for the few shorter ones and for IPv6, where one
/// client has many addresses and each can be written in several ways.
#[inline]
fn key(text: &[u8]) -> Option<u64> {
    const COLONS: u64 = u64::from_ne_bytes([b':'; 8]);
    let (Some(head), Some(tail), 8..16) = (text.first_chunk(), text.last_chunk(), text.len()) else { return None };
    let (head, tail) = (u64::from_le_bytes(*head), u64::from_le_bytes(*tail));
    if has_zero(head ^ COLONS) | has_zero(tail ^ COLONS) {
        return None;
    }
    // Folded multiplication of both halves with digits of pi, as foldhash does: all of the text counts in each bit.
    let product = u128::from(head ^ 0x243f_6a88_85a3_08d3) * u128::from(tail ^ 0x1319_8a2e_0370_7344);
    Some(product as u64 ^ (product >> 64) as u64)
}

/// Whether one of the bytes is zero.
fn has_zero(bytes: u64) -> bool {
    const LOW: u64 = u64::from_ne_bytes([1; 8]);
    bytes.wrapping_sub(LOW) & !bytes & (LOW << 7) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_is_held_and_few_others_are() {
        let nth = |n: u32| Client::V4(n.wrapping_mul(0x9E37_79B1));
        let mut presence = Presence::new(8_192);
        (0..8_192).for_each(|n| presence.add(nth(n)));
        assert!((0..8_192).all(|n| presence.may_hold(nth(n).to_string().as_bytes())));
        for octet in 0..=u8::MAX {
            let address = [octet, u8::MAX - octet, 0, octet];
            assert_eq!(*dotted(u32::from_be_bytes(address)), *std::net::Ipv4Addr::from(address).to_string().as_bytes());
        }
        let mistaken = (100_000..200_000).filter(|n| presence.may_hold(nth(*n).to_string().as_bytes())).count();
        assert!(mistaken < 8_000, "{mistaken} of 100,000 strangers");
    }

    #[test]
    fn of_what_may_be_written_in_several_ways_nothing_is_said() {
        let presence = Presence::new(64);
        for text in [
            "2a02::1:",
            "2001:db8::1",
            "::ffff:1.2.3.4",
            "::ffff:c000:207",
            "1.2.3.4",
            "",
            "2001:db8:1:2:3:4:5:6",
            ":23.23.23",
            "23.23.23:",
        ] {
            assert!(presence.may_hold(text.as_bytes()), "{text}");
        }
        for text in ["1.2.3.45", "203.0.113.7", "203.113.113.113", "a.example"] {
            assert!(!presence.may_hold(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn those_who_are_gone_are_forgotten_once_they_are_many() {
        let mut presence = Presence::new(64);
        let came = (0..1_000).take_while(|n| {
            presence.add(Client::V4(0x0a0a_0a00 + n));
            !presence.is_stale()
        });
        assert_eq!(came.count(), 128);
        presence.set([Client::V4(0xcb00_7107), Client::V6(7)].into_iter());
        assert!(presence.may_hold(b"203.0.113.7") && !presence.may_hold(b"10.10.10.1") && !presence.is_stale());
    }
}

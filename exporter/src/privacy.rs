#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Raw sender to pseudonym: the only place where a phone number is visible.
//!
//! A pseudonym is the first 16 hex digits of HMAC-SHA256(salt, domain ‖ 0x00 ‖ canonical value). The phone space is small, so it
//! protects only as long as the salt stays secret (OpenSSL tries 10^9 numbers in under two minutes on one core).

use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

mod addresses;
mod agents;
mod numbers;
mod pieces;
mod scrub;
mod seal;
mod secrets;

pub use seal::Seal;

use agents::scrubbed_agent;
pub(crate) use scrub::is_printable;
use scrub::{cut_to, scrubbed, scrubbed_request};

/// How senders are shown, everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SenderMode {
    /// The raw number.
    Full,
    /// The pseudonym.
    Hash,
    /// Country and last two digits: masked, not anonymous.
    Anon,
    /// Not at all: counters only.
    Agg,
}

/// How client addresses are shown, everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientMode {
    /// The address.
    Full,
    /// Its /24 (IPv4) or /48 (IPv6).
    Prefix,
    /// The pseudonym.
    Hash,
}

/// A sender's pairing key: the first 8 bytes of its HMAC. Shown only in mode `hash`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct SenderKey(u64);

/// A sender as it stands in a log line. The raw text cannot be read, printed or compared outside this file.
#[derive(Clone, Copy, PartialEq)]
pub struct Sender<'a> {
    key: SenderKey,
    raw: &'a [u8],
}

impl Sender<'_> {
    /// The key that pairs messages of one sender.
    pub fn key(&self) -> SenderKey {
        self.key
    }
}

impl fmt::Debug for Sender<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sender(…)")
    }
}

impl fmt::Debug for SenderKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SenderKey(…)")
    }
}

/// The privacy settings with their keyed hash.
#[derive(Clone)]
pub struct Privacy {
    senders: SenderMode,
    clients: ClientMode,
    text_max_chars: usize,
    keyed: Hmac<Sha256>,
}

impl fmt::Debug for Privacy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Privacy({:?}, {:?})", self.senders, self.clients)
    }
}

/// The longest canonical sender; what is longer is no address of a person.
const MAX_SENDER_BYTES: usize = 64;

impl Privacy {
    /// `salt` keys the pseudonyms; `text_max_chars` is the longest text that [`Privacy::scrub`] gives.
    pub fn new(senders: SenderMode, clients: ClientMode, salt: &[u8], text_max_chars: usize) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(salt).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        Self { senders, clients, text_max_chars, keyed }
    }

    /// How senders are shown.
    pub fn sender_mode(&self) -> SenderMode {
        self.senders
    }

    /// Enciphers what names clients on disk; `None` if they are shown in full.
    pub fn seal(&self) -> Option<Seal> {
        if self.clients == ClientMode::Full { None } else { Seal::new(&self.keyed) }
    }

    /// How client addresses are shown.
    pub fn client_mode(&self) -> ClientMode {
        self.clients
    }

    /// The sender that `raw` names (`whatsapp:+34 600 12 34 56`, `0034600123456`, a user name); `None` if it names nobody.
    pub fn sender<'a>(&self, raw: &'a [u8]) -> Option<Sender<'a>> {
        let mut canonical = [0; MAX_SENDER_BYTES];
        let canonical = canonical_sender(raw, &mut canonical)?;
        Some(Sender { key: SenderKey(u64::from_be_bytes(self.digest(b"sender", canonical))), raw })
    }

    /// The player with this key, a pseudonym in every mode: keys stay where they are. `None` if there is none.
    pub fn player<'a>(&self, key: &[u8]) -> Option<Sender<'a>> {
        let mut canonical = [0; MAX_SENDER_BYTES];
        let key = key.trim_ascii();
        // Hashes may be longer than what names a person elsewhere.
        let value = canonical_sender(key, &mut canonical).or_else(|| (!key.is_empty()).then_some(key))?;
        Some(Sender { key: SenderKey(u64::from_be_bytes(self.digest(b"sender", value))), raw: b"" })
    }

    /// The sender as people may see it; `None` in mode `agg`.
    pub fn show(&self, sender: &Sender<'_>) -> Option<String> {
        match self.senders {
            SenderMode::Full if sender.raw.is_empty() => Some(format!("{:016x}", sender.key.0)),
            SenderMode::Full => Some(String::from_utf8_lossy(sender.raw).into_owned()),
            SenderMode::Hash => Some(format!("{:016x}", sender.key.0)),
            SenderMode::Anon => {
                let mut canonical = [0; MAX_SENDER_BYTES];
                Some(masked(canonical_sender(sender.raw, &mut canonical).unwrap_or_default()))
            }
            SenderMode::Agg => None,
        }
    }

    /// The client as people may see it.
    pub fn show_client(&self, client: &[u8]) -> String {
        let text = String::from_utf8_lossy(client);
        let Ok(address) = text.parse::<IpAddr>().map(|address| address.to_canonical()) else {
            return match self.clients {
                ClientMode::Full => text.into_owned(),
                ClientMode::Prefix | ClientMode::Hash if client.is_empty() => String::new(),
                ClientMode::Prefix | ClientMode::Hash => hex(self.digest(b"client", client)),
            };
        };
        match (self.clients, address) {
            (ClientMode::Full, _) => address.to_string(),
            (ClientMode::Prefix, IpAddr::V4(v4)) => {
                let [a, b, c, _] = v4.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            (ClientMode::Prefix, IpAddr::V6(v6)) => {
                let [a, b, c, ..] = v6.segments();
                format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
            (ClientMode::Hash, _) => hex(self.digest(b"client", address.to_string().as_bytes())),
        }
    }

    /// The pseudonym of a value typed by the user: an address is a client, anything else a sender.
    pub fn pseudonym(&self, value: &str) -> Option<String> {
        let value = value.trim();
        if let Ok(address) = value.parse::<IpAddr>() {
            return Some(hex(self.digest(b"client", address.to_canonical().to_string().as_bytes())));
        }
        // As IPv6 clients are known: by their /64.
        if value.strip_suffix("/64").is_some_and(|address| address.parse::<IpAddr>().is_ok()) {
            return Some(hex(self.digest(b"client", value.as_bytes())));
        }
        self.sender(value.as_bytes()).map(|sender| format!("{:016x}", sender.key.0))
    }

    fn digest(&self, domain: &[u8], value: &[u8]) -> [u8; 8] {
        let mut keyed = self.keyed.clone();
        keyed.update(domain);
        keyed.update(&[0]);
        keyed.update(value);
        let digest = keyed.finalize().into_bytes();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        first
    }

    /// Text from a log as people may see it: cut at `text_max_chars`, without control characters, and (but in mode `full`) without
    /// what identifies or opens doors: digits of long numbers, e-mail addresses, links' paths, passwords, and addresses that `clients`
    /// hides. Empty in mode `agg`.
    pub fn scrub(&self, text: &[u8]) -> String {
        self.scrub_to(text, self.text_max_chars)
    }

    /// Text of a record that is not complete yet, as it may be saved: scrubbed in every mode but `full`, and whole.
    pub fn for_disk(&self, text: &[u8]) -> Vec<u8> {
        match self.senders {
            SenderMode::Full => text.to_vec(),
            _ => scrubbed(&String::from_utf8_lossy(text), self.clients).into_bytes(),
        }
    }

    /// Facts of our own words that may hold texts from a log: in mode `agg` the numbers in them are still worth telling.
    pub fn scrub_facts(&self, text: &str, max_chars: usize) -> String {
        let shown = if self.senders == SenderMode::Full { text.to_owned() } else { scrubbed(text, self.clients) };
        if shown.len() <= max_chars && is_printable(&shown) {
            return shown;
        }
        shown.chars().take(max_chars).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    }

    /// The name of a thing of this machine, as people may see it. Who runs the machine chose it, and it stands in labels: it is cut, and
    /// nothing is taken out of it.
    pub fn show_thing(&self, name: &str, max_chars: usize) -> String {
        cut_to(name.to_owned(), max_chars)
    }

    /// As [`Privacy::scrub`], with another length: for the context of an error, which is more than a message.
    pub fn scrub_to(&self, text: &[u8], max_chars: usize) -> String {
        if self.senders == SenderMode::Agg {
            return String::new();
        }
        let text = String::from_utf8_lossy(text);
        cut_to(if self.senders == SenderMode::Full { text.into_owned() } else { scrubbed(&text, self.clients) }, max_chars)
    }

    /// Text of a request: as [`Privacy::scrub_to`], but what is encoded stays readable, since an attack is told by it.
    pub fn scrub_request(&self, text: &[u8], max_chars: usize) -> String {
        let text = String::from_utf8_lossy(text);
        cut_to(if self.senders == SenderMode::Full { text.into_owned() } else { scrubbed_request(&text, self.clients) }, max_chars)
    }

    /// A user agent: as [`Privacy::scrub_request`], but versions of products stay.
    pub fn scrub_agent(&self, agent: &[u8], max_chars: usize) -> String {
        let text = String::from_utf8_lossy(agent);
        cut_to(if self.senders == SenderMode::Full { text.into_owned() } else { scrubbed_agent(&text, self.clients) }, max_chars)
    }
}

/// Names senders as [`Privacy::sender`] does, and remembers the last ones: people write more than once, and an HMAC costs more than
/// all else that a message costs.
pub struct Senders {
    privacy: Arc<Privacy>,
    hasher: foldhash::quality::RandomState,
    /// One place for each hash; who comes to a taken one takes it. Made with the first sender.
    known: Vec<Known>,
}

#[derive(Clone, Copy)]
struct Known {
    raw: [u8; Senders::MAX_KNOWN_BYTES],
    length: u8,
    key: SenderKey,
}

impl Senders {
    /// Senders remembered; a power of two.
    const PLACES: usize = 4096;
    /// Longer ones are not remembered.
    const MAX_KNOWN_BYTES: usize = 31;

    /// Remembers nobody yet.
    pub fn new(privacy: Arc<Privacy>) -> Self {
        Self { privacy, hasher: Default::default(), known: Vec::new() }
    }

    /// The settings.
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// As [`Privacy::sender`].
    pub fn sender<'a>(&mut self, raw: &'a [u8]) -> Option<Sender<'a>> {
        if raw.is_empty() || raw.len() > Self::MAX_KNOWN_BYTES {
            return self.privacy.sender(raw);
        }
        if self.known.is_empty() {
            self.known = vec![Known { raw: [0; Self::MAX_KNOWN_BYTES], length: 0, key: SenderKey(0) }; Self::PLACES];
        }
        // The low bits of a 64-bit hash, whatever the width of a pointer.
        let place = self.hasher.hash_one(raw) as usize & (Self::PLACES - 1);
        let known = &mut self.known[place];
        if known.raw[..usize::from(known.length)] == *raw {
            return Some(Sender { key: known.key, raw });
        }
        let sender = self.privacy.sender(raw)?;
        known.raw[..raw.len()].copy_from_slice(raw);
        known.length = raw.len() as u8;
        known.key = sender.key;
        Some(sender)
    }
}

fn hex(bytes: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// E.164 where the text is a number (`whatsapp:` and the like, blanks and punctuation off, `00` or nothing in front becomes `+`);
/// else the trimmed text itself.
fn canonical_sender<'b>(raw: &[u8], buffer: &'b mut [u8; MAX_SENDER_BYTES]) -> Option<&'b [u8]> {
    let raw = raw.trim_ascii();
    let text = raw.strip_prefix(b"whatsapp:").unwrap_or(raw).trim_ascii();
    if text.is_empty() || text.len() > MAX_SENDER_BYTES - 1 {
        return None;
    }
    let is_number = text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b' ' | b'-' | b'.' | b'(' | b')' | b'/'))
        && text.iter().any(u8::is_ascii_digit);
    if !is_number {
        let out = buffer.get_mut(..text.len())?;
        out.copy_from_slice(text);
        return Some(out);
    }
    let mut length = 1;
    buffer[0] = b'+';
    for &digit in text.iter().filter(|b| b.is_ascii_digit()) {
        buffer[length] = digit;
        length += 1;
    }
    let international = !text.starts_with(b"+") && buffer[1..length].starts_with(b"00");
    if international {
        buffer.copy_within(3..length, 1);
        length -= 2;
    }
    (length > 1).then_some(())?;
    buffer.get(..length)
}

/// `+34 *** *** *56`: the country calling code and two digits, always of the same length so that the number's own does not show.
fn masked(canonical: &[u8]) -> String {
    let digits = canonical.strip_prefix(b"+").unwrap_or_default();
    if digits.len() < 8 {
        return "***".to_owned();
    }
    let (country, last) = (calling_code(digits), &digits[digits.len() - 2..]);
    format!("+{} *** *** *{}", String::from_utf8_lossy(country), String::from_utf8_lossy(last))
}

/// The country calling code in front of a number: one digit for zones 1 and 7, two for the assigned two-digit codes (ITU-T E.164
/// list of assigned codes), else three.
fn calling_code(digits: &[u8]) -> &[u8] {
    const TWO: &[&[u8; 2]] = &[
        b"20", b"27", b"30", b"31", b"32", b"33", b"34", b"36", b"39", b"40", b"41", b"43", b"44", b"45", b"46", b"47", b"48", b"49",
        b"51", b"52", b"53", b"54", b"55", b"56", b"57", b"58", b"60", b"61", b"62", b"63", b"64", b"65", b"66", b"81", b"82", b"84",
        b"86", b"90", b"91", b"92", b"93", b"94", b"95", b"98",
    ];
    let length = match digits {
        [b'1' | b'7', ..] => 1,
        [a, b, ..] if TWO.contains(&&[*a, *b]) => 2,
        _ => 3,
    };
    digits.get(..length).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privacy(senders: SenderMode) -> Privacy {
        Privacy::new(senders, ClientMode::Hash, b"0123456789abcdef0123456789abcdef", 160)
    }

    #[test]
    fn one_person_is_one_pseudonym_however_the_number_is_written() {
        let privacy = privacy(SenderMode::Hash);
        let expected = privacy.pseudonym("+34600123456").unwrap();
        for written in ["whatsapp:+34600123456", "+34 600 12-34.56", "0034600123456", "whatsapp: 00 34 600 123 456", "34600123456"] {
            assert_eq!(privacy.pseudonym(written).as_deref(), Some(expected.as_str()), "{written}");
            assert_eq!(privacy.show(&privacy.sender(written.as_bytes()).unwrap()).as_deref(), Some(expected.as_str()), "{written}");
        }
        // echo -en 'sender\x00+34600123456' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        assert_eq!(expected, "937b31fd3a448f6d");
    }

    #[test]
    fn remembered_senders_are_the_same_senders() {
        let privacy = Arc::new(privacy(SenderMode::Hash));
        let mut senders = Senders::new(Arc::clone(&privacy));
        for round in 0..3 {
            for number in 0..10_000 {
                let raw = format!("whatsapp:+346{:08}", number * (round + 1));
                assert_eq!(senders.sender(raw.as_bytes()), privacy.sender(raw.as_bytes()), "{raw}");
            }
        }
        for raw in ["", "  ", "whatsapp:", "a", &"x".repeat(31), &"x".repeat(32), &"9".repeat(100)] {
            assert_eq!(senders.sender(raw.as_bytes()), privacy.sender(raw.as_bytes()), "{raw}");
        }
        assert_eq!(senders.known.len(), Senders::PLACES);
    }

    #[test]
    fn nobody_is_nobody() {
        let privacy = privacy(SenderMode::Hash);
        for raw in ["", "   ", "whatsapp:", "00", &"9".repeat(100)] {
            assert!(privacy.sender(raw.as_bytes()).is_none(), "{raw:?}");
        }
    }

    #[test]
    fn masks_hide_the_length_and_keep_the_country() {
        let privacy = privacy(SenderMode::Anon);
        let show = |raw: &str| privacy.show(&privacy.sender(raw.as_bytes()).unwrap()).unwrap();
        assert_eq!(show("whatsapp:+34600123456"), "+34 *** *** *56");
        assert_eq!(show("+15551234567"), "+1 *** *** *67");
        assert_eq!(show("+351912345678"), "+351 *** *** *78");
        assert_eq!(show("+1234"), "***");
        assert_eq!(show("ana.perez"), "***");
    }

    #[test]
    fn raw_senders_do_not_print() {
        let privacy = privacy(SenderMode::Full);
        let sender = privacy.sender(b"+34600123456").unwrap();
        assert!(!format!("{sender:?} {:?}", sender.key()).contains("600"));
    }

    #[test]
    fn clients_are_shown_as_configured() {
        let with = |mode| Privacy::new(SenderMode::Hash, mode, b"0123456789abcdef0123456789abcdef", 160);
        assert_eq!(with(ClientMode::Full).show_client(b"::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(with(ClientMode::Prefix).show_client(b"192.0.2.7"), "192.0.2.0/24");
        assert_eq!(with(ClientMode::Prefix).show_client(b"2001:db8:1:2::7"), "2001:db8:1::/48");
        assert_eq!(with(ClientMode::Hash).show_client(b"192.0.2.7"), with(ClientMode::Hash).pseudonym("192.0.2.7").unwrap());
    }

    #[test]
    fn scrubbing_takes_numbers_addresses_and_ids() {
        let privacy = privacy(SenderMode::Hash);
        let scrub = |text: &str| privacy.scrub(text.as_bytes());
        assert_eq!(scrub("call +34 600 12 34 56 now"), "call <number> now");
        assert_eq!(scrub("ana@example.org wrote"), "<address> wrote");
        assert_eq!(scrub("sid=SM2a4cce7dba7996a4984b411db14389ea!"), "<id>!");
        assert_eq!(scrub("HTTP 429 error at line 12"), "HTTP 429 error at line 12");
        assert_eq!(scrub("a\u{1b}[31m"), "a\u{fffd}[31m");
        assert!(scrub(&"word ".repeat(100)).ends_with('…'));
        assert_eq!(Privacy::new(SenderMode::Agg, ClientMode::Full, b"", 160).scrub(b"secret"), "");
    }
}

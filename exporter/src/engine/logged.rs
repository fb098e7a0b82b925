//! The last attacks as they were logged. They are made ready for people when somebody looks or when they are saved: most are driven out
//! by newer ones before anybody does.

use std::collections::VecDeque;

use crate::event::{Attack, HttpRequest, Timestamp};
use crate::subject::Client;

/// As much of each text as is kept, in bytes: before it is scrubbed.
const TEXT_BYTES: usize = 400;

/// Where an attack was seen.
pub(super) struct Seen<'a> {
    pub(super) source: &'a str,
    pub(super) site: &'a str,
    /// The target without its query.
    pub(super) path: &'a [u8],
    pub(super) client: Client,
    /// How much the client has done so far.
    pub(super) deeds: u32,
    pub(super) country: [u8; 2],
}

/// The last attacks, oldest first. Their texts lie one behind the other, so that a flood of them writes to memory in order.
#[derive(Default)]
pub(super) struct LoggedAttacks {
    facts: VecDeque<Facts>,
    texts: VecDeque<u8>,
    /// How many were forgotten, and the bytes of their texts: the number of the oldest one, and where its texts began.
    forgotten: (u64, u64),
}

/// What an attack's texts are about.
#[derive(Clone, Copy)]
struct Facts {
    at: Timestamp,
    client: Client,
    country: [u8; 2],
    attack: Attack,
    status: u16,
    /// Where its texts begin, counted from the first attack that ever was.
    start: u64,
    /// Where each text ends, from there.
    ends: [u16; TEXTS],
}

/// Source, site, method, target and user agent.
const TEXTS: usize = 5;
// The end of the last one fits.
const _: () = assert!(TEXTS * TEXT_BYTES <= u16::MAX as usize);

impl LoggedAttacks {
    /// Writes an attack down, and gives its number.
    pub(super) fn push(&mut self, at: Timestamp, seen: &Seen<'_>, request: &HttpRequest<'_>, attack: Attack) -> u64 {
        let start = self.forgotten.1 + self.texts.len() as u64;
        let mut end = 0;
        let ends = [seen.source.as_bytes(), seen.site.as_bytes(), request.method, request.target, request.user_agent].map(|text| {
            let text = cut(text);
            self.texts.extend(text);
            end += text.len() as u16;
            end
        });
        self.facts.push_back(Facts { at, client: seen.client, country: seen.country, attack, status: request.status, start, ends });
        self.forgotten.0 + self.facts.len() as u64 - 1
    }

    /// Forgets the oldest one.
    pub(super) fn pop(&mut self) {
        if let Some(Facts { ends: [.., end], .. }) = self.facts.pop_front() {
            self.texts.drain(..usize::from(end));
            self.forgotten = (self.forgotten.0 + 1, self.forgotten.1 + u64::from(end));
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    /// The one of this number.
    pub(super) fn get(&self, number: u64) -> Option<LoggedAttack> {
        let Facts { at, client, country, attack, status, start, ends } = *self.facts.get(self.place(number)?)?;
        let start = usize::try_from(start - self.forgotten.1).ok()?;
        let texts = self.texts.range(start..start + usize::from(ends[TEXTS - 1])).copied().collect();
        Some(LoggedAttack { at, client, country, attack, status, texts, ends })
    }

    /// All but the first `skip`, oldest first.
    pub(super) fn iter(&self, skip: usize) -> impl DoubleEndedIterator<Item = LoggedAttack> {
        let oldest = self.forgotten.0;
        (oldest + skip as u64..oldest + self.facts.len() as u64).filter_map(|number| self.get(number))
    }

    fn place(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.forgotten.0)?).ok()
    }
}

/// An attack with what the log says of its request, unscrubbed.
pub(super) struct LoggedAttack {
    pub(super) at: Timestamp,
    pub(super) client: Client,
    pub(super) country: [u8; 2],
    pub(super) attack: Attack,
    pub(super) status: u16,
    texts: Vec<u8>,
    ends: [u16; TEXTS],
}

/// The texts of an attack.
pub(super) struct Texts<'a> {
    pub(super) source: &'a [u8],
    pub(super) site: &'a [u8],
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) user_agent: &'a [u8],
}

impl LoggedAttack {
    /// What the log says.
    pub(super) fn texts(&self) -> Texts<'_> {
        let mut start = 0;
        let [source, site, method, target, user_agent] = self.ends.map(|end| {
            let text = self.texts.get(start..usize::from(end)).unwrap_or_default();
            start = usize::from(end);
            text
        });
        Texts { source, site, method, target, user_agent }
    }
}

/// As much of a text as is kept. What is cut ends before the word or number that the cut would go through: half an address or half a
/// number is not known as one by the scrub.
pub(super) fn cut(text: &[u8]) -> &[u8] {
    let Some(mut kept) = text.get(..TEXT_BYTES).filter(|kept| kept.len() < text.len()) else { return text };
    for is_joined in [is_in_word, is_in_number] {
        kept = &kept[..kept.iter().rposition(|&byte| !is_joined(byte)).map_or(0, |last| last + 1)];
    }
    kept
}

fn is_in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'@' | b'_' | b'-' | b'.' | b'+' | b'%')
}

/// Digits, and what people write between them.
fn is_in_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b' ' | b'(' | b')' | b'/' | b'-' | b'.' | b'+' | b'%')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::AttackClass;

    #[test]
    fn the_last_ones_are_there_as_they_were_logged() {
        let mut attacks = LoggedAttacks::default();
        let (at, attack) = (Timestamp::from_secs(1_775_253_600), Attack { class: AttackClass::Xss, why: "why", meaning: "what" });
        let target = |number: u64| format!("/{number}/{}", "x".repeat(number as usize * 7 % 390));
        for number in 0..1_000 {
            let (target, agent) = (target(number), number.to_string());
            let request = HttpRequest { method: b"GET", target: target.as_bytes(), user_agent: agent.as_bytes(), ..HttpRequest::default() };
            let seen = Seen { source: "web", site: "shop", path: b"", client: Client::V4(number as u32), deeds: 1, country: *b"ES" };
            assert_eq!(attacks.push(at, &seen, &request, attack), number);
            if attacks.len() > 100 {
                attacks.pop();
            }
        }
        assert!(attacks.get(899).is_none() && attacks.get(900).is_some_and(|logged| logged.at == at) && attacks.get(1_000).is_none());
        for (number, logged) in (950..).zip(attacks.iter(50)) {
            let texts = logged.texts();
            assert_eq!((texts.source, texts.site, texts.method), (&b"web"[..], &b"shop"[..], &b"GET"[..]));
            assert_eq!((texts.target, texts.user_agent), (target(number).as_bytes(), number.to_string().as_bytes()));
            assert_eq!(logged.client, Client::V4(number as u32));
        }
        assert_eq!((attacks.iter(0).count(), attacks.iter(50).count()), (100, 50));
        (0..100).for_each(|_| attacks.pop());
        assert!(attacks.texts.is_empty());
    }

    #[test]
    fn a_cut_goes_through_no_word_and_no_number() {
        let long = |end: &str| format!("/?{}={end}{}", "a".repeat(TEXT_BYTES - 3 - end.len()), "x".repeat(50));
        for (end, kept) in
            [("ana.perez", ""), ("b&mail=ana%40", "b&mail="), ("b&tel=600 98 7", "b&tel="), ("b&tel=600/98/", "b&tel="), ("b;", "b;")]
        {
            let text = long(end).into_bytes();
            let expected = [&text[..TEXT_BYTES - end.len()], kept.as_bytes()].concat();
            assert!(cut(&text) == expected, "{end}: {}", String::from_utf8_lossy(cut(&text)));
        }
        assert_eq!(cut("7".repeat(TEXT_BYTES).as_bytes()).len(), TEXT_BYTES, "what fits is not cut");
        assert!(cut("7".repeat(TEXT_BYTES + 1).as_bytes()).is_empty());
    }
}

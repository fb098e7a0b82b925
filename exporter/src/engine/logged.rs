//! Attacks as they were logged. They are made ready for people when somebody looks or when they are saved: most are driven out by newer
//! ones before anybody does.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use crate::event::{Attack, HttpRequest, Timestamp};
use crate::privacy::Privacy;
use crate::subject::Client;

/// As much of each text as is kept, in bytes: before it is scrubbed.
const TEXT_BYTES: usize = 400;
/// As many characters behind the last one that is shown of a text that was cut: more than an address, a number or a password has.
const DOUBTFUL_CHARS: usize = 80;

/// Where an attack was seen.
pub(super) struct Seen<'a> {
    /// Its number: how many there were before it since the start. Whoever tells the feed and the ledger of an attack asks the ledger.
    pub(super) number: u64,
    pub(super) source: &'a str,
    pub(super) site: &'a str,
    /// The target without its query.
    pub(super) path: &'a [u8],
    pub(super) client: Client,
    /// How much the client has done so far.
    pub(super) deeds: u32,
    pub(super) country: [u8; 2],
}

/// Some of the last attacks, oldest first. Their texts lie one behind the other, so that a flood of them writes to memory in order.
#[derive(Default)]
pub(super) struct LoggedAttacks {
    facts: VecDeque<Facts>,
    texts: VecDeque<u8>,
    /// The bytes of texts that were forgotten: where those of the oldest one begin.
    forgotten_bytes: u64,
    /// Those in front of this number were forgotten.
    forgotten_until: u64,
}

/// Attacks that are forgotten together: the oldest are not in the processor's cache any more, and each would be waited for alone.
const AT_ONCE: u64 = 64;

/// What an attack's texts are about.
#[derive(Clone, Copy)]
struct Facts {
    number: u64,
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
    /// Writes an attack down. Its number is higher than those before.
    pub(super) fn push(&mut self, at: Timestamp, seen: &Seen<'_>, request: &HttpRequest<'_>, attack: Attack) {
        let start = self.forgotten_bytes + self.texts.len() as u64;
        let mut end = 0;
        let ends = [seen.source.as_bytes(), seen.site.as_bytes(), request.method, request.target, request.user_agent].map(|text| {
            let text = cut(text);
            self.texts.extend(text);
            end += text.len() as u16;
            end
        });
        let Seen { number, client, country, .. } = *seen;
        self.facts.push_back(Facts { number, at, client, country, attack, status: request.status, start, ends });
    }

    /// Forgets those in front of this number, at the latest when there are [`AT_ONCE`] of them.
    pub(super) fn forget_until(&mut self, number: u64) {
        if number < self.forgotten_until + AT_ONCE {
            return;
        }
        self.forgotten_until = number;
        let count = self.facts.partition_point(|facts| facts.number < number);
        let bytes: usize = self.facts.drain(..count).map(|Facts { ends: [.., end], .. }| usize::from(end)).sum();
        self.texts.drain(..bytes);
        self.forgotten_bytes += bytes as u64;
    }

    /// The one of this number.
    pub(super) fn get(&self, number: u64) -> Option<LoggedAttack> {
        let place = self.facts.binary_search_by_key(&number, |facts| facts.number).ok()?;
        self.logged(self.facts.get(place)?)
    }

    /// Those from this number on, oldest first.
    pub(super) fn since(&self, number: u64) -> impl Iterator<Item = LoggedAttack> {
        let first = self.facts.partition_point(|facts| facts.number < number);
        self.facts.range(first..).filter_map(|facts| self.logged(facts))
    }

    fn logged(&self, facts: &Facts) -> Option<LoggedAttack> {
        let Facts { number, at, client, country, attack, status, start, ends } = *facts;
        let start = usize::try_from(start - self.forgotten_bytes).ok()?;
        let texts = self.texts.range(start..start + usize::from(ends[TEXTS - 1])).copied().collect();
        Some(LoggedAttack { number, at, client, country, attack, status, texts, ends })
    }
}

/// An attack with what the log says of its request, unscrubbed.
pub(super) struct LoggedAttack {
    pub(super) number: u64,
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

/// As much of a text as is kept.
pub(super) fn cut(text: &[u8]) -> &[u8] {
    text.get(..TEXT_BYTES).unwrap_or(text)
}

/// Makes texts of many requests ready for people. User agents come again and again: each is scrubbed once.
pub(super) struct Showing<'a> {
    privacy: &'a Privacy,
    agent_chars: usize,
    agents: RefCell<HashMap<Box<[u8]>, String>>,
}

/// Different user agents that are remembered: whoever sends others each time shall not fill the memory.
const MAX_AGENTS: usize = 256;

impl<'a> Showing<'a> {
    /// User agents are shown with so many characters.
    pub(super) fn new(privacy: &'a Privacy, agent_chars: usize) -> Self {
        Self { privacy, agent_chars, agents: RefCell::default() }
    }

    /// The settings.
    pub(super) fn privacy(&self) -> &'a Privacy {
        self.privacy
    }

    /// A text of a request as [`cut`] left it, as people may see it.
    pub(super) fn text(&self, text: &[u8], max_chars: usize) -> String {
        scrubbed(text, max_chars, |max_chars| self.privacy.scrub_request(text, max_chars))
    }

    /// The same of a user agent.
    pub(super) fn agent(&self, agent: &[u8]) -> String {
        if let Some(known) = self.agents.borrow().get(agent) {
            return known.clone();
        }
        let shown = scrubbed(agent, self.agent_chars, |max_chars| self.privacy.scrub_agent(agent, max_chars));
        let mut agents = self.agents.borrow_mut();
        if agents.len() < MAX_AGENTS {
            agents.insert(agent.into(), shown.clone());
        }
        shown
    }
}

/// Half an address or number is not known as one by the scrub: what the cut may have gone through is not shown.
fn scrubbed(text: &[u8], max_chars: usize, scrub: impl FnOnce(usize) -> String) -> String {
    if text.len() < TEXT_BYTES {
        return scrub(max_chars);
    }
    let mut shown = scrub(usize::MAX);
    let count = shown.chars().count().saturating_sub(DOUBTFUL_CHARS).min(max_chars);
    let end = shown.char_indices().nth(count).map_or(shown.len(), |(at, _)| at);
    shown.truncate(end);
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::AttackClass;
    use crate::privacy::{ClientMode, SenderMode};

    #[test]
    fn the_last_ones_are_there_as_they_were_logged() {
        let mut attacks = LoggedAttacks::default();
        let (at, attack) = (Timestamp::from_secs(1_775_253_600), Attack { class: AttackClass::Xss, why: "why", meaning: "what" });
        let target = |number: u64| format!("/{number}/{}", "x".repeat(number as usize * 7 % 390));
        // What the feed has no room for is kept elsewhere: numbers are left out.
        for number in (0..3_000).step_by(3) {
            let (target, agent) = (target(number), number.to_string());
            let request = HttpRequest { method: b"GET", target: target.as_bytes(), user_agent: agent.as_bytes(), ..HttpRequest::default() };
            let client = Client::V4(number as u32);
            attacks.push(at, &Seen { number, source: "web", site: "shop", path: b"", client, deeds: 1, country: *b"ES" }, &request, attack);
            attacks.forget_until((number + 1).saturating_sub(300));
        }
        assert!(attacks.get(2_697 - AT_ONCE).is_none() && attacks.get(2_700).is_some_and(|logged| logged.at == at));
        assert!(attacks.get(2_701).is_none() && attacks.get(3_000).is_none());
        for (number, logged) in (2_850..).step_by(3).zip(attacks.since(2_848)) {
            let texts = logged.texts();
            assert_eq!((texts.source, texts.site, texts.method), (&b"web"[..], &b"shop"[..], &b"GET"[..]));
            assert_eq!((texts.target, texts.user_agent), (target(number).as_bytes(), number.to_string().as_bytes()));
            assert_eq!((logged.number, logged.client), (number, Client::V4(number as u32)));
        }
        let kept = attacks.since(0).count();
        assert!((100..100 + AT_ONCE as usize / 3 + 1).contains(&kept), "{kept}");
        assert_eq!((attacks.since(2_700).count(), attacks.since(2_848).count(), attacks.since(3_000).count()), (100, 50, 0));
        attacks.forget_until(3_000);
        assert!(attacks.texts.is_empty() && attacks.facts.is_empty());
    }

    #[test]
    fn what_is_cut_shows_no_half_of_anything() {
        let privacy = Privacy::new(SenderMode::Hash, ClientMode::Hash, b"salt", 160);
        let showing = Showing::new(&privacy, 200);
        let shown = |text: &str| showing.text(cut(text.as_bytes()), 200);
        for end in [
            "mail=ana.perez@example.org",
            "a=2001:db8:85a3:0:0:8a2e:370:7334",
            "a=600 98 71 23",
            "u=http://ana:pa!ss@b.example/",
            "x/a1b2c3d4e5f6a7b8/pro",
        ] {
            for length in 1..=end.len() {
                // The scrub makes the front short, so that what the cut goes through would be seen.
                let front = format!("/?token={}&", "s".repeat(TEXT_BYTES - "/?token=&".len() - length));
                let shown = shown(&format!("{front}{end}{}", "z".repeat(30)));
                assert!(!["ana", "2001", "600", "pa!", "a1b2"].iter().any(|part| shown.contains(part)), "{shown}");
            }
        }
        for long in ["../".repeat(200), "%2e%2e%2f".repeat(100), "A".repeat(1_000)] {
            assert_eq!(shown(&long), long.chars().take(200).chain(['…']).collect::<String>());
        }
        assert_eq!(shown(&"x".repeat(150)).len(), 150);
    }

    #[test]
    fn agents_are_remembered_as_they_are_shown_and_not_without_end() {
        let privacy = Privacy::new(SenderMode::Hash, ClientMode::Hash, b"salt", 160);
        let showing = Showing::new(&privacy, 60);
        for _ in 0..2 {
            for number in 0..2 * MAX_AGENTS {
                let agent = format!("curl/8.{number} ana{number}@example.org {}", "x".repeat(number));
                let alone = Showing::new(&privacy, 60).agent(cut(agent.as_bytes()));
                assert_eq!(showing.agent(cut(agent.as_bytes())), alone);
                assert!(alone.starts_with(&format!("curl/8.{number} <address>")), "{alone}");
            }
        }
        assert_eq!(showing.agents.borrow().len(), MAX_AGENTS);
    }
}

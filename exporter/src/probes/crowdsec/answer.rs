//! The answer of `/v1/decisions/stream`: read leniently, since versions of CrowdSec differ, and within bounds.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::event::Timestamp;
use crate::sample::crowdsec::{Decision, Decisions, Key, Target};

/// The most decisions of one answer.
const MAX_DECISIONS: usize = 200_000;
/// The most different words (origins, scenarios, types) of one answer; further ones are `other`.
const MAX_WORDS: usize = 4_096;
/// The longest word, in characters.
const MAX_WORD_CHARS: usize = 100;
const OTHER: &str = "other";

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    new: Option<Bounded<'a>>,
    #[serde(borrow, default)]
    deleted: Option<Bounded<'a>>,
}

/// As the API writes it; what else there is, is not read.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    duration: Cow<'a, str>,
    #[serde(borrow, default)]
    origin: Cow<'a, str>,
    #[serde(borrow, default)]
    scenario: Cow<'a, str>,
    #[serde(borrow, default)]
    scope: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Cow<'a, str>,
}

/// A list that ends somewhere.
#[derive(Default)]
struct Bounded<'a> {
    items: Vec<Raw<'a>>,
    left_out: u64,
}

impl<'de: 'a, 'a> Deserialize<'de> for Bounded<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Bounded<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of decisions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bounded<'de>, A::Error> {
                let mut all = Bounded::default();
                while all.items.len() < MAX_DECISIONS {
                    match list.next_element()? {
                        Some(item) => all.items.push(item),
                        None => return Ok(all),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    all.left_out += 1;
                }
                Ok(all)
            }
        }
        input.deserialize_seq(Items)
    }
}

/// What an answer says that came at `now`; `is_all`: it was asked for everything.
pub(super) fn decisions(body: &[u8], now: Timestamp, is_all: bool) -> Result<Decisions, serde_json::Error> {
    let Answer { new, deleted } = serde_json::from_slice(body)?;
    let (new, deleted) = (new.unwrap_or_default(), deleted.unwrap_or_default());
    let mut words = Words::default();
    let mut left_out = new.left_out + deleted.left_out;
    let mut added = Vec::with_capacity(new.items.len());
    for raw in &new.items {
        let Some((target, lasts)) = target(&raw.scope, &raw.value).zip(duration(&raw.duration)) else {
            left_out += 1;
            continue;
        };
        // One that is over by now has no effect.
        let Some(lasts) = lasts.filter(|lasts| !lasts.is_zero()) else { continue };
        let key = Key { target, kind: words.word(&raw.kind) };
        let (origin, scenario) = (words.word(&raw.origin), words.word(&raw.scenario));
        added.push(Decision { key, origin, scenario, until: now.plus(lasts) });
    }
    let mut key = |raw: &Raw<'_>| Some(Key { target: target(&raw.scope, &raw.value)?, kind: words.word(&raw.kind) });
    let deleted = deleted.items.iter().filter_map(&mut key).collect();
    Ok(Decisions { is_all, deleted, added, left_out })
}

/// Words that stand in many decisions, each once in memory.
#[derive(Default)]
struct Words(HashSet<Arc<str>>);

impl Words {
    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let clean: String = text.chars().filter(|c| !c.is_control()).take(MAX_WORD_CHARS).collect();
        let word: Arc<str> = if clean.is_empty() || self.0.len() >= MAX_WORDS { OTHER.into() } else { clean.into() };
        self.0.insert(Arc::clone(&word));
        word
    }
}

/// Whom a decision is about; `None`: it makes no sense.
fn target(scope: &str, value: &str) -> Option<Target> {
    if scope.eq_ignore_ascii_case("ip") || scope.eq_ignore_ascii_case("range") {
        let network = value.parse::<IpNet>().or_else(|_| value.parse::<IpAddr>().map(IpNet::from)).ok()?;
        return Some(Target::Network(canonical(network.trunc())));
    }
    let text = format!("{scope}:{value}");
    (text.len() > 1 && text.len() <= 4 * MAX_WORD_CHARS).then(|| Target::Other(text.into()))
}

/// `::ffff:203.0.113.0/120` is 203.0.113.0/24.
fn canonical(network: IpNet) -> IpNet {
    let mapped = |v6: &ipnet::Ipv6Net| Ipv4Net::new(v6.network().to_ipv4_mapped()?, v6.prefix_len().checked_sub(96)?).ok();
    match &network {
        IpNet::V6(v6) => mapped(v6).map_or(network, IpNet::V4),
        IpNet::V4(_) => network,
    }
}

/// A duration as Go writes it: `23h59m59.598365849s`, `-1.5ms`. `None`: it is none; `Some(None)`: it is negative.
fn duration(text: &str) -> Option<Option<Duration>> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    if rest == "0" {
        return Some(Some(Duration::ZERO));
    }
    let mut secs = 0.0;
    while !rest.is_empty() {
        let (number, behind) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?)?;
        let (unit, behind) = behind.split_at_checked(behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len()))?;
        let scale = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        secs += number.parse::<f64>().ok()? * scale;
        rest = behind;
    }
    // For ever is a century: a ban of one is no mistake, and what does not fit would be.
    let lasts = Duration::from_secs_f64(secs.clamp(0.0, 100.0 * 365.0 * 86_400.0));
    Some((!is_negative).then_some(lasts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_255_200);

    fn read(body: &str) -> Decisions {
        decisions(body.as_bytes(), NOW, true).unwrap()
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, millis) in [
            ("23h59m59.598365849s", Some(Some(86_399_598))),
            ("4h", Some(Some(14_400_000))),
            ("1.5h", Some(Some(5_400_000))),
            ("1m30s", Some(Some(90_000))),
            ("250ms", Some(Some(250))),
            ("1500µs", Some(Some(1))),
            ("0s", Some(Some(0))),
            ("0", Some(Some(0))),
            ("-1h2m3.4s", Some(None)),
            ("999999999999999h", Some(Some(3_153_600_000_000))),
            ("", None),
            ("-", None),
            ("h", None),
            ("12", None),
            ("7d", None),
            ("1..2s", None),
            ("1h x", None),
            ("ñ", None),
        ] {
            let read = duration(text).map(|lasts| lasts.map(|lasts| lasts.as_millis() as u64));
            assert_eq!(read, millis, "{text:?}");
        }
    }

    #[test]
    fn targets_are_told_from_each_other() {
        let network = |scope, value| match target(scope, value) {
            Some(Target::Network(network)) => network.to_string(),
            Some(Target::Other(text)) => text.to_string(),
            None => "none".to_owned(),
        };
        for (scope, value, expected) in [
            ("Ip", "203.0.113.7", "203.0.113.7/32"),
            ("ip", "2001:db8::7", "2001:db8::7/128"),
            ("Range", "203.0.113.9/24", "203.0.113.0/24"),
            ("Range", "2001:db8:1:2::5/64", "2001:db8:1:2::/64"),
            ("Ip", "::ffff:203.0.113.7", "203.0.113.7/32"),
            ("Range", "::ffff:203.0.113.0/120", "203.0.113.0/24"),
            ("Range", "::/0", "::/0"),
            ("Country", "CN", "Country:CN"),
            ("Ip", "not an address", "none"),
            ("Range", "203.0.113.0/99", "none"),
            ("", "", "none"),
        ] {
            assert_eq!(network(scope, value), expected, "{scope} {value}");
        }
    }

    #[test]
    fn an_answer_is_read() {
        let body = r#"{"new":[
            {"duration":"3h59m59s","id":1,"origin":"cscli","scenario":"manual \"ban\"","scope":"Ip","type":"ban","value":"203.0.113.7","x":[]},
            {"duration":"-1s","id":2,"origin":"CAPI","scenario":"a/b","scope":"Ip","type":"ban","value":"203.0.113.8"},
            {"duration":"soon","id":3,"origin":"CAPI","scenario":"a/b","scope":"Ip","type":"ban","value":"203.0.113.9"},
            {"duration":"1h","origin":"","scope":"AS","type":"captcha","value":"64512"}],
            "deleted":[{"duration":"-3s","scope":"Range","type":"ban","value":"198.51.100.0/24"},{"scope":"Ip","value":"?"}]}"#;
        let read = read(body);
        assert_eq!((read.added.len(), read.deleted.len(), read.left_out), (2, 1, 1));
        let [first, second] = &read.added[..] else { panic!() };
        assert_eq!((&*first.origin, &*first.scenario, &*first.key.kind), ("cscli", "manual \"ban\"", "ban"));
        assert_eq!(first.until, NOW.plus(Duration::from_secs(14_399)));
        assert_eq!((&*second.origin, &*second.scenario, &*second.key.kind), ("other", "other", "captcha"));
        for nothing in ["{}", r#"{"new":null,"deleted":null}"#, r#"{"new":[],"deleted":[]}"#] {
            assert_eq!(self::read(nothing), Decisions { is_all: true, deleted: vec![], added: vec![], left_out: 0 }, "{nothing}");
        }
        for broken in ["", "null", "7", "{\"new\":7}", "{\"new\":[7]}", "{\"new\":[{\"value\":{}}]}", "<html>"] {
            assert!(decisions(broken.as_bytes(), NOW, true).is_err(), "{broken}");
        }
    }

    #[test]
    fn an_answer_without_end_is_cut() {
        let body = format!("{{\"new\":[{}{{}}]}}", "{},".repeat(MAX_DECISIONS + 9));
        let read = read(&body);
        assert_eq!((read.added.len(), read.left_out), (0, MAX_DECISIONS as u64 + 10));
        let mut words = Words::default();
        (0..2 * MAX_WORDS).for_each(|number| assert!(words.word(&number.to_string()).len() <= MAX_WORD_CHARS));
        assert!(words.0.len() <= MAX_WORDS + 1);
        assert_eq!((&*words.word("fresh"), &*words.word("5")), (OTHER, "5"));
    }
}

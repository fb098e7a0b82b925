//! Attackers: by country, the most suspicious ones, those that guess links, the watchlist.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::names::*;
use super::page::Page;

/// Codes of two capital letters, in the order of the alphabet; whatever else a log calls a country is counted as unknown.
const CODES: usize = 26 * 26;
/// Nobody knows which country.
const UNKNOWN: [u8; 2] = *b"ZZ";

/// What was counted about attackers.
#[derive(Debug)]
pub struct Attacks {
    by_country: Box<[u64; CODES]>,
    enumerations: [u64; 2],
    never_ban: BTreeMap<&'static str, u64>,
}

/// Who guesses links: [`Attacks::enumeration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One client.
    Client,
    /// Several of one network.
    Network,
}

const SCOPES: [&str; 2] = ["client", "network"];
const STRIKES: [&str; 4] = ["1", "2", "3", "4+"];

/// What the page shows of attackers at one moment.
#[derive(Debug, Default)]
pub struct Now {
    /// The most suspicious clients as they may be shown, their country, and their score.
    pub top: Vec<(String, String, f64)>,
    /// Suspicious clients in all.
    pub suspicious: u64,
    /// Clients guessing links.
    pub enumerating: u64,
    /// Clients on the watchlist with 1, 2, 3, and 4 or more strikes.
    pub watchlist: [u64; STRIKES.len()],
}

impl Default for Attacks {
    fn default() -> Self {
        Self { by_country: Box::new([0; CODES]), enumerations: Default::default(), never_ban: BTreeMap::new() }
    }
}

impl Attacks {
    /// Counts an attack by its country, two capital letters.
    pub fn country(&mut self, code: [u8; 2]) {
        self.add(code, 1);
    }

    fn add(&mut self, code: [u8; 2], count: u64) {
        let [a, b] = if code.iter().all(u8::is_ascii_uppercase) { code } else { UNKNOWN };
        self.by_country[usize::from(a - b'A') * 26 + usize::from(b - b'A')] += count;
    }

    /// Attacks by country, of which there were some; the unknown one is always among them.
    pub fn by_country(&self) -> impl Iterator<Item = (String, u64)> {
        let letter = |place: usize| char::from(b'A' + place as u8);
        let is_shown = |(place, count): &(usize, &u64)| **count > 0 || *place == CODES - 1;
        let shown = self.by_country.iter().enumerate().filter(is_shown);
        shown.map(move |(place, count)| ([letter(place / 26), letter(place % 26)].iter().collect(), *count))
    }

    /// Counts an enumeration of links.
    pub fn enumeration(&mut self, scope: Scope) {
        self.enumerations[scope as usize] += 1;
    }

    /// Counts a finding that was dropped since nobody may be told of who it is about.
    pub fn never_ban(&mut self, reason: &'static str) {
        *self.never_ban.entry(reason).or_default() += 1;
    }

    /// Writes these rows; `reasons` are all for which a finding may be dropped.
    pub fn show(&self, now: &Now, reasons: impl Iterator<Item = &'static str>, page: &mut Page) {
        for (country, count) in self.by_country() {
            page.counter(&HTTP_ATTACKS_BY_COUNTRY, &[&country], count);
        }
        for (client, country, score) in &now.top {
            page.gauge(&CLIENT_SUSPICION_SCORE, &[client, country], *score);
        }
        page.gauge(&CLIENTS_SUSPICIOUS, &[], now.suspicious as f64);
        for (scope, count) in SCOPES.iter().zip(self.enumerations) {
            page.counter(&LINK_ENUMERATIONS, &[scope], count);
        }
        page.gauge(&LINK_ENUMERATING_CLIENTS, &[], now.enumerating as f64);
        for (strikes, count) in STRIKES.iter().zip(now.watchlist) {
            page.gauge(&WATCHLIST_CLIENTS, &[strikes], count as f64);
        }
        for reason in reasons {
            page.counter(&NEVER_BAN, &[reason], self.never_ban.get(reason).copied().unwrap_or(0));
        }
    }

    /// For [`Attacks::load`].
    pub fn save(&self) -> Value {
        let by_country: BTreeMap<String, u64> = self.by_country().collect();
        json!({ "by_country": by_country, "enumerations": self.enumerations, "never_ban": self.never_ban })
    }

    /// Takes up what [`Attacks::save`] gave; `reasons` as for [`Attacks::show`].
    pub fn load(&mut self, saved: &Value, reasons: impl Iterator<Item = &'static str>) {
        for (code, count) in saved["by_country"].as_object().into_iter().flatten() {
            self.add(code.as_bytes().try_into().unwrap_or(UNKNOWN), count.as_u64().unwrap_or(0));
        }
        self.enumerations = serde_json::from_value(saved["enumerations"].clone()).unwrap_or_default();
        self.never_ban = reasons.filter_map(|reason| Some((reason, saved["never_ban"][reason].as_u64()?))).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::Exposition;
    use super::*;

    #[test]
    fn countries_are_codes_and_bounded() {
        let mut attacks = Attacks::default();
        (0..=u16::MAX).for_each(|code| attacks.country(code.to_be_bytes()));
        attacks.country(*b"ES");
        let by_country: BTreeMap<String, u64> = attacks.by_country().collect();
        assert_eq!((by_country.len(), by_country["ES"], by_country["AA"]), (676, 2, 1));
        assert_eq!(by_country["ZZ"], 65_536 - 675);
    }

    #[test]
    fn rows_are_there_from_the_start_and_saved_is_loaded() {
        let reasons = || ["reserved", "good_bot"].into_iter();
        let mut attacks = Attacks::default();
        attacks.country(*b"SG");
        attacks.enumeration(Scope::Network);
        attacks.never_ban("good_bot");
        let mut again = Attacks::default();
        again.load(&attacks.save(), reasons());
        assert_eq!(again.save(), attacks.save());
        let mut page = Page::default();
        let now = Now { top: vec![("203.0.113.7".into(), "SG".into(), 61.5)], suspicious: 1, enumerating: 2, watchlist: [3, 0, 0, 1] };
        again.show(&now, reasons(), &mut page);
        let text = page.render(Exposition::Text);
        for row in [
            r#"hostwarden_http_attacks_by_country_total{country="SG"} 1"#,
            r#"hostwarden_http_attacks_by_country_total{country="ZZ"} 0"#,
            r#"hostwarden_client_suspicion_score{client="203.0.113.7",country="SG"} 61.5"#,
            r#"hostwarden_clients_suspicious 1.0"#,
            r#"hostwarden_link_enumerations_total{scope="client"} 0"#,
            r#"hostwarden_link_enumerations_total{scope="network"} 1"#,
            r#"hostwarden_watchlist_clients{strikes="4+"} 1.0"#,
            r#"hostwarden_never_ban_total{reason="reserved"} 0"#,
            r#"hostwarden_never_ban_total{reason="good_bot"} 1"#,
        ] {
            assert!(text.lines().any(|line| line == row), "{row}\n{text}");
        }
    }
}

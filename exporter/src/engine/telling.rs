//! From what a detector found to what people are told: nothing about who is never a candidate, clients shown as configured, texts scrubbed.

use super::Action;
use super::detection::{By, Context, Detection};
use crate::detectors::slow_attacker;
use crate::finding::{About, Finding, Found};
use crate::privacy::{ClientMode, Privacy};
use crate::subject::{Client, Network};

/// The longest fact of a finding, in characters.
const EVIDENCE_CHARS: usize = 300;
/// The most claimed sources in a finding.
const MAX_CLAIMS: usize = 10;
/// The longest name of a thing in a finding, in characters.
const THING_CHARS: usize = 120;

impl Detection {
    /// Tells what was found, unless it is about somebody who is never a candidate; whether it was told.
    pub(super) fn tell(&mut self, context: &mut Context<'_>, found: Found, by: By<'_>) -> bool {
        if !self.may_be_told(context, &found.about, by) {
            return false;
        }
        let (about, address) = match &found.about {
            About::Client(client) => (shown(*client, context.privacy), Some(client.address())),
            About::Network(network) => (shown_network(*network, context.privacy), Some(network.address())),
            About::Thing(thing) => (context.privacy.show_thing(thing, THING_CHARS), None),
            About::Port(port) => (format!("Service {} (UDP port {})", port.service, port.port), None),
        };
        let country = address.map(|address| self.locate.locate(address).country_or_unknown().to_owned());
        let summary = match &country {
            Some(country) => format!("{about} ({country}) {}.", found.summary),
            None => format!("{about} {}.", found.summary),
        };
        let strikes = self.strikes(&found);
        let client = if let About::Client(client) = found.about { Some(client) } else { None };
        let claims = match &found.about {
            About::Port(port) => self.claims(context, &port.sources),
            _ => None,
        };
        let scrub = |fact: &String| context.privacy.scrub_facts(fact, EVIDENCE_CHARS);
        let mut evidence = found.reckoned;
        evidence.extend(found.evidence.iter().map(scrub).chain(claims));
        let finding = Finding {
            id: 0,
            at: found.at,
            detector: found.detector.to_owned(),
            severity: found.severity,
            source: context.source.to_owned(),
            summary,
            client: address.map(|_| about.clone()),
            country,
            about,
            evidence,
        };
        self.add(context, finding, strikes, client);
        true
    }

    /// Counts and keeps a finding, and puts it to its incident.
    pub(super) fn add(&mut self, context: &mut Context<'_>, finding: Finding, strikes: u32, client: Option<Client>) {
        self.notices.found(context.now, &finding, strikes, client);
        self.findings.add(finding, context);
    }

    /// How often the client of a finding has been put on the watchlist, this time included.
    fn strikes(&self, found: &Found) -> u32 {
        let About::Client(client) = found.about else { return 0 };
        let watched = self.slow_attacker.as_ref().and_then(|slow| slow.watched(client)).map_or(0, |watched| watched.strikes);
        watched + u32::from(found.detector == slow_attacker::NAME)
    }

    /// Whether it may be told at all; if the DNS must be asked first, it is asked.
    fn may_be_told(&mut self, context: &mut Context<'_>, about: &About, by: By<'_>) -> bool {
        // Of a network, who did the last of it speaks for all: an edge of a CDN, a machine of the local network.
        let one = match about {
            About::Client(client) => Some(*client),
            About::Network(_) => Client::parse(by.address),
            About::Thing(_) | About::Port(_) => None,
        };
        let Some(client) = one else { return true };
        if let Some(reason) = self.never_ban.reason(client, context.now, by.agent).filter(|reason| !reason.may_be_told_of()) {
            self.attacks.never_ban(reason.as_str());
            return false;
        }
        // Who claims to be a good bot is asked for first; what it does next is told when the answer is in.
        let Some(bot) = self.never_ban.to_verify(client, context.now, by.agent) else { return true };
        let address = std::str::from_utf8(by.address).ok().and_then(|text| text.parse().ok());
        context.actions.push(Action::Verify { client, address: address.unwrap_or(client.address()), bot });
        false
    }

    /// Who claims to have sent to a port, without players and others who are left alone.
    fn claims(&self, context: &Context<'_>, sources: &[(Client, u64)]) -> Option<String> {
        let mut shown: Vec<(String, u64)> = Vec::new();
        for (client, packets) in sources.iter().filter(|(client, _)| self.never_ban.may_be_listed(*client, context.now)) {
            let name = self::shown(*client, context.privacy);
            // Several clients may be shown as one network.
            match shown.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += packets,
                None => shown.push((name, *packets)),
            }
        }
        let listed: Vec<String> = shown.iter().take(MAX_CLAIMS).map(|(name, packets)| format!("{name} {packets}")).collect();
        (!listed.is_empty()).then(|| format!("claimed sources, which can be forged, and their packets: {}", listed.join(", ")))
    }
}

/// A network as people may see it.
fn shown_network(network: Network, privacy: &Privacy) -> String {
    match privacy.client_mode() {
        ClientMode::Full | ClientMode::Prefix => network.to_string(),
        ClientMode::Hash => privacy.show_client(network.to_string().as_bytes()),
    }
}

/// A client as people may see it.
pub(super) fn shown(client: Client, privacy: &Privacy) -> String {
    match privacy.client_mode() {
        ClientMode::Full => client.to_string(),
        ClientMode::Prefix => client.network().to_string(),
        ClientMode::Hash => privacy.show_client(client.to_string().as_bytes()),
    }
}

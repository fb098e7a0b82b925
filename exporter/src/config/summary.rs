//! What would run, in a few lines for people. Secrets are named, never shown.

use std::fmt::Write;

use super::{Config, LogFormat, Start};
use crate::privacy::{ClientMode, SenderMode};

impl Config {
    /// What would run: addresses, state, privacy, sources.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, text: String| {
            // Writing into a String cannot fail.
            let _infallible = writeln!(out, "{name:<10}{text}");
        };
        line("file", self.file.as_ref().map_or("none: built-in defaults".to_owned(), |file| file.display().to_string()));
        let scheme = if self.server.tls.is_some() { "https" } else { "http" };
        let guard = if self.server.bearer_token.is_some() { "with a token" } else { "without a token" };
        for address in &self.server.listen {
            line("serves", format!("{scheme}://{address}/metrics, {guard}"));
        }
        line("state", self.state.dir.display().to_string());
        line("privacy", self.privacy_words());
        if !self.web.sites.is_empty() {
            line("sites", self.web.sites.join(", "));
        }
        if !self.web.trusted_proxies.is_empty() {
            let networks: Vec<String> = self.web.trusted_proxies.iter().map(ToString::to_string).collect();
            line("proxies", networks.join(", "));
        }
        if self.sources.is_empty() {
            line("sources", "none configured: the usual places are searched".to_owned());
        }
        for source in &self.sources {
            let pattern = source.input.pattern();
            let start = match source.start {
                Start::End => "end",
                Start::Beginning => "beginning",
            };
            let zone = source.timezone.as_ref().map(|zone| format!(", times in {zone}")).unwrap_or_default();
            line("source", format!("{}: {pattern} as {}, from the {start}{zone}", source.name, source.format));
        }
        let detectors = &self.detectors;
        let switches = [
            ("bot_latency", detectors.bot_latency.enabled),
            ("bot_errors", detectors.bot_errors.enabled),
            ("suspicion", detectors.suspicion.enabled),
            ("slow_attacker", detectors.slow_attacker.enabled),
            ("enumeration", detectors.enumeration.enabled),
            ("ssh_brute_force", detectors.ssh_brute_force.enabled),
            ("port_scan", detectors.port_scan.enabled),
            ("players", detectors.players.enabled),
            ("udp_flood", detectors.udp_flood.enabled),
            ("containers", detectors.containers.enabled),
        ];
        let on: Vec<&str> = switches.iter().filter(|(_, enabled)| *enabled).map(|(name, _)| *name).collect();
        line("detectors", if on.is_empty() { "none".to_owned() } else { on.join(", ") });
        line("probes", self.probes_words());
        line("places", self.places_words());
        let left_alone = &self.policy.never_ban;
        if !left_alone.networks.is_empty() {
            let networks: Vec<String> = left_alone.networks.iter().map(ToString::to_string).collect();
            line("never", networks.join(", "));
        }
        line("feed", self.feed_words());
        let format = match self.log.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        line("log", format!("{format}, {} and above", self.log.level));
        out
    }

    fn probes_words(&self) -> String {
        let super::Probes { docker, host, sqlserver, udp_ports, crowdsec, integrity, made_up: _ } = &self.probes;
        let instances: Vec<&str> = sqlserver.config.instances.iter().map(|instance| instance.name.as_str()).collect();
        let ports: Vec<String> = udp_ports.config.services.iter().map(|service| format!("{} {}", service.name, service.port)).collect();
        let files = match integrity.config.paths.len() {
            0 => "the usual files".to_owned(),
            count => format!("{count} paths"),
        };
        let all = [
            (docker.enabled, format!("docker ({})", docker.config.endpoint)),
            (host.enabled, format!("host ({})", host.config.root.display())),
            (sqlserver.enabled, format!("sqlserver ({})", instances.join(", "))),
            (udp_ports.enabled, format!("udp_ports ({})", ports.join(", "))),
            (crowdsec.enabled, format!("crowdsec ({})", crowdsec.config.url)),
            (integrity.enabled, format!("integrity ({files})")),
        ];
        let on: Vec<String> = all.into_iter().filter(|(enabled, _)| *enabled).map(|(_, words)| words).collect();
        if on.is_empty() { "none".to_owned() } else { on.join(", ") }
    }

    fn feed_words(&self) -> String {
        if !self.feed.enabled {
            return "not kept".to_owned();
        }
        let texts = if self.feed.bot_text { ", with scrubbed texts of messages" } else { "" };
        let pushed = self.notifiers.loki.as_ref().map(|loki| format!(", pushed to {}", loki.url)).unwrap_or_default();
        format!("the last {} entries{texts}{pushed}", self.feed.max_entries)
    }

    fn places_words(&self) -> String {
        let geoip = &self.enrichers.geoip;
        if !geoip.enabled {
            return "not looked up".to_owned();
        }
        let country = geoip.country_file.as_ref().map_or("the built-in database".to_owned(), |file| file.display().to_string());
        let asn = geoip.asn_file.as_ref().map_or("unknown".to_owned(), |file| file.display().to_string());
        format!("countries: {country}; autonomous systems: {asn}")
    }

    fn privacy_words(&self) -> String {
        let senders = match self.privacy.senders {
            SenderMode::Full => "in full",
            SenderMode::Hash => "by pseudonym",
            SenderMode::Anon => "masked",
            SenderMode::Agg => "not shown",
        };
        let clients = match self.privacy.clients {
            ClientMode::Full => "in full",
            ClientMode::Prefix => "by network",
            ClientMode::Hash => "by pseudonym",
        };
        let salt = if self.privacy.salt.is_some() { "with a salt" } else { "without a salt" };
        format!("senders {senders}, clients {clients}, {salt}; texts up to {} characters", self.privacy.text_max_chars)
    }
}

//! Every setting, once: name, default, sentence, check. Reading and the reference both come from these calls.

use std::cell::RefCell;
use std::net::SocketAddr;

use super::checks;
use super::lists::ListOf;
use super::parse::{directory, file, likely_address, listen_address, network, not_empty, path_prefix, port, site};
use super::secrets::Names;
use super::section::Section;
use super::{
    BotErrors, BotLatency, Config, Detector, Detectors, Enrichers, Enumeration, Formats, GeoIp, Log, LogFormat, MAX_SITES, NeverBan,
    Policy, Privacy, Server, SlowAttacker, State, Suspicion, Web, sources,
};
use crate::detectors::enumeration::MAX_LINKS;
use crate::detectors::udp_flood::{self, Lasting};
use crate::detectors::{containers, players, port_scan, ssh_brute_force};
use crate::formats::nginx_json::Fields;
use crate::privacy::{ClientMode, SenderMode};

/// Reads everything.
pub(super) fn read(root: &mut Section<'_, '_>) -> Config {
    let server = root.section("server", "How metrics are served.", server);
    let state = root.section("state", "What is kept on disk.", |state| {
        let doc = "The directory of the database; made if it is not there.";
        State { dir: state.text("dir", "/var/lib/hostwarden", doc, directory) }
    });
    let privacy = root.section("privacy", "How people are shown: in metrics, alerts, logs and on disk.", privacy);
    let web = root.section("web", "What is known about the web servers.", web);
    let mut sources = sources::read(root);
    let formats = root.section("formats", "Log formats that need settings.", |formats| Formats {
        nginx_json: formats.section(
            "nginx_json",
            "Field names of nginx_json; of several, divided by commas, the first with a value counts.",
            json_fields,
        ),
        custom: sources::read_custom(formats),
    });
    sources::check_formats(root.reader, &mut sources, &formats.custom);
    let detectors = root.section("detectors", "What looks at the events.", detectors);
    let probes = super::probes::read(root);
    let enrichers = root.section("enrichers", "What is looked up about clients.", |enrichers| Enrichers {
        geoip: enrichers.section("geoip", "Country and autonomous system of an address, from databases on this machine.", geoip),
    });
    let policy = root.section("policy", "What becomes of a finding.", |policy| Policy {
        never_ban: policy.section("never_ban", "Who is never held to be an attacker, besides those found out by itself.", never_ban),
    });
    let feed = super::feed::read(root);
    let notifiers = super::notifiers::read(root, &feed);
    let log = root.section("log", "Hostwarden's own log, on standard error.", |log| {
        let levels = ["info", "error", "warn", "debug", "trace"].map(|level| (level, level));
        Log {
            level: log.choice("level", &levels, "The least that is written.").to_owned(),
            format: log.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)], "For people or for machines."),
        }
    });
    Config {
        file: None,
        state_dir_place: super::Said(root.reader.place("state.dir")),
        server,
        state,
        privacy,
        web,
        sources: sources.into_iter().map(|(_, source)| source).collect(),
        formats,
        detectors,
        probes,
        enrichers,
        policy,
        feed,
        notifiers,
        log,
    }
}

fn json_fields(fields: &mut Section<'_, '_>) -> Fields {
    let usual = Fields::default();
    let mut field = |name, usual: &str, doc| fields.text(name, usual, doc, not_empty);
    Fields {
        client: field("client", &usual.client, "Who connected."),
        time: field("time", &usual.time, "The time."),
        request: field("request", &usual.request, "The whole request line; preferred to method and uri."),
        method: field("method", &usual.method, "The method."),
        uri: field("uri", &usual.uri, "Path and query."),
        status: field("status", &usual.status, "The status code."),
        bytes: field("bytes", &usual.bytes, "The bytes sent."),
        duration: field("duration", &usual.duration, "The time taken, in seconds."),
        host: field("host", &usual.host, "The host asked for."),
        referer: field("referer", &usual.referer, "The Referer header."),
        user_agent: field("user_agent", &usual.user_agent, "The User-Agent header."),
        forwarded_for: field("forwarded_for", &usual.forwarded_for, "The X-Forwarded-For header."),
        country: field("country", &usual.country, "The client's country, as an ISO code."),
    }
}

fn server(server: &mut Section<'_, '_>) -> Server {
    let kind = ListOf { default: &["127.0.0.1:9780"], example: &["127.0.0.1:9780"], max: 16, is_required: true, of_numbers: false };
    let doc = "Addresses to serve on. Beyond loopback, a token is required.";
    let likely = RefCell::new(Vec::new());
    let parse = |text: &str| listen_address(text).inspect_err(|_| likely.borrow_mut().extend(likely_address(text)));
    let listen = server.list("listen", &kind, doc, parse);
    checks::listen_once(server.reader, &listen);
    let mut listen: Vec<SocketAddr> = listen.into_iter().map(|(address, _)| address).collect();
    // What was probably meant goes on, so that a missing token is seen now and not after the address has been mended.
    listen.extend(likely.into_inner());
    let names = Names { text: "bearer_token", file: "bearer_token_file", alias: "" };
    let doc = "What callers must show in the header `Authorization: Bearer …`; at least 16 characters.";
    let bearer_token = server.secret(&names, doc, checks::strong_token);
    let doc = "Connections served at once; more are turned away.";
    let max_connections = server.size("max_connections", 64, 1..=4096, doc);
    let (certificate, key) = server.section("tls", "HTTPS, if both files are named.", |tls| {
        let certificate = tls.optional("certificate_file", "/etc/hostwarden/tls.crt", "The certificate chain, PEM.", file);
        (certificate, tls.optional("key_file", "/etc/hostwarden/tls.key", "The private key, PEM.", file))
    });
    let tls = checks::tls(server.reader, certificate, key);
    Server { listen, bearer_token, tls, max_connections }
}

fn privacy(privacy: &mut Section<'_, '_>) -> Privacy {
    let senders = [("hash", SenderMode::Hash), ("full", SenderMode::Full), ("anon", SenderMode::Anon), ("agg", SenderMode::Agg)];
    let doc = "Senders: by pseudonym, in full, masked (country and two digits), or not at all.";
    let senders = privacy.choice("senders", &senders, doc);
    let clients = [("full", ClientMode::Full), ("prefix", ClientMode::Prefix), ("hash", ClientMode::Hash)];
    let clients = privacy.choice("clients", &clients, "Client addresses: in full, their network (/24, /48), or by pseudonym.");
    let names = Names { text: "salt", file: "salt_file", alias: "HOSTWARDEN_SALT" };
    let doc = "The key of the pseudonyms; who has it can find the numbers behind them. At least 16 characters: openssl rand -hex 32.";
    let salt = privacy.secret(&names, doc, checks::strong);
    let text_max_chars = privacy.size("text_max_chars", 160, 1..=4096, "The longest text from a log that is shown, in characters.");
    Privacy { senders, clients, salt, text_max_chars }
}

fn web(web: &mut Section<'_, '_>) -> Web {
    let kind = ListOf { default: &[], example: &["172.16.0.0/12"], max: 1024, is_required: false, of_numbers: false };
    let doc = "Networks of proxies whose X-Forwarded-For is believed.";
    let trusted_proxies = web.list("trusted_proxies", &kind, doc, network).into_iter().map(|(network, _)| network).collect();
    let kind =
        ListOf { default: &[], example: &["example.org", "shop.example.org"], max: MAX_SITES, is_required: false, of_numbers: false };
    let doc = "Known host names, without port; all others are counted as \"other\".";
    let mut sites: Vec<String> = Vec::new();
    for (site, place) in web.list("sites", &kind, doc, site) {
        if sites.contains(&site) {
            web.reader.problem_at(&place, "web.sites", format!("\"{site}\" is named twice"), "leave one of them out");
        } else {
            sites.push(site);
        }
    }
    let kind = ListOf {
        default: &["/menu/", "/pago/", "/t/"],
        example: &["/menu/", "/pago/", "/t/"],
        max: 32,
        is_required: false,
        of_numbers: false,
    };
    let doc = "Beginnings of paths whose next segment is a link that people get one at a time: opening many is guessing.";
    let link_prefixes = web.list("link_prefixes", &kind, doc, path_prefix).into_iter().map(|(prefix, _)| prefix).collect();
    Web { trusted_proxies, sites, link_prefixes }
}

fn detectors(detectors: &mut Section<'_, '_>) -> Detectors {
    let bot_latency = detectors.section("bot_latency", "Pairs messages with replies.", |replies| BotLatency {
        enabled: replies.flag("enabled", true, "Whether it runs."),
        unanswered_after_secs: replies.number(
            "unanswered_after_secs",
            300,
            1..=86_400,
            "A sender without a reply for this long counts as unanswered.",
        ),
        forget_after_secs: replies.number(
            "forget_after_secs",
            86_400,
            60..=2_592_000,
            "A sender without a message for this long is forgotten.",
        ),
        max_senders: replies.size("max_senders", 16_384, 16..=1_048_576, "The most senders remembered."),
    });
    let bot_errors = detectors.section("bot_errors", "Tells new kinds of errors from known ones.", |errors| BotErrors {
        enabled: errors.flag("enabled", true, "Whether it runs."),
        max_kinds: errors.size("max_kinds", 1024, 16..=65_536, "The most kinds of errors remembered."),
    });
    let suspicion = detectors.section("suspicion", "Scores suspicious clients.", suspicion);
    let slow_attacker = detectors.section("slow_attacker", "The watchlist of those who attack slowly.", slow_attacker);
    let enumeration = detectors.section("enumeration", "Sees links (web.link_prefixes) being guessed.", enumeration);
    let (ssh_brute_force, port_scan, players) = (ssh(detectors), scans(detectors), players(detectors));
    let (containers, udp_flood) = (containers(detectors), udp_flood(detectors));
    Detectors { bot_latency, bot_errors, suspicion, slow_attacker, enumeration, ssh_brute_force, port_scan, players, containers, udp_flood }
}

fn suspicion(score: &mut Section<'_, '_>) -> Suspicion {
    let suspicion = Suspicion {
        enabled: score.flag("enabled", true, "Whether findings are made; scores are kept all the same."),
        half_life_secs: score.number("half_life_secs", 43_200, 600..=604_800, "Points count half after this long."),
        suspicious_score: score.number("suspicious_score", 20, 1..=1_000, "The score from which a client counts as suspicious."),
        finding_score: score.number("finding_score", 60, 1..=1_000, "The score from which it is a finding."),
        max_clients: score.size("max_clients", 32_768, 64..=1_048_576, "The most clients remembered."),
    };
    if suspicion.suspicious_score > suspicion.finding_score {
        score.problem("suspicious_score", "is greater than finding_score", "a client is suspicious before it is a finding");
    }
    suspicion
}

fn slow_attacker(slow: &mut Section<'_, '_>) -> SlowAttacker {
    SlowAttacker {
        enabled: slow.flag("enabled", true, "Whether it runs."),
        attacks: slow.number("attacks", 10, 2..=250, "Strong attacks that make a strike."),
        hours: slow.number("hours", 3, 1..=24, "Distinct hours of the last 24 that they must lie in."),
        days: slow.number("days", 5, 2..=30, "Or distinct days of the last 30."),
        distinct: slow.number("distinct", 3, 1..=64, "Different requests among them."),
        forgive_after_days: slow.number("forgive_after_days", 7, 1..=365, "Quiet days after which one strike is forgiven."),
        max_clients: slow.size("max_clients", 4_096, 16..=65_536, "The most clients on the list."),
    }
}

fn enumeration(links: &mut Section<'_, '_>) -> Enumeration {
    // Of one client, as many links are remembered.
    let most = MAX_LINKS as u64 - 1;
    Enumeration {
        enabled: links.flag("enabled", true, "Whether it runs."),
        threshold: links.number("threshold", 15, 2..=most, "More different links than this within the window."),
        window_secs: links.number("window_secs", 300, 10..=86_400, "The window."),
        slow_threshold: links.number("slow_threshold", 40, 2..=most, "More different missing links than this within a day."),
        network_threshold: links.number(
            "network_threshold",
            30,
            2..=most,
            "More different missing links than this within an hour, from several clients of one network (/24, /48).",
        ),
        max_clients: links.size("max_clients", 8_192, 64..=262_144, "The most clients, and the most networks, remembered."),
    }
}

fn geoip(geoip: &mut Section<'_, '_>) -> GeoIp {
    GeoIp {
        enabled: geoip.flag("enabled", true, "Whether it is asked."),
        country_file: geoip.optional(
            "country_file",
            "/usr/share/GeoIP/GeoLite2-Country.mmdb",
            "A database of countries in MaxMind's format, instead of the built-in one. Held in memory as a whole.",
            file,
        ),
        asn_file: geoip.optional(
            "asn_file",
            "/usr/share/GeoIP/GeoLite2-ASN.mmdb",
            "A database of autonomous systems in MaxMind's format; none is built in. Held in memory as a whole.",
            file,
        ),
    }
}

fn never_ban(never_ban: &mut Section<'_, '_>) -> NeverBan {
    let kind = ListOf { default: &[], example: &["198.51.100.0/24"], max: 1024, is_required: false, of_numbers: false };
    let doc = "Networks that are left alone: your office, your own monitors, this machine's address behind a NAT. Of IPv6, whole /64s.";
    let networks = never_ban.list("networks", &kind, doc, network).into_iter().map(|(network, _)| network).collect();
    let doc = "Whether the DNS is asked who claims to be a search engine's bot, once something speaks against it. \
               The resolver then learns its address.";
    let reverse_dns = never_ban.flag("reverse_dns", true, doc);
    let kind = ListOf { default: &["22"], example: &["22", "2222"], max: 16, is_required: false, of_numbers: true };
    let doc = "Ports that sshd listens on: who has a session open there is left alone.";
    let ssh_ports = never_ban.list("ssh_ports", &kind, doc, port).into_iter().map(|(port, _)| port).collect();
    NeverBan { networks, reverse_dns, ssh_ports }
}

fn ssh(detectors: &mut Section<'_, '_>) -> Detector<ssh_brute_force::Config> {
    detectors.section("ssh_brute_force", "Finds who guesses passwords over SSH, and who gets in after guessing.", |ssh| Detector {
        enabled: ssh.flag("enabled", true, "Whether it runs."),
        config: ssh_brute_force::Config {
            attempts: ssh.number("threshold", 5, 1..=10_000, "Failed attempts of one client in the window that make an attack."),
            window_secs: ssh.number("window_secs", 600, 60..=3_600, "The window."),
            slow_attempts: ssh.number("slow_threshold", 10, 1..=10_000, "Failed attempts of one client in a day that make a slow attack."),
            slow_hours: ssh.size("slow_hours", 3, 1..=24, "In how many different hours they must lie."),
            network_attempts: ssh.number(
                "network_threshold",
                20,
                1..=100_000,
                "Failed attempts of one network (/24, /48) in an hour that make an attack.",
            ),
            network_clients: ssh.size("network_clients", 4, 2..=16, "How many of its clients must have taken part."),
            suspicious_failures: ssh.number(
                "failures_before_login",
                5,
                1..=10_000,
                "Failed attempts in the hour before a login that make it suspicious.",
            ),
            max_clients: ssh.size(
                "max_clients",
                16_384,
                16..=1_048_576,
                "The most clients remembered; a quarter of them as networks, logins and users.",
            ),
        },
    })
}

fn scans(detectors: &mut Section<'_, '_>) -> Detector<port_scan::Config> {
    detectors.section("port_scan", "Finds port scans and floods in the firewall's log.", |scans| Detector {
        enabled: scans.flag("enabled", true, "Whether it runs."),
        config: port_scan::Config {
            ports: scans.size("ports", 15, 2..=1_024, "More distinct ports of one client in the window than this make a scan."),
            window_secs: scans.number("window_secs", 60, 1..=3_600, "The window."),
            flood_packets: scans.number(
                "flood_packets",
                1_000,
                10..=1_000_000,
                "Blocked packets of one client in the window that make a flood.",
            ),
            max_clients: scans.size("max_clients", 16_384, 16..=1_048_576, "The most clients remembered."),
        },
    })
}

fn players(detectors: &mut Section<'_, '_>) -> Detector<players::Config> {
    detectors.section("players", "Remembers who plays: who is online, who has been here before.", |players| Detector {
        enabled: players.flag("enabled", true, "Whether it runs."),
        config: players::Config {
            forget_after_secs: players.number(
                "forget_after_secs",
                31_536_000,
                86_400..=315_360_000,
                "A player who was away for this long is forgotten.",
            ),
            max_players: players.size("max_players", 16_384, 16..=1_048_576, "The most players remembered."),
        },
    })
}

fn udp_flood(detectors: &mut Section<'_, '_>) -> udp_flood::Config {
    let doc = "Finds floods of the services that probes.udp_ports watches; what makes one stands there, by service.";
    detectors.section("udp_flood", doc, |flood| {
        let doc = "Whether it runs.";
        let enabled = flood.flag("enabled", true, doc);
        let mut lasting = |for_secs, cooldown_secs| Lasting {
            for_secs: flood.number(for_secs, 0, 0..=3_600, "For how long the mean over the window must be at the threshold."),
            cooldown_secs: flood.number(
                cooldown_secs,
                60,
                0..=86_400,
                "For how long it must be below before the flood has ended; what comes sooner is the same flood.",
            ),
        };
        let kinds = [
            lasting("packets_for_secs", "packets_cooldown_secs"),
            lasting("bytes_for_secs", "bytes_cooldown_secs"),
            lasting("sources_for_secs", "sources_cooldown_secs"),
        ];
        udp_flood::Config { enabled, kinds }
    })
}

fn containers(detectors: &mut Section<'_, '_>) -> Detector<containers::Config> {
    detectors.section(
        "containers",
        "Finds containers that died, ran out of memory, are unhealthy or restart again and again.",
        |containers| Detector {
            enabled: containers.flag("enabled", true, "Whether it runs."),
            config: containers::Config {
                restarts: containers.size("restarts", 3, 2..=20, "Deaths of one container in the window that make a restart loop."),
                window_secs: containers.number("window_secs", 300, 60..=3_600, "The window; a loop without a death for so long has ended."),
                cooldown_secs: containers.number(
                    "cooldown_secs",
                    900,
                    0..=86_400,
                    "The least time between two findings of a kind about one container.",
                ),
            },
        },
    )
}

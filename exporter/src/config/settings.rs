//! Every setting, once: name, default, sentence, check. Reading and the reference both come from these calls.

use std::cell::RefCell;
use std::net::SocketAddr;

use super::checks;
use super::lists::ListOf;
use super::parse::{directory, file, likely_address, listen_address, network, not_empty, site};
use super::secrets::Names;
use super::section::Section;
use super::{BotErrors, BotLatency, Config, Detectors, Formats, Log, LogFormat, MAX_SITES, Privacy, Server, State, Web, sources};
use crate::privacy::{ClientMode, SenderMode};

/// What a JSON access log may say: our word for it, and a field name for example.
const JSON_FIELDS: &[(&str, &str, &str)] = &[
    ("peer", "remote_addr", "The JSON field with who connected."),
    ("forwarded_for", "x_forwarded_for", "The JSON field with the X-Forwarded-For header."),
    ("time", "time_iso8601", "The JSON field with the time."),
    ("method", "request_method", "The JSON field with the method."),
    ("target", "request_uri", "The JSON field with path and query."),
    ("status", "status", "The JSON field with the status code."),
    ("bytes", "bytes_sent", "The JSON field with the bytes sent."),
    ("duration", "request_time", "The JSON field with the time taken, in seconds."),
    ("host", "host", "The JSON field with the host asked for."),
    ("referer", "http_referer", "The JSON field with the Referer header."),
    ("user_agent", "http_user_agent", "The JSON field with the User-Agent header."),
    ("country", "geoip_country_code", "The JSON field with the country's ISO code."),
];

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
        nginx_json: formats.section("nginx_json", "Field names of nginx_json that differ from the usual ones.", |fields| {
            let field = |&(name, example, doc): &(&'static str, &str, &'static str)| {
                fields.optional(name, example, doc, not_empty).map(|field| (name.to_owned(), field))
            };
            JSON_FIELDS.iter().filter_map(field).collect()
        }),
        custom: sources::read_custom(formats),
    });
    sources::check_formats(root.reader, &mut sources, &formats.custom);
    let detectors = root.section("detectors", "What looks at the events.", detectors);
    let log = root.section("log", "Hostwarden's own log, on standard error.", |log| {
        let levels = ["info", "error", "warn", "debug", "trace"].map(|level| (level, level));
        Log {
            level: log.choice("level", &levels, "The least that is written.").to_owned(),
            format: log.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)], "For people or for machines."),
        }
    });
    Config {
        file: None,
        server,
        state,
        privacy,
        web,
        sources: sources.into_iter().map(|(_, source)| source).collect(),
        formats,
        detectors,
        log,
    }
}

fn server(server: &mut Section<'_, '_>) -> Server {
    let kind = ListOf { default: &["127.0.0.1:9780"], example: &["127.0.0.1:9780"], max: 16, is_required: true };
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
    let kind = ListOf { default: &[], example: &["172.16.0.0/12"], max: 1024, is_required: false };
    let doc = "Networks of proxies whose X-Forwarded-For is believed.";
    let trusted_proxies = web.list("trusted_proxies", &kind, doc, network).into_iter().map(|(network, _)| network).collect();
    let kind = ListOf { default: &[], example: &["example.org", "shop.example.org"], max: MAX_SITES, is_required: false };
    let doc = "Known host names, without port; all others are counted as \"other\".";
    let mut sites: Vec<String> = Vec::new();
    for (site, place) in web.list("sites", &kind, doc, site) {
        if sites.contains(&site) {
            web.reader.problem_at(&place, "web.sites", format!("\"{site}\" is named twice"), "leave one of them out");
        } else {
            sites.push(site);
        }
    }
    Web { trusted_proxies, sites }
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
    Detectors { bot_latency, bot_errors }
}

//! What must hold among settings that are fine one by one. Each check looks at everything, so that no problem hides another.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::reader::{Place, Reader};
use super::secret::weakness;
use super::values::{Wrong, wrong};
use super::{Config, Tls, files, sources};
use crate::formats::{Kind, custom};
use crate::metrics::http::SERIES_PER_SITE;
use crate::privacy::{ClientMode, SenderMode};

/// How a secret is made.
const MAKE_SECRET: &str = "make one with: openssl rand -hex 32";

/// Whether a secret can keep something secret.
pub(super) fn strong(text: &str) -> Result<(), Wrong> {
    weakness(text).map_or(Ok(()), |what| Err(Wrong { what: what.to_owned(), remedy: MAKE_SECRET.to_owned() }))
}

/// As [`strong`], for what travels in a header.
pub(super) fn strong_token(text: &str) -> Result<(), Wrong> {
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        let what = "holds blanks, line ends or characters beyond ASCII".to_owned();
        return Err(Wrong { what, remedy: MAKE_SECRET.to_owned() });
    }
    strong(text)
}

/// Reports an address that another one before it serves already.
pub(super) fn listen_once(reader: &mut Reader, listen: &[(SocketAddr, Place)]) {
    for (number, (address, place)) in listen.iter().enumerate() {
        let earlier = listen.iter().take(number).map(|(earlier, _)| earlier);
        let is_same =
            |earlier: &&SocketAddr| address.port() != 0 && earlier.port() == address.port() && overlap(earlier.ip(), address.ip());
        if let Some(earlier) = earlier.into_iter().find(is_same) {
            let Wrong { what, remedy } = wrong(&address.to_string(), &format!("is served by {earlier} already"), "leave one of them out");
            reader.problem_at(place, "server.listen", what, remedy);
        }
    }
}

/// Whether both cannot be bound at once. That `[::]` takes the IPv4 addresses, too, is up to the system and not looked at.
fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
}

/// Reports files of TLS that are missing or no PEM. `None` if nothing was said.
pub(super) fn tls(reader: &mut Reader, certificate: Option<std::path::PathBuf>, key: Option<std::path::PathBuf>) -> Option<Tls> {
    let files = [("certificate_file", "CERTIFICATE", &certificate), ("key_file", "PRIVATE KEY", &key)];
    let is_wanted = files.iter().any(|(.., file)| file.is_some());
    for (name, label, file) in files {
        let path = format!("server.tls.{name}");
        match file {
            Some(file) => {
                if let Err(Wrong { what, remedy }) = files::check_pem(file, label) {
                    reader.problem(&path, what, remedy);
                }
            }
            None if is_wanted && !reader.broken => reader.problem(&path, "is missing", "name both files, or none for plain HTTP"),
            None => {}
        }
    }
    Some(Tls { certificate_file: certificate?, key_file: key? })
}

/// The checks over the whole.
pub(super) fn check(config: &Config, reader: &mut Reader) {
    let open = config.server.listen.iter().find(|address| !address.ip().to_canonical().is_loopback());
    if let (Some(address), None) = (open, &config.server.bearer_token) {
        let what = format!("is missing, and {address} can be reached from other machines");
        reader.problem("server.bearer_token", what, "set it (or bearer_token_file), or listen on 127.0.0.1 only");
    }
    check_salt(config, reader);
    check_custom_formats(config, reader);
    check_series(config, reader);
    let replies = &config.detectors.bot_latency;
    if replies.forget_after_secs <= replies.unanswered_after_secs {
        let remedy = format!("write more than unanswered_after_secs, which is {}", replies.unanswered_after_secs);
        reader.problem("detectors.bot_latency.forget_after_secs", format!("{} is too short", replies.forget_after_secs), remedy);
    }
}

/// Reports what the custom formats' own check finds: patterns that are none, groups that are missing or not known.
fn check_custom_formats(config: &Config, reader: &mut Reader) {
    for (name, format) in config.formats.custom.iter().filter(|(_, format)| !format.kind.is_empty() && !format.line.is_empty()) {
        let privacy = crate::privacy::Privacy::new(SenderMode::Agg, ClientMode::Full, b"", 0);
        let problems = custom::Format::new(format, Arc::new(privacy), jiff::tz::TimeZone::UTC).err().unwrap_or_default();
        for problem in problems {
            let (key, text) = problem.split_once(": ").unwrap_or(("line", &problem));
            let (what, remedy) = text.split_once("; ").unwrap_or((text, "see docs/formats.md"));
            reader.problem(&format!("formats.custom.{name}.{key}"), what.to_owned(), remedy.to_owned());
        }
    }
}

/// The most series that sites may make: a page stays under 5,000 with all else on it.
const MAX_SITE_SERIES: usize = 4_500;

/// Reports sites that would make the page too large for a scrape.
fn check_series(config: &Config, reader: &mut Reader) {
    let logs = config.sources.iter().filter(|source| sources::kind(&source.format, &config.formats.custom) == Kind::Web).count();
    let sites = config.web.sites.len() + 1;
    let series = logs * sites * SERIES_PER_SITE;
    if series > MAX_SITE_SERIES && sites == 1 {
        let what = format!("{logs} web logs would make a page of {series} series");
        let most = MAX_SITE_SERIES / SERIES_PER_SITE;
        reader.problem("sources", what, format!("name at most {most} of them; one pattern may stand for many files"));
    } else if series > MAX_SITE_SERIES {
        let what = format!("{} names times {logs} web logs would make a page of {series} series", sites - 1);
        let most = (MAX_SITE_SERIES / (logs * SERIES_PER_SITE)).saturating_sub(1);
        reader.problem("web.sites", what, format!("name at most {most} of them, or fewer logs; all other hosts are counted as \"other\""));
    }
}

/// Reports a salt that is missing though something needs it.
fn check_salt(config: &Config, reader: &mut Reader) {
    let privacy = &config.privacy;
    if privacy.salt.is_some() {
        return;
    }
    let with_senders = config.sources.iter().find(|source| sources::kind(&source.format, &config.formats.custom).carries_senders());
    let senders = match privacy.senders {
        SenderMode::Hash => Some("hash"),
        SenderMode::Anon => Some("anon"),
        SenderMode::Full | SenderMode::Agg => None,
    };
    let mut needs = Vec::new();
    if let (Some(source), Some(mode)) = (with_senders, senders) {
        let name = if source.name.is_empty() { "that names people".to_owned() } else { format!("\"{}\"", source.name) };
        needs.push(format!("senders = \"{mode}\" with the source {name}"));
    }
    if privacy.clients == ClientMode::Hash {
        needs.push("clients = \"hash\"".to_owned());
    }
    if !needs.is_empty() {
        let remedy = format!("set it, salt_file or HOSTWARDEN_SALT; {MAKE_SECRET}");
        reader.problem("privacy.salt", format!("is missing, and needed for {}", needs.join(" and ")), remedy);
    }
}

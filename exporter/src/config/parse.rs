//! Text to meaning: addresses, networks, host names, patterns. Pure, but for a look at what stands on a path.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::values::{Wrong, wrong};
use crate::docker_api::Endpoint;

/// An address and port to listen on.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let remedy = likely_address(text).map_or("write for example \"127.0.0.1:9780\"".to_owned(), |likely| format!("write \"{likely}\""));
        wrong(text, "is no socket address", remedy)
    })
}

/// What was probably meant by a text that is no socket address: an address without a port, or a port without an address.
pub(super) fn likely_address(text: &str) -> Option<SocketAddr> {
    let text = text.trim().trim_start_matches("http://").trim_end_matches('/').replace("localhost", "127.0.0.1").replace('*', "0.0.0.0");
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(SocketAddr::new(address, 9780));
    }
    let port = text.strip_prefix(':').unwrap_or(&text).parse::<u16>().ok().filter(|port| *port != 0);
    port.map(|port| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).or_else(|| text.parse().ok())
}

/// A network, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, Wrong> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text.parse().map_err(|_| wrong(text, "is no network", "write for example \"172.16.0.0/12\" or \"192.0.2.7\""))?;
    if network.addr() == network.network() {
        Ok(network)
    } else {
        Err(wrong(text, "has bits behind its prefix", format!("write \"{}\" or \"{}\"", network.trunc(), network.addr())))
    }
}

/// A port that something can listen on.
pub(super) fn port(text: &str) -> Result<u16, Wrong> {
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| wrong(text, "is no port", "write a number from 1 to 65535"))
}

/// A host name, in lower case.
pub(super) fn site(text: &str) -> Result<String, Wrong> {
    let name = text.to_lowercase();
    let remedy = || {
        let host = name.split_once("://").map_or(name.as_str(), |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or_default().trim().trim_start_matches("*.").trim_end_matches('.');
        if host != name && is_host_name(host) {
            format!("write \"{host}\"")
        } else if !name.is_ascii() {
            "write it as it stands in the Host header (xn--…)".to_owned()
        } else {
            "write for example \"example.org\"".to_owned()
        }
    };
    if name == "other" {
        Err(wrong(text, "stands for all unknown sites", "leave it out"))
    } else if is_host_name(&name) {
        Ok(name)
    } else {
        Err(wrong(text, "is no host name", remedy()))
    }
}

/// The beginning of a path, up to and with a slash.
pub(super) fn path_prefix(text: &str) -> Result<String, Wrong> {
    let is_prefix = text.len() > 1 && text.starts_with('/') && text.ends_with('/') && !text.contains(['?', '#', ' ']);
    if is_prefix {
        return Ok(text.to_owned());
    }
    let bare = text.trim().trim_matches('/');
    let remedy = if bare.is_empty() || bare.contains(['?', '#', ' ']) {
        "write for example \"/menu/\"".to_owned()
    } else {
        format!("write \"/{bare}/\"")
    };
    Err(wrong(text, "is no beginning of a path", remedy))
}

/// A host name or an address.
pub(super) fn host_name(text: &str) -> Result<String, Wrong> {
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    if !is_address && !is_host_name(text) {
        return Err(wrong(text, "is no host name", "write for example \"db.example.org\" or \"127.0.0.1\", without a port"));
    }
    Ok(text.to_owned())
}

/// RFC 1123, and the underscore that container names bring along.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A name that becomes a label: 1 to 32 characters of `a-z 0-9 _ -`.
pub(super) fn label_name(text: &str) -> Result<String, Wrong> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    if (1..=32).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(wrong(text, "is no name", "write 1 to 32 of a-z, 0-9, _ and -"))
    }
}

/// Where an API is: `http://127.0.0.1:8080`, without a slash at the end. What would be a secret in it is refused.
pub(super) fn base_url(text: &str) -> Result<String, Wrong> {
    let example = "write for example \"http://127.0.0.1:8080\"";
    let url = text.trim_end_matches('/');
    let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).filter(|rest| !rest.is_empty()) else {
        // Who writes a password into it must not find it in a log.
        let shown = text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, host)| format!("…@{host}"));
        return Err(wrong(&shown, "is no address of HTTP", example));
    };
    if rest.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'@' | b'?' | b'#' | b'"' | b'\\')) {
        let what = "holds more than scheme, host, port and path".to_owned();
        return Err(Wrong { what, remedy: example.to_owned() });
    }
    Ok(url.to_owned())
}

/// An absolute path or glob of files.
pub(super) fn file_pattern(text: &str) -> Result<String, Wrong> {
    any_pattern(text)?;
    let path = Path::new(text);
    let is_directory = text.ends_with('/') || text.ends_with("/.") || text.ends_with("/..");
    if is_directory || path.is_dir() {
        return Err(wrong(text, "is a directory", format!("write for example \"{}/*.log\"", text.trim_end_matches(['/', '.']))));
    }
    Ok(text.to_owned())
}

/// An absolute path, or a pattern over absolute paths.
pub(super) fn any_pattern(text: &str) -> Result<String, Wrong> {
    absolute(text)?;
    if let Err(error) = glob::Pattern::new(text) {
        let (what, remedy) = (format!("is no pattern: {}", error.msg), "write for example \"/var/log/nginx/*access.log\"");
        return Err(wrong(text, &what, remedy));
    }
    Ok(text.to_owned())
}

/// The name of a container, as Docker allows them.
pub(super) fn container_name(text: &str) -> Result<String, Wrong> {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 128
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if is_name {
        return Ok(text.to_owned());
    }
    let bare = text.trim().trim_start_matches('/');
    let is_mended = bare != text && container_name(bare).is_ok();
    let remedy = if is_mended { format!("write \"{bare}\"") } else { "write it as `docker ps` does".to_owned() };
    Err(wrong(text, "is no name of a container", remedy))
}

/// A unit of systemd, or `kernel`.
pub(super) fn journal_unit(text: &str) -> Result<String, Wrong> {
    if text == "kernel" || is_unit(text) {
        return Ok(text.to_owned());
    }
    let whole = format!("{text}.service");
    let remedy = if !text.contains('.') && is_unit(&whole) {
        format!("write \"{whole}\", or \"kernel\"")
    } else {
        "write for example \"ssh.service\", or \"kernel\"".to_owned()
    };
    Err(wrong(text, "is no unit", remedy))
}

fn is_unit(text: &str) -> bool {
    let has_kind = text.split_once('.').is_some_and(|(name, kind)| !name.is_empty() && !kind.is_empty());
    has_kind
        && text.len() <= 255
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'.' | b'@' | b'-' | b'\\'))
}

/// `unix:///path` or `tcp://host:port`.
pub(super) fn docker_endpoint(text: &str) -> Result<Endpoint, Wrong> {
    no_control(text)?;
    if let Some(endpoint) = Endpoint::parse(text) {
        return Ok(endpoint);
    }
    let remedy = match text {
        path if path.starts_with('/') => format!("write \"unix://{path}\""),
        _ => "write \"unix:///var/run/docker.sock\" or for example \"tcp://127.0.0.1:2375\"".to_owned(),
    };
    Err(wrong(text, "is no endpoint of Docker", remedy))
}

/// An absolute path of a directory; it need not exist.
pub(super) fn directory(text: &str) -> Result<PathBuf, Wrong> {
    let path = absolute(text)?;
    if path.exists() && !path.is_dir() {
        return Err(wrong(text, "is no directory", "name a directory that may be written to"));
    }
    Ok(path)
}

/// A path of a file, relative to the working directory if it is not absolute.
pub(super) fn file(text: &str) -> Result<PathBuf, Wrong> {
    no_control(text)?;
    Ok(PathBuf::from(text))
}

fn absolute(text: &str) -> Result<PathBuf, Wrong> {
    no_control(text)?;
    if Path::new(text).is_absolute() { Ok(PathBuf::from(text)) } else { Err(wrong(text, "is no absolute path", "begin it with /")) }
}

fn no_control(text: &str) -> Result<(), Wrong> {
    if text.chars().any(char::is_control) { Err(wrong(text, "holds control characters", "write them out of it")) } else { Ok(()) }
}

/// The name of an IANA time zone that this system knows.
pub(super) fn timezone(text: &str) -> Result<String, Wrong> {
    time_zone(text).map(|_| text.to_owned())
}

/// An IANA time zone that this system knows.
pub(super) fn time_zone(text: &str) -> Result<TimeZone, Wrong> {
    // The default: the system's list, which is long, need not be read for it.
    if text == "UTC" {
        return Ok(TimeZone::UTC);
    }
    // `TZ=:/path` and the like are no names: the zone must not open files elsewhere.
    let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+'));
    if is_name && let Ok(zone) = TimeZone::get(text) {
        return Ok(zone);
    }
    let remedy = "write an IANA name such as \"Europe/Madrid\" (the system's tzdata package must be there)";
    Err(wrong(text, "is no time zone known here", remedy))
}

/// Any text but an empty one.
pub(super) fn not_empty(text: &str) -> Result<String, Wrong> {
    if text.is_empty() { Err(wrong(text, "says nothing", "write something in it")) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T>(result: Result<T, Wrong>) -> String {
        result.map_or_else(|Wrong { what, remedy }| format!("{what}; {remedy}"), |_| "fine".to_owned())
    }

    #[test]
    fn addresses_are_mended() {
        assert_eq!(said(listen_address("[::1]:9780")), "fine");
        assert_eq!(said(listen_address("127.0.0.1")), "\"127.0.0.1\" is no socket address; write \"127.0.0.1:9780\"");
        assert_eq!(said(listen_address("::1")), "\"::1\" is no socket address; write \"[::1]:9780\"");
        assert_eq!(said(listen_address(":9780")), "\":9780\" is no socket address; write \"0.0.0.0:9780\"");
        assert_eq!(said(listen_address("localhost:1")), "\"localhost:1\" is no socket address; write \"127.0.0.1:1\"");
        assert_eq!(said(listen_address("web:1")), "\"web:1\" is no socket address; write for example \"127.0.0.1:9780\"");
    }

    #[test]
    fn networks_say_what_they_mean() {
        assert_eq!(network("192.0.2.7").ok(), "192.0.2.7/32".parse().ok());
        assert_eq!(network("2001:db8::/32").ok(), "2001:db8::/32".parse().ok());
        assert_eq!(said(network("10.0.0.5/8")), "\"10.0.0.5/8\" has bits behind its prefix; write \"10.0.0.0/8\" or \"10.0.0.5\"");
        assert!(said(network("10.0.0.0/33")).contains("is no network"));
    }

    #[test]
    fn sites_are_host_names() {
        assert_eq!(site("Shop.Example.ORG").ok().as_deref(), Some("shop.example.org"));
        assert_eq!(site("192.0.2.7").ok().as_deref(), Some("192.0.2.7"));
        assert!(said(site("https://example.org/x")).ends_with("write \"example.org\""));
        assert!(said(site("example.org:443")).ends_with("write \"example.org\""));
        assert!(said(site("*.example.org")).ends_with("write \"example.org\""));
        assert!(said(site("example.org.")).ends_with("write \"example.org\""));
        assert!(said(site("müller.example")).contains("xn--"));
        for bad in ["", "a..b", "-a.b", &"a".repeat(64), &"a.".repeat(200), "other"] {
            assert!(site(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn patterns_are_files() {
        assert_eq!(said(file_pattern("/var/log/nginx/*access.log")), "fine");
        assert!(said(file_pattern("var/log/x")).contains("begin it with /"));
        assert!(said(file_pattern("/var/log/[x")).contains("is no pattern"));
        assert!(said(file_pattern("/")).contains("is a directory; write for example \"/*.log\""));
        assert!(said(file_pattern("/nowhere/logs/")).contains("write for example \"/nowhere/logs/*.log\""));
        assert!(said(file_pattern("/a\nb")).contains("control characters"));
    }

    #[test]
    fn containers_units_and_endpoints_are_mended() {
        assert_eq!(said(container_name("shop_web-1.x")), "fine");
        assert_eq!(said(container_name("/web")), "\"/web\" is no name of a container; write \"web\"");
        for bad in ["", "-a", "a b", "a/b", "ü", &"a".repeat(129)] {
            assert!(said(container_name(bad)).ends_with("write it as `docker ps` does"), "{bad:?}");
        }
        for good in ["kernel", "ssh.service", "ssh@0-1.service", "a\\x2db.service"] {
            assert_eq!(said(journal_unit(good)), "fine");
        }
        assert_eq!(said(journal_unit("ssh")), "\"ssh\" is no unit; write \"ssh.service\", or \"kernel\"");
        for bad in ["", ".service", "a b.service", "a.", "a/b"] {
            assert!(said(journal_unit(bad)).contains("is no unit; write "), "{bad:?}");
        }
        for good in ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375", "tcp://proxy:1", "tcp://[::1]:2375"] {
            assert_eq!(said(docker_endpoint(good)), "fine");
        }
        assert!(said(docker_endpoint("/run/docker.sock")).ends_with("write \"unix:///run/docker.sock\""));
        for bad in ["", "http://a:1", "tcp://a", "tcp://:1", "tcp://a:0", "unix://run/x", "tcp://u@a:1"] {
            assert!(said(docker_endpoint(bad)).contains("is no endpoint of Docker"), "{bad:?}");
        }
    }

    #[test]
    fn time_zones_are_names() {
        assert_eq!(said(timezone("UTC")), "fine");
        for bad in ["Mars/Olympus", "", "../../etc/passwd", ":/etc/localtime"] {
            assert!(timezone(bad).is_err(), "{bad:?}");
        }
    }
}

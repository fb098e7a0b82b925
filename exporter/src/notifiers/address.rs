//! Where messages go. The address of a webhook is a secret: who knows it can write there. So it is never printed, not even when it is wrong.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// Why a text is no address, and what would be right; without the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong.
    pub what: &'static str,
    /// What would be right.
    pub remedy: &'static str,
}

/// An address of HTTPS, or of plain HTTP on this machine or in a network of one's own.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let remedy = "write https://host/path, without blanks";
        let url = Url::parse(text).map_err(|_| Unfit { what: "is no address of the web", remedy })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) || text.contains(char::is_whitespace) {
            return Err(Unfit { what: "is no address of HTTPS", remedy });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Unfit { what: "holds a user or a password", remedy });
        }
        if url.scheme() == "http" && !is_near(&url) {
            let what = "goes through the internet without encryption";
            return Err(Unfit { what, remedy: "write https://; http:// is for loopback, private addresses and names without a dot" });
        }
        Ok(Self(url))
    }

    /// Whom it is of: host, and the port if it is not the usual one. No secret.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether nothing is encrypted.
    pub(super) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// Whether it is on this machine or in a network of one's own.
fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        Ok(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        // A neighbour in Compose, or the host as containers call it.
        Err(_) => !host.contains('.') || host.ends_with(".internal") || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encrypted_or_near() {
        for (text, expected) in [
            ("https://example.org/hook?key=1", "example.org"),
            ("https://example.org:8443/", "example.org:8443"),
            ("http://127.0.0.1:9000/x", "127.0.0.1:9000"),
            ("http://[::1]:9000/x", "[::1]:9000"),
            ("http://10.1.2.3/x", "10.1.2.3"),
            ("http://n8n:5678/x", "n8n:5678"),
            ("http://host.docker.internal/x", "host.docker.internal"),
            ("http://example.org/x", "goes through the internet without encryption"),
            ("http://8.8.8.8/x", "goes through the internet without encryption"),
            ("http://[::ffff:8.8.8.8]/x", "goes through the internet without encryption"),
            ("https://user:password@example.org/x", "holds a user or a password"),
            ("ftp://example.org/x", "is no address of HTTPS"),
            ("https:// example.org/x", "is no address of the web"),
            ("example.org/x", "is no address of the web"),
            ("", "is no address of the web"),
        ] {
            let said = Address::parse(text).map_or_else(|unfit| unfit.what.to_owned(), |address| address.host());
            assert_eq!(said, expected, "{text}");
        }
        assert_eq!(format!("{:?}", Address::parse("https://example.org/secret")), "Ok(***)");
    }
}

//! The Docker API, asked over a socket or plain TCP: [`Client`] asks GET and nothing else; what starts processes in containers stands
//! apart in [`exec`], which only the probe of SQL Server may name (tests/rooms.rs).
//!
//! Paths carry no version: every engine from 20.10 on answers those in its newest one, and what is read has been in all of them. Nothing
//! here has a time-out: who asks has one.

use std::fmt;
use std::path::PathBuf;

use hyper::StatusCode;

mod client;
pub mod exec;
mod frames;

pub use client::{Answer, Client};
pub use frames::frames;

/// Where Docker, or a proxy before it, listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket of this machine.
    Unix(PathBuf),
    /// `host:port`, plain.
    Tcp(String),
}

impl Endpoint {
    /// The endpoint of `unix:///path` or `tcp://host:port`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix://") {
            return path.starts_with('/').then(|| Self::Unix(path.into()));
        }
        let address = text.strip_prefix("tcp://")?.trim_end_matches('/');
        let (host, port) = address.rsplit_once(':')?;
        let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
        (is_host && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| Self::Tcp(address.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix://{}", path.display()),
            Self::Tcp(address) => write!(out, "tcp://{address}"),
        }
    }
}

/// Why there is no answer. All of it is weather.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there, or this user may not ask.
    #[error("{0}")]
    Connect(std::io::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("{0}")]
    Broken(hyper::Error),
    /// What was to be asked is no request.
    #[error("{0}")]
    Unaskable(hyper::http::Error),
    /// Docker, or a proxy before it, refuses; in its own words, which may be none.
    #[error("status {}{}{words}", status.as_u16(), if words.is_empty() { "" } else { ": " })]
    Refused {
        /// Its status.
        status: StatusCode,
        /// At most 200 characters of one line.
        words: String,
    },
    /// The answer has more than these bytes.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
    /// The answer says nothing that is known.
    #[error("the answer is not what was expected: {0}")]
    Unexpected(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_sockets_or_addresses() {
        for (text, expected) in [
            ("unix:///var/run/docker.sock", Some("unix:///var/run/docker.sock")),
            ("tcp://127.0.0.1:2375", Some("tcp://127.0.0.1:2375")),
            ("tcp://socket-proxy:2375/", Some("tcp://socket-proxy:2375")),
            ("tcp://[::1]:2375", Some("tcp://[::1]:2375")),
            ("unix://run/docker.sock", None),
            ("tcp://host", None),
            ("tcp://host:0", None),
            ("tcp://:2375", None),
            ("tcp://us er@host:1", None),
            ("https://host:2376", None),
            ("", None),
        ] {
            assert_eq!(Endpoint::parse(text).map(|endpoint| endpoint.to_string()).as_deref(), expected, "{text}");
        }
    }
}

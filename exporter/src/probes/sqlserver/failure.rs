//! Why an instance did not answer: what was being done, a reason of a closed list, and the cause in words of our own. What a server says is
//! not repeated: it may be anything.

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use tiberius::error::Error;

use crate::sample::sqlserver::Reason;

/// What failed and why.
#[derive(Debug)]
pub(super) struct Failure {
    doing: &'static str,
    pub(super) reason: Reason,
    cause: String,
}

/// `Login failed for user`: user, password or both are wrong, or the login is disabled.
const LOGIN_FAILED: u32 = 18_456;

impl Failure {
    /// With this cause.
    pub(super) fn new(doing: &'static str, reason: Reason, cause: impl Into<String>) -> Self {
        Self { doing, reason, cause: cause.into() }
    }

    /// It took too long.
    pub(super) fn timeout(doing: &'static str, limit: Duration) -> Self {
        Self::new(doing, Reason::Timeout, format!("no answer within {} s", limit.as_secs_f64()))
    }

    /// The connection did not come about.
    pub(super) fn of_connection(error: &io::Error) -> Self {
        let (reason, cause) = match error.kind() {
            ErrorKind::ConnectionRefused => (Reason::Refused, "nobody listens there".to_owned()),
            ErrorKind::TimedOut => (Reason::Timeout, error.to_string()),
            ErrorKind::ConnectionReset => (Reason::Closed, error.to_string()),
            _ => (Reason::Unreachable, error.to_string()),
        };
        Self::new("connect to it", reason, cause)
    }

    /// What the driver makes of a connection that stands.
    pub(super) fn of_session(doing: &'static str, error: &Error) -> Self {
        let (reason, cause) = match error {
            Error::Server(error) if error.code() == LOGIN_FAILED => {
                (Reason::WrongPassword, format!("user or password are wrong (error {LOGIN_FAILED})"))
            }
            Error::Server(error) => (Reason::Server, format!("the server says error {}", error.code())),
            Error::Routing { .. } => (Reason::Server, "the server sends elsewhere".to_owned()),
            Error::Io { kind: ErrorKind::TimedOut, .. } => (Reason::Timeout, "the connection timed out".to_owned()),
            Error::Io { kind: ErrorKind::InvalidData, .. } if doing == TLS => (Reason::Tls, "what came is not TLS, or not ours".to_owned()),
            Error::Io { kind: ErrorKind::InvalidData | ErrorKind::Other | ErrorKind::InvalidInput, .. } => garbage(),
            Error::Io { .. } => (Reason::Closed, "the connection was cut".to_owned()),
            Error::Tls(cause) => (Reason::Tls, first_sentence(cause)),
            Error::Protocol(cause) if cause.contains("encryption level") => {
                (Reason::Tls, "the server does not encrypt as the setting `encrypt` wants".to_owned())
            }
            _ => garbage(),
        };
        Self { doing, reason, cause }
    }
}

/// As the stream's watch calls it.
const TLS: &str = "make a TLS handshake";

fn garbage() -> (Reason, String) {
    (Reason::Garbage, "what came is not the protocol of SQL Server".to_owned())
}

/// The driver goes on with advice about its own functions.
fn first_sentence(cause: &str) -> String {
    let sentence = cause.split(". ").next().unwrap_or(cause);
    let text: String = sentence.chars().filter(|c| !c.is_control()).take(200).collect();
    if text.contains("certificate") { format!("{text} (the setting `trust_certificate` takes any)") } else { text }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}: {}", self.doing, self.reason.as_str(), self.cause)
    }
}

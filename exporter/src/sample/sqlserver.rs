//! What the probe of SQL Server saw: one sample per instance and poll.

use std::time::Duration;

/// An instance that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Its name in the configuration.
    pub name: String,
    /// How long each stage took that was gone through, in the order of [`STAGES`].
    pub stages: [Option<Duration>; STAGES.len()],
    /// The first line of its version, or why it could not be had.
    pub version: Result<String, Reason>,
}

/// What a poll goes through: reaching the server up to its answer to the greeting, the TLS handshake, the login, the question.
pub const STAGES: [&str; 4] = ["connect", "tls", "login", "query"];

/// Why an instance did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The name service does not know its host.
    UnknownHost,
    /// Nobody listens there.
    Refused,
    /// No way leads there.
    Unreachable,
    /// It took too long.
    Timeout,
    /// The connection was cut.
    Closed,
    /// What came was not the protocol.
    Garbage,
    /// No TLS connection came about, most often for want of a certificate that is trusted.
    Tls,
    /// User or password are wrong (error 18456).
    WrongPassword,
    /// The server told of another error.
    Server,
}

impl Reason {
    /// All, in the order of the metrics.
    pub const ALL: [Self; 9] = [
        Self::UnknownHost,
        Self::Refused,
        Self::Unreachable,
        Self::Timeout,
        Self::Closed,
        Self::Garbage,
        Self::Tls,
        Self::WrongPassword,
        Self::Server,
    ];

    /// The label text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownHost => "unknown_host",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Garbage => "garbage",
            Self::Tls => "tls",
            Self::WrongPassword => "wrong_password",
            Self::Server => "server",
        }
    }
}

//! What CrowdSec has decided, as its local API tells bouncers.

use std::sync::Arc;

use ipnet::IpNet;

use crate::event::Timestamp;

/// What is new since the last time, or all that there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions {
    /// Whether `added` is all that is in force: what is not among it is in force no more.
    pub is_all: bool,
    /// Taken back, or over: applied first.
    pub deleted: Vec<Key>,
    /// In force.
    pub added: Vec<Decision>,
    /// Decisions that were left out, since they were too many or made no sense.
    pub left_out: u64,
}

/// What a decision is told from others by: CrowdSec itself tells of the longest one of each key only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Whom it is about.
    pub target: Target,
    /// What is to be done: `ban`, `captcha`, or any word.
    pub kind: Arc<str>,
}

/// Whom a decision is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// An address or a range of them, IPv4 where it is IPv4 mapped into IPv6.
    Network(IpNet),
    /// A country, an autonomous system, a user, or any other scope that CrowdSec was taught: scope and value.
    Other(Arc<str>),
}

/// A decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Whom it is about, and what is to be done.
    pub key: Key,
    /// Who decided: `crowdsec`, `cscli`, `CAPI`, `lists:NAME`.
    pub origin: Arc<str>,
    /// Why: `crowdsecurity/http-probing`, or what a person wrote.
    pub scenario: Arc<str>,
    /// When it ends.
    pub until: Timestamp,
}

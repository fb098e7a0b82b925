//! One request and its answer: bounded in time and size, never led elsewhere, and errors that do not hold the address.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, IntoUrl, Method, RequestBuilder, redirect};
use thiserror::Error;

/// How long a connection may take; less than the whole, so that it is known that nothing was sent.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Less than servers keep connections that nobody uses: on one that is being closed a message may or may not arrive.
const IDLE: Duration = Duration::from_secs(15);
/// The most that is read of an answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// The longest pause that an answer can ask for.
const MOST: Duration = Duration::from_secs(3_600);

/// Why there is nobody to ask.
#[derive(Debug, Error)]
#[error("make a client of HTTP: {0}; are the CA certificates of this system installed?")]
pub struct NoClient(String);

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    headers: HeaderMap,
    /// What could be read of it.
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum NoReply {
    /// Nobody was reached: nothing arrived.
    #[error("cannot connect: {0}")]
    NotSent(String),
    /// It was sent, or part of it.
    #[error("no answer: {0}")]
    Unknown(String),
}

/// Who asks.
pub(super) struct Exchange(Client);

impl Exchange {
    /// `is_plain`: nothing is encrypted.
    pub(super) fn new(is_plain: bool, timeout: Duration) -> Result<Self, NoClient> {
        let mut client = Client::builder()
            .connect_timeout(CONNECT_WITHIN.min(timeout / 2))
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("hostwarden/", env!("CARGO_PKG_VERSION")));
        if is_plain {
            // A machine without any certificates can still be asked without them.
            client = client.tls_certs_only([]);
        }
        client.build().map(Self).map_err(|error| NoClient(cause(error)))
    }

    pub(super) fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        self.0.request(method, url)
    }

    /// Sends it, once.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Reply, NoReply> {
        let mut response = request.send().await.map_err(|error| {
            let is_unsent = error.is_connect() || error.is_builder();
            let cause = cause(error);
            if is_unsent { NoReply::NotSent(cause) } else { NoReply::Unknown(cause) }
        })?;
        let mut body = Vec::new();
        // What was decided stands in the status; a body that breaks off changes nothing about it.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend(chunk.iter().take(MAX_ANSWER_BYTES - body.len()));
            if body.len() == MAX_ANSWER_BYTES {
                break;
            }
        }
        Ok(Reply { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }
}

impl Reply {
    /// A header with a number of seconds, at most an hour; `None`: it is not there, or is no such number.
    pub(super) fn secs(&self, name: &str) -> Option<Duration> {
        bounded(self.number(name)?)
    }

    /// A header with a number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.headers.get(name)?.to_str().ok()?.trim().parse().ok()
    }
}

/// Seconds that somebody else named: none below zero, an hour at most.
pub(super) fn bounded(secs: f64) -> Option<Duration> {
    secs.is_finite().then(|| Duration::from_secs_f64(secs.clamp(0.0, MOST.as_secs_f64())))
}

/// The innermost cause, without the address: the others say that sending failed.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.source().is_none() { error.to_string() } else { cause.to_string() }
}

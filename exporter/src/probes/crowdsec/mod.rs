//! What CrowdSec has decided, asked for as bouncers do: all of it first, then what changed. All of it again after a failure.
//!
//! What changed is not all that changed: a decision that is being written while CrowdSec answers is in neither this answer nor the next
//! (seen with 200 of 5,000 imported ones). So all of it is asked for again a while after something changed, and now and then.

use std::error::Error as _;
use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode, header, redirect};

use super::{Error, Probe, Work};
use crate::clock;
use crate::sample::Sample;

mod answer;

/// Its name.
pub const NAME: &str = "crowdsec";

/// CrowdSec is on this machine or near it.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// The longest answer: some 200 bytes a decision, and the community's list has 50,000.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// What CrowdSec's own scenarios decide about. Unless asked for more, it tells of the first two only.
const SCOPES: &str = "Ip,Range,Country,AS";
/// From one whole list to the next.
const WHOLE_EVERY: Duration = Duration::from_secs(3_600);
/// The same, after something changed; and as many times as long as the last one took, so that long lists take a hundredth of the time.
const WHOLE_AFTER_CHANGE: Duration = Duration::from_secs(30);
const TIMES_AS_LONG: u32 = 100;

/// Settings.
#[derive(Clone)]
pub struct Config {
    /// Where the local API is: `http://127.0.0.1:8080`.
    pub url: String,
    /// A bouncer's key.
    pub api_key: String,
}

/// The probe.
pub struct CrowdSec {
    url: String,
    client: Client,
    /// The last whole list, if nothing has failed since.
    whole: Option<Whole>,
}

/// A whole list.
#[derive(Clone, Copy)]
struct Whole {
    asked: Instant,
    took: Duration,
    /// Whether something changed since.
    is_changed: bool,
}

impl Whole {
    /// Whether it is time for another one.
    fn is_old(&self, now: Instant) -> bool {
        let age = now.duration_since(self.asked);
        age >= WHOLE_EVERY || self.is_changed && age >= WHOLE_AFTER_CHANGE.max(self.took.saturating_mul(TIMES_AS_LONG))
    }
}

impl CrowdSec {
    /// Connects to nobody yet.
    ///
    /// # Errors
    ///
    /// The key is no text for a header, or this machine has no certificates and the address is one of HTTPS.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let failed = |error: reqwest::Error| Error::failed("make a client of CrowdSec", cause(error));
        let mut key = header::HeaderValue::from_str(&config.api_key).map_err(|error| Error::failed("use the key of CrowdSec", error))?;
        key.set_sensitive(true);
        let mut client = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .redirect(redirect::Policy::none())
            .no_proxy()
            // CrowdSec lists bouncers with what they call themselves.
            .user_agent(concat!("hostwarden/", env!("CARGO_PKG_VERSION")))
            .default_headers([(header::HeaderName::from_static("x-api-key"), key)].into_iter().collect());
        if config.url.starts_with("http:") {
            // A machine without any certificates can still be asked without them.
            client = client.tls_certs_only([]);
        }
        Ok(Self { url: config.url.clone(), client: client.build().map_err(failed)?, whole: None })
    }

    async fn look(&mut self) -> Result<Vec<Sample>, Error> {
        let asked = clock::stopwatch();
        let known = self.whole.take().filter(|whole| !whole.is_old(asked));
        let url = format!("{}/v1/decisions/stream?startup={}&scopes={SCOPES}", self.url, known.is_none());
        let response = self.client.get(url).send().await.map_err(|error| self.failed(cause(error)))?;
        let body = self.body(response).await?;
        let decisions = answer::decisions(&body, clock::now(), known.is_none())
            .map_err(|error| self.failed(format!("what answers is no local API of CrowdSec: {error}")))?;
        // Reached only if nothing failed, and nobody gave up on it.
        let is_change = !decisions.added.is_empty() || !decisions.deleted.is_empty();
        self.whole = Some(match known {
            Some(whole) => Whole { is_changed: whole.is_changed || is_change, ..whole },
            None => Whole { asked, took: asked.elapsed(), is_changed: false },
        });
        Ok(vec![Sample::CrowdSec(decisions)])
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        match response.status() {
            StatusCode::OK => {}
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                return Err(self.failed("the key is refused; `cscli bouncers add hostwarden` makes one"));
            }
            status => return Err(self.failed(format!("answered {status}"))),
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(cause(error)))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(self.failed(format!("the answer is longer than {} MiB", MAX_ANSWER_BYTES >> 20)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failed(&self, cause: impl std::fmt::Display) -> Error {
        Error::failed(format!("ask CrowdSec at {}", self.url), cause)
    }
}

impl Probe for CrowdSec {
    fn name(&self) -> &'static str {
        NAME
    }

    fn poll(&mut self) -> Work<'_> {
        Work::Async(Box::pin(async { self.look().await.into() }))
    }
}

/// The innermost cause: the others say that sending failed.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.source().is_none() { error.to_string() } else { cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_asked_for_again_when_it_may_have_changed() {
        let asked = clock::stopwatch();
        let is_old = |is_changed, took_millis, secs| {
            let whole = Whole { asked, took: Duration::from_millis(took_millis), is_changed };
            whole.is_old(asked + Duration::from_secs(secs))
        };
        assert_eq!([29, 30].map(|secs| is_old(true, 20, secs)), [false, true]);
        assert_eq!([199, 200].map(|secs| is_old(true, 2_000, secs)), [false, true]);
        assert_eq!([60, 3_599, 3_600].map(|secs| is_old(false, 20, secs)), [false, false, true]);
    }
}

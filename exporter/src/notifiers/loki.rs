//! Pushes entries of the feed to Loki: one request a batch, compressed JSON, few labels and the facts as structured metadata. What is
//! pushed again after a crash or a lost answer is the same to the letter, so that Loki keeps it once.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Client, RequestBuilder, Response, StatusCode, header, redirect};
use serde_json::{Map, Value, json};
use tracing::{info, warn};

use crate::feed::{Batch, Entry, Feed, Outcome, Pushed};

/// Its name, as in labels.
pub const NAME: &str = "loki";

/// What Loki takes of facts: 128 a line of 64 KiB in all (its defaults `max_structured_metadata_entries_count` and `…_size`).
const MAX_FACTS: usize = 128;
const MAX_FACTS_BYTES: usize = 64 << 10;
/// The first wait after a failure; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Longer than this nobody is left alone, whatever they ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// The longest explanation that is read and logged, in bytes.
const MAX_EXPLANATION_BYTES: usize = 300;
/// The most reading of an answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Settings.
#[derive(Clone)]
pub struct Config {
    /// Where its API is, without a slash at the end: `http://127.0.0.1:3100`.
    pub url: String,
    /// The label `instance`.
    pub instance: String,
    /// The header `X-Scope-OrgID`.
    pub tenant: Option<String>,
    /// How to show who pushes.
    pub credentials: Credentials,
    /// How long a push may take.
    pub timeout: Duration,
}

/// How to show who pushes.
#[derive(Clone)]
pub enum Credentials {
    /// Not at all.
    None,
    /// User and password.
    Basic(String, String),
    /// A token.
    Bearer(String),
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[error("make a client of Loki: {0}")]
pub struct Error(String);

/// The archive.
pub struct Loki {
    config: Config,
    push_url: String,
    client: Client,
    /// Pushes that failed since the last one that did not.
    failures: u32,
}

impl Loki {
    /// Connects to nobody yet.
    ///
    /// # Errors
    ///
    /// This machine has no certificates and the address is one of HTTPS.
    pub fn new(config: Config) -> Result<Self, Error> {
        let mut client = Client::builder()
            .timeout(config.timeout)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("hostwarden/", env!("CARGO_PKG_VERSION")));
        if config.url.starts_with("http:") {
            // A machine without any certificates can still push without them.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|error| Error(cause(&error.without_url())))?;
        Ok(Self { push_url: format!("{}/loki/api/v1/push", config.url), config, client, failures: 0 })
    }

    /// Pushes a batch, and says what became of it within the configured time.
    pub async fn push(&mut self, batch: &Batch) -> Pushed {
        let (outcome, asked_for) = match self.request(batch).send().await {
            Ok(response) => self.judge(response, batch.len()).await,
            Err(error) => {
                warn!(error = cause(&error.without_url()), "Loki could not be reached; the feed is pushed later.");
                (Outcome::Retry, None)
            }
        };
        if outcome != Outcome::Retry {
            if std::mem::take(&mut self.failures) > 0 {
                info!("Loki takes the feed again.");
            }
            return Pushed { outcome, wait: Duration::ZERO };
        }
        self.failures = self.failures.saturating_add(1);
        Pushed { outcome, wait: asked_for.unwrap_or_else(|| back_off(self.failures)) }
    }

    fn request(&self, batch: &Batch) -> RequestBuilder {
        let request = self
            .client
            .post(&self.push_url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, "gzip")
            .body(packed(&body(&self.config.instance, batch)));
        let request = match &self.config.tenant {
            Some(tenant) => request.header("X-Scope-OrgID", tenant),
            None => request,
        };
        match &self.config.credentials {
            Credentials::None => request,
            Credentials::Basic(user, password) => request.basic_auth(user, Some(password)),
            Credentials::Bearer(token) => request.bearer_auth(token),
        }
    }

    /// What an answer means, and how long Loki asks to be left alone.
    async fn judge(&self, response: Response, entries: usize) -> (Outcome, Option<Duration>) {
        let status = response.status();
        if status.is_success() {
            return (Outcome::Taken, None);
        }
        let wait = (status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()).then(|| retry_after(&response)).flatten();
        let said = explanation(response).await;
        let is_refused = [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNPROCESSABLE_ENTITY].contains(&status);
        if is_refused {
            // It takes what it can of such a batch, and what it refused it would refuse again.
            warn!(status = status.as_u16(), said, entries, "Loki refused entries, for example as too old; they are not pushed again.");
            return (Outcome::Refused, None);
        }
        warn!(status = status.as_u16(), said, "Loki did not take the feed; it is pushed later.");
        (Outcome::Retry, wait)
    }
}

/// The body of a push: a stream for each feed.
fn body(instance: &str, batch: &[Entry]) -> Value {
    let mut streams: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for entry in batch {
        streams.entry(Feed::as_str(entry.feed)).or_default().push(json!([nanoseconds(entry).to_string(), entry.text, facts(entry)]));
    }
    let stream = |(feed, values)| json!({ "stream": { "job": "hostwarden", "instance": instance, "feed": feed }, "values": values });
    json!({ "streams": streams.into_iter().map(stream).collect::<Vec<_>>() })
}

/// When it happened. Loki holds lines of one stream that are equal and of the same nanosecond for the same line, but logs know seconds at
/// best: below the microsecond the entry's number tells equal ones apart.
fn nanoseconds(entry: &Entry) -> i128 {
    i128::from(entry.at.micros()) * 1_000 + i128::from(entry.id % 1_000)
}

/// The structured metadata of a line, within what Loki takes.
fn facts(entry: &Entry) -> Map<String, Value> {
    let own = [("id", entry.id.to_string()), ("source", entry.source.clone())];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    let told = entry.fields.iter().map(|(name, value)| (label_name(name), value.clone()));
    let mut room = MAX_FACTS_BYTES;
    let fits = |(name, value): &(String, String)| {
        let left = room.checked_sub(name.len() + value.len());
        room = left.unwrap_or(room);
        left.is_some()
    };
    own.chain(told).filter(fits).take(MAX_FACTS).map(|(name, value)| (name, value.into())).collect()
}

/// A name as Prometheus and Loki write them: `[a-zA-Z_][a-zA-Z0-9_]*`.
fn label_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
}

fn packed(body: &Value) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory cannot fail.
    let _infallible = encoder.write_all(body.to_string().as_bytes());
    encoder.finish().unwrap_or_default()
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(|secs| Duration::from_secs(secs).min(LONGEST_RETRY_AFTER))
}

/// What Loki says about an error, in one line: it names streams and times, no lines.
async fn explanation(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            break;
        }
    }
    let text = String::from_utf8_lossy(body.get(..MAX_EXPLANATION_BYTES).unwrap_or(&body)).into_owned();
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Between half of it and all of it, so that not all exporters come back at once.
fn back_off(failures: u32) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    let random = std::hash::RandomState::new().build_hasher().finish();
    wait.mul_f64(0.5 + (random % 1024) as f64 / 2048.0)
}

/// The innermost cause: the others say that sending failed.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.source().is_none() { error.to_string() } else { cause.to_string() }
}

#[cfg(test)]
mod tests;

//! Pushes entries of the feed to Loki: one request a batch, compressed JSON, few labels and the facts as structured metadata. What is
//! pushed again after a crash or a lost answer is the same to the letter, so that Loki keeps it once.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Method, RequestBuilder, header};
use serde_json::{Map, Value, json};
use tracing::{info, warn};

use super::back_off::{BackOff, random};
use super::exchange::{Exchange, NoClient, Reply};
use crate::feed::{Batch, Entry, Feed, Outcome, Pushed};

/// Its name, as in labels.
pub const NAME: &str = "loki";

/// What Loki takes of facts: 128 a line of 64 KiB in all (its defaults `max_structured_metadata_entries_count` and `…_size`).
const MAX_FACTS: usize = 128;
const MAX_FACTS_BYTES: usize = 64 << 10;
/// After a push that failed.
const WAITS: BackOff = BackOff::new(Duration::from_secs(1), Duration::from_secs(300));
/// The longest explanation that is logged, in bytes.
const MAX_EXPLANATION_BYTES: usize = 300;

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

/// The archive.
pub struct Loki {
    config: Config,
    push_url: String,
    exchange: Exchange,
    waits: BackOff,
    is_failing: bool,
}

impl Loki {
    /// Connects to nobody yet.
    ///
    /// # Errors
    ///
    /// This machine has no certificates and the address is one of HTTPS.
    pub fn new(config: Config) -> Result<Self, NoClient> {
        let exchange = Exchange::new(config.url.starts_with("http:"), config.timeout)?;
        Ok(Self { push_url: format!("{}/loki/api/v1/push", config.url), config, exchange, waits: WAITS, is_failing: false })
    }

    /// Pushes a batch, and says what became of it within the configured time.
    pub async fn push(&mut self, batch: &Batch) -> Pushed {
        let (outcome, asked_for) = match self.exchange.send(self.request(batch)).await {
            Ok(reply) => judge(&reply, batch.len()),
            Err(no_reply) => {
                warn!(error = %no_reply, "Loki could not be reached; the feed is pushed later.");
                (Outcome::Retry, None)
            }
        };
        if outcome != Outcome::Retry {
            self.waits.worked();
            if std::mem::take(&mut self.is_failing) {
                info!("Loki takes the feed again.");
            }
            return Pushed { outcome, wait: Duration::ZERO };
        }
        self.is_failing = true;
        let wait = self.waits.failed(random());
        Pushed { outcome, wait: asked_for.unwrap_or(wait) }
    }

    fn request(&self, batch: &Batch) -> RequestBuilder {
        let request = self
            .exchange
            .request(Method::POST, self.push_url.as_str())
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
}

/// What an answer means, and how long Loki asks to be left alone.
fn judge(reply: &Reply, entries: usize) -> (Outcome, Option<Duration>) {
    let (status, said) = (reply.status, explanation(&reply.body));
    match status {
        200..=299 => (Outcome::Taken, None),
        400 | 413 | 422 => {
            // It takes what it can of such a batch, and what it refused it would refuse again.
            warn!(status, said, entries, "Loki refused entries, for example as too old; they are not pushed again.");
            (Outcome::Refused, None)
        }
        _ => {
            warn!(status, said, "Loki did not take the feed; it is pushed later.");
            (Outcome::Retry, reply.secs("retry-after").filter(|_| matches!(status, 429 | 500..)))
        }
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

/// What Loki says about an error, in one line: it names streams and times, no lines.
fn explanation(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..MAX_EXPLANATION_BYTES).unwrap_or(body)).into_owned();
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;

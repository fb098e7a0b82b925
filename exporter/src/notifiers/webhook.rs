//! Messages to any program that takes JSON: all that is told in one body, signed. What it looks like is docs/webhook.schema.json.

use std::fmt::{self, Write as _};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, header};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tracing::error;

use super::address::Address;
use super::back_off::{BackOff, Health, random};
use super::exchange::{Exchange, NoClient, NoReply, Reply};
use super::{Answer, Notifier};
use crate::clock;
use crate::event::{Timestamp, rfc3339};
use crate::incident::{Change, Delivery, Incident, Outcome};

/// Its name.
pub const NAME: &str = "webhook";
/// The most incidents in one body.
pub const DIGEST_MAX: usize = 100;
/// The most times that one incident is told of: programs do not mind more than people, but a flood is a flood.
pub const MAX_POSTS: u32 = 20;

/// The version of what is sent; it changes when something is taken away or means something else.
const VERSION: u32 = 1;
/// `sha256=` and, in hexadecimal, the HMAC-SHA256 of the body under the secret.
const SIGNATURE: &str = "x-hostwarden-signature";
/// The same for each try to deliver the same.
const DELIVERY: &str = "x-hostwarden-delivery";
/// The hexadecimal digits of a delivery's name: 128 bits.
const DELIVERY_DIGITS: usize = 32;
/// After something that may mend itself.
const SOON: BackOff = BackOff::new(Duration::from_secs(2), Duration::from_secs(300));
/// After something that somebody must mend.
const LATER: BackOff = BackOff::new(Duration::from_secs(30), Duration::from_secs(300));
/// The least pause after having been told to slow down.
const LEAST: Duration = Duration::from_secs(1);

/// Settings.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// Where messages go.
    pub address: Address,
    /// What they are signed with; `None`: they are not.
    pub secret: Option<String>,
    /// This machine, as messages name it.
    pub host: String,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl fmt::Debug for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Config").field("host", &self.host).finish_non_exhaustive()
    }
}

/// What is sent.
#[derive(Serialize)]
struct Body<'a> {
    version: u32,
    /// By the clock of this machine, for those who refuse what is old.
    #[serde(serialize_with = "rfc3339")]
    sent_at: Timestamp,
    #[serde(flatten)]
    contents: Contents<'a>,
}

/// What of it stays the same when it is sent again.
#[derive(Serialize)]
struct Contents<'a> {
    host: &'a str,
    events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Event<'a> {
    event: Change,
    incident: &'a Incident,
}

/// The notifier.
pub struct Webhook {
    config: Config,
    exchange: Exchange,
    soon: BackOff,
    later: BackOff,
    health: Health,
}

impl Webhook {
    /// Connects to nobody yet.
    ///
    /// # Errors
    ///
    /// This machine has no certificates.
    pub fn new(config: Config) -> Result<Self, NoClient> {
        let exchange = Exchange::new(config.address.is_plain(), config.timeout)?;
        Ok(Self { config, exchange, soon: SOON, later: LATER, health: Health::default() })
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Answer {
        let (body, name) = match body(&self.config.host, delivery, clock::now()) {
            Ok(made) => made,
            Err(error) => {
                error!(notifier = NAME, error = %error, "A message cannot be written as JSON; it is given up.");
                return Answer { outcome: Outcome::Refused, wait: Duration::ZERO };
            }
        };
        let request = self.exchange.request(Method::POST, self.config.address.url().clone());
        let mut request = request.header(header::CONTENT_TYPE, "application/json").header(DELIVERY, name);
        if let Some(secret) = &self.config.secret {
            request = request.header(SIGNATURE, signature(secret.as_bytes(), &body));
        }
        match self.exchange.send(request.body(body)).await {
            Ok(reply) => self.judged(&reply),
            Err(no_reply) => {
                self.health.fails(NAME, "The webhook does not answer; messages wait.", &no_reply.to_string());
                let may_have_arrived = matches!(no_reply, NoReply::Unknown(_));
                Answer { outcome: Outcome::Retry { may_have_arrived }, wait: self.soon.failed(random()) }
            }
        }
    }

    fn judged(&mut self, reply: &Reply) -> Answer {
        let retry = Outcome::Retry { may_have_arrived: false };
        let said = format!("status {}", reply.status);
        match reply.status {
            200..=299 => {
                self.soon.worked();
                self.later.worked();
                self.health.works(NAME);
                Answer { outcome: Outcome::Sent { message: None }, wait: Duration::ZERO }
            }
            408 | 425 | 429 | 500.. => {
                self.health.fails(NAME, "The webhook is in trouble; messages wait.", &said);
                let wait = match (reply.status, reply.secs("retry-after")) {
                    (429, Some(asked)) => asked.max(LEAST),
                    (_, asked) => self.soon.failed(random()).max(asked.unwrap_or_default()),
                };
                Answer { outcome: retry, wait }
            }
            300..=399 | 401 | 403 | 404 | 410 => {
                let problem = "Nobody takes messages at the address of notifiers.webhook, or not ours. They wait.";
                self.health.fails(NAME, problem, &said);
                Answer { outcome: retry, wait: self.later.failed(random()) }
            }
            status => {
                error!(notifier = NAME, status, "The webhook refuses a message for what it is; it is given up.");
                Answer { outcome: Outcome::Refused, wait: Duration::ZERO }
            }
        }
    }
}

impl Notifier for Webhook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a mut self, delivery: &'a Delivery) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(self.deliver(delivery))
    }
}

/// What is sent, and its name: the same for the same contents, so that receivers can drop what comes twice.
fn body(host: &str, delivery: &Delivery, now: Timestamp) -> Result<(Vec<u8>, String), serde_json::Error> {
    let events = delivery.told.iter().map(|told| Event { event: told.change, incident: &told.incident }).collect();
    let contents = Contents { host, events };
    let mut name = hex(&Sha256::digest(serde_json::to_vec(&contents)?));
    name.truncate(DELIVERY_DIGITS);
    Ok((serde_json::to_vec(&Body { version: VERSION, sent_at: now, contents })?, name))
}

fn signature(secret: &[u8], body: &[u8]) -> String {
    let mut keyed = Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    keyed.update(body);
    format!("sha256={}", hex(&keyed.finalize().into_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing into a String cannot fail.
        let _infallible = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_signed_as_others_do() {
        // printf '{"version":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let expected = "sha256=4927016c23eca23b49a85f560c3a4fb312eb1c2c8589a2a4ace937e40309a84a";
        assert_eq!(signature(b"0123456789abcdef", br#"{"version":1}"#), expected);
    }
}

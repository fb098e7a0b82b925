//! Messages to a Discord webhook: one is posted, then edited. Kept are its manners only: how fast it may be asked, how long it wants to be
//! left alone, and whether anything is known of what was sent last.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::{Method, Url};
use serde::Deserialize;
use tracing::{debug, error};

use super::address::{Address, Unfit};
use super::back_off::{BackOff, Health, random};
use super::exchange::{Exchange, NoClient, NoReply, Reply, bounded};
use super::{Answer, Notifier};
use crate::incident::{Delivery, Outcome};

mod embed;
mod escape;
mod places;

pub use embed::DIGEST_MAX;

/// Its name.
pub const NAME: &str = "discord";
/// The most messages and edits for one incident.
pub const MAX_POSTS: u32 = 5;

/// Between two messages: what is known of a webhook's limits is some 5 in 2 s and 30 in a minute, and Discord may change both.
const PACE: Duration = Duration::from_secs(2);
/// After something that may mend itself.
const SOON: BackOff = BackOff::new(PACE, Duration::from_secs(300));
/// After something that somebody must mend. Discord locks out who makes 10,000 invalid requests in ten minutes.
const LATER: BackOff = BackOff::new(Duration::from_secs(30), Duration::from_secs(300));
/// On top of what Discord asks for: its clock begins when it answers, ours when that arrives, and it rounds.
const MARGIN: Duration = Duration::from_millis(250);

/// Discord's own numbers for what is not there.
const UNKNOWN_WEBHOOK: i64 = 10_015;

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where messages go.
    pub webhook: Webhook,
    /// This machine, as messages name it.
    pub host: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How players reach each game server.
    pub servers: Vec<Server>,
}

/// A game server.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// As the log names it.
    pub name: String,
    /// What players type or click.
    pub connect: String,
}

/// The address of a webhook, which is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook(Address);

impl Webhook {
    /// Reads `https://discord.com/api/webhooks/ID/TOKEN`; with `?thread_id=…`, messages go to that thread.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without its text.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let address = Address::parse(text)?;
        let remedy = "copy it from Discord: channel settings, Integrations, Webhooks; https://discord.com/api/webhooks/ID/TOKEN";
        let segments: Vec<&str> = address.url().path_segments().into_iter().flatten().collect();
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let is_version = |word: &str| word.strip_prefix('v').is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
        let is_webhook = match segments.as_slice() {
            ["api", "webhooks", id, token] => is_word(id) && is_word(token),
            ["api", version, "webhooks", id, token] => is_version(version) && is_word(id) && is_word(token),
            _ => false,
        };
        if !is_webhook {
            return Err(Unfit { what: "is no address of a Discord webhook", remedy });
        }
        if text.ends_with("/ID/TOKEN") {
            return Err(Unfit { what: "is the example of the documentation", remedy });
        }
        let is_thread = |query: &str| query.strip_prefix("thread_id=").is_some_and(|id| id.bytes().all(|b| b.is_ascii_digit()));
        if address.url().fragment().is_some() || !address.url().query().is_none_or(is_thread) {
            return Err(Unfit { what: "holds more than thread_id behind its path", remedy });
        }
        Ok(Self(address))
    }

    /// Whom it is of; no secret.
    pub fn host(&self) -> String {
        self.0.host()
    }

    /// Where messages are posted; answered only when they are there.
    fn create(&self) -> Url {
        let mut url = self.0.url().clone();
        url.query_pairs_mut().append_pair("wait", "true");
        url
    }

    /// One message; `None`: nothing is called that.
    fn message(&self, id: &str) -> Option<Url> {
        if !is_id(id) {
            return None;
        }
        let mut url = self.0.url().clone();
        url.path_segments_mut().ok()?.extend(["messages", id]);
        Some(url)
    }
}

/// Discord's numbers fit 64 bits.
fn is_id(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// The notifier.
pub struct Discord {
    config: Config,
    exchange: Exchange,
    soon: BackOff,
    later: BackOff,
    health: Health,
    /// Whether what was sent last may have arrived: then nothing is sent again before Discord answers something else, so that a server
    /// that hangs gets one such message and not one for each try.
    is_unknown: bool,
}

/// What Discord says about an error.
#[derive(Default, Deserialize)]
struct Trouble {
    #[serde(default)]
    code: Option<i64>,
    #[serde(default)]
    retry_after: Option<f64>,
}

/// What Discord says about a message.
#[derive(Deserialize)]
struct Created {
    id: String,
}

impl Discord {
    /// Connects to nobody yet.
    ///
    /// # Errors
    ///
    /// This machine has no certificates.
    pub fn new(config: Config) -> Result<Self, NoClient> {
        let exchange = Exchange::new(config.webhook.0.is_plain(), config.timeout)?;
        Ok(Self { config, exchange, soon: SOON, later: LATER, health: Health::default(), is_unknown: false })
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Answer {
        let (method, url) = match delivery.edits.as_deref().map(|id| self.config.webhook.message(id)) {
            None => (Method::POST, self.config.webhook.create()),
            Some(Some(url)) => (Method::PATCH, url),
            Some(None) => return Answer { outcome: Outcome::Gone, wait: Duration::ZERO },
        };
        if self.is_unknown {
            let wait = match self.exchange.send(self.exchange.request(Method::GET, self.config.webhook.0.url().clone())).await {
                Ok(reply) if reply.status < 500 && reply.status != 429 => None,
                Ok(reply) => Some(self.judged(&reply, None).wait),
                Err(no_reply) => Some(self.unanswered(&no_reply, false).wait),
            };
            self.is_unknown = wait.is_some();
            if let Some(wait) = wait {
                return Answer { outcome: Outcome::Retry { may_have_arrived: false }, wait };
            }
        }
        let message = embed::message(&self.config.host, &self.config.servers, delivery);
        match self.exchange.send(self.exchange.request(method, url).json(&message)).await {
            Ok(reply) => self.judged(&reply, delivery.edits.as_deref()),
            Err(no_reply) => {
                self.is_unknown = matches!(no_reply, NoReply::Unknown(_));
                self.unanswered(&no_reply, self.is_unknown)
            }
        }
    }

    fn unanswered(&mut self, cause: &NoReply, may_have_arrived: bool) -> Answer {
        self.health.fails(NAME, "Discord does not answer; messages wait.", &cause.to_string());
        Answer { outcome: Outcome::Retry { may_have_arrived }, wait: self.soon.failed(random()) }
    }

    /// What an answer means, of a message or of the edit of one.
    fn judged(&mut self, reply: &Reply, edits: Option<&str>) -> Answer {
        let trouble: Trouble = match reply.status {
            400.. => serde_json::from_slice(&reply.body).unwrap_or_default(),
            _ => Trouble::default(),
        };
        let code = trouble.code.unwrap_or_default();
        let retry = Outcome::Retry { may_have_arrived: false };
        let said = format!("status {}, code {code}", reply.status);
        match reply.status {
            200..=299 => {
                self.reached();
                let created = serde_json::from_slice(&reply.body).ok().map(|Created { id }| id).filter(|id| is_id(id));
                Answer { outcome: Outcome::Sent { message: created.or(edits.map(str::to_owned)) }, wait: pace(reply) }
            }
            429 => {
                let asked = trouble.retry_after.and_then(bounded).max(reply.secs("retry-after"));
                let wait = asked.map_or_else(|| self.soon.failed(random()), |asked| asked.max(PACE) + MARGIN);
                debug!(notifier = NAME, wait_secs = wait.as_secs_f64(), "Discord wants fewer messages; they wait.");
                Answer { outcome: retry, wait }
            }
            // Somebody took the message away; only the webhook itself is worth waiting for.
            404 if edits.is_some() && code != UNKNOWN_WEBHOOK => {
                self.reached();
                Answer { outcome: Outcome::Gone, wait: pace(reply) }
            }
            300..=399 | 401 | 403 | 404 => {
                let problem = "Discord does not know the webhook, or does not let us in: give notifiers.discord a new one. Messages wait.";
                self.health.fails(NAME, problem, &said);
                Answer { outcome: retry, wait: self.later.failed(random()) }
            }
            408 | 500.. => {
                // What stands between gave up waiting for Discord, which may have got it.
                self.is_unknown = matches!(reply.status, 504 | 524);
                self.health.fails(NAME, "Discord is in trouble; messages wait.", &said);
                let wait = self.soon.failed(random()).max(reply.secs("retry-after").unwrap_or_default());
                Answer { outcome: Outcome::Retry { may_have_arrived: self.is_unknown }, wait }
            }
            status => {
                error!(notifier = NAME, status, code, "Discord refuses a message for what it is; it is given up.");
                Answer { outcome: Outcome::Refused, wait: pace(reply) }
            }
        }
    }

    fn reached(&mut self) {
        self.soon.worked();
        self.later.worked();
        self.health.works(NAME);
    }
}

/// How long to wait after a message that was taken.
fn pace(reply: &Reply) -> Duration {
    let is_used_up = reply.number("x-ratelimit-remaining").is_some_and(|remaining| remaining < 1.0);
    let reset = reply.secs("x-ratelimit-reset-after").filter(|_| is_used_up);
    PACE.max(reset.map_or(Duration::ZERO, |reset| reset + MARGIN))
}

impl Notifier for Discord {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a mut self, delivery: &'a Delivery) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(self.deliver(delivery))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_webhooks() {
        for (text, expected) in [
            ("https://discord.com/api/webhooks/123/aB-c_9", "https://discord.com/api/webhooks/123/aB-c_9?wait=true"),
            ("https://discord.com/api/v10/webhooks/123/abc", "https://discord.com/api/v10/webhooks/123/abc?wait=true"),
            ("https://discord.com/api/webhooks/1/a?thread_id=77", "https://discord.com/api/webhooks/1/a?thread_id=77&wait=true"),
            ("http://127.0.0.1:8080/api/webhooks/1/a", "http://127.0.0.1:8080/api/webhooks/1/a?wait=true"),
            ("http://discord.com/api/webhooks/1/a", "goes through the internet without encryption"),
            ("https://discord.com/api/webhooks/1", "is no address of a Discord webhook"),
            ("https://discord.com/api/webhooks/1/", "is no address of a Discord webhook"),
            ("https://discord.com/api/webhooks/1/a/slack", "is no address of a Discord webhook"),
            ("https://discord.com/channels/1/2", "is no address of a Discord webhook"),
            ("https://discord.com/api/webhooks/ID/TOKEN", "is the example of the documentation"),
            ("https://discord.com/api/webhooks/1/a?wait=false", "holds more than thread_id behind its path"),
            ("https://discord.com/api/webhooks/1/a#x", "holds more than thread_id behind its path"),
            ("123/abc", "is no address of the web"),
        ] {
            let said = Webhook::parse(text).map_or_else(|unfit| unfit.what.to_owned(), |webhook| webhook.create().to_string());
            assert_eq!(said, expected, "{text}");
        }
        let webhook = Webhook::parse("https://discord.com/api/webhooks/1/secret?thread_id=7").unwrap();
        let edited = webhook.message("99").unwrap();
        assert_eq!(edited.as_str(), "https://discord.com/api/webhooks/1/secret/messages/99?thread_id=7");
        assert_eq!(["", "../9", "x", "123456789012345678901"].map(|id| webhook.message(id)), [const { None }; 4]);
        assert!(!format!("{webhook:?}").contains("secret"));
    }
}

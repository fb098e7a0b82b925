//! What happens to each record of a batch: it is counted, shown to the detectors, and what they find becomes actions.

use super::source::Subject;
use super::{Action, CLOCK_AHEAD};
use crate::detectors::bot_errors::{self, RecentError};
use crate::event::{BotError, Event, Timestamp};
use crate::finding::{About, Finding, Found, Severity};
use crate::formats::{Parsed, Sink};
use crate::metrics::own::Own;
use crate::metrics::sources;
use crate::privacy::Privacy;
use crate::subject::{Location, TrustedProxies};

/// The longest summary and context of an error that are kept for people, in characters.
const SUMMARY_CHARS: usize = 300;
const CONTEXT_CHARS: usize = 4_000;

/// Takes the records of one source's lines.
pub(super) struct Recorder<'e> {
    pub(super) now: Timestamp,
    pub(super) source: &'e str,
    pub(super) counters: &'e mut sources::Source,
    pub(super) subject: &'e mut Subject,
    pub(super) proxies: &'e TrustedProxies,
    pub(super) privacy: &'e Privacy,
    pub(super) own: &'e mut Own,
    pub(super) actions: &'e mut Vec<Action>,
    /// Whether a request of this batch has been looked at for a proxy: one is enough.
    pub(super) sampled: bool,
}

impl Sink for Recorder<'_> {
    fn take(&mut self, _line: &[u8], parsed: Parsed<'_>) {
        match parsed {
            Parsed::Event(stamped) => {
                let at = if stamped.at == Timestamp::UNKNOWN { self.now } else { stamped.at.min(self.now.plus(CLOCK_AHEAD)) };
                self.counters.parsed(at);
                self.event(at, &stamped.event);
            }
            Parsed::Skip => self.counters.skipped(),
            Parsed::Open | Parsed::Continued => {}
            Parsed::Malformed(reason) => self.counters.malformed(reason),
        }
    }
}

impl Recorder<'_> {
    fn event(&mut self, at: Timestamp, event: &Event<'_>) {
        match (event, &mut *self.subject) {
            (Event::Http(request), Subject::Web(http)) => {
                http.observe(at, request);
                if !self.sampled {
                    self.sampled = true;
                    self.counters.sample_client(self.proxies.hides_client(request));
                }
            }
            (Event::BotMessage(message), Subject::Bot(bot)) => {
                bot.metrics.message(message.direction);
                if let Some(latency) = &mut bot.latency {
                    latency.message(at, message, |micros| bot.metrics.reply(at, micros));
                }
            }
            (Event::BotError(error), Subject::Bot(_)) => self.bot_error(at, error),
            (Event::Ssh(auth), Subject::Ssh(ssh)) => {
                let mut found = Vec::new();
                ssh.observe(at, auth, Location::default(), &mut found);
                self.report(found);
            }
            (Event::Firewall(packet), Subject::Firewall(firewall)) => {
                let mut found = Vec::new();
                firewall.observe(at, packet, &mut found);
                self.report(found);
            }
            (Event::WebError(error), Subject::WebErrors(errors)) => errors.observe(error.kind),
            (Event::Player(player), Subject::Players(players)) => players.observe(at, player),
            // A format gives events of its own kind only; another kind has nowhere to be counted.
            _ => {}
        }
    }

    /// Tells what detectors found, with who did it as the configuration shows people.
    fn report(&mut self, found: Vec<Found>) {
        for Found { at, detector, severity, about, summary, .. } in found {
            let who = match about {
                About::Client(client) => self.privacy.show_client(client.address().to_string().as_bytes()),
                About::Network(network) => self.privacy.show_client(network.to_string().as_bytes()),
            };
            self.own.finding(detector, severity);
            let source = self.source.to_owned();
            self.actions.push(Action::Finding(Finding { at, detector, severity, source, summary: format!("{who} {summary}") }));
        }
    }

    fn bot_error(&mut self, at: Timestamp, error: &BotError<'_>) {
        let Subject::Bot(bot) = &mut *self.subject else { return };
        bot.metrics.error(error);
        let kind = match error.level {
            _ if error.traceback => "traceback",
            Some(level) => level.as_str(),
            None => "error",
        };
        bot.errors.keep(RecentError {
            at,
            kind: kind.to_owned(),
            summary: self.privacy.scrub_to(error.summary, SUMMARY_CHARS),
            context: self.privacy.scrub_to(error.context, CONTEXT_CHARS),
        });
        if let Some(kind) = bot.errors.new_kind(error) {
            bot.metrics.new_error_kind();
            self.own.finding(bot_errors::NAME, Severity::Warning);
            let summary = format!("new kind of error: {}", self.privacy.scrub_to(kind.as_bytes(), SUMMARY_CHARS));
            let source = self.source.to_owned();
            self.actions.push(Action::Finding(Finding { at, detector: bot_errors::NAME, severity: Severity::Warning, source, summary }));
        }
    }
}

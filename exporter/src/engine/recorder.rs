//! What happens to each record of a batch: it is counted, shown to the detectors, and what they find becomes actions.

use super::CLOCK_AHEAD;
use super::detection::{Context, Detection};
use super::feeds::entries;
use super::source::Subject;
use crate::detectors::bot_errors;
use crate::event::{BotError, Event, Timestamp};
use crate::feed::Feed;
use crate::finding::{Finding, Severity};
use crate::formats::{Parsed, Sink};
use crate::metrics::sources;

/// The longest name of a kind of error, in characters.
const KIND_CHARS: usize = 300;

/// Takes the records of one source's lines.
pub(super) struct Recorder<'e> {
    pub(super) context: Context<'e>,
    pub(super) counters: &'e mut sources::Source,
    pub(super) subject: &'e mut Subject,
    pub(super) detection: &'e mut Detection,
    /// Whether a request of this batch has been looked at for a proxy: one is enough.
    pub(super) sampled: bool,
}

impl Sink for Recorder<'_> {
    fn take(&mut self, _line: &[u8], parsed: Parsed<'_>) {
        // Looked at where it lies: to move it costs more than to count it.
        match &parsed {
            Parsed::Event(stamped) => {
                let Context { now, .. } = self.context;
                let at = if stamped.at == Timestamp::UNKNOWN { now } else { stamped.at.min(now.plus(CLOCK_AHEAD)) };
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
                let judgement = self.detection.request(at, &mut self.context, request, http);
                http.observe(at, request, judgement);
                if !self.sampled {
                    self.sampled = true;
                    self.counters.sample_client(self.context.proxies.hides_client(request));
                }
            }
            (Event::BotMessage(message), Subject::Bot(bot)) => {
                bot.metrics.message(message.direction);
                let mut waited = None;
                if let Some(latency) = &mut bot.latency {
                    latency.message(at, message, |micros| {
                        bot.metrics.reply(at, micros);
                        waited = waited.max(Some(micros));
                    });
                }
                let Context { privacy, source, feeds, .. } = &mut self.context;
                feeds.message(privacy, at, source, message, waited);
            }
            (Event::BotError(error), Subject::Bot(_)) => self.bot_error(at, error),
            (Event::Ssh(auth), Subject::Ssh(ssh)) => {
                let mut found = Vec::new();
                let location = self.detection.locate_text(auth.client);
                ssh.observe(at, auth, location, self.context.privacy, &mut found);
                self.detection.ssh(at, &mut self.context, auth, found);
            }
            (Event::Firewall(packet), Subject::Firewall(firewall)) => {
                let mut found = Vec::new();
                let is_scan = firewall.observe(at, packet, &mut found);
                self.detection.packet(at, &mut self.context, packet, is_scan, found);
            }
            (Event::WebError(error), Subject::WebErrors(errors)) => errors.observe(error.kind),
            (Event::Player(player), Subject::Players(players)) => {
                let news = players.observe(at, player);
                self.detection.player(at, &mut self.context, player, news);
            }
            // A format gives events of its own kind only; another kind has nowhere to be counted.
            _ => {}
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
        let Context { privacy, source, feeds, .. } = &mut self.context;
        feeds.add(Feed::Bot, at, source, || entries::bot_error(privacy, kind, error.summary));
        bot.errors.keep(at, kind, error, self.context.privacy);
        if let Some(text) = bot.errors.new_kind(error) {
            bot.metrics.new_error_kind();
            let text = self.context.privacy.scrub_to(text.as_bytes(), KIND_CHARS);
            let summary = if text.is_empty() {
                format!("New kind of error ({kind}); its text is not kept, as senders are not.")
            } else {
                format!("New kind of error: {text}")
            };
            let finding = Finding {
                id: 0,
                at,
                detector: bot_errors::NAME.to_owned(),
                severity: Severity::Warning,
                source: self.context.source.to_owned(),
                about: self.context.source.to_owned(),
                client: None,
                country: None,
                summary,
                evidence: Vec::new(),
            };
            self.detection.add(&mut self.context, finding, 0, None);
        }
    }
}

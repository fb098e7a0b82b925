//! The bot: messages, replies, errors.

use serde_json::{Value, json};

use super::histogram::{Histogram, REPLY_EDGES};
use super::hour_window::{HourWindow, QUANTILES};
use super::names::*;
use super::page::Page;
use crate::event::{BotError, Direction, ErrorLevel, SendersNow, Timestamp};

/// Counters of one bot.
pub struct Bot {
    messages: [u64; 2],
    reply: Histogram,
    window: HourWindow,
    errors: u64,
    criticals: u64,
    tracebacks: u64,
    new_error_kinds: u64,
}

impl Default for Bot {
    fn default() -> Self {
        Self {
            messages: [0; 2],
            reply: Histogram::new(REPLY_EDGES),
            window: HourWindow::default(),
            errors: 0,
            criticals: 0,
            tracebacks: 0,
            new_error_kinds: 0,
        }
    }
}

impl Bot {
    /// Counts a message.
    pub fn message(&mut self, direction: Direction) {
        match direction {
            Direction::Incoming => self.messages[0] += 1,
            Direction::Outgoing => self.messages[1] += 1,
        }
    }

    /// Counts a reply that came `micros` after its message.
    pub fn reply(&mut self, at: Timestamp, micros: u64) {
        self.reply.observe(micros);
        self.window.observe(at, micros);
    }

    /// Counts an error record.
    pub fn error(&mut self, error: &BotError<'_>) {
        match error.level {
            Some(ErrorLevel::Error) => self.errors += 1,
            Some(ErrorLevel::Critical) => self.criticals += 1,
            None => {}
        }
        self.tracebacks += u64::from(error.traceback);
    }

    /// Counts a kind of error met for the first time.
    pub fn new_error_kind(&mut self) {
        self.new_error_kinds += 1;
    }

    /// Messages in and out.
    pub fn messages(&self) -> [u64; 2] {
        self.messages
    }

    /// Errors by kind, as labelled.
    pub fn errors(&self) -> [(&'static str, u64); 3] {
        [("error", self.errors), ("critical", self.criticals), ("traceback", self.tracebacks)]
    }

    /// Kinds of error met for the first time.
    pub fn new_error_kinds(&self) -> u64 {
        self.new_error_kinds
    }

    /// Replies counted.
    pub fn replies(&self) -> u64 {
        self.reply.count()
    }

    /// Quantiles of the hour before `now`, in seconds.
    pub fn quantiles(&self, now: Timestamp) -> Option<[f64; 3]> {
        self.window.quantiles(now)
    }

    /// Writes this bot's rows.
    pub fn show(&self, source: &str, now: Timestamp, senders: SendersNow, page: &mut Page) {
        for (direction, count) in Direction::ALL.iter().zip(self.messages) {
            page.counter(&BOT_MESSAGES, &[source, direction.as_str()], count);
        }
        page.histogram(&BOT_REPLY_DURATION, &[source], &self.reply);
        for (seconds, (_, quantile)) in self.quantiles(now).into_iter().flatten().zip(QUANTILES) {
            page.gauge(&BOT_REPLY_WINDOW, &[source, quantile], seconds);
        }
        page.gauge(&BOT_UNANSWERED_SENDERS, &[source], senders.unanswered as f64);
        if let Some(oldest) = senders.oldest {
            page.gauge(&BOT_OLDEST_UNANSWERED, &[source], oldest.as_secs_f64());
        }
        page.gauge(&BOT_ACTIVE_SENDERS, &[source], senders.active as f64);
        for (kind, count) in self.errors() {
            page.counter(&BOT_ERRORS, &[source, kind], count);
        }
        page.counter(&BOT_NEW_ERROR_KINDS, &[source], self.new_error_kinds);
    }

    /// For [`Bot::load`]; the window is saved apart.
    pub fn save(&self) -> Value {
        json!({
            "messages": self.messages, "reply": self.reply.save(), "errors": self.errors, "criticals": self.criticals,
            "tracebacks": self.tracebacks, "new_error_kinds": self.new_error_kinds,
        })
    }

    /// Takes up what [`Bot::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        self.messages = [number(&saved["messages"][0]), number(&saved["messages"][1])];
        self.reply.load(&saved["reply"]);
        self.errors = number(&saved["errors"]);
        self.criticals = number(&saved["criticals"]);
        self.tracebacks = number(&saved["tracebacks"]);
        self.new_error_kinds = number(&saved["new_error_kinds"]);
    }

    /// The last hour's reply times.
    pub fn window(&mut self) -> &mut HourWindow {
        &mut self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_is_loaded() {
        let mut bot = Bot::default();
        bot.message(Direction::Incoming);
        bot.message(Direction::Outgoing);
        bot.message(Direction::Outgoing);
        bot.reply(Timestamp::from_secs(1_775_253_600), 1_500_000);
        for (level, traceback) in [(Some(ErrorLevel::Error), true), (Some(ErrorLevel::Critical), false), (None, true)] {
            bot.error(&BotError { level, traceback, summary: b"x", context: b"x" });
        }
        assert_eq!(bot.errors(), [("error", 1), ("critical", 1), ("traceback", 2)]);
        let mut again = Bot::default();
        again.load(&bot.save());
        assert_eq!(again.save(), bot.save());
        assert_eq!((again.messages(), again.replies()), ([1, 2], 1));
    }
}

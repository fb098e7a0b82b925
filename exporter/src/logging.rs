//! Our own log: to stderr, as text for people or JSON for machines. Repeats of one message are held back for a while and counted.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::{Layer, Registry, fmt};

use crate::clock;
use crate::config::{Log, LogFormat};

/// How long the same message from the same place stays silent after it was written.
const HOLD_BACK: Duration = Duration::from_secs(10);
/// Places of the code that repeat themselves; there are far fewer than this.
const MAX_PLACES: usize = 256;

/// Starts the log. Called once, by the commands that run for long.
pub fn start(log: &Log) {
    let level = log.level.parse().unwrap_or(LevelFilter::INFO);
    let layer = match log.format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false).boxed()
        }
        LogFormat::Json => fmt::layer().with_writer(std::io::stderr).with_target(false).json().flatten_event(true).boxed(),
    };
    let subscriber = Registry::default().with(layer.with_filter(HoldBack::new(level)));
    // A second start (in tests) keeps the first log.
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// Lets an error or a warning of one place through, then holds its repeats back. Information is never held back: findings look alike.
struct HoldBack {
    level: LevelFilter,
    /// The log is written from several threads; the lock is held for a look-up only.
    last: Mutex<HashMap<String, Instant>>,
}

impl HoldBack {
    fn new(level: LevelFilter) -> Self {
        Self { level, last: Mutex::new(HashMap::new()) }
    }

    fn is_repeat(&self, key: String, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(&key).is_some_and(|before| now.duration_since(*before) < HOLD_BACK) {
            return true;
        }
        if last.len() >= MAX_PLACES {
            last.clear();
        }
        last.insert(key, now);
        false
    }
}

impl<S: Subscriber> Filter<S> for HoldBack {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *metadata.level() <= self.level && metadata.target().starts_with("hostwarden")
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if *event.metadata().level() > tracing::Level::WARN {
            return true;
        }
        let mut words = Words(format!("{}:{}", event.metadata().file().unwrap_or_default(), event.metadata().line().unwrap_or_default()));
        event.record(&mut words);
        !self.is_repeat(words.0, clock::stopwatch())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }
}

/// Collects what makes two messages the same: the place, and the fields.
struct Words(String);

impl tracing::field::Visit for Words {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("|{}={value:?}", field.name()));
        self.0.truncate(self.0.char_indices().nth(400).map_or(self.0.len(), |(at, _)| at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_held_back_for_ten_seconds() {
        let hold_back = HoldBack::new(LevelFilter::INFO);
        let start = clock::stopwatch();
        let at = |secs| start + Duration::from_secs(secs);
        assert!(!hold_back.is_repeat("a".into(), at(0)));
        assert!(hold_back.is_repeat("a".into(), at(9)));
        assert!(!hold_back.is_repeat("b".into(), at(9)));
        assert!(!hold_back.is_repeat("a".into(), at(10)));
        assert!(hold_back.is_repeat("a".into(), at(19)));
    }

    #[test]
    fn places_are_bounded() {
        let hold_back = HoldBack::new(LevelFilter::INFO);
        let now = clock::stopwatch();
        (0..10_000).for_each(|n| assert!(!hold_back.is_repeat(format!("{n}"), now)));
        assert!(hold_back.last.lock().unwrap().len() <= MAX_PLACES);
    }
}

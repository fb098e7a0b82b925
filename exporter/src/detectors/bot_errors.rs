//! Kinds of error: messages that are alike once numbers, ids and addresses are taken out are one kind. A new kind is a finding.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use lru::LruCache;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::event::{BotError, Timestamp};
use crate::privacy::{Privacy, SenderMode};
use crate::snapshot::{Section, json};

/// Its name in `findings_total`.
pub const NAME: &str = "bot_errors";

/// How much of a message tells its kind, in bytes.
const KIND_BYTES: usize = 240;

/// The most recent errors that are kept for people.
pub const MAX_RECENT: usize = 50;

/// The longest summary and context of an error that are kept for people, in characters.
const SUMMARY_CHARS: usize = 300;
const CONTEXT_CHARS: usize = 4_000;

/// An error for people to read. Its texts are scrubbed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecentError {
    /// When it happened.
    pub at: Timestamp,
    /// `error`, `critical` or `traceback`.
    pub kind: String,
    /// The exception or the message.
    pub summary: String,
    /// The record with its traceback.
    pub context: String,
}

/// An error that is kept: as it was logged until somebody looks at it or it is saved, since most are never looked at.
enum Kept {
    Fresh { at: Timestamp, kind: &'static str, summary: Vec<u8>, context: Vec<u8> },
    Shown(RecentError),
}

impl Kept {
    fn shown(&self, privacy: &Privacy) -> RecentError {
        match self {
            Self::Fresh { at, kind, summary, context } => shown(*at, kind, summary, context, privacy),
            Self::Shown(error) => error.clone(),
        }
    }
}

fn shown(at: Timestamp, kind: &str, summary: &[u8], context: &[u8], privacy: &Privacy) -> RecentError {
    RecentError {
        at,
        kind: kind.to_owned(),
        summary: privacy.scrub_to(summary, SUMMARY_CHARS),
        context: privacy.scrub_to(context, CONTEXT_CHARS),
    }
}

/// Which kinds of error a bot has had.
pub struct BotErrors {
    /// `None`: kinds are not told apart.
    kinds: Option<LruCache<u64, ()>>,
    evicted: u64,
    recent: VecDeque<Kept>,
}

impl BotErrors {
    /// Remembers `max_kinds` kinds, or none; takes up what was saved.
    pub fn new(max_kinds: Option<NonZeroUsize>, saved: Option<&Section>) -> Self {
        let saved = json(saved);
        let mut kinds = max_kinds.map(LruCache::new);
        for kind in saved["kinds"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64) {
            kinds.as_mut().map(|kinds| kinds.put(kind, ()));
        }
        let recent: Vec<RecentError> = serde_json::from_value(saved["recent"].clone()).unwrap_or_default();
        let recent = recent.into_iter().take(MAX_RECENT).map(Kept::Shown).collect();
        Self { kinds, evicted: saved["evicted"].as_u64().unwrap_or(0), recent }
    }

    /// The kind of `error` if it is met for the first time.
    pub fn new_kind(&mut self, error: &BotError<'_>) -> Option<String> {
        let kinds = self.kinds.as_mut()?;
        let kind = kind(error.summary);
        let mut fingerprint = [0; 8];
        fingerprint.copy_from_slice(&Sha256::digest(kind.as_bytes())[..8]);
        let fingerprint = u64::from_be_bytes(fingerprint);
        if kinds.get(&fingerprint).is_some() {
            return None;
        }
        self.evicted += u64::from(kinds.push(fingerprint, ()).is_some());
        Some(kind)
    }

    /// Keeps an error of a kind (`error`, `critical`, `traceback`) for people, newest first.
    pub fn keep(&mut self, at: Timestamp, kind: &'static str, error: &BotError<'_>, privacy: &Privacy) {
        // Where no text is kept, none waits either; of a long one most is cut off, and the whole would take up too much.
        let waits = privacy.sender_mode() != SenderMode::Agg && error.context.len() <= 4 * CONTEXT_CHARS;
        let kept = if waits {
            Kept::Fresh { at, kind, summary: error.summary.to_vec(), context: error.context.to_vec() }
        } else {
            Kept::Shown(shown(at, kind, error.summary, error.context, privacy))
        };
        self.recent.truncate(MAX_RECENT - 1);
        self.recent.push_front(kept);
    }

    /// The most recent errors, newest first.
    pub fn recent(&self, privacy: &Privacy) -> impl Iterator<Item = RecentError> {
        self.recent.iter().map(|kept| kept.shown(privacy))
    }

    /// Kinds remembered, and how many were dropped for new ones.
    pub fn fill(&self) -> (usize, u64) {
        (self.kinds.as_ref().map_or(0, LruCache::len), self.evicted)
    }

    /// For [`BotErrors::new`].
    pub fn save(&mut self, privacy: &Privacy) -> Vec<u8> {
        let shown = |kept: Kept| if let Kept::Shown(error) = kept { error } else { kept.shown(privacy) };
        let recent: Vec<RecentError> = self.recent.drain(..).map(shown).collect();
        let kinds: Vec<u64> = self.kinds.iter().flat_map(|kinds| kinds.iter().rev()).map(|(kind, ())| *kind).collect();
        let saved = json!({ "kinds": kinds, "evicted": self.evicted, "recent": recent }).to_string().into_bytes();
        self.recent.extend(recent.into_iter().map(Kept::Shown));
        saved
    }
}

/// `summary` without what differs from one occurrence to the next: e-mail addresses, words with a digit, and words that look like random
/// ids.
fn kind(summary: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(summary.get(..KIND_BYTES).unwrap_or(summary)).into_owned();
    // A record that was saved while it was open comes back scrubbed, and is of the same kind all the same.
    for scrubbed in ["<number>", "<id>", "<address>"] {
        text = text.replace(scrubbed, "0");
    }
    let tokens: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|token| !token.is_empty()).collect();
    // In a sentence a doubtful word is rather an id; in `KeyError: 'MessageSid'` it is what the error is about.
    let is_sentence = tokens.len() > 3;
    let mut out = String::with_capacity(text.len());
    for (index, token) in tokens.into_iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        match token.trim_matches(|c: char| !c.is_alphanumeric()) {
            address if address.contains('@') => out.push_str(&token.replacen(address, "#", 1)),
            _ => push_without_ids(token, is_sentence, &mut out),
        }
    }
    out
}

fn push_without_ids(token: &str, is_sentence: bool, out: &mut String) {
    let mut word = String::new();
    for c in token.chars().chain(['\n']) {
        let in_number = matches!(c, '.' | ':' | '-') && word.contains(|c: char| c.is_ascii_digit());
        if c.is_alphanumeric() || matches!(c, '_' | '%' | '+') || in_number {
            word.push(c);
            continue;
        }
        let end = if word.ends_with([':', '.', '-']) { word.pop() } else { None };
        if !is_id(&word, is_sentence) {
            out.push_str(&word);
        } else if !out.ends_with('#') {
            out.push('#');
        }
        out.extend(end);
        word.clear();
        out.extend((c != '\n').then_some(c));
    }
}

/// Whether a word is an id: it has a digit, or it is six letters or more with hardly a vowel, or (in a sentence) with capitals inside
/// that do not end an exception's name.
fn is_id(word: &str, is_sentence: bool) -> bool {
    if word.contains(|c: char| c.is_ascii_digit()) {
        return true;
    }
    if word.len() < 6 || !word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return false;
    }
    let vowels = word.bytes().filter(|byte| b"aeiouyAEIOUY".contains(byte)).count();
    let is_exception = ["Error", "Exception", "Warning", "Timeout"].iter().any(|end| word.ends_with(end));
    let has_capitals_inside =
        word.bytes().skip(1).any(|byte| byte.is_ascii_uppercase()) && word.bytes().any(|byte| byte.is_ascii_lowercase());
    vowels * 7 < word.len() || (is_sentence && has_capitals_inside && !is_exception)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::ClientMode;

    fn error(summary: &str) -> BotError<'_> {
        BotError { level: None, traceback: false, summary: summary.as_bytes(), context: b"" }
    }

    #[test]
    fn numbers_ids_and_addresses_make_no_new_kind() {
        let mut errors = BotErrors::new(NonZeroUsize::new(100), None);
        for (summary, new) in [
            ("could not save order Mh8l8WSME8: deadlock victim, retry 1/3", true),
            ("could not save order aBcDeFgHkL: deadlock victim, retry 2/3", false),
            ("could not save order BguuCyzk: deadlock victim, retry 2/3", false),
            ("could not save order RWQYGPDC: deadlock victim, retry 2/3", false),
            ("could not load order BguuCyzk: deadlock victim, retry 2/3", true),
            ("unhandled ConnectionError while processing webhook", true),
            ("unhandled TimeoutError while processing webhook", true),
            ("could not save order 77: deadlock victim, retry 3/3", false),
            ("redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused.", true),
            ("redis.exceptions.ConnectionError: Error 111 connecting to 172.18.0.7:6379. Connection refused.", true),
            ("redis.exceptions.ConnectionError: Error 113 connecting to 172.18.0.9:6379. Connection refused.", false),
            ("KeyError: 'MessageSid'", true),
            ("KeyError: 'OrderTotal'", true),
            ("no reply to whatsapp:+34600123456", true),
            ("no reply to whatsapp:+34611999888", false),
            ("no reply to whatsapp:<number>", false),
            ("mail to ana@example.org bounced", true),
            ("mail to luis.g@example.net bounced", false),
            ("mail to <address> bounced", false),
        ] {
            assert_eq!(errors.new_kind(&error(summary)).is_some(), new, "{summary} -> {}", kind(summary.as_bytes()));
        }
    }

    #[test]
    fn kinds_tell_nobody() {
        assert_eq!(kind(b"user +34600123456 (ana@example.org) at 203.0.113.7 failed 3 times"), "user # (#) at # failed # times");
        assert_eq!(
            kind(b"twilio.base.exceptions.TwilioRestException: HTTP 429 error"),
            "twilio.base.exceptions.TwilioRestException: HTTP # error"
        );
        assert_eq!(kind(&[0xff, 0xfe, b'x']), "\u{fffd}\u{fffd}x");
    }

    #[test]
    fn a_flood_of_kinds_is_bounded_and_counted() {
        let mut errors = BotErrors::new(NonZeroUsize::new(10), None);
        for n in 0..100_u8 {
            let word: String = [b'a' + n / 26, b'a' + n % 26].iter().map(|&b| b as char).collect();
            assert!(errors.new_kind(&error(&word)).is_some());
        }
        assert_eq!(errors.fill(), (10, 90));
    }

    #[test]
    fn where_no_text_is_kept_none_waits() {
        for (mode, waits) in [(SenderMode::Agg, false), (SenderMode::Anon, true), (SenderMode::Hash, true)] {
            let privacy = Privacy::new(mode, ClientMode::Full, b"salt", 160);
            let mut errors = BotErrors::new(None, None);
            errors.keep(Timestamp::from_secs(1), "error", &error("no answer for Ana"), &privacy);
            assert_eq!(errors.recent.iter().any(|kept| matches!(kept, Kept::Fresh { .. })), waits, "{mode:?}");
            assert_eq!(errors.recent(&privacy).any(|error| error.summary.is_empty()), !waits, "{mode:?}");
        }
    }

    #[test]
    fn saved_is_loaded() {
        let mut errors = BotErrors::new(NonZeroUsize::new(10), None);
        errors.new_kind(&error("a failed"));
        let privacy = Privacy::new(SenderMode::Hash, ClientMode::Full, b"salt", 160);
        for n in 0..60 {
            let context = [b'x'; 5 * CONTEXT_CHARS];
            let context = if n % 2 == 0 { &context[..] } else { b"" };
            let error = BotError { context, ..error("no answer for +34600123456") };
            errors.keep(Timestamp::from_secs(n), "error", &error, &privacy);
        }
        assert!(errors.recent(&privacy).all(|error| error.summary == "no answer for <number>"), "{:?}", errors.recent(&privacy).next());
        let section = vec![errors.save(&privacy)];
        assert!(!String::from_utf8_lossy(&section[0]).contains("34600123456"));
        let mut again = BotErrors::new(NonZeroUsize::new(10), Some(&section));
        assert!(again.new_kind(&error("a failed")).is_none());
        assert_eq!(again.recent(&privacy).count(), MAX_RECENT);
        assert_eq!(again.recent(&privacy).next().unwrap().at, Timestamp::from_secs(59));
        assert_eq!(again.save(&privacy), errors.save(&privacy));
    }
}

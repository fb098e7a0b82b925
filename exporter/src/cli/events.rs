//! Events as JSON, for `explain`.

use serde_json::{Value, json};

use crate::event::{Event, Timestamp};
use crate::privacy::Privacy;
use crate::subject::TrustedProxies;

/// The longest text of an error that is shown, in characters.
const MAX_CHARS: usize = 4_000;

/// The event as people may see it: senders and clients by the configured privacy, texts with what is no UTF-8 replaced.
pub(super) fn json(at: Timestamp, event: &Event<'_>, proxies: &TrustedProxies, privacy: &Privacy) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut value = match event {
        Event::Http(request) => json!({
            "kind": "http",
            "client": privacy.show_client(proxies.client(request)),
            "peer": privacy.show_client(request.peer),
            "method": text(request.method),
            "path": text(request.target),
            "status": request.status,
            "bytes": request.bytes,
            "duration_seconds": request.duration_micros.map(|micros| micros as f64 / 1e6),
            "host": text(request.host),
            "referer": text(request.referer),
            "user_agent": text(request.user_agent),
            "country": text(request.country),
        }),
        Event::BotMessage(message) => json!({
            "kind": "bot_message",
            "direction": message.direction.as_str(),
            "sender": privacy.show(&message.sender),
        }),
        Event::BotError(error) => json!({
            "kind": "bot_error",
            "level": error.level.map(crate::event::ErrorLevel::as_str),
            "traceback": error.traceback,
            "summary": privacy.scrub_to(error.summary, MAX_CHARS),
            "context": privacy.scrub_to(error.context, MAX_CHARS),
        }),
    };
    value["time"] = jiff::Timestamp::from_microsecond(at.micros()).map(|at| at.to_string()).unwrap_or_default().into();
    value
}

//! Events as JSON, for `explain`.

use serde_json::{Value, json};

use crate::event::{Event, Timestamp};
use crate::privacy::{Privacy, SenderMode};
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
            "text": (privacy.sender_mode() == SenderMode::Full).then(|| privacy.scrub(message.text)),
        }),
        Event::BotError(error) => json!({
            "kind": "bot_error",
            "level": error.level.map(crate::event::ErrorLevel::as_str),
            "traceback": error.traceback,
            "summary": privacy.scrub_to(error.summary, MAX_CHARS),
            "context": privacy.scrub_to(error.context, MAX_CHARS),
        }),
        Event::Ssh(auth) => json!({
            "kind": "ssh",
            "outcome": auth.outcome.as_str(),
            "user": text(auth.user),
            "client": privacy.show_client(auth.client),
            "method": text(auth.method),
            "attempts": auth.attempts,
        }),
        Event::Firewall(packet) => json!({
            "kind": "firewall",
            "action": packet.action.as_str(),
            "protocol": packet.protocol.as_str(),
            "client": privacy.show_client(packet.client),
            "port": packet.port,
            "source_port": packet.source_port,
            "inbound": packet.inbound,
            "opens": packet.opens,
        }),
        Event::WebError(error) => json!({
            "kind": "web_error",
            "error": error.kind.as_str(),
            "client": privacy.show_client(error.client),
            "message": privacy.scrub_to(error.message, MAX_CHARS),
        }),
        Event::Player(player) => json!({
            "kind": "player",
            "change": player.change.as_str(),
            "server": text(player.server),
            "name": text(player.name),
            "client": privacy.show_client(player.client),
            "player": player.player.and_then(|player| privacy.show(&player)),
        }),
    };
    value["time"] = jiff::Timestamp::from_microsecond(at.micros()).map(|at| at.to_string()).unwrap_or_default().into();
    value
}

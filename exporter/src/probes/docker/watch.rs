//! What happens to containers, as it happens: the event stream, taken up again where it broke off. Docker keeps the last 256 events while
//! it runs; what it forgot, or what happened while it was away, the next poll finds.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tracing::{debug, info, warn};

use super::answers::Told;
use super::client::Client;
use super::last_words::last_words;
use crate::clock;
use crate::docker_api::Answer;
use crate::event::Timestamp;
use crate::probes::{Error, Outlet};
use crate::sample::Sample;
use crate::sample::docker::{ContainerEvent, Happening, Health};

/// `{"type":["container"],"event":["die","oom","health_status","start","stop","kill","destroy"]}`: `exec` events, which hold whole command
/// lines, are not sent at all.
const FILTERS: &str = "%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22die%22%2C%22oom%22%2C%22health_status%22%2C\
                       %22start%22%2C%22stop%22%2C%22kill%22%2C%22destroy%22%5D%7D";
/// The longest event, in bytes: it holds the container's labels.
const EVENT_BYTES: usize = 256 * 1024;
/// Twice what Docker keeps.
const REMEMBERED: usize = 512;
/// A connection that says nothing for so long may be dead without knowing.
const QUIET: Duration = Duration::from_secs(300);
/// How long it is waited before the next attempt, first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// How long connecting and being answered may take.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long a container's log is waited for, how many lines and bytes of it are read, and of how many containers at once.
const LOG_WITHIN: Duration = Duration::from_secs(2);
const LOG_LINES: usize = 20;
const LOG_BYTES: usize = 128 * 1024;
const LOGS_AT_ONCE: usize = 16;

/// What tells an event from all others.
type Key = (i64, String, String);

/// Hands in what happens, for ever; ends when nobody takes it any more.
pub(super) async fn watch(client: Client, outlet: Outlet) {
    let mut watched = Watched { client, seen: VecDeque::new(), since: None, is_broken: false };
    let mut wait = BACK_OFF.0;
    loop {
        let begun = clock::stopwatch();
        match watched.follow(&outlet).await {
            Ok(Taken::Wanted) => {}
            Ok(Taken::Unwanted) => return,
            Err(error) if watched.is_broken => debug!(%error, "The events of Docker still cannot be followed."),
            Err(error) => {
                warn!(%error, "The events of Docker cannot be followed: until they can, trouble is found by looking only.");
                watched.is_broken = true;
            }
        }
        wait = if begun.elapsed() > BACK_OFF.1 { BACK_OFF.0 } else { (wait * 2).min(BACK_OFF.1) };
        tokio::time::sleep(wait).await;
    }
}

/// Whether somebody took what was handed in.
enum Taken {
    Wanted,
    Unwanted,
}

/// How far the events have been seen.
struct Watched {
    client: Client,
    /// The last events.
    seen: VecDeque<Key>,
    /// When the last event happened, or else when it was first listened, in nanoseconds.
    since: Option<i64>,
    /// Whether the last attempt failed, and that was told.
    is_broken: bool,
}

impl Watched {
    /// Follows the events until the connection ends.
    async fn follow(&mut self, outlet: &Outlet) -> Result<Taken, Error> {
        let since = self.since.map(|nanos| format!("since={}.{:09}&", nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000)));
        let path = format!("/events?{}filters={FILTERS}", since.unwrap_or_default());
        let opening = tokio::time::timeout(OPEN_WITHIN, self.client.open(&path)).await;
        let answer = opening.map_err(|_| Error::TimedOut(OPEN_WITHIN))??;
        let opened = clock::now();
        if std::mem::take(&mut self.is_broken) {
            info!("The events of Docker are followed again.");
        }
        let mut replay = Replay { again: self.since.map(|_| opened), is_same_engine: None };
        self.since.get_or_insert(opened.micros().saturating_mul(1_000));
        let client = self.client.clone();
        let fresh = stream::unfold(Lines::new(answer), |mut lines| async { lines.next().await.map(|line| (line, lines)) })
            .filter_map(|line| std::future::ready(self.fresh(&mut replay, &line)))
            .map(|event| with_last_words(&client, event))
            .buffered(LOGS_AT_ONCE);
        let mut fresh = std::pin::pin!(fresh);
        while let Some(event) = fresh.next().await {
            if !outlet.send(vec![Sample::ContainerEvent(event)]).await {
                return Ok(Taken::Unwanted);
            }
        }
        Ok(Taken::Wanted)
    }

    /// The event of a line, if it is new and can be believed.
    fn fresh(&mut self, replay: &mut Replay, line: &[u8]) -> Option<ContainerEvent> {
        let told: Told = serde_json::from_slice(line).ok()?;
        let key = told.key();
        let is_known = self.seen.contains(&key);
        let is_believed = replay.is_believed(&key, is_known);
        if is_known {
            return None;
        }
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.since = Some(self.since.unwrap_or(key.0).max(key.0));
        self.seen.push_back(key);
        told.event().filter(|_| is_believed)
    }
}

/// What is made of events from before the connection: Docker sends them again from the last one that was seen. One that was started again
/// meanwhile has forgotten that one; what it sends first are the deaths of its own going down and coming up, which are nobody's crash.
/// The next poll tells what is true then.
struct Replay {
    /// When the connection was made, if it is not the first one.
    again: Option<Timestamp>,
    is_same_engine: Option<bool>,
}

impl Replay {
    fn is_believed(&mut self, key: &Key, is_known: bool) -> bool {
        let is_same_engine = *self.is_same_engine.get_or_insert(is_known);
        is_same_engine || self.again.is_none_or(|opened| key.0 / 1_000 >= opened.micros())
    }
}

/// Adds the end of the container's log to what may become a finding.
async fn with_last_words(client: &Client, event: ContainerEvent) -> ContainerEvent {
    let matters = matches!(event.what, Happening::OomKilled | Happening::Health(Health::Unhealthy))
        || matches!(event.what, Happening::Died(code) if code != 0);
    if !matters {
        return event;
    }
    let path = format!("/containers/{}/logs?stdout=1&stderr=1&tail={LOG_LINES}", event.id);
    let log = tokio::time::timeout(LOG_WITHIN, client.get_bytes(&path, LOG_BYTES)).await;
    let last_words = log.ok().and_then(Result::ok).and_then(|log| last_words(&log));
    ContainerEvent { last_words, ..event }
}

/// The lines of an answer that does not end.
struct Lines {
    answer: Answer,
    pending: Vec<u8>,
    /// Whether the running line is too long.
    is_cut: bool,
}

impl Lines {
    fn new(answer: Answer) -> Self {
        Self { answer, pending: Vec::new(), is_cut: false }
    }

    /// The next whole line; `None` at the end, and when nothing has come for long.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                let line = std::mem::replace(&mut self.pending, rest);
                if !std::mem::take(&mut self.is_cut) {
                    return Some(line);
                }
                continue;
            }
            if self.pending.len() > EVENT_BYTES {
                self.pending.clear();
                self.is_cut = true;
            }
            let piece = tokio::time::timeout(QUIET, self.answer.next()).await.ok()?.ok()??;
            self.pending.extend_from_slice(&piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef";

    fn line(nanos: i64, action: &str) -> Vec<u8> {
        let attributes = r#"{"name":"web","exitCode":"1","signal":"15"}"#;
        format!(r#"{{"Action":"{action}","Actor":{{"ID":"{ID}","Attributes":{attributes}}},"timeNano":{nanos}}}"#).into_bytes()
    }

    fn watched() -> Watched {
        Watched {
            client: Client::new(super::super::Endpoint::Tcp("127.0.0.1:1".into())),
            seen: VecDeque::new(),
            since: None,
            is_broken: false,
        }
    }

    fn replay(opened_nanos: Option<i64>) -> Replay {
        Replay { again: opened_nanos.map(|nanos| Timestamp::from_micros(nanos / 1_000)), is_same_engine: None }
    }

    #[test]
    fn nothing_is_handed_in_twice_and_gaps_are_filled() {
        let mut watched = watched();
        let mut first = replay(None);
        assert!(watched.fresh(&mut first, &line(2_000_000, "kill")).is_some());
        assert!(watched.fresh(&mut first, &line(2_000_000, "die")).is_some(), "at the same time");
        assert!(watched.fresh(&mut first, &line(2_000_000, "die")).is_none());
        assert!(watched.fresh(&mut first, b"{no json").is_none());
        assert_eq!(watched.since, Some(2_000_000));
        // Broken off; the same engine sends the last one again, then what was missed.
        let mut second = replay(Some(9_000_000));
        let sent = [(2_000_000, "die"), (3_000_000, "die"), (9_500_000, "oom")];
        let got: Vec<i64> =
            sent.iter().filter_map(|(at, action)| watched.fresh(&mut second, &line(*at, action))).map(|e| e.at.micros()).collect();
        assert_eq!(got, [3_000, 9_500]);
    }

    #[test]
    fn a_restarted_engine_tells_of_no_crashes() {
        let mut watched = watched();
        let mut first = replay(None);
        assert!(watched.fresh(&mut first, &line(2_000_000, "start")).is_some());
        let mut second = replay(Some(9_000_000));
        assert!(watched.fresh(&mut second, &line(5_000_000, "die")).is_none(), "while it came up");
        assert!(watched.fresh(&mut second, &line(9_500_000, "die")).is_some());
        // Nothing was ever seen: nothing can be told apart.
        let mut none = self::watched();
        let mut third = replay(Some(9_000_000));
        assert!(none.fresh(&mut third, &line(8_000_000, "die")).is_none());
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut watched = watched();
        let mut replay = replay(None);
        (0..2_000).for_each(|at| assert!(watched.fresh(&mut replay, &line(at * 1_000, "start")).is_some()));
        assert_eq!(watched.seen.len(), REMEMBERED);
    }
}

//! Metrics that the exporter is promised to have and that are not on its list yet. A test fails as soon as one is: it is then named from
//! there, and goes from here.

use hostwarden::metrics::names::{Kind, Metric};

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

/// What became of messages to people.
pub const NOTIFICATIONS: Metric = counter("hostwarden_notifications_total", &["notifier", "outcome"], "Messages by what became of them.");
/// What waits to be sent.
pub const OUTBOX_LENGTH: Metric = gauge("hostwarden_outbox_length", &["notifier"], "Messages that wait to be sent.");
/// Since when.
pub const OUTBOX_OLDEST: Metric =
    gauge("hostwarden_outbox_oldest_timestamp_seconds", &["notifier"], "Since when the oldest waits; absent if none does.");
/// What goes on now.
pub const INCIDENTS_OPEN: Metric = gauge("hostwarden_incidents_open", &["severity"], "Incidents that are not over.");
/// Lines for the feed.
pub const FEED_ENTRIES: Metric = counter("hostwarden_feed_entries_total", &["feed"], "Lines of the feed.");
/// Lines of the feed that could not be kept.
pub const FEED_DROPPED: Metric = counter("hostwarden_feed_dropped_total", &["feed"], "Lines of the feed that were dropped.");

/// All of them.
pub const ALL: &[&Metric] = &[&NOTIFICATIONS, &OUTBOX_LENGTH, &OUTBOX_OLDEST, &INCIDENTS_OPEN, &FEED_ENTRIES, &FEED_DROPPED];

#[cfg(test)]
mod tests {
    use super::ALL;
    use hostwarden::metrics::names;

    #[test]
    fn what_has_come_is_named_from_the_exporters_list() {
        for metric in ALL {
            assert!(names::ALL.iter().all(|known| known.name != metric.name), "{} has come: use the exporter's constant", metric.name);
        }
    }
}

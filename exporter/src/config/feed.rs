//! The section `[feed]`.

use super::section::Section;

/// What happens, for people to read as it comes.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// Whether it is kept.
    pub enabled: bool,
    /// The most entries kept, of all feeds.
    pub max_entries: usize,
    /// The most entries a second of each feed.
    pub max_per_second: u64,
    /// Whether texts of messages are shown, scrubbed, in the modes `hash` and `anon` of senders.
    pub bot_text: bool,
}

/// Reads it.
pub(super) fn read(root: &mut Section<'_, '_>) -> Feed {
    root.section("feed", "What happens, for people to read as it comes: /api/v1/feed, and Loki if notifiers.loki names one.", |feed| Feed {
        enabled: feed.flag("enabled", true, "Whether it is kept."),
        max_entries: feed.size("max_entries", 2_000, 100..=100_000, "The most entries kept, of all feeds; the fullest feed loses its oldest."),
        max_per_second: feed.number(
            "max_per_second",
            10,
            1..=1_000,
            "The most entries a second of each feed in the long run, ten times as many at once; of blocked packets a tenth.",
        ),
        bot_text: feed.flag(
            "bot_text",
            false,
            "Whether texts of messages are shown where privacy.senders is hash or anon: without numbers, addresses, links and ids. In full they always are, in agg never.",
        ),
    })
}

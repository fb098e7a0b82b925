//! The bot: how much, how fast, who waits, what fails, and the messages as they come.

use hostwarden::metrics::names::*;

use crate::frame::{About, dashboard as framed, label_of, text};
use crate::links::{self, uid};
use crate::model::Dashboard;
use crate::panels::{Row, graph, logs, row, stat, table, unit};
use crate::promql::{RANGE, STEP};
use crate::{counter, gauge, histogram, logql};

/// The goal: this part of the replies within [`GOAL_EDGE`] seconds, which is one of the histogram's buckets.
const GOAL: f64 = 0.95;
const GOAL_EDGE: &str = "5.0";

pub(super) fn dashboard() -> Dashboard {
    framed(
        About {
            uid: uid::BOT,
            title: "Hostwarden: Bot",
            questions: "Does the bot answer, fast enough, everybody? What goes wrong, and is it new?",
            known_by: BOT_MESSAGES.name,
            variables: vec![
                label_of(&BOT_MESSAGES, "source", "Bot", "Which bots, by the name of their log."),
                text("search", "Search", "Only messages and incidents with this text in them."),
            ],
            from: "now-6h",
        },
        vec![now(), replies(), traffic(), errors(), feed()],
    )
}

fn now() -> Row {
    row(
        "Now",
        vec![
            stat(
                ("Messages in", unit::COUNT, "Messages that came in this time. 0 by day: is the webhook of the messenger reachable?", "No bot is watched"),
                counter!(BOT_MESSAGES).var("source").eq("direction", "incoming").increase(RANGE).sum(),
            )
            .neutral()
            .decimals(0),
            stat(
                ("Messages out", unit::COUNT, "Messages that the bot sent in this time. Far fewer than came in: see the errors below.", "No bot is watched"),
                counter!(BOT_MESSAGES).var("source").eq("direction", "outgoing").increase(RANGE).sum(),
            )
            .neutral()
            .decimals(0),
            stat(
                (
                    "Median reply time",
                    unit::SECONDS,
                    "Half of the replies of the last hour were faster. Compare with the graph below before you worry.",
                    "No replies within the last hour",
                ),
                gauge!(BOT_REPLY_WINDOW).var("source").eq("quantile", "0.5").now().max(),
            )
            .steps(3.0, 10.0),
            stat(
                (
                    "Replies within 5 s",
                    unit::RATIO,
                    "Share of the replies of this time that came within 5 s. The goal is 95 %; below it, look at which quantile rises and whether errors rise with it.",
                    "No replies in this time",
                ),
                histogram!(BOT_REPLY_DURATION).var("source").share_within(GOAL_EDGE, RANGE),
            )
            .steps_up(0.9, GOAL)
            .decimals(1)
            .up_to(1.0),
            stat(
                (
                    "Unanswered senders",
                    unit::COUNT,
                    "Senders who have waited too long. Above 0: the page of the exporter tells since when; somebody may have to answer by hand.",
                    "No bot is watched",
                ),
                gauge!(BOT_UNANSWERED_SENDERS).var("source").now().sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 5.0),
            stat(
                (
                    "Longest wait",
                    unit::SECONDS,
                    "How long ago the message came that has waited longest for a reply.",
                    "Nobody waits",
                ),
                gauge!(BOT_OLDEST_UNANSWERED).var("source").now().age().max(),
            )
            .steps(60.0, 600.0),
        ],
    )
}

fn replies() -> Row {
    let quantile = |quantile| histogram!(BOT_REPLY_DURATION).var("source").quantile(quantile, &[]);
    let window = |quantile| gauge!(BOT_REPLY_WINDOW).var("source").eq("quantile", quantile).now().max();
    row(
        "Replies",
        vec![
            graph((
                "Reply times",
                unit::SECONDS,
                "From each message to the next reply to the same sender. All rise together: the machine or the messenger is slow; only p99 rises: single conversations hang. The dashed line is the goal.",
                "No replies in this time",
            ))
            .series(quantile(0.5), "p50")
            .series(quantile(0.95), "p95")
            .series(quantile(0.99), "p99")
            .limit(5.0),
            graph((
                "Reply times of the last hour",
                unit::SECONDS,
                "At each moment, the quantiles of the hour before, exact to 1 %. Smoother than the graph beside it; for looking, alerts go by that one.",
                "No replies within an hour",
            ))
            .series(window("0.5"), "p50")
            .series(window("0.95"), "p95")
            .series(window("0.99"), "p99"),
            graph((
                "Goal of 5 s",
                unit::RATIO,
                "Share of the replies within 5 s, over the hour before each moment and over the six hours before. Below the 95 % of the goal for long: the month's goal is in danger.",
                "No replies in this time",
            ))
            .series(histogram!(BOT_REPLY_DURATION).var("source").share_within(GOAL_EDGE, "1h"), "last hour")
            .series(histogram!(BOT_REPLY_DURATION).var("source").share_within(GOAL_EDGE, "6h"), "last six hours")
            .up_to(1.0),
            graph((
                "Waiting senders",
                unit::COUNT,
                "Senders without a reply for too long. A slope that never falls: the bot has stopped answering.",
                "No bot is watched",
            ))
            .ask(gauge!(BOT_UNANSWERED_SENDERS).var("source").now().sum_by(&["source"]), "source"),
        ],
    )
}

fn traffic() -> Row {
    row(
        "Traffic",
        vec![
            graph((
                "Messages",
                unit::PER_MIN,
                "Messages per minute. In without out: the bot is silent. Out without in: it sends by itself.",
                "No bot is watched",
            ))
            .ask(counter!(BOT_MESSAGES).var("source").rate().sum_by(&["direction"]).times(60.0), "direction"),
            graph((
                "Active senders",
                unit::COUNT,
                "Different senders within the hour before. Falls while messages do not: few talk a lot.",
                "No bot is watched",
            ))
            .ask(gauge!(BOT_ACTIVE_SENDERS).var("source").now().sum_by(&["source"]), "source"),
        ],
    )
}

fn errors() -> Row {
    row(
        "Errors",
        vec![
            graph((
                "Errors",
                unit::COUNT,
                "Error records and tracebacks of the bot's log. A record with a traceback counts as both. Context stands under /api/v1/errors and on the exporter's page.",
                "No errors in this time",
            ))
            .ask(counter!(BOT_ERRORS).var("source").increase(STEP).sum_by(&["kind"]), "kind")
            .as_bars(),
            graph((
                "New kinds of error",
                unit::COUNT,
                "Errors of a kind that was never met before: most often what the last deploy brought. Compare with the blue marks.",
                "No new kind in this time: good",
            ))
            .ask(counter!(BOT_NEW_ERROR_KINDS).var("source").increase(STEP).sum_by(&["source"]), "source")
            .as_bars(),
            table(
                ("Error totals", unit::COUNT, "Errors of this time by bot and kind.", "No bot is watched"),
                vec![counter!(BOT_ERRORS).var("source").increase(RANGE).sum_by(&["source", "kind"])],
                &[("source", "Bot"), ("kind", "Kind"), ("Value", "Errors")],
            )
            .field("Errors", &[("decimals", serde_json::json!(0))])
            .wide(8),
            logs(
                "Errors and incidents",
                "What was told to people about the bot: new kinds of error, slow replies, silence.",
                "No incidents about the bot in this time, or Loki does not run (profile small)",
                &logql::feed("incident").re("detector", "bot.*").with_text_of("search"),
            )
            .wide(16)
            .high(9),
        ],
    )
}

fn feed() -> Row {
    row(
        "Messages as they come",
        vec![
            logs(
                "Feed",
                "Messages in and out, as far as privacy.senders shows them. Explore (the link beside the title) shows them live, and can be paused.",
                "No messages in this time, the feed is off (notifiers.loki), or Loki does not run (profile small)",
                &logql::feed("bot").var("source").with_text_of("search"),
            )
            .high(14)
            .linked(links::live("bot")),
        ],
    )
}

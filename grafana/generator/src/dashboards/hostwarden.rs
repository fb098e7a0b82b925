//! Hostwarden itself: does it read, keep and tell everything, and what does that cost?

use hostwarden::metrics::names::*;
use serde_json::json;

use crate::frame::{About, dashboard as framed};
use crate::links::uid;
use crate::model::Dashboard;
use crate::panels::{Row, bars, graph, row, stat, table, unit};
use crate::promql::{RANGE, STEP};
use crate::{counter, foreign, gauge, histogram};

const NOT_SCRAPED: &str = "The exporter is not scraped: see Prometheus' page of targets";
const NO_PROBES: &str = "No probe is on";
const NO_NOTIFIERS: &str = "No notifier is configured";

pub(super) fn dashboard() -> Dashboard {
    framed(
        About {
            uid: uid::OWN,
            title: "Hostwarden: itself",
            questions: "Is every log read, was anything lost, do probes and messages work, and what does all that cost?",
            known_by: BUILD_INFO.name,
            variables: vec![],
            from: "now-6h",
        },
        vec![now(), sources(), reading(), probes(), telling(), tables(), state()],
    )
}

fn now() -> Row {
    row(
        "Now",
        vec![
            stat(
                ("Exporter", unit::COUNT, "Whether Prometheus could scrape every exporter. Down: is it running, is it still catching up (/-/ready), does its token fit?", NOT_SCRAPED),
                gauge!(foreign::UP).eq("job", "hostwarden").now().min(),
            )
            .says(&[(0, "Down", "red"), (1, "Up", "green")]),
            stat(
                ("Logs not read", unit::COUNT, "Logs that cannot be read now. The table below names them; most often a matter of rights (group adm) or of a mount.", NOT_SCRAPED),
                gauge!(SOURCE_UP).now().complement().sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 2.0),
            stat(
                (
                    "Bytes behind",
                    unit::BYTES,
                    "Written to logs and not read yet. Large for long: the machine is too slow, or a log grows faster than anybody would read.",
                    NOT_SCRAPED,
                ),
                gauge!(SOURCE_LAG).now().sum(),
            )
            .steps(1e6, 1e8),
            stat(
                (
                    "Bytes lost",
                    unit::BYTES,
                    "Cut off or deleted in this time before they were read. Above 0: totals are too low; see the rotation of that log.",
                    NOT_SCRAPED,
                ),
                counter!(SOURCE_LOST).increase(RANGE).sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(0.5, 1e6)
            .decimals(0),
            stat(
                (
                    "Failed saves",
                    unit::COUNT,
                    "Times in this time that the state could not be saved: is the disk full, or not writable? Reading goes on, but a crash would count lines twice.",
                    NOT_SCRAPED,
                ),
                counter!(STATE_COMMIT_FAILURES).increase(RANGE).sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(0.5, 1.0)
            .decimals(0),
            stat(
                ("Messages waiting", unit::COUNT, "Messages to people that wait to be sent. More than a few for long: is the webhook's address right, can it be reached?", NO_NOTIFIERS),
                gauge!(OUTBOX_LENGTH).now().sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(10.0, 100.0),
        ],
    )
}

fn sources() -> Row {
    let by = ["instance", "source"];
    row(
        "Logs",
        vec![
            table(
                (
                    "Logs",
                    unit::COUNT,
                    "Each log: read or not, files followed, how far behind, age of its newest record, and in this time: lines, malformed records, cut lines, rotations, bytes lost. A log that is usually busy and is now old: its program stopped, or logs elsewhere.",
                    NOT_SCRAPED,
                ),
                vec![
                    gauge!(SOURCE_UP).now().max_by(&by),
                    gauge!(SOURCE_FILES).now().max_by(&by),
                    gauge!(SOURCE_LAG).now().max_by(&by),
                    gauge!(SOURCE_LAST_RECORD).now().age().max_by(&by),
                    counter!(SOURCE_LINES).increase(RANGE).sum_by(&by),
                    counter!(SOURCE_RECORDS).eq("outcome", "malformed").increase(RANGE).sum_by(&by),
                    counter!(SOURCE_CUT_LINES).increase(RANGE).sum_by(&by),
                    counter!(SOURCE_ROTATIONS).increase(RANGE).sum_by(&by),
                    counter!(SOURCE_LOST).increase(RANGE).sum_by(&by),
                ],
                &[
                    ("source", "Log"),
                    ("instance", "Host"),
                    ("Value #A", "State"),
                    ("Value #B", "Files"),
                    ("Value #C", "Behind"),
                    ("Value #D", "Newest record ago"),
                    ("Value #E", "Lines"),
                    ("Value #F", "Malformed"),
                    ("Value #G", "Cut"),
                    ("Value #H", "Rotations"),
                    ("Value #I", "Lost"),
                ],
            )
            .wide(24)
            .column_says("State", &[(0, "Not read", "red"), (1, "Read", "green")])
            .column_unit("Behind", unit::BYTES)
            .column_unit("Newest record ago", unit::SECONDS)
            .column_unit("Lost", unit::BYTES)
            .field("Lines", &[("decimals", json!(0))])
            .field("Malformed", &[("decimals", json!(0))])
            .field("Rotations", &[("decimals", json!(0))]),
        ],
    )
}

fn reading() -> Row {
    row(
        "Reading",
        vec![
            graph(("Lines read", unit::PER_SEC, "Lines per second by log.", NOT_SCRAPED)).ask(counter!(SOURCE_LINES).rate().sum_by(&["source"]), "source"),
            graph(("Bytes read", unit::BYTES_PER_SEC, "Bytes per second by log, uncompressed.", NOT_SCRAPED)).ask(counter!(SOURCE_BYTES).rate().sum_by(&["source"]), "source"),
            graph(("Lag", unit::BYTES, "Written and not read yet. A short peak after a start is the backlog.", NOT_SCRAPED)).ask(gauge!(SOURCE_LAG).now().max_by(&["source"]), "source"),
            graph((
                "Malformed records",
                unit::COUNT,
                "Records that do not fit their format, by what is wrong. Many: the log's format is not the configured one; `hostwarden explain` shows line by line.",
                "All records fit their formats: good",
            ))
            .series(counter!(SOURCE_MALFORMED).increase(STEP).sum_by(&["source", "reason"]), "{{source}}: {{reason}}")
            .as_bars(),
            graph(("Records by outcome", unit::PER_SEC, "Parsed into an event, skipped because they tell nothing counted here, or malformed.", NOT_SCRAPED))
                .ask(counter!(SOURCE_RECORDS).rate().sum_by(&["outcome"]), "outcome"),
            graph(("Batches waiting", unit::COUNT, "Batches of lines that wait for the engine. Full for long: it is the engine that is slow.", NOT_SCRAPED))
                .ask(gauge!(ENGINE_INBOX).now().max_by(&["instance"]), "instance"),
        ],
    )
}

fn probes() -> Row {
    let by = ["instance", "probe"];
    row(
        "Probes",
        vec![
            table(
                (
                    "Probes",
                    unit::COUNT,
                    "Each probe: did its last poll succeed, how long did it take, how long ago was the last success. Reasons stand under /api/v1/probes.",
                    NO_PROBES,
                ),
                vec![gauge!(PROBE_SUCCESS).now().max_by(&by), gauge!(PROBE_DURATION).now().max_by(&by), gauge!(PROBE_LAST_SUCCESS).now().age().max_by(&by)],
                &[("probe", "Probe"), ("instance", "Host"), ("Value #A", "State"), ("Value #B", "Took"), ("Value #C", "Last success ago")],
            )
            .high(8)
            .column_says("State", &[(0, "Fails", "red"), (1, "Works", "green")])
            .column_unit("Took", unit::SECONDS)
            .column_unit("Last success ago", unit::SECONDS),
            graph(("Time of polls", unit::SECONDS, "How long each probe's polls take. Docker takes a second or two; what nears its time-out will fail.", NO_PROBES))
                .ask(gauge!(PROBE_DURATION).now().max_by(&["probe"]), "probe"),
        ],
    )
}

fn telling() -> Row {
    row(
        "Messages to people and lines to Loki",
        vec![
            graph((
                "Messages",
                unit::COUNT,
                "Messages by what became of them. Retried: the other side was away or asked to wait; dropped: it will never take them, see the exporter's log.",
                NO_NOTIFIERS,
            ))
            .series(counter!(NOTIFICATIONS).increase(STEP).sum_by(&["notifier", "outcome"]), "{{notifier}} {{outcome}}")
            .as_bars(),
            graph(("Outbox", unit::COUNT, "Messages that wait, kept on disk. They are sent as soon as the other side takes them.", NO_NOTIFIERS))
                .ask(gauge!(OUTBOX_LENGTH).now().sum_by(&["notifier"]), "notifier"),
            graph(("Oldest message", unit::SECONDS, "How long the oldest message has waited. Minutes: the other side is away, or refuses.", "Nothing waits: good, or no notifier is configured"))
                .ask(gauge!(OUTBOX_OLDEST).now().age().max_by(&["notifier"]), "notifier"),
            graph(("Feed", unit::PER_MIN, "Lines of the feed per minute, and those dropped because there were too many.", "The feed is off"))
                .series(counter!(FEED_ENTRIES).rate().sum_by(&["feed"]).times(60.0), "{{feed}}")
                .series(counter!(FEED_DROPPED).rate().sum_by(&["feed"]).times(60.0).above(0.0), "{{feed}} dropped"),
        ],
    )
}

fn tables() -> Row {
    row(
        "Bounded tables",
        vec![
            bars(
                (
                    "Fill of tables",
                    unit::RATIO,
                    "How full each bounded table is. A full one forgets: of clients under a flood of addresses that is as it should be; of others raise its limit.",
                    NOT_SCRAPED,
                ),
                gauge!(TRACKED).now().max_by(&["instance", "table"]).over(gauge!(TRACKED_LIMIT).now().max_by(&["instance", "table"])),
                "{{table}}",
            )
            .steps(0.8, 0.95)
            .up_to(1.0)
            .decimals(1)
            .high(14),
            graph(("Evictions", unit::COUNT, "Entries dropped from full tables to make room.", "Nothing was dropped in this time: good"))
                .ask(counter!(EVICTED).increase(STEP).sum_by(&["table"]).above(0.0), "table")
                .as_bars()
                .high(7),
            graph((
                "Label overflow",
                unit::COUNT,
                "Values that were counted as other because they are on no list. Of requests: hosts that are not in web.sites, mostly scanners; add a site that is yours.",
                "Every value was on its list",
            ))
            .ask(counter!(LABEL_OVERFLOW).increase(STEP).sum_by(&["metric"]), "metric")
            .high(7),
        ],
    )
}

fn state() -> Row {
    row(
        "Cost",
        vec![
            graph((
                "Time of saves",
                unit::SECONDS,
                "Time taken to save the state; each page is saved before it is served. Long: a slow or busy disk.",
                NOT_SCRAPED,
            ))
            .series(histogram!(STATE_COMMIT_DURATION).quantile(0.5, &[]), "p50")
            .series(histogram!(STATE_COMMIT_DURATION).quantile(0.99, &[]), "p99"),
            graph(("Time of scrapes", unit::SECONDS, "As Prometheus sees it. Near its time-out, scrapes fail.", NOT_SCRAPED))
                .ask(gauge!(foreign::SCRAPE_DURATION).eq("job", "hostwarden").now().max_by(&["instance"]), "instance"),
            graph((
                "Series",
                unit::COUNT,
                "Series on the page, and samples that Prometheus took of it. Bounded, whatever arrives.",
                NOT_SCRAPED,
            ))
            .series(gauge!(EXPOSED_SERIES).now().max_by(&["instance"]), "{{instance}} on the page")
            .series(gauge!(foreign::SCRAPE_SAMPLES).eq("job", "hostwarden").now().max_by(&["instance"]), "{{instance}} taken"),
            graph((
                "Memory",
                unit::BYTES,
                "Resident memory of the exporter. It has a ceiling; a slope over days is worth a report.",
                NOT_SCRAPED,
            ))
            .ask(gauge!(PROCESS_MEMORY).eq("job", "hostwarden").now().max_by(&["instance"]), "instance"),
            table(
                (
                    "Builds",
                    unit::COUNT,
                    "What runs on each host, and how often its state had to be set aside as unreadable in this time.",
                    NOT_SCRAPED,
                ),
                vec![
                    gauge!(BUILD_INFO).now().max_by(&["instance", "version", "revision"]),
                    counter!(STATE_SET_ASIDE).increase(RANGE).sum_by(&["instance"]),
                ],
                &[("instance", "Host"), ("version", "Version"), ("revision", "Revision"), ("Value #B", "State set aside")],
            )
            .high(8)
            .field("State set aside", &[("decimals", json!(0))]),
        ],
    )
}

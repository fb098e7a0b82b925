//! One client: everything that is known of an address, or of its pseudonym.

use hostwarden::metrics::names::*;

use super::security;
use crate::frame::{About, dashboard as framed, text};
use crate::links::{self, uid};
use crate::model::Dashboard;
use crate::panels::{Row, graph, line_counts, logs, row, stat, unit};
use crate::{gauge, logql};

pub(super) fn dashboard() -> Dashboard {
    framed(
        About {
            uid: uid::CLIENT,
            title: "Hostwarden: One client",
            questions: "What has this client done, since when, and how suspicious is it? Type an address above, or come here by a click.",
            known_by: CLIENTS_SUSPICIOUS.name,
            variables: vec![
                text("client", "Client", "An address (IPv6: its /64) or a pseudonym, as the tables and lines show it."),
                text("search", "Search", "Only lines with this text in them."),
            ],
            from: "now-24h",
        },
        vec![score(), lines(), others()],
    )
}

fn score() -> Row {
    let score = || gauge!(CLIENT_SUSPICION_SCORE).eq("client", "${client}").now();
    row(
        "How suspicious",
        vec![
            stat(
                (
                    "Score",
                    unit::COUNT,
                    "Its suspicion score now. `hostwarden why` with the address, or /api/v1/clients, explains it term by term.",
                    "Not among the twenty worst now, or no client is chosen above",
                ),
                score().max(),
            )
            .neutral()
            .decimals(0)
            .wide(6)
            .high(8)
            .linked(links::away("Look up at AbuseIPDB", "https://www.abuseipdb.com/check/${client}"))
            .linked(links::to("All of them", uid::SECURITY)),
            graph((
                "Score over time",
                unit::COUNT,
                "Rises with each deed and falls by half in its half-life. Only the twenty worst clients are shown at any time: a gap means that it was not among them.",
                "Not among the twenty worst in this time, or no client is chosen above",
            ))
            .series(score().max_by(&["client", "country", "instance"]), "{{client}} ({{country}}), seen by {{instance}}")
            .wide(18),
        ],
    )
}

fn lines() -> Row {
    row(
        "What it did",
        vec![
            line_counts(
                (
                    "Lines by feed",
                    unit::COUNT,
                    "How many lines about it came over time, by where: web, ssh, firewall, incident.",
                    "Nothing of this client in this time, no client is chosen above, or Loki does not run (profile small)",
                ),
                logql::all_feeds().exactly("client", "client").count_by_feed(),
                "{{feed}}",
            )
            .wide(24)
            .high(6),
            logs(
                "Lines",
                "All that was logged of it, from all feeds, the newest first. A line opens to show class, site and country.",
                "Nothing of this client in this time, no client is chosen above, or Loki does not run (profile small)",
                &logql::all_feeds().exactly("client", "client").with_text_of("search"),
            )
            .high(16),
        ],
    )
}

fn others() -> Row {
    row("Another one", vec![security::worst_clients("Suspicious clients").wide(24)])
}

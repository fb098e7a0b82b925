//! Am I fine? In one glance, also on a phone: a dozen numbers, each leading to its cause, then what happened.

use hostwarden::metrics::names::*;

use crate::frame::{About, dashboard as framed, text};
use crate::links::{self, uid};
use crate::model::Dashboard;
use crate::panels::{Draft, Row, graph, logs, row, stat, table, unit};
use crate::promql::{RANGE, STEP};
use crate::{counter, foreign, gauge, histogram, logql};

pub(super) fn dashboard() -> Dashboard {
    framed(
        About {
            uid: uid::OVERVIEW,
            title: "Hostwarden: Overview",
            questions: "Am I fine? Every number leads to the dashboard that explains it.",
            known_by: BUILD_INFO.name,
            variables: vec![text("search", "Search incidents", "Only incidents with this text in them.")],
            from: "now-6h",
        },
        vec![people(), machine(), trends(), happened()],
    )
}

fn people() -> Row {
    row(
        "Am I fine?",
        vec![
            stat(
                (
                    "Firing alerts",
                    unit::COUNT,
                    "Alerts of Prometheus that are firing, the watchdog left out. Above 0: the table below names them, each with its next step.",
                    "Prometheus could not be asked",
                ),
                gauge!(foreign::ALERTS).everywhere().eq("alertstate", "firing").ne("alertname", "Watchdog").now().count().or_zero(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 3.0),
            stat(
                (
                    "Exporter",
                    unit::COUNT,
                    "Whether Prometheus could scrape every exporter just now. Down: nothing else on this page is current; look at the container or the service `hostwarden`.",
                    "Prometheus scrapes no exporter: see its page of targets",
                ),
                gauge!(foreign::UP).eq("job", "hostwarden").now().min(),
            )
            .says(&[(0, "Down", "red"), (1, "Up", "green")])
            .leads(links::to("Hostwarden itself", uid::OWN)),
            stat(
                (
                    "Visitors' server errors",
                    unit::RATIO,
                    "Share of visitors' requests that were answered with 5xx over the last minutes, scanners left out. Above 1 %: open Web to see which site.",
                    "No visitors just now, or no web log is read",
                ),
                counter!(HTTP_USER_REQUESTS).eq("code", "5xx").rate().sum().over(counter!(HTTP_USER_REQUESTS).rate().sum()),
            )
            .steps(0.01, 0.05)
            .decimals(2)
            .leads(links::to("Web", uid::WEB)),
            stat(
                (
                    "Visitors' slowest twentieth",
                    unit::SECONDS,
                    "One in twenty requests of visitors took longer than this over the last hour. Above 1 s people notice: open Web.",
                    "No visitors within the last hour, or the web log tells no times",
                ),
                gauge!(HTTP_REQUEST_WINDOW).eq("quantile", "0.95").now().max(),
            )
            .steps(1.0, 3.0)
            .leads(links::to("Web", uid::WEB)),
            stat(
                (
                    "Bot's slowest twentieth",
                    unit::SECONDS,
                    "One in twenty replies of the bot took longer than this over the last hour. The goal is 5 s: above it open Bot.",
                    "No replies within the last hour, or no bot is watched",
                ),
                gauge!(BOT_REPLY_WINDOW).eq("quantile", "0.95").now().max(),
            )
            .steps(5.0, 20.0)
            .leads(links::to("Bot", uid::BOT)),
            stat(
                (
                    "Unanswered senders",
                    unit::COUNT,
                    "Senders who have waited for a reply of the bot for too long. Above 0: open Bot; somebody may have to answer by hand.",
                    "No bot is watched",
                ),
                gauge!(BOT_UNANSWERED_SENDERS).now().sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 5.0)
            .leads(links::to("Bot", uid::BOT)),
        ],
    )
}

fn machine() -> Row {
    let used = |metric: crate::promql::Selector<crate::promql::Moves>| {
        metric.clone().eq("kind", "used").now().sum_by(&["instance"]).over(metric.eq("kind", "total").now().sum_by(&["instance"])).max()
    };
    row(
        "The machine",
        vec![
            stat(
                (
                    "Processor use",
                    unit::RATIO,
                    "Share of the processors' time that is not idle, of the busiest host. Long above 90 %: Host tells which process.",
                    "The probe of the host is off: set probes.host.enabled",
                ),
                counter!(HOST_CPU)
                    .re("mode", "idle|iowait")
                    .rate()
                    .sum_by(&["instance"])
                    .over(counter!(HOST_CPU).rate().sum_by(&["instance"]))
                    .complement()
                    .max(),
            )
            .steps(0.8, 0.95)
            .leads(links::to("Host", uid::HOST)),
            stat(
                (
                    "Memory use",
                    unit::RATIO,
                    "Share of main memory that programs hold, of the fullest host. Above 90 %: Host tells which process, Containers which container.",
                    "The probe of the host is off: set probes.host.enabled",
                ),
                used(gauge!(HOST_MEMORY)),
            )
            .steps(0.8, 0.9)
            .leads(links::to("Host", uid::HOST)),
            stat(
                (
                    "Fullest disk",
                    unit::RATIO,
                    "Share of the fullest filesystem that is taken. Above 90 %: Host tells which; free space before databases and logs stop.",
                    "The probe of the host is off: set probes.host.enabled",
                ),
                gauge!(HOST_FILESYSTEM)
                    .eq("kind", "available")
                    .now()
                    .max_by(&["instance", "mount"])
                    .over(gauge!(HOST_FILESYSTEM).eq("kind", "size").now().max_by(&["instance", "mount"]))
                    .complement()
                    .max(),
            )
            .steps(0.8, 0.9)
            .leads(links::to("Host", uid::HOST)),
            stat(
                (
                    "Containers not running",
                    unit::COUNT,
                    "Containers that exist and do not run. Some may be meant to be over; Containers tells which.",
                    "The probe of Docker is off: set probes.docker.enabled",
                ),
                gauge!(CONTAINER_STATE).eq("state", "running").now().complement().sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 5.0)
            .leads(links::to("Containers", uid::CONTAINERS)),
            stat(
                (
                    "SQL Server",
                    unit::COUNT,
                    "Whether every instance of SQL Server answered at the last poll. Down: Containers tells which stage failed.",
                    "No instance is configured: probes.sqlserver.instances",
                ),
                gauge!(SQLSERVER_UP).now().min(),
            )
            .says(&[(0, "Down", "red"), (1, "Up", "green")])
            .leads(links::to("Containers and SQL Server", uid::CONTAINERS)),
            stat(
                (
                    "Logs and probes that fail",
                    unit::COUNT,
                    "Logs that cannot be read and probes whose last poll failed. Above 0: Hostwarden itself names them; until then this page sees less than there is.",
                    "The exporter is not scraped",
                ),
                gauge!(SOURCE_UP).now().complement().sum().plus(gauge!(PROBE_SUCCESS).now().complement().sum().or_zero()),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 3.0)
            .leads(links::to("Hostwarden itself", uid::OWN)),
        ],
    )
}

fn trends() -> Row {
    row("The last hours", vec![requests(), replies(), attacks(), suspects()])
}

fn requests() -> Draft {
    let visitors = || counter!(HTTP_USER_REQUESTS).rate().sum();
    graph((
        "Requests",
        unit::REQUESTS_PER_SEC,
        "Requests of visitors, and all others: attacks and what suspicious clients ask. Noise far above the visitors costs time and traffic: see Security.",
        "No web log is read",
    ))
    .series(visitors(), "visitors")
    .series(counter!(HTTP_REQUESTS).rate().sum().minus(visitors()), "attack noise")
    .leads(links::to("Web", uid::WEB))
}

fn replies() -> Draft {
    let quantile = |quantile| histogram!(BOT_REPLY_DURATION).quantile(quantile, &[]);
    graph((
        "Reply times",
        unit::SECONDS,
        "How long senders wait for the bot: half of them less than p50, one in twenty longer than p95. The dashed line is the goal of 5 s.",
        "No replies in this time, or no bot is watched",
    ))
    .series(quantile(0.5), "p50")
    .series(quantile(0.95), "p95")
    .limit(5.0)
    .leads(links::to("Bot", uid::BOT))
}

fn attacks() -> Draft {
    graph((
        "Attacks",
        unit::PER_MIN,
        "Requests that are attacks, by class; a status code alone (suspicious) is left out. A wave that lasts: see Security for who and from where.",
        "No web log is read",
    ))
    .ask(counter!(HTTP_ATTACKS).ne("class", "suspicious").rate().sum_by(&["class"]).times(60.0), "class")
    .stacked()
    .leads(links::to("Security", uid::SECURITY))
}

fn suspects() -> Draft {
    graph((
        "Suspicious clients",
        unit::COUNT,
        "Clients with a suspicion score above the threshold, and those on the watchlist for attacking slowly. Security names the worst twenty.",
        "The exporter is not scraped",
    ))
    .series(gauge!(CLIENTS_SUSPICIOUS).now().sum(), "suspicious")
    .series(gauge!(WATCHLIST_CLIENTS).now().sum(), "on the watchlist")
    .leads(links::to("Security", uid::SECURITY))
}

fn happened() -> Row {
    row(
        "What happened",
        vec![
            table(
                (
                    "Alerts",
                    unit::COUNT,
                    "Alerts that fire now. What each means and what to do stands in docs/alerts.md under its name.",
                    "No alert is firing: all is well",
                ),
                vec![
                    gauge!(foreign::ALERTS)
                        .everywhere()
                        .eq("alertstate", "firing")
                        .ne("alertname", "Watchdog")
                        .now()
                        .count_by(&["alertname", "severity"]),
                ],
                &[("alertname", "Alert"), ("severity", "Severity"), ("Value", "Times")],
            )
            .wide(8),
            graph((
                "Findings",
                unit::COUNT,
                "What the detectors found, by detector. Each finding is a line of the feed and under /api/v1/findings.",
                "Nothing was found in this time",
            ))
            .ask(counter!(FINDINGS).increase(STEP).sum_by(&["detector"]).above(0.0), "detector")
            .as_bars()
            .wide(8)
            .high(9),
            table(
                (
                    "Open incidents",
                    unit::COUNT,
                    "Incidents that are not over, by severity, and findings of this time. Critical ones first.",
                    "No incident is open",
                ),
                vec![gauge!(INCIDENTS_OPEN).now().sum_by(&["severity"]), counter!(FINDINGS).increase(RANGE).sum_by(&["severity"])],
                &[("severity", "Severity"), ("Value #A", "Open incidents"), ("Value #B", "Findings")],
            )
            .wide(8)
            .field("Findings", &[("decimals", serde_json::json!(0))]),
            logs(
                "Incidents",
                "What was told to people, the newest first. A line opens to show whom it is about; search by the box above.",
                "No incidents in this time, or Loki does not run (profile small)",
                &logql::feed("incident").with_text_of("search"),
            )
            .linked(links::live("incident")),
        ],
    )
}

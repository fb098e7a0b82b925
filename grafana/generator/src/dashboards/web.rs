//! Web servers: what visitors meet, what attackers cost, site by site.

use hostwarden::metrics::names::*;

use crate::frame::{About, dashboard as framed, label_of, text};
use crate::links::{self, uid};
use crate::model::Dashboard;
use crate::panels::{Row, graph, logs, row, stat, table, unit};
use crate::promql::{RANGE, STEP};
use crate::{counter, gauge, histogram, logql};

pub(super) fn dashboard() -> Dashboard {
    framed(
        About {
            uid: uid::WEB,
            title: "Hostwarden: Web",
            questions: "How do the sites serve real visitors, and what does attack noise cost? One site is chosen above, or by a click.",
            known_by: HTTP_REQUESTS.name,
            variables: vec![
                label_of(&HTTP_REQUESTS, "source", "Log", "Which web logs."),
                label_of(&HTTP_REQUESTS, "site", "Site", "Which sites; what is in none of web.sites is other."),
                text("search", "Search", "Only lines with this text in them."),
            ],
            from: "now-6h",
        },
        vec![visitors(), latency(), sites(), noise(), server(), feed()],
    )
}

fn visitors() -> Row {
    let requests = || counter!(HTTP_USER_REQUESTS).var("source").var("site");
    let all = || counter!(HTTP_REQUESTS).var("source").var("site");
    row(
        "Visitors",
        vec![
            stat(
                ("Visitors' requests", unit::REQUESTS_PER_SEC, "Requests of visitors, scanners left out. None by day: can the site be reached at all?", "No web log is read"),
                requests().rate().sum(),
            )
            .neutral(),
            stat(
                (
                    "Visitors' server errors",
                    unit::RATIO,
                    "Share of visitors' requests answered with 5xx. Above 1 %: the graphs below tell which site, the error log why.",
                    "No visitors just now",
                ),
                requests().eq("code", "5xx").rate().sum().over(requests().rate().sum()),
            )
            .steps(0.01, 0.05)
            .decimals(2),
            stat(
                (
                    "Visitors' p95",
                    unit::SECONDS,
                    "One in twenty requests of visitors took longer, over the last hour. Above 1 s: see which site, and whether the upstream or the machine is slow.",
                    "No visitors within the last hour, or the log tells no times",
                ),
                gauge!(HTTP_REQUEST_WINDOW).var("source").eq("quantile", "0.95").now().max(),
            )
            .steps(1.0, 3.0),
            stat(
                (
                    "Attack noise",
                    unit::RATIO,
                    "Share of all requests that are attacks or come from suspicious clients. High is usual for a small site; a jump is a wave: see Security.",
                    "No requests just now",
                ),
                requests().rate().sum().over(all().rate().sum()).complement(),
            )
            .neutral()
            .decimals(1)
            .leads(links::to("Security", uid::SECURITY)),
            stat(
                (
                    "Bytes to attackers",
                    unit::BYTES,
                    "What was sent in answers to attackers in this time. Much: let the web server answer unknown hosts and paths with nothing (444).",
                    "No web log is read",
                ),
                counter!(HTTP_ATTACK_BYTES).var("source").increase(RANGE).sum(),
            )
            .neutral(),
            stat(
                (
                    "Proxy not trusted",
                    unit::COUNT,
                    "Whether most requests of a log come from one proxy that is not in web.trusted_proxies. Suspected: all clients look like one; configure it.",
                    "No web log is read",
                ),
                gauge!(SOURCE_PROXY_SUSPECTED).var("source").now().max(),
            )
            .says(&[(0, "No", "green"), (1, "Suspected", "red")]),
        ],
    )
}

fn latency() -> Row {
    let duration = || histogram!(HTTP_REQUEST_DURATION).var("source").var("site");
    let visitors = |quantile| duration().eq("traffic", "user").quantile(quantile, &[]);
    row(
        "Time taken",
        vec![
            graph((
                "Visitors' request times",
                unit::SECONDS,
                "Time taken per request of visitors. p99 alone: single slow pages; all of them: the machine, the database or the upstream.",
                "No visitors in this time, or the log tells no times",
            ))
            .series(visitors(0.5), "p50")
            .series(visitors(0.95), "p95")
            .series(visitors(0.99), "p99"),
            graph((
                "Slowest twentieth by traffic",
                unit::SECONDS,
                "p95 of visitors beside that of attack noise. Visitors slow down when the noise rises: limit its rate or ban its sources.",
                "No requests in this time, or the log tells no times",
            ))
            .ask(duration().quantile(0.95, &["traffic"]), "traffic"),
            graph((
                "Slowest twentieth by site",
                unit::SECONDS,
                "p95 of visitors, site by site. A click limits the page to one site.",
                "No visitors in this time, or the log tells no times",
            ))
            .ask(duration().eq("traffic", "user").quantile(0.95, &["site"]), "site")
            .leads(links::by_label("Only ${__field.labels.site}", uid::WEB, "site", "site")),
            graph((
                "Timed requests",
                unit::REQUESTS_PER_SEC,
                "How many requests the times beside stand on, by traffic. A quantile of a handful of requests says little.",
                "No requests in this time, or the log tells no times",
            ))
            .ask(duration().rate().sum_by(&["traffic"]), "traffic"),
        ],
    )
}

fn sites() -> Row {
    let requests = || counter!(HTTP_REQUESTS).var("source").var("site");
    let visitors = || counter!(HTTP_USER_REQUESTS).var("source").var("site");
    let one_site = || links::by_label("Only ${__field.labels.site}", uid::WEB, "site", "site");
    row(
        "Sites",
        vec![
            table(
                (
                    "Sites",
                    unit::COUNT,
                    "Each site in this time: requests, how many of them by visitors, visitors' 5xx, attacks, bytes sent. A click on a site limits the page to it.",
                    "No web log is read",
                ),
                vec![
                    requests().increase(RANGE).sum_by(&["site"]),
                    visitors().increase(RANGE).sum_by(&["site"]),
                    visitors().eq("code", "5xx").increase(RANGE).sum_by(&["site"]),
                    counter!(HTTP_ATTACKS).var("source").var("site").ne("class", "suspicious").increase(RANGE).sum_by(&["site"]),
                    counter!(HTTP_RESPONSE_BYTES).var("source").var("site").increase(RANGE).sum_by(&["site"]),
                ],
                &[
                    ("site", "Site"),
                    ("Value #A", "Requests"),
                    ("Value #B", "By visitors"),
                    ("Value #C", "Visitors' 5xx"),
                    ("Value #D", "Attacks"),
                    ("Value #E", "Bytes sent"),
                ],
            )
            .wide(24)
            .column_leads("Site", &[links::by_column("Only this site", uid::WEB, "site", "site")])
            .column_unit("Bytes sent", unit::BYTES)
            .sorted_by("Requests"),
            graph(("Requests by site", unit::REQUESTS_PER_SEC, "All requests, visitors and noise. A click limits the page to one site.", "No web log is read"))
                .ask(requests().rate().sum_by(&["site"]), "site")
                .stacked()
                .leads(one_site()),
            graph((
                "Visitors' server errors by site",
                unit::RATIO,
                "Share of each site's requests of visitors that were answered with 5xx: whose upstream fails?",
                "No visitors in this time",
            ))
            .ask(visitors().eq("code", "5xx").rate().sum_by(&["site"]).over(visitors().rate().sum_by(&["site"])), "site")
            .leads(one_site()),
            graph(("Bytes sent", unit::BYTES_PER_SEC, "Bytes in answers, as logged. A site that suddenly sends much is popular, leaks or is scraped.", "No web log is read"))
                .ask(counter!(HTTP_RESPONSE_BYTES).var("source").var("site").rate().sum_by(&["site"]), "site")
                .leads(one_site()),
            graph(("Visitors' answers by status", unit::REQUESTS_PER_SEC, "Answers to visitors by class of status. 4xx that rise: a broken link or page; 5xx: a broken server.", "No visitors in this time"))
                .ask(visitors().rate().sum_by(&["code"]), "code")
                .stacked(),
        ],
    )
}

fn noise() -> Row {
    let requests = || counter!(HTTP_REQUESTS).var("source").var("site");
    let visitors = || counter!(HTTP_USER_REQUESTS).var("source").var("site");
    row(
        "Visitors and noise",
        vec![
            graph((
                "Visitors and attack noise",
                unit::REQUESTS_PER_SEC,
                "What people ask for, and the rest. The rest above it: Security names classes, countries and clients.",
                "No web log is read",
            ))
            .series(visitors().rate().sum(), "visitors")
            .series(requests().rate().sum().minus(visitors().rate().sum()), "attack noise")
            .stacked()
            .leads(links::to("Security", uid::SECURITY)),
            graph((
                "Bytes to attackers",
                unit::BYTES_PER_SEC,
                "Bytes in answers to attackers, by log. It is traffic you pay for.",
                "No web log is read",
            ))
            .ask(counter!(HTTP_ATTACK_BYTES).var("source").rate().sum_by(&["source"]), "source"),
            graph((
                "Methods",
                unit::REQUESTS_PER_SEC,
                "Requests by method. Much of CONNECT, TRACE or other is noise.",
                "No requests in this time, or no web log is read",
            ))
            .ask(requests().rate().sum_by(&["method"]).above(0.0), "method"),
            graph((
                "All answers by status",
                unit::REQUESTS_PER_SEC,
                "Answers by class of status, noise included: attackers make the 4xx.",
                "No requests in this time, or no web log is read",
            ))
            .ask(requests().rate().sum_by(&["code"]).above(0.0), "code")
            .stacked(),
        ],
    )
}

fn server() -> Row {
    row(
        "The web server's error log",
        vec![
            graph((
                "Errors by kind",
                unit::COUNT,
                "Records of the error log. Visitors can forge these lines: look, and do not act on them alone. rate_limited and forbidden that rise with the noise are the server doing its work.",
                "No error log is read, or nothing in it in this time",
            ))
            .ask(counter!(WEB_ERRORS).increase(STEP).sum_by(&["kind"]).above(0.0), "kind")
            .as_bars(),
            graph((
                "Upstream errors",
                unit::COUNT,
                "Requests that the server could not hand on: the application behind it is down, slow or restarting. See Containers.",
                "No error log is read",
            ))
            .ask(counter!(WEB_ERRORS).eq("kind", "upstream").increase(STEP).sum_by(&["source"]), "source")
            .as_bars()
            .leads(links::to("Containers", uid::CONTAINERS)),
        ],
    )
}

fn feed() -> Row {
    row(
        "Attacks as they come",
        vec![
            logs(
                "Feed",
                "Requests that were taken for attacks, with class and meaning. A line opens to show the client; search by the box above.",
                "No attacks in this time, the feed is off (notifiers.loki), or Loki does not run (profile small)",
                &logql::feed("web").var("source").var("site").with_text_of("search"),
            )
            .linked(links::live("web")),
        ],
    )
}

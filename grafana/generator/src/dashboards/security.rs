//! Attacks: what kinds, from where, by whom; over the web, SSH, the firewall; and what is done about them.

use hostwarden::metrics::names::*;
use serde_json::json;

use crate::frame::{About, dashboard as framed, text};
use crate::links::{self, uid};
use crate::model::Dashboard;
use crate::panels::{Draft, Row, bars, graph, logs, row, stat, table, unit, world_map};
use crate::promql::{RANGE, STEP};
use crate::{counter, gauge, logql};

pub(super) fn dashboard() -> Dashboard {
    framed(
        About {
            uid: uid::SECURITY,
            title: "Hostwarden: Security",
            questions: "Who attacks, how, from where and since when? Does any of it get through? A click on a client shows all about it.",
            known_by: CLIENTS_SUSPICIOUS.name,
            variables: vec![text("search", "Search", "Only lines with this text in them.")],
            from: "now-24h",
        },
        vec![now(), classes(), clients(), slow(), doors(), defence(), incidents()],
    )
}

/// All but what is told by a status code alone.
fn strong() -> crate::promql::Selector<crate::promql::Grows> {
    counter!(HTTP_ATTACKS).ne("class", "suspicious")
}

fn now() -> Row {
    row(
        "Now",
        vec![
            stat(
                ("Attacks", unit::COUNT, "Requests in this time that are attacks of a class that says something.", "No web log is read"),
                strong().increase(RANGE).sum(),
            )
            .neutral()
            .decimals(0),
            stat(
                ("Suspicious clients", unit::COUNT, "Clients whose suspicion score is above the threshold now. The table below names the worst twenty.", "The exporter is not scraped"),
                gauge!(CLIENTS_SUSPICIOUS).now().sum(),
            )
            .neutral(),
            stat(
                ("Slow attackers", unit::COUNT, "Clients on the watchlist: ten attacks over three hours and more, too slow for other alarms. `hostwarden watchlist` names them.", "The exporter is not scraped"),
                gauge!(WATCHLIST_CLIENTS).now().sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 20.0),
            stat(
                (
                    "Logins over SSH",
                    unit::COUNT,
                    "Logins that were accepted in this time. You should know each of them: the feed below tells from where.",
                    "sshd's log is not read",
                ),
                counter!(SSH_AUTH).eq("outcome", "accepted").increase(RANGE).sum(),
            )
            .neutral()
            .decimals(0),
            stat(
                (
                    "Unexplained file changes",
                    unit::COUNT,
                    "Watched files that changed in this time without the package manager. Above 0: the incidents below name them; was it you?",
                    "The probe of files is off: set probes.integrity.enabled",
                ),
                counter!(INTEGRITY_CHANGES).eq("explained", "no").increase(RANGE).sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(0.5, 1.0)
            .decimals(0),
            stat(
                (
                    "Banned and still here",
                    unit::COUNT,
                    "Requests in this time of clients that CrowdSec bans. Above 0: the ban does not reach them (Docker's chains, a proxy in front): check the bouncer.",
                    "CrowdSec is not asked: set probes.crowdsec.enabled",
                ),
                counter!(HTTP_BANNED_REQUESTS).increase(RANGE).sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(0.5, 100.0)
            .decimals(0),
        ],
    )
}

fn classes() -> Row {
    row(
        "What kind, from where",
        vec![
            graph((
                "Attacks by class",
                unit::PER_MIN,
                "Attacks per minute. Scanner and config_probe are the background of the internet; rce_attempt, webshell or sql_injection that get 2xx answers are worth a look under /api/v1/attacks.",
                "No attacks in this time, or no web log is read",
            ))
            .ask(strong().rate().sum_by(&["class"]).times(60.0).above(0.0), "class")
            .stacked()
            .wide(16),
            bars(
                ("Attacks by site", unit::COUNT, "Whom they are aimed at, in this time. A click shows the site.", "No web log is read"),
                strong().increase(RANGE).sum_by(&["site"]),
                "{{site}}",
            )
            .neutral()
            .decimals(0)
            .wide(8)
            .leads(links::by_label("The site", uid::WEB, "site", "site")),
            world_map(
                (
                    "Origin of attacks",
                    unit::COUNT,
                    "Attacks and refused logins of this time by the country of the client. A country is where an address is registered, which says little about who sits behind it.",
                    "Nobody attacked in this time",
                ),
                counter!(HTTP_ATTACKS_BY_COUNTRY).ne("country", "ZZ").increase(RANGE).sum_by(&["country"]).above(0.0),
            ),
            table(
                ("Countries", unit::COUNT, "Attacks and refused logins of this time by country (ISO code, ZZ unknown).", "Nobody attacked in this time"),
                vec![counter!(HTTP_ATTACKS_BY_COUNTRY).increase(RANGE).sum_by(&["country"]).above(0.0)],
                &[("country", "Country"), ("Value", "Attacks")],
            )
            .wide(8)
            .high(12)
            .field("Attacks", &[("decimals", json!(0))])
            .sorted_by("Attacks"),
        ],
    )
}

/// What can be asked about a client, from a column that holds it.
pub(super) fn about_client() -> Vec<crate::model::Link> {
    vec![
        links::by_column("All about this client", uid::CLIENT, "client", "client"),
        links::away("Look up at AbuseIPDB", "https://www.abuseipdb.com/check/${__data.fields.client}"),
    ]
}

/// The worst clients, as a table.
pub(super) fn worst_clients(title: &str) -> Draft {
    table(
        (
            title,
            unit::COUNT,
            "The twenty clients with the highest suspicion scores, by address or pseudonym as privacy.clients says. A click shows one; `hostwarden why` explains its score term by term.",
            "Nobody is suspicious",
        ),
        vec![gauge!(CLIENT_SUSPICION_SCORE).now().max_by(&["client", "country", "instance"]).topk(20)],
        &[("client", "Client"), ("country", "Country"), ("instance", "Seen by"), ("Value", "Score")],
    )
    .field("Score", &[("decimals", json!(0))])
    .sorted_by("Score")
    .column_leads("Client", &about_client())
}

fn clients() -> Row {
    row(
        "Who",
        vec![
            worst_clients("Suspicious clients").high(16),
            graph((
                "Suspicious clients over time",
                unit::COUNT,
                "How many clients are above the threshold. A step up is a wave of new addresses.",
                "The exporter is not scraped",
            ))
            .ask(gauge!(CLIENTS_SUSPICIOUS).now().max_by(&["instance"]), "instance"),
            graph((
                "Findings",
                unit::COUNT,
                "What the detectors found. Each is told under Incidents below, and once: repeats are merged.",
                "Nothing was found in this time",
            ))
            .ask(counter!(FINDINGS).increase(STEP).sum_by(&["detector"]).above(0.0), "detector")
            .as_bars(),
        ],
    )
}

fn slow() -> Row {
    row(
        "Slow ones and guessers",
        vec![
            bars(
                (
                    "Watchlist",
                    unit::COUNT,
                    "Slow attackers by strikes: each further day of attacks is one. Those with three and more should be banned.",
                    "The exporter is not scraped",
                ),
                gauge!(WATCHLIST_CLIENTS).now().sum_by(&["strikes"]),
                "{{strikes}} strikes",
            )
            .neutral()
            .wide(8),
            graph((
                "Link enumeration",
                unit::COUNT,
                "Times that somebody guessed links of customers (web.link_prefixes), one client or a network. Any: links may be too short to be secret.",
                "No web log is read",
            ))
            .ask(counter!(LINK_ENUMERATIONS).increase(STEP).sum_by(&["scope"]), "scope")
            .as_bars()
            .wide(8),
            graph((
                "Guessing clients",
                unit::COUNT,
                "Clients that were guessing links within the hour before.",
                "No web log is read",
            ))
            .series(gauge!(LINK_ENUMERATING_CLIENTS).now().sum(), "clients")
            .wide(8),
        ],
    )
}

fn doors() -> Row {
    row(
        "SSH and firewall",
        vec![
            graph((
                "SSH logins",
                unit::PER_MIN,
                "Attempts per minute by how they ended. Failed ones are usual for a port that is open to all: keys only, no passwords. Accepted ones right after failed ones of the same client are an incident.",
                "sshd's log is not read",
            ))
            .ask(counter!(SSH_AUTH).rate().sum_by(&["outcome"]).times(60.0), "outcome"),
            graph((
                "Firewall",
                unit::PER_MIN,
                "Packets that the firewall logged, per minute; it logs at a limited rate, so there were at least so many.",
                "Nothing was logged in this time, or the firewall's log is not read",
            ))
            .series(counter!(FIREWALL_EVENTS).rate().sum_by(&["action", "protocol"]).times(60.0).above(0.0), "{{action}} {{protocol}}"),
            graph(("Port scans", unit::COUNT, "Port scans in the firewall's log: many ports, one client. The incidents name them.", "The firewall's log is not read"))
                .series(counter!(PORT_SCANS).increase(STEP).sum(), "scans")
                .as_bars(),
            graph((
                "File changes",
                unit::COUNT,
                "Changes of watched files, explained by the package manager or not. Unexplained ones are incidents.",
                "The probe of files is off: set probes.integrity.enabled",
            ))
            .series(counter!(INTEGRITY_CHANGES).increase(STEP).sum_by(&["explained"]), "explained: {{explained}}")
            .as_bars(),
        ],
    )
}

fn defence() -> Row {
    row(
        "What is done about it",
        vec![
            table(
                (
                    "CrowdSec's decisions",
                    unit::COUNT,
                    "Decisions in force by who decided and why. None while CrowdSec runs: its bouncer key or its scenarios are missing.",
                    "CrowdSec is not asked: set probes.crowdsec.enabled",
                ),
                vec![gauge!(CROWDSEC_DECISIONS).now().sum_by(&["origin", "type", "scenario"])],
                &[("origin", "Decided by"), ("type", "What"), ("scenario", "Why"), ("Value", "Decisions")],
            )
            .sorted_by("Decisions"),
            graph((
                "Banned and still here",
                unit::PER_MIN,
                "Requests per minute of clients that CrowdSec bans, by scenario. They should not arrive: the ban does not reach them.",
                "CrowdSec is not asked (probes.crowdsec), or bans work: good",
            ))
            .ask(counter!(HTTP_BANNED_REQUESTS).rate().sum_by(&["scenario"]).times(60.0), "scenario")
            .high(9),
            graph((
                "Left alone",
                unit::COUNT,
                "Findings that were dropped because they were about somebody who is never a candidate for a ban, by why. unproven_bot that rises: somebody calls himself a search engine.",
                "Nothing was dropped in this time",
            ))
            .ask(counter!(NEVER_BAN).increase(STEP).sum_by(&["reason"]).above(0.0), "reason")
            .as_bars(),
            graph((
                "Watched files",
                unit::COUNT,
                "Watched files that are there, and those whose contents the exporter may not read (only size, owner and mode are watched then).",
                "The probe of files is off: set probes.integrity.enabled",
            ))
            .series(gauge!(INTEGRITY_FILES).now().sum(), "there")
            .series(gauge!(INTEGRITY_UNREADABLE_FILES).now().sum(), "not readable"),
        ],
    )
}

fn incidents() -> Row {
    row(
        "What happened",
        vec![
            logs(
                "Incidents",
                "What was told to people, the newest first.",
                "No incidents in this time, or Loki does not run (profile small)",
                &logql::feed("incident").with_text_of("search"),
            )
            .linked(links::live("incident")),
            logs(
                "SSH",
                "Attempts to log in, the newest first: who, from where, how it ended.",
                "No attempts in this time, the feed is off (notifiers.loki), or Loki does not run (profile small)",
                &logql::feed("ssh").with_text_of("search"),
            )
            .wide(12)
            .linked(links::live("ssh")),
            logs(
                "Firewall",
                "Packets that the firewall logged, the newest first.",
                "Nothing was logged in this time, the feed is off (notifiers.loki), or Loki does not run (profile small)",
                &logql::feed("firewall").with_text_of("search"),
            )
            .wide(12)
            .linked(links::live("firewall")),
        ],
    )
}

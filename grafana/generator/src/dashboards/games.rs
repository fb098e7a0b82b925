//! Game servers: who plays, what arrives, and whether it is a flood.

use hostwarden::metrics::names::*;

use crate::frame::{About, dashboard as framed, label_of, text};
use crate::links::{self, uid};
use crate::model::Dashboard;
use crate::panels::{Row, graph, logs, row, stat, unit};
use crate::promql::{RANGE, STEP};
use crate::{counter, gauge, logql};

const NO_PLAYERS: &str = "The log of players is not read";
const NO_UDP: &str = "No service is configured: probes.udp_ports.services";

pub(super) fn dashboard() -> Dashboard {
    framed(
        About {
            uid: uid::GAMES,
            title: "Hostwarden: Game servers",
            questions: "Who plays, what arrives at the UDP ports, and is it a flood?",
            known_by: BUILD_INFO.name,
            variables: vec![
                label_of(&PLAYERS_ONLINE, "server", "Server", "Which game servers."),
                label_of(&UDP_PACKETS, "service", "UDP service", "Which UDP services."),
                text("search", "Search", "Only players with this text in their line."),
            ],
            from: "now-24h",
        },
        vec![now(), players(), packets(), feed()],
    )
}

fn now() -> Row {
    row(
        "Now",
        vec![
            stat(("Players online", unit::COUNT, "Players who came and have not left.", NO_PLAYERS), gauge!(PLAYERS_ONLINE).var("server").now().sum()).neutral(),
            stat(("Joins", unit::COUNT, "Players who came in this time.", NO_PLAYERS), counter!(PLAYER_JOINS).var("server").increase(RANGE).sum()).neutral().decimals(0),
            stat(
                ("Returning", unit::RATIO, "Share of the joins of this time by players who had been here before.", "Nobody came in this time"),
                counter!(PLAYER_RETURNS).var("server").increase(RANGE).sum().over(counter!(PLAYER_JOINS).var("server").increase(RANGE).sum()),
            )
            .neutral()
            .decimals(0),
            stat(("Packets", unit::PACKETS_PER_SEC, "Packets per second at all UDP services.", NO_UDP), counter!(UDP_PACKETS).var("service").rate().sum()).neutral(),
            stat(
                ("Sources", unit::COUNT, "Different addresses that sent within the last window, of the busiest service. Far more than players: forged, or a flood.", NO_UDP),
                gauge!(UDP_SOURCES).var("service").now().max(),
            )
            .neutral(),
            stat(
                ("Floods", unit::COUNT, "Floods in this time, by any threshold. Above 0: see which below; forged sources cannot be banned one by one.", NO_UDP),
                counter!(UDP_FLOODS).var("service").increase(RANGE).sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(0.5, 1.0)
            .decimals(0),
        ],
    )
}

fn players() -> Row {
    row(
        "Players",
        vec![
            graph(("Players online", unit::COUNT, "By server. All fall to 0 at once: the server or its log has stopped.", NO_PLAYERS))
                .ask(gauge!(PLAYERS_ONLINE).var("server").now().sum_by(&["server"]), "server"),
            graph((
                "Joins and leaves",
                unit::COUNT,
                "Who came above, who left below the line. All leave at once: a crash or a restart.",
                NO_PLAYERS,
            ))
            .series(counter!(PLAYER_JOINS).var("server").increase(STEP).sum_by(&["server"]), "{{server}} joined")
            .series(counter!(PLAYER_LEAVES).var("server").increase(STEP).sum_by(&["server"]).negative(), "{{server}} left")
            .as_bars()
            .both_ways(),
        ],
    )
}

fn packets() -> Row {
    let from = |metric: crate::promql::Selector<crate::promql::Grows>| metric.var("service").rate().sum_by(&["service", "port"]);
    row(
        "What arrives",
        vec![
            graph((
                "Packets by service",
                unit::PACKETS_PER_SEC,
                "Packets that arrived, also those that a firewall drops later. Far above the usual without more players: a flood.",
                NO_UDP,
            ))
            .series(from(counter!(UDP_PACKETS)), "{{service}} ({{port}})"),
            graph((
                "Bytes by service",
                unit::BYTES_PER_SEC,
                "Bytes with headers. Near what the line can take, nothing on this machine helps: ask the provider.",
                NO_UDP,
            ))
            .series(from(counter!(UDP_BYTES)), "{{service}} ({{port}})"),
            graph((
                "Sources by service",
                unit::COUNT,
                "Different addresses within each window. Sources can be forged: thousands with a packet or two each are.",
                NO_UDP,
            ))
            .series(gauge!(UDP_SOURCES).var("service").now().max_by(&["service", "port"]), "{{service}} ({{port}})"),
            graph((
                "Bytes per packet",
                unit::BYTES,
                "Mean size of packets. A game has its usual size; a flood most often has another one, and all the same.",
                NO_UDP,
            ))
            .series(from(counter!(UDP_BYTES)).over(from(counter!(UDP_PACKETS))), "{{service}} ({{port}})"),
            graph(("Floods", unit::COUNT, "Floods by service and by the threshold that was reached (probes.udp_ports.services).", NO_UDP))
                .series(counter!(UDP_FLOODS).var("service").increase(STEP).sum_by(&["service", "kind"]), "{{service}} {{kind}}")
                .as_bars()
                .wide(24)
                .high(6),
        ],
    )
}

fn feed() -> Row {
    row(
        "Players as they come",
        vec![
            logs(
                "Feed",
                "Who came and left. Addresses of players are shown as privacy.clients says, and never in lists of attackers.",
                "Nobody came in this time, the feed is off (notifiers.loki), or Loki does not run (profile small)",
                &logql::feed("players").with_text_of("search"),
            )
            .linked(links::live("players")),
        ],
    )
}

//! Containers and SQL Server: what runs, what it uses, what ended and why.

use hostwarden::metrics::names::*;
use serde_json::json;

use crate::frame::{About, dashboard as framed, label_of};
use crate::links::{self, uid};
use crate::model::{Dashboard, Link};
use crate::panels::{Row, graph, logs, row, stat, states, table, unit};
use crate::promql::{RANGE, STEP};
use crate::{counter, gauge, logql};

const NO_DOCKER: &str = "The probe of Docker is off: set probes.docker.enabled";
const NO_SQL: &str = "No instance is configured: probes.sqlserver.instances";

pub(super) fn dashboard() -> Dashboard {
    framed(
        About {
            uid: uid::CONTAINERS,
            title: "Hostwarden: Containers and SQL Server",
            questions: "Which containers run, are healthy, restart, run out of memory? Does SQL Server answer? A click shows one container.",
            known_by: PROBE_SUCCESS.name,
            variables: vec![label_of(&CONTAINER_STATE, "container", "Container", "Which containers.")],
            from: "now-6h",
        },
        vec![now(), list(), use_of(), sql_server(), happened()],
    )
}

fn one() -> Link {
    links::by_label("Only ${__field.labels.container}, with what happened", uid::CONTAINERS, "container", "container")
}

fn now() -> Row {
    let running = || gauge!(CONTAINER_STATE).var("container").eq("state", "running").now();
    row(
        "Now",
        vec![
            stat(("Running", unit::COUNT, "Containers that run now.", NO_DOCKER), running().sum()).neutral(),
            stat(
                ("Not running", unit::COUNT, "Containers that exist and do not run. The table below tells in which state; `docker logs` why.", NO_DOCKER),
                running().complement().sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 5.0),
            stat(
                (
                    "Unhealthy",
                    unit::COUNT,
                    "Containers whose health check does not say healthy. Above 0: the incidents below hold the last error line.",
                    "No container has a health check, or the probe of Docker is off",
                ),
                gauge!(CONTAINER_HEALTHY).var("container").now().complement().sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 2.0),
            stat(
                ("Restarts", unit::COUNT, "Times in this time that Docker started a container again by itself. More than a few of one: it crashes at its start.", NO_DOCKER),
                counter!(CONTAINER_RESTARTS).var("container").increase(RANGE).sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 5.0)
            .decimals(0),
            stat(
                (
                    "Kills for memory",
                    unit::COUNT,
                    "Times in this time that the kernel killed a process of a container for lack of memory. Raise its limit or find its leak.",
                    NO_DOCKER,
                ),
                counter!(CONTAINER_OOM_KILLS).var("container").increase(RANGE).sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(0.5, 1.0)
            .decimals(0),
            stat(
                ("Not shown", unit::COUNT, "Containers beyond the first 200, which no panel shows. Above 0: remove those that are over.", NO_DOCKER),
                gauge!(CONTAINERS_LEFT_OUT).now().sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 50.0),
        ],
    )
}

fn list() -> Row {
    let by = ["container", "service", "instance"];
    row(
        "Each container",
        vec![
            states(
                ("Running over time", unit::COUNT, "Each container: running or not. Short gaps one after the other are a restart loop. A click shows one container.", NO_DOCKER),
                gauge!(CONTAINER_STATE).var("container").eq("state", "running").now().max_by(&["container"]),
                "container",
            )
            .says(&[(0, "Not running", "red"), (1, "Running", "green")])
            .leads(one()),
            table(
                (
                    "Containers",
                    unit::COUNT,
                    "Each container as it is now. Health is empty without a health check; memory while it does not run. A click on a name shows one container.",
                    NO_DOCKER,
                ),
                vec![
                    gauge!(CONTAINER_STATE).var("container").now().equal(1.0).max_by(&["container", "service", "instance", "state"]),
                    gauge!(CONTAINER_HEALTHY).var("container").now().max_by(&by),
                    gauge!(CONTAINER_STARTED).var("container").now().age().max_by(&by),
                    gauge!(CONTAINER_MEMORY).var("container").now().max_by(&by),
                    counter!(CONTAINER_RESTARTS).var("container").increase(RANGE).sum_by(&by),
                ],
                &[
                    ("container", "Container"),
                    ("service", "Service"),
                    ("instance", "Host"),
                    ("state", "State"),
                    ("Value #B", "Health"),
                    ("Value #C", "Started ago"),
                    ("Value #D", "Memory"),
                    ("Value #E", "Restarts"),
                ],
            )
            .wide(24)
            .column_leads("Container", &[links::by_column("Only this one, with what happened", uid::CONTAINERS, "container", "container")])
            .column_says("Health", &[(0, "Not healthy", "red"), (1, "Healthy", "green")])
            .column_unit("Started ago", unit::SECONDS)
            .column_unit("Memory", unit::BYTES)
            .field("Restarts", &[("decimals", json!(0))]),
        ],
    )
}

fn use_of() -> Row {
    let memory = || gauge!(CONTAINER_MEMORY).var("container").now().max_by(&["container"]);
    row(
        "What they use",
        vec![
            graph((
                "Processors",
                unit::RATIO,
                "Processor time per time; 100 % is one processor. One that stays at a whole number spins.",
                NO_DOCKER,
            ))
            .ask(counter!(CONTAINER_CPU).var("container").rate().sum_by(&["container"]), "container")
            .leads(one()),
            graph(("Memory", unit::BYTES, "Memory as docker stats counts it. A slope that never falls is a leak.", NO_DOCKER))
                .ask(memory(), "container")
                .leads(one()),
            graph((
                "Memory of its limit",
                unit::RATIO,
                "Memory as a share of what the container may use; without a limit, of the machine. Near 100 % the kernel kills.",
                NO_DOCKER,
            ))
            .ask(memory().over(gauge!(CONTAINER_MEMORY_LIMIT).var("container").now().max_by(&["container"])), "container")
            .up_to(1.0)
            .leads(one()),
            graph((
                "Network",
                unit::BYTES_PER_SEC,
                "Received above, sent below the line. On the network of the host Docker counts nothing: 0.",
                NO_DOCKER,
            ))
            .series(counter!(CONTAINER_RECEIVED).var("container").rate().sum_by(&["container"]), "{{container}} received")
            .series(counter!(CONTAINER_TRANSMITTED).var("container").rate().sum_by(&["container"]).negative(), "{{container}} sent")
            .both_ways()
            .leads(one()),
            graph(("Restarts", unit::COUNT, "Times that Docker started a container again by itself.", NO_DOCKER))
                .ask(counter!(CONTAINER_RESTARTS).var("container").increase(STEP).sum_by(&["container"]), "container")
                .as_bars()
                .leads(one()),
            graph((
                "Kills for memory",
                unit::COUNT,
                "Times that the kernel killed a process of the container for lack of memory.",
                NO_DOCKER,
            ))
            .ask(counter!(CONTAINER_OOM_KILLS).var("container").increase(STEP).sum_by(&["container"]), "container")
            .as_bars()
            .leads(one()),
        ],
    )
}

fn sql_server() -> Row {
    row(
        "SQL Server",
        vec![
            states(
                ("Instances", unit::COUNT, "Whether each instance answered. Down: the graph below tells how far a poll came, the failures why.", NO_SQL),
                gauge!(SQLSERVER_UP).now().min_by(&["exported_instance"]),
                "exported_instance",
            )
            .says(&[(0, "Down", "red"), (1, "Up", "green")])
            .wide(12),
            graph((
                "Stages of a poll",
                unit::SECONDS,
                "Time until the greeting was answered, of the TLS handshake, the login, the question. Slow connect: network; slow login: the server has no free worker or the disk is slow; slow query: the server is busy.",
                NO_SQL,
            ))
            .series(gauge!(SQLSERVER_STAGE_DURATION).now().max_by(&["exported_instance", "stage"]), "{{exported_instance}} {{stage}}"),
            graph(("Failures", unit::COUNT, "Polls that failed, by why. docs/probes.md says what each reason means.", "No poll failed in this time: good, or no instance is configured"))
                .series(counter!(SQLSERVER_FAILURES).increase(STEP).sum_by(&["exported_instance", "reason"]).above(0.0), "{{exported_instance}} {{reason}}")
                .as_bars(),
            table(
                ("Versions", unit::COUNT, "What each instance says of itself. Compare with the newest update of its line.", "No instance has answered yet"),
                vec![gauge!(SQLSERVER_INFO).now().max_by(&["exported_instance", "version"])],
                &[("exported_instance", "Instance"), ("version", "Version")],
            )
            .high(8),
        ],
    )
}

fn happened() -> Row {
    row(
        "What happened",
        vec![
            logs(
                "Incidents of containers",
                "What was told to people about the chosen containers: died, unhealthy, killed for memory, restart loop, each with its last error line.",
                "No incidents of these containers in this time, or Loki does not run (profile small)",
                &logql::feed("incident").re("detector", "containers").with_text_of("container"),
            )
            .linked(links::live("incident")),
        ],
    )
}

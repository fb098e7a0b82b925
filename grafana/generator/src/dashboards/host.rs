//! The machine: processors, memory, disks, processes, connections; node-exporter's numbers where the exporter has none.

use hostwarden::metrics::names::*;
use serde_json::json;

use crate::frame::{About, dashboard as framed};
use crate::links::uid;
use crate::model::Dashboard;
use crate::panels::{Row, graph, row, stat, table, unit};
use crate::{counter, foreign, gauge};

const OFF: &str = "The probe of the host is off: set probes.host.enabled";
const NO_NODE: &str = "node-exporter is not scraped";

pub(super) fn dashboard() -> Dashboard {
    framed(
        About {
            uid: uid::HOST,
            title: "Hostwarden: Host",
            questions: "Is the machine short of anything, and who takes it?",
            // Also node-exporter's job is to be among the jobs.
            known_by: foreign::UP.name,
            variables: vec![],
            from: "now-6h",
        },
        vec![now(), over_time(), processes(), network(), node()],
    )
}

fn share(kind: &str, metric: crate::promql::Selector<crate::promql::Moves>) -> crate::promql::Expr {
    metric.clone().eq("kind", kind).now().sum_by(&["instance"]).over(metric.eq("kind", "total").now().sum_by(&["instance"]))
}

fn now() -> Row {
    row(
        "Now",
        vec![
            stat(
                ("Processor use", unit::RATIO, "Of the busiest host. Long above 90 %: the table of processes tells who.", OFF),
                counter!(HOST_CPU)
                    .re("mode", "idle|iowait")
                    .rate()
                    .sum_by(&["instance"])
                    .over(counter!(HOST_CPU).rate().sum_by(&["instance"]))
                    .complement()
                    .max(),
            )
            .steps(0.8, 0.95)
            .decimals(0),
            stat(("Memory use", unit::RATIO, "Of the fullest host. Above 90 % the kernel is near to killing.", OFF), share("used", gauge!(HOST_MEMORY)).max())
                .steps(0.8, 0.9)
                .decimals(0),
            stat(("Swap use", unit::RATIO, "Of the host that swaps most. High and growing: memory is short.", "No swap, or the probe of the host is off"), share("used", gauge!(HOST_SWAP)).max())
                .steps(0.25, 0.75)
                .decimals(0),
            stat(
                (
                    "Fullest disk",
                    unit::RATIO,
                    "Taken share of the fullest filesystem. Above 90 %: free space before databases and logs stop; `docker system df` is a good start.",
                    OFF,
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
            .decimals(0),
            stat(
                ("Failed units", unit::COUNT, "Units of systemd that have failed: `systemctl --failed` names them.", "systemd cannot be asked, or the probe of the host is off"),
                gauge!(HOST_FAILED_UNITS).now().sum(),
            )
            .says(&[(0, "None", "green")])
            .steps(1.0, 3.0),
            stat(("Uptime", unit::SECONDS, "Since the last start, of the host that started last. Short, and it was not you: look for a crash or the provider's notice.", OFF), gauge!(HOST_BOOT).now().age().min())
                .neutral(),
        ],
    )
}

fn over_time() -> Row {
    row(
        "Over time",
        vec![
            graph((
                "Processors by mode",
                unit::RATIO,
                "Share of processor time by what it goes to. iowait: waits for disks; steal: the provider gives your share to others.",
                OFF,
            ))
            .ask(counter!(HOST_CPU).ne("mode", "idle").rate().sum_by(&["mode"]).over_scalar(counter!(HOST_CPU).rate().sum()), "mode")
            .stacked()
            .up_to(1.0),
            graph((
                "Load",
                unit::COUNT,
                "Tasks that run or wait, on average over 1, 5 and 15 minutes. Long above the number of processors: work waits.",
                OFF,
            ))
            .series(gauge!(HOST_LOAD).now().max_by(&["minutes"]), "{{minutes}} min"),
            graph(("Memory", unit::BYTES, "Used, and what programs can still get. Available is what counts.", OFF))
                .series(gauge!(HOST_MEMORY).now().sum_by(&["instance", "kind"]), "{{instance}} {{kind}}"),
            graph(("Swap", unit::BYTES, "Swap. Used that only grows: memory is short, or leaks.", OFF))
                .series(gauge!(HOST_SWAP).now().sum_by(&["instance", "kind"]), "{{instance}} {{kind}}"),
            graph(("Disk use", unit::RATIO, "Taken share of each filesystem. A straight line up says when it will be full.", OFF))
                .series(
                    gauge!(HOST_FILESYSTEM)
                        .eq("kind", "available")
                        .now()
                        .max_by(&["instance", "mount"])
                        .over(gauge!(HOST_FILESYSTEM).eq("kind", "size").now().max_by(&["instance", "mount"]))
                        .complement(),
                    "{{instance}} {{mount}}",
                )
                .up_to(1.0),
            graph(("Free disk space", unit::BYTES, "What others than root may still write.", OFF))
                .series(gauge!(HOST_FILESYSTEM).eq("kind", "available").now().max_by(&["instance", "mount"]), "{{instance}} {{mount}}"),
        ],
    )
}

fn processes() -> Row {
    row(
        "Processes",
        vec![
            table(
                (
                    "Processes by memory",
                    unit::BYTES,
                    "The ten names of programs with most resident memory; what they share counts for each.",
                    OFF,
                ),
                vec![gauge!(HOST_PROCESS_MEMORY).now().max_by(&["instance", "process"])],
                &[("process", "Process"), ("instance", "Host"), ("Value", "Memory")],
            )
            .sorted_by("Memory"),
            table(
                (
                    "Processes by processor time",
                    unit::RATIO,
                    "The ten names of programs with most processor time since the poll before; 100 % is one processor.",
                    OFF,
                ),
                vec![gauge!(HOST_PROCESS_CPU).now().max_by(&["instance", "process"])],
                &[("process", "Process"), ("instance", "Host"), ("Value", "Processors")],
            )
            .field("Processors", &[("decimals", json!(1))])
            .sorted_by("Processors"),
        ],
    )
}

fn network() -> Row {
    row(
        "Connections and ports",
        vec![
            graph((
                "Connections",
                unit::COUNT,
                "Sockets by state. Much syn_recv: a SYN flood; close_wait that only grows: a program that does not close.",
                OFF,
            ))
            .series(gauge!(HOST_CONNECTIONS).now().sum_by(&["protocol", "state"]).above(0.0), "{{protocol}} {{state}}"),
            graph((
                "Listening ports",
                unit::COUNT,
                "Ports that something listens on, from where they can be reached. A new external one: was it you? Published ports of Docker bypass UFW.",
                OFF,
            ))
            .series(gauge!(HOST_LISTENING_PORTS).now().sum_by(&["protocol", "scope"]), "{{protocol}} {{scope}}"),
            table(
                ("Ports", unit::COUNT, "Which ports, the external ones first. Close what nobody outside needs, or bind it to 127.0.0.1.", OFF),
                vec![gauge!(HOST_LISTENING).now().max_by(&["instance", "scope", "protocol", "port"])],
                &[("scope", "Reachable"), ("protocol", "Protocol"), ("port", "Port"), ("instance", "Host")],
            )
            .wide(24),
        ],
    )
}

fn node() -> Row {
    let device = |metric: crate::promql::Selector<crate::promql::Grows>| {
        metric.not_re("device", "lo|veth.*|br-.*|docker.*").rate().sum_by(&["instance", "device"])
    };
    row(
        "Beside it: node-exporter",
        vec![
            graph((
                "Network throughput",
                unit::BYTES_PER_SEC,
                "Received above, sent below the line, by interface (loopback and those of containers left out).",
                NO_NODE,
            ))
            .series(device(counter!(foreign::NODE_RECEIVED)), "{{instance}} {{device}} received")
            .series(device(counter!(foreign::NODE_TRANSMITTED)).negative(), "{{instance}} {{device}} sent")
            .both_ways(),
            graph((
                "Disk activity",
                unit::RATIO,
                "Share of the time that a disk was at work. Long near 100 %: everything that writes waits.",
                NO_NODE,
            ))
            .series(counter!(foreign::NODE_DISK_BUSY).rate().sum_by(&["instance", "device"]), "{{instance}} {{device}}")
            .up_to(1.0),
        ],
    )
}

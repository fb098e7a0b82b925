//! Every metric: its name as users write it, kind, unit, labels and help, one entry each. Pages, dashboards and documentation read this list.

/// What kind of metric it is, in OpenMetrics' terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
    /// Always 1; the labels tell.
    Info,
}

impl Kind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// The full name, as in PromQL.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels, in the order of a row's values.
    pub labels: &'static [&'static str],
    /// One line of help; no quotes, backslashes or line ends (they are not escaped on the page).
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, help }
}

/// Declares each metric and the list of all of them in one place.
macro_rules! metrics {
    ($($constant:ident = $metric:expr;)*) => {
        $(#[doc = concat!("See its help: `", stringify!($constant), "`.")] pub const $constant: Metric = $metric;)*

        /// All metrics, in the order of the page.
        pub const ALL: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    BUILD_INFO = Metric {
        name: "hostwarden_build_info",
        kind: Kind::Info,
        labels: &["version", "revision"],
        help: "The running build.",
    };

    SOURCE_UP = gauge("hostwarden_source_up", &["source"], "Whether the log can be read (1) or not (0).");
    SOURCE_FILES = gauge("hostwarden_source_files", &["source"], "Files being followed.");
    SOURCE_LINES = counter("hostwarden_source_lines_total", &["source"], "Lines read from the log.");
    SOURCE_BYTES = counter("hostwarden_source_bytes_total", &["source"], "Bytes read from the log, uncompressed.");
    SOURCE_RECORDS = counter("hostwarden_source_records_total", &["source", "outcome"],
        "Log records: parsed into an event, skipped because they tell nothing counted here, or malformed.");
    SOURCE_MALFORMED = counter("hostwarden_source_malformed_records_total", &["source", "reason"],
        "Malformed records by what was wrong with them; a reason appears once it was met.");
    SOURCE_CUT_LINES = counter("hostwarden_source_cut_lines_total", &["source"], "Lines longer than the limit, read only up to it.");
    SOURCE_LAG = gauge("hostwarden_source_lag_bytes", &["source"], "Bytes written to the log but not read yet.");
    SOURCE_LOST = counter("hostwarden_source_lost_bytes_total", &["source"],
        "Bytes that were seen in the log but were cut off or deleted before they were read. Anything but 0 means that totals are too low.");
    SOURCE_ROTATIONS = counter("hostwarden_source_rotations_total", &["source"], "Times that a file of the log was replaced or truncated.");
    SOURCE_LAST_RECORD = gauge("hostwarden_source_last_record_timestamp_seconds", &["source"],
        "When the newest record happened, by the log's own clock; absent before the first one.");
    SOURCE_PROXY_SUSPECTED = gauge("hostwarden_source_proxy_suspected", &["source"],
        "Whether most requests come from a proxy that is not among web.trusted_proxies, so that its address stands for all clients (1).");

    HTTP_REQUESTS = counter("hostwarden_http_requests_total", &["source", "site", "method", "code"],
        "Requests by site (known host names, else other), method and status class.");
    HTTP_RESPONSE_BYTES = counter("hostwarden_http_response_bytes_total", &["source", "site"], "Bytes sent in answers, as logged.");
    HTTP_REQUEST_DURATION = histogram("hostwarden_http_request_duration_seconds", &["source", "site", "traffic"],
        "Time taken per request, for logs that tell it. Traffic is attack for requests of a strong attack class and all those of suspicious clients, else user.");
    HTTP_REQUEST_WINDOW = gauge("hostwarden_http_request_window_seconds", &["source", "quantile"],
        "Request time of visitors (traffic user) over the last hour (in steps of five minutes), relative error at most 1 %. For looking, not for alerting: take the histogram there. Absent without requests.");

    HTTP_USER_REQUESTS = counter("hostwarden_http_user_requests_total", &["source", "site", "code"],
        "Requests of visitors by status class: all but those of strong attack classes and of suspicious clients.");
    HTTP_ATTACKS = counter("hostwarden_http_attacks_total", &["source", "site", "class"],
        "Requests that were taken for attacks, by class. Suspicious is a status code alone and says little.");
    HTTP_ATTACKS_BY_COUNTRY = counter("hostwarden_http_attacks_by_country_total", &["country"],
        "Requests of strong attack classes and refused logins by the country of the client (ISO 3166-1, ZZ unknown); a country appears once it was met.");
    HTTP_ATTACK_BYTES = counter("hostwarden_http_attack_bytes_total", &["source"],
        "Bytes sent to attackers: in answers to strong attack classes and to all requests of suspicious clients.");
    HTTP_BANNED_REQUESTS = counter("hostwarden_http_banned_requests_total", &["scenario"],
        "Requests in the web logs of clients that CrowdSec bans at that time, by the scenario they are banned for: the first 100 met, else other.");
    CLIENT_SUSPICION_SCORE = gauge("hostwarden_client_suspicion_score", &["client", "country"],
        "Suspicion score of the 20 clients with the highest ones, by address or pseudonym as configured. For tables, not for graphs: who leaves the list leaves the page.");
    CLIENTS_SUSPICIOUS = gauge("hostwarden_clients_suspicious", &[],
        "Clients with a suspicion score of detectors.suspicion.suspicious_score or more.");
    LINK_ENUMERATIONS = counter("hostwarden_link_enumerations_total", &["scope"],
        "Times that links were being guessed, by one client or by several of one network (IPv4 /24, IPv6 /48).");
    LINK_ENUMERATING_CLIENTS = gauge("hostwarden_link_enumerating_clients", &[], "Clients that were guessing links within the last hour.");
    WATCHLIST_CLIENTS = gauge("hostwarden_watchlist_clients", &["strikes"],
        "Slow attackers on the watchlist, by strikes that stand.");
    NEVER_BAN = counter("hostwarden_never_ban_total", &["reason"],
        "Findings that were dropped because they were about somebody who is never a candidate, by why.");

    BOT_MESSAGES = counter("hostwarden_bot_messages_total", &["source", "direction"], "Messages that the bot took in and sent out.");
    BOT_REPLY_DURATION = histogram("hostwarden_bot_reply_duration_seconds", &["source"],
        "Time from each incoming message to the next outgoing one to the same sender.");
    BOT_REPLY_WINDOW = gauge("hostwarden_bot_reply_window_seconds", &["source", "quantile"],
        "Reply time over the last hour (in steps of five minutes), relative error at most 1 %. For looking, not for alerting: take the histogram there. Absent without replies.");
    BOT_UNANSWERED_SENDERS = gauge("hostwarden_bot_unanswered_senders", &["source"],
        "Senders who have waited for a reply longer than detectors.bot_latency.unanswered_after_secs.");
    BOT_OLDEST_UNANSWERED = gauge("hostwarden_bot_oldest_unanswered_timestamp_seconds", &["source"],
        "When the message came that has waited longest among those counted as unanswered; absent if there is none.");
    BOT_ACTIVE_SENDERS = gauge("hostwarden_bot_active_senders", &["source"],
        "Distinct senders with a message in or out during the last hour; counts no further than the table senders holds.");
    BOT_ERRORS = counter("hostwarden_bot_errors_total", &["source", "kind"],
        "Error records that the bot logged, and tracebacks; a record with both counts under both.");
    BOT_NEW_ERROR_KINDS = counter("hostwarden_bot_new_error_kinds_total", &["source"],
        "Kinds of error met for the first time: messages that are alike once numbers, ids and addresses are taken out are one kind.");

    SSH_AUTH = counter("hostwarden_ssh_auth_total", &["source", "outcome"],
        "Attempts to log in over SSH; the lines that sshd writes of one attempt count once.");
    FIREWALL_EVENTS = counter("hostwarden_firewall_events_total", &["source", "action", "protocol"],
        "Packets that the firewall logged. It logs at a limited rate, so these are lower bounds.");
    PORT_SCANS = counter("hostwarden_port_scans_total", &[], "Port scans found in the firewall's log.");
    WEB_ERRORS = counter("hostwarden_web_errors_total", &["source", "kind"],
        "Records of the web server's error log. Visitors can forge these lines: for looking, not for acting.");
    PLAYERS_ONLINE = gauge("hostwarden_players_online", &["server"], "Players who came and have not left.");
    PLAYER_JOINS = counter("hostwarden_player_joins_total", &["server"], "Players who came.");
    PLAYER_LEAVES = counter("hostwarden_player_leaves_total", &["server"], "Players who left.");
    PLAYER_RETURNS = counter("hostwarden_player_returns_total", &["server"],
        "Players who came and had been here before, as far back as the table players reaches.");

    PROBE_SUCCESS = gauge("hostwarden_probe_success", &["probe"], "Whether the probe's last poll succeeded (1) or not (0).");
    PROBE_LAST_SUCCESS = gauge("hostwarden_probe_last_success_timestamp_seconds", &["probe"],
        "When the probe's last successful poll ended; absent before the first one.");
    PROBE_DURATION = gauge("hostwarden_probe_duration_seconds", &["probe"], "Time taken by the probe's last poll.");

    CONTAINER_STATE = gauge("hostwarden_container_state", &["container", "service", "state"],
        "Whether the container is in this state (1) or not (0).");
    CONTAINER_HEALTHY = gauge("hostwarden_container_healthy", &["container", "service"],
        "Whether the container's health check says healthy (1) or not or not yet (0); absent without a health check.");
    CONTAINER_STARTED = gauge("hostwarden_container_started_timestamp_seconds", &["container", "service"],
        "When the container was started last; absent if it never was.");
    CONTAINER_MEMORY = gauge("hostwarden_container_memory_bytes", &["container", "service"],
        "Memory that the container uses, as docker stats counts it: without inactive page cache. Absent while it does not run.");
    CONTAINER_MEMORY_LIMIT = gauge("hostwarden_container_memory_limit_bytes", &["container", "service"],
        "The most memory that the container may use; without a limit of its own, that of the machine. Absent while it does not run.");
    CONTAINER_CPU = counter("hostwarden_container_cpu_seconds_total", &["container", "service"],
        "Time on the processors; goes on over restarts of the container.");
    CONTAINER_RECEIVED = counter("hostwarden_container_network_receive_bytes_total", &["container", "service"],
        "Bytes received over all interfaces of the container; 0 on the network of the host, which Docker does not count.");
    CONTAINER_TRANSMITTED = counter("hostwarden_container_network_transmit_bytes_total", &["container", "service"],
        "Bytes sent over all interfaces of the container; 0 on the network of the host, which Docker does not count.");
    CONTAINER_RESTARTS = counter("hostwarden_container_restarts_total", &["container", "service"],
        "Times that Docker started the container again by itself.");
    CONTAINER_OOM_KILLS = counter("hostwarden_container_oom_kills_total", &["container", "service"],
        "Times that the kernel killed a process of the container for lack of memory.");
    CONTAINERS_LEFT_OUT = gauge("hostwarden_containers_left_out", &[], "Containers beyond the first 200, which are not shown.");

    INTEGRITY_CHANGES = counter("hostwarden_integrity_changes_total", &["explained"],
        "Changes of watched files; explained are those of the package manager.");
    INTEGRITY_FILES = gauge("hostwarden_integrity_files", &[], "Watched files that are there.");
    INTEGRITY_UNREADABLE_FILES = gauge("hostwarden_integrity_unreadable_files", &[],
        "Watched files that the exporter may not read: of these only size, owner and mode are watched.");

    CROWDSEC_DECISIONS = gauge("hostwarden_crowdsec_decisions", &["origin", "type", "scenario"],
        "Decisions of CrowdSec in force: one for each address, range or other target and type, the longest. The 100 combinations with most decisions; the rest is other. While CrowdSec is away, what it decided before holds until it ends.");
    UDP_PACKETS = counter("hostwarden_udp_received_packets_total", &["service", "port"],
        "Packets that arrived at the UDP port, of this machine or of a container, counted by the kernel; those that a firewall drops later on, too.");
    UDP_BYTES = counter("hostwarden_udp_received_bytes_total", &["service", "port"],
        "Bytes of the packets that arrived at the UDP port, with their headers of IP and UDP.");
    UDP_SOURCES = gauge("hostwarden_udp_sources", &["service", "port"],
        "Distinct addresses that sent to the UDP port within the last window (probes.udp_ports.window_secs). Up to 8192 of each address family: then there may be more. Sources can be forged.");
    UDP_FLOODS = counter("hostwarden_udp_floods_total", &["service", "kind"],
        "Floods of a UDP service, by the threshold that was reached: packets, bytes or sources.");

    HOST_CPU = counter("hostwarden_host_cpu_seconds_total", &["mode"],
        "Processor time since the machine started, all processors together. User and nice include what guests of a virtual machine took.");
    HOST_MEMORY = gauge("hostwarden_host_memory_bytes", &["kind"],
        "Main memory. Available is what programs can get without others being pushed out; used is the rest.");
    HOST_SWAP = gauge("hostwarden_host_swap_bytes", &["kind"], "Swap.");
    HOST_FILESYSTEM = gauge("hostwarden_host_filesystem_bytes", &["mount", "kind"],
        "Local filesystems, each once. Available is what others than root may still write.");
    HOST_LOAD = gauge("hostwarden_host_load", &["minutes"], "Tasks that run, or wait for a processor or a disk, on average.");
    HOST_BOOT = gauge("hostwarden_host_boot_timestamp_seconds", &[], "When the machine started.");
    HOST_PROCESS_MEMORY = gauge("hostwarden_host_process_memory_bytes", &["process"],
        "Resident memory of the ten names of programs with the most; what processes share counts for each. For tables, not for graphs: who leaves the list leaves the page.");
    HOST_PROCESS_CPU = gauge("hostwarden_host_process_cpu_ratio", &["process"],
        "Processor time per time since the poll before, of the ten names of programs with the most; 1 is one processor. For tables, not for graphs.");
    HOST_CONNECTIONS = gauge("hostwarden_host_connections", &["protocol", "state"], "Sockets of IPv4 and IPv6 by state.");
    HOST_LISTENING_PORTS = gauge("hostwarden_host_listening_ports", &["protocol", "scope"],
        "Ports that something listens on: reachable from this machine only (loopback), or from others unless a firewall forbids it (external).");
    HOST_LISTENING = gauge("hostwarden_host_listening", &["protocol", "port", "scope"],
        "Always 1: something listens on this port. At most 64, external before loopback and low ports before high ones; UDP ports once they were seen twice in a row.");
    HOST_FAILED_UNITS = gauge("hostwarden_host_failed_units", &[],
        "Units of systemd that have failed; absent where systemd cannot be asked. Findings tell which.");

    SQLSERVER_UP = gauge("hostwarden_sqlserver_up", &["instance"], "Whether the instance told its version (1) or not (0).");
    SQLSERVER_STAGE_DURATION = gauge("hostwarden_sqlserver_stage_duration_seconds", &["instance", "stage"],
        "Time taken by the last poll: until the server greeted back, by the TLS handshake, by the login, by the question. Stages that were not gone through are absent.");
    SQLSERVER_INFO = Metric {
        name: "hostwarden_sqlserver_info",
        kind: Kind::Info,
        labels: &["instance", "version"],
        help: "The first line of what the instance says of its version.",
    };
    SQLSERVER_FAILURES = counter("hostwarden_sqlserver_failures_total", &["instance", "reason"], "Polls that failed, by why.");

    FINDINGS = counter("hostwarden_findings_total", &["detector", "severity"], "What the detectors found.");

    INCIDENTS_OPEN = gauge("hostwarden_incidents_open", &["severity"],
        "Incidents that go on: findings of one kind about one subject, until it has been quiet. Players are none.");
    NOTIFICATIONS = counter("hostwarden_notifications_total", &["notifier", "outcome"],
        "Messages sent, attempts that have to be made again (retried), changes told together with others (merged), incidents that nobody hears of (dropped).");
    OUTBOX_LENGTH = gauge("hostwarden_outbox_length", &["notifier"], "What waits to be told.");
    OUTBOX_OLDEST = gauge("hostwarden_outbox_oldest_timestamp_seconds", &["notifier"],
        "Since when the oldest of what waits has been waiting; absent if nothing does.");
    FEED_ENTRIES = counter("hostwarden_feed_entries_total", &["feed"], "Entries that the feed took: messages, attacks, logins, packets, players, findings.");
    FEED_DROPPED = counter("hostwarden_feed_dropped_total", &["feed"],
        "Entries that were left out of the feed because too many came at once; they are counted everywhere else.");

    TRACKED = gauge("hostwarden_tracked", &["table"], "Entries in a bounded table.");
    TRACKED_LIMIT = gauge("hostwarden_tracked_limit", &["table"], "The most entries that a bounded table takes.");
    EVICTED = counter("hostwarden_evicted_total", &["table"], "Entries dropped from a full table to make room for new ones.");
    LABEL_OVERFLOW = counter("hostwarden_label_overflow_total", &["metric"],
        "Times that a label value outside of its list was counted as other.");
    EXPOSED_SERIES = gauge("hostwarden_exposed_series", &[], "Series on this page.");

    STATE_COMMIT_DURATION = histogram("hostwarden_state_commit_duration_seconds", &[], "Time taken to save the state; each page is saved before it is served.");
    STATE_COMMIT_FAILURES = counter("hostwarden_state_commit_failures_total", &[],
        "Times that the state could not be saved. Reading goes on, but a crash now would count lines again from the last save.");
    STATE_SET_ASIDE = counter("hostwarden_state_set_aside_total", &[],
        "Times that an unreadable state was kept aside and the exporter started empty.");
    ENGINE_INBOX = gauge("hostwarden_engine_inbox_batches", &[], "Batches of lines waiting for the engine.");
}

/// See its help: `PROCESS_START`.
pub const PROCESS_START: Metric = gauge("process_start_time_seconds", &[], "When the exporter started.");
/// See its help: `PROCESS_MEMORY`.
pub const PROCESS_MEMORY: Metric = gauge("process_resident_memory_bytes", &[], "Resident memory of the exporter.");

/// What every client of Prometheus says of its own process, under the names that all of them use. About this run alone: not saved.
pub const PROCESS: &[&Metric] = &[&PROCESS_START, &PROCESS_MEMORY];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in ALL {
            assert!(seen.insert(metric.name), "{} stands twice", metric.name);
            assert!(metric.name.starts_with("hostwarden_"), "{}", metric.name);
            assert!(metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Info, metric.name.ends_with("_info"), "{}", metric.name);
            assert!(metric.help.ends_with('.') && !metric.help.contains(['\\', '\n', '"']), "{}", metric.name);
            assert!(!metric.labels.contains(&"le") && !metric.labels.contains(&"job"), "{}", metric.name);
            // Prometheus has a label of this name, too; SQL Server's own word was promised all the same (docs/probes.md says what to set).
            let is_promised = metric.name.starts_with("hostwarden_sqlserver_");
            assert!(is_promised || !metric.labels.contains(&"instance"), "{}", metric.name);
        }
    }
}

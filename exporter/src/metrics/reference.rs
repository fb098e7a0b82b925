//! `docs/metrics.md`, made from the list of names.

use super::names::{ALL, Kind, PROCESS};

/// The seeds' names for the same things, so that who comes from one of them finds the new one.
const FORMER_NAMES: &[(&str, &str, &str)] = &[
    ("vps_control", "messages per minute", "`rate(hostwarden_bot_messages_total[5m]) * 60`"),
    ("vps_control", "bot latency p50/p95", "`hostwarden_bot_reply_window_seconds`, for alerts `hostwarden_bot_reply_duration_seconds`"),
    ("vps_control", "errors in the last hour", "`increase(hostwarden_bot_errors_total[1h])`"),
    ("security_dashboard", "by_domain: total requests", "`hostwarden_http_requests_total` by `site`"),
    ("security_dashboard", "req_time", "`hostwarden_http_request_duration_seconds`"),
    (
        "security_dashboard",
        "by_domain, by_attack_type: attacks",
        "`hostwarden_http_attacks_total` by `site`, by `class`; paths and clients: `/api/v1/attacks?by=site`",
    ),
    ("security_dashboard", "by_ip", "`/api/v1/clients`, `hostwarden why ADDRESS`, `hostwarden_client_suspicion_score`"),
    ("security_dashboard", "recent_blocks", "`/api/v1/attacks`"),
    ("security_dashboard", "top_countries", "`hostwarden_http_attacks_by_country_total`"),
    ("security_dashboard", "suspicious_ips", "`hostwarden_clients_suspicious`"),
    ("security_dashboard", "watchlist.json", "`hostwarden_watchlist_clients`, `/api/v1/watchlist`"),
    ("secdash", "failed logins", "`hostwarden_ssh_auth_total{outcome=~\"failed|invalid_user\"}`"),
    ("monitoring_platform", "netmon_players_online", "`hostwarden_players_online`"),
    ("monitoring_platform", "netmon_player_joins_total", "`hostwarden_player_joins_total`"),
    ("monitoring_platform", "netmon_player_leaves_total", "`hostwarden_player_leaves_total`"),
];

/// The page in Markdown.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Metrics\n\nMade by `hostwarden reference metrics`; do not edit by hand. Every counter is exact across rotation, restart and \
         `kill -9`, never goes backwards, and exists at 0 from the start for every label value known from the configuration.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in ALL.iter().chain(PROCESS) {
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("| `{}` | {} | {labels} | {} |\n", metric.name, metric.kind.as_str(), metric.help));
    }
    text.push_str("\n## Buckets and series\n\n");
    let histograms: Vec<_> =
        ALL.iter().filter(|metric| metric.kind == Kind::Histogram).map(|metric| format!("`{}`", metric.name)).collect();
    text.push_str(&format!(
        "{} are classic histograms: `_bucket`, `_sum` and `_count`. Their sums are kept in whole microseconds, so that no order of reading \
         changes them. A page has at most a few thousand series, whatever arrives: no label holds anything that a visitor can choose.\n",
        histograms.join(", ")
    ));
    text.push_str("\n## Coming from another tool\n\n| from | there | here |\n|---|---|---|\n");
    for (from, there, here) in FORMER_NAMES {
        text.push_str(&format!("| {from} | {there} | {here} |\n"));
    }
    text
}

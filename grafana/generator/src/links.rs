//! Where a number leads: to the dashboard of its cause, with the same hosts and time.

use crate::model::Link;

/// The dashboards' uids.
pub mod uid {
    /// Am I fine?
    pub const OVERVIEW: &str = "hostwarden-overview";
    /// The bot.
    pub const BOT: &str = "hostwarden-bot";
    /// Web servers.
    pub const WEB: &str = "hostwarden-web";
    /// Attacks.
    pub const SECURITY: &str = "hostwarden-security";
    /// One client.
    pub const CLIENT: &str = "hostwarden-client";
    /// Containers and SQL Server.
    pub const CONTAINERS: &str = "hostwarden-containers";
    /// Game servers.
    pub const GAMES: &str = "hostwarden-games";
    /// The machine.
    pub const HOST: &str = "hostwarden-host";
    /// The exporter itself.
    pub const OWN: &str = "hostwarden-self";
}

/// What every dashboard has, as part of an address.
const SAME: &str = "${prometheus_datasource:queryparam}&${loki_datasource:queryparam}&${instance:queryparam}&${__url_time_range}";

/// To a dashboard.
pub fn to(title: &str, uid: &str) -> Link {
    Link { title: title.to_owned(), url: format!("/d/{uid}?{SAME}"), target_blank: false }
}

/// To a dashboard about one thing: the value of a label of the series that was clicked on.
pub fn by_label(title: &str, uid: &str, variable: &str, label: &str) -> Link {
    with(title, uid, &[(variable, &format!("${{__field.labels.{label}}}"))])
}

/// To a dashboard about one thing: what stands in a column of the row that was clicked on.
pub fn by_column(title: &str, uid: &str, variable: &str, column: &str) -> Link {
    with(title, uid, &[(variable, &format!("${{__data.fields.{column}}}"))])
}

/// To a dashboard with these values of its variables.
pub fn with(title: &str, uid: &str, values: &[(&str, &str)]) -> Link {
    let values: String = values.iter().map(|(name, value)| format!("&var-{name}={value}")).collect();
    Link { title: title.to_owned(), url: format!("/d/{uid}?{SAME}{values}"), target_blank: false }
}

/// To somewhere else.
pub fn away(title: &str, url: &str) -> Link {
    Link { title: title.to_owned(), url: url.to_owned(), target_blank: true }
}

/// To the lines of a feed in Explore, where they can be watched as they come, and paused.
pub fn live(feed: &str) -> Link {
    let query = format!(r#"{{job=\"hostwarden\", feed=\"{feed}\"}}"#);
    let panes = format!(
        r#"{{"live":{{"datasource":"${{loki_datasource}}","queries":[{{"refId":"A","expr":"{query}","queryType":"range"}}],"range":{{"from":"now-1h","to":"now"}}}}}}"#
    );
    away("Watch live in Explore", &format!("/explore?schemaVersion=1&panes={}", encoded(&panes)))
}

/// Percent-encoded, but for the variables of Grafana.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() || b"-_.${}".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

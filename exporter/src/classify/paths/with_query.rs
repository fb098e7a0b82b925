//! Holes that only the path and the query together show.

use crate::classify::rules::{Rule, rule};

/// A path rule that needs something in the query too.
pub(in crate::classify) struct QueryRule {
    pub(in crate::classify) rule: Rule,
    /// Lower case, in the resolved path.
    pub(in crate::classify) path: &'static str,
    /// Lower case: one of them is in the decoded query.
    pub(in crate::classify) queries: &'static [&'static str],
}

/// All rules of this kind.
pub(in crate::classify) const QUERY_RULES: &[QueryRule] = &[
    QueryRule {
        rule: rule!(
            RceAttempt,
            "PHP-CGI argument",
            "Tried to run PHP code through the arguments of PHP-CGI (CVE-2012-1823, CVE-2024-4577)"
        ),
        path: "/",
        queries: &["-d allow_url_include", "auto_prepend_file"],
    },
    QueryRule {
        rule: rule!(CveProbe, "LuCI without login", "Tried a known hole of OpenWrt-based routers (CVE-2023-1389)"),
        path: "/cgi-bin/luci",
        queries: &["operation="],
    },
    QueryRule {
        rule: rule!(CveProbe, "PHP debugger", "Tried to start a remote PHP debugger"),
        path: "/",
        queries: &["xdebug_session_start="],
    },
    QueryRule {
        rule: rule!(CveProbe, "GraphQL introspection", "Tried to read the whole schema of an interface"),
        path: "/graphql",
        queries: &["__schema"],
    },
    QueryRule {
        rule: rule!(CveProbe, "user list of WordPress", "Tried to read the names of WordPress users"),
        path: "/",
        queries: &["rest_route=/wp/v2/users"],
    },
    QueryRule {
        rule: rule!(CveProbe, "file manager connector", "Tried a known hole of a file manager"),
        path: "connector",
        queries: &["cmd=file"],
    },
];

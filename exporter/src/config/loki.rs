//! The section `[notifiers.loki]`.

use super::parse::{base_url, not_empty};
use super::secrets::Names;
use super::section::Section;
use super::values::Wrong;
use super::{Feed, Secret};

/// The archive of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Loki {
    /// Where its API is, without a slash at the end.
    pub url: String,
    /// Its label `instance`; `None`: the name of this machine.
    pub instance: Option<String>,
    /// Whose log it is, if it keeps several.
    pub tenant: Option<String>,
    /// For basic authentication, with the password.
    pub user: Option<String>,
    /// See [`Loki::user`].
    pub password: Option<Secret>,
    /// Shown instead of user and password.
    pub bearer_token: Option<Secret>,
    /// How long a push may take.
    pub timeout_secs: u64,
    /// How long entries wait for others to be pushed with them.
    pub interval_secs: u64,
    /// The most entries of a push.
    pub batch_entries: usize,
}

/// Reads it; `feed` is what would be pushed. `None`: no address is given.
pub(super) fn read(notifiers: &mut Section<'_, '_>, feed: &Feed) -> Option<Loki> {
    notifiers.section("loki", "Pushes the feed to Loki, or to what takes the same; off without an address.", |loki| {
        let url = loki.optional("url", "http://127.0.0.1:3100", "Where its API is; /loki/api/v1/push is added.", base_url);
        let doc = "The label `instance`; empty: the name of this machine. As Prometheus calls it, so that dashboards find both.";
        let instance = loki.optional("instance", "this-host", doc, header_text);
        let tenant = loki.optional("tenant", "hosting", "Whose log it is (X-Scope-OrgID), if Loki keeps several.", header_text);
        let user = loki.optional("user", "hostwarden", "For basic authentication.", not_empty);
        let names = Names { text: "password", file: "password_file", alias: "" };
        let password = loki.secret(&names, "The user's password.", |text| not_empty(text).map(drop));
        let names = Names { text: "bearer_token", file: "bearer_token_file", alias: "" };
        let bearer_token = loki.secret(&names, "Shown in the header `Authorization: Bearer …`.", |text| header_text(text).map(drop));
        let timeout_secs = loki.number("timeout_secs", 10, 1..=300, "How long a push may take.");
        let interval_secs = loki.number("interval_secs", 5, 1..=300, "How long entries wait for others to be pushed with them.");
        let batch_entries = loki.size("batch_entries", 500, 1..=10_000, "The most entries of a push.");
        if user.is_some() != password.is_some() {
            let missing = if user.is_some() { "password" } else { "user" };
            loki.problem(missing, "is missing", "give user and password, or neither");
        }
        if user.is_some() && bearer_token.is_some() {
            loki.problem("bearer_token", "is given beside a user", "keep one of them");
        }
        if url.is_some() && !feed.enabled {
            loki.problem("url", "is given, but there is nothing to push", "set feed.enabled = true, or leave it empty");
        }
        url.map(|url| Loki { url, instance, tenant, user, password, bearer_token, timeout_secs, interval_secs, batch_entries })
    })
}

/// What fits into a header, or into a label.
fn header_text(text: &str) -> Result<String, Wrong> {
    let fits = !text.is_empty() && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic());
    // A secret may be read by this: its text is not repeated.
    let what = "is empty, too long, or holds blanks or characters beyond ASCII".to_owned();
    if fits { Ok(text.to_owned()) } else { Err(Wrong { what, remedy: "write 1 to 256 ASCII characters".to_owned() }) }
}

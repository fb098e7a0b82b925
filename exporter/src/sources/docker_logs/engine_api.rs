//! What is asked of the Docker Engine: which container has a name, its log, and events that concern the name. GET only.
//!
//! The log comes as bytes, so that however long its lines are only a little is held at a time.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

pub(super) use crate::docker_api::Answer;
use crate::docker_api::{self, Client, Endpoint};

/// How long the engine may take for an answer's head, or for all of a short one. It is slow when many containers start.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The longest short answer: a list of one container.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Why the engine gave no answer. All of it is weather: told, and tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It could not be asked, broke off, or refuses.
    #[error("{}", self::cause(.0))]
    Api(#[from] docker_api::Error),
    /// No answer in time.
    #[error("no answer within {} s", ANSWER_WITHIN.as_secs())]
    TimedOut,
    /// It tells of a container that cannot be asked for.
    #[error("the answer cannot be read: a container without an id")]
    NoId,
}

impl Error {
    /// Whether it only says that there is no such container.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Api(docker_api::Error::Refused { status, .. }) if status.as_u16() == 404)
    }

    /// Whether this user may not speak to the engine.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Api(docker_api::Error::Connect(error)) if error.kind() == std::io::ErrorKind::PermissionDenied)
    }
}

/// In the words of all sources where the system has the say.
fn cause(error: &docker_api::Error) -> String {
    match error {
        docker_api::Error::Connect(error) => super::super::cause(error),
        error => error.to_string(),
    }
}

/// Waits for an answer only so long.
async fn within<T>(answer: impl Future<Output = Result<T, docker_api::Error>>) -> Result<T, Error> {
    Ok(tokio::time::timeout(ANSWER_WITHIN, answer).await.map_err(|_| Error::TimedOut)??)
}

/// A container that has the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) is_running: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    state: String,
}

/// Asks for the container of this name.
pub(super) async fn find(endpoint: &Endpoint, name: &str) -> Result<Option<Container>, Error> {
    // The engine takes a regular expression. Of all that names are made of, only the dot means something in it.
    let filters = serde_json::json!({ "name": [format!("^/{}$", name.replace('.', "\\."))] });
    let path = format!("/containers/json?all=1&filters={}", escaped(&filters.to_string()));
    let listed: Vec<Listed> = within(Client::new(endpoint.clone()).get(&path, MAX_ANSWER_BYTES)).await?;
    let is_it = |listed: &Listed| listed.names.iter().any(|listed| listed.strip_prefix('/') == Some(name));
    let is_id = |id: &str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match listed.into_iter().find(is_it) {
        Some(found) if !is_id(&found.id) => Err(Error::NoId),
        found => Ok(found.map(|Listed { id, state, .. }| Container { id, is_running: matches!(state.as_str(), "running" | "paused") })),
    }
}

/// Asks for a container's log with times, from this second since the epoch on; with `follow` it does not end while the container runs.
pub(super) async fn logs(endpoint: &Endpoint, id: &str, since: Option<i64>, follow: bool) -> Result<Answer, Error> {
    let since = since.map(|since| format!("&since={since}")).unwrap_or_default();
    let follow = if follow { "&follow=1" } else { "" };
    open(endpoint, &format!("/containers/{id}/logs?stdout=1&stderr=1&timestamps=1{since}{follow}")).await
}

/// Asks for the events after which another container may have this name, or its log may go on.
pub(super) async fn events(endpoint: &Endpoint, name: &str) -> Result<Answer, Error> {
    let kinds = ["create", "start", "rename", "die", "destroy"];
    let filters = serde_json::json!({ "type": ["container"], "container": [name], "event": kinds });
    open(endpoint, &format!("/events?filters={}", escaped(&filters.to_string()))).await
}

async fn open(endpoint: &Endpoint, path: &str) -> Result<Answer, Error> {
    within(Client::new(endpoint.clone()).open(path)).await
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

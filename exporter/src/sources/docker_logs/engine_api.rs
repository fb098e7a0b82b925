//! What is asked of the Docker Engine: which container has a name, its log, and events that concern the name. GET only.
//!
//! The log comes as bytes, so that however long its lines are only a little is held at a time.

use std::pin::Pin;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::docker_api::Endpoint;

/// How long the engine may take for an answer's head, or for all of a short one. It is slow when many containers start.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The longest short answer: a list of one container.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// The longest words of the engine that are repeated to people.
const MAX_WORDS: usize = 200;

/// Why the engine gave no answer. All of it is weather: told, and tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Nobody listens there, or this user may not ask.
    #[error("{}", super::super::cause(.0))]
    Connect(std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(hyper::Error),
    /// It refuses, in its own words.
    #[error("status {status}: {words}")]
    Refused { status: StatusCode, words: String },
    /// No answer in time.
    #[error("no answer within {} s", ANSWER_WITHIN.as_secs())]
    TimedOut,
    /// The answer says nothing that is known.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

impl Error {
    /// Whether it only says that there is no such container.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// Whether this user may not speak to the engine.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Connect(error) if error.kind() == std::io::ErrorKind::PermissionDenied)
    }
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
    let whole = async {
        let Answer { body, mut connection, .. } = ask(endpoint, &path).await?;
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect();
        tokio::pin!(body);
        loop {
            tokio::select! {
                biased;
                body = &mut body => return body.map(|body| body.to_bytes()).map_err(|error| Error::Unreadable(error.to_string())),
                () = connection.drive() => {}
            }
        }
    };
    let answer = tokio::time::timeout(ANSWER_WITHIN, whole).await.map_err(|_| Error::TimedOut)??;
    let listed: Vec<Listed> = serde_json::from_slice(&answer).map_err(|error| Error::Unreadable(error.to_string()))?;
    let is_it = |listed: &Listed| listed.names.iter().any(|listed| listed.strip_prefix('/') == Some(name));
    let is_id = |id: &str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match listed.into_iter().find(is_it) {
        Some(found) if !is_id(&found.id) => Err(Error::Unreadable("a container without an id".to_owned())),
        found => Ok(found.map(|Listed { id, state, .. }| Container { id, is_running: matches!(state.as_str(), "running" | "paused") })),
    }
}

/// Asks for a container's log with times, from this second since the epoch on; with `follow` it does not end while the container runs.
pub(super) async fn logs(endpoint: &Endpoint, id: &str, since: Option<i64>, follow: bool) -> Result<Answer, Error> {
    let since = since.map(|since| format!("&since={since}")).unwrap_or_default();
    let follow = if follow { "&follow=1" } else { "" };
    ask(endpoint, &format!("/containers/{id}/logs?stdout=1&stderr=1&timestamps=1{since}{follow}")).await
}

/// Asks for the events after which another container may have this name, or its log may go on.
pub(super) async fn events(endpoint: &Endpoint, name: &str) -> Result<Answer, Error> {
    let kinds = ["create", "start", "rename", "die", "destroy"];
    let filters = serde_json::json!({ "type": ["container"], "container": [name], "event": kinds });
    ask(endpoint, &format!("/events?filters={}", escaped(&filters.to_string()))).await
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// An answer that is coming in.
pub(super) struct Answer {
    body: Incoming,
    connection: Connection,
    /// The connection lives as long as this.
    _sender: SendRequest<Empty<Bytes>>,
}

/// Moves the bytes of an answer; nobody else does.
struct Connection(Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>);

impl Connection {
    /// Does not return before the connection ends, and never twice. What breaks it breaks the answer too, and is told there.
    async fn drive(&mut self) {
        match &mut self.0 {
            Some(connection) => drop(connection.await),
            None => std::future::pending().await,
        }
        self.0 = None;
    }
}

impl Answer {
    /// The next bytes; `None` at the answer's end. May be dropped and asked again without loss.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            tokio::select! {
                biased;
                frame = self.body.frame() => match frame {
                    None => return Ok(None),
                    Some(Ok(frame)) => if let Ok(bytes) = frame.into_data() { return Ok(Some(bytes)) },
                    Some(Err(error)) => return Err(Error::Broken(error)),
                },
                () = self.connection.drive() => {}
            }
        }
    }
}

async fn ask(endpoint: &Endpoint, path: &str) -> Result<Answer, Error> {
    let answer = async {
        match endpoint {
            Endpoint::Unix(socket) => send(UnixStream::connect(socket).await.map_err(Error::Connect)?, path).await,
            Endpoint::Tcp(address) => send(TcpStream::connect(address).await.map_err(Error::Connect)?, path).await,
        }
    };
    tokio::time::timeout(ANSWER_WITHIN, answer).await.unwrap_or(Err(Error::TimedOut))
}

async fn send<T>(stream: T, path: &str) -> Result<Answer, Error>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let request = Request::get(path).header(header::HOST, "docker").body(Empty::new());
    let request = request.map_err(|error| Error::Unreadable(error.to_string()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Error::Broken)?;
    let mut connection = Connection(Some(Box::pin(connection)));
    let response = {
        let response = sender.send_request(request);
        tokio::pin!(response);
        loop {
            tokio::select! {
                biased;
                response = &mut response => break response.map_err(Error::Broken)?,
                () = connection.drive() => {}
            }
        }
    };
    let status = response.status();
    let mut answer = Answer { body: response.into_body(), connection, _sender: sender };
    if status.is_success() {
        return Ok(answer);
    }
    let mut words = Vec::new();
    while words.len() < 4096
        && let Ok(Some(bytes)) = answer.chunk().await
    {
        words.extend_from_slice(&bytes);
    }
    Err(Error::Refused { status, words: self::words(&words) })
}

/// What the engine says, fit for people: its message, or what a proxy answers in its place.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    let text = serde_json::from_slice(body).map_or_else(|_| String::from_utf8_lossy(body).into_owned(), |Said { message }| message);
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_and_of_one_line() {
        assert_eq!(words(br#"{"message":"No such container:\n\u001b[1mx"}"#), "No such container: [1mx");
        assert_eq!(words(b"<html>\r\nForbidden</html>"), "<html> Forbidden</html>");
        assert_eq!(words(&[b'a'; 4096]).len(), MAX_WORDS);
    }
}

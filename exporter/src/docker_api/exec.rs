//! Runs a command in a container: the only part that asks for more than GET. Who may do this is root in the container, so nothing reaches
//! it but the probe of SQL Server, for containers that the user named (tests/rooms.rs).

use std::time::Duration;

use hyper::{Request, header};
use serde::Deserialize;
use serde_json::json;

use super::client::{Answer, send};
use super::{Client, Endpoint, Error, frames};

/// The longest short answer, in bytes.
const ANSWER_BYTES: usize = 64 * 1024;
/// How long it is waited before it is asked again whether the process has ended. Its output ends a moment before.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What became of a command.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Its exit code; 126 or 127 if it could not be started.
    pub code: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    running: bool,
    exit_code: Option<i64>,
}

/// Runs `command`, a program's path and its arguments without a shell, with `environment` (`NAME=value`) in the container of this name
/// (as Docker allows names: it is part of a path) and waits until it has ended.
///
/// Has no time-out, and who stops waiting does not stop the process: Docker has no means for that, the command must end by itself.
///
/// # Errors
///
/// Status 404: there is no such container. 409: it does not run. [`Error::TooLong`]: it writes more than `max_bytes`.
pub async fn run(
    endpoint: &Endpoint,
    container: &str,
    command: &[String],
    environment: &[String],
    max_bytes: usize,
) -> Result<Ended, Error> {
    let wanted = json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": command, "Env": environment });
    let Created { id } = post(endpoint, &format!("/containers/{container}/exec"), &wanted).await?.json(ANSWER_BYTES).await?;
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Error::Unexpected("an exec without an id".to_owned()));
    }
    let mut output = post(endpoint, &format!("/exec/{id}/start"), &json!({ "Detach": false, "Tty": false })).await?;
    let sent = output.bytes(max_bytes).await?;
    if sent.len() > max_bytes {
        return Err(Error::TooLong(max_bytes));
    }
    let mut ended = Ended { code: exit_code(endpoint, &id).await?, ..Ended::default() };
    for (stream, piece) in frames(&sent) {
        let all = if stream == 2 { &mut ended.stderr } else { &mut ended.stdout };
        all.extend_from_slice(piece);
    }
    Ok(ended)
}

async fn post(endpoint: &Endpoint, path: &str, body: &serde_json::Value) -> Result<Answer, Error> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    send(endpoint, request, body.to_string().into()).await
}

async fn exit_code(endpoint: &Endpoint, id: &str) -> Result<i64, Error> {
    let client = Client::new(endpoint.clone());
    loop {
        match client.get(&format!("/exec/{id}/json"), ANSWER_BYTES).await? {
            Inspected { running: false, exit_code: Some(code) } => return Ok(code),
            _ => tokio::time::sleep(ASK_AGAIN_AFTER).await,
        }
    }
}

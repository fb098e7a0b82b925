//! Asks the Docker API: GET and nothing else, each answer bounded in size. Paths carry no version: every engine from 20.10 on answers
//! those in its newest one, and what is read here has been in all of them.

use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::probes::Error;

/// The most of a refusal's text that is told.
const REFUSAL_CHARS: usize = 200;
/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Where Docker, or a proxy before it, listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket of this machine.
    Unix(PathBuf),
    /// `host:port`, plain.
    Tcp(String),
}

impl Endpoint {
    /// The endpoint of `unix:///path` or `tcp://host:port`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix://") {
            return path.starts_with('/').then(|| Self::Unix(path.into()));
        }
        let address = text.strip_prefix("tcp://")?.trim_end_matches('/');
        let (host, port) = address.rsplit_once(':')?;
        let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
        (is_host && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| Self::Tcp(address.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix://{}", path.display()),
            Self::Tcp(address) => write!(out, "tcp://{address}"),
        }
    }
}

/// Asks one endpoint. A connection serves one question: on this machine that costs next to nothing, and nothing can hang behind another.
#[derive(Clone, Debug)]
pub(super) struct Client {
    endpoint: Endpoint,
}

/// What has been answered so far, and the connection that the rest comes over.
pub(super) struct Answer {
    connection: Option<Connection>,
    body: Incoming,
}

type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

impl Client {
    /// Asks here.
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    /// The answer to `GET path` as JSON of no more than `max_bytes`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, max_bytes: usize) -> Result<T, Error> {
        let bytes = self.get_bytes(path, max_bytes).await?;
        if bytes.len() > max_bytes {
            return Err(self.failed(path, format!("the answer has more than {max_bytes} bytes")));
        }
        serde_json::from_slice(&bytes).map_err(|error| self.failed(path, format!("the answer is not what was expected: {error}")))
    }

    /// The answer to `GET path`, cut off somewhere behind `max_bytes`.
    pub(super) async fn get_bytes(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut answer = self.open(path).await?;
        let mut bytes = Vec::new();
        while bytes.len() <= max_bytes
            && let Some(piece) = answer.next().await.map_err(|error| self.failed(path, error))?
        {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Asks `GET path`; what comes back was granted.
    pub(super) async fn open(&self, path: &str) -> Result<Answer, Error> {
        let connecting = async {
            match &self.endpoint {
                Endpoint::Unix(socket) => self.ask(UnixStream::connect(socket).await, "docker", path).await,
                Endpoint::Tcp(address) => self.ask(TcpStream::connect(address).await, address, path).await,
            }
        };
        connecting.await
    }

    async fn ask<S>(&self, stream: std::io::Result<S>, host: &str, path: &str) -> Result<Answer, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = stream.map_err(|error| Error::failed(format!("connect to {}", self.endpoint), error))?;
        let request = Request::get(path).header(header::HOST, host).header(header::CONNECTION, "close").body(Empty::<Bytes>::new());
        let request = request.map_err(|error| self.failed(path, error))?;
        let handshake = http1::Builder::new().max_buf_size(64 * 1024).handshake(TokioIo::new(stream));
        let (mut sender, connection) = tokio::time::timeout(CONNECT_WITHIN, handshake)
            .await
            .map_err(|_| Error::TimedOut(CONNECT_WITHIN))?
            .map_err(|error| self.failed(path, error))?;
        let mut connection: Option<Connection> = Some(Box::pin(connection));
        let mut sending = std::pin::pin!(sender.send_request(request));
        let response = poll_fn(|context| {
            drive(&mut connection, context);
            sending.as_mut().poll(context)
        });
        let response = response.await.map_err(|error| self.failed(path, error))?;
        let status = response.status();
        let mut answer = Answer { connection, body: response.into_body() };
        if status.is_success() {
            return Ok(answer);
        }
        let said = answer.next().await.ok().flatten().unwrap_or_default();
        Err(self.failed(path, refusal(status.as_u16(), &said)))
    }

    fn failed(&self, path: &str, cause: impl fmt::Display) -> Error {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        Error::failed(format!("ask {} for {path}", self.endpoint), cause)
    }
}

impl Answer {
    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        let Self { connection, body } = self;
        loop {
            let frame = poll_fn(|context| {
                drive(connection, context);
                Pin::new(&mut *body).poll_frame(context)
            });
            match frame.await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error),
                // Trailers are nothing for us.
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }
}

/// Lets the connection work. Who waits for its answer learns there if it broke.
fn drive(connection: &mut Option<Connection>, context: &mut std::task::Context<'_>) {
    if let Some(running) = connection
        && let Poll::Ready(_) = running.as_mut().poll(context)
    {
        *connection = None;
    }
}

/// Why Docker, or a proxy before it, would not answer: `status 403: forbidden by the rules`.
fn refusal(status: u16, said: &[u8]) -> String {
    let message = serde_json::from_slice::<serde_json::Value>(said).ok().and_then(|said| said["message"].as_str().map(str::to_owned));
    let message = message.unwrap_or_else(|| String::from_utf8_lossy(said).into_owned());
    let message: String = message.trim().chars().take(REFUSAL_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if message.is_empty() { format!("status {status}") } else { format!("status {status}: {message}") }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn endpoints_are_sockets_or_addresses() {
        for (text, expected) in [
            ("unix:///var/run/docker.sock", Some("unix:///var/run/docker.sock")),
            ("tcp://127.0.0.1:2375", Some("tcp://127.0.0.1:2375")),
            ("tcp://socket-proxy:2375/", Some("tcp://socket-proxy:2375")),
            ("tcp://[::1]:2375", Some("tcp://[::1]:2375")),
            ("unix://run/docker.sock", None),
            ("tcp://host", None),
            ("tcp://host:0", None),
            ("tcp://:2375", None),
            ("tcp://us er@host:1", None),
            ("https://host:2376", None),
            ("", None),
        ] {
            assert_eq!(Endpoint::parse(text).map(|endpoint| endpoint.to_string()).as_deref(), expected, "{text}");
        }
    }

    /// What the client makes of a server that sends this and closes.
    async fn asked(sent: &[u8]) -> Result<serde_json::Value, String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            assert!(head[..read].starts_with(b"GET /thing?with=this HTTP/1.1\r\nhost: 127.0.0.1:"));
            // It may have heard enough.
            stream.write_all(sent).await.ok();
        };
        let client = Client::new(Endpoint::Tcp(address.clone()));
        let (_, answer) = tokio::join!(serve, client.get("/thing?with=this", 1_000));
        answer.map_err(|error| error.to_string().replace(&address, "HOST"))
    }

    #[tokio::test]
    async fn answers_are_bounded_and_refusals_clear() {
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(asked(answer("[1]").as_bytes()).await, Ok(serde_json::json!([1])));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n";
        assert_eq!(asked(chunked).await, Ok(serde_json::json!([1])));
        let what = "ask tcp://HOST for /thing: ";
        let long = answer(&format!("[{}]", " ".repeat(20_000_000)));
        let refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!";
        for (sent, problem) in [
            (long.as_bytes(), "the answer has more than 1000 bytes"),
            (answer("<html>").as_bytes(), "the answer is not what was expected"),
            (refused.as_slice(), "status 403: no!"),
            (b"SSH-2.0-Go\r\n", "invalid HTTP"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1]", ""),
            (b"", ""),
        ] {
            let told = asked(sent).await.unwrap_err();
            assert!(told.starts_with(what) && told.contains(problem), "{told}");
        }
    }

    #[test]
    fn refusals_are_told_shortly() {
        assert_eq!(refusal(500, br#"{"message":"no such\nthing"}"#), "status 500: no such thing");
        assert_eq!(refusal(403, b""), "status 403");
        assert_eq!(refusal(403, &[b'<'; 9_000]).chars().count(), "status 403: ".len() + REFUSAL_CHARS);
    }
}

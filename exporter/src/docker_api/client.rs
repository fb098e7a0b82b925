//! Asks the Docker API: GET and nothing else, each answer bounded in size or read piece by piece.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::{Endpoint, Error};

/// The most of a refusal's text that is read, in bytes, and told, in characters.
const REFUSAL_BYTES: usize = 4096;
const REFUSAL_CHARS: usize = 200;

/// Asks one endpoint. A connection serves one question: on this machine that costs next to nothing, and nothing can hang behind another.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Endpoint,
}

/// What has been answered so far, and the connection that the rest comes over.
pub struct Answer {
    connection: Option<Connection>,
    body: Incoming,
}

type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

impl Client {
    /// Asks here.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    /// Where it asks.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The answer to `GET path` as JSON of no more than `max_bytes`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, max_bytes: usize) -> Result<T, Error> {
        self.open(path).await?.json(max_bytes).await
    }

    /// The answer to `GET path`, cut off somewhere behind `max_bytes`.
    pub async fn get_bytes(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, Error> {
        self.open(path).await?.bytes(max_bytes).await
    }

    /// Asks `GET path`; what comes back was granted.
    pub async fn open(&self, path: &str) -> Result<Answer, Error> {
        send(&self.endpoint, Request::get(path), Bytes::new()).await
    }
}

/// Sends a request to `endpoint`; what comes back was granted.
pub(super) async fn send(endpoint: &Endpoint, request: hyper::http::request::Builder, body: Bytes) -> Result<Answer, Error> {
    let request = |host: &str| {
        let request = request.header(header::HOST, host).header(header::CONNECTION, "close").body(Full::new(body));
        request.map_err(Error::Unaskable)
    };
    match endpoint {
        Endpoint::Unix(socket) => ask(UnixStream::connect(socket).await.map_err(Error::Connect)?, request("docker")?).await,
        Endpoint::Tcp(address) => ask(TcpStream::connect(address).await.map_err(Error::Connect)?, request(address)?).await,
    }
}

async fn ask<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = http1::Builder::new().max_buf_size(64 * 1024).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(Error::Broken)?;
    let mut connection: Option<Connection> = Some(Box::pin(connection));
    let mut sending = std::pin::pin!(sender.send_request(request));
    let response = poll_fn(|context| {
        drive(&mut connection, context);
        sending.as_mut().poll(context)
    });
    let response = response.await.map_err(Error::Broken)?;
    let status = response.status();
    let mut answer = Answer { connection, body: response.into_body() };
    if status.is_success() {
        return Ok(answer);
    }
    let said = answer.bytes(REFUSAL_BYTES).await.unwrap_or_default();
    Err(Error::Refused { status, words: words(&said) })
}

impl Answer {
    /// The next piece; `None` at the end. May be dropped and asked again without loss.
    pub async fn next(&mut self) -> Result<Option<Bytes>, hyper::Error> {
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

    /// All of it, cut off somewhere behind `max_bytes`.
    pub(super) async fn bytes(&mut self, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while bytes.len() <= max_bytes
            && let Some(piece) = self.next().await.map_err(Error::Broken)?
        {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// All of it as JSON of no more than `max_bytes`.
    pub(super) async fn json<T: DeserializeOwned>(&mut self, max_bytes: usize) -> Result<T, Error> {
        let bytes = self.bytes(max_bytes).await?;
        if bytes.len() > max_bytes {
            return Err(Error::TooLong(max_bytes));
        }
        serde_json::from_slice(&bytes).map_err(|error| Error::Unexpected(error.to_string()))
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

/// What Docker, or a proxy before it, says when it refuses, fit for people.
fn words(said: &[u8]) -> String {
    let message = serde_json::from_slice::<serde_json::Value>(said).ok().and_then(|said| said["message"].as_str().map(str::to_owned));
    let message = message.unwrap_or_else(|| String::from_utf8_lossy(said).into_owned());
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(REFUSAL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

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
        let client = Client::new(Endpoint::Tcp(address));
        let (_, answer) = tokio::join!(serve, client.get("/thing?with=this", 1_000));
        answer.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn answers_are_bounded_and_refusals_clear() {
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(asked(answer("[1]").as_bytes()).await, Ok(serde_json::json!([1])));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n";
        assert_eq!(asked(chunked).await, Ok(serde_json::json!([1])));
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
            assert!(told.starts_with(problem), "{told}");
        }
    }

    #[test]
    fn refusals_are_told_shortly() {
        let told = |status, said: &[u8]| {
            let status = hyper::StatusCode::from_u16(status).unwrap();
            Error::Refused { status, words: words(said) }.to_string()
        };
        assert_eq!(told(500, br#"{"message":"no such\n\u001b[1mthing"}"#), "status 500: no such [1mthing");
        assert_eq!(told(403, b"<html>\r\nForbidden</html>"), "status 403: <html> Forbidden</html>");
        assert_eq!(told(403, b""), "status 403");
        assert_eq!(told(403, &[b'<'; 9_000]).chars().count(), "status 403: ".len() + REFUSAL_CHARS);
    }
}

//! A server that speaks as much TDS as the probe needs (MS-TDS: greeting, TLS inside packets, login, one row), and misbehaves on demand.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, version::TLS12};

pub(crate) const USER: &str = "hostwarden";
pub(crate) const PASSWORD: &str = "pässwörd-4711";
pub(crate) const VERSION: &str = "Microsoft SQL Server 2022 (RTM-CU13) - 16.0.4125.3 (X64) \n\tMay  1 2024\n\tCopyright (C) 2022";

/// What the server is asked to do, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Greeting,
    Handshake,
    Login,
    Query,
}

/// What it does instead.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing, for ever.
    Silence,
    /// Ends the connection.
    Cut,
    /// Says something else.
    Garbage,
    /// The right thing, but late. By real time, as what is tried measures it; nothing but the client waits for it.
    Late(Duration),
    /// Another answer.
    Answer(Vec<u8>),
}

/// How it behaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behaviour {
    pub(crate) fault: Option<(Step, Fault)>,
    /// What it says of encryption: 1 is all, 0 the login alone, 2 none.
    pub(crate) encryption: Option<u8>,
    /// Ends the connection after an answer of another kind.
    pub(crate) is_short: bool,
}

/// Serves until the test ends.
pub(crate) async fn start(behaviour: Behaviour) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let behaviour = behaviour.clone();
            tokio::spawn(async move { drop(serve(tcp, &behaviour).await) });
        }
    });
    address
}

async fn serve(mut tcp: TcpStream, behaviour: &Behaviour) -> io::Result<()> {
    let encryption = behaviour.encryption.unwrap_or(1);
    let (kind, _) = read_packet(&mut tcp).await?;
    assert_eq!(kind, 0x12, "a greeting comes first");
    // Two options, each with offset and length: the version, and whether to encrypt.
    let greeting = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0x10, 0x1d, 0, 0, encryption];
    behaviour.answer(Step::Greeting, &mut tcp, &greeting).await?;
    match behaviour.fault {
        Some((Step::Handshake, Fault::Late(late))) => {
            // Only once the client has begun.
            tcp.peek(&mut [0]).await?;
            tokio::time::sleep(late).await;
        }
        Some((Step::Handshake, _)) => {
            read_packet(&mut tcp).await?;
            return behaviour.answer(Step::Handshake, &mut tcp, &[]).await;
        }
        _ => {}
    }
    let mut tls = acceptor().accept(Framed { tcp, is_framing: true, left: 0, header: Vec::new(), out: Vec::new() }).await?;
    tls.get_mut().0.is_framing = false;
    let (kind, login) = read_packet(&mut tls).await?;
    assert_eq!(kind, 0x10, "then the login");
    let is_right = text_at(&login, 40, false) == USER && text_at(&login, 44, true) == PASSWORD;
    let answer = if is_right { accepted() } else { error(18_456, "Login failed for user") };
    if encryption == 0 {
        // Only the login was encrypted.
        let mut tcp = tls.into_inner().0.tcp;
        behaviour.answer(Step::Login, &mut tcp, &answer).await?;
        return query(&mut tcp, behaviour).await;
    }
    behaviour.answer(Step::Login, &mut tls, &answer).await?;
    query(&mut tls, behaviour).await
}

async fn query(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), behaviour: &Behaviour) -> io::Result<()> {
    let (kind, batch) = read_packet(stream).await?;
    let headers = u32::from_le_bytes(batch[..4].try_into().unwrap()) as usize;
    assert_eq!((kind, from_utf16(&batch[headers..]).as_str()), (1, "SELECT @@VERSION"), "and one question");
    behaviour.answer(Step::Query, stream, &row(VERSION)).await?;
    // The client closes.
    stream.read_u8().await.map(drop)
}

impl Behaviour {
    async fn answer(&self, step: Step, stream: &mut (impl AsyncWrite + Unpin), right: &[u8]) -> io::Result<()> {
        match self.fault.as_ref().filter(|(at, _)| *at == step).map(|(_, fault)| fault) {
            None => stream.write_all(&packet(4, right)).await?,
            Some(Fault::Late(late)) => {
                tokio::time::sleep(*late).await;
                stream.write_all(&packet(4, right)).await?;
            }
            Some(Fault::Answer(other)) => {
                stream.write_all(&packet(4, other)).await?;
                stream.flush().await?;
                if self.is_short {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
            Some(Fault::Garbage) => stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await?,
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Cut) => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        stream.flush().await
    }
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&[kind, 1, high, low, 0, 0, 1, 0], body].concat()
}

async fn read_packet(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).await?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]])) - 8];
    stream.read_exact(&mut body).await?;
    Ok((header[0], body))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn from_utf16(bytes: &[u8]) -> String {
    String::from_utf16(&bytes.chunks(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect::<Vec<_>>()).unwrap()
}

/// A text of a login, by the place of its offset and length; a password's bytes are turned and masked.
fn text_at(login: &[u8], place: usize, is_masked: bool) -> String {
    let number = |at: usize| usize::from(u16::from_le_bytes([login[at], login[at + 1]]));
    let bytes = &login[number(place)..][..number(place + 2) * 2];
    from_utf16(&bytes.iter().map(|byte| if is_masked { (byte ^ 0xa5).rotate_left(4) } else { *byte }).collect::<Vec<_>>())
}

/// A token with its length before its content.
fn token(kind: u8, content: &[u8]) -> Vec<u8> {
    let [low, high] = u16::try_from(content.len()).unwrap().to_le_bytes();
    [&[kind, low, high], content].concat()
}

fn short_text(text: &str) -> Vec<u8> {
    [vec![u8::try_from(text.encode_utf16().count()).unwrap()], utf16(text)].concat()
}

fn done(status: u8, rows: u8) -> Vec<u8> {
    vec![0xfd, status, 0, 0xc1, 0, rows, 0, 0, 0, 0, 0, 0, 0]
}

pub(crate) fn accepted() -> Vec<u8> {
    let size = [&[4][..], &short_text("4096"), &short_text("4096")].concat();
    let ack = [&[1, 0x74, 0, 0, 4][..], &short_text("Microsoft SQL Server"), &[16, 0, 0x10, 0x1d]].concat();
    [token(0xe3, &size), token(0xad, &ack), done(0, 0)].concat()
}

pub(crate) fn error(number: u32, text: &str) -> Vec<u8> {
    let length = u16::try_from(text.encode_utf16().count()).unwrap().to_le_bytes();
    let server = short_text("SERVER");
    let content = [&number.to_le_bytes()[..], &[1, 14], &length, &utf16(text), &server, &[0], &[1, 0, 0, 0]].concat();
    [token(0xaa, &content), done(2, 0)].concat()
}

pub(crate) fn row(text: &str) -> Vec<u8> {
    let bytes = utf16(text);
    // One column without a name: nvarchar(300) with a collation.
    let columns = [0x81, 1, 0, 0, 0, 0, 0, 9, 0, 0xe7, 0x58, 2, 9, 4, 0xd0, 0, 0x34, 0];
    let length = u16::try_from(bytes.len()).unwrap().to_le_bytes();
    [&columns[..], &[0xd1], &length, &bytes, &done(0x10, 1)].concat()
}

fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    // Inside of packets SQL Server speaks no newer version.
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS12]).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Carries the handshake in packets, and all else as it is.
#[derive(Debug)]
struct Framed {
    tcp: TcpStream,
    is_framing: bool,
    /// Of a packet being read: what is left of its body, and what came of its header.
    left: usize,
    header: Vec<u8>,
    out: Vec<u8>,
}

impl AsyncRead for Framed {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.is_framing && self.left == 0 {
            let mut one = [0];
            let mut buffer = ReadBuf::new(&mut one);
            ready!(Pin::new(&mut self.tcp).poll_read(context, &mut buffer))?;
            let Some(byte) = buffer.filled().first().copied() else { return Poll::Ready(Ok(())) };
            self.header.push(byte);
            if self.header.len() == 8 {
                assert_eq!(self.header[0], 0x12, "the handshake goes in packets");
                self.left = usize::from(u16::from_be_bytes([self.header[2], self.header[3]])) - 8;
                self.header.clear();
            }
        }
        let most = if self.is_framing { self.left.min(into.remaining()) } else { into.remaining() };
        let mut bytes = vec![0; most];
        let mut part = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.tcp).poll_read(context, &mut part))?;
        if self.is_framing {
            self.left -= part.filled().len();
        }
        into.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Framed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.is_framing {
            return Pin::new(&mut self.tcp).poll_write(context, bytes);
        }
        self.out.extend(packet(0x12, bytes));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        while !me.out.is_empty() {
            let written = ready!(Pin::new(&mut me.tcp).poll_write(context, &me.out))?;
            me.out.drain(..written);
        }
        Pin::new(&mut me.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

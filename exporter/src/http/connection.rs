//! One connection: hyper speaks HTTP, and this file watches how long each phase of it takes.
//!
//! hyper's own header timeout also runs while a client waits between requests and while it still reads a response, so it is not used.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::Limits;
use super::routes::{Body, Routes};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No byte of a request has come since the last one; before the first one it is `Header`.
    Idle,
    /// A request is coming in.
    Header,
    /// It is being answered.
    Answer,
    /// The response is going out.
    Write,
}

impl Phase {
    fn limit(self, limits: &Limits) -> Duration {
        match self {
            Self::Idle => limits.idle,
            Self::Header => limits.header,
            // The question has this limit of its own and leads to a 503; this one is for a broken server.
            Self::Answer => limits.answer.saturating_mul(2),
            Self::Write => limits.write,
        }
    }
}

/// What the server tells its connections. Both only ever wake those that wait for them.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    /// All connections are taken: idle ones make room.
    pub(super) crowded: watch::Receiver<bool>,
    /// The server stops: finish what is under way.
    pub(super) stopping: watch::Receiver<bool>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By either side, as HTTP has it, or by an error of the client or the network.
    Closed,
    /// A limit of time was over.
    CutOff,
}

/// Answers the requests of one connection until it ends.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Routes,
    limits: Limits,
    mut signals: Signals,
) -> Ended {
    let (phase, mut phases) = watch::channel(Phase::Header);
    let io = TokioIo::new(Watched { stream, phase: phase.clone() });
    let service = service_fn(move |request: Request<Incoming>| {
        let (routes, phase) = (routes.clone(), phase.clone());
        async move {
            turn(&phase, |_| true, Phase::Answer);
            let response: Response<Body> = routes.answer(&request).await;
            turn(&phase, |_| true, Phase::Write);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(limits.header_bytes.max(8192));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut told_to_stop = false;
    loop {
        let phase = *phases.borrow_and_update();
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "A connection ended early.");
                }
                return Ended::Closed;
            }
            Ok(()) = phases.changed() => {}
            () = tokio::time::sleep(phase.limit(&limits)) => return Ended::CutOff,
            Ok(_) = signals.crowded.wait_for(|crowded| *crowded), if phase == Phase::Idle => return Ended::Closed,
            Ok(_) = signals.stopping.wait_for(|stopping| *stopping), if !told_to_stop => {
                if matches!(phase, Phase::Idle | Phase::Header) {
                    return Ended::Closed;
                }
                told_to_stop = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Moves on to another phase if the present one is as wanted.
fn turn(phase: &watch::Sender<Phase>, from: impl FnOnce(Phase) -> bool, to: Phase) {
    phase.send_if_modified(|phase| {
        let turns = *phase != to && from(*phase);
        if turns {
            *phase = to;
        }
        turns
    });
}

/// A stream that notes the phases that only the bytes can tell of.
struct Watched<T> {
    stream: T,
    phase: watch::Sender<Phase>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            turn(&self.phase, |phase| phase == Phase::Idle, Phase::Header);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    /// hyper flushes when it has nothing left to write: the response, which is one piece, has gone.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            turn(&self.phase, |phase| phase == Phase::Write, Phase::Idle);
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

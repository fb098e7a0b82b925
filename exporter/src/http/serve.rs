//! The accept loop: takes connections within the limit, and lets nothing that happens to one of them end the server.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::connection::{self, Ended, Signals};
use super::routes::Routes;
use super::{Bound, Counts, Handle, Limits, count};

/// A pause after an accept that failed for want of descriptors or memory: they come back when connections end.
const PAUSE: Duration = Duration::from_millis(250);

/// Serves until `stop` is ready, and a little longer for what is under way then.
pub(super) async fn run(bound: Bound, handle: Handle, stop: impl Future<Output = ()>) {
    let Bound { listeners, mut tls, config, counts } = bound;
    let limits = config.limits;
    let max_connections = config.max_connections.max(1);
    let routes = Routes::new(handle, config.bearer_token, limits.answer, Arc::clone(&counts));
    let (crowded, stopping) = (watch::Sender::new(false), watch::Sender::new(false));
    let signals = Signals { crowded: crowded.subscribe(), stopping: stopping.subscribe() };
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    let mut turn = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "A connection ended in a panic.");
                }
                crowded.send_replace(connections.len() >= max_connections);
                continue;
            }
            accepted = accept(&listeners, turn), if connections.len() < max_connections => accepted,
        };
        turn = (turn + 1) % listeners.len().max(1);
        match accepted {
            Ok(stream) => {
                count(&counts.accepted);
                let acceptor = tls.as_mut().map(|tls| tls.acceptor());
                connections.spawn(attend(stream, acceptor, routes.clone(), limits, signals.clone(), Arc::clone(&counts)));
                if connections.len() >= max_connections {
                    count(&counts.crowded);
                    tracing::warn!(max_connections, "All HTTP connections are taken; further ones wait.");
                    crowded.send_replace(true);
                }
            }
            // The client has gone before it was let in.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
            Err(error) => {
                count(&counts.accept_failures);
                tracing::warn!(%error, "A connection cannot be accepted; trying on.");
                tokio::select! {
                    () = &mut stop => break,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
    drop(listeners);
    stopping.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.stop, all).await.is_err() {
        tracing::warn!(connections = connections.len(), "Some HTTP connections were cut off by the stop.");
        connections.shutdown().await;
    }
}

/// The next connection at any of the sockets, looked at from `turn` on: a flood at one of them does not starve the others.
async fn accept(listeners: &[TcpListener], turn: usize) -> io::Result<TcpStream> {
    poll_fn(|cx| {
        for listener in listeners.iter().skip(turn).chain(listeners.iter().take(turn)) {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted.map(|(stream, _)| stream));
            }
        }
        Poll::Pending
    })
    .await
}

/// One connection from the handshake to its end.
async fn attend(stream: TcpStream, tls: Option<TlsAcceptor>, routes: Routes, limits: Limits, mut signals: Signals, counts: Arc<Counts>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "A connection keeps its delay.");
    }
    let ended = match tls {
        None => connection::serve(stream, routes, limits, signals).await,
        Some(acceptor) => {
            let handshake = tokio::select! {
                handshake = tokio::time::timeout(limits.handshake, acceptor.accept(stream)) => handshake,
                Ok(_) = signals.stopping.wait_for(|stopping| *stopping) => return,
            };
            match handshake {
                Ok(Ok(stream)) => connection::serve(stream, routes, limits, signals).await,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "A TLS handshake failed.");
                    Ended::Closed
                }
                Err(_) => Ended::CutOff,
            }
        }
    };
    if ended == Ended::CutOff {
        count(&counts.cut_off);
    }
}

//! The HTTP server: `/metrics`, health, the read API and a page. Owns no state: it asks whoever holds the other end of [`Handle`].
//!
//! Path of a request: `serve` accepts within limits, `connection` watches the clock, `routes` checks the token and asks, `page` draws.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket};

mod api;
mod ask;
mod auth;
pub mod client;
mod connection;
mod negotiate;
mod page;
mod routes;
mod serve;
mod tls;

pub use ask::{Ask, Handle};
pub use auth::Token;

/// Connections that may wait to be accepted, as `TcpListener::bind` has it.
const BACKLOG: u32 = 1024;

/// What the server is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// Who knows it may read; `None` lets everybody read. Health and readiness are never asked for it.
    pub bearer_token: Option<Token>,
    /// Certificate chain and private key, PEM files; both are read again when they change.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Connections at a time. Further ones wait in the system's queue until one ends; when it comes to that, idle ones are closed.
    pub max_connections: usize,
    /// How long anything may take.
    pub limits: Limits,
}

/// How long anything may take, and how large a request may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the connection, or the first byte of a further request, to the end of the request's header.
    pub header: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// Between two requests of a connection. Longer than a usual scrape interval, so that Prometheus keeps its connection.
    pub idle: Duration,
    /// For the answer to a question; then the request is answered with 503.
    pub answer: Duration,
    /// For a client to take the whole response.
    pub write: Duration,
    /// For what is under way when the server stops.
    pub stop: Duration,
    /// The longest header, request line included; at least 8192.
    pub header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            answer: Duration::from_secs(8),
            write: Duration::from_secs(30),
            stop: Duration::from_secs(1),
            header_bytes: 16 * 1024,
        }
    }
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, not one of this machine, or needs privileges.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A certificate or key file cannot be read or used.
    #[error("use {}: {reason}", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Whether it may be better at another time: somebody has the port. All else is for an operator.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }
}

/// What happened at the door, since the start.
#[derive(Debug, Default)]
pub struct Counts {
    accepted: AtomicU64,
    crowded: AtomicU64,
    cut_off: AtomicU64,
    denied: AtomicU64,
    accept_failures: AtomicU64,
}

impl Counts {
    /// Connections accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Times that all connections were taken, so that further ones had to wait.
    pub fn crowded(&self) -> u64 {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Connections closed because a limit of time was over.
    pub fn cut_off(&self) -> u64 {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// Requests without the token.
    pub fn denied(&self) -> u64 {
        self.denied.load(Ordering::Relaxed)
    }

    /// Connections that the system could not hand over.
    pub fn accept_failures(&self) -> u64 {
        self.accept_failures.load(Ordering::Relaxed)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A server that has its sockets and its certificate, and does not answer yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<TcpListener>,
    tls: Option<tls::Tls>,
    config: Config,
    counts: Arc<Counts>,
}

/// Opens the sockets and reads the certificate, early, so that a taken port is found before anything else begins.
pub async fn bind(config: Config) -> Result<Bound, Error> {
    let tls = config.tls.clone().map(|(certificate, key)| tls::Tls::open(certificate, key)).transpose()?;
    let mut listeners = Vec::new();
    for &address in &config.listen {
        listeners.push(listen(address).map_err(|source| Error::Listen { address, source })?);
    }
    Ok(Bound { listeners, tls, config, counts: Arc::default() })
}

/// Listens at an address of this machine, or at one that is to become its own: that of a bridge or a tunnel which comes up later.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match open(address, false) {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            let listener = open(address, true)?;
            tracing::warn!(%address, "No interface has this address yet; it is served there as soon as one has.");
            Ok(listener)
        }
        opened => opened,
    }
}

/// A listening socket; `early` lets it have an address that is not there.
fn open(address: SocketAddr, early: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    match address {
        SocketAddr::V4(_) => sockopt::set_ip_freebind(&socket, early)?,
        SocketAddr::V6(_) => sockopt::set_ipv6_freebind(&socket, early)?,
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Bound {
    /// Where it listens, with the real ports.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// What happens at the door, live.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Answers until `stop` is ready; then what is under way may finish within [`Limits::stop`], and the rest is closed.
    pub async fn serve(self, handle: Handle, stop: impl Future<Output = ()>) {
        serve::run(self, handle, stop).await;
    }
}

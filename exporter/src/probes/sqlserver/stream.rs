//! The connection, watched: which stage it is in, told by what goes over it.
//!
//! The driver does greeting, TLS handshake and login in one go. But they look different from outside (MS-TDS 2.2.3.1): a packet begins
//! with its type and, in bytes 2 and 3, its length. The greeting is the first packet of type 0x12; further ones carry the handshake; the
//! first thing sent after those that is none is the login, be it a bare packet (0x10) or inside TLS (record type 0x17).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::io::{AsyncRead, AsyncWrite};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use super::{Stages, between};
use crate::clock;

/// The type of packets that carry the greeting and the handshake.
const PRELOGIN: u8 = 0x12;
/// The type of packets that the server answers with.
const ANSWER: u8 = 0x04;
/// How long a greeting can be, its header included: before the login, no packet is longer than the default.
const GREETING_BYTES: std::ops::RangeInclusive<u16> = HEADER_BYTES..=4_096;
/// A packet's header.
const HEADER_BYTES: u16 = 8;
/// The most that is read of a server: what is asked for has a few kilobytes.
const MAX_READ_BYTES: usize = 256 * 1024;

/// When which stage was reached.
#[derive(Debug)]
pub(super) struct Watch {
    begun: Instant,
    /// When the greeting was sent.
    greeted: Option<Instant>,
    /// When something was last read before the handshake or the login began.
    greeting_answered: Option<Instant>,
    handshake: Option<Instant>,
    login: Option<Instant>,
    logged_in: Option<Instant>,
    answered: Option<Instant>,
    last_read: Option<Instant>,
    /// What the server greeted with, as far as it came: type, status, length.
    greeting: Vec<u8>,
    /// Bytes of a packet that were sent: of its header, at most four.
    header: [u8; 4],
    sent: u16,
}

impl Watch {
    /// From this moment.
    pub(super) fn new(begun: Instant) -> Self {
        Self {
            begun,
            greeted: None,
            greeting_answered: None,
            handshake: None,
            login: None,
            logged_in: None,
            answered: None,
            last_read: None,
            greeting: Vec::with_capacity(4),
            header: [0; 4],
            sent: 0,
        }
    }

    /// When it began.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// The login was accepted.
    pub(super) fn logged_in(&mut self, at: Instant) {
        self.logged_in = Some(at);
    }

    /// The question was answered.
    pub(super) fn answered(&mut self, at: Instant) {
        self.answered = Some(at);
    }

    /// How long the stages took. Where the login is bare there is no handshake. What the client does between the stages, such as reading
    /// its list of authorities, belongs to none.
    pub(super) fn stages(&self) -> Stages {
        [
            between(Some(self.begun), self.greeting_answered),
            between(self.handshake, self.login),
            between(self.login, self.logged_in),
            between(self.logged_in, self.answered),
        ]
    }

    /// What was being done last, for people.
    pub(super) fn doing(&self) -> &'static str {
        match self {
            Self { logged_in: Some(_), .. } => "ask for the version",
            Self { login: Some(_), .. } => "log in",
            Self { handshake: Some(_), .. } => "make a TLS handshake",
            Self { last_read: Some(_), .. } => "agree on encryption",
            _ => "greet it",
        }
    }

    /// Looks at what came. `false`: something else than SQL Server greets like this, and waiting for the length that it seems to announce is
    /// of no use.
    fn received(&mut self, bytes: &[u8]) -> bool {
        if !bytes.is_empty() {
            self.last_read = Some(clock::stopwatch());
        }
        let missing = 4 - self.greeting.len();
        self.greeting.extend(bytes.iter().take(missing));
        match self.greeting[..] {
            [ANSWER, _, high, low] => GREETING_BYTES.contains(&u16::from_be_bytes([high, low])),
            [ANSWER, ..] | [] => true,
            _ => false,
        }
    }

    /// Looks at what was sent, until the login.
    fn sent(&mut self, mut bytes: &[u8]) {
        while self.login.is_none() {
            let Some((first, rest)) = bytes.split_first() else { return };
            if self.sent == 0 {
                self.begins(*first);
            }
            if let Some(place) = self.header.get_mut(usize::from(self.sent)) {
                *place = *first;
            }
            self.sent += 1;
            bytes = rest;
            let length = u16::from_be_bytes([self.header[2], self.header[3]]).max(HEADER_BYTES);
            if self.sent >= HEADER_BYTES {
                let body = usize::from(length - self.sent).min(bytes.len());
                bytes = bytes.get(body..).unwrap_or_default();
                self.sent += u16::try_from(body).unwrap_or(u16::MAX);
            }
            if self.sent == length {
                self.sent = 0;
            }
        }
    }

    /// Something new begins with this byte.
    fn begins(&mut self, first: u8) {
        let now = Some(clock::stopwatch());
        match (first, self.greeted) {
            (PRELOGIN, None) => self.greeted = now,
            (PRELOGIN, Some(_)) => {
                self.greeting_answered = self.greeting_answered.or(self.last_read);
                self.handshake = self.handshake.or(now);
            }
            _ => {
                self.greeting_answered = self.greeting_answered.or(self.last_read);
                self.login = now;
            }
        }
    }
}

/// A connection that keeps a watch.
pub(super) struct Watched<'a> {
    tcp: TcpStream,
    watch: &'a mut Watch,
    read: usize,
}

impl<'a> Watched<'a> {
    /// Watches `tcp`.
    pub(super) fn new(tcp: TcpStream, watch: &'a mut Watch) -> Self {
        Self { tcp, watch, read: 0 }
    }
}

impl AsyncRead for Watched<'_> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(into);
        std::task::ready!(tokio::io::AsyncRead::poll_read(Pin::new(&mut self.tcp), context, &mut buffer))?;
        let read = buffer.filled().len();
        self.read += read;
        if self.read > MAX_READ_BYTES {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "sent more than was asked for")));
        }
        if !self.watch.received(buffer.filled()) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "greets as no SQL Server does")));
        }
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for Watched<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = std::task::ready!(tokio::io::AsyncWrite::poll_write(Pin::new(&mut self.tcp), context, bytes))?;
        self.watch.sent(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_flush(Pin::new(&mut self.tcp), context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut self.tcp), context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of this type with a body of so many bytes, which look like the beginning of a login.
    fn packet(kind: u8, body: u16) -> Vec<u8> {
        let length = (HEADER_BYTES + body).to_be_bytes();
        let mut packet = vec![kind, 1, length[0], length[1], 0, 0, 1, 0];
        packet.extend(std::iter::repeat_n(0x10, body.into()));
        packet
    }

    #[test]
    fn stages_are_told_by_what_is_sent_however_it_is_cut() {
        let (greeting, handshake) = (packet(PRELOGIN, 40), packet(PRELOGIN, 300));
        let all = [greeting, handshake.clone(), handshake, vec![0x17, 3, 3]].concat();
        for piece in [1, 2, 3, 7, 8, 9, 64, 10_000] {
            let mut watch = Watch::new(clock::stopwatch());
            let mut seen = Vec::new();
            for bytes in all.chunks(piece) {
                watch.sent(bytes);
                watch.last_read = watch.last_read.or(Some(clock::stopwatch()));
                seen.push(watch.doing());
            }
            seen.dedup();
            assert_eq!(seen.last(), Some(&"log in"), "{piece}");
            if piece < 64 {
                assert_eq!(seen, ["agree on encryption", "make a TLS handshake", "log in"], "{piece}");
            }
        }
    }

    #[test]
    fn a_greeting_is_known_by_its_first_bytes() {
        for (bytes, is_known) in [
            (&[4, 1, 0, 26][..], true),
            (&[4, 1, 15, 255], true),
            (b"HTTP/1.1", false),
            (b"SSH-2.0", false),
            (&[4, 1, 0, 7], false),
            (&[4, 1, 255, 255], false),
        ] {
            for piece in [1, 2, 8] {
                let mut watch = Watch::new(clock::stopwatch());
                assert_eq!(bytes.chunks(piece).all(|bytes| watch.received(bytes)), is_known, "{bytes:?}");
            }
        }
    }

    #[test]
    fn a_bare_login_has_no_handshake() {
        let mut watch = Watch::new(clock::stopwatch());
        assert_eq!(watch.doing(), "greet it");
        watch.sent(&packet(PRELOGIN, 0));
        watch.last_read = Some(clock::stopwatch());
        watch.sent(&packet(0x10, 10));
        assert_eq!(watch.doing(), "log in");
        watch.logged_in(clock::stopwatch());
        watch.answered(clock::stopwatch());
        assert_eq!(watch.stages().map(|stage| stage.is_some()), [true, false, true, true]);
    }
}

//! Units of systemd that failed: one question over the system's D-Bus, `ListUnitsFiltered(["failed"])`, which anybody may ask.
//!
//! Only as much of the protocol (D-Bus specification 0.43, little-endian) as that takes: log in, say hello, ask, read the first text of
//! each entry. Calls are sent one after the other, so that the next answer is always the one waited for.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::super::Error;

/// How long a read or write may wait; systemd answers within a few milliseconds.
const WAIT: Duration = Duration::from_millis(500);
/// The longest message that is read: 4,000 failed units.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// The most messages read for one answer; others are notices for everybody on the bus.
const MAX_MESSAGES: usize = 64;
/// The most units told, and the longest name of one: systemd's own limit is 255.
const MAX_UNITS: usize = 256;
const MAX_CHARS: usize = 255;

/// Their names; `None` where there is no bus, no systemd, or a bus that refuses this user.
pub(super) fn failed(root: &Path) -> Result<Option<Vec<String>>, Error> {
    let socket = root.join("run/dbus/system_bus_socket");
    let Ok(stream) = UnixStream::connect(&socket) else { return Ok(None) };
    match ask(stream) {
        // It hangs up on users whom it does not know: a service's dynamic user, for one.
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            Ok(None)
        }
        answer => answer.map_err(|error| Error::failed(format!("ask systemd over {}", socket.display()), error)),
    }
}

fn ask(stream: UnixStream) -> io::Result<Option<Vec<String>>> {
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    let (mut answers, mut calls) = (BufReader::new(stream.try_clone()?), stream);
    // The bus asks the kernel who this is; the number said must be the same, as text in hexadecimal.
    let user: String = rustix::process::geteuid().as_raw().to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
    calls.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
    let mut line = String::new();
    (&mut answers).take(256).read_line(&mut line)?;
    if !line.starts_with("OK ") {
        return Ok(None);
    }
    calls.write_all(b"BEGIN\r\n")?;
    calls.write_all(&call(1, "/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus", "Hello", None))?;
    if answer(&mut answers)?.is_none() {
        return Ok(None);
    }
    let (path, name, manager) = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1", "org.freedesktop.systemd1.Manager");
    let mut states = Vec::new();
    put_text(&mut states, "failed");
    let mut list = u32::try_from(states.len()).unwrap_or(0).to_le_bytes().to_vec();
    list.append(&mut states);
    calls.write_all(&call(2, path, name, manager, "ListUnitsFiltered", Some(("as", &list))))?;
    let Some(body) = answer(&mut answers)? else { return Ok(None) };
    units(&body).map(Some).ok_or_else(garbage)
}

fn garbage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not as the protocol has it")
}

/// A call as it goes over the wire.
fn call(serial: u32, path: &str, destination: &str, interface: &str, member: &str, body: Option<(&str, &[u8])>) -> Vec<u8> {
    let mut fields = Vec::new();
    for (code, kind, text) in [(1, b'o', path), (2, b's', interface), (3, b's', member), (6, b's', destination)] {
        pad(&mut fields, 8);
        fields.extend([code, 1, kind, 0]);
        put_text(&mut fields, text);
    }
    if let Some((signature, _)) = body {
        pad(&mut fields, 8);
        fields.extend([8, 1, b'g', 0, u8::try_from(signature.len()).unwrap_or(0)]);
        fields.extend(signature.bytes().chain([0]));
    }
    let body = body.map_or(&[][..], |(_, body)| body);
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
    // Little-endian, a call, no flags, version 1.
    let mut message = vec![b'l', 1, 0, 1];
    for number in [length(body), serial.to_le_bytes(), length(&fields)] {
        message.extend(number);
    }
    message.extend(fields);
    pad(&mut message, 8);
    message.extend(body);
    message
}

/// A text: its length, itself and a zero. What it is put into begins at a multiple of eight in the message.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    pad(bytes, 4);
    bytes.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
    bytes.extend(text.bytes().chain([0]));
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

/// The body of the next answer; `None` if it is an error.
fn answer(answers: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    for _ in 0..MAX_MESSAGES {
        let mut head = [0; 16];
        answers.read_exact(&mut head)?;
        let number = |at: usize| head.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
        let (body, fields) = (number(4), number(12).next_multiple_of(8));
        if head[0] != b'l' || body.saturating_add(fields) > MAX_MESSAGE_BYTES {
            return Err(garbage());
        }
        let mut rest = vec![0; fields + body];
        answers.read_exact(&mut rest)?;
        match head[1] {
            2 => return Ok(Some(rest.split_off(fields))),
            3 => return Ok(None),
            _ => {}
        }
    }
    Err(garbage())
}

/// The first text of each entry of an `a(ssssssouso)`; `None` if the bytes are no such thing.
fn units(body: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader { bytes: body, at: 0 };
    let length = reader.number()? as usize;
    reader.align(8);
    let end = reader.at.checked_add(length).filter(|end| *end <= body.len())?;
    let mut names = Vec::new();
    while reader.at < end && names.len() < MAX_UNITS {
        reader.align(8);
        let name = reader.text()?;
        names.push(name.chars().take(MAX_CHARS).map(|c| if c.is_control() { '_' } else { c }).collect());
        (0..6).try_for_each(|_| reader.text().map(drop))?;
        reader.number()?;
        (0..2).try_for_each(|_| reader.text().map(drop))?;
    }
    Some(names)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer that lists these units.
    fn body(names: &[&str]) -> Vec<u8> {
        let mut entries = Vec::new();
        for name in names {
            pad(&mut entries, 8);
            [name, "", "loaded", "failed", "failed", "", "/unit/x"].iter().for_each(|text| put_text(&mut entries, text));
            pad(&mut entries, 4);
            entries.extend(0u32.to_le_bytes());
            ["", "/"].iter().for_each(|text| put_text(&mut entries, text));
        }
        let mut body = u32::try_from(entries.len()).unwrap().to_le_bytes().to_vec();
        pad(&mut body, 8);
        body.extend(entries);
        body
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut message = vec![b'l', kind, 0, 1];
        [u32::try_from(body.len()).unwrap(), 1, 0].iter().for_each(|number| message.extend(number.to_le_bytes()));
        message.extend(body);
        message
    }

    /// Asks a bus that says all this at once.
    fn said(answers: &[&[u8]]) -> io::Result<Option<Vec<String>>> {
        let (ours, mut bus) = UnixStream::pair().unwrap();
        bus.write_all(&answers.concat()).unwrap();
        ask(ours)
    }

    #[test]
    fn failed_units_are_named() {
        let (hello, notice) = (message(2, b"\x05\0\0\0:1.42\0"), message(4, b"x"));
        let list = message(2, &body(&["backup.service", "a\nb.mount"]));
        let names = said(&[b"OK 0123\r\n", &hello, &notice, &list]).unwrap().unwrap();
        assert_eq!(names, ["backup.service", "a_b.mount"]);
        assert_eq!(said(&[b"OK 0123\r\n", &hello, &message(2, &body(&[]))]).unwrap(), Some(Vec::new()));
        assert_eq!(said(&[b"REJECTED EXTERNAL\r\n"]).unwrap(), None);
        assert_eq!(said(&[b"OK 0123\r\n", &hello, &message(3, b"")]).unwrap(), None, "no systemd on this bus");
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let list = body(&["backup.service"; 3]);
        for end in 0..list.len() {
            assert_eq!(units(&list[..end]), None, "{end}");
        }
        let mut huge = message(2, b"");
        huge[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(said(&[b"OK 0123\r\n", &huge]).is_err());
        assert!(said(&[b"OK 0123\r\n", &[0; 64]]).is_err());
    }
}

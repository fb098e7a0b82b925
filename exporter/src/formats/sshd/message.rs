//! One message of sshd: what it says about whom.
//!
//! User names are typed by whoever knocks: they may hold blanks, ` from 8.8.8.8 port 22 ssh2`, anything. What sshd adds stands behind the
//! name, so messages are read from the right; only where the other side's words come last are they read from the left.

use crate::event::SshOutcome;

mod dropbear;

/// What a message tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Read<'a> {
    /// Something about a connection.
    Said(Said<'a>),
    /// Nothing about logging in.
    Nothing,
    /// The beginning of a message whose end is missing: a user name with a line break in it.
    Cut,
}

/// What is said about a connection. What is not said is empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Said<'a> {
    pub(super) step: Step,
    pub(super) outcome: SshOutcome,
    pub(super) user: &'a [u8],
    pub(super) client: &'a [u8],
    pub(super) port: &'a [u8],
    pub(super) method: &'a [u8],
}

/// Where in a login a message stands: what decides whether it is a new attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The user was refused before a password or key was looked at.
    Refused,
    /// The client asked which methods there are.
    Probed,
    /// A password or key was wrong.
    Failed,
    /// PAM said so; sshd may say it again.
    PamFailed,
    /// Too many attempts.
    Exceeded,
    /// The connection ended before anybody was let in.
    Ended,
    /// Let in.
    Accepted,
    /// No attempt: a further record of one, or no login at all.
    None,
}

/// Reads a message without its syslog head.
pub(super) fn read(message: &[u8]) -> Read<'_> {
    let message = message.trim_ascii_end();
    let message = message.strip_prefix(b"error: ").or_else(|| message.strip_prefix(b"fatal: ")).unwrap_or(message);
    let (first, rest) = split(message, b" ").unwrap_or((message, b""));
    match first {
        b"Failed" => failed(rest),
        b"Accepted" => accepted(rest),
        b"Invalid" | b"Illegal" => behind(rest, b"user ", invalid),
        b"User" => not_allowed(rest),
        b"ROOT" => behind(rest, b"LOGIN REFUSED FROM ", |rest| address(rest, Step::Refused, SshOutcome::Failed).named(b"root")),
        b"PAM:" => pam(rest),
        b"PAM" => pam_module(rest).or_else(|| dropbear::read(rest)),
        b"maximum" => behind(rest, b"authentication attempts exceeded for ", |rest| named(rest, b" from", Step::Exceeded)),
        b"Connection" => behind(rest, b"closed by ", who).or_else(|| behind(rest, b"reset by ", who)),
        b"Disconnected" => behind(rest, b"from ", who),
        b"Disconnecting" => too_many(rest),
        b"Received" => behind(rest, b"disconnect from ", |rest| address(rest, Step::None, SshOutcome::Disconnected)),
        b"Timeout" => behind(rest, b"before authentication for ", timeout),
        b"Did" => behind(rest, b"not receive identification string from ", |rest| address(rest, Step::None, SshOutcome::Disconnected)),
        b"Unable" => behind(rest, b"to negotiate with ", other),
        b"banner" => behind(rest, b"exchange: Connection from ", other),
        b"ssh_dispatch_run_fatal:" => behind(rest, b"Connection from ", other),
        b"Bad" => behind(rest, b"protocol version identification '", from_the_right).or_else(|| dropbear::bad_password(rest)),
        // The secret of an obfuscated handshake was wrong: nobody got as far as a name.
        b"Magic" => behind(rest, b"value check failed", |rest| failed_handshake(from_the_right(rest))),
        b"Login" | b"Password" | b"Pubkey" | b"Exit" => dropbear::read(message),
        b"refused" => behind(rest, b"connect from ", in_parentheses),
        b"drop" => behind(rest, b"connection #", dropped),
        b"srclimit_penalise:" => penalised(rest),
        _ if first.starts_with(b"pam_") && first.ends_with(b"(sshd:auth):") => pam_module(rest),
        _ => Read::Nothing,
    }
}

impl<'a> Read<'a> {
    fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        if self == Self::Nothing { other() } else { self }
    }

    fn named(self, user: &'a [u8]) -> Self {
        match self {
            Self::Said(said) => Self::Said(Said { user, ..said }),
            other => other,
        }
    }
}

/// Whether a message ends as those of connections do: `… ADDR port N`.
pub(super) fn has_tail(message: &[u8]) -> bool {
    tail(message.trim_ascii_end()).is_some()
}

/// `METHOD for [invalid user ]USER from ADDR port N ssh2[: KEY]`
fn failed(rest: &[u8]) -> Read<'_> {
    let Some((method, rest)) = split(rest, b" ") else { return Read::Nothing };
    let Some(rest) = rest.strip_prefix(b"for ") else { return Read::Nothing };
    let step = if method == b"none" { Step::Probed } else { Step::Failed };
    match without_key(rest) {
        Key::None => with_method(named(rest, b" from", step), method),
        Key::Behind(rest) => with_method(named(rest, b" from", step), method),
        // The certificate's name is the client's own, too: nobody can tell which of several ends is sshd's.
        Key::Doubtful => said(Step::Failed, SshOutcome::Failed, b"", Tail { before: b"", client: b"", port: b"" }),
    }
}

fn with_method<'a>(read: Read<'a>, method: &'a [u8]) -> Read<'a> {
    match read {
        Read::Said(said) => Read::Said(Said { method, ..said }),
        other => other,
    }
}

enum Key<'a> {
    None,
    Behind(&'a [u8]),
    Doubtful,
}

/// A failed key is named at the end: `… ssh2: RSA SHA256:…`, or `… ssh2: RSA-CERT SHA256:… ID NAME (serial 0) CA RSA SHA256:…`.
fn without_key(rest: &[u8]) -> Key<'_> {
    if has_tail(rest) {
        return Key::None;
    }
    let plain = rsplit(rest, b" ").and_then(|(rest, _)| rsplit(rest, b" ")).and_then(|(rest, _)| rest.strip_suffix(b":"));
    if let Some(rest) = plain.filter(|rest| rest.ends_with(b" ssh2") && has_tail(rest)) {
        return Key::Behind(rest);
    }
    let mut ends = memchr::memmem::find_iter(rest, b" ssh2: ").filter_map(|place| rest.get(..place + 5)).filter(|rest| has_tail(rest));
    match (ends.next(), ends.next()) {
        (None, _) => Key::None,
        (Some(rest), None) => Key::Behind(rest),
        (Some(_), Some(_)) => Key::Doubtful,
    }
}

/// `METHOD for USER from ADDR port N[ ssh2[: KEY]]`. Who was let in exists on this machine, and the name of a certificate comes behind:
/// the first end is sshd's.
fn accepted(rest: &[u8]) -> Read<'_> {
    let Some((method, rest)) = split(rest, b" ") else { return Read::Nothing };
    let Some(rest) = rest.strip_prefix(b"for ") else { return Read::Nothing };
    let Some(place) = memchr::memmem::find(rest, b" from ") else { return Read::Cut };
    let (user, from) = (&rest[..place], &rest[place + 6..]);
    let Some((client, from)) = split(from, b" port ") else { return Read::Cut };
    let (port, end) = from.split_at(from.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let is_end = end.is_empty() || end == b" ssh2" || end.starts_with(b" ssh2: ");
    if !is_end || !is_host(client) || port.is_empty() || user.is_empty() {
        return Read::Nothing;
    }
    with_method(said(Step::Accepted, SshOutcome::Accepted, user, Tail { before: b"", client, port }), method)
}

/// `USER from ADDR[ port N]`: old versions tell no port.
fn invalid(rest: &[u8]) -> Read<'_> {
    let (step, outcome) = (Step::Refused, SshOutcome::InvalidUser);
    match named_as(rest, b" from", step, outcome) {
        Read::Said(told) => Read::Said(told),
        _ => match from(rest) {
            Some((user, client)) => said(step, outcome, user, Tail { before: b"", client, port: b"" }),
            None => Read::Cut,
        },
    }
}

/// `USER from ADDR not allowed because REASON`
fn not_allowed(rest: &[u8]) -> Read<'_> {
    let Some((rest, _)) = rsplit(rest, b" not allowed because ") else { return Read::Nothing };
    let (user, client) = from(rest).unwrap_or((rest, b""));
    said(Step::Refused, SshOutcome::Failed, user, Tail { before: b"", client, port: b"" })
}

/// `Authentication failure for [illegal user ]USER from ADDR`
fn pam(rest: &[u8]) -> Read<'_> {
    let Some((_, rest)) = split(rest, b" for ") else { return Read::Nothing };
    let (outcome, rest) = user_kind(rest);
    match from(rest) {
        Some((user, client)) => said(Step::PamFailed, outcome, user, Tail { before: b"", client, port: b"" }),
        None => Read::Cut,
    }
}

/// `authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=ADDR[  user=USER]`, and `2 more authentication failures; …`.
fn pam_module(rest: &[u8]) -> Read<'_> {
    let Some((what, fields)) = split(rest, b"; ") else { return Read::Nothing };
    if !what.ends_with(b"authentication failure") && !what.ends_with(b"more authentication failures") {
        return Read::Nothing;
    }
    let Some((_, fields)) = split(fields, b" rhost=") else { return Read::Nothing };
    let (client, user) = split(fields, b" ").unwrap_or((fields, b""));
    if !is_host(client) {
        return Read::Nothing;
    }
    let user = user.trim_ascii_start().strip_prefix(b"user=").unwrap_or_default();
    said(Step::None, SshOutcome::Failed, user, Tail { before: b"", client, port: b"" })
}

/// `authenticating user USER ADDR port N`, `invalid user …`, `user …` of somebody who was let in, or only `ADDR port N`.
fn who(rest: &[u8]) -> Read<'_> {
    if rest.starts_with(b"invalid user ") {
        return named(rest, b"", Step::Ended);
    }
    if let Some(rest) = rest.strip_prefix(b"authenticating user ") {
        return named_as(rest, b"", Step::Ended, SshOutcome::Failed);
    }
    if let Some(rest) = rest.strip_prefix(b"user ") {
        return named_as(rest, b"", Step::None, SshOutcome::Disconnected);
    }
    match tail(rest) {
        Some(tail) if tail.before.is_empty() => said(Step::None, SshOutcome::Disconnected, b"", tail),
        _ => Read::Nothing,
    }
}

/// Of all reasons to disconnect only this one holds no words of the other side.
fn too_many(rest: &[u8]) -> Read<'_> {
    let rest = rest.strip_suffix(b" [preauth]").unwrap_or(rest);
    rest.strip_suffix(b": Too many authentication failures").map_or(Read::Nothing, who)
}

/// `ADDR port N`, or `connection from ADDR to ADDR, pid = N`.
fn timeout(rest: &[u8]) -> Read<'_> {
    address(rest.strip_prefix(b"connection from ").unwrap_or(rest), Step::None, SshOutcome::Disconnected)
}

/// `ADDR port N: …`: no login, but somebody.
fn other(rest: &[u8]) -> Read<'_> {
    address(rest, Step::None, SshOutcome::Other)
}

/// `'…' from ADDR port N`
fn from_the_right(rest: &[u8]) -> Read<'_> {
    match tail(rest).filter(|tail| tail.before.ends_with(b" from")) {
        Some(tail) => said(Step::None, SshOutcome::Other, b"", tail),
        None => Read::Nothing,
    }
}

fn failed_handshake(read: Read<'_>) -> Read<'_> {
    match read {
        Read::Said(said) => Read::Said(Said { step: Step::Failed, outcome: SshOutcome::Failed, ..said }),
        other => other,
    }
}

/// `NAME (ADDR)`
fn in_parentheses(rest: &[u8]) -> Read<'_> {
    let found = rest.strip_suffix(b")").and_then(|rest| rsplit(rest, b"("));
    found.map_or(Read::Nothing, |(_, client)| address(client, Step::None, SshOutcome::Other))
}

/// `17 from [ADDR]:port on …`
fn dropped(rest: &[u8]) -> Read<'_> {
    let client = split(rest, b" from [").and_then(|(_, rest)| split(rest, b"]"));
    client.map_or(Read::Nothing, |(client, _)| address(client, Step::None, SshOutcome::Other))
}

/// `ipv4: new ADDR/32 active penalty of …`
fn penalised(rest: &[u8]) -> Read<'_> {
    let client = split(rest, b": new ").and_then(|(_, rest)| split(rest, b"/"));
    client.map_or(Read::Nothing, |(client, _)| address(client, Step::None, SshOutcome::Other))
}

/// What `rest` tells behind these words.
fn behind<'a>(rest: &'a [u8], words: &[u8], read: impl FnOnce(&'a [u8]) -> Read<'a>) -> Read<'a> {
    rest.strip_prefix(words).map_or(Read::Nothing, read)
}

/// `[invalid user ]USER` and, behind `joint`, ` ADDR port N`.
fn named<'a>(rest: &'a [u8], joint: &[u8], step: Step) -> Read<'a> {
    let (outcome, rest) = user_kind(rest);
    named_as(rest, joint, step, outcome)
}

fn named_as<'a>(rest: &'a [u8], joint: &[u8], step: Step, outcome: SshOutcome) -> Read<'a> {
    let found = tail(rest).and_then(|tail| Some((tail.before.strip_suffix(joint)?, tail)));
    found.map_or(Read::Cut, |(user, tail)| said(step, outcome, user, tail))
}

fn user_kind(rest: &[u8]) -> (SshOutcome, &[u8]) {
    match rest.strip_prefix(b"invalid user ").or_else(|| rest.strip_prefix(b"illegal user ")) {
        Some(rest) => (SshOutcome::InvalidUser, rest),
        None => (SshOutcome::Failed, rest),
    }
}

/// The address that `rest` begins with.
fn address(rest: &[u8], step: Step, outcome: SshOutcome) -> Read<'_> {
    let (client, behind) = split(rest, b" ").unwrap_or((rest, b""));
    // `ADDR: 11: Bye` in old versions.
    let client = client.strip_suffix(b":").unwrap_or(client);
    if !is_host(client) {
        return Read::Nothing;
    }
    let port = behind.strip_prefix(b"port ").unwrap_or_default();
    let port = &port[..port.iter().take_while(|byte| byte.is_ascii_digit()).count()];
    said(step, outcome, b"", Tail { before: b"", client, port })
}

fn said<'a>(step: Step, outcome: SshOutcome, user: &'a [u8], tail: Tail<'a>) -> Read<'a> {
    Read::Said(Said { step, outcome, user, client: tail.client, port: tail.port, method: b"" })
}

/// How messages about connections end.
#[derive(Clone, Copy)]
struct Tail<'a> {
    before: &'a [u8],
    client: &'a [u8],
    port: &'a [u8],
}

/// `BEFORE ADDR port N[ ssh2][ [preauth]]`
fn tail(text: &[u8]) -> Option<Tail<'_>> {
    let text = text.strip_suffix(b" [preauth]").unwrap_or(text);
    let text = text.strip_suffix(b" ssh2").or_else(|| text.strip_suffix(b" ssh1")).unwrap_or(text);
    let (rest, port) = rsplit(text, b" ")?;
    let rest = rest.strip_suffix(b" port")?;
    let (before, client) = rsplit(rest, b" ").unwrap_or((b"", rest));
    let is_port = (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    (is_port && is_host(client)).then_some(Tail { before, client, port })
}

/// `USER from ADDR` at the end of a text.
fn from(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_suffix(b" [preauth]").unwrap_or(text);
    rsplit(text, b" from ").or_else(|| Some((b"".as_slice(), text.strip_prefix(b"from ")?))).filter(|(_, client)| is_host(client))
}

/// What may stand where an address is expected: an address, or a host name where sshd looks names up.
fn is_host(text: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'_' | b'%');
    (1..=255).contains(&text.len()) && text.iter().all(fits)
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = memchr::memmem::find(text, at)?;
    Some((&text[..place], &text[place + at.len()..]))
}

fn rsplit<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = memchr::memmem::rfind(text, at)?;
    Some((&text[..place], &text[place + at.len()..]))
}

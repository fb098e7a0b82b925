//! Messages of Dropbear, the sshd of routers and small images. Its addresses end in `:PORT`, and the user's name stands in quotes that
//! the name itself may hold: what Dropbear adds is read from the right.

use super::{Read, Step, Tail, is_host, rsplit, said, split, with_method};
use crate::event::SshOutcome;

/// `Login attempt for nonexistent user[ 'USER'] from ADDR:PORT`, `Password auth succeeded for 'USER' from ADDR:PORT`,
/// `Pubkey auth succeeded for 'USER' with KEY from ADDR:PORT`, `Exit before auth[ from <ADDR:PORT>][ (user 'USER', N fails)]: REASON`.
pub(super) fn read(message: &[u8]) -> Read<'_> {
    if let Some(rest) = message.strip_prefix(b"Login attempt for nonexistent user") {
        return with_user(rest, Step::Refused, SshOutcome::InvalidUser);
    }
    if let Some(rest) = message.strip_prefix(b"Exit before auth from <") {
        let client = split(rest, b">").and_then(|(client, _)| address(client));
        return client.map_or(Read::Nothing, |client| said(Step::None, SshOutcome::Disconnected, b"", client));
    }
    let (method, rest) = match split(message, b" auth succeeded for") {
        Some((b"Password" | b"password", rest)) => (b"password".as_slice(), rest),
        Some((b"Pubkey", rest)) => (b"publickey".as_slice(), rest),
        _ => return Read::Nothing,
    };
    with_method(with_user(rest, Step::Accepted, SshOutcome::Accepted), method)
}

/// What follows `Bad `: `password attempt for 'USER' from ADDR:PORT`, perhaps through PAM.
pub(super) fn bad_password(rest: &[u8]) -> Read<'_> {
    let rest = rest.strip_prefix(b"PAM ").unwrap_or(rest);
    let rest = rest.strip_prefix(b"password attempt for");
    rest.map_or(Read::Nothing, |rest| with_method(with_user(rest, Step::Failed, SshOutcome::Failed), b"password"))
}

/// `[ 'USER'][ with KEY] from ADDR:PORT`
fn with_user(rest: &[u8], step: Step, outcome: SshOutcome) -> Read<'_> {
    let Some((user, client)) = rsplit(rest, b" from ") else { return Read::Cut };
    // Behind a key's name nothing is the other side's own: keys are named by their hash.
    let user = rsplit(user, b"' with ").map_or(user, |(user, _)| user);
    let user = user.strip_prefix(b" '").unwrap_or_default();
    let user = user.strip_suffix(b"'").unwrap_or(user);
    address(client).map_or(Read::Cut, |client| said(step, outcome, user, client))
}

/// `ADDR:PORT`; of an IPv6 address the last colon divides.
fn address(text: &[u8]) -> Option<Tail<'_>> {
    let (client, port) = rsplit(text, b":")?;
    let is_port = (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    (is_port && is_host(client)).then_some(Tail { before: b"", client, port })
}

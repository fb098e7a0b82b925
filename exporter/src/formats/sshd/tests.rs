//! What a person would count, and that nothing which a visitor typed is believed.

use proptest::prelude::*;

use super::*;

const REFERENCE: Timestamp = Timestamp::from_secs(1_795_255_200);

fn sshd() -> Sshd {
    Sshd::new(TimeZone::UTC, REFERENCE)
}

/// Each record as `outcome user client attempts`, or the reason why there is none.
fn told(sshd: &mut Sshd, line: &[u8]) -> String {
    let mut told = String::new();
    sshd.read_line(line, &mut |_: &[u8], parsed: Parsed<'_>| {
        told = match parsed {
            Parsed::Event(Stamped { event: Event::Ssh(auth), .. }) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                format!("{} {} {} {}", auth.outcome.as_str(), text(auth.user), text(auth.client), auth.attempts)
            }
            other => format!("{other:?}"),
        };
    });
    told
}

fn attempts(messages: &[&str]) -> u32 {
    let mut sshd = sshd();
    let count = |message: &&str| {
        let told = told(&mut sshd, format!("2026-11-21T10:00:00Z web sshd[7]: {message}").as_bytes());
        told.rsplit(' ').next().and_then(|count| count.parse::<u32>().ok()).unwrap_or(0)
    };
    messages.iter().map(count).sum()
}

#[test]
fn an_attempt_counts_once() {
    const INVALID: &str = "Invalid user a from 203.0.113.7 port 1";
    const WRONG: &str = "Failed password for invalid user a from 203.0.113.7 port 1 ssh2";
    const CLOSED: &str = "Connection closed by invalid user a 203.0.113.7 port 1 [preauth]";
    const ROOT: &str = "Failed password for root from 203.0.113.7 port 1 ssh2";
    const PAM: &str = "error: PAM: Authentication failure for root from 203.0.113.7";
    const MODULE: &str = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.7";
    for (messages, expected) in [
        (&[INVALID, WRONG, CLOSED][..], 1),
        (&[INVALID, MODULE, WRONG, WRONG, CLOSED], 2),
        (&[INVALID, CLOSED], 1),
        (&[INVALID], 1),
        (&[CLOSED], 1),
        (&[INVALID, CLOSED, INVALID, CLOSED], 2),
        (&[ROOT, ROOT, ROOT], 3),
        (&[ROOT, "Connection closed by authenticating user root 203.0.113.7 port 1 [preauth]"], 1),
        (&[ROOT, "error: maximum authentication attempts exceeded for root from 203.0.113.7 port 1 ssh2 [preauth]"], 1),
        (&["error: maximum authentication attempts exceeded for root from 203.0.113.7 port 1 ssh2 [preauth]"], 1),
        (&[PAM, PAM, "Failed keyboard-interactive/pam for root from 203.0.113.7 port 1 ssh2"], 2),
        (&["Failed none for root from 203.0.113.7 port 1 ssh2", ROOT], 1),
        (&[ROOT, "message repeated 4 times: [ Failed password for root from 203.0.113.7 port 1 ssh2]"], 5),
        (&[INVALID, "message repeated 4 times: [ Failed password for invalid user a from 203.0.113.7 port 1 ssh2]"], 4),
        (&["Accepted password for ana from 203.0.113.7 port 1 ssh2", "Disconnected from user ana 203.0.113.7 port 1"], 1),
    ] {
        assert_eq!(attempts(messages), expected, "{messages:?}");
    }
}

#[test]
fn one_client_does_not_hide_behind_the_process_of_another() {
    let mut sshd = sshd();
    for number in 0..1_000 {
        let line = format!("2026-11-21T10:00:00Z web sshd[7]: Invalid user a from 203.0.{}.{} port 1", number / 250, number % 250);
        assert!(told(&mut sshd, line.as_bytes()).ends_with(" 1"));
    }
    let later = "2026-11-21T10:20:00Z web sshd[7]: Connection closed by invalid user a 203.0.3.249 port 1 [preauth]";
    assert_eq!(told(&mut sshd, later.as_bytes()), "invalid_user a 203.0.3.249 1", "a process number that came again");
}

#[test]
fn a_log_with_heads_believes_no_line_without() {
    let mut sshd = sshd();
    let bare = b"Accepted password for root from 9.9.9.9 port 22 ssh2";
    told(&mut sshd, b"2026-11-21T10:00:00Z web sshd[1]: Server listening on 0.0.0.0 port 22.");
    assert_eq!(told(&mut sshd, bare), "Malformed(\"no_head\")");
    let saved = sshd.save();
    let mut again = self::sshd();
    again.load(&saved);
    assert_eq!(told(&mut again, bare), "Malformed(\"no_head\")");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the name, what is told of it is the name, and of the client its address.
    #[test]
    fn no_name_forges_anything(name in "( from | port |9.9.9.9| ssh2|: |22| \\[preauth\\]|invalid user |not allowed because |[a-z ]){0,8}") {
        let name = name.as_str();
        let mut sshd = sshd();
        for (message, expected) in [
            (format!("Invalid user {name} from 203.0.113.7 port 40001"), format!("invalid_user {name} 203.0.113.7 1")),
            (format!("Failed password for invalid user {name} from 203.0.113.7 port 40001 ssh2"), format!("invalid_user {name} 203.0.113.7 0")),
            (format!("Failed publickey for invalid user {name} from 203.0.113.7 port 40001 ssh2: RSA SHA256:x"), format!("invalid_user {name} 203.0.113.7 1")),
            (format!("Disconnected from invalid user {name} 203.0.113.7 port 40001 [preauth]"), format!("invalid_user {name} 203.0.113.7 0")),
        ] {
            prop_assert_eq!(told(&mut sshd, format!("2026-11-21T10:00:00Z web sshd[7]: {message}").as_bytes()), expected, "{}", message);
        }
    }

    #[test]
    fn a_state_of_any_kind_is_taken(text in "[\\[\\]{}\",:a-z0-9]{0,40}") {
        let mut sshd = sshd();
        sshd.load(&serde_json::from_str(&text).unwrap_or_default());
        sshd.load(&json!({ "attempts": text, "broken_bytes": 1_u64 << 40, "form": text }));
        prop_assert!(sshd.broken_bytes <= MAX_MESSAGE_BYTES);
    }
}

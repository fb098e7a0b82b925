//! An entry of the journal to a line, if it is one of those that are wanted.

use super::file::Entry;
use super::{Config, Form, Unit};

/// What is looked at. All that begin with `_` are set by journald, and nobody else can.
pub(super) const FIELDS: [&[u8]; 7] = [b"MESSAGE", b"_TRANSPORT", b"_SYSTEMD_UNIT", b"_COMM", b"_PID", b"_HOSTNAME", b"SYSLOG_IDENTIFIER"];

/// The programs that sshd has been: one, and since OpenSSH 9.8 and 10.0 three.
const SSHD: [&[u8]; 3] = [b"sshd", b"sshd-session", b"sshd-auth"];
/// The longest name of a host or a program that is shown: Linux allows no longer ones.
const MAX_NAME_BYTES: usize = 64;

/// A line, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) text: Vec<u8>,
    /// How long it was before it was cut, with its end.
    pub(super) bytes: u64,
    pub(super) is_cut: bool,
}

/// The line of an entry; nothing if it is somebody else's.
pub(super) fn line(config: &Config, entry: Entry) -> Option<Line> {
    let Entry { number, realtime, fields } = entry;
    let [message, transport, unit, program, process, host, identifier] = <[_; 7]>::try_from(fields).ok()?;
    let is = |field: &Option<Vec<u8>>, value: &[u8]| field.as_deref() == Some(value);
    let is_wanted = match &config.unit {
        // Who may write to /dev/kmsg speaks by the kernel's transport, but journald does not call it the kernel.
        Unit::Kernel => is(&transport, b"kernel") && is(&identifier, b"kernel"),
        Unit::Named(name) => is(&unit, name.as_bytes()),
    };
    let is_sshd = || program.as_deref().is_some_and(|program| SSHD.contains(&program));
    if !is_wanted || (config.form == Form::Sshd && !is_sshd()) {
        return None;
    }
    let mut text = Vec::new();
    if config.form != Form::Bare {
        text.extend_from_slice(head(config, realtime, &program, &process, &host).as_bytes());
    }
    escape(&message?, &mut text);
    let bytes = text.len() as u64 + 1;
    let is_cut = text.len() > config.max_line_bytes;
    text.truncate(config.max_line_bytes);
    Some(Line { number, text, bytes, is_cut })
}

/// `2026-11-21T18:00:00.123456Z host sshd[123]: `
fn head(config: &Config, realtime: u64, program: &Option<Vec<u8>>, process: &Option<Vec<u8>>, host: &Option<Vec<u8>>) -> String {
    let at = i64::try_from(realtime).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok()).unwrap_or_default();
    let host = name(host, "localhost");
    if config.unit == Unit::Kernel {
        return format!("{at} {host} kernel: ");
    }
    let program = name(program, "unknown");
    match process.as_ref().and_then(|process| std::str::from_utf8(process).ok()?.parse::<u32>().ok()) {
        Some(process) => format!("{at} {host} {program}[{process}]: "),
        None => format!("{at} {host} {program}: "),
    }
}

/// A name without anything that could end it.
fn name(field: &Option<Vec<u8>>, default: &str) -> String {
    let Some(field) = field.as_ref().filter(|field| !field.is_empty()) else { return default.to_owned() };
    let plain = |byte: &u8| if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-') { *byte as char } else { '_' };
    field.iter().take(MAX_NAME_BYTES).map(plain).collect()
}

/// A message as one line: its line breaks are written as rsyslog writes them.
fn escape(message: &[u8], text: &mut Vec<u8>) {
    for (number, part) in message.split(|byte| *byte == b'\n').enumerate() {
        if number > 0 {
            text.extend_from_slice(b"#012");
        }
        text.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Start;

    fn config(unit: Unit, form: Form) -> Config {
        Config { unit, form, dir: None, pattern: String::new(), start: Start::End, max_line_bytes: 100 }
    }

    /// Fields in the order of [`FIELDS`]; `-` is none.
    fn shown(config: &Config, fields: [&str; 7]) -> Option<String> {
        let fields = fields.map(|field| (field != "-").then(|| field.as_bytes().to_vec())).to_vec();
        let line = line(config, Entry { number: 7, realtime: 1_795_284_000_000_001, fields })?;
        Some(String::from_utf8(line.text).unwrap())
    }

    #[test]
    fn only_what_journald_vouches_for_is_believed() {
        let sshd = config(Unit::Named("ssh.service".into()), Form::Sshd);
        let real = shown(&sshd, ["Failed password", "syslog", "ssh.service", "sshd", "7", "box", "sshd"]);
        assert_eq!(real.as_deref(), Some("2026-11-21T18:00:00.000001Z box sshd[7]: Failed password"));
        for forged in [
            // logger -t sshd, from a session and from cron.
            ["Failed password", "syslog", "session-3.scope", "logger", "7", "box", "sshd"],
            ["Failed password", "syslog", "cron.service", "sshd", "7", "box", "sshd"],
            // Something else that runs in the unit.
            ["Failed password", "syslog", "ssh.service", "logger", "7", "box", "sshd"],
            ["Failed password", "journal", "-", "-", "-", "box", "sshd"],
            ["-", "syslog", "ssh.service", "sshd", "7", "box", "sshd"],
        ] {
            assert_eq!(shown(&sshd, forged), None, "{forged:?}");
        }
        let kernel = config(Unit::Kernel, Form::Headed);
        let real = shown(&kernel, ["[UFW BLOCK] IN=eth0", "kernel", "-", "-", "-", "-", "kernel"]);
        assert_eq!(real.as_deref(), Some("2026-11-21T18:00:00.000001Z localhost kernel: [UFW BLOCK] IN=eth0"));
        assert_eq!(shown(&kernel, ["IN=eth0", "syslog", "-", "logger", "7", "box", "kernel"]), None);
        assert_eq!(shown(&kernel, ["IN=eth0", "kernel", "-", "-", "-", "box", "systemd"]), None, "/dev/kmsg");
    }

    #[test]
    fn no_message_is_two_lines_and_long_ones_are_cut() {
        let bare = config(Unit::Named("bot.service".into()), Form::Bare);
        let fields = |message| [message, "stdout", "bot.service", "python3", "7", "box", "bot"];
        assert_eq!(shown(&bare, fields("one\ntwo\n")).as_deref(), Some("one#012two#012"));
        assert_eq!(shown(&bare, fields(&"x".repeat(200))).map(|line| line.len()), Some(100));
        let headed = config(Unit::Named("bot.service".into()), Form::Headed);
        let hostile = ["m", "stdout", "bot.service", "a b]: \n", "x", "h\nost", "bot"];
        assert_eq!(shown(&headed, hostile).as_deref(), Some("2026-11-21T18:00:00.000001Z h_ost a_b____: m"));
    }
}

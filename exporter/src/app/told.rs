//! Findings on stdout, one JSON object a line. They are told once they are saved; until then they wait here, as the lines that they will
//! be: in a flood thousands wait for one commit, and on a full disk all of them.

use std::io::Write;

use tracing::warn;

use crate::finding::Finding;

/// As much goes through a pipe whole, whatever is written to it besides (PIPE_BUF of Linux).
const PIPE_BYTES: usize = 4096;
/// Texts of that size that wait: 16 MiB, some 25,000 findings.
const MAX_TEXTS: usize = 4096;

/// Lines that wait, in texts that each go through a pipe whole.
#[derive(Default)]
pub(super) struct Told {
    texts: Vec<String>,
    /// Findings that there was no room for.
    left_out: usize,
}

impl Told {
    pub(super) fn push(&mut self, finding: &Finding) {
        let line = serde_json::json!(finding).to_string();
        let has_room = self.texts.len() < MAX_TEXTS;
        match self.texts.last_mut() {
            Some(lines) if lines.len() + line.len() < PIPE_BYTES => {
                lines.push_str(&line);
                lines.push('\n');
            }
            _ if has_room => self.texts.push(line + "\n"),
            _ => self.left_out += 1,
        }
    }

    /// What waits in `others` waits here.
    pub(super) fn append(&mut self, others: &mut Self) {
        let Self { texts, left_out } = std::mem::take(others);
        let room = MAX_TEXTS.saturating_sub(self.texts.len());
        self.left_out += left_out + texts.iter().skip(room).map(|lines| lines.lines().count()).sum::<usize>();
        self.texts.extend(texts.into_iter().take(room));
    }

    /// That nobody reads them is no reason to stop.
    pub(super) fn write(self, out: &mut impl Write) {
        self.texts.iter().for_each(|lines| drop(out.write_all(lines.as_bytes())));
        if self.left_out > 0 {
            warn!(findings = self.left_out, "Findings were saved and not written out: too many waited.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;
    use crate::finding::Severity;

    fn finding(id: u64, summary: &str) -> Finding {
        Finding {
            id,
            at: Timestamp::from_secs(1_775_253_600),
            detector: "d".into(),
            severity: Severity::Info,
            source: "s".into(),
            about: "a".into(),
            client: None,
            country: None,
            summary: summary.into(),
            evidence: Vec::new(),
        }
    }

    fn ids(told: Told) -> Vec<u64> {
        let mut out = Vec::new();
        told.write(&mut out);
        let lines = out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice::<Finding>(line).unwrap().id).collect()
    }

    #[test]
    fn each_is_a_line_and_no_text_is_longer_than_a_pipe_takes() {
        let mut told = Told::default();
        (0..100).for_each(|id| told.push(&finding(id, &"x".repeat(id as usize * 20))));
        assert!(told.texts.len() > 20 && told.texts.iter().all(|lines| lines.len() <= PIPE_BYTES && lines.ends_with('\n')));
        told.push(&finding(100, &"y".repeat(2 * PIPE_BYTES)));
        assert_eq!(ids(told), (0..=100).collect::<Vec<_>>());
    }

    #[test]
    fn who_waits_for_ever_waits_in_bounded_memory() {
        let (mut saving, mut pushed) = (Told::default(), 0);
        for _ in 0..5 {
            let mut fresh = Told::default();
            for _ in 0..4 * MAX_TEXTS {
                fresh.push(&finding(pushed, &"x".repeat(1_500)));
                pushed += 1;
            }
            saving.append(&mut fresh);
            assert!(fresh.texts.is_empty() && fresh.left_out == 0 && saving.texts.len() <= MAX_TEXTS);
        }
        let left_out = saving.left_out as u64;
        let told = ids(saving);
        assert!(left_out > 0 && told.is_sorted());
        assert_eq!(told.len() as u64 + left_out, pushed);
    }
}

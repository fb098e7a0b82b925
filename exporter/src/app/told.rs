//! Findings on stdout, one JSON object a line. They are told once they are saved; until then they wait here, as the lines that they will
//! be: in a flood thousands wait for one commit, and on a full disk all of them.

use std::io::Write;

use tracing::warn;

use crate::finding::Finding;
use crate::snapshot::Lines;

/// As much goes through a pipe whole, whatever is written to it besides (PIPE_BUF of Linux).
const PIPE_BYTES: usize = 4096;
/// When lines of so many bytes wait, some 25,000 findings, no more are taken.
const MAX_BYTES: usize = 16 << 20;

/// Lines that wait.
#[derive(Default)]
pub(super) struct Told {
    lines: Lines,
    findings: usize,
    /// Findings that there was no room for.
    left_out: usize,
}

impl Told {
    pub(super) fn push(&mut self, finding: &Finding) {
        if self.has_room() {
            self.lines.push(finding);
            self.findings += 1;
        } else {
            self.left_out += 1;
        }
    }

    fn has_room(&self) -> bool {
        self.lines.bytes() < MAX_BYTES
    }

    /// What waits in `others` waits here.
    pub(super) fn append(&mut self, others: &mut Self) {
        let Self { lines, findings, left_out } = std::mem::take(others);
        self.left_out += left_out;
        if self.has_room() {
            self.lines.append(lines);
            self.findings += findings;
        } else {
            self.left_out += findings;
        }
    }

    /// That nobody reads them is no reason to stop.
    pub(super) fn write(self, out: &mut impl Write) {
        for text in self.lines.texts() {
            let mut rest = &*text;
            while !rest.is_empty() {
                let (whole, others) = rest.split_at(whole_lines(rest));
                drop(out.write_all(whole));
                rest = others;
            }
        }
        if self.left_out > 0 {
            warn!(findings = self.left_out, "Findings were saved and not written out: too many waited.");
        }
    }
}

/// The length of as many lines as go through a pipe whole; at least one.
fn whole_lines(text: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let fit = text.get(..PIPE_BYTES).unwrap_or(text);
    let end = fit.iter().rposition(is_end).or_else(|| text.iter().position(is_end));
    end.map_or(text.len(), |end| end + 1)
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

    /// What is written, each time.
    #[derive(Default)]
    struct Written(Vec<Vec<u8>>);

    impl Write for Written {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.push(text.to_vec());
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn by(told: Told) -> Self {
            let mut out = Self::default();
            told.write(&mut out);
            out
        }

        fn ids(&self) -> Vec<u64> {
            let text = self.0.concat();
            let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            lines.map(|line| serde_json::from_slice::<Finding>(line).unwrap().id).collect()
        }
    }

    #[test]
    fn each_is_a_line_and_as_many_as_a_pipe_takes_whole_are_written_at_once() {
        let mut told = Told::default();
        (0..1_000).for_each(|id| told.push(&finding(id, &"x".repeat(id as usize * 3))));
        told.push(&finding(1_000, &"y".repeat(2 * PIPE_BYTES)));
        told.push(&finding(1_001, "z"));
        let written = Written::by(told);
        assert_eq!(written.ids(), (0..=1_001).collect::<Vec<_>>());
        let (long, usual): (Vec<_>, Vec<_>) = written.0.iter().partition(|text| text.len() > PIPE_BYTES);
        assert!(long.len() == 1 && (400..600).contains(&usual.len()), "{} and {}", long.len(), usual.len());
        assert!(written.0.iter().all(|text| text.ends_with(b"\n")));
    }

    #[test]
    fn who_waits_for_ever_waits_in_bounded_memory() {
        let (mut saving, mut pushed) = (Told::default(), 0);
        for _ in 0..5 {
            let mut fresh = Told::default();
            for _ in 0..8_000 {
                fresh.push(&finding(pushed, &"x".repeat(1_500)));
                pushed += 1;
            }
            saving.append(&mut fresh);
            assert!(fresh.lines.is_empty() && fresh.findings + fresh.left_out == 0 && saving.lines.bytes() < 2 * MAX_BYTES);
        }
        let left_out = saving.left_out as u64;
        let told = Written::by(saving).ids();
        assert!(left_out > 0 && told.is_sorted());
        assert_eq!(told.len() as u64 + left_out, pushed);
    }
}

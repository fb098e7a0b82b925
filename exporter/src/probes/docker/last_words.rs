//! The last line of a container's log that looks like an error: the piece of evidence that people look for first.

use crate::docker_api::frames;

/// Words of lines that tell of an error, in lower case.
const ERRORS: [&str; 14] = [
    "error",
    "exception",
    "fatal",
    "panic",
    "critical",
    "traceback",
    "fail",
    "denied",
    "refused",
    "cannot",
    "could not",
    "killed",
    "segfault",
    "out of memory",
];
/// The longest line that is kept, in characters.
const LINE_CHARS: usize = 300;

/// The last line of a log's end (as the API sends it) that looks like an error, else the last line; `None` if there is none.
pub(super) fn last_words(sent: &[u8]) -> Option<String> {
    let text: Vec<u8> = frames(sent).flat_map(|(_, piece)| piece).copied().collect();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let is_error = |line: &&String| {
        let line = line.to_lowercase();
        ERRORS.iter().any(|word| line.contains(word))
    };
    lines.iter().rev().find(is_error).or(lines.last()).cloned()
}

/// A line without what colours it, its control characters, and what is too long of it.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    let mut kept = 0;
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            skip_escape(&mut chars);
        } else if !c.is_control() || c == '\t' {
            out.push(if c == '\t' { ' ' } else { c });
            kept += 1;
            if kept == LINE_CHARS {
                break;
            }
        }
    }
    out.trim().to_owned()
}

/// Passes over what follows ESC: `[…m` and other control sequences to their final letter, `]…BEL` titles, else one character.
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        Some('[') => drop(chars.find(|c| matches!(c, '@'..='~'))),
        Some(']') => drop(chars.find(|c| matches!(c, '\u{7}' | '\\'))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(pieces: &[(u8, &str)]) -> Vec<u8> {
        let frame = |(stream, text): &(u8, &str)| {
            let mut frame = vec![*stream, 0, 0, 0];
            frame.extend_from_slice(&(text.len() as u32).to_be_bytes());
            frame.extend_from_slice(text.as_bytes());
            frame
        };
        pieces.iter().flat_map(frame).collect()
    }

    #[test]
    fn the_last_error_is_found() {
        let log = framed(&[(1, "starting\n"), (2, "\u{1b}[31mERROR\u{1b}[0m no database\n"), (1, "bye\n"), (1, "\n")]);
        assert_eq!(last_words(&log).as_deref(), Some("ERROR no database"));
        assert_eq!(last_words(&framed(&[(1, "one\ntw"), (1, "o\n")])).as_deref(), Some("two"));
        assert_eq!(last_words(b"with a terminal\r\nFatal: x\r\nend\r\n").as_deref(), Some("Fatal: x"));
        assert_eq!(last_words(&framed(&[(1, "\n")])), None);
        assert_eq!(last_words(b""), None);
    }

    #[test]
    fn hostile_logs_are_cut() {
        let mut cut = framed(&[(2, "a failure\nnext"), (1, "never")]);
        cut.truncate(cut.len() - 3);
        assert_eq!(last_words(&cut).as_deref(), Some("a failure"));
        let long = "x\u{0}\u{1b}]0;title\u{7}".repeat(10_000);
        assert_eq!(last_words(long.as_bytes()).unwrap().chars().count(), LINE_CHARS);
        assert_eq!(last_words(&[2, 0, 0, 0, 255, 255, 255, 255, 0xff]).as_deref(), Some("\u{fffd}"));
        assert_eq!(last_words("\u{1b}[".repeat(9).as_bytes()), None);
    }
}

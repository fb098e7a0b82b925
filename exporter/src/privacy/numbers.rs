//! Takes out of texts the numbers that may stand for somebody, and tells addresses of machines from them.

use std::net::Ipv4Addr;
use std::ops::Range;

use super::ClientMode;
use super::pieces::{Piece, pieces};

/// Digits in a row that may be a telephone's number or another one that stands for somebody.
pub(super) const NUMBER_DIGITS: usize = 5;
/// What goes on after an address and a slash is a path or a mask, if it has fewer digits.
const PATH_DIGITS: usize = 4;

/// Digits, and what may stand between those of one number.
#[derive(Default)]
struct Run {
    text: String,
    digits: usize,
    /// Where the last digit ends.
    end: usize,
    /// Digits and dots between which something else stands.
    parts: Vec<Range<usize>>,
}

/// Takes out runs of [`NUMBER_DIGITS`] and more digits, whatever people put between them; of a request also when that is `encoded`. An IPv4
/// address is told as such: where `clients` shows addresses, shorter ones and the hosts of links stay, since they are no telephone's numbers.
pub(super) fn without_numbers(text: &str, clients: ClientMode, encoded: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = Run::default();
    for Piece { text: piece, means, is_code } in pieces(text, move |decoded| encoded && is_between(decoded)) {
        match means {
            '0'..='9' if !is_code => run.digit(piece),
            '+' if run.digits == 0 && !is_code => {
                run.flush(clients, &mut out);
                run.text.push('+');
            }
            _ if is_between(means) && run.digits > 0 => run.text.push_str(piece),
            _ => {
                run.flush(clients, &mut out);
                out.push_str(piece);
            }
        }
    }
    run.flush(clients, &mut out);
    out
}

/// What may stand between the digits of one number.
fn is_between(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '+')
}

impl Run {
    fn digit(&mut self, digit: &str) {
        let begins = match self.parts.last() {
            Some(last) => !self.text.get(last.end..).is_some_and(|since| since.is_empty() || since == "."),
            None => true,
        };
        let start = self.text.len();
        self.text.push_str(digit);
        (self.digits, self.end) = (self.digits + 1, self.text.len());
        match self.parts.last_mut().filter(|_| !begins) {
            Some(last) => last.end = self.end,
            None => self.parts.push(start..self.end),
        }
    }

    fn flush(&mut self, clients: ClientMode, out: &mut String) {
        let (kept, after) = self.text.split_at_checked(self.end).unwrap_or_default();
        let is_long = self.digits >= NUMBER_DIGITS;
        let holds_address = || self.parts.iter().any(|part| is_address(kept.get(part.clone())));
        if (is_long || (clients != ClientMode::Full && self.digits > 0)) && holds_address() {
            self.tell(kept, clients, out);
        } else if is_long && !is_date(kept.as_bytes()) {
            out.push_str("<number>");
        } else {
            out.push_str(kept);
        }
        out.push_str(after);
        self.text.clear();
        self.parts.clear();
        (self.digits, self.end) = (0, 0);
    }

    /// Tells addresses; of the rest of a number that was cut up so that it looks like one, nothing.
    fn tell(&self, kept: &str, clients: ClientMode, out: &mut String) {
        let (mut done, mut was_address) = (0, false);
        // The front of a log line's time stays.
        let first = self.parts.iter().find(|part| is_address(kept.get((*part).clone())));
        if let Some(front) = first.and_then(|first| kept.get(..first.start)).filter(|front| is_date(front.trim_end().as_bytes())) {
            out.push_str(front);
            done = front.len();
        }
        let front = done;
        for part in self.parts.iter().filter(|part| part.start >= front) {
            let (Some(between), Some(text)) = (kept.get(done..part.start), kept.get(part.clone())) else { continue };
            out.push_str(between);
            let is_path = was_address && between == "/" && text.len() <= PATH_DIGITS;
            was_address = is_address(Some(text));
            out.push_str(match was_address {
                true if clients == ClientMode::Full && is_host(out) => text,
                true => "<address>",
                false if is_path => text,
                false => "<number>",
            });
            done = part.end;
        }
    }
}

fn is_address(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.parse::<Ipv4Addr>().is_ok())
}

/// Whether a link's host comes next, also in an encoded link: no telephone's number stands there.
fn is_host(front: &str) -> bool {
    let ends =
        |end: &str| front.len().checked_sub(end.len()).and_then(|at| front.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end));
    ends("://") || ends("%3a%2f%2f")
}

/// `2026-11-21` or `2026-11-21 16`: the front of a log line's time. No telephone's number is written so.
fn is_date(run: &[u8]) -> bool {
    let (date, hour) = run.split_at_checked(10).unwrap_or((run, b""));
    let [b'2', b'0', rest @ ..] = date else { return false };
    let shape = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len()
            && text.iter().zip(shape).all(|(byte, kind)| if *kind == b'0' { byte.is_ascii_digit() } else { byte == kind })
    };
    let [_, _, _, month, _, _, day, _] = rest else { return false };
    shape(rest, b"00-00-00") && *month <= b'1' && *day <= b'3' && (hour.is_empty() || shape(hour, b" 00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stay_and_numbers_go() {
        for (text, expected) in [
            ("2026-11-21 16:03:54,992 [ERROR] no", "2026-11-21 16:03:54,992 [ERROR] no"),
            ("on 2026-11-21: +34 600 123 456", "on 2026-11-21: <number>"),
            ("2026-11-21 16 34 600 123", "<number>"),
            ("2034-60-01 23", "<number>"),
            ("2026-11-21 163", "<number>"),
            ("3460-01-23 45", "<number>"),
            ("600+98+71+23.", "<number>."),
            ("++34 600 1++", "+<number>++"),
            ("100%20345", "100%<number>"),
            ("1 + 2", "1 + 2"),
            ("2026-11-21 10.0.0.7 refused", "2026-11-21 <address> refused"),
            ("ñ 4 – 5", "ñ 4 – 5"),
        ] {
            assert_eq!(without_numbers(text, ClientMode::Full, false), expected);
        }
    }

    #[test]
    fn encoded_numbers_go_too() {
        for (text, expected) in [
            ("tel=600%20123%20456&a", "tel=<number>&a"),
            ("tel=%2B34%2D600.123%20", "tel=%2B<number>%20"),
            ("%20600123456%22", "%20<number>%22"),
            ("%2e%2e%2f%2e%2e%2fetc%00", "%2e%2e%2f%2e%2e%2fetc%00"),
            ("1%20OR%201=1", "1%20OR%201=1"),
            ("%zz1%2", "%zz1%2"),
            ("%600987", "%<number>"),
            ("%27%20%22%20%22", "%27%20%22%20%22"),
            ("%é%", "%é%"),
        ] {
            assert_eq!(without_numbers(text, ClientMode::Full, true), expected);
        }
    }

    use proptest::prelude::*;

    proptest! {
        /// What is left holds no number: to look again takes nothing more.
        #[test]
        fn nothing_is_left_to_take(text in "([0-9]{1,4}|[0-9]|[.]|[ ]|%20|%2B|[-+/()a:]|10[.]0[.]0[.]7){0,40}", encoded: bool) {
            for clients in [ClientMode::Full, ClientMode::Hash] {
                let once = without_numbers(&text, clients, encoded);
                prop_assert_eq!(without_numbers(&once, clients, encoded), once.clone(), "{}", text);
                // Dates stay.
                let mut undated = once.clone();
                while let Some(at) = (0..undated.len()).find(|at| undated.get(*at..at + 10).is_some_and(|date| is_date(date.as_bytes()))) {
                    undated.replace_range(at..at + 10, "date");
                }
                let decoded = if encoded { undated.replace("%20", " ").replace("%2B", "+") } else { undated };
                let bare = decoded.replace([' ', '-', '.', '(', ')', '/', '+'], "");
                let longest = bare.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
                prop_assert!(longest < NUMBER_DIGITS, "{} gives {}", text, decoded);
            }
        }
    }
}

//! Texts, times and numbers as the page shows them.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use crate::event::Timestamp;

/// Text that stays text, in HTML's content and in quoted attributes.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => out.write_str("&amp;"),
                '<' => out.write_str("&lt;"),
                '>' => out.write_str("&gt;"),
                '"' => out.write_str("&quot;"),
                '\'' => out.write_str("&#39;"),
                '\0' => out.write_char('\u{fffd}'),
                _ => out.write_char(c),
            }?;
        }
        Ok(())
    }
}

/// A time and how long ago it was.
pub(super) struct When(pub(super) Option<Timestamp>, pub(super) Timestamp);

impl Display for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((at, text)) = self.0.and_then(|at| Some((at, at.to_rfc3339()?))) else { return out.write_str("never") };
        write!(out, "<time datetime=\"{text}\">{}</time>", text.replace('T', " ").replace('Z', " UTC"))?;
        match self.1.since(at) {
            age if age < Duration::from_secs(1) => Ok(()),
            age if age < Duration::from_secs(120) => write!(out, " ({} s ago)", age.as_secs()),
            age if age < Duration::from_secs(2 * 3600) => write!(out, " ({} min ago)", age.as_secs() / 60),
            age if age < Duration::from_secs(48 * 3600) => write!(out, " ({} h ago)", age.as_secs() / 3600),
            age => write!(out, " ({} days ago)", age.as_secs() / 86_400),
        }
    }
}

/// `65 504`: thousands set apart by narrow blanks that break no line, as in SI.
pub(super) struct Count(pub(super) u64);

impl Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                out.write_char('\u{202f}')?;
            }
            out.write_char(digit)?;
        }
        Ok(())
    }
}

/// `1.4 MB`: powers of ten.
pub(super) struct Bytes(pub(super) u64);

impl Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
        if self.0 < 1000 {
            return write!(out, "{} B", self.0);
        }
        let mut amount = self.0 as f64 / 1e3;
        let mut unit = 0;
        while amount >= 999.95 && unit + 1 < UNITS.len() {
            amount /= 1e3;
            unit += 1;
        }
        write!(out, "{amount:.1} {}", UNITS.get(unit).unwrap_or(&"TB"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_787_300_000);

    #[test]
    fn numbers_are_for_people() {
        let count = |count| Count(count).to_string().replace('\u{202f}', "_");
        assert_eq!([0, 999, 1_000, 65_504, 1_000_000].map(count), ["0", "999", "1_000", "65_504", "1_000_000"]);
        let bytes = |bytes| Bytes(bytes).to_string();
        assert_eq!(
            [0, 999, 1_000, 1_440_000, 999_960, u64::MAX].map(bytes),
            ["0 B", "999 B", "1.0 kB", "1.4 MB", "1.0 MB", "18446744.1 TB"]
        );
        let when = |ago| When(Some(Timestamp::from_secs(NOW.secs() - ago)), NOW).to_string();
        assert_eq!(when(0), "<time datetime=\"2026-08-21T08:13:20Z\">2026-08-21 08:13:20 UTC</time>");
        for (ago, said) in [(1, "1 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (200_000, "2 days")] {
            assert!(when(ago).ends_with(&format!(" ({said} ago)")), "{ago}");
        }
        assert_eq!(When(Some(Timestamp::from_micros(i64::MIN)), NOW).to_string(), "never");
    }
}

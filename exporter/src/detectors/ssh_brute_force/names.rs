//! The names that somebody tried to log in under: a few, those tried most, and no more of them than may be told.

use serde::{Deserialize, Serialize};

/// Names kept of each client and network.
const MAX_NAMES: usize = 6;
/// The longest name, in characters: what useradd takes.
const MAX_CHARS: usize = 32;
/// Higher counts are told as more than this; five digits would be taken for a telephone's number.
const MAX_TOLD: u32 = 9_999;

/// How often each name was tried.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Names {
    /// In no order.
    tried: Vec<(String, u32)>,
    /// Attempts under names that are not kept.
    others: u32,
}

impl Names {
    /// Takes attempts under a name, which is kept only if it `may_be_told`: it may be a password in the wrong place.
    pub(super) fn add(&mut self, user: &[u8], count: u64, may_be_told: bool) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if user.is_empty() {
            return;
        }
        if !may_be_told {
            self.others = self.others.saturating_add(count);
            return;
        }
        let name = clean(user);
        if let Some((_, times)) = self.tried.iter_mut().find(|(known, _)| *known == name) {
            *times = times.saturating_add(count);
            return;
        }
        if self.tried.len() >= MAX_NAMES {
            // The one tried least gives way; those tried again and again stay.
            let least = self.tried.iter().enumerate().min_by_key(|(_, (_, times))| *times).map_or(0, |(place, _)| place);
            let (_, gone) = self.tried.swap_remove(least);
            self.others = self.others.saturating_add(gone);
        }
        self.tried.reserve_exact(1);
        self.tried.push((name, count));
    }

    /// `names tried: root ×12, admin ×3, others ×5`, without those that may not be told (any more); none if there are none.
    pub(super) fn told(&self, may_be_told: impl Fn(&[u8]) -> bool) -> Option<String> {
        let (mut told, hidden): (Vec<_>, Vec<_>) = self.tried.iter().partition(|(name, _)| may_be_told(name.as_bytes()));
        told.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let others = hidden.iter().fold(self.others, |sum, (_, times)| sum.saturating_add(*times));
        let mut list: Vec<String> = told.iter().map(|(name, times)| format!("{name} {}", times_told(*times))).collect();
        match (list.is_empty(), others) {
            (true, 0) => return None,
            (true, _) => return Some("names tried: none of the usual ones; others are not told, they may be passwords".to_owned()),
            (false, 0) => {}
            (false, others) => list.push(format!("others {}", times_told(others))),
        }
        Some(format!("names tried: {}", list.join(", ")))
    }
}

fn times_told(times: u32) -> String {
    if times > MAX_TOLD { format!("×{MAX_TOLD}+") } else { format!("×{times}") }
}

/// A name that cannot be taken for several, nor for a count.
fn clean(user: &[u8]) -> String {
    let text = String::from_utf8_lossy(user.get(..4 * MAX_CHARS).unwrap_or(user));
    let shown = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@' | '$' | '\\') { c } else { '?' };
    let cut = if text.chars().nth(MAX_CHARS).is_some() { "…" } else { "" };
    text.chars().take(MAX_CHARS).map(shown).chain(cut.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(tried: impl IntoIterator<Item = (&'a str, u64)>) -> Names {
        let mut names = Names::default();
        for (name, count) in tried {
            names.add(name.as_bytes(), count, !name.starts_with('!'));
        }
        names
    }

    #[test]
    fn names_are_told_the_most_tried_first() {
        let all = |_: &[u8]| true;
        for (tried, expected) in [
            (vec![], None),
            (vec![("", 3)], None),
            (vec![("admin", 2), ("root", 2), ("root", 70_000), ("!secret", 3)], Some("root ×9999+, admin ×2, others ×3")),
            (vec![("a, root ×9", 1), ("b\u{202e}\nc", 1), ("ñ.-_@x\\$", 1)], Some("a??root??9 ×1, b??c ×1, ñ.-_@x\\$ ×1")),
            (vec![("!x", 1)], Some("none of the usual ones; others are not told, they may be passwords")),
        ] {
            assert_eq!(names(tried).told(all), expected.map(|told| format!("names tried: {told}")));
        }
        assert_eq!(names([("root", 1), ("ana", 2)]).told(|name| name == b"root").as_deref(), Some("names tried: root ×1, others ×2"));
        assert_eq!(names([("x".repeat(200).as_str(), 1)]).told(all), Some(format!("names tried: {}… ×1", "x".repeat(32))));
    }

    #[test]
    fn a_thousand_names_hide_no_favourite() {
        let mut many = Names::default();
        for number in 0..1_000 {
            many.add(format!("u{number}").as_bytes(), 1, true);
            many.add(b"root", 1, true);
        }
        assert_eq!(many.tried.len(), MAX_NAMES);
        let told = many.told(|_| true).unwrap();
        assert!(told.starts_with("names tried: root ×1000, u") && told.ends_with(", others ×995"), "{told}");
    }
}

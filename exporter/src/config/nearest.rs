//! Guesses which known name was meant.

/// Longer names are no typing mistakes, and comparing them would cost time.
const MAX_CHARS: usize = 64;

/// The known name that is nearest to `typed`, if one is near: at most one slip per three letters.
pub(super) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = typed.chars().take(MAX_CHARS + 1).flat_map(char::to_lowercase).collect();
    if typed.len() > MAX_CHARS {
        return None;
    }
    let slips = (typed.len() / 3).max(1);
    known
        .into_iter()
        .map(|name| (distance(&typed, &name.chars().flat_map(char::to_lowercase).collect::<Vec<_>>()), name))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be added, taken away, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood() {
        let known = ["listen", "bearer_token", "bearer_token_file", "max_connections"];
        assert_eq!(nearest("lisetn", known), Some("listen"));
        assert_eq!(nearest("Listen", known), Some("listen"));
        assert_eq!(nearest("bearertoken", known), Some("bearer_token"));
        assert_eq!(nearest("max_conections", known), Some("max_connections"));
        assert_eq!(nearest("probes", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"listen".repeat(100_000), known), None);
    }

    #[test]
    fn distances() {
        let of = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(
            [of("", ""), of("a", ""), of("", "ab"), of("abc", "abc"), of("abc", "acb"), of("kitten", "sitting")],
            [0, 1, 2, 0, 1, 3]
        );
    }
}

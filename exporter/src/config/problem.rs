//! What is wrong with a configuration: each problem on one line, with its place, its key and what would be right.

use std::fmt;
use std::path::PathBuf;

/// The most problems that are kept; the others are only counted. A file that is not a configuration would give thousands.
const MAX_PROBLEMS: usize = 500;

/// Something that must be put right before anything runs. It never holds the text of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file it stands in; `None` for a variable of the environment.
    pub file: Option<PathBuf>,
    /// The line, from 1; `None` if something is missing, or is wrong with the file as a whole.
    pub line: Option<usize>,
    /// The setting, or the variable that set it. Empty if the file as a whole is meant.
    pub key: String,
    /// What is wrong, lower case, no full stop.
    pub what: String,
    /// What to do. Empty if there is nothing to say.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(out, "{}:", shown(&file.to_string_lossy(), usize::MAX))?;
            if let Some(line) = self.line {
                write!(out, "{line}:")?;
            }
            write!(out, " ")?;
        }
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        write!(out, "{}", self.what)?;
        if !self.remedy.is_empty() {
            write!(out, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Every problem of a configuration, in the order of the file; those of the environment come last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// The problems.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Whether all is well.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are, including those that were only counted.
    pub fn count(&self) -> usize {
        self.list.len() + self.more
    }

    /// Whether more problems are only counted: nobody will read their remedies.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MAX_PROBLEMS
    }

    /// One more.
    pub fn push(&mut self, problem: Problem) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.list.push(problem);
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.more += other.more;
        for problem in other.list {
            self.push(problem);
        }
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&Problem) -> bool) {
        self.list.retain(keep);
    }

    pub(super) fn sort(&mut self) {
        self.list.sort_by_key(|problem| (problem.file.is_none(), problem.line.is_none(), problem.line));
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            writeln!(out, "{problem}")?;
        }
        if self.more > 0 {
            writeln!(out, "and {} more problems", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Foreign text, fit for one line of a terminal: control characters escaped, cut at `max_chars`.
pub(super) fn shown(text: &str, max_chars: usize) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == max_chars {
            out.push('…');
            break;
        }
        // Format characters (bidirectional overrides and the like) are no control characters, but `escape_debug` knows them.
        match c {
            '"' | '\'' | '\\' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: Option<usize>, key: &str) -> Problem {
        Problem {
            file: line.map(|_| PathBuf::from("/etc/hostwarden.toml")),
            line,
            key: key.to_owned(),
            what: "is wrong".to_owned(),
            remedy: "mend it".to_owned(),
        }
    }

    #[test]
    fn a_problem_is_one_line() {
        assert_eq!(problem(Some(12), "server.listen").to_string(), "/etc/hostwarden.toml:12: server.listen: is wrong; mend it");
        assert_eq!(problem(None, "HOSTWARDEN_SALT").to_string(), "HOSTWARDEN_SALT: is wrong; mend it");
    }

    #[test]
    fn foreign_text_cannot_leave_its_line() {
        assert_eq!(shown("a\nb\u{1b}[31m\u{202e}\"é", 40), "a\\nb\\u{1b}[31m\\u{202e}\"é");
        assert_eq!(shown("abcdef", 3), "abc…");
        assert_eq!(shown("abc", 3), "abc");
    }

    #[test]
    fn too_many_are_counted() {
        let mut problems = Problems::default();
        for line in 0..MAX_PROBLEMS + 7 {
            problems.push(problem(Some(line), "x"));
        }
        assert_eq!(problems.count(), MAX_PROBLEMS + 7);
        assert!(problems.to_string().ends_with("and 7 more problems\n"));
    }

    #[test]
    fn the_order_is_that_of_the_file() {
        let mut problems = Problems::default();
        for (line, key) in [(None, "HOSTWARDEN__X"), (Some(7), "b"), (Some(2), "a")] {
            problems.push(problem(line, key));
        }
        problems.sort();
        assert_eq!(problems.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(), ["a", "b", "HOSTWARDEN__X"]);
    }
}

//! Which names a source's pattern stands for right now.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Error, MAX_FILES, rotated};

/// The pattern of a source.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// One path, whatever it is called.
    Path(PathBuf),
    /// All that match it and look live.
    Glob { text: String, base: PathBuf },
}

/// What a pattern stands for.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The names, in order.
    pub(super) names: Vec<PathBuf>,
    /// Why there may be more.
    pub(super) problem: Option<Error>,
    /// Whether all directories could be listed.
    pub(super) complete: bool,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        if !text.contains(['*', '?', '[']) {
            return Self::Path(PathBuf::from(text));
        }
        let base = Path::new(text).iter().take_while(|part| !part.to_string_lossy().contains(['*', '?', '['])).collect();
        Self::Glob { text: text.to_owned(), base }
    }

    /// Whether it is one path.
    pub(super) fn is_path(&self) -> bool {
        matches!(self, Self::Path(_))
    }

    /// The directory where it begins: where news of its files arrive.
    pub(super) fn base(&self) -> &Path {
        match self {
            Self::Path(path) => path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
            Self::Glob { base, .. } => base,
        }
    }

    /// The names that it stands for.
    pub(super) fn find(&self) -> Found {
        match self {
            Self::Path(path) => Found { names: vec![path.clone()], problem: None, complete: true },
            Self::Glob { text, base } => expand(text, base),
        }
    }
}

fn expand(text: &str, base: &Path) -> Found {
    // The glob crate keeps silent about a base that it cannot examine.
    if let Err(source) = fs::metadata(base) {
        return Found { complete: super::is_missing(&source), problem: Some(Error::list(base, source)), names: Vec::new() };
    }
    let options = glob::MatchOptions { require_literal_leading_dot: true, require_literal_separator: true, ..Default::default() };
    let paths = match glob::glob_with(text, options) {
        Ok(paths) => paths,
        Err(error) => {
            let problem = Error::Pattern { pattern: text.to_owned(), problem: error.msg, position: error.pos };
            return Found { problem: Some(problem), ..Found::default() };
        }
    };
    let mut found = Found { complete: true, ..Found::default() };
    for path in paths {
        match path {
            Ok(path) if looks_live(&path) => found.names.push(path),
            Ok(_) => {}
            Err(error) => {
                let path = error.path().to_owned();
                let source = std::io::Error::from(error);
                found.complete &= super::is_missing(&source);
                found.problem.get_or_insert(Error::List { path, source });
            }
        }
    }
    let all: HashSet<PathBuf> = found.names.iter().cloned().collect();
    found.names.retain(|path| live_name(path).is_none_or(|live| !all.contains(&live)));
    if found.names.len() > MAX_FILES {
        found.names.truncate(MAX_FILES);
        found.problem = Some(Error::TooMany { pattern: text.to_owned() });
    }
    found
}

/// Whether a match is a log that is written: no rotated name, and no directory (those match by accident).
fn looks_live(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    !rotated::looks_rotated(&name.to_string_lossy()) && !path.is_dir()
}

/// `access.log` for `access.1.log`, which is rotated only if the other is there.
fn live_name(path: &Path) -> Option<PathBuf> {
    Some(path.with_file_name(rotated::possible_live_name(&path.file_name()?.to_string_lossy())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: &Found) -> Vec<String> {
        found.names.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_glob_takes_live_names_only_and_a_path_any() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.log", "a.log.1", "a.1.log", "b.2.log", "a.log-20261121", "c.log.gz", ".d.log", "e.txt"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join("f.log")).unwrap();
        let found = Pattern::new(&format!("{}/*.log*", directory.path().display())).find();
        assert_eq!(names(&found), ["a.log", "b.2.log"]);
        assert!(found.complete && found.problem.is_none());
        let found = Pattern::new(&format!("{}/a.log.1", directory.path().display())).find();
        assert_eq!(names(&found), ["a.log.1"]);
    }

    #[test]
    fn a_missing_base_is_complete_and_an_unreadable_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().join("logs");
        let pattern = Pattern::new(&format!("{}/*.log", base.display()));
        assert_eq!(pattern.base(), base);
        let found = pattern.find();
        assert!(found.complete && found.names.is_empty());
        assert!(found.problem.unwrap().to_string().ends_with("logs: no such file or directory"));
        // A link to itself cannot be followed, not even by root.
        std::os::unix::fs::symlink(&base, &base).unwrap();
        assert!(!pattern.find().complete);
    }

    #[test]
    fn too_many_matches_are_told() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..=MAX_FILES {
            fs::write(directory.path().join(format!("site{number}x.log")), "").unwrap();
        }
        let found = Pattern::new(&format!("{}/*.log", directory.path().display())).find();
        assert_eq!(found.names.len(), MAX_FILES);
        assert!(found.problem.unwrap().to_string().ends_with("more than 1000 files match"));
    }

    #[test]
    fn a_bad_pattern_is_told() {
        assert!(Pattern::new("/tmp/a[").find().problem.unwrap().to_string().contains("at character"));
    }
}

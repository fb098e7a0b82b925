//! What reading has in common: places, problems, the variables that are left over. The walk is in `section.rs`, single values are
//! read in `values.rs`, `lists.rs` and `secrets.rs`.

use std::collections::HashMap;
use std::path::PathBuf;

use toml::de::DeTable;

use super::environment::Environment;
use super::nearest::nearest;
use super::problem::{Problem, Problems, shown};
use super::reference::{self, Entry};
use super::section::Section;

/// Where something was said, or would have to be.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In the file; the line if it is known.
    File(Option<usize>),
    /// In this variable.
    Variable(String),
}

/// What is known about an input that is being read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) file: Option<PathBuf>,
    pub(super) environment: Environment,
    pub(super) problems: Problems,
    /// The file could not be understood: what is missing may stand there.
    pub(super) broken: bool,
    /// `Some`: nothing is read, everything is written down.
    pub(super) described: Option<Vec<Entry>>,
    line_starts: Vec<usize>,
    paths: Option<Vec<String>>,
    places: HashMap<String, Place>,
}

impl Reader {
    /// A reader of `text`, which stands in `file`.
    pub(super) fn new(file: Option<PathBuf>, text: &str, environment: Environment) -> Self {
        let line_starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1)).collect();
        Self { file, environment, line_starts, ..Self::default() }
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).max(1)
    }

    /// The column of a byte in `text`, from 1, in characters.
    pub(super) fn column(&self, text: &str, offset: usize) -> usize {
        let start = self.line_starts.get(self.line(offset) - 1).copied().unwrap_or(0);
        text.get(start..offset).map_or(1, |before| before.chars().count() + 1)
    }

    /// Reports what is wrong with the setting `path`, at the place where it was read.
    pub(super) fn problem(&mut self, path: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let place = self.place(path);
        self.problem_at(&place, path, what, remedy);
    }

    pub(super) fn problem_at(&mut self, place: &Place, path: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let (file, line, key) = match place {
            Place::File(line) => (self.file.clone(), *line, path.to_owned()),
            Place::Variable(name) => (None, None, shown(name, MAX_SHOWN)),
        };
        self.problems.push(Problem { file, line, key, what: what.into(), remedy: remedy.into() });
    }

    /// Where a setting was read.
    pub(super) fn place(&self, path: &str) -> Place {
        self.places.get(path).cloned().unwrap_or(Place::File(None))
    }

    /// Remembers where a setting was read.
    pub(super) fn set_place(&mut self, path: &str, place: Place) {
        self.places.insert(path.to_owned(), place);
    }

    /// The raw text of a variable; one that is no text is reported.
    pub(super) fn variable(&mut self, name: &str) -> Option<String> {
        let text = self.environment.take(name)?;
        if text.contains('\u{fffd}') {
            self.problem_at(&Place::Variable(name.to_owned()), "", "is not UTF-8 text", "write it again");
            return None;
        }
        Some(text)
    }

    /// The full name of a setting that is called so, or nearly so, in some other section.
    pub(super) fn elsewhere(&mut self, name: &str) -> Option<&str> {
        let paths = self.paths.get_or_insert_with(reference::paths);
        let last = |path: &'_ String| path.rsplit_once('.').map(|(_, last)| last.to_owned());
        let known: Vec<String> = paths.iter().filter_map(last).collect();
        let meant = nearest(name, known.iter().map(String::as_str))?;
        paths.iter().find(|path| path.rsplit_once('.').is_some_and(|(_, last)| last == meant)).map(String::as_str)
    }

    /// Reads the whole document: `read` gets its root.
    pub(super) fn walk<'d, T>(&mut self, table: &'d DeTable<'d>, read: impl FnOnce(&mut Section<'_, 'd>) -> T) -> T {
        let mut root = Section::root(self, table);
        let result = read(&mut root);
        root.finish();
        result
    }

    /// Reports our variables that set nothing: all with two underscores, and those that would be ours but for their underscores or case.
    pub(super) fn finish(&mut self) {
        let unused = self.environment.unused();
        if unused.is_empty() {
            return;
        }
        let known = reference::variables();
        let plain = |name: &str| name.to_ascii_uppercase().split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
        for name in unused {
            let number = name.split("__").nth(2).filter(|part| part.bytes().all(|b| b.is_ascii_digit())).unwrap_or("0");
            let known: Vec<String> = known.iter().map(|known| known.replace("__0__", &format!("__{number}__"))).collect();
            if known.contains(&name) {
                // A file that could not be read may hold what comes before.
                if !self.broken {
                    let remedy = "number them from 0, without gaps";
                    self.problem_at(&Place::Variable(name), "", "has a number that is too high", remedy);
                }
                continue;
            }
            let mut meant = known.iter().find(|known| plain(known) == plain(&name)).map(String::as_str);
            if let (None, Some(typed)) = (meant, name.strip_prefix(OVERRIDES)) {
                let nearest = nearest(typed, known.iter().filter_map(|known| known.strip_prefix(OVERRIDES)));
                meant = known.iter().find(|known| nearest.is_some() && known.strip_prefix(OVERRIDES) == nearest).map(String::as_str);
            } else if meant.is_none() {
                continue;
            }
            let remedy =
                meant.map_or("remove it; `hostwarden reference env` lists all".to_owned(), |meant| format!("did you mean {meant}?"));
            self.problem_at(&Place::Variable(name), "", "sets nothing that this version knows", remedy);
        }
    }
}

/// What the names of overriding variables begin with.
const OVERRIDES: &str = "HOSTWARDEN__";

/// The longest foreign text that a problem repeats, in characters.
pub(super) const MAX_SHOWN: usize = 60;

//! How secrets are read: as text or from a file that is named, in the file or in the environment. No problem repeats their text.

use std::path::Path;

use super::files;
use super::reader::Place;
use super::reference::{Entry, Sample};
use super::secret::Secret;
use super::section::{Found, Section};
use super::values::Wrong;

/// The names of a secret.
pub(super) struct Names {
    /// The setting that holds its text.
    pub(super) text: &'static str,
    /// The setting that names its file.
    pub(super) file: &'static str,
    /// A shorter name of the variable; with `_FILE` behind it, of the file's. Empty if there is none.
    pub(super) alias: &'static str,
}

/// One way in which a secret was given.
struct Given {
    place: Place,
    path: String,
    is_file: bool,
    /// `None`: it is there, but no text, and that has been reported.
    text: Option<String>,
}

impl Section<'_, '_> {
    /// A secret. What the environment says replaces what the file says. `check` says why a text will not do.
    pub(super) fn secret(&mut self, names: &Names, doc: &'static str, check: impl Fn(&str) -> Result<(), Wrong>) -> Option<Secret> {
        let read = self.given(names, doc, files::read_secret, |text| check(text).map(|()| text.to_owned()));
        // A secret that is there but bad has been reported: it must not be reported as missing, too.
        read.map(|text| Secret::new(text.unwrap_or_default()))
    }

    /// A secret that means something and may be left out: an empty file is as good as none, as where a file must be there to be mounted.
    /// `None` for a bad one, too, which has been reported.
    pub(super) fn optional_secret<T>(&mut self, names: &Names, doc: &'static str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let parse = |text: &str| if text.is_empty() { Ok(None) } else { parse(text).map(Some) };
        self.given(names, doc, files::read_secret_or_nothing, parse)??
    }

    /// What was given; `Some(None)` is bad and has been reported.
    fn given<T>(
        &mut self,
        names: &Names,
        doc: &'static str,
        read: impl Fn(&Path) -> Result<String, Wrong>,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Option<T>> {
        self.describe_secret(names, doc);
        let mut ways = self.ways_of(names).into_iter();
        let first = ways.next()?;
        for other in ways {
            let what = "is one of several settings for the same secret";
            self.reader.problem_at(&other.place, &other.path, what, "keep one of them");
        }
        self.reader.set_place(&self.path_of(names.text), first.place.clone());
        let Some(text) = first.text else { return Some(None) };
        let text = if first.is_file { read(Path::new(&text)) } else { Ok(text) };
        let parsed = text.and_then(|text| parse(&text));
        Some(parsed.map_err(|Wrong { what, remedy }| self.reader.problem_at(&first.place, &first.path, what, remedy)).ok())
    }

    /// All ways in which the secret was given: those of the environment, or if there are none, those of the file.
    fn ways_of(&mut self, names: &Names) -> Vec<Given> {
        let (mut in_environment, mut in_file) = (Vec::new(), Vec::new());
        for (name, is_file, suffix) in [(names.text, false, ""), (names.file, true, "_FILE")] {
            let path = self.path_of(name);
            let alias = (!names.alias.is_empty()).then(|| format!("{}{suffix}", names.alias));
            if let Some((text, variable)) = alias.and_then(|alias| Some((self.reader.variable(&alias)?, alias))) {
                in_environment.push(Given { place: Place::Variable(variable), path: path.clone(), is_file, text: Some(text) });
            }
            let found = self.find(name);
            let place = self.place_of_setting(name);
            let list = match found {
                Found::Missing => continue,
                Found::Variable(_) => &mut in_environment,
                Found::File(_) => &mut in_file,
            };
            let text = self.text_of(name, found);
            if text.as_ref().is_none_or(|text| !text.is_empty()) {
                list.push(Given { place, path, is_file, text });
            }
        }
        if in_environment.is_empty() { in_file } else { in_environment }
    }

    fn describe_secret(&mut self, names: &Names, doc: &'static str) {
        for (name, suffix, kind) in [(names.text, "", "secret text"), (names.file, "_FILE", "path")] {
            let variable = if names.alias.is_empty() { self.variable_of(name) } else { format!("{}{suffix}", names.alias) };
            let path = self.path_of(name);
            let doc = if suffix.is_empty() { doc } else { "The same, read from a file." };
            self.describe(|| Entry::Setting {
                path,
                kind: kind.to_owned(),
                default: Some(Sample::text("")),
                example: Sample::text(""),
                variable,
                doc,
            });
        }
    }
}

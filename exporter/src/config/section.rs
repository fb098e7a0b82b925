//! A section of the file together with the variables that override it. Sections are entered by closures, so that none is left without
//! a look at its unknown keys. In describing mode the same walk writes down what there is.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::PREFIX;
use super::nearest::nearest;
use super::problem::shown;
use super::reader::{MAX_SHOWN, Place, Reader};
use super::reference::{Entry, Header, Sample};

/// A value as it was found.
pub(super) enum Found<'d> {
    /// In the file.
    File(&'d Spanned<DeValue<'d>>),
    /// In the environment, raw.
    Variable(String),
    /// Nowhere.
    Missing,
}

/// A table of the file together with the variables that override it.
pub(super) struct Section<'r, 'd> {
    pub(super) reader: &'r mut Reader,
    pub(super) path: String,
    variable: String,
    place: Place,
    table: Option<&'d DeTable<'d>>,
    names: Vec<&'static str>,
}

impl<'r, 'd> Section<'r, 'd> {
    /// The whole document.
    pub(super) fn root(reader: &'r mut Reader, table: &'d DeTable<'d>) -> Self {
        Self { reader, path: String::new(), variable: PREFIX.to_owned(), place: Place::File(None), table: Some(table), names: Vec::new() }
    }
}

impl<'d> Section<'_, 'd> {
    /// Looks for a setting, environment first, and remembers where it is (or would be).
    pub(super) fn find(&mut self, name: &'static str) -> Found<'d> {
        let path = self.path_of(name);
        let variable = self.variable_of(name);
        let in_file = self.child(name);
        let text = self.reader.variable(&variable);
        let place = match (&text, in_file, &self.place) {
            (Some(_), ..) | (None, None, Place::Variable(_)) => Place::Variable(variable),
            (None, Some(value), _) => self.place_of(value),
            (None, None, Place::File(line)) => Place::File(*line),
        };
        self.reader.set_place(&path, place);
        match (text, in_file) {
            (Some(text), _) => Found::Variable(text),
            (None, Some(value)) => Found::File(value),
            (None, None) => Found::Missing,
        }
    }

    /// Reports what is wrong with a setting of this section.
    pub(super) fn problem(&mut self, name: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let path = self.path_of(name);
        self.reader.problem(&path, what, remedy);
    }

    /// Reports a value of another type than was `wanted`.
    pub(super) fn wrong_type(&mut self, name: &'static str, wanted: &str, found: &Spanned<DeValue<'_>>, remedy: &str) {
        let what = format!("is {}, not {wanted}", type_words(found.get_ref()));
        self.problem(name, what, remedy);
    }

    /// Where a setting of this section was read.
    pub(super) fn place_of_setting(&self, name: &str) -> Place {
        self.reader.place(&self.path_of(name))
    }

    /// Whether things are only written down.
    fn is_describing(&self) -> bool {
        self.reader.described.is_some()
    }

    /// Writes down what there is, in describing mode.
    pub(super) fn describe(&mut self, entry: impl FnOnce() -> Entry) {
        if let Some(entries) = &mut self.reader.described {
            entries.push(entry());
        }
    }

    /// Writes down a setting, in describing mode.
    pub(super) fn write_down(&mut self, name: &str, kind: &str, default: Option<Sample>, example: Sample, doc: &'static str) {
        let (path, variable, kind) = (self.path_of(name), self.variable_of(name), kind.to_owned());
        self.describe(|| Entry::Setting { path, kind, default, example, variable, doc });
    }

    /// The full name of a setting.
    pub(super) fn path_of(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// The variable that overrides a setting.
    pub(super) fn variable_of(&self, name: &str) -> String {
        format!("{}__{}", self.variable, name.to_ascii_uppercase())
    }

    /// The section `[name]`.
    pub(super) fn section<T>(&mut self, name: &'static str, doc: &'static str, read: impl FnOnce(&mut Section<'_, 'd>) -> T) -> T {
        self.describe_section(name, Header::Table, doc);
        let (table, place) = match self.child(name) {
            None => (None, self.place.clone()),
            Some(value) => (self.table_of(name, value, "a section", &format!("write [{}]", self.path_of(name))), self.place_of(value)),
        };
        self.enter(self.path_of(name), self.variable_of(name), place, table, read)
    }

    /// The sections `[[name]]`, at most `max`. Variables with a number override them (from 0) and may add to them. Gives the full name of
    /// each, too.
    pub(super) fn sections<T>(
        &mut self,
        name: &'static str,
        max: usize,
        doc: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'd>) -> T,
    ) -> Vec<(String, T)> {
        self.describe_section(name, Header::List, doc);
        let (path, variable) = (self.path_of(name), self.variable_of(name));
        let mut tables: Vec<(Option<&'d DeTable<'d>>, Place)> = Vec::new();
        match self.child(name).map(|value| (value, value.get_ref())) {
            None => {}
            Some((list, DeValue::Array(items))) => {
                if items.len() > max {
                    let place = self.place_of(list);
                    self.reader.problem_at(&place, &path, format!("has {} entries", items.len()), format!("keep at most {max}"));
                }
                for (number, item) in items.iter().take(max).enumerate() {
                    let place = self.place_of(item);
                    let table = item.get_ref().as_table();
                    if table.is_none() {
                        let what = format!("is {}, not a section", type_words(item.get_ref()));
                        self.reader.problem_at(&place, &format!("{path}[{number}]"), what, format!("write [[{path}]]"));
                    }
                    tables.push((table, place));
                }
            }
            Some((value, other)) => {
                let place = self.place_of(value);
                let what = format!("is {}, not a list of sections", type_words(other));
                self.reader.problem_at(&place, &path, what, format!("write [[{path}]]"));
                if let DeValue::Table(table) = other {
                    tables.push((Some(table), place));
                }
            }
        }
        let in_file = tables.len();
        let numbers: BTreeSet<usize> = self.reader.environment.between(&variable).iter().filter_map(|number| number.parse().ok()).collect();
        while tables.len() < max && (numbers.contains(&tables.len()) || (tables.is_empty() && self.is_describing())) {
            tables.push((None, Place::Variable(variable.clone())));
        }
        let mut results = Vec::new();
        for (number, (table, place)) in tables.into_iter().enumerate() {
            // An entry of another type was reported: what it lacks would only be said twice.
            if table.is_some() || number >= in_file {
                let path = format!("{path}[{number}]");
                results.push((path.clone(), self.enter(path, format!("{variable}__{number}"), place, table, &mut read)));
            }
        }
        results
    }

    /// The sections `[name.ANYTHING]`, at most `max`. Variables may add to them; their names are then in lower case.
    pub(super) fn named<T>(
        &mut self,
        name: &'static str,
        example: &'static str,
        max: usize,
        doc: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'd>, &str) -> T,
    ) -> BTreeMap<String, T> {
        self.describe_section(name, Header::Named(example), doc);
        let (path, variable) = (self.path_of(name), self.variable_of(name));
        let mut tables: BTreeMap<String, (Option<&'d DeTable<'d>>, Place)> = BTreeMap::new();
        if let Some(value) = self.child(name)
            && let Some(table) = self.table_of(name, value, "a section", &format!("write [{path}.{example}]"))
        {
            for (key, value) in table.iter() {
                let place = self.place_of(value);
                let inner = join(&path, key.get_ref());
                if let DeValue::Table(table) = value.get_ref() {
                    tables.insert(key.get_ref().to_string(), (Some(table), place));
                } else {
                    let what = format!("is {}, not a section", type_words(value.get_ref()));
                    self.reader.problem_at(&place, &inner, what, format!("write [{inner}]"));
                }
            }
        }
        let mut added = self.reader.environment.between(&variable);
        if self.is_describing() {
            added.insert(example.to_owned());
        }
        let in_file: BTreeSet<String> = tables.keys().map(|key| key.to_ascii_uppercase()).collect();
        for key in added.into_iter().filter(|key| !in_file.contains(&key.to_ascii_uppercase())) {
            tables.insert(key.to_ascii_lowercase(), (None, Place::Variable(format!("{variable}__{key}"))));
        }
        if tables.len() > max {
            let place = self.child(name).map_or(self.place.clone(), |value| self.place_of(value));
            self.reader.problem_at(&place, &path, format!("has {} sections", tables.len()), format!("keep at most {max}"));
        }
        tables
            .into_iter()
            .take(max)
            .map(|(key, (table, place))| {
                let variable = format!("{variable}__{}", key.to_ascii_uppercase());
                let result = self.enter(join(&path, &key), variable, place, table, |section| read(section, &key));
                (key, result)
            })
            .collect()
    }

    /// Whether the setting `name` is there and says something, whatever that is.
    pub(super) fn holds(&mut self, name: &'static str) -> bool {
        let variable = self.variable_of(name);
        let says_something = |value: &Spanned<DeValue<'_>>| value.get_ref().as_str() != Some("");
        self.reader.variable(&variable).is_some() || self.table.and_then(|table| table.get(name)).is_some_and(says_something)
    }

    /// Reports something about this section as a whole.
    pub(super) fn problem_here(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        let (place, path) = (self.place.clone(), self.path.clone());
        self.reader.problem_at(&place, &path, what, remedy);
    }

    fn enter<T>(
        &mut self,
        path: String,
        variable: String,
        place: Place,
        table: Option<&'d DeTable<'d>>,
        read: impl FnOnce(&mut Section<'_, 'd>) -> T,
    ) -> T {
        self.reader.set_place(&path, place.clone());
        let mut section = Section { reader: &mut *self.reader, path, variable, place, table, names: Vec::new() };
        let result = read(&mut section);
        section.finish();
        result
    }

    fn child(&mut self, name: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.names.push(name);
        self.table.and_then(|table| table.get(name))
    }

    pub(super) fn place_of<T>(&self, value: &Spanned<T>) -> Place {
        Place::File(Some(self.reader.line(value.span().start)))
    }

    fn table_of(&mut self, name: &'static str, value: &'d Spanned<DeValue<'d>>, wanted: &str, remedy: &str) -> Option<&'d DeTable<'d>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(table);
        }
        let (place, path) = (self.place_of(value), self.path_of(name));
        let what = format!("is {}, not {wanted}", type_words(value.get_ref()));
        self.reader.problem_at(&place, &path, what, remedy);
        None
    }

    fn describe_section(&mut self, name: &'static str, header: Header, doc: &'static str) {
        let path = self.path_of(name);
        self.describe(|| Entry::Section { path, header, doc });
    }

    /// Reports the keys that nobody has asked for.
    pub(super) fn finish(&mut self) {
        let Some(table) = self.table else { return };
        let is_known = |key: &str| self.names.contains(&key);
        let unknown: Vec<_> = table.keys().filter(|key| !is_known(key.get_ref())).collect();
        for key in unknown {
            let place = self.place_of(key);
            let path = self.path_of(key.get_ref());
            let remedy = if self.reader.problems.is_full() { String::new() } else { self.known_instead(key.get_ref()) };
            self.reader.problem_at(&place, &path, "is not known to this version", remedy);
        }
    }

    /// What to write instead of a key that is not known here.
    fn known_instead(&mut self, key: &str) -> String {
        if let Some(name) = nearest(key, self.names.iter().copied()) {
            format!("did you mean `{name}`?")
        } else if let Some(path) = self.reader.elsewhere(key) {
            format!("did you mean {path}?")
        } else {
            format!("known here: {}", self.names.join(", "))
        }
    }
}

/// `path.name`, with a name that is no bare key in quotes.
fn join(path: &str, name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let name = if is_bare { shown(name, MAX_SHOWN) } else { format!("\"{}\"", shown(name, MAX_SHOWN)) };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// A value's type in plain words.
pub(super) fn type_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

//! How lists of texts are read: a TOML array in the file; in a variable the same, or texts parted by commas.

use toml::Spanned;
use toml::de::DeValue;

use super::reader::Place;
use super::reference::Sample;
use super::section::{Found, Section, type_words};
use super::values::Wrong;

/// What a list takes.
pub(super) struct ListOf<'a> {
    /// What it holds if nothing was said.
    pub(super) default: &'a [&'a str],
    /// What it could hold.
    pub(super) example: &'a [&'a str],
    /// The most entries.
    pub(super) max: usize,
    /// Whether it must hold something.
    pub(super) is_required: bool,
    /// Whether its entries are whole numbers, written without quotes.
    pub(super) of_numbers: bool,
}

impl ListOf<'_> {
    /// What one entry is, for people.
    fn entries(&self) -> &'static str {
        if self.of_numbers { "whole numbers" } else { "texts" }
    }

    fn sample(&self, items: &[&str]) -> Sample {
        if self.of_numbers { Sample::Plain(format!("[{}]", items.join(", "))) } else { Sample::list(items) }
    }
}

impl Section<'_, '_> {
    /// A list of texts or numbers. Each bad one is reported by itself, at its own line; the others go on. Gives the place of each, too.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        kind: &ListOf<'_>,
        doc: &'static str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Vec<(T, Place)> {
        let (default, example) = (kind.sample(kind.default), kind.sample(kind.example));
        let remedy = format!("write for example {}", example.toml());
        self.write_down(name, &format!("list of {}, at most {}", kind.entries(), kind.max), Some(default), example, doc);
        let problems_before = self.reader.problems.count();
        let found = self.find(name);
        let whole = self.place_of_setting(name);
        let texts = match found {
            Found::Missing => None,
            Found::Variable(text) => self.list_in_variable(name, kind, &text, &whole),
            Found::File(value) => match value.get_ref() {
                DeValue::Array(_) => Some(self.list_in_array(name, kind, value, None)),
                _ => {
                    self.wrong_type(name, &format!("a list of {}", kind.entries()), value, &remedy);
                    None
                }
            },
        };
        let texts = texts.unwrap_or_else(|| kind.default.iter().map(|text| ((*text).to_owned(), whole.clone())).collect());
        if texts.is_empty() && kind.is_required && self.reader.problems.count() == problems_before {
            self.problem(name, "is empty", remedy);
        }
        if texts.len() > kind.max {
            self.problem(name, format!("has {} entries", texts.len()), format!("keep at most {}", kind.max));
        }
        let path = self.path_of(name);
        let mut results = Vec::new();
        for (text, place) in texts.into_iter().take(kind.max) {
            match parse(&text) {
                Ok(value) => results.push((value, place)),
                Err(Wrong { what, remedy }) => self.reader.problem_at(&place, &path, what, remedy),
            }
        }
        results
    }

    fn list_in_variable(&mut self, name: &'static str, kind: &ListOf<'_>, text: &str, place: &Place) -> Option<Vec<(String, Place)>> {
        if !looks_like_array(text) {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            return Some(items.map(|item| (item.to_owned(), place.clone())).collect());
        }
        match DeValue::parse(text.trim()) {
            Ok(value) => Some(self.list_in_array(name, kind, &value, Some(place))),
            Err(cause) => {
                let what = format!("is no TOML array: {}", cause.message());
                self.problem(name, what, if kind.of_numbers { "write [1, 2], or 1,2" } else { "write [\"a\", \"b\"], or a,b" });
                None
            }
        }
    }

    /// The entries of an array as texts; those of other types are reported. All are at `place`, if that is given.
    fn list_in_array(
        &mut self,
        name: &'static str,
        kind: &ListOf<'_>,
        array: &Spanned<DeValue<'_>>,
        place: Option<&Place>,
    ) -> Vec<(String, Place)> {
        let path = self.path_of(name);
        let mut texts = Vec::new();
        for item in array.get_ref().as_array().into_iter().flat_map(|items| items.iter()) {
            let place = place.cloned().unwrap_or_else(|| self.place_of(item));
            match item.get_ref() {
                DeValue::String(text) if !kind.of_numbers => texts.push((text.to_string(), place)),
                DeValue::Integer(number) if kind.of_numbers && number.radix() == 10 => texts.push((number.as_str().to_owned(), place)),
                other => {
                    let what = format!("holds {}, not only {}", type_words(other), kind.entries());
                    let remedy = if kind.of_numbers { "write each entry in decimal, without quotes" } else { "write each entry in quotes" };
                    self.reader.problem_at(&place, &path, what, remedy);
                }
            }
        }
        texts
    }
}

/// Whether a variable holds an array, be it a broken one. `[::1]:9780` begins like one and is none.
fn looks_like_array(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('[') && (text.ends_with(']') || text.contains(['"', '\'']))
}

//! How single values are read: one call names key, type, default, sentence and check. A bad value is reported and the default (or
//! what was probably meant) goes on in its place, so that the checks that follow still see everything else.

use std::ops::RangeInclusive;

use toml::de::{DeInteger, DeValue};

use super::nearest::nearest;
use super::problem::shown;
use super::reader::MAX_SHOWN;
use super::reference::{Sample, quoted};
use super::section::{Found, Section};

/// Why a text cannot be used.
pub(super) struct Wrong {
    /// What is wrong, with the text itself in it (but for secrets).
    pub(super) what: String,
    /// What would be right.
    pub(super) remedy: String,
}

/// A [`Wrong`] that begins with `text`, quoted.
pub(super) fn wrong(text: &str, what: &str, remedy: impl Into<String>) -> Wrong {
    Wrong { what: format!("\"{}\" {what}", shown(text, MAX_SHOWN)), remedy: remedy.into() }
}

/// The longest text that a setting takes, in bytes: as long as the longest path of Linux (`PATH_MAX`).
const MAX_TEXT_BYTES: usize = 4096;

impl Section<'_, '_> {
    /// A text that is always there. `default` passes `parse`.
    pub(super) fn text<T>(&mut self, name: &'static str, default: &str, doc: &'static str, parse: impl Fn(&str) -> Result<T, Wrong>) -> T {
        self.write_down(name, "text", Some(Sample::text(default)), Sample::text(default), doc);
        let found = self.find(name);
        let value = self.text_of(name, found).and_then(|text| self.parsed(name, &text, &parse));
        value
            .or_else(|| parse(default).ok())
            .unwrap_or_else(|| unreachable!("the default of {name} passes its own check: reading nothing is the first test"))
    }

    /// A text that may be absent; an empty one is as good as none.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        example: &str,
        doc: &'static str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.write_down(name, "text", Some(Sample::text("")), Sample::text(example), doc);
        let found = self.find(name);
        let text = self.text_of(name, found).filter(|text| !text.is_empty())?;
        self.parsed(name, &text, &parse)
    }

    /// A text that must be there. `None` has been reported.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        example: &str,
        doc: &'static str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.write_down(name, "text", None, Sample::text(example), doc);
        match self.find(name) {
            Found::Missing => {
                if !self.reader.broken {
                    self.problem(name, "is missing", format!("write for example {name} = {}", quoted(example)));
                }
                None
            }
            found => {
                let text = self.text_of(name, found)?;
                self.parsed(name, &text, &parse)
            }
        }
    }

    /// One of `words`, the first of which is the default. A word that is none of them is taken for the nearest one.
    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, words: &[(&'static str, T)], doc: &'static str) -> T {
        let list = words.iter().map(|(word, _)| quoted(word)).collect::<Vec<_>>().join(", ");
        let (default_word, default) = *words.first().unwrap_or_else(|| unreachable!("a choice has words"));
        let sample = Sample::text(default_word);
        self.write_down(name, &format!("one of {list}"), Some(sample.clone()), sample, doc);
        let found = self.find(name);
        if let Found::File(value) = &found
            && value.get_ref().as_str().is_none()
        {
            self.wrong_type(name, "a text", value, &format!("write one of {list}"));
            return default;
        }
        let Some(text) = self.text_of(name, found) else { return default };
        let value_of = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        value_of(&text).unwrap_or_else(|| {
            let meant = nearest(&text, words.iter().map(|(word, _)| *word));
            let remedy = meant.map_or(format!("write one of {list}"), |word| format!("did you mean \"{word}\"?"));
            let Wrong { what, remedy } = wrong(&text, "is none of the known words", remedy);
            self.problem(name, what, remedy);
            meant.and_then(value_of).unwrap_or(default)
        })
    }

    /// A whole number within `range`.
    pub(super) fn number(&mut self, name: &'static str, default: u64, range: RangeInclusive<u64>, doc: &'static str) -> u64 {
        let (low, high) = (*range.start(), *range.end());
        let sample = Sample::Plain(default.to_string());
        self.write_down(name, &format!("whole number, {low} to {high}"), Some(sample.clone()), sample, doc);
        match self.find(name) {
            Found::Missing => default,
            found => self.number_of(name, found, default, &range).unwrap_or(default),
        }
    }

    /// A whole number within `range` that must be there. `None` has been reported.
    pub(super) fn required_number(
        &mut self,
        name: &'static str,
        example: u64,
        range: RangeInclusive<u64>,
        doc: &'static str,
    ) -> Option<u64> {
        let (low, high) = (*range.start(), *range.end());
        self.write_down(name, &format!("whole number, {low} to {high}"), None, Sample::Plain(example.to_string()), doc);
        match self.find(name) {
            Found::Missing => {
                if !self.reader.broken {
                    self.problem(name, "is missing", format!("write for example {name} = {example}"));
                }
                None
            }
            found => self.number_of(name, found, example, &range),
        }
    }

    /// The number that was found; reports what is none, or out of range.
    fn number_of(&mut self, name: &'static str, found: Found<'_>, example: u64, range: &RangeInclusive<u64>) -> Option<u64> {
        let (low, high) = (*range.start(), *range.end());
        let example = format!("write for example {example}");
        let number = match found {
            Found::Missing => return None,
            Found::Variable(text) => match text.trim() {
                digits if digits.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
                _ => {
                    let Wrong { what, remedy } = wrong(&text, "is no whole number", example);
                    self.problem(name, what, remedy);
                    return None;
                }
            },
            Found::File(value) => match value.get_ref() {
                DeValue::Integer(number) => whole(number),
                other => {
                    let is_quoted = matches!(other, DeValue::String(text) if text.parse::<u64>().is_ok());
                    self.wrong_type(name, "a whole number", value, if is_quoted { "write it without quotes" } else { &example });
                    return None;
                }
            },
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(name, "is out of range", format!("write a number from {low} to {high}"));
        }
        number
    }

    /// As [`Section::number`], for what is counted in memory.
    pub(super) fn size(&mut self, name: &'static str, default: u64, range: RangeInclusive<u64>, doc: &'static str) -> usize {
        usize::try_from(self.number(name, default, range, doc)).unwrap_or(usize::MAX)
    }

    /// True or false.
    pub(super) fn flag(&mut self, name: &'static str, default: bool, doc: &'static str) -> bool {
        let sample = Sample::Plain(default.to_string());
        self.write_down(name, "true or false", Some(sample.clone()), sample, doc);
        match self.find(name) {
            Found::Missing => default,
            Found::Variable(text) => text.trim().parse().unwrap_or_else(|_| {
                let Wrong { what, remedy } = wrong(&text, "is neither true nor false", "write true or false");
                self.problem(name, what, remedy);
                default
            }),
            Found::File(value) => match value.get_ref() {
                DeValue::Boolean(flag) => *flag,
                _ => {
                    self.wrong_type(name, "a boolean", value, "write true or false, without quotes");
                    default
                }
            },
        }
    }

    /// The text that was found; reports what is no text, or too long for one.
    pub(super) fn text_of(&mut self, name: &'static str, found: Found<'_>) -> Option<String> {
        let text = match found {
            Found::Missing => return None,
            Found::Variable(text) => text,
            Found::File(value) => match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                other => {
                    let is_list = matches!(other, DeValue::Array(_) | DeValue::Table(_));
                    self.wrong_type(name, "a text", value, if is_list { "write one text in quotes" } else { "write it in quotes" });
                    return None;
                }
            },
        };
        if text.len() > MAX_TEXT_BYTES {
            self.problem(name, format!("has {} bytes", text.len()), format!("write at most {MAX_TEXT_BYTES}"));
            return None;
        }
        Some(text)
    }

    fn parsed<T>(&mut self, name: &'static str, text: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        parse(text).map_err(|Wrong { what, remedy }| self.problem(name, what, remedy)).ok()
    }
}

/// A whole number of TOML; `None` if it is negative or far too large.
fn whole(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

//! What can be set, written out from the same calls that read it: the commented example file, the variables, the table for people.

use std::collections::BTreeSet;
use std::fmt::Write;

use toml::de::DeTable;

use super::environment::Environment;
use super::reader::Reader;
use super::settings;

/// Something that can be set, or a section of such things.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// A section.
    Section {
        /// Its full name.
        path: String,
        /// How it is written.
        header: Header,
        /// What it is about.
        doc: &'static str,
    },
    /// A setting.
    Setting {
        /// Its full name.
        path: String,
        /// What it takes.
        kind: String,
        /// What it is if nothing was said; `None`: it must be said.
        default: Option<Sample>,
        /// What it could be.
        example: Sample,
        /// The variable that overrides it.
        variable: String,
        /// What it does.
        doc: &'static str,
    },
}

/// How a section is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Header {
    /// `[path]`
    Table,
    /// `[[path]]`, as many as are wanted.
    List,
    /// `[path.NAME]`, with this name for example.
    Named(&'static str),
}

/// A value, to be written as TOML or as the text of a variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sample {
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// A number or a truth.
    Plain(String),
}

impl Sample {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(super) fn list(items: &[&str]) -> Self {
        Self::List(items.iter().map(|item| (*item).to_owned()).collect())
    }

    pub(super) fn toml(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::List(items) => format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ")),
            Self::Plain(text) => text.clone(),
        }
    }

    /// For a variable, quoted for `.env` files where these would read more into it.
    fn raw(&self) -> String {
        match self {
            Self::Text(text) if text.contains(['$', '#', ' ', '"', '\\']) => format!("'{text}'"),
            Self::Text(text) | Self::Plain(text) => text.clone(),
            Self::List(items) => items.join(","),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty()) || matches!(self, Self::List(items) if items.is_empty())
    }
}

/// A text as TOML: in single quotes where that saves backslashes.
pub(super) fn quoted(text: &str) -> String {
    if text.contains(['\\', '"']) && !text.contains('\'') && !text.contains(char::is_control) {
        format!("'{text}'")
    } else {
        toml::Value::from(text).to_string()
    }
}

/// Everything that can be set, in order.
fn entries() -> Vec<Entry> {
    let mut reader = Reader::new(None, "", Environment::default());
    reader.described = Some(Vec::new());
    reader.walk(&DeTable::new(), settings::read);
    reader.described.unwrap_or_default()
}

/// The names of all variables; those of lists with 0, those of named sections with an example's name.
pub(super) fn variables() -> BTreeSet<String> {
    let variable = |entry| match entry {
        Entry::Setting { variable, .. } => Some(variable),
        Entry::Section { .. } => None,
    };
    entries().into_iter().filter_map(variable).collect()
}

/// The full names of all settings.
pub(super) fn paths() -> Vec<String> {
    let path = |entry| match entry {
        Entry::Setting { path, .. } => Some(path),
        Entry::Section { .. } => None,
    };
    entries().into_iter().filter_map(path).collect()
}

/// The commented example of the configuration file: every setting with its default.
pub fn file() -> String {
    let mut out = String::from(
        "# The configuration of Hostwarden: every setting, with its default. Take the # away in front of a setting to change it.\n\
         # Variables override this file: each setting names its own; lists are written a,b or [\"a\", \"b\"].\n\
         # `hostwarden check-config` says whether all is well, and what would run.\n",
    );
    for entry in entries() {
        match entry {
            Entry::Section { path, header, doc } => {
                // Only a header whose section may stay empty is not commented out.
                let header = match header {
                    Header::Table => format!("[{path}]"),
                    Header::List => format!("#[[{path}]]"),
                    Header::Named(name) => format!("#[{path}.{name}]"),
                };
                push(&mut out, format_args!("\n# {doc}\n{header}\n"));
            }
            Entry::Setting { path, kind, default, example, variable, doc } => {
                let name = path.rsplit('.').next().unwrap_or_default();
                let hint = hint(default.as_ref(), &example, &Sample::toml);
                let required = if default.is_none() { ", required" } else { "" };
                push(
                    &mut out,
                    format_args!("\n# {doc}\n# {kind}{required}{hint} · {variable}\n#{name} = {}\n", default.unwrap_or(example).toml()),
                );
            }
        }
    }
    out
}

/// The variables, as an example of an `.env` file.
pub fn env() -> String {
    let mut out = String::from(
        "# The variables that Hostwarden reads; each overrides the setting of the same name in hostwarden.toml.\n\
         # An empty one counts as not set. Lists are written a,b or [\"a\", \"b\"]; an empty list is [].\n\
         # Sources are numbered from 0, and may all be given here.\n",
    );
    for entry in entries() {
        match entry {
            Entry::Section { path, doc, .. } => push(&mut out, format_args!("\n\n# {path}: {doc}\n")),
            Entry::Setting { kind, default, example, variable, doc, .. } => {
                let hint = hint(default.as_ref(), &example, &Sample::raw);
                let required = if default.is_none() { ", required" } else { "" };
                push(&mut out, format_args!("\n# {doc}\n# {kind}{required}{hint}\n#{variable}={}\n", default.unwrap_or(example).raw()));
            }
        }
    }
    out
}

/// The reference for people, in Markdown.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         Written by `hostwarden reference config`. Settings come from a TOML file, then from the environment, and are then checked: \
         `hostwarden check-config` lists every problem at once, with its place and its remedy.\n\n\
         * The file is the one named by `--config`, else `/etc/hostwarden/hostwarden.toml` if it is there. Without one, the defaults below hold.\n\
         * A variable overrides each setting: `HOSTWARDEN__SERVER__LISTEN` is `listen` in `[server]`, \
         `HOSTWARDEN__SOURCES__0__FILE` is `file` in the first `[[sources]]`, and a number that is one higher than the last adds a source. \
         An empty variable counts as not set. Lists are written `a,b` or `[\"a\", \"b\"]`; an empty list is `[]`.\n\
         * Secrets are best kept in files (`…_file`), which hold nothing else. Whatever the environment says about a secret \
         replaces what the file says.\n",
    );
    for entry in entries() {
        match entry {
            Entry::Section { path, header, doc } => {
                let header = match header {
                    Header::Table => format!("[{path}]"),
                    Header::List => format!("[[{path}]]"),
                    Header::Named(_) => format!("[{path}.NAME]"),
                };
                push(&mut out, format_args!("\n## `{header}`\n\n{doc}\n"));
            }
            Entry::Setting { path, kind, default, example, variable, doc } => {
                if out.ends_with(".\n") {
                    out.push_str("\n| setting | takes | default | what it is |\n|---|---|---|---|\n");
                }
                let name = path.rsplit('.').next().unwrap_or_default();
                let hint = hint(default.as_ref(), &example, &|sample| format!("`{}`", sample.toml()));
                let default = match &default {
                    None => "required".to_owned(),
                    Some(Sample::Text(text)) if text.is_empty() => "none".to_owned(),
                    Some(default) => format!("`{}`", default.toml()),
                };
                let short = if variable.contains("__") { String::new() } else { format!(" Variable: `{variable}`.") };
                let cell = |text: &str| text.replace('|', "\\|");
                push(&mut out, format_args!("| `{name}` | {}{} | {} | {}{short} |\n", cell(&kind), cell(&hint), cell(&default), cell(doc)));
            }
        }
    }
    out
}

/// `, for example …` where the default says nothing.
fn hint(default: Option<&Sample>, example: &Sample, write: &dyn Fn(&Sample) -> String) -> String {
    if default.is_none_or(Sample::is_empty) && !example.is_empty() { format!(", for example {}", write(example)) } else { String::new() }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _infallible = out.write_fmt(text);
}

//! The variables of the environment that are meant for us, and which of them have been read.

use std::collections::{BTreeMap, BTreeSet};

/// What overriding variables begin with; sections and settings follow, parted by two underscores.
pub(super) const PREFIX: &str = "HOSTWARDEN";

/// Our variables. An empty one counts as not set, so that `${VARIABLE:-}` in a compose file does no harm.
#[derive(Debug, Default)]
pub(super) struct Environment {
    variables: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

impl Environment {
    /// Keeps what is ours of `variables`; names are compared exactly, as the system does.
    pub(super) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |name: &String| name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
        Self { variables: variables.into_iter().filter(|(name, _)| ours(name)).collect(), used: BTreeSet::new() }
    }

    /// The text of a variable. Raw: never turned into a number or cut at blanks.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let text = self.variables.get(name)?;
        self.used.insert(name.to_owned());
        Some(text.clone()).filter(|text| !text.is_empty())
    }

    /// What stands between `prefix` and the name of a setting, in all variables that have both: numbers or names of tables.
    pub(super) fn between(&self, prefix: &str) -> BTreeSet<String> {
        let rest = |name: &String| name.strip_prefix(prefix)?.strip_prefix("__")?.rsplit_once("__").map(|(middle, _)| middle.to_owned());
        self.variables.iter().filter(|(_, text)| !text.is_empty()).filter_map(|(name, _)| rest(name)).collect()
    }

    /// The variables that nobody has asked for.
    pub(super) fn unused(&self) -> Vec<String> {
        self.variables.keys().filter(|name| !self.used.contains(*name)).cloned().collect()
    }
}

/// The variables of this process that are meant for us. Text that is not UTF-8 keeps a U+FFFD, which the reader refuses.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, text)| (name.to_string_lossy().into_owned(), text.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(list: &[(&str, &str)]) -> Environment {
        Environment::new(list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    #[test]
    fn empty_is_not_set_but_known() {
        let mut environment = environment(&[("HOSTWARDEN__LOG__LEVEL", ""), ("HOME", "/root"), ("HOSTWARDEN__X", "1")]);
        assert_eq!(environment.take("HOSTWARDEN__LOG__LEVEL"), None);
        assert_eq!(environment.unused(), ["HOSTWARDEN__X"]);
    }

    #[test]
    fn names_of_tables_are_found() {
        let environment = environment(&[
            ("HOSTWARDEN__SOURCES__0__FILE", "a"),
            ("HOSTWARDEN__SOURCES__MY__BOT__FILE", "b"),
            ("HOSTWARDEN__SOURCES", "c"),
        ]);
        assert_eq!(environment.between("HOSTWARDEN__SOURCES").into_iter().collect::<Vec<_>>(), ["0", "MY__BOT"]);
    }
}

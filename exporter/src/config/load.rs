//! The way from file and environment to a checked configuration.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use super::environment::Environment;
use super::problem::shown;
use super::reader::{MAX_SHOWN, Place, Reader};
use super::values::Wrong;
use super::{Config, Problems, checks, files, settings};

/// The most syntax errors that are told: those that follow a first one are often its echo.
const MAX_SYNTAX_ERRORS: usize = 10;

/// The configuration of `file` (which must be there if it is named), overridden by `environment`.
///
/// # Errors
///
/// Every problem at once.
pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Config, Problems> {
    let environment = Environment::new(environment);
    match file.map(files::read_config) {
        None => read(Reader::new(None, "", environment), ""),
        Some(Ok(text)) => read(Reader::new(file.map(Path::to_owned), &text, environment), &text),
        Some(Err((line, Wrong { what, remedy }))) => {
            let mut reader = Reader::new(file.map(Path::to_owned), "", environment);
            reader.broken = true;
            reader.problem_at(&Place::File(line), "", what, remedy);
            read(reader, "")
        }
    }
}

/// As [`load`]; without `file`, `default_file` is read if it is there.
///
/// # Errors
///
/// Every problem at once.
pub fn load_or_default(
    file: Option<&Path>,
    default_file: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Problems> {
    // A file that is there and cannot be looked at is a problem, not an absence.
    let is_there = !matches!(default_file.try_exists(), Ok(false));
    load(file.or(is_there.then_some(default_file)), environment)
}

fn read(mut reader: Reader, text: &str) -> Result<Config, Problems> {
    let (table, errors) = DeTable::parse_recoverable(text);
    report_syntax(&mut reader, text, &errors);
    reader.broken |= !errors.is_empty();
    let syntax = std::mem::take(&mut reader.problems);
    let mut config = reader.walk(table.get_ref(), settings::read);
    if reader.broken {
        // What a broken file seems to say is not judged; the environment is.
        reader.problems.retain(|problem| problem.file.is_none());
    } else {
        checks::check(&config, &mut reader);
    }
    reader.finish();
    let mut problems = syntax;
    problems.append(std::mem::take(&mut reader.problems));
    problems.sort();
    config.file = reader.file;
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// Reports what is no TOML, once for each line. The first error is sure; later ones may come from it.
fn report_syntax(reader: &mut Reader, text: &str, errors: &[toml::de::Error]) {
    let mut errors_by_line = BTreeMap::new();
    for error in errors {
        let offset = error.span().map_or(text.len(), |span| span.start);
        errors_by_line.entry(reader.line(offset)).or_insert((offset, error.message()));
    }
    for (number, (line, (offset, message))) in errors_by_line.into_iter().take(MAX_SYNTAX_ERRORS).enumerate() {
        let what = format!("column {}: {}", reader.column(text, offset), shown(message, MAX_SHOWN * 2));
        let remedy = if number == 0 { "the rest of the file is judged once it can be read" } else { "this may come from the error above" };
        reader.problem_at(&Place::File(Some(line)), "", what, remedy);
    }
}

impl Default for Config {
    /// What holds if nothing is said.
    fn default() -> Self {
        Reader::new(None, "", Environment::default()).walk(&DeTable::new(), settings::read)
    }
}

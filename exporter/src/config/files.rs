//! Reads the configuration file and the files that it names: bounded, and only regular ones (a pipe would wait for ever).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::problem::shown;
use super::values::Wrong;

/// The largest configuration file. A long one has a few KiB.
const MAX_CONFIG_BYTES: u64 = 256 * 1024;

/// The largest file of a secret or a certificate chain.
const MAX_NAMED_BYTES: u64 = 64 * 1024;

/// The text of the configuration file, without a byte order mark.
pub(super) fn read_config(path: &Path) -> Result<String, (Option<usize>, Wrong)> {
    let bytes = read(path, MAX_CONFIG_BYTES).map_err(|cause| {
        let what = format!("cannot be read: {cause}");
        (None, Wrong { what, remedy: "name a TOML file that this user may read".to_owned() })
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let bytes = error.as_bytes();
        let before = bytes.get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let what = if is_utf16 { "is UTF-16" } else { "is not UTF-8" };
        (Some(line), Wrong { what: what.to_owned(), remedy: "save the file as UTF-8".to_owned() })
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The text of a secret's file, without the line end that editors leave.
pub(super) fn read_secret(path: &Path) -> Result<String, Wrong> {
    let text = read_secret_or_nothing(path)?;
    if text.is_empty() { Err(no_secret(path, "the file is empty")) } else { Ok(text) }
}

/// As [`read_secret`], of a file that may be empty.
pub(super) fn read_secret_or_nothing(path: &Path) -> Result<String, Wrong> {
    let bytes = read(path, MAX_NAMED_BYTES).map_err(|cause| no_secret(path, &cause))?;
    let text = String::from_utf8(bytes).map_err(|_| no_secret(path, "not UTF-8 text"))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn no_secret(path: &Path, what: &str) -> Wrong {
    let remedy = "put the secret alone into a text file that this user may read".to_owned();
    Wrong { what: format!("{}: {what}", named(path)), remedy }
}

/// Whether `path` holds PEM with a block whose label ends with `label`, e.g. `PRIVATE KEY`.
pub(super) fn check_pem(path: &Path, label: &str) -> Result<(), Wrong> {
    let wrong = |what: &str, remedy: String| Wrong { what: format!("{}: {what}", named(path)), remedy };
    let bytes = read(path, MAX_NAMED_BYTES).map_err(|cause| wrong(&cause, "name a PEM file that this user may read".to_owned()))?;
    let text = String::from_utf8_lossy(&bytes);
    let labels: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----")).collect();
    if labels.iter().any(|found| found.ends_with(label)) {
        return Ok(());
    }
    let remedy = match labels.first() {
        Some(found) => format!("it begins with {}; are the two files swapped?", shown(found, 40)),
        None => format!("name a PEM file, with a line -----BEGIN {label}-----"),
    };
    Err(wrong(&format!("holds no {}", label.to_ascii_lowercase()), remedy))
}

/// At most `max` bytes of a regular file; an error's text is its cause.
fn read(path: &Path, max: u64) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| cause(&error))?;
    if !metadata.is_file() {
        return Err(if metadata.is_dir() { "it is a directory" } else { "it is no regular file" }.to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(max + 1).read_to_end(&mut bytes)).map_err(|error| cause(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= max) {
        Ok(bytes)
    } else {
        Err(format!("it is larger than {} KiB", max / 1024))
    }
}

/// The cause in the words of this room, without the number of the system.
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}

fn named(path: &Path) -> String {
    shown(&path.to_string_lossy(), 120)
}

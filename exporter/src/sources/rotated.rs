//! Where rotated logs go: the files beside a log that bear its name and a number, a date or an archive's ending.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Error;
use super::content;
use crate::event::Timestamp;

/// A file beside a log that was, by its name, rotated away from it.
#[derive(Clone, Debug)]
pub(super) struct Sibling {
    pub(super) path: PathBuf,
    pub(super) modified: Timestamp,
    /// When it was made, if the file system knows.
    created: Option<SystemTime>,
    rank: Rank,
}

/// What a name says about its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    /// A number: the smaller, the newer, as logrotate counts; or the greater, where each rotation takes the next one.
    Number(u64),
    /// A date, or nothing at all: ask the file.
    Other,
}

/// Whether a name is one that rotation gives: no pattern means such a file when it asks for logs.
pub(super) fn looks_rotated(name: &str) -> bool {
    let plain = without_packing(name);
    plain.len() < name.len() || plain.ends_with(".old") || last_part(plain).is_some_and(|part| rank(part).is_some())
}

/// For `access.1.log` and `access-20261121.log`: the name of the log that it was rotated away from if there is one, `access.log`.
pub(super) fn possible_live_name(name: &str) -> Option<String> {
    let (front, ending) = name.rsplit_once('.')?;
    let part = last_part(front)?;
    rank(part)?;
    Some(format!("{}.{ending}", front.strip_suffix(part)?))
}

/// The rotated siblings of a log, newest first: by number if all have one and do not count upwards, else by their modification times. Of
/// a file and its archive only the file is given: the archive is still being written, or the file about to be removed.
pub(super) fn siblings(live: &Path) -> Result<Vec<Sibling>, Error> {
    let (Some(directory), Some(name)) = (live.parent(), live.file_name()) else { return Ok(Vec::new()) };
    let name = name.to_string_lossy();
    let mut found: Vec<(String, Sibling)> = Vec::new();
    for entry in fs::read_dir(directory).map_err(|source| Error::list(directory, source))? {
        let entry = entry.map_err(|source| Error::list(directory, source))?;
        let sibling = entry.file_name().to_string_lossy().into_owned();
        let Some(rank) = rank_beside(&sibling, &name) else { continue };
        // Gone since it was listed, or no file: nothing to be read there.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            found.push((
                sibling,
                Sibling { path: entry.path(), modified: content::modified(&metadata), created: metadata.created().ok(), rank },
            ));
        }
    }
    let plain: Vec<String> = found.iter().map(|(name, _)| name.clone()).filter(|name| without_packing(name) == name).collect();
    found.retain(|(name, _)| without_packing(name) == name || !plain.iter().any(|plain| plain == without_packing(name)));
    let numbered = found.iter().all(|(_, sibling)| sibling.rank != Rank::Other) && !counts_upwards(&found);
    found.sort_by_key(|(name, sibling)| match sibling.rank {
        Rank::Number(number) if numbered => (number, std::cmp::Reverse((Timestamp::default(), String::new()))),
        _ => (0, std::cmp::Reverse((sibling.modified, name.clone()))),
    });
    Ok(found.into_iter().map(|(_, sibling)| sibling).collect())
}

/// Whether the greater a number is, the newer the file: where each rotation takes the next number instead of moving those before. Of plain
/// files it is asked when they were made, since somebody may still write to what was rotated away; of archives when the file that they were
/// made from was written to. An archive that has a greater number than a plain file is older.
fn counts_upwards(siblings: &[(String, Sibling)]) -> bool {
    let number = |sibling: &Sibling| if let Rank::Number(number) = sibling.rank { number } else { 0 };
    let mut by_number: Vec<_> = siblings.iter().collect();
    by_number.sort_by_key(|(_, sibling)| number(sibling));
    let is_plain = |name: &str| without_packing(name) == name;
    let is_newer =
        |(low_name, low): &(String, Sibling), (high_name, high): &(String, Sibling)| match (is_plain(low_name), is_plain(high_name)) {
            (true, true) => low.created.is_some() && low.created < high.created,
            (true, false) => false,
            (false, _) => low.modified < high.modified,
        };
    by_number.len() > 1 && by_number.iter().zip(by_number.iter().skip(1)).all(|(low, high)| is_newer(low, high))
}

/// What `sibling` says about its age if rotation could have made it from `live`.
fn rank_beside(sibling: &str, live: &str) -> Option<Rank> {
    // Archives that cannot be read here are no use.
    let plain = sibling.strip_suffix(".gz").or_else(|| sibling.strip_suffix(".zst")).unwrap_or(sibling);
    if plain == live {
        return (plain.len() < sibling.len()).then_some(Rank::Other);
    }
    if let Some(suffix) = plain.strip_prefix(live) {
        return if suffix == ".old" { Some(Rank::Other) } else { rank(suffix) };
    }
    // The number may also stand before the ending.
    let (stem, ending) = live.rsplit_once('.')?;
    rank(plain.strip_prefix(stem)?.strip_suffix(ending)?.strip_suffix('.')?)
}

/// The name without the ending of an archive.
fn without_packing(name: &str) -> &str {
    [".gz", ".zst", ".bz2", ".xz"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// The part of a name from its last separator on that rotation may have added: `.1`, `-20261121`, `-20261121-1795219200`, `.2026-11-21`.
fn last_part(name: &str) -> Option<&str> {
    let body = name.trim_end_matches(|character: char| character.is_ascii_digit() || character == '-');
    let start = if body.ends_with('.') { body.len() - 1 } else { body.len() };
    name.get(start..).filter(|part| !part.is_empty() && start > 0)
}

/// The age that a suffix with its separator gives: a number of up to four digits behind a dot, or a date in its many spellings.
fn rank(suffix: &str) -> Option<Rank> {
    let body = suffix.strip_prefix(['.', '-'])?;
    let digits = body.bytes().filter(u8::is_ascii_digit).count();
    let dashes = body.bytes().filter(|byte| *byte == b'-').count();
    if digits + dashes != body.len() || !body.starts_with(|character: char| character.is_ascii_digit()) {
        return None;
    }
    if suffix.starts_with('.') && dashes == 0 && digits <= 4 {
        return body.parse().ok().map(Rank::Number);
    }
    (digits >= 8).then_some(Rank::Other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Duration;

    #[test]
    fn rotated_names_are_told_from_live_ones() {
        for name in [
            "access.log.1",
            "access.log.12",
            "access.log-20261121",
            "access.log.2026-11-21",
            "access.log-20261121-1795219200",
            "a.gz",
            "a.zst",
            "a.log.1.gz",
            "a.log.bz2",
            "a.log.xz",
            "a.log.old",
            "a.log-2026112113",
        ] {
            assert!(looks_rotated(name), "{name}");
        }
        for name in
            ["access.log", "access", "site-2", "node18", "web-1.log", "20261121", "a.log.", "a-", "-1", ".1", "", "app-20261121.log", "ünï"]
        {
            assert!(!looks_rotated(name), "{name}");
        }
    }

    #[test]
    fn a_number_before_the_ending_needs_the_live_name() {
        assert_eq!(possible_live_name("access.1.log").as_deref(), Some("access.log"));
        assert_eq!(possible_live_name("access-20261121.log").as_deref(), Some("access.log"));
        assert_eq!(possible_live_name("access.log"), None);
        assert_eq!(possible_live_name("web-1.log"), None, "a short number behind a dash is part of the name");
    }

    fn newest_first(names: &[&str], live: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let mut last = None;
        for (age, name) in names.iter().enumerate().rev() {
            // Each is made later than the one before, by the file system's clock.
            let path = directory.path().join(name);
            let file = loop {
                let file = File::create_new(&path).unwrap();
                let created = file.metadata().unwrap().created().ok();
                if created.is_none() || std::mem::replace(&mut last, created) < created {
                    break file;
                }
                std::fs::remove_file(&path).unwrap();
            };
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age as u64)).unwrap();
        }
        siblings(&directory.path().join(live))
            .unwrap()
            .iter()
            .map(|sibling| sibling.path.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn siblings_come_by_number_and_without_doubles() {
        let names =
            ["a.log.10.zst", "a.log", "a.log.2.gz", "a.log.2", "a.log.1", "a.log.3.gz", "b.log.1", "a.log.4.bz2", "a.log.x", "aa.log.1"];
        assert_eq!(newest_first(&names, "a.log"), ["a.log.1", "a.log.2", "a.log.3.gz", "a.log.10.zst"]);
    }

    #[test]
    fn siblings_come_by_time_when_their_numbers_grow() {
        // Newest first, as they were written to.
        for names in [&["a.log.3", "a.log.2", "a.log.1"][..], &["a.log.12", "a.log.2.gz", "a.log.1.gz"], &["a.4700.log", "a.3200.log"]] {
            assert_eq!(newest_first(names, "a.log"), names);
        }
        // Some that are older than others say, and an archive that is newer than what was rotated later.
        assert_eq!(newest_first(&["a.log.3", "a.log.1", "a.log.2"], "a.log"), ["a.log.1", "a.log.2", "a.log.3"]);
        assert_eq!(newest_first(&["a.log.2.gz", "a.log.1"], "a.log"), ["a.log.1", "a.log.2.gz"]);
    }

    #[test]
    fn siblings_come_by_time_when_one_has_no_number() {
        assert_eq!(
            newest_first(&["a.log-20261122", "a.log.old", "a.log.1", "a.log-20261121.gz"], "a.log"),
            ["a.log-20261122", "a.log.old", "a.log.1", "a.log-20261121.gz"]
        );
    }

    #[test]
    fn numbers_before_the_ending_count_too() {
        assert_eq!(newest_first(&["a.2.log.gz", "a.1.log", "a.log", "a.b.log"], "a.log"), ["a.1.log", "a.2.log.gz"]);
    }
}

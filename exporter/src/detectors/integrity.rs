//! Watched files that changed: against the baseline of the last look, which outlives a restart. What the package manager did is counted
//! and not told. What a file holds is never told, only what about it changed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;
use crate::finding::{About, Found, Severity};
use crate::sample::files::{Explanation, FileState, Files, WatchedFile};
use crate::snapshot::{Section, Write, json};

/// Its name in `findings_total`.
pub const NAME: &str = "integrity";

/// Changes that one finding names; of more it gives the number.
const NAMED: usize = 10;
/// So long a package manager may be at work before changes are judged all the same: its lock must not hide anything for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// Who may log in, who is root, what is loaded into every program: a change of these is looked at now.
const GRAVE: [&str; 7] =
    ["/authorized_keys", "/etc/sudoers", "/etc/passwd", "/etc/shadow", "/etc/ld.so.preload", "/etc/pam.d/", "/etc/ssh/sshd_config"];

/// The baseline.
#[derive(Default)]
pub struct Integrity {
    baseline: Baseline,
    /// Since when changes wait for a package manager.
    waiting: Option<Timestamp>,
    section: String,
    is_changed: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Baseline {
    /// The patterns that it was made by: with others, files come and go without having changed.
    patterns: Vec<String>,
    files: BTreeMap<String, FileState>,
    looked: Timestamp,
}

/// How many changes a look brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those of a package manager.
    pub explained: u64,
    /// All others.
    pub unexplained: u64,
}

/// One change.
struct Change {
    path: String,
    what: String,
}

impl Integrity {
    /// Takes up what was saved in `section`.
    pub fn new(section: &str, saved: Option<&Section>) -> Self {
        let baseline = serde_json::from_value(json(saved)).unwrap_or_default();
        Self { baseline, waiting: None, section: section.to_owned(), is_changed: false }
    }

    /// Files in the baseline.
    pub fn files(&self) -> usize {
        self.baseline.files.len()
    }

    /// Takes a look at the files; the first one makes the baseline.
    pub fn observe(&mut self, now: Timestamp, files: Files, out: &mut Vec<Found>) -> Changes {
        if files.installing && now.since(*self.waiting.get_or_insert(now)) < LONGEST_WAIT {
            return Changes::default();
        }
        self.waiting = None;
        let is_first = self.baseline.patterns != files.patterns;
        let removals_explained = files.packages_at.is_some_and(|at| at >= self.baseline.looked);
        let (mut explained, mut changes) = (0, Vec::new());
        let mut gone = std::mem::take(&mut self.baseline.files);
        for WatchedFile { path, state, explanation } in files.files {
            let before = gone.remove(&path);
            let what = match &before {
                Some(before) => difference(before, &state),
                None if is_first => None,
                None => Some("is new".to_owned()),
            };
            // A package that ships the contents has nothing to do with a mode that somebody gave the file.
            let same_rights = before.as_ref().is_none_or(|before| rights(before) == rights(&state));
            let explains = |explanation| explanation != Explanation::AsShipped || same_rights;
            match what {
                Some(_) if explanation.is_some_and(explains) => explained += 1,
                Some(what) => changes.push(Change { path: path.clone(), what }),
                None => {}
            }
            self.is_changed |= before.as_ref() != Some(&state);
            self.baseline.files.insert(path, state);
        }
        self.is_changed |= is_first || (files.complete && !gone.is_empty());
        match (files.complete, is_first, removals_explained) {
            // What could not be looked at may still be there.
            (false, ..) => self.baseline.files.append(&mut gone),
            (true, true, _) => {}
            (true, false, true) => explained += gone.len(),
            (true, false, false) => changes.extend(gone.into_keys().map(|path| Change { path, what: "is gone".to_owned() })),
        }
        (self.baseline.patterns, self.baseline.looked) = (files.patterns, now);
        let unexplained = changes.len() as u64;
        out.extend(told(now, &changes));
        Changes { explained: explained as u64, unexplained }
    }

    /// The write that saves the baseline, if it changed.
    pub fn save(&mut self) -> Option<Write> {
        let is_changed = std::mem::take(&mut self.is_changed);
        is_changed
            .then(|| Write::Put { section: self.section.clone(), pieces: vec![serde_json::to_vec(&self.baseline).unwrap_or_default()] })
    }

    /// After a commit that failed.
    pub fn save_all_again(&mut self) {
        self.is_changed = true;
    }
}

/// What is different, in words; `None`: nothing.
fn difference(before: &FileState, now: &FileState) -> Option<String> {
    let mut parts = Vec::new();
    match (&before.sha256, &now.sha256) {
        (Some(old), Some(new)) if old != new && before.bytes == now.bytes => {
            parts.push(format!("has other contents ({} bytes)", now.bytes))
        }
        (Some(old), Some(new)) if old != new => parts.push(format!("has other contents ({} bytes, was {})", now.bytes, before.bytes)),
        // Whether it may be read is the exporter's affair; a size tells a little all the same.
        (None, _) | (_, None) if before.bytes != now.bytes => parts.push(format!("has {} bytes (was {})", now.bytes, before.bytes)),
        _ => {}
    }
    if before.mode != now.mode {
        parts.push(format!("has mode {:04o} (was {:04o})", now.mode, before.mode));
    }
    if (before.uid, before.gid) != (now.uid, now.gid) {
        parts.push(format!("belongs to {}:{} (was {}:{})", now.uid, now.gid, before.uid, before.gid));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn rights(state: &FileState) -> (u32, u32, u32) {
    (state.uid, state.gid, state.mode)
}

/// One finding for all changes of a look.
fn told(at: Timestamp, changes: &[Change]) -> Option<Found> {
    let first = changes.first()?;
    let is_grave = |change: &Change| GRAVE.iter().any(|part| change.path.contains(part));
    let severity = if changes.iter().any(is_grave) { Severity::Critical } else { Severity::Warning };
    let (about, summary, evidence) = match changes.len() {
        1 => (format!("File {}", first.path), first.what.clone(), Vec::new()),
        count => {
            // The gravest one stands for all where there is room for one only.
            let gravest = changes.iter().find(|change| is_grave(change)).unwrap_or(first);
            let named = changes.iter().take(NAMED).map(|change| format!("{} {}", change.path, change.what));
            let more = (count > NAMED).then(|| format!("and {} more", count - NAMED));
            (format!("File {}", gravest.path), format!("and {} more changed", count - 1), named.chain(more).collect())
        }
    };
    Some(Found { at, detector: NAME, severity, about: About::Thing(about), summary, reckoned: Vec::new(), evidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn file(path: &str, contents: &str, mode: u32) -> WatchedFile {
        let state = FileState { sha256: Some(contents.to_owned()), bytes: contents.len() as u64, uid: 0, gid: 0, mode };
        WatchedFile { path: path.to_owned(), state, explanation: None }
    }

    fn look(files: &[WatchedFile]) -> Files {
        Files { patterns: vec!["/etc/*".to_owned()], files: files.to_vec(), complete: true, ..Files::default() }
    }

    /// After a first look at these files.
    fn integrity(files: &[WatchedFile]) -> Integrity {
        let mut integrity = Integrity::new("s", None);
        let mut out = Vec::new();
        assert_eq!(integrity.observe(NOW, look(files), &mut out), Changes::default());
        assert!(out.is_empty(), "the first look makes the baseline");
        integrity
    }

    fn sentence(found: &[Found]) -> String {
        let line = |found: &Found| {
            let About::Thing(thing) = &found.about else { unreachable!() };
            format!("{} {thing} {}", found.severity.as_str(), found.summary)
        };
        found.iter().map(line).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn each_change_is_told_by_what_changed() {
        let before = [file("/etc/crontab", "old", 0o644), file("/etc/sudoers", "root", 0o440)];
        for (now, expected) in [
            (vec![before[0].clone(), before[1].clone()], ""),
            (vec![file("/etc/crontab", "new", 0o644), before[1].clone()], "warning File /etc/crontab has other contents (3 bytes)"),
            (
                vec![file("/etc/crontab", "longer", 0o644), before[1].clone()],
                "warning File /etc/crontab has other contents (6 bytes, was 3)",
            ),
            (vec![before[0].clone(), file("/etc/sudoers", "root", 0o666)], "critical File /etc/sudoers has mode 0666 (was 0440)"),
            (vec![before[1].clone()], "warning File /etc/crontab is gone"),
            (vec![before[0].clone(), before[1].clone(), file("/etc/rc.local", "x", 0o755)], "warning File /etc/rc.local is new"),
            (vec![file("/etc/crontab", "new", 0o644)], "critical File /etc/sudoers and 1 more changed"),
        ] {
            let (mut integrity, mut out) = (integrity(&before), Vec::new());
            integrity.observe(NOW, look(&now), &mut out);
            assert_eq!(sentence(&out), expected);
            out.clear();
            integrity.observe(NOW, look(&now), &mut out);
            assert!(out.is_empty(), "told twice: {}", sentence(&out));
        }
    }

    #[test]
    fn what_a_package_manager_did_is_counted_and_not_told() {
        let mut integrity = integrity(&[file("/etc/a", "old", 0o644), file("/etc/b", "old", 0o644)]);
        let mut out = Vec::new();
        let mut now = look(&[WatchedFile { explanation: Some(Explanation::AsShipped), ..file("/etc/a", "new", 0o644) }]);
        now.installing = true;
        assert_eq!(integrity.observe(NOW, now.clone(), &mut out), Changes::default(), "it is waited for");
        now.installing = false;
        now.packages_at = Some(NOW.plus(Duration::from_secs(20)));
        assert_eq!(integrity.observe(NOW.plus(Duration::from_secs(30)), now.clone(), &mut out), Changes { explained: 2, unexplained: 0 });
        assert!(out.is_empty());
        now.files[0].state.mode = 0o666;
        integrity.observe(NOW.plus(Duration::from_secs(60)), now, &mut out);
        assert_eq!(sentence(&out), "warning File /etc/a has mode 0666 (was 0644)", "no package gives rights to everybody");
    }

    #[test]
    fn a_lock_does_not_hide_changes_for_ever() {
        let mut integrity = integrity(&[file("/etc/a", "old", 0o644)]);
        let now = Files { installing: true, ..look(&[file("/etc/a", "new", 0o644)]) };
        let mut out = Vec::new();
        for minutes in 0..=30 {
            assert!(out.is_empty());
            integrity.observe(NOW.plus(Duration::from_secs(minutes * 60)), now.clone(), &mut out);
        }
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn what_could_not_be_looked_at_is_not_gone() {
        let mut integrity = integrity(&[file("/etc/a", "old", 0o644)]);
        let mut out = Vec::new();
        integrity.observe(NOW, Files { complete: false, ..look(&[]) }, &mut out);
        assert!(out.is_empty());
        integrity.observe(NOW, look(&[file("/etc/a", "new", 0o644)]), &mut out);
        assert_eq!(sentence(&out), "warning File /etc/a has other contents (3 bytes)");
    }

    #[test]
    fn the_baseline_outlives_a_restart() {
        let mut before = integrity(&[file("/etc/a", "old", 0o644)]);
        let Some(Write::Put { pieces, .. }) = before.save() else { unreachable!() };
        assert!(before.save().is_none(), "nothing changed since");
        let mut after = Integrity::new("s", Some(&pieces));
        let mut out = Vec::new();
        assert_eq!(after.observe(NOW, look(&[file("/etc/a", "new", 0o644)]), &mut out).unexplained, 1);
        let other_patterns = Files { patterns: vec!["/opt/*".to_owned()], ..look(&[file("/opt/b", "x", 0o644)]) };
        assert_eq!(after.observe(NOW, other_patterns, &mut out), Changes::default(), "other patterns make a new baseline");
    }
}

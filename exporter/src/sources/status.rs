//! How a source stands, and what must be watched so that it knows when to look.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::file::FileSource;
use super::followed::Role;
use super::watch::Target;
use crate::batch::Status;

impl FileSource {
    /// How it stands now.
    pub(super) fn status(&mut self) -> Status {
        self.caught_up |= self.looked && self.open.values().all(|file| file.behind_until.is_none());
        let followed = || self.open.values().filter(|file| file.role != Role::Kept);
        let problem = self.look_problem.as_ref().or(self.read_problem.as_ref());
        Status {
            up: self.up,
            caught_up: self.caught_up,
            lag_bytes: followed().map(|file| file.lag_bytes()).sum(),
            files: followed().count() as u64,
            problem: problem.map(ToString::to_string),
        }
    }

    /// What to watch: the directories where files come and go, and the files that grow.
    pub fn targets(&self) -> Vec<Target> {
        let mut directories: BTreeSet<PathBuf> = [self.pattern.base().to_owned()].into();
        let paths = self.names.keys().map(PathBuf::as_path).chain(self.open.values().map(|file| file.path.as_path()));
        directories.extend(paths.filter_map(Path::parent).map(Path::to_owned));
        let existing: BTreeSet<PathBuf> = directories.iter().filter_map(|directory| nearest_existing(directory)).collect();
        let files = self.open.values().filter(|file| file.role != Role::Kept).map(|file| Target::File {
            path: file.content.descriptor_path(),
            device: file.content.device,
            inode: file.content.inode,
        });
        existing.into_iter().map(Target::Directory).chain(files).collect()
    }
}

/// The directory itself, or what there is on the way to it.
fn nearest_existing(directory: &Path) -> Option<PathBuf> {
    directory
        .ancestors()
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
        .find(|path| path.is_dir())
        .map(Path::to_owned)
}

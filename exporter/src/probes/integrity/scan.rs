//! One look at the watched files: which there are, and what each is now.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Config, Packages};
use crate::event::Timestamp;
use crate::probes::Error;
use crate::sample::files::{FileState, Files, WatchedFile};

/// Files looked at in one go; of more, the first by name.
const MAX_FILES: usize = 4096;
/// Of a larger file, so much is hashed.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What to look at.
pub(super) struct Scan {
    config: Config,
}

impl Scan {
    pub(super) fn new(config: Config) -> Self {
        Self { config }
    }

    /// All files that match now, and the directories that they lie in.
    pub(super) fn look(&self) -> Result<(Files, Vec<PathBuf>), Error> {
        let root = &self.config.root;
        fs::metadata(root).map_err(|error| Error::failed(format!("open {}", root.display()), error))?;
        let (found, complete) = self.find();
        let mut directories: Vec<PathBuf> = found.keys().filter_map(|path| path.parent()).map(Path::to_owned).collect();
        directories.extend(self.config.paths.iter().filter_map(|pattern| beginning(&self.rooted(pattern))));
        directories.sort();
        directories.dedup();
        let packages = Packages::read(root);
        let files = found.into_iter().filter_map(|(path, metadata)| self.file(&path, &metadata, &packages));
        let files = Files {
            patterns: self.config.paths.clone(),
            files: files.collect(),
            complete,
            installing: packages.are_being_installed(),
            packages_at: packages.changed_at(),
        };
        Ok((files, directories))
    }

    /// The files by path, and whether all directories could be listed.
    fn find(&self) -> (BTreeMap<PathBuf, Metadata>, bool) {
        let (mut found, mut complete) = (BTreeMap::new(), true);
        for pattern in &self.config.paths {
            let pattern = self.rooted(pattern);
            // The pattern was checked when it was configured.
            for entry in glob::glob(&pattern.to_string_lossy()).into_iter().flatten() {
                let Ok(path) = entry else {
                    complete = false;
                    continue;
                };
                match fs::symlink_metadata(&path) {
                    Ok(metadata) if metadata.is_dir() => {}
                    Ok(_) if found.len() >= MAX_FILES => complete = false,
                    Ok(metadata) => drop(found.insert(path, metadata)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(_) => complete = false,
                }
            }
        }
        (found, complete)
    }

    fn rooted(&self, pattern: &str) -> PathBuf {
        self.config.root.join(pattern.trim_start_matches('/'))
    }

    /// What a file is; `None` if it went away meanwhile.
    fn file(&self, path: &Path, link: &Metadata, packages: &Packages) -> Option<WatchedFile> {
        let target = link.is_symlink().then(|| fs::read_link(path)).transpose().ok()?;
        let metadata = match &target {
            // What a link of the host leads to is sought below the host's root.
            Some(target) => fs::metadata(self.followed(path, target)).unwrap_or_else(|_| link.clone()),
            None => link.clone(),
        };
        let contents = if metadata.is_file() { read(path) } else { Some(Vec::new()) };
        let mut hasher = Sha256::new();
        if let Some(target) = &target {
            hasher.update(b"-> ");
            hasher.update(target.as_os_str().as_bytes());
            hasher.update(b"\0");
        }
        let sha256 = contents.as_ref().map(|contents| hex(&hasher.chain_update(contents).finalize()));
        let path = Path::new("/").join(path.strip_prefix(&self.config.root).unwrap_or(path));
        let changed = Timestamp::from_secs(link.ctime());
        let explanation = contents.and_then(|contents| packages.explain(&path, target.is_none().then_some(&contents), changed));
        let state = FileState { sha256, bytes: metadata.len(), uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() & 0o7777 };
        Some(WatchedFile { path: path.to_string_lossy().into_owned(), state, explanation })
    }

    fn followed(&self, path: &Path, target: &Path) -> PathBuf {
        match target.strip_prefix("/") {
            Ok(inside) => self.config.root.join(inside),
            Err(_) => path.parent().unwrap_or(path).join(target),
        }
    }
}

/// The part of a pattern before its first wildcard, if it has one.
fn beginning(pattern: &Path) -> Option<PathBuf> {
    let is_wild = |part: &std::ffi::OsStr| part.to_string_lossy().contains(['*', '?', '[']);
    pattern.iter().any(is_wild).then(|| pattern.iter().take_while(|part| !is_wild(part)).collect())
}

/// The first bytes of a file; `None` if it may not be read. Never waits for a pipe's other end.
fn read(path: &Path) -> Option<Vec<u8>> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(path).ok()?;
    let mut contents = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut contents).ok()?;
    Some(contents)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

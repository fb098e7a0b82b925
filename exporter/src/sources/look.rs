//! The look around: which names the pattern stands for, which files they lead to, and which of those are new.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::discover::Occasion;
use super::file::{FileSource, Name};
use super::followed::{Followed, Role};
use super::memory::Found;
use super::{CHUNK_BYTES, Error, Start};
use crate::event::Timestamp;

/// How far back the start of a last line without its end is looked for.
const LAST_LINE_BYTES: u64 = 1024 * 1024;

impl FileSource {
    /// Finds out what is there now. Reads no lines.
    pub(super) fn look(&mut self, now: Timestamp) {
        self.names_are_true = false;
        let unreadable = self.relocate(now);
        // By their keys: new files will find their places among them.
        self.arrange();
        let found = self.pattern.find();
        let mut failing = BTreeSet::new();
        let mut problem = found.problem;
        if let Some(Error::List { path, .. }) = problem.as_ref().filter(|problem| !problem.is_missing()) {
            failing.insert(path.clone());
        }
        // A folder that holds no log yet is no fault; one whose logs cannot be opened is.
        let (mut is_empty, mut is_open) = (problem.is_none() && !self.pattern.is_path(), false);
        let mut candidates: BTreeSet<PathBuf> = found.names.into_iter().collect();
        if !found.complete {
            candidates.extend(self.names.keys().cloned());
        }
        let mut names = BTreeMap::new();
        for path in candidates {
            match self.resolve(&path, now) {
                Ok(name) => {
                    is_open = true;
                    names.insert(path, name);
                }
                Err(error) => {
                    if !error.is_missing() {
                        // Weather: what it led to before is still the best guess.
                        if let Some(name) = self.names.get(&path) {
                            names.insert(path.clone(), name.clone());
                        }
                        failing.insert(path);
                        is_empty = false;
                    }
                    problem.get_or_insert(error);
                }
            }
        }
        if is_empty && !is_open {
            problem.get_or_insert_with(|| Error::NoMatch { pattern: self.config.pattern.clone() });
        }
        self.note_up(is_open || is_empty, problem.as_ref());
        self.names = names;
        self.assign_roles(now);
        self.search_missing(now, &unreadable);
        if !self.looked {
            self.search_successors(now);
        }
        self.visit_kept(now);
        self.unexamined = if self.looked { self.unexamined.intersection(&failing).cloned().collect() } else { failing };
        self.looked = true;
        self.look_problem = problem;
        self.arrange();
        self.targets_changed = true;
    }

    /// Notes whether the logs can be read, and tells the log when that changes.
    fn note_up(&mut self, up: bool, problem: Option<&Error>) {
        let file = &self.config.pattern;
        match problem {
            Some(problem) if !up && (self.up || !self.looked) && !problem.is_missing() => {
                let hint = if problem.is_denied() { " Logs are mostly for the group adm: add the user to it." } else { "" };
                tracing::warn!(file, %problem, "A log cannot be read; it is tried again.{hint}");
            }
            Some(problem) if !up && (self.up || !self.looked) => {
                tracing::info!(file, %problem, "A log is not there; it is read when it is.")
            }
            // Perhaps the name is mistyped.
            Some(Error::NoMatch { .. }) if !self.looked => tracing::info!(file, "No log has such a name; it is read once it is there."),
            _ if up && !self.up && self.looked => tracing::info!(file, "A log can be read now."),
            _ => {}
        }
        self.up = up;
    }

    /// What a name leads to.
    fn resolve(&mut self, path: &Path, now: Timestamp) -> Result<Name, Error> {
        let metadata = fs::metadata(path).map_err(|source| Error::open(path, source))?;
        if let Some(name) = self.names.get(path) {
            // An open file keeps its inode number: nobody else can have it.
            if name.device == metadata.dev() && name.inode == metadata.ino() && self.open.contains_key(&name.key) {
                return Ok(name.clone());
            }
        }
        self.arrive(path, now)
    }

    /// A name leads to another file than before.
    fn arrive(&mut self, name: &Path, now: Timestamp) -> Result<Name, Error> {
        let mut content = Content::open(name)?;
        let path = fs::canonicalize(name).map_err(|source| Error::open(name, source))?;
        let (device, inode) = (content.device, content.inode);
        if let Some(key) = self.open_key(&content) {
            return Ok(Name { device, inode, key });
        }
        let error = |source| Error::read(name, source);
        let prints = |key| self.open.get(&key).map(|file| &file.print);
        // By content alone only files that are not open: two logs may begin alike.
        let found =
            self.memory.recognise(&mut content, &path.to_string_lossy(), prints, |key| !self.open.contains_key(&key)).map_err(error)?;
        let key = match found.and_then(|found| if let Found::Whole(key) = found { Some((key, self.memory.get(key)?)) } else { None }) {
            Some((key, bookmark)) => {
                let mut file = Followed::resume(content, bookmark, 0, Role::Live).map_err(error)?;
                file.lane = self.lane(&path, None);
                file.path = path;
                self.follow(key, file);
                key
            }
            None => self.begin(name, content, path, now)?,
        };
        Ok(Name { device, inode, key })
    }

    /// Follows a file that was never seen before.
    fn begin(&mut self, name: &Path, mut content: Content, path: PathBuf, now: Timestamp) -> Result<u64, Error> {
        let error = |source| Error::read(name, source);
        let predecessor = self.names.get(name).map(|name| name.key);
        let first_sight = !self.looked && !self.known_pattern;
        let known = self.memory.has_path(&path.to_string_lossy());
        let blank = self.memory.blank(&content, &path.to_string_lossy()).and_then(|key| Some((key, self.memory.get(key)?.modified)));
        let replaces = known || predecessor.is_some() || (self.pattern.is_path() && !self.memory.is_empty() && !first_sight);
        let lane = self.lane(&path, predecessor);
        let was_there = !replaces && (first_sight || name.ancestors().any(|path| self.unexamined.contains(path)));
        let from_end = was_there && self.config.start == Start::End && !content.is_archive();
        let offset = if from_end { last_line(&mut content).map_err(error)? } else { 0 };
        let mut file = Followed::new(content, path.clone(), lane, Role::Live, offset).map_err(error)?;
        if was_there {
            // Nothing that lies beside it and was written before now is news.
            file.modified = file.modified.max(now);
        }
        if replaces && blank.is_none() {
            self.memory.count_rotation();
        }
        if !known {
            let key = self.memory.new_key();
            self.follow(key, file);
            return Ok(key);
        }
        let held = self.hold(file);
        let occasion = blank.map_or(Occasion::New(held), |(_, modified)| Occasion::Filled(held, modified));
        // What cannot be listed now is looked for again as long as something is missing.
        self.read_problem = self.discover(&path, lane, occasion, now).err();
        if let Some((key, _)) = blank {
            self.memory.forget(key);
        }
        Ok(self.release(held))
    }

    /// Opens a file under a passing key: those that are yet to be found are older.
    pub(super) fn hold(&mut self, file: Followed) -> u64 {
        let key = self.memory.hold(file.bookmark());
        self.open.insert(key, file);
        key
    }

    /// Gives a file its lasting key.
    pub(super) fn release(&mut self, held: u64) -> u64 {
        self.memory.release(held);
        let key = self.memory.new_key();
        if let Some(file) = self.open.remove(&held) {
            self.follow(key, file);
        }
        for placed in self.order.iter_mut().filter(|placed| **placed == held) {
            *placed = key;
        }
        key
    }

    /// Takes up a file.
    pub(super) fn follow(&mut self, key: u64, mut file: Followed) {
        if self.caught_up {
            file.behind_until = None;
        }
        file.changed = false;
        self.disordered = true;
        self.memory.set(key, file.bookmark());
        self.missing.remove(&key);
        self.open.insert(key, file);
    }

    /// The open file that this is.
    pub(super) fn open_key(&self, content: &Content) -> Option<u64> {
        self.open.iter().find(|(_, file)| file.content.is_file(content)).map(|(key, _)| *key)
    }

    /// The lane for a file under this path: that of the file it follows on.
    pub(super) fn lane(&mut self, path: &Path, predecessor: Option<u64>) -> u64 {
        if self.pattern.is_path() {
            return 0;
        }
        let predecessor = predecessor.and_then(|key| self.open.get(&key));
        if let Some(file) = predecessor.or_else(|| self.open.values().find(|file| file.path == path)) {
            return file.lane;
        }
        self.last_lane += 1;
        self.last_lane
    }

    /// Live is what a name leads to; everything else is on its way out.
    fn assign_roles(&mut self, now: Timestamp) {
        let live: BTreeSet<u64> = self.names.values().map(|name| name.key).collect();
        let mut left = Vec::new();
        for (key, file) in &mut self.open {
            match (live.contains(key), file.role) {
                (true, Role::Leaving(_) | Role::Kept) => {
                    file.role = Role::Live;
                    file.finished = false;
                    file.changed = true;
                }
                (false, Role::Live) => {
                    file.role = Role::Leaving(now);
                    left.push((file.path.clone(), file.lane));
                }
                _ => {}
            }
        }
        self.names_are_true = true;
        for (path, lane) in left {
            let succeeded = self.open.values().any(|file| file.role == Role::Live && file.path == path);
            // A successor has been asked about already. One that came and went between two looks is found only now.
            if !succeeded && let Err(problem) = self.discover(&path, lane, Occasion::Doubt, now) {
                self.read_problem = Some(problem);
            }
        }
    }

    /// Looks after finished files that are still held open.
    fn visit_kept(&mut self, now: Timestamp) {
        self.open.retain(|_, file| match (file.role, file.content.stat()) {
            (Role::Kept, Ok(stat)) => {
                if stat.size > file.offset {
                    file.role = Role::Leaving(now);
                }
                stat.linked && stat.size >= file.offset
            }
            (Role::Kept, Err(_)) => false,
            _ => true,
        });
    }
}

/// Where the last line begins that may lack its end.
fn last_line(content: &mut Content) -> std::io::Result<u64> {
    let size = content.stat()?.size;
    let mut end = size;
    while end > size.saturating_sub(LAST_LINE_BYTES) {
        let bytes = content.read_back(end, CHUNK_BYTES)?;
        if bytes.is_empty() {
            break;
        }
        let start = end - bytes.len() as u64;
        let whole = super::lines::whole(&bytes);
        if whole > 0 || start == 0 {
            return Ok(start + whole as u64);
        }
        end = start;
    }
    // A line of that length is cut anyway.
    Ok(size)
}

//! A part of systemd's journal to batches of lines, each entry exactly once, through rotation, restarts and kills.
//!
//! Only fields that journald itself sets (they begin with `_`) decide what an entry is: anybody may write the others. Entries have numbers
//! that rise in the order of writing, over all files of a series; the last one that was looked at is the bookmark, whatever the clock does.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::reader::{Polled, REST};
use super::watch::Target;
use super::{Error, Poll, Saved, Start};
use crate::batch::{Batch, Bookmark, Change, JournalBookmark, Status};
use crate::event::Timestamp;
use file::JournalFile;
use line::Line;

mod file;
mod line;

/// The key of the bookmark. Those of files begin with 1.
const KEY: u64 = 0;
/// Where journald writes: what lasts, and what does not.
const USUAL_DIRS: [&str; 2] = ["/var/log/journal", "/run/log/journal"];
/// Entries looked at in one go, over all files; their lines are put in order.
const WINDOW: u64 = 512;
/// Windows in one turn, before other sources have theirs.
const TURN: usize = 16;
/// Entries of others that may be looked at a second time after a restart: the bookmark is not saved for each of them.
const UNTOLD: u64 = 4096;
/// Series that are remembered at most. A machine has one for each time that its journal was begun anew.
const MAX_SERIES: usize = 64;
/// Files that are open at most.
const MAX_FILES: usize = 500;

/// A part of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whose messages.
    pub unit: Unit,
    /// How an entry becomes a line.
    pub form: Form,
    /// Where the files are; empty: in the usual places.
    pub dir: Option<PathBuf>,
    /// What it is read under: if it was read under something else before, it is seen for the first time.
    pub pattern: String,
    /// Where to begin when this source is seen for the first time.
    pub start: Start,
    /// Lines longer than this, their end not counted, are cut.
    pub max_line_bytes: usize,
}

/// Whose messages are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The kernel's.
    Kernel,
    /// Those of a unit's processes.
    Named(String),
}

/// How an entry becomes a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Its message is the line.
    Bare,
    /// As in a system log, with time, host and program in front.
    Headed,
    /// The same, of sshd's programs only.
    Sshd,
}

/// Reads a part of the journal.
pub struct JournalSource {
    index: usize,
    config: Config,
    /// The last number looked at, by series.
    read: BTreeMap<String, u64>,
    /// The same, as it was last told.
    told_read: BTreeMap<String, u64>,
    is_first_sight: bool,
    files: Vec<JournalFile>,
    /// The directories that were listed, and when they had last changed.
    listed: BTreeMap<PathBuf, SystemTime>,
    forget: Vec<u64>,
    status: Status,
    told: Option<Status>,
    looked_at: Option<Timestamp>,
    more: bool,
}

impl JournalSource {
    /// A source that goes on where `saved` stands. Opens nothing yet.
    pub fn new(index: usize, config: Config, saved: Saved) -> Self {
        let known_pattern = saved.pattern.as_ref() == Some(&config.pattern);
        let (mut read, mut forget) = (None, Vec::new());
        for (key, saved) in saved.bookmarks {
            match saved {
                Bookmark::Journal(saved) if known_pattern && key == KEY => read = Some(saved.read),
                _ => forget.push(key),
            }
        }
        Self {
            index,
            config,
            is_first_sight: read.is_none(),
            told_read: read.clone().unwrap_or_default(),
            read: read.unwrap_or_default(),
            files: Vec::new(),
            listed: BTreeMap::new(),
            forget,
            status: Status::default(),
            told: None,
            looked_at: None,
            more: false,
        }
    }

    /// Reads what is new, a bounded share of it. `false`: nobody wants batches any more.
    fn look(&mut self, emit: &mut dyn FnMut(Batch) -> bool) -> bool {
        self.more = false;
        if let Err(error) = self.find_files() {
            self.status = Status { problem: Some(error.to_string()), caught_up: true, ..Status::default() };
            return self.tell(emit);
        }
        let ends = self.ends();
        if std::mem::take(&mut self.is_first_sight) && self.config.start == Start::End {
            self.read = ends.iter().map(|(series, (_, end))| (series.clone(), *end)).collect();
        } else if self.read.len() > MAX_SERIES {
            self.read.retain(|series, _| ends.contains_key(series));
        }
        // What was written before these ends were seen is there now; older series come first.
        for file in &mut self.files {
            file.refresh().unwrap_or_default();
        }
        let mut ordered: Vec<_> = ends.into_iter().collect();
        ordered.sort_by_key(|(_, (begun, _))| *begun);
        let mut windows = TURN;
        self.status = Status { up: true, files: self.files.len() as u64, caught_up: self.status.caught_up, ..Status::default() };
        for (series, (_, end)) in ordered {
            while self.read.get(&series).copied().unwrap_or(0) < end {
                if windows == 0 {
                    self.more = true;
                    return true;
                }
                windows -= 1;
                let batch = self.window(&series, end);
                if !batch.lines.is_empty() && !self.hand_in(batch, emit) {
                    return false;
                }
            }
        }
        self.status.caught_up = true;
        let mut files = std::mem::take(&mut self.files);
        files.retain(|file| !self.is_done(file));
        self.files = files;
        self.tell(emit)
    }

    /// By series, when it was begun and the highest number there is.
    fn ends(&mut self) -> BTreeMap<String, (u64, u64)> {
        let mut ends: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for file in &mut self.files {
            // A file that cannot be read any more stays as it was last seen.
            file.refresh().unwrap_or_default();
            let header = &file.header;
            let end = ends.entry(hex(&header.series)).or_insert((header.head_realtime, 0));
            *end = (end.0.min(header.head_realtime), end.1.max(header.tail));
        }
        ends
    }

    /// Looks at the next entries of a series, over all files, and gives the lines among them in their order.
    fn window(&mut self, series: &str, end: u64) -> Batch {
        let after = self.read.get(series).copied().unwrap_or(0);
        let is_of = |file: &&mut JournalFile| hex(&file.header.series) == series && file.header.tail > after;
        // Nothing is searched where there is nothing: numbers may begin anywhere.
        let first = self.files.iter_mut().filter(is_of).map(|file| file.header.head).min().unwrap_or(end);
        let after = after.max(first.saturating_sub(1));
        let until = end.min(after.saturating_add(WINDOW));
        let (mut lines, mut broken) = (Vec::new(), None);
        for file in self.files.iter_mut().filter(is_of).filter(|file| file.header.head <= until) {
            let config = &self.config;
            let mut keep = |entry| lines.extend(line::line(config, entry));
            if let Err(error) = file.entries(after, until, &line::FIELDS, &mut keep) {
                broken = Some(Error::read(&file.path, error).to_string());
            }
        }
        self.read.insert(series.to_owned(), until);
        if let Some(error) = broken {
            tracing::debug!(error, "A journal file is broken; what can be read of it is read.");
        }
        lines.sort_by_key(|line: &Line| line.number);
        let mut batch = Batch::default();
        for Line { text, bytes, is_cut, .. } in lines {
            batch.lines.extend_from_slice(&text);
            batch.lines.push(b'\n');
            batch.read_bytes += bytes;
            batch.cut_lines += u64::from(is_cut);
        }
        batch
    }

    /// Opens files that came and closes those that went, if a directory has changed.
    fn find_files(&mut self) -> Result<(), Error> {
        let dirs = self.dirs()?;
        if dirs == self.listed {
            return Ok(());
        }
        let mut before = std::mem::take(&mut self.files);
        let (mut problem, mut found) = (None, false);
        let mut paths = Vec::new();
        for dir in dirs.keys() {
            match journal_files(dir) {
                Ok(files) => paths.extend(files),
                Err(error) => problem = Some(error),
            }
        }
        for path in paths {
            if self.files.len() >= MAX_FILES {
                problem = Some(Error::TooMany { pattern: self.config.pattern.clone() });
                break;
            }
            let known = path.metadata().ok().and_then(|now| {
                let is_it = |file: &JournalFile| file.device == now.dev() && file.inode == now.ino();
                before.iter().position(is_it).map(|place| before.swap_remove(place))
            });
            match known.map_or_else(|| JournalFile::open(&path), |file| Ok(file.renamed(&path))) {
                Ok(file) => {
                    found = true;
                    // What is read to its end, and never written again, need not stay open.
                    if !self.is_done(&file) {
                        self.files.push(file);
                    }
                }
                Err(error) if super::is_missing(&error) => {}
                Err(error) => problem = Some(Error::open(&path, error)),
            }
        }
        match problem {
            // Some can be read: a broken one is kept by journald beside them.
            Some(problem) if !found || matches!(problem, Error::TooMany { .. }) => Err(problem),
            _ if !found => Err(self.missing()),
            _ => {
                self.listed = dirs;
                Ok(())
            }
        }
    }

    fn is_done(&self, file: &JournalFile) -> bool {
        file.header.is_archived && self.read.get(&hex(&file.header.series)).is_some_and(|read| *read >= file.header.tail)
    }

    /// The directories that hold files, and when they last changed.
    fn dirs(&self) -> Result<BTreeMap<PathBuf, SystemTime>, Error> {
        let bases: Vec<PathBuf> = match &self.config.dir {
            Some(dir) => vec![dir.clone()],
            None => USUAL_DIRS.iter().map(PathBuf::from).collect(),
        };
        let (mut dirs, mut problem) = (BTreeMap::new(), None);
        for base in &bases {
            match machine_dirs(base) {
                Ok(found) => dirs.extend(found),
                Err(error) => problem = problem.or(Some(error).filter(|error| !error.is_missing())),
            }
        }
        if dirs.is_empty() { Err(problem.unwrap_or_else(|| self.missing())) } else { Ok(dirs) }
    }

    fn missing(&self) -> Error {
        let dirs = self.config.dir.as_ref().map_or(USUAL_DIRS.join(" or "), |dir| dir.display().to_string());
        Error::Journal { dirs }
    }

    fn hand_in(&mut self, batch: Batch, emit: &mut dyn FnMut(Batch) -> bool) -> bool {
        let bookmark = Bookmark::Journal(JournalBookmark { read: self.read.clone() });
        let mut bookmarks: Vec<(u64, Change)> = self.forget.drain(..).map(|key| (key, Change::Forget)).collect();
        bookmarks.push((KEY, Change::Set(bookmark)));
        self.told_read.clone_from(&self.read);
        super::note_up(&self.config.pattern, self.told.as_ref(), &self.status);
        self.told = Some(self.status.clone());
        emit(Batch { source: self.index, bookmarks, status: self.status.clone(), ..batch })
    }

    /// Tells what has changed without a line being read.
    fn tell(&mut self, emit: &mut dyn FnMut(Batch) -> bool) -> bool {
        let advanced = self.read.iter().any(|(series, read)| match self.told_read.get(series) {
            Some(told) => read.saturating_sub(*told) > UNTOLD,
            None => true,
        });
        if self.told.as_ref() == Some(&self.status) && !advanced {
            return true;
        }
        // A bookmark before the journal was ever seen would say that it was.
        if self.is_first_sight {
            super::note_up(&self.config.pattern, self.told.as_ref(), &self.status);
            self.told = Some(self.status.clone());
            return emit(Batch { source: self.index, status: self.status.clone(), ..Batch::default() });
        }
        self.hand_in(Batch::default(), emit)
    }
}

impl Polled for JournalSource {
    fn poll(&mut self, now: Timestamp, emit: &mut dyn FnMut(Batch) -> bool) -> Poll {
        let is_due = self.more || self.looked_at.is_none_or(|at| now.has_passed(REST, at));
        if is_due {
            self.looked_at = Some(now);
            let alive = self.look(emit);
            self.more &= alive;
        }
        Poll { more: self.more, targets_changed: false }
    }

    fn targets(&self) -> Vec<Target> {
        Vec::new()
    }
}

/// The directory itself and those in it that are named by a machine's id.
fn machine_dirs(base: &Path) -> Result<BTreeMap<PathBuf, SystemTime>, Error> {
    let failed = |error| Error::list(base, error);
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    let mut dirs = BTreeMap::from([(base.to_owned(), changed(base).map_err(failed)?)]);
    for entry in base.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_id = |name: &str| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if path.file_name().and_then(|name| name.to_str()).is_some_and(is_id)
            && let Ok(changed) = changed(&path)
            && dirs.len() < MAX_SERIES
        {
            dirs.insert(path, changed);
        }
    }
    Ok(dirs)
}

/// The files of a journal in a directory, those that were left behind by a crash among them.
fn journal_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error: io::Error| Error::list(dir, error);
    let mut files = Vec::new();
    for entry in dir.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "journal" || extension == "journal~") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn hex(id: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*id))
}

#[cfg(test)]
mod tests;

//! A source of log files: looks for them, reads a fair share of each, and hands out batches with the bookmarks that belong to them.
//!
//! This file reads; `look` decides which files there are, `discover` finds those that were rotated away, `status` tells how it stands.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use super::buffers::Buffers;
use super::followed::{Block, Followed, Role, Step};
use super::memory::Memory;
use super::pattern::Pattern;
use super::{CHUNK_BYTES, Config, Error, GRACE, LOOK_EVERY, MAX_FINISHED, Poll, SHARE_BYTES, Saved};
use crate::batch::{Batch, Status};
use crate::event::Timestamp;

/// Reads the files of one pattern.
pub struct FileSource {
    pub(super) index: usize,
    pub(super) config: Config,
    pub(super) pattern: Pattern,
    pub(super) memory: Memory,
    /// The files that are open, by their keys in the memory.
    pub(super) open: BTreeMap<u64, Followed>,
    /// The names that the pattern stands for, and what they lead to.
    pub(super) names: BTreeMap<PathBuf, Name>,
    /// The names are those of the last look: false while a look is finding new ones.
    pub(super) names_are_true: bool,
    /// What could not be examined since the first look: when it can, it was there all the time.
    pub(super) unexamined: BTreeSet<PathBuf>,
    /// Remembered files that are nowhere, and since when.
    pub(super) missing: BTreeMap<u64, Timestamp>,
    /// The saved state is of this pattern.
    pub(super) known_pattern: bool,
    pub(super) looked: bool,
    pub(super) last_lane: u64,
    /// The open files, older content first.
    pub(super) order: Vec<u64>,
    /// The order of reading must be made up anew.
    pub(super) disordered: bool,
    /// Keys in the order of reading, lane by lane.
    pub(super) lanes: Vec<Vec<u64>>,
    pub(super) up: bool,
    pub(super) look_problem: Option<Error>,
    pub(super) read_problem: Option<Error>,
    pub(super) caught_up: bool,
    pub(super) told: Option<Status>,
    pub(super) targets_changed: bool,
    cursor: usize,
    share: u64,
    buffers: Buffers,
    more: bool,
    looked_at: Timestamp,
    /// This turn began with a look around.
    looking: bool,
    /// A file was found changed: the next turn begins with a look.
    doubtful: bool,
}

/// What a name leads to.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) key: u64,
}

impl FileSource {
    /// A source that goes on where `saved` stands. Opens nothing yet.
    pub fn new(index: usize, config: Config, saved: Saved) -> Self {
        Self {
            index,
            pattern: Pattern::new(&config.pattern),
            memory: Memory::new(saved.bookmarks),
            open: BTreeMap::new(),
            names: BTreeMap::new(),
            names_are_true: false,
            unexamined: BTreeSet::new(),
            missing: BTreeMap::new(),
            known_pattern: saved.pattern.as_ref() == Some(&config.pattern),
            looked: false,
            last_lane: 0,
            order: Vec::new(),
            disordered: false,
            lanes: Vec::new(),
            up: false,
            look_problem: None,
            read_problem: None,
            caught_up: false,
            told: None,
            targets_changed: false,
            cursor: 0,
            share: SHARE_BYTES,
            buffers: Buffers::default(),
            more: false,
            looked_at: Timestamp::default(),
            looking: false,
            doubtful: false,
            config,
        }
    }

    /// Reads about `bytes` in one turn instead of the usual share.
    pub fn with_share(mut self, bytes: u64) -> Self {
        self.share = bytes.max(1);
        self
    }

    /// Reads into buffers that come back from whoever takes the batches.
    pub fn with_buffers(mut self, buffers: Buffers) -> Self {
        self.buffers = buffers;
        self
    }

    /// One turn: finds files, notices rotation, and reads a bounded share. Never waits. `emit` gives `false` when nobody wants batches
    /// any more: then the turn ends at once.
    pub fn poll(&mut self, now: Timestamp, emit: &mut dyn FnMut(Batch) -> bool) -> Poll {
        self.looking = !self.more || self.doubtful || now.has_passed(LOOK_EVERY, self.looked_at);
        if self.looking {
            self.look(now);
            self.looked_at = now;
            self.doubtful = false;
        }
        let alive = self.read(now, emit) && self.tell(emit);
        Poll { more: self.more && alive, targets_changed: std::mem::take(&mut self.targets_changed) }
    }

    /// Reads until the share is used up or there is nothing more. `false`: stop.
    fn read(&mut self, now: Timestamp, emit: &mut dyn FnMut(Batch) -> bool) -> bool {
        self.more = false;
        self.read_problem = None;
        let mut budget = self.share;
        let lanes = std::mem::take(&mut self.lanes);
        let start = self.cursor % lanes.len().max(1);
        for lane in lanes.iter().skip(start).chain(lanes.iter().take(start)) {
            self.cursor = self.cursor.wrapping_add(1);
            for key in lane {
                if !self.read_file(*key, now, &mut budget, emit) {
                    return false;
                }
            }
            if budget == 0 {
                self.more = true;
                break;
            }
        }
        self.lanes = lanes;
        if self.disordered {
            self.arrange();
        }
        true
    }

    fn read_file(&mut self, key: u64, now: Timestamp, budget: &mut u64, emit: &mut dyn FnMut(Batch) -> bool) -> bool {
        let chunk = usize::try_from(self.share).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        while *budget > 0 {
            let Some(file) = self.open.get_mut(&key) else { return true };
            match file.step(now, chunk, self.config.max_line_bytes, &self.buffers) {
                Ok(Step::Block(block)) => {
                    *budget = budget.saturating_sub(block.read_bytes);
                    if !self.send(key, block, emit) {
                        return false;
                    }
                }
                Ok(Step::Passed(bytes)) => *budget = budget.saturating_sub(bytes.max(1)),
                Ok(Step::End) => return self.at_end(key, now, emit),
                Ok(Step::Changed) => {
                    // Whatever comes to light must be read before this file goes on. It is judged right after a look: perhaps it
                    // is not where it was any more.
                    *budget = 0;
                    self.doubtful = true;
                    if self.looking
                        && let Err(problem) = self.changed(key, now)
                    {
                        self.read_problem = Some(problem);
                    }
                }
                Err(source) => {
                    let path = file.path.clone();
                    file.behind_until = None;
                    if source.kind() == std::io::ErrorKind::StaleNetworkFileHandle {
                        self.open.remove(&key);
                        self.disordered = true;
                    }
                    self.read_problem = Some(Error::read(&path, source));
                    return true;
                }
            }
        }
        true
    }

    /// A file has no more whole lines for now; one that has left, and has been quiet for long enough, has none at all.
    fn at_end(&mut self, key: u64, now: Timestamp, emit: &mut dyn FnMut(Batch) -> bool) -> bool {
        let max_line = self.config.max_line_bytes;
        let Some(file) = self.open.get_mut(&key) else { return true };
        let quiet = match file.role {
            Role::Leaving(since) => file.content.is_archive() || now.has_passed(GRACE, since),
            Role::Live | Role::Kept => false,
        };
        if !quiet {
            if file.changed {
                file.changed = false;
                self.memory.set(key, file.bookmark());
            }
            return true;
        }
        let (block, stat) = match (file.rest(max_line), file.content.stat()) {
            (Ok(block), Ok(stat)) => (block, stat),
            (Err(source), _) | (_, Err(source)) => {
                self.read_problem = Some(Error::read(&file.path, source));
                return true;
            }
        };
        if !file.content.is_archive() && stat.size > file.offset {
            return block.is_none_or(|block| self.send(key, block, emit));
        }
        self.memory.lose(file.lag_bytes().max(file.content.unreadable_bytes()));
        file.seen_bytes = file.offset;
        file.finished = true;
        file.role = Role::Kept;
        let keep = stat.linked && !file.content.is_archive();
        let blank = file.is_blank();
        self.memory.set(key, file.bookmark());
        let alive = block.is_none_or(|block| self.send(key, block, emit));
        if blank {
            self.memory.finish(key);
        }
        if blank || !keep {
            self.open.remove(&key);
        }
        self.disordered = true;
        self.limit_kept();
        alive
    }

    /// Finished files are held open, in case of late writes, only as many as are remembered.
    fn limit_kept(&mut self) {
        let kept: Vec<u64> = self.open.iter().filter(|(_, file)| file.role == Role::Kept).map(|(key, _)| *key).collect();
        for key in kept.iter().take(kept.len().saturating_sub(MAX_FINISHED)) {
            self.open.remove(key);
        }
        self.memory.prune(|key| self.open.contains_key(&key));
    }

    fn send(&mut self, key: u64, block: Block, emit: &mut dyn FnMut(Batch) -> bool) -> bool {
        if let Some(file) = self.open.get_mut(&key) {
            file.changed = false;
            self.memory.set(key, file.bookmark());
        }
        let status = self.status();
        self.told = Some(status.clone());
        emit(Batch {
            source: self.index,
            lines: block.lines,
            read_bytes: block.read_bytes,
            cut_lines: block.cut_lines,
            status,
            ..self.memory.take_batch()
        })
    }

    /// Tells what has changed without a line being read.
    fn tell(&mut self, emit: &mut dyn FnMut(Batch) -> bool) -> bool {
        let status = self.status();
        if !self.memory.has_news() && self.told.as_ref() == Some(&status) {
            return true;
        }
        self.told = Some(status.clone());
        emit(Batch { source: self.index, status, ..self.memory.take_batch() })
    }

    /// Puts the open files in the order of reading: within a lane first those that have left, oldest first, then the live one.
    pub(super) fn arrange(&mut self) {
        self.disordered = false;
        self.order.retain(|key| self.open.contains_key(key));
        let placed: HashSet<u64> = self.order.iter().copied().collect();
        self.order.extend(self.open.keys().filter(|key| !placed.contains(key)));
        let mut lanes: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for live in [false, true] {
            for key in &self.order {
                if let Some(file) = self.open.get(key).filter(|file| file.role != Role::Kept && (file.role == Role::Live) == live) {
                    lanes.entry(file.lane).or_default().push(*key);
                }
            }
        }
        self.lanes = lanes.into_values().collect();
    }
}

//! One open log and the place that it was read to: gives its lines block by block, and notices when it is no longer the file that it was.

use std::io;
use std::path::PathBuf;

use memchr::memchr;

use super::bookmark::{HEAD_BYTES, Head, Print, TAIL_BYTES, Tail};
use super::buffers::Buffers;
use super::content::{Content, Stat};
use super::lines;
use crate::batch::FileBookmark;
use crate::event::Timestamp;

/// A log that is being read.
pub(super) struct Followed {
    pub(super) content: Content,
    /// The path that it was followed under, symbolic links resolved.
    pub(super) path: PathBuf,
    /// Files of one lane are read one after the other: those that followed each other under one name.
    pub(super) lane: u64,
    pub(super) role: Role,
    pub(super) print: Print,
    /// Read up to here: always behind a line end, until the file is finished.
    pub(super) offset: u64,
    /// Looked at up to here. Beyond `offset` there is no line end: the rest of `long`, or zeros.
    scanned: u64,
    long: Option<Long>,
    /// The largest size seen.
    pub(super) seen_bytes: u64,
    pub(super) modified: Timestamp,
    pub(super) finished: bool,
    /// The bookmark is not what was last told.
    pub(super) changed: bool,
    /// What was there when it was found has not been read yet.
    pub(super) behind_until: Option<u64>,
}

/// A line that is too long, and has not ended yet.
struct Long {
    beginning: Vec<u8>,
    tail: Tail,
}

/// What a file is to its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It stands where the source looks.
    Live,
    /// It was rotated away, and has not grown since.
    Leaving(Timestamp),
    /// It is finished, and held open only in case that somebody still writes to it.
    Kept,
}

/// What a step came to.
#[derive(Debug)]
pub(super) enum Step {
    /// Lines.
    Block(Block),
    /// So many bytes were passed, but no line ended: go on.
    Passed(u64),
    /// No more whole lines for now.
    End,
    /// It is not the file that it was, or (an empty one) cannot prove it.
    Changed,
}

/// Whole lines, and what they took up.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) lines: Vec<u8>,
    pub(super) read_bytes: u64,
    pub(super) cut_lines: u64,
}

impl Followed {
    /// Takes up a file at `offset`. What it is known by is what it holds now.
    pub(super) fn new(mut content: Content, path: PathBuf, lane: u64, role: Role, offset: u64) -> io::Result<Self> {
        let stat = content.stat()?;
        let head = content.head()?;
        let tail = content.read_back(offset, TAIL_BYTES)?.into();
        let seen_bytes = if content.is_archive() { offset } else { stat.size };
        let begin = head.start;
        let mut file = Self {
            print: Print::new(head, tail),
            behind_until: Some(if content.is_archive() { u64::MAX } else { stat.size }),
            content,
            path,
            lane,
            role,
            offset,
            scanned: offset,
            long: None,
            seen_bytes,
            modified: stat.modified,
            finished: false,
            changed: true,
        };
        file.pass_leading_nuls(begin);
        Ok(file)
    }

    /// Takes up a file where its bookmark stands.
    pub(super) fn resume(content: Content, bookmark: &FileBookmark, lane: u64, role: Role) -> io::Result<Self> {
        let mut file = Self::new(content, PathBuf::from(&bookmark.path), lane, role, bookmark.offset)?;
        file.seen_bytes = file.seen_bytes.max(bookmark.seen_bytes);
        file.finished = bookmark.finished && role != Role::Live;
        if bookmark.head_bytes == 0 {
            // It was empty when it was last seen: what it holds now may not be all that it has held since.
            file.print = Print::default();
            file.modified = bookmark.modified;
        }
        Ok(file)
    }

    /// Whether nothing was ever seen in it.
    pub(super) fn is_blank(&self) -> bool {
        self.print.is_blank()
    }

    /// Accepts a blank file for what it is now.
    pub(super) fn accept(&mut self) -> io::Result<()> {
        self.modified = self.content.stat()?.modified;
        let head = self.content.head()?;
        let begin = head.start;
        self.print = Print::new(head, std::mem::take(&mut self.print.tail));
        self.changed = true;
        self.pass_leading_nuls(begin);
        Ok(())
    }

    /// Zeros before the log are no part of it: they are neither read nor lost.
    fn pass_leading_nuls(&mut self, begin: u64) {
        if !self.is_blank() {
            self.pass_nuls(begin);
        }
    }

    /// Bytes that are there and were not read.
    pub(super) fn lag_bytes(&self) -> u64 {
        self.seen_bytes.saturating_sub(self.offset)
    }

    /// Its bookmark.
    pub(super) fn bookmark(&self) -> FileBookmark {
        let mut bookmark = FileBookmark {
            path: self.path.to_string_lossy().into_owned(),
            device: self.content.device,
            inode: self.content.inode,
            offset: self.offset,
            head_bytes: 0,
            head_hash: 0,
            tail_bytes: 0,
            tail_hash: 0,
            seen_bytes: self.seen_bytes,
            modified: self.modified,
            finished: self.finished,
        };
        self.print.save(&mut bookmark);
        bookmark
    }

    /// Reads on, about `chunk` bytes at most. Lines longer than `max_line` bytes are cut.
    pub(super) fn step(&mut self, now: Timestamp, chunk: usize, max_line: usize, buffers: &Buffers) -> io::Result<Step> {
        let room = chunk.max(max_line.saturating_add(1));
        let stat = self.content.stat()?;
        if self.may_have_been_more(&stat) {
            return Ok(Step::Changed);
        }
        let there = if self.content.is_archive() { u64::MAX } else { stat.size.saturating_sub(self.scanned) };
        let wanted = usize::try_from(there).unwrap_or(usize::MAX).min(room);
        let mut bytes = buffers.take(wanted);
        self.content.read(self.scanned, wanted, &mut bytes)?;
        if self.is_blank() {
            let tail = std::mem::take(&mut self.print.tail);
            self.print = Print::new(self.content.head()?, tail);
            self.changed |= !self.is_blank();
        }
        // Only now: whoever truncated the file before it was read is noticed before a byte of it is believed.
        if !self.is_unchanged()? {
            return Ok(Step::Changed);
        }
        self.note(now, &stat, bytes.len());
        let step = if bytes.is_empty() { Step::End } else { self.take(bytes, stat.size, max_line) };
        if matches!(step, Step::End) || self.behind_until.is_some_and(|until| self.scanned >= until) {
            self.behind_until = None;
        }
        Ok(step)
    }

    /// Reads the last line of a file that is gone, which may lack its end. Comes after [`Step::End`].
    pub(super) fn rest(&mut self, max_line: usize) -> io::Result<Option<Block>> {
        if let Some(long) = self.long.take() {
            return Ok(Some(self.end_long(long, self.scanned)));
        }
        if self.scanned > self.offset {
            self.pass_nuls(self.scanned);
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.content.read(self.offset, max_line, &mut bytes)?;
        if bytes.is_empty() || !self.is_unchanged()? {
            return Ok(None);
        }
        self.advance(&bytes);
        Ok(Some(Block { read_bytes: bytes.len() as u64, cut_lines: lines::cut(&mut bytes, max_line), lines: bytes }))
    }

    /// Whether a blank file was written to: what it holds may not be all that it has held.
    fn may_have_been_more(&self, stat: &Stat) -> bool {
        self.is_blank() && stat.modified > self.modified && !self.content.is_archive()
    }

    /// Whether it can be told from other files by what is known of it.
    pub(super) fn is_as_known(&mut self) -> io::Result<bool> {
        Ok(!self.may_have_been_more(&self.content.stat()?) && self.is_unchanged()?)
    }

    /// Whether the first bytes and those before `offset` are the ones that were read.
    fn is_unchanged(&mut self) -> io::Result<bool> {
        if self.content.is_archive() {
            return Ok(true);
        }
        if self.is_blank() {
            return Ok(true);
        }
        let mut buffer = [0; HEAD_BYTES];
        let Head { start, bytes } = self.print.head();
        let (start, known) = (*start, bytes.len());
        if !self.print.accepts_head(self.content.peek(start, &mut buffer)?) {
            return Ok(false);
        }
        let head_bytes = self.print.head().bytes.len();
        self.changed |= head_bytes > known;
        let tail = self.print.tail.bytes();
        let covered = self.offset <= start + head_bytes as u64;
        let buffer = buffer.get_mut(..tail.len()).unwrap_or_default();
        Ok(covered || self.content.peek(self.offset - tail.len() as u64, buffer)? == tail)
    }

    fn note(&mut self, now: Timestamp, stat: &Stat, read: usize) {
        let seen = if self.content.is_archive() { self.scanned + read as u64 } else { stat.size };
        if seen > self.seen_bytes {
            self.seen_bytes = seen;
            self.changed = true;
            if let Role::Leaving(since) = &mut self.role {
                *since = now;
            }
        }
        if self.modified != stat.modified {
            self.modified = stat.modified;
            self.changed = true;
        }
    }

    /// Makes the most of bytes that begin at `scanned`.
    fn take(&mut self, mut bytes: Vec<u8>, size: u64, max_line: usize) -> Step {
        let count = bytes.len() as u64;
        if let Some(long) = self.long.take() {
            return self.take_long(long, &bytes);
        }
        let nuls = bytes.iter().take_while(|byte| **byte == 0).count();
        if nuls == bytes.len() {
            // Left by a writer that went on at its old place in a truncated file; a hole, most likely. Not to be passed
            // before something comes behind it: it may still be filled.
            self.scanned = self.content.next_data(self.scanned + count, size);
            return Step::Passed(count);
        }
        self.pass_nuls(self.scanned + nuls as u64);
        bytes.drain(..nuls);
        let whole = lines::whole(&bytes);
        if whole > 0 {
            bytes.truncate(whole);
            self.advance(&bytes);
            let cut_lines = lines::cut(&mut bytes, max_line);
            return Step::Block(Block { lines: bytes, read_bytes: whole as u64, cut_lines });
        }
        if bytes.len() > max_line {
            self.scanned = self.offset + bytes.len() as u64;
            let mut tail = self.print.tail.clone();
            tail.advance(&bytes);
            bytes.truncate(max_line);
            self.long = Some(Long { beginning: bytes, tail });
            return Step::Passed(count);
        }
        if nuls > 0 { Step::Passed(nuls as u64) } else { Step::End }
    }

    fn take_long(&mut self, mut long: Long, bytes: &[u8]) -> Step {
        let used = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
        let ended = bytes.get(..used).is_some_and(|used| used.ends_with(b"\n"));
        long.tail.advance(bytes.get(..used).unwrap_or_default());
        self.scanned += used as u64;
        if ended {
            return Step::Block(self.end_long(long, self.scanned));
        }
        self.long = Some(long);
        Step::Passed(used as u64)
    }

    /// The line that began at `offset` is over at `end`: all that is told of it is its beginning.
    fn end_long(&mut self, long: Long, end: u64) -> Block {
        let read_bytes = end - self.offset;
        self.print.tail = long.tail;
        self.move_to(end);
        let mut lines = long.beginning;
        lines.push(b'\n');
        Block { lines, read_bytes, cut_lines: 1 }
    }

    fn advance(&mut self, bytes: &[u8]) {
        self.print.tail.advance(bytes);
        self.move_to(self.offset + bytes.len() as u64);
    }

    fn pass_nuls(&mut self, to: u64) {
        if to > self.offset {
            self.print.tail.advance_over_nuls(to - self.offset);
            self.move_to(to);
        }
    }

    fn move_to(&mut self, offset: u64) {
        self.offset = offset;
        self.scanned = offset;
        self.changed = true;
    }
}

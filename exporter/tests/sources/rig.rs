//! A directory of logs, a source that reads them, and an engine that can crash. Time is given by hand.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hostwarden::batch::{Batch, Bookmark, Change, Status};
use hostwarden::event::Timestamp;
use hostwarden::sources::file::FileSource;
use hostwarden::sources::{Config, Saved, Start};

/// What an engine keeps of the batches: all of it is saved in one transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Engine {
    pub(crate) text: String,
    pub(crate) read_bytes: u64,
    pub(crate) lost_bytes: u64,
    pub(crate) rotations: u64,
    pub(crate) cut_lines: u64,
    pub(crate) batches: u64,
    pub(crate) bookmarks: BTreeMap<u64, Bookmark>,
    pub(crate) pattern: Option<String>,
    pub(crate) status: Status,
}

impl Engine {
    fn apply(&mut self, batch: Batch) {
        self.text.push_str(std::str::from_utf8(&batch.lines).unwrap());
        // The last line of a file that is gone.
        if !batch.lines.is_empty() && !batch.lines.ends_with(b"\n") {
            self.text.push_str("<end>\n");
        }
        self.read_bytes += batch.read_bytes;
        self.lost_bytes += batch.lost_bytes;
        self.rotations += batch.rotations;
        self.cut_lines += batch.cut_lines;
        self.batches += 1;
        for (key, change) in batch.bookmarks {
            match change {
                Change::Set(bookmark) => self.bookmarks.insert(key, bookmark),
                Change::Forget => self.bookmarks.remove(&key),
            };
        }
        self.status = batch.status;
    }
}

pub(crate) struct Rig {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) config: Config,
    pub(crate) share: u64,
    pub(crate) now: Timestamp,
    pub(crate) source: FileSource,
    /// What the running engine has.
    pub(crate) engine: Engine,
    /// What was last committed.
    pub(crate) committed: Engine,
}

impl Rig {
    /// A source for `pattern` inside a new directory. Nothing is read before the first poll.
    pub(crate) fn new(pattern: &str, start: Start) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pattern = directory.path().canonicalize().unwrap().join(pattern).to_string_lossy().into_owned();
        let config = Config { name: "test".into(), pattern, start, max_line_bytes: 1000 };
        let source = FileSource::new(0, config.clone(), Saved::default());
        let now = Timestamp::from_secs(1_000_000);
        Self { directory, config, share: 1 << 20, now, source, engine: Engine::default(), committed: Engine::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Time goes on.
    pub(crate) fn pass(&mut self, secs: u64) {
        self.now = self.now.plus(Duration::from_secs(secs));
    }

    /// A moment passes, and the file was written to in it.
    pub(crate) fn touch(&mut self, file: &File) {
        self.now = self.now.plus(Duration::from_millis(1));
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_micros(self.now.micros() as u64)).unwrap();
    }

    pub(crate) fn append(&mut self, name: &str, text: &str) {
        let mut file = File::options().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.touch(&file);
    }

    pub(crate) fn truncate(&mut self, name: &str) {
        let file = File::options().write(true).truncate(true).open(self.path(name)).unwrap();
        self.touch(&file);
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(crate) fn rename_if_there(&self, from: &str, to: &str) {
        if self.path(from).exists() {
            self.rename(from, to);
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        fs::remove_file(self.path(name)).unwrap_or_default();
        std::os::unix::fs::symlink(target, self.path(name)).unwrap();
    }

    pub(crate) fn copy(&mut self, from: &str, to: &str) {
        let bytes = fs::read(self.path(from)).unwrap();
        let mut file = File::create(self.path(to)).unwrap();
        file.write_all(&bytes).unwrap();
        self.touch(&file);
    }

    /// Packs a file as logrotate does: the archive has the time of the original, which goes.
    pub(crate) fn pack(&mut self, name: &str, ending: &str) {
        let bytes = fs::read(self.path(name)).unwrap();
        let packed = match ending {
            "gz" => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&bytes).unwrap();
                encoder.finish().unwrap()
            }
            _ => zstd::encode_all(bytes.as_slice(), 1).unwrap(),
        };
        let modified = fs::metadata(self.path(name)).unwrap().modified().unwrap();
        let path = self.path(&format!("{name}.{ending}"));
        fs::write(&path, packed).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        self.remove(name);
    }

    /// One turn. Gives whether there is more to read.
    pub(crate) fn turn(&mut self) -> bool {
        let engine = &mut self.engine;
        engine.pattern = Some(self.config.pattern.clone());
        let poll = self.source.poll(self.now, &mut |batch| {
            engine.apply(batch);
            true
        });
        poll.more
    }

    /// Turns until there is nothing more to read, and what came since the last look back at the text.
    pub(crate) fn poll(&mut self) -> String {
        // A busy source does not look around in each turn; the one after it was busy does.
        for _ in 0..2 {
            assert!((0..100_000).any(|_| !self.turn()), "there is always more");
        }
        std::mem::take(&mut self.engine.text)
    }

    pub(crate) fn commit(&mut self) {
        self.committed = self.engine.clone();
    }

    /// The process dies, and another begins from the last commit.
    pub(crate) fn crash(&mut self) {
        self.engine = self.committed.clone();
        self.restart();
    }

    /// The process ends in order, and another begins.
    pub(crate) fn restart(&mut self) {
        self.engine.status = Status::default();
        let saved = Saved { pattern: self.engine.pattern.clone(), bookmarks: self.engine.bookmarks.clone().into_iter().collect() };
        self.source = FileSource::new(0, self.config.clone(), saved).with_share(self.share);
    }

    /// Goes on until every file that was rotated away is finished.
    pub(crate) fn settle(&mut self) -> String {
        let mut text = self.poll();
        for _ in 0..3 {
            self.pass(11);
            text += &self.poll();
        }
        text
    }
}

//! An open file as the log that it holds: bytes by their place in the log, whether the file is plain or an archive.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use rustix::fs::OFlags;

use super::bookmark::{HEAD_BYTES, Head};
use super::{CHUNK_BYTES, Error};
use crate::event::Timestamp;

/// The largest window of a zstd archive, as a power of two: what every level up to 19 needs. It bounds the decoder's memory to 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Zeros that are looked through for the first bytes of a log; holes that the file system knows of are not counted.
const LEADING_NULS: u64 = 1024 * 1024;

/// An open log.
pub(super) struct Content {
    file: File,
    archive: Option<Archive>,
    /// Device number.
    pub(super) device: u64,
    /// Inode number.
    pub(super) inode: u64,
}

/// What the file system says about an open file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    /// Bytes in the file, packed if it is an archive.
    pub(super) size: u64,
    pub(super) modified: Timestamp,
    /// Whether it still has a name.
    pub(super) linked: bool,
}

impl Content {
    /// Opens a file that may hold a log. Never waits, whatever the path leads to.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits();
        let mut options = File::options();
        options.read(true).custom_flags(i32::try_from(flags).unwrap_or_default());
        // A device may act on being opened, and a socket cannot be: look first, and look again at what was opened.
        let error = |source| Error::open(path, source);
        require_file(path, &std::fs::metadata(path).map_err(error)?)?;
        let file = options.open(path).map_err(error)?;
        let metadata = file.metadata().map_err(error)?;
        require_file(path, &metadata)?;
        let archive = Packing::of(path, &file).map_err(error)?.map(|packing| Archive::new(&file, packing)).transpose().map_err(error)?;
        Ok(Self { file, archive, device: metadata.dev(), inode: metadata.ino() })
    }

    /// What the file system says now.
    pub(super) fn stat(&self) -> io::Result<Stat> {
        let metadata = self.file.metadata()?;
        Ok(Stat { size: metadata.size(), modified: modified(&metadata), linked: metadata.nlink() > 0 })
    }

    /// Whether both are the same file, under whatever names.
    pub(super) fn is_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }

    pub(super) fn is_archive(&self) -> bool {
        self.archive.is_some()
    }

    /// Packed bytes that an archive kept to itself because it is broken.
    pub(super) fn unreadable_bytes(&self) -> u64 {
        self.archive.as_ref().map_or(0, |archive| archive.unreadable_bytes)
    }

    /// A path that leads to this very file for as long as it is open, whatever it is called by then.
    pub(super) fn descriptor_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Appends up to `count` of the log's bytes from `offset` on. Fewer: the log ends there, for now.
    pub(super) fn read(&mut self, offset: u64, count: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        if let Some(archive) = &mut self.archive {
            return archive.read(&self.file, offset, count, buffer);
        }
        let before = buffer.len();
        buffer.reserve_exact(count);
        // Into memory that nobody has cleared, unlike what the standard library can do.
        rustix::io::retry_on_intr(|| rustix::io::pread(&self.file, rustix::buffer::spare_capacity(buffer), offset))?;
        // There may have been more room, and more in the file.
        buffer.truncate(before.saturating_add(count));
        Ok(())
    }

    /// Reads the bytes just before `offset`, as many as there are.
    pub(super) fn read_back(&mut self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        let count = usize::try_from(offset).unwrap_or(usize::MAX).min(count);
        let mut bytes = Vec::new();
        self.read(offset - count as u64, count, &mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// The log's first bytes. Empty if there are none, or too many zeros before them.
    pub(super) fn head(&mut self) -> io::Result<Head> {
        let mut start = self.next_data(0, 0);
        let limit = start.saturating_add(LEADING_NULS);
        loop {
            let mut bytes = Vec::new();
            self.read(start, HEAD_BYTES, &mut bytes)?;
            bytes.truncate(HEAD_BYTES);
            let nuls = bytes.iter().take_while(|byte| **byte == 0).count();
            if nuls == 0 || bytes.len() == nuls && (nuls < HEAD_BYTES || start > limit) {
                bytes.drain(..nuls);
                return Ok(Head { start, bytes });
            }
            start += nuls as u64;
        }
    }

    /// Where the log ends: an archive is unpacked for that.
    pub(super) fn end(&mut self) -> io::Result<u64> {
        let Some(archive) = &mut self.archive else { return Ok(self.stat()?.size) };
        archive.read(&self.file, u64::MAX, 1, &mut Vec::new())?;
        Ok(archive.window_start)
    }

    /// Bytes of a plain file into memory at hand, for the check with each block.
    pub(super) fn peek<'a>(&self, offset: u64, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let count = self.file.read_at(buffer, offset)?;
        Ok(buffer.get(..count).unwrap_or_default())
    }

    /// Where the file system has data again at or behind `offset`: there if it cannot tell, at `size` if no more comes.
    pub(super) fn next_data(&self, offset: u64, size: u64) -> u64 {
        if self.is_archive() {
            return offset;
        }
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(offset)) {
            Ok(data) => data.max(offset),
            Err(rustix::io::Errno::NXIO) => size.max(offset),
            Err(_) => offset,
        }
    }
}

/// Last modification.
pub(super) fn modified(metadata: &Metadata) -> Timestamp {
    Timestamp::from_micros(metadata.mtime().saturating_mul(1_000_000).saturating_add(metadata.mtime_nsec() / 1000))
}

fn require_file(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let kind = metadata.file_type();
    let kind = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "directory"
    } else if kind.is_fifo() {
        "named pipe"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    };
    Err(Error::NotAFile { path: path.to_owned(), kind })
}

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    /// By name and first bytes: a log may be called anything, and may hold anything.
    fn of(path: &Path, file: &File) -> io::Result<Option<Self>> {
        let ending = path.extension().map(|ending| ending.to_string_lossy());
        let (packing, magic): (_, &[u8]) = match ending.as_deref() {
            Some("gz") => (Self::Gzip, &[0x1f, 0x8b]),
            Some("zst") => (Self::Zstd, &[0x28, 0xb5, 0x2f, 0xfd]),
            _ => return Ok(None),
        };
        let mut start = [0; 4];
        let count = file.read_at(&mut start, 0)?;
        Ok(start.get(..count).unwrap_or_default().starts_with(magic).then_some(packing))
    }
}

/// A log that is unpacked while it is read, nearly always forward.
struct Archive {
    packing: Packing,
    decoder: Box<dyn Read + Send>,
    /// What was read last, so that a reader may ask again for the part that it did not use.
    window: Vec<u8>,
    window_start: u64,
    /// Nothing comes behind the window.
    ended: bool,
    unreadable_bytes: u64,
}

impl Archive {
    fn new(file: &File, packing: Packing) -> io::Result<Self> {
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let input = BufReader::new(file);
        let decoder: Box<dyn Read + Send> = match packing {
            Packing::Gzip => Box::new(MultiGzDecoder::new(input)),
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        };
        Ok(Self { packing, decoder, window: Vec::new(), window_start: 0, ended: false, unreadable_bytes: 0 })
    }

    fn read(&mut self, file: &File, offset: u64, count: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        if offset < self.window_start {
            *self = Self::new(file, self.packing)?;
        }
        while self.window_start < offset {
            let ahead = usize::try_from(offset - self.window_start).unwrap_or(usize::MAX);
            if self.window.is_empty() && !self.fill(file, ahead.min(CHUNK_BYTES))? {
                return Ok(());
            }
            let passed = ahead.min(self.window.len());
            self.window.drain(..passed);
            self.window_start += passed as u64;
        }
        while self.window.len() < count && self.fill(file, count - self.window.len())? {}
        buffer.extend_from_slice(self.window.get(..count).unwrap_or(&self.window));
        Ok(())
    }

    /// Unpacks up to `count` bytes more; `false` at the end.
    fn fill(&mut self, file: &File, count: usize) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let before = self.window.len();
        match (&mut self.decoder).take(count as u64).read_to_end(&mut self.window) {
            Ok(_) => self.ended = self.window.len() == before,
            // Errors of the disk have a number and may pass: unpack again from the start. Those of the decoder are for ever.
            Err(error) if error.raw_os_error().is_some() => {
                *self = Self::new(file, self.packing)?;
                return Err(error);
            }
            Err(_) => {
                self.ended = true;
                let position = (&mut &*file).stream_position()?;
                self.unreadable_bytes = file.metadata()?.size().saturating_sub(position);
            }
        }
        Ok(self.window.len() > before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn log() -> Vec<u8> {
        (0..40_000).flat_map(|number: u32| format!("{number} {}\n", number.wrapping_mul(2_654_435_761)).into_bytes()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn open(directory: &Path, name: &str, bytes: &[u8]) -> Content {
        let path = directory.join(name);
        std::fs::write(&path, bytes).unwrap();
        Content::open(&path).unwrap()
    }

    fn read_all(content: &mut Content) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let before = all.len();
            content.read(before as u64, 10_000, &mut all).unwrap();
            if all.len() == before {
                return all;
            }
        }
    }

    #[test]
    fn plain_and_packed_logs_read_alike_at_any_place() {
        let directory = tempfile::tempdir().unwrap();
        let log = log();
        let (front, back) = log.split_at(log.len() / 3);
        let members = [gzip(front), gzip(back)].concat();
        let files = [
            ("a.log", log.clone()),
            ("b.log.gz", members),
            ("c.log.zst", zstd::encode_all(log.as_slice(), 3).unwrap()),
            ("plain.gz", log.clone()),
        ];
        for (name, bytes) in files {
            let mut content = open(directory.path(), name, &bytes);
            assert_eq!(content.is_archive(), name == "b.log.gz" || name == "c.log.zst");
            assert!(read_all(&mut content) == log, "{name}");
            for offset in [400_000, 400_010, 10, 300_000, log.len() - 3, 0] {
                let mut bytes = Vec::new();
                content.read(offset as u64, 1000, &mut bytes).unwrap();
                assert!(bytes == log[offset..log.len().min(offset + 1000)], "{name} at {offset}");
            }
            let mut bytes = Vec::new();
            content.read(1 << 50, 10, &mut bytes).unwrap();
            assert!(bytes.is_empty());
            assert_eq!(content.head().unwrap(), Head { start: 0, bytes: log[..HEAD_BYTES].to_vec() });
            assert_eq!(content.end().unwrap(), log.len() as u64);
            assert_eq!(content.unreadable_bytes(), 0);
        }
    }

    #[test]
    fn the_head_begins_behind_zeros() {
        let directory = tempfile::tempdir().unwrap();
        for (nuls, found) in [(1, true), (5000, true), (100_000, true), (2 << 20, false)] {
            let log = [vec![0; nuls], log()].concat();
            for (name, bytes) in [("a.log", log.clone()), ("a.gz", gzip(&log))] {
                let head = open(directory.path(), name, &bytes).head().unwrap();
                assert_eq!(head.bytes.len(), if found { HEAD_BYTES } else { 0 }, "{name}");
                assert!(!found || head.start == nuls as u64 && head.bytes == log[nuls..nuls + HEAD_BYTES]);
            }
        }
        let path = directory.path().join("holes.log");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        assert!(Content::open(&path).unwrap().head().unwrap().bytes.is_empty());
        file.write_all_at(b"one", 1 << 40).unwrap();
        assert_eq!(Content::open(&path).unwrap().head().unwrap(), Head { start: 1 << 40, bytes: b"one".to_vec() });
    }

    #[test]
    fn broken_archives_give_what_can_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let log = log();
        let packed = [("a.gz", gzip(&log)), ("a.zst", zstd::encode_all(log.as_slice(), 3).unwrap())];
        for (name, bytes) in packed {
            for cut in [0, 1, 3, 5, 20, bytes.len() / 2, bytes.len() - 1] {
                let all = read_all(&mut open(directory.path(), name, &bytes[..cut]));
                assert!(log.starts_with(&all) || cut < 5, "{name} cut at {cut}");
                assert!(cut < bytes.len() / 2 || all.len() > log.len() / 4, "{name} cut at {cut}: {}", all.len());
            }
            let mut bent = bytes.clone();
            let middle = bent.len() / 2;
            bent[middle..middle + 64].fill(0x55);
            let mut content = open(directory.path(), name, &bent);
            assert!(read_all(&mut content).len() < log.len() + 1_000_000);
        }
    }

    #[test]
    fn a_zstd_archive_that_wants_too_much_memory_is_unreadable() {
        let directory = tempfile::tempdir().unwrap();
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&log()).unwrap();
        let mut content = open(directory.path(), "a.zst", &encoder.finish().unwrap());
        assert!(read_all(&mut content).is_empty());
        assert!(content.unreadable_bytes() > 0);
    }

    #[test]
    fn only_files_are_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(directory.path().join("socket")).unwrap();
        for (path, kind) in [
            (path, "named pipe"),
            (directory.path().join("socket"), "socket"),
            (directory.path().into(), "directory"),
            ("/dev/null".into(), "device"),
        ] {
            let error = Content::open(&path).err().unwrap().to_string();
            assert_eq!(error, format!("open {}: not a file but a {kind}", path.display()));
        }
        assert!(Content::open(&directory.path().join("none")).err().unwrap().is_missing());
    }
}

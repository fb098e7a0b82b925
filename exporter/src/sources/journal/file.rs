//! One file of systemd's journal, read while journald writes it: its header, its entries by their sequence numbers, their fields.
//!
//! After systemd's "Journal File Format". Only the list of all entries is used: an entry once listed never changes. What stands in the
//! file is not believed: every offset and size is checked, and whatever is read is bounded.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// As far as the header is read: it ends later in newer versions, which add to it.
const HEADER_BYTES: usize = 208;
const SIGNATURE: &[u8] = b"LPKSHHRH";
/// What a reader must know: compression by XZ, by LZ4, keyed hashes (of no use here), compression by zstd, compact offsets.
const KNOWN_FLAGS: u32 = 0b1_1111;
const COMPACT: u32 = 0b1_0000;
const ARCHIVED: u8 = 2;

/// Types of objects.
const DATA: u8 = 1;
const ENTRY: u8 = 3;
const ENTRY_ARRAY: u8 = 6;
const OBJECT_BYTES: u64 = 16;
const LZ4: u8 = 2;
const ZSTD: u8 = 4;

/// Fields of an entry that are looked at, at most: journald itself allows 1024.
const MAX_FIELDS: u64 = 1024;
/// The longest field that is unpacked. Compressed ones come whole or not at all.
const MAX_FIELD_BYTES: u64 = 4 * 1024 * 1024;
/// As much of a field is read in one go: nearly all are shorter.
const FIELD_CHUNK: usize = 512;
/// Offsets of entries read in one go.
const OFFSETS: u64 = 512;
/// The longest chain of lists: they double in size.
const MAX_LISTS: usize = 4096;

/// A file that is open.
#[derive(Debug)]
pub(super) struct JournalFile {
    file: File,
    pub(super) path: PathBuf,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) header: Header,
    /// Where the next entry is listed: all before it have smaller numbers than `next`.
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    list: u64,
    index: u64,
    next: u64,
}

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Of which series the numbers are: one for all files that a journald writes.
    pub(super) series: [u8; 16],
    /// The numbers of the first and the last entry; 0: there is none.
    pub(super) head: u64,
    pub(super) tail: u64,
    /// Microseconds since the epoch.
    pub(super) head_realtime: u64,
    /// Nothing will be written to it any more.
    pub(super) is_archived: bool,
    is_compact: bool,
    first_list: u64,
    end: u64,
}

/// An entry: when, and the fields that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u64,
    /// Microseconds since the epoch.
    pub(super) realtime: u64,
    /// By the places of their names in the list that was asked for.
    pub(super) fields: Vec<Option<Vec<u8>>>,
}

fn corrupt(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A number at a place in bytes that are known to hold it.
fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<8>());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn small(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

impl Header {
    fn parse(bytes: &[u8; HEADER_BYTES]) -> io::Result<Self> {
        if !bytes.starts_with(SIGNATURE) {
            return Err(corrupt("no journal file"));
        }
        let flags = small(bytes, 12);
        if flags & !KNOWN_FLAGS != 0 {
            return Err(corrupt("written by a newer systemd than is known here"));
        }
        let mut series = [0; 16];
        series.copy_from_slice(&bytes[72..88]);
        Ok(Self {
            series,
            head: number(bytes, 168),
            tail: number(bytes, 160),
            head_realtime: number(bytes, 184),
            is_archived: bytes[16] == ARCHIVED,
            is_compact: flags & COMPACT != 0,
            first_list: number(bytes, 176),
            end: number(bytes, 88).saturating_add(number(bytes, 96)),
        })
    }
}

impl JournalFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(corrupt("no file"));
        }
        let header = read_header(&file)?;
        Ok(Self { file, path: path.to_owned(), device: metadata.dev(), inode: metadata.ino(), header, place: None })
    }

    /// The same, under another name.
    pub(super) fn renamed(self, path: &Path) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Looks at the header again.
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        self.header = read_header(&self.file)?;
        Ok(())
    }

    /// Gives the entries with numbers above `after` up to `until`, in their order, each with the fields of these names. An entry that is
    /// broken is left out.
    pub(super) fn entries(&mut self, after: u64, until: u64, names: &[&[u8]], emit: &mut dyn FnMut(Entry)) -> io::Result<()> {
        let mut place = match self.place {
            Some(place) if place.next <= after.saturating_add(1) => place,
            _ => Place { list: self.header.first_list, index: 0, next: 0 },
        };
        for _ in 0..MAX_LISTS {
            if place.list == 0 {
                break;
            }
            let (count, next) = self.list(place.list)?;
            // A list whose last entry was read is passed as a whole.
            let passed = count > place.index && self.listed(place.list, count - 1)?.is_some_and(|number| number <= after);
            if passed || place.index >= count {
                if next == 0 {
                    break;
                }
                if next <= place.list {
                    return Err(corrupt("its lists go round in circles"));
                }
                place = Place { list: next, index: 0, ..place };
                continue;
            }
            place.index = self.first_above(place.list, place.index, count, after)?;
            place.next = after.saturating_add(1);
            self.place = Some(place);
            if !self.read_list(&mut place, count, until, names, emit)? {
                break;
            }
        }
        Ok(())
    }

    /// Reads the entries of a list from a place on. `false`: there are no more up to `until`.
    fn read_list(&mut self, place: &mut Place, count: u64, until: u64, names: &[&[u8]], emit: &mut dyn FnMut(Entry)) -> io::Result<bool> {
        while place.index < count {
            let wanted = OFFSETS.min(count - place.index);
            for offset in self.offsets(place.list, place.index, wanted)? {
                if offset == 0 {
                    return Ok(false);
                }
                if let Ok((head, size)) = self.entry(offset) {
                    let number = number(&head, 16);
                    if number > until {
                        return Ok(false);
                    }
                    if let Ok(fields) = self.fields(offset, size, names) {
                        emit(Entry { number, realtime: self::number(&head, 24), fields });
                    }
                    place.next = number.saturating_add(1);
                }
                place.index += 1;
                self.place = Some(*place);
            }
        }
        Ok(true)
    }

    /// The first place in a list whose entry has a number above `after`, or that is not filled yet.
    fn first_above(&self, list: u64, from: u64, count: u64, after: u64) -> io::Result<u64> {
        let (mut low, mut high) = (from, count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.listed(list, middle)? {
                Some(number) if number <= after => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The number of the entry at a place in a list; nothing if it is not filled yet.
    fn listed(&self, list: u64, index: u64) -> io::Result<Option<u64>> {
        match self.offsets(list, index, 1)?.first() {
            None | Some(0) => Ok(None),
            Some(offset) => Ok(Some(number(&self.entry(*offset)?.0, 16))),
        }
    }

    /// How many entries a list has room for, and the next list.
    fn list(&self, offset: u64) -> io::Result<(u64, u64)> {
        let (head, size) = self.object::<24>(offset, ENTRY_ARRAY)?;
        Ok(((size - 24) / self.offset_bytes(), number(&head, 16)))
    }

    fn offset_bytes(&self) -> u64 {
        if self.header.is_compact { 4 } else { 8 }
    }

    fn offsets(&self, list: u64, index: u64, count: u64) -> io::Result<Vec<u64>> {
        let each = self.offset_bytes();
        let mut bytes = vec![0; usize::try_from(count * each).unwrap_or_default()];
        self.read(list + 24 + index * each, &mut bytes)?;
        Ok(self.numbers(&bytes, each as usize))
    }

    fn numbers(&self, bytes: &[u8], stride: usize) -> Vec<u64> {
        let one = |chunk: &[u8]| if self.header.is_compact { u64::from(small(chunk, 0)) } else { number(chunk, 0) };
        bytes.chunks_exact(stride).map(one).collect()
    }

    fn entry(&self, offset: u64) -> io::Result<([u8; 64], u64)> {
        self.object::<64>(offset, ENTRY)
    }

    fn fields(&self, offset: u64, size: u64, names: &[&[u8]]) -> io::Result<Vec<Option<Vec<u8>>>> {
        let each = if self.header.is_compact { 4 } else { 16 };
        let count = ((size - 64) / each).min(MAX_FIELDS);
        let mut bytes = vec![0; usize::try_from(count * each).unwrap_or_default()];
        self.read(offset + 64, &mut bytes)?;
        let mut found = vec![None; names.len()];
        for data in self.numbers(&bytes, each as usize) {
            // A field that is broken, or packed in a way that is not known here, is as good as not there.
            let Ok(Some(payload)) = self.payload(data, names) else { continue };
            for (name, found) in names.iter().zip(&mut found) {
                // Of several values of a field the first counts.
                if let (None, Some(value)) = (&found, payload.strip_prefix(*name).and_then(|rest| rest.strip_prefix(b"="))) {
                    *found = Some(value.to_vec());
                }
            }
        }
        Ok(found)
    }

    /// `NAME=value`, if the name is one of these or cannot be known before it is unpacked.
    fn payload(&self, offset: u64, names: &[&[u8]]) -> io::Result<Option<Vec<u8>>> {
        let front = if self.header.is_compact { 72 } else { 64 };
        let room = usize::try_from(self.header.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; (front + FIELD_CHUNK).min(room)];
        self.read(offset, &mut bytes)?;
        let size = number(&bytes, 8);
        if bytes.first() != Some(&DATA) || size < front as u64 {
            return Err(corrupt("a field that is none"));
        }
        let flags = bytes.get(1).copied().unwrap_or_default();
        let is_wanted = |payload: &[u8]| names.iter().any(|name| payload.starts_with(name) && payload.get(name.len()) == Some(&b'='));
        if flags == 0 && !is_wanted(bytes.get(front..).unwrap_or_default()) {
            return Ok(None);
        }
        if size > MAX_FIELD_BYTES && flags != 0 {
            return Ok(None);
        }
        let size = usize::try_from(size.min(MAX_FIELD_BYTES)).unwrap_or_default();
        let known = bytes.len();
        bytes.resize(size, 0);
        if let Some(rest) = bytes.get_mut(known..) {
            self.read(offset + known as u64, rest)?;
        }
        bytes.drain(..front.min(size));
        match flags {
            0 => Ok(Some(bytes)),
            LZ4 => unpack_lz4(&bytes).map(Some),
            ZSTD => unpack_zstd(&bytes).map(Some),
            _ => Err(corrupt("packed in a way that is not known here")),
        }
    }

    /// The first bytes of an object of this type, and its size.
    fn object<const N: usize>(&self, offset: u64, kind: u8) -> io::Result<([u8; N], u64)> {
        let mut bytes = [0; N];
        self.read(offset, &mut bytes)?;
        let size = number(&bytes, 8);
        if bytes[0] != kind || size < N as u64 || offset < OBJECT_BYTES || offset.saturating_add(size) > self.header.end {
            return Err(corrupt("an object that is none"));
        }
        Ok((bytes, size))
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }
}

fn read_header(file: &File) -> io::Result<Header> {
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, 0)?;
    Header::parse(&bytes)
}

fn unpack_lz4(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let size = number(bytes, 0);
    if size > MAX_FIELD_BYTES || bytes.len() < 8 {
        return Err(corrupt("a packed field that is too long"));
    }
    let packed = bytes.get(8..).unwrap_or_default();
    lz4_flex::block::decompress(packed, usize::try_from(size).unwrap_or_default()).map_err(|_| corrupt("a packed field that is broken"))
}

fn unpack_zstd(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::Decoder::with_buffer(bytes)?;
    // The window that journald uses is far smaller; this bounds the memory.
    decoder.window_log_max(23)?;
    let mut field = Vec::new();
    decoder.take(MAX_FIELD_BYTES).read_to_end(&mut field)?;
    Ok(field)
}

//! Journal files made by hand, as the format says, read in every kind of step.

use std::fs;
use std::path::Path;

use super::file::JournalFile;
use super::*;

/// A file as journald makes it: entries with a unit and a message, listed in lists that double in size.
struct Made {
    bytes: Vec<u8>,
    is_compact: bool,
}

impl Made {
    fn new(is_compact: bool, numbers: &[u64]) -> Self {
        let mut made = Self { bytes: vec![0; 256], is_compact };
        made.bytes[..8].copy_from_slice(b"LPKSHHRH");
        made.put32(12, if is_compact { 0b1_1100 } else { 0b0_1100 });
        made.bytes[16] = 1;
        made.bytes[72..88].copy_from_slice(&[7; 16]);
        made.put(88, 256);
        let unit = made.data("_SYSTEMD_UNIT=bot.service", 0);
        let packed = zstd::encode_all(format!("MESSAGE={}", "long ".repeat(300)).as_bytes(), 0).unwrap();
        let long = made.object(1, made.front(), &packed);
        made.bytes[long + 1] = 4;
        let (mut list, mut room, mut filled) = (0, 0, 0);
        for number in numbers {
            if filled == room {
                (room, filled) = (if room == 0 { 4 } else { room * 2 }, 0);
                let next = made.object(6, 24, &vec![0; room * made.width()]);
                made.put(if list == 0 { 176 } else { list + 16 }, next as u64);
                list = next;
            }
            let message = if number.is_multiple_of(10) { long } else { made.data(&format!("MESSAGE=line {number}"), 0) };
            let entry = made.entry(*number, &[unit, message]);
            made.offset(list + 24 + filled * made.width(), entry);
            filled += 1;
        }
        made.put(160, numbers.last().copied().unwrap_or(0));
        made.put(168, numbers.first().copied().unwrap_or(0));
        let end = made.bytes.len() as u64;
        made.put(96, end - 256);
        made
    }

    fn width(&self) -> usize {
        if self.is_compact { 4 } else { 8 }
    }

    fn front(&self) -> usize {
        if self.is_compact { 72 } else { 64 }
    }

    fn put(&mut self, at: usize, number: u64) {
        self.bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }

    fn put32(&mut self, at: usize, number: u32) {
        self.bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    fn offset(&mut self, at: usize, to: usize) {
        if self.is_compact { self.put32(at, to as u32) } else { self.put(at, to as u64) }
    }

    fn object(&mut self, kind: u8, front: usize, rest: &[u8]) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.bytes.len();
        self.bytes.resize(at + front, 0);
        self.bytes[at] = kind;
        self.bytes.extend_from_slice(rest);
        self.put(at + 8, (front + rest.len()) as u64);
        at
    }

    fn data(&mut self, text: &str, flags: u8) -> usize {
        let at = self.object(1, self.front(), text.as_bytes());
        self.bytes[at + 1] = flags;
        at
    }

    fn entry(&mut self, number: u64, fields: &[usize]) -> usize {
        let stride = if self.is_compact { 4 } else { 16 };
        let at = self.object(3, 64, &vec![0; fields.len() * stride]);
        self.put(at + 16, number);
        self.put(at + 24, 1_795_284_000_000_000 + number);
        for (index, field) in fields.iter().enumerate() {
            self.offset(at + 64 + index * stride, *field);
        }
        at
    }
}

fn read(file: &mut JournalFile, after: u64, until: u64) -> Vec<(u64, String)> {
    let mut read = Vec::new();
    let mut keep = |entry: file::Entry| {
        assert_eq!(entry.fields[1].as_deref(), Some(b"bot.service".as_slice()));
        read.push((entry.number, String::from_utf8(entry.fields[0].clone().unwrap()).unwrap()));
    };
    file.entries(after, until, &[b"MESSAGE", b"_SYSTEMD_UNIT"], &mut keep).unwrap();
    read
}

fn expected(numbers: &[u64], after: u64, until: u64) -> Vec<(u64, String)> {
    let message = |number: u64| if number.is_multiple_of(10) { "long ".repeat(300) } else { format!("line {number}") };
    numbers.iter().filter(|number| **number > after && **number <= until).map(|number| (*number, message(*number))).collect()
}

#[test]
fn entries_are_found_by_their_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("system.journal");
    for is_compact in [false, true] {
        for count in [0, 1, 3, 4, 5, 100, 3000] {
            // With gaps: those of another file of the series.
            let numbers: Vec<u64> = (0..count).map(|number| 5 + number * 2 + number / 7).collect();
            fs::write(&path, Made::new(is_compact, &numbers).bytes).unwrap();
            let mut file = JournalFile::open(&path).unwrap();
            assert_eq!((file.header.head, file.header.tail), (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0)));
            for (after, until) in [(0, u64::MAX), (0, 6), (6, 50), (50, 51), (51, 4000), (4000, u64::MAX), (20, 30), (u64::MAX, u64::MAX)] {
                assert_eq!(read(&mut file, after, until), expected(&numbers, after, until), "{count} {after} {until}");
            }
        }
    }
}

#[test]
fn what_is_broken_gives_errors_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("system.journal");
    let numbers: Vec<u64> = (1..60).collect();
    let whole = Made::new(true, &numbers).bytes;
    for place in (0..whole.len()).step_by(3) {
        for value in [0, 1, 0x7f, 0xff] {
            let mut broken = whole.clone();
            broken[place] = value;
            fs::write(&path, &broken).unwrap();
            let Ok(mut file) = JournalFile::open(&path) else { continue };
            let mut count = 0;
            file.entries(0, u64::MAX, &line::FIELDS, &mut |_| count += 1).unwrap_or_default();
            assert!(count <= 120, "{place}: {count}");
        }
    }
    for length in (0..whole.len()).step_by(101) {
        fs::write(&path, &whole[..length]).unwrap();
        if let Ok(mut file) = JournalFile::open(&path) {
            file.entries(0, u64::MAX, &line::FIELDS, &mut |_| {}).unwrap_or_default();
        }
    }
}

/// A source that reads all of a directory, begun anew each time, as after a kill.
fn look(dir: &Path, read: &mut BTreeMap<String, u64>, is_known: bool) -> Vec<u8> {
    let form = Form::Bare;
    let (unit, pattern) = (Unit::Named("bot.service".into()), "journal:bot.service".to_owned());
    let config = Config { unit, form, dir: Some(dir.to_owned()), pattern: pattern.clone(), start: Start::Beginning, max_line_bytes: 4096 };
    let bookmark = Bookmark::Journal(JournalBookmark { read: read.clone() });
    let saved = Saved { pattern: is_known.then_some(pattern), bookmarks: if is_known { vec![(KEY, bookmark)] } else { Vec::new() } };
    let mut source = JournalSource::new(0, config, saved);
    let mut lines = Vec::new();
    let mut more = true;
    while more {
        more = source
            .poll(Timestamp::from_secs(1), &mut |batch| {
                lines.extend_from_slice(&batch.lines);
                for (_, change) in batch.bookmarks {
                    if let Change::Set(Bookmark::Journal(bookmark)) = change {
                        *read = bookmark.read;
                    }
                }
                true
            })
            .more;
    }
    lines
}

#[test]
fn each_entry_comes_once_through_rotation_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let machine = directory.path().join("0123456789abcdef0123456789abcdef");
    fs::create_dir(&machine).unwrap();
    let (mut read, mut lines) = (BTreeMap::new(), Vec::new());
    let mut begun = 1;
    for file in 0..6 {
        // A user's file shares the series, and the lines come in their order all the same.
        for end in [begun + 40, begun + 2000] {
            let all: Vec<u64> = (begun..end).collect();
            let (system, user): (Vec<u64>, Vec<u64>) = all.iter().partition(|number| !number.is_multiple_of(3));
            fs::write(machine.join("system.journal"), Made::new(true, &system).bytes).unwrap();
            fs::write(machine.join("user-1000.journal"), Made::new(false, &user).bytes).unwrap();
            lines.extend(look(directory.path(), &mut read, file > 0 || end > begun + 40));
        }
        for name in ["system", "user-1000"] {
            fs::rename(machine.join(format!("{name}.journal")), machine.join(format!("{name}@{file}.journal"))).unwrap();
        }
        begun += 2000;
    }
    let expected: String = expected(&(1..begun).collect::<Vec<_>>(), 0, u64::MAX).into_iter().map(|(_, line)| line + "\n").collect();
    assert!(String::from_utf8(lines).unwrap() == expected);
}

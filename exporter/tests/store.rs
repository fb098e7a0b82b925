//! The store against cut writes, kills, broken files, full disks and second processes: what was reported is there, old or new, never a mix.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hostwarden::event::Timestamp;
use hostwarden::snapshot::Write;
use hostwarden::store::{self, Error, Opened, Store};

type Sections = BTreeMap<String, Vec<Vec<u8>>>;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
/// A frame of SQLite's write-ahead log: 24 bytes and a page; the log begins with 32 bytes of its own.
const FRAME: usize = 24 + 4096;
const PAGE: usize = 4096;

/// Opens, again while the directory is in use: a child that another test starts holds every lock of this process until it runs.
fn open(dir: &Path) -> Opened {
    for _ in 0..100_000 {
        match store::open(dir, NOW) {
            Err(Error::InUse { .. }) => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
    panic!("{} is in use", dir.display());
}

fn put(section: &str, bytes: impl Into<Vec<u8>>) -> Write {
    Write::Put { section: section.to_owned(), pieces: vec![bytes.into()] }
}

fn append(section: &str, bytes: impl Into<Vec<u8>>) -> Write {
    Write::Append { section: section.to_owned(), pieces: vec![bytes.into()] }
}

fn delete(section: &str) -> Write {
    Write::Delete { section: section.to_owned() }
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % end
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }
}

/// What the store should do, in a map.
fn apply(model: &mut Sections, writes: &[Write]) {
    for write in writes {
        match write.clone() {
            Write::Put { section, pieces } => {
                model.insert(section, pieces);
            }
            Write::Append { section, pieces } => model.entry(section).or_default().extend(pieces),
            Write::Delete { section } => {
                model.remove(&section);
            }
        }
    }
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn reopening_gives_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut dice, mut model) = (Dice(7), Sections::new());
    let mut opened = open(dir.path());
    assert!(opened.sections.is_empty() && opened.set_aside.is_none());
    for round in 0..200 {
        let writes: Vec<_> = (0..dice.below(6))
            .map(|_| {
                let section = ["clients", "counters", "é\0", ""][dice.below(4)];
                let length = [0, 1, 300, 5_000, 40_000][dice.below(5)];
                let pieces = (0..=dice.below(3)).map(|_| dice.bytes(length)).collect();
                match dice.below(5) {
                    0 => delete(section),
                    1 | 2 => Write::Put { section: section.to_owned(), pieces },
                    _ => Write::Append { section: section.to_owned(), pieces },
                }
            })
            .collect();
        opened.store.commit(writes.clone()).unwrap();
        apply(&mut model, &writes);
        if round % 10 == 0 {
            drop(opened);
            opened = open(dir.path());
            assert_eq!(opened.sections, model, "round {round}");
        }
    }
}

#[test]
fn only_the_owner_can_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("deep/state");
    let mut opened = open(&state);
    opened.store.commit([put("a", "b")]).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    for name in files(&state) {
        assert_eq!(mode(&state.join(&name)), 0o600, "{name}");
    }
    assert!(files(&state).contains(&"state.db-wal".to_owned()));
}

/// A database of some pages and, in its log, one commit that changes many of them. Gives the states before and after.
fn two_states(dir: &Path) -> (Store, Sections, Sections) {
    let mut dice = Dice(11);
    let first = vec![put("clients", dice.bytes(20_000)), put("counters", dice.bytes(9_000)), put("old", dice.bytes(6_000))];
    let second =
        vec![put("counters", dice.bytes(9_100)), append("clients", dice.bytes(3_000)), delete("old"), put("new", dice.bytes(12_000))];
    let mut model = Sections::new();
    apply(&mut model, &first);
    let before = model.clone();
    apply(&mut model, &second);
    open(dir).store.commit(first.clone()).unwrap();
    let mut store = open(dir).store;
    store.commit(second.clone()).unwrap();
    (store, before, model)
}

/// What opening a directory with just these two files gives: the sections, if the database was not put aside.
fn open_copy(database: &[u8], log: &[u8]) -> Option<Sections> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("state.db"), database).unwrap();
    std::fs::write(dir.path().join("state.db-wal"), log).unwrap();
    let opened = open(dir.path());
    opened.set_aside.is_none().then_some(opened.sections)
}

#[test]
fn a_cut_commit_leaves_the_state_before_or_after() {
    let dir = tempfile::tempdir().unwrap();
    let (store, before, after) = two_states(dir.path());
    let database = std::fs::read(dir.path().join("state.db")).unwrap();
    let log = std::fs::read(dir.path().join("state.db-wal")).unwrap();
    drop(store);
    assert!(log.len() > 32 + 7 * FRAME, "the commit has many frames: {}", log.len());
    let boundaries = (0..).map(|frame| 32 + frame * FRAME).take_while(|end| *end <= log.len());
    let mut cuts: Vec<usize> = boundaries.flat_map(|end| [end - 1, end, end + 1, end + 24, end + 2_000]).collect();
    cuts.extend([0, 1, 16, log.len()]);
    cuts.retain(|cut| *cut <= log.len());
    for cut in cuts {
        let expected = if cut == log.len() { &after } else { &before };
        let torn: Vec<u8> = log[..cut].iter().copied().chain(std::iter::repeat_n(0x5a, log.len() - cut)).collect();
        for log in [&log[..cut], &torn] {
            assert_eq!(open_copy(&database, log).as_ref(), Some(expected), "cut at {cut}");
        }
    }
}

#[test]
fn a_cut_checkpoint_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _, after) = two_states(dir.path());
    let old = std::fs::read(dir.path().join("state.db")).unwrap();
    let log = std::fs::read(dir.path().join("state.db-wal")).unwrap();
    drop(store);
    let new = std::fs::read(dir.path().join("state.db")).unwrap();
    assert!(new != old && !dir.path().join("state.db-wal").exists(), "closing moves the log into the database");
    for cut in (0..=new.len()).step_by(PAGE / 2) {
        let half: Vec<u8> = new[..cut].iter().chain(old.get(cut..).unwrap_or_default()).copied().collect();
        if !half.is_empty() {
            assert_eq!(open_copy(&half, &log).as_ref(), Some(&after), "cut at {cut}");
        }
    }
}

/// The child of this test commits for ever and tells each commit; it is this same test, started with the directory in its environment.
#[test]
fn a_kill_loses_no_commit_that_was_reported() {
    const DIR: &str = "HOSTWARDEN_TEST_KILL_DIR";
    if let Some(dir) = std::env::var_os(DIR) {
        commit_for_ever(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(3);
    let mut reported = 0;
    for round in 0..36 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_kill_loses_no_commit_that_was_reported", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut told = lines.by_ref().filter_map(|line| line.strip_prefix("committed ")?.parse::<u64>().ok());
        reported = told.nth(dice.below(40)).unwrap();
        child.kill().unwrap();
        reported = told.last().unwrap_or(reported);
        child.wait().unwrap();
        let opened = open(dir.path());
        assert_eq!(opened.set_aside, None, "round {round}");
        let saved = counted(&opened.sections);
        assert!(saved == reported || saved == reported + 1, "round {round}: {saved} saved, {reported} reported");
    }
    assert!(reported >= 36);
}

fn commit_for_ever(dir: &Path) -> ! {
    let Opened { mut store, sections, .. } = open(dir);
    for number in counted(&sections) + 1.. {
        let mut writes = vec![put("counters", vec![u8::try_from(number % 251).unwrap(); 10_000]), put("number", number.to_string())];
        // Now and then the table begins anew, so that it stays small.
        writes.push(if number % 50 == 0 { put("table", number.to_string()) } else { append("table", number.to_string()) });
        store.commit(writes.clone()).unwrap();
        std::io::stdout().write_all(format!("committed {number}\n").as_bytes()).unwrap();
    }
    unreachable!("the parent kills this process")
}

/// The number of commits, after a check that all sections speak of the same one.
fn counted(sections: &Sections) -> u64 {
    let Some(number) = sections.get("number") else { return 0 };
    let number: u64 = String::from_utf8(number[0].clone()).unwrap().parse().unwrap();
    assert_eq!(sections["counters"], [vec![u8::try_from(number % 251).unwrap(); 10_000]]);
    let first = (number - number % 50).max(1);
    assert_eq!(sections["table"], (first..=number).map(|n| n.to_string().into_bytes()).collect::<Vec<_>>());
    number
}

/// The bytes of a closed database with some sections of several pages.
fn a_database() -> (Vec<u8>, Sections) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _, after) = two_states(dir.path());
    drop(store);
    (std::fs::read(dir.path().join("state.db")).unwrap(), after)
}

fn assert_set_aside(database: &[u8], what: &str) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("state.db"), database).unwrap();
    let mut opened = open(dir.path());
    let aside = dir.path().join("state.bad-1700000000");
    assert_eq!(opened.set_aside.as_ref(), Some(&aside), "{what}");
    assert!(opened.sections.is_empty(), "{what}");
    assert!(std::fs::read(aside).unwrap() == database, "{what}: kept as it was");
    opened.store.commit([put("a", "b")]).unwrap();
    drop(opened);
    let opened = open(dir.path());
    assert_eq!((opened.set_aside, opened.sections.len()), (None, 1), "{what}: the new database is fine");
}

#[test]
fn broken_databases_are_put_aside() {
    let (good, _) = a_database();
    assert_set_aside(b"not a database at all", "text");
    assert_set_aside(&[0; 8_192], "zeros");
    assert_set_aside(&good[..PAGE], "only the first page");
    assert_set_aside(&good[..good.len() - PAGE], "without its last page");
    assert_set_aside(&good[..good.len() - 1], "without its last byte");
    assert_set_aside(&good[..50], "cut within the header");
    assert_set_aside(&good[1..], "shifted");
    let mut changed = good.clone();
    let text = good.len() - 2_000;
    changed[text] ^= 1;
    assert_set_aside(&changed, "one bit within a value");
}

#[test]
fn random_damage_is_found_or_does_no_harm() {
    let (good, sections) = a_database();
    let mut dice = Dice(5);
    let mut found = 0;
    for round in 0..400 {
        let mut bad = good.clone();
        let at = if round % 4 == 0 { dice.below(200) } else { dice.below(good.len()) };
        let end = (at + 1 + dice.below([8, 100, PAGE][round % 3])).min(bad.len());
        match round % 5 {
            0 => bad[at..end].fill(0),
            1 => bad[at..end].fill(0xff),
            2 => bad.truncate(at.max(1)),
            3 => bad[at] ^= 1 << dice.below(8),
            _ => {
                let noise = dice.bytes(end - at);
                bad[at..end].copy_from_slice(&noise);
            }
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("state.db"), &bad).unwrap();
        let mut opened = open(dir.path());
        if opened.set_aside.is_some() {
            found += 1;
            assert!(opened.sections.is_empty(), "round {round}");
        } else {
            assert_eq!(opened.sections, sections, "round {round}: from {at} to {end}");
        }
        opened.store.commit([put("a", "b")]).unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert!(found > 200, "{found} of 400 found");
}

/// The names and the order of pieces are read from the index: no bit of it may change either unseen.
#[test]
fn damage_of_the_index_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["clients", "counters", "incidents", "tops"];
    let mut store = open(dir.path()).store;
    store.commit(names.map(|name| put(name, name))).unwrap();
    store.commit(names.map(|name| append(name, "more"))).unwrap();
    drop(store);
    let good = std::fs::read(dir.path().join("state.db")).unwrap();
    let connection = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
    let root = "SELECT rootpage FROM sqlite_master WHERE type = 'index'";
    let page = connection.query_row(root, [], |row| row.get::<_, isize>(0)).unwrap().unsigned_abs();
    drop(connection);
    let sections = open(dir.path()).sections;
    for at in (page - 1) * PAGE..page * PAGE {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("state.db"), &bad).unwrap();
        let opened = open(dir.path());
        assert!(opened.set_aside.is_some() || opened.sections == sections, "byte {at}: {:?}", opened.sections);
    }
}

#[test]
fn random_damage_in_the_log_gives_an_earlier_state() {
    let dir = tempfile::tempdir().unwrap();
    let (store, before, after) = two_states(dir.path());
    let database = std::fs::read(dir.path().join("state.db")).unwrap();
    let log = std::fs::read(dir.path().join("state.db-wal")).unwrap();
    drop(store);
    let mut dice = Dice(9);
    for round in 0..100 {
        let mut bad = log.clone();
        let at = dice.below(log.len());
        bad[at] ^= 1 << dice.below(8);
        let opened = open_copy(&database, &bad).unwrap();
        assert!(opened == before || opened == after, "round {round}: bit at {at}");
    }
}

#[test]
fn an_emptied_database_with_a_log_is_put_aside_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = two_states(dir.path());
    let log = std::fs::read(dir.path().join("state.db-wal")).unwrap();
    drop(store);
    std::fs::write(dir.path().join("state.db"), "").unwrap();
    std::fs::write(dir.path().join("state.db-wal"), &log).unwrap();
    let opened = open(dir.path());
    assert!(opened.set_aside.is_some() && opened.sections.is_empty());
    assert_eq!(std::fs::read(dir.path().join("state.bad-1700000000-wal")).unwrap(), log);
}

#[test]
fn newer_and_foreign_databases_are_put_aside() {
    for (statement, name) in [
        ("PRAGMA user_version = 1000", "newer"),
        ("PRAGMA user_version = -1", "below the first"),
        ("PRAGMA application_id = 7", "foreign"),
        ("DROP TABLE pieces", "without its table"),
        ("ALTER TABLE pieces RENAME COLUMN bytes TO data", "with another column"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).store.commit([put("a", "b")]).unwrap();
        rusqlite::Connection::open(dir.path().join("state.db")).unwrap().execute_batch(statement).unwrap();
        let changed = std::fs::read(dir.path().join("state.db")).unwrap();
        assert_set_aside(&changed, name);
    }
}

/// A database as the first version of the store made it.
const FIRST_VERSION: &str = "PRAGMA journal_mode = WAL;
     CREATE TABLE sections (name TEXT, seq INTEGER, checksum INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (name, seq))
         STRICT, WITHOUT ROWID;
     INSERT INTO sections VALUES ('a', 0, 0xe8b7be43, x'61'), ('a', 2, 0xfbdb2615, x'79'), ('b', 0, 0, x'');
     PRAGMA application_id = 0x48577374;
     PRAGMA user_version = 1";

#[test]
fn a_damaged_database_of_the_first_version_is_put_aside_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("old.db");
    let old = rusqlite::Connection::open(&file).unwrap();
    old.execute_batch(&FIRST_VERSION.replace("x'79'", "x'7a'")).unwrap();
    drop(old);
    assert_set_aside(&std::fs::read(file).unwrap(), "another byte than was summed up");
}

#[test]
fn a_database_of_the_first_version_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let old = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
    old.execute_batch(FIRST_VERSION).unwrap();
    drop(old);
    let mut opened = open(dir.path());
    assert!(opened.set_aside.is_none());
    opened.store.commit([append("a", "z"), put("b", "c")]).unwrap();
    drop(opened);
    let expected = [("a".to_owned(), vec![b"a".to_vec(), b"y".to_vec(), b"z".to_vec()]), ("b".to_owned(), vec![b"c".to_vec()])];
    assert_eq!(open(dir.path()).sections, expected.into());
}

#[test]
fn nothing_that_was_put_aside_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let mut kept = Vec::new();
    for n in 0..3 {
        std::fs::write(dir.path().join("state.db"), format!("broken {n}")).unwrap();
        kept.push(open(dir.path()).set_aside.unwrap());
    }
    for (n, path) in kept.iter().enumerate() {
        assert_eq!(std::fs::read_to_string(path).unwrap(), format!("broken {n}"));
    }
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = store::open(dir.path(), NOW).unwrap_err();
    assert!(matches!(&error, Error::InUse { dir: named } if named == dir.path()));
    assert_eq!(error.to_string(), format!("open state directory {}: another hostwarden is using it", dir.path().display()));
    drop(first);
    open(dir.path());
}

#[test]
fn a_backup_can_read_while_it_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path());
    opened.store.commit([put("a", "b")]).unwrap();
    let backup = dir.path().join("copy/state.db");
    std::fs::create_dir(backup.parent().unwrap()).unwrap();
    let reader = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
    reader.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    opened.store.commit([put("a", "c")]).unwrap();
    assert_eq!(open(backup.parent().unwrap()).sections["a"], [b"b"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = store::open(&file.join("state"), NOW).unwrap_err();
    assert!(matches!(error, Error::Unwritable { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("open {}: Not a directory (os error 20)", file.join("state").display()));
    std::fs::create_dir_all(dir.path().join("odd/state.db")).unwrap();
    let error = store::open(&dir.path().join("odd"), NOW).unwrap_err();
    assert!(matches!(error, Error::Unwritable { .. }), "{error:?}");
}

#[test]
fn an_hour_of_scrapes_writes_little() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).store;
    let mut dice = Dice(13);
    store.commit([put("clients", dice.bytes(2_000_000))]).unwrap();
    let written = || -> u64 {
        let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
    };
    let start = written();
    for _ in 0..240 {
        let length = 9_000 + dice.below(500);
        store.commit([put("counters", dice.bytes(length)), append("clients", dice.bytes(1_000))]).unwrap();
    }
    let mega = (written() - start) / 1_000_000;
    assert!((2..15).contains(&mega), "{mega} MB");
    let log = std::fs::metadata(dir.path().join("state.db-wal")).unwrap().len();
    store.commit([put("clients", dice.bytes(8_000_000))]).unwrap();
    store.commit([put("counters", "")]).unwrap();
    store.commit([put("counters", "")]).unwrap();
    let after = std::fs::metadata(dir.path().join("state.db-wal")).unwrap().len();
    assert!(log < 5 << 20 && after < 5 << 20, "the log is bounded: {log}, {after}");
}

/// Runs itself again on a file system of 512 KiB, where mounting one is allowed.
#[test]
fn a_full_disk_stops_nothing_but_the_saving() {
    const DIR: &str = "HOSTWARDEN_TEST_FULL_DIR";
    if let Some(dir) = std::env::var_os(DIR) {
        return fill_the_disk(&PathBuf::from(dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=512k none \"$0\" || exit 77; exec \"$@\"";
    let Ok(status) = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_full_disk_stops_nothing_but_the_saving", "--nocapture"])
        .env(DIR, dir.path())
        .status()
    else {
        eprintln!("skipped: there is no `unshare` here");
        return;
    };
    match status.code() {
        Some(1 | 77) if !may_mount() => eprintln!("skipped: this process may not mount a small file system"),
        code => assert_eq!(code, Some(0)),
    }
}

fn may_mount() -> bool {
    let script = "mount -t tmpfs -o size=512k none /tmp";
    Command::new("unshare").args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).status().is_ok_and(|status| status.success())
}

fn fill_the_disk(dir: &Path) {
    let ballast = dir.join("ballast");
    std::fs::write(&ballast, [1; 200_000]).unwrap();
    let mut store = open(dir).store;
    let mut model = Sections::new();
    let mut dice = Dice(17);
    let mut writes = || [append("table", dice.bytes(9_000)), put("counters", dice.bytes(3_000))];
    let error = loop {
        let writes = writes();
        match store.commit(writes.clone()) {
            Ok(()) => apply(&mut model, &writes),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Full { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("write {}: no space left", dir.join("state.db").display()));
    store.commit([put("huge", vec![1; 300_000])]).unwrap_err();

    std::fs::remove_file(&ballast).unwrap();
    let more = writes();
    store.commit(more.clone()).unwrap();
    apply(&mut model, &more);
    drop(store);
    assert_eq!(open(dir).sections, model);

    // Also a start on a full disk reads what is there.
    let mut filler = std::fs::File::create(&ballast).unwrap();
    while filler.write_all(&[1; 512]).is_ok() {}
    let mut opened = open(dir);
    assert_eq!(opened.sections, model);
    assert!(matches!(opened.store.commit(writes()), Err(Error::Full { .. })));
    filler.set_len(0).unwrap();
    opened.store.commit([put("table", "after")]).unwrap();
    drop(opened);
    assert_eq!(open(dir).sections["table"], [b"after"]);
}

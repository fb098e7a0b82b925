//! How SQLite is set up for the store: schema and its versions, settings, and the look at a database before it is trusted.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, ffi};

use super::Error;

/// Marks a database as ours: "HWst".
const APPLICATION_ID: i64 = 0x4857_7374;

/// Each entry takes the database from the version that is its place to the next one. Never change one that was released.
///
/// Version 1: pieces of a section lie side by side. The checksum (CRC-32) finds what SQLite does not see: a changed byte within a value.
///
/// Version 2: pieces lie where there is room, and an index of their names finds them. SQLite compares keys with whole rows, copied out of
/// all their pages, if the key is part of the row: each commit copied a megabyte to find its places.
///
/// Version 3: pieces may be packed (`snapshot`), which a program that knows version 2 only would take for damaged.
const MIGRATIONS: &[&str] = &[
    "CREATE TABLE sections (name TEXT, seq INTEGER, checksum INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (name, seq))
     STRICT, WITHOUT ROWID",
    "CREATE TABLE pieces (id INTEGER PRIMARY KEY, section TEXT NOT NULL, seq INTEGER NOT NULL, checksum INTEGER NOT NULL,
         bytes BLOB NOT NULL, UNIQUE (section, seq)) STRICT;
     INSERT INTO pieces (section, seq, checksum, bytes) SELECT name, seq, checksum, bytes FROM sections ORDER BY name, seq;
     DROP TABLE sections",
    "",
];

/// An update in place: pages of the old value whose bytes stay the same are not written again when the length stays the same.
pub(super) const PUT: &str = "INSERT INTO pieces (section, seq, checksum, bytes) VALUES (?1, 0, ?2, ?3)
     ON CONFLICT (section, seq) DO UPDATE SET checksum = excluded.checksum, bytes = excluded.bytes";
pub(super) const DROP_APPENDS: &str = "DELETE FROM pieces WHERE section = ?1 AND seq > 0";
pub(super) const APPEND: &str =
    "INSERT INTO pieces (section, seq, checksum, bytes) SELECT ?1, coalesce(max(seq), -1) + 1, ?2, ?3 FROM pieces WHERE section = ?1";
pub(super) const DELETE: &str = "DELETE FROM pieces WHERE section = ?1";

/// A second process that looks into the database (a backup) holds a commit up for no longer than this.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// WAL: a commit appends to one file. FULL: on disk when it returns. 128 KiB of page cache: rows are written once and read at start
/// only. A checkpoint every 512 pages keeps the log at about 2 MiB; pages written many times in between reach the database once.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 512;
    PRAGMA journal_size_limit = 4194304;
    PRAGMA cache_size = -128;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
";

const SHARED_MEMORY_FAILURES: [i32; 4] =
    [ffi::SQLITE_IOERR_SHMOPEN, ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_IOERR_SHMMAP, ffi::SQLITE_IOERR_SHMLOCK];

type Sections = BTreeMap<String, Vec<Vec<u8>>>;

/// Why a database was not opened.
pub(super) enum Refused {
    /// It is broken, foreign, or newer than this program; the reason is for people.
    Unusable(String),
    /// The file could not be read or written: the database itself may be fine.
    Failed(Error),
}

/// Opens the database, makes it if it is not there, brings it to the newest version and reads everything in it.
pub(super) fn open(path: &Path) -> Result<(Connection, Sections), Refused> {
    let failed = |cause: io::Error| Refused::Failed(Error::Unwritable { path: path.to_owned(), cause });
    let is_empty = make(path).map_err(failed)? == 0;
    // SQLite takes an empty file for a new database and throws its log away. The log is never there first: somebody cut the file.
    let log_bytes = std::fs::metadata(path.with_extension("db-wal")).map_or(0, |log| log.len());
    if is_empty && log_bytes > 0 {
        return Err(Refused::Unusable("the database is empty, but its log is not".to_owned()));
    }
    match connect(path, "NORMAL") {
        // No room for the shared memory file (a full disk), or a file system that has none. Without it no other process can look in.
        Err(Refused::Failed(Error::Database { cause: rusqlite::Error::SqliteFailure(failure, _), .. }))
            if SHARED_MEMORY_FAILURES.contains(&failure.extended_code) =>
        {
            connect(path, "EXCLUSIVE")
        }
        other => other,
    }
}

/// As [`open`], once the file is there. `locking` is SQLite's `locking_mode`.
fn connect(path: &Path, locking: &str) -> Result<(Connection, Sections), Refused> {
    let refused = |source: rusqlite::Error| refuse(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(refused)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(refused)?;
    connection.pragma_update(None, "locking_mode", locking).map_err(refused)?;
    // Until it is trusted: what is put aside stays as it was found.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(refused)?;
    if let Some(reason) = inspect(&connection).map_err(refused)? {
        return Err(Refused::Unusable(reason));
    }
    connection.execute_batch(SETTINGS).map_err(refused)?;
    // What turns out to be damaged is put aside as it was found: in its own version.
    let transaction = connection.transaction().map_err(refused)?;
    migrate(&transaction).map_err(refused)?;
    let sections = read(&transaction).map_err(refused)?.map_err(Refused::Unusable)?;
    transaction.commit().map_err(refused)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(refused)?;
    Ok((connection, sections))
}

/// Makes the file if it is not there, and gives its length. SQLite would make it readable for everybody.
///
/// Closed before SQLite opens it: closing a file drops all locks that the process has on it.
fn make(path: &Path) -> io::Result<u64> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(file.metadata()?.len())
}

/// Whether an error speaks of the database's content or of the way to it.
fn refuse(path: &Path, source: rusqlite::Error) -> Refused {
    match &source {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            // `Unknown` is SQLITE_ERROR: a schema that claims to be ours and lacks the table, or cannot be parsed.
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown | ErrorCode::TooBig => {
                Refused::Unusable(source.to_string())
            }
            // The file ends within its first page.
            _ if failure.extended_code == ffi::SQLITE_IOERR_SHORT_READ => Refused::Unusable(source.to_string()),
            _ => Refused::Failed(Error::of(path, source)),
        },
        // SQL that cannot be prepared or a column of another type: the schema is not ours.
        _ => Refused::Unusable(source.to_string()),
    }
}

/// Looks at a database before anything is written to it. `Some` says why it cannot be used.
fn inspect(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if application == 0 && version == 0 && pragma("schema_version")? == 0 {
        return Ok(None);
    }
    if application != APPLICATION_ID {
        return Ok(Some(format!("it belongs to another application ({application:#x})")));
    }
    if usize::try_from(version).is_ok_and(|version| version > MIGRATIONS.len()) {
        return Ok(Some(format!("its version {version} is newer than {}", MIGRATIONS.len())));
    }
    // The quick check does not compare the index, which names and orders the pieces, with them.
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok((verdict != "ok").then_some(verdict))
}

/// Brings the database to the newest version.
fn migrate(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(0);
    if done == MIGRATIONS.len() {
        return Ok(());
    }
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))
}

/// Everything in the database, or the name of a section that is not what was written.
fn read(connection: &Connection) -> rusqlite::Result<Result<Sections, String>> {
    let mut sections = Sections::new();
    let mut statement = connection.prepare("SELECT section, checksum, bytes FROM pieces ORDER BY section, seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (name, expected, bytes): (String, u32, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if checksum(&bytes) != expected {
            return Ok(Err(format!("section {name:?} is damaged")));
        }
        sections.entry(name).or_default().push(bytes);
    }
    Ok(Ok(sections))
}

/// CRC-32 of a piece.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

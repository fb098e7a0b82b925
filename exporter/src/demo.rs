//! Writes the made-up logs to files in a folder, as the programs of a machine would, and rotates them so that they stay small; `probes`
//! looks at the made-up rest of that machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::workload::Lines;

pub mod probes;

/// A log is renamed to `….1` when it has grown to this.
const ROTATE_AT_BYTES: u64 = 16 << 20;

/// The open logs.
pub struct LogFiles {
    combined: LogFile,
    json: LogFile,
    bot: LogFile,
    auth: LogFile,
    firewall: LogFile,
    web_errors: LogFile,
    players: LogFile,
}

struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFiles {
    /// The log in nginx's combined format with `$request_time`, below the folder.
    pub const COMBINED: &str = "nginx/access.log";
    /// nginx's log as JSON.
    pub const JSON: &str = "nginx/sites.json.log";
    /// The bot's log.
    pub const BOT: &str = "bot/bot.log";
    /// sshd's log.
    pub const AUTH: &str = "auth.log";
    /// The firewall's log.
    pub const FIREWALL: &str = "ufw.log";
    /// nginx's error log.
    pub const WEB_ERRORS: &str = "nginx/error.log";
    /// The game servers' CSV.
    pub const PLAYERS: &str = "game/players.log";

    /// Makes the logs in `folder`, with the folders that are missing.
    ///
    /// # Errors
    ///
    /// A folder or file that cannot be made.
    pub fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            combined: LogFile::open(folder.join(Self::COMBINED))?,
            json: LogFile::open(folder.join(Self::JSON))?,
            bot: LogFile::open(folder.join(Self::BOT))?,
            auth: LogFile::open(folder.join(Self::AUTH))?,
            firewall: LogFile::open(folder.join(Self::FIREWALL))?,
            web_errors: LogFile::open(folder.join(Self::WEB_ERRORS))?,
            players: LogFile::open(folder.join(Self::PLAYERS))?,
        })
    }

    /// Appends lines to their logs.
    ///
    /// # Errors
    ///
    /// A file that cannot be written or renamed.
    pub fn append(&mut self, lines: &Lines) -> io::Result<()> {
        self.append_until(lines, ROTATE_AT_BYTES)
    }

    fn append_until(&mut self, lines: &Lines, limit: u64) -> io::Result<()> {
        self.combined.append(&lines.combined, limit)?;
        self.json.append(&lines.json, limit)?;
        self.bot.append(&lines.bot, limit)?;
        self.auth.append(&lines.auth, limit)?;
        self.firewall.append(&lines.firewall, limit)?;
        self.web_errors.append(&lines.web_errors, limit)?;
        self.players.append(&lines.players, limit)
    }
}

impl LogFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes })
    }

    fn append(&mut self, lines: &[u8], limit: u64) -> io::Result<()> {
        if self.bytes >= limit {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            fs::rename(&self.path, old)?;
            *self = Self::open(self.path.clone())?;
        }
        self.file.write_all(lines)?;
        self.bytes += lines.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_grow_and_are_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = LogFiles::create(folder.path()).unwrap();
        let lines = |text: &str| Lines { combined: text.into(), bot: text.into(), ..Lines::default() };
        files.append_until(&lines("one\n"), 6).unwrap();
        files.append_until(&lines("two\n"), 6).unwrap();
        files.append_until(&lines("three\n"), 6).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("nginx/access.log.1"), "one\ntwo\n");
        assert_eq!(read(LogFiles::COMBINED), "three\n");
        assert_eq!(read(LogFiles::BOT), "three\n");
        assert_eq!(read(LogFiles::JSON), "");
        drop(files);
        let mut again = LogFiles::create(folder.path()).unwrap();
        again.append_until(&lines("four\n"), 60).unwrap();
        assert_eq!(read(LogFiles::BOT), "three\nfour\n");
    }
}

//! What the package manager knows of a file: dpkg by its own database, which is read, rpm by asking it.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::rpm;
use super::scan::hex;
use crate::event::Timestamp;
use crate::sample::files::Explanation;

/// From the moment a package's files are there to its last script's end, at most, in seconds: long for a small machine.
const LONGEST_INSTALLATION_SECS: i64 = 900;
/// What is written last may be a little later than what came of it, in seconds.
const SLACK_SECS: i64 = 5;
/// Of dpkg's status, in bytes: of three thousand packages it has about 10 MiB.
const MAX_STATUS_BYTES: u64 = 64 << 20;
/// Files that scripts of packages write, and no package ships: accounts, and links that switch a unit on.
const WRITTEN_BY_SCRIPTS: [&str; 5] = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/systemd/system/", "/etc/pam.d/common-"];

/// The package managers' databases, as far as they can be read.
pub(super) struct Packages {
    root: PathBuf,
    /// MD5 in hex of each configuration file as its package ships it.
    shipped: HashMap<String, String>,
    /// When each package of dpkg was last unpacked, in seconds, sorted.
    unpacked: Vec<i64>,
    /// When dpkg and rpm last wrote something down.
    changed: Option<Timestamp>,
}

impl Packages {
    /// Reads what there is below the root; what cannot be read explains nothing.
    pub(super) fn read(root: &Path) -> Self {
        let at = |path: &str| root.join(path);
        let of_rpm =
            rpm::DATABASES.iter().flat_map(|database| ["rpmdb.sqlite", "rpmdb.sqlite-wal"].map(|file| format!("{database}/{file}")));
        let changed = of_rpm.chain(["var/lib/dpkg/status".to_owned()]).map(|path| mtime(&at(&path)));
        let mut unpacked: Vec<i64> = fs::read_dir(at("var/lib/dpkg/info")).into_iter().flatten().flatten().filter_map(list_time).collect();
        unpacked.sort_unstable();
        Self { shipped: conffiles(&at("var/lib/dpkg/status")), unpacked, changed: changed.flatten().max(), root: root.to_owned() }
    }

    /// When packages were last installed or removed.
    pub(super) fn changed_at(&self) -> Option<Timestamp> {
        self.changed
    }

    /// Whether somebody holds a package manager's lock.
    pub(super) fn are_being_installed(&self) -> bool {
        let locks = ["var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "var/lib/rpm/.rpm.lock", "usr/lib/sysimage/rpm/.rpm.lock"];
        let Ok(held) = fs::read_to_string(self.root.join("proc/locks")) else { return false };
        let inodes: Vec<u64> = locks.iter().filter_map(|lock| fs::metadata(self.root.join(lock)).ok()).map(|lock| lock.ino()).collect();
        let is_ours = |line: &str| holder_inode(line).is_some_and(|inode| inodes.contains(&inode));
        held.lines().any(is_ours)
    }

    /// Why a file may be as it is. `contents` are those of a plain file.
    pub(super) fn explain(&self, path: &Path, contents: Option<&Vec<u8>>, changed: Timestamp) -> Option<Explanation> {
        let path = path.to_str()?;
        if let (Some(shipped), Some(contents)) = (self.shipped.get(path), contents) {
            return (*shipped == hex(&Md5::digest(contents))).then_some(Explanation::AsShipped);
        }
        // A process each: only for what changed when packages did.
        if let Some(contents) = contents
            && (0..=LONGEST_INSTALLATION_SECS).contains(&(self.changed.map_or(0, Timestamp::secs) + SLACK_SECS - changed.secs()))
            && rpm::ships(&self.root, path, contents)
        {
            return Some(Explanation::AsShipped);
        }
        let is_scripts = WRITTEN_BY_SCRIPTS.iter().any(|beginning| path.starts_with(beginning));
        (is_scripts && self.were_being_installed(changed.secs())).then_some(Explanation::WhileInstalling)
    }

    fn were_being_installed(&self, at: i64) -> bool {
        let ended = self.changed.map_or(0, Timestamp::secs);
        let after = self.unpacked.partition_point(|unpacked| *unpacked < at - LONGEST_INSTALLATION_SECS);
        at <= ended + SLACK_SECS && self.unpacked.get(after).is_some_and(|unpacked| *unpacked <= at + SLACK_SECS)
    }
}

/// The inode in a line of /proc/locks: `1: POSIX ADVISORY WRITE 1234 08:01:5678 0 EOF`.
fn holder_inode(line: &str) -> Option<u64> {
    line.split_ascii_whitespace().find(|field| field.bytes().filter(|byte| *byte == b':').count() == 2)?.rsplit(':').next()?.parse().ok()
}

fn mtime(path: &Path) -> Option<Timestamp> {
    let file = fs::metadata(path).ok()?;
    Some(Timestamp::from_micros(file.mtime().saturating_mul(1_000_000).saturating_add(file.mtime_nsec() / 1_000)))
}

/// When the package of `NAME.list` was unpacked.
fn list_time(entry: fs::DirEntry) -> Option<i64> {
    let is_list = Path::new(&entry.file_name()).extension().is_some_and(|extension| extension == "list");
    is_list.then(|| entry.metadata().ok()).flatten().map(|file| file.ctime())
}

/// `Conffiles:` of all packages: ` PATH MD5[ obsolete]`.
fn conffiles(status: &Path) -> HashMap<String, String> {
    let is_small = fs::metadata(status).is_ok_and(|file| file.len() <= MAX_STATUS_BYTES);
    let text = is_small.then(|| fs::read(status).ok()).flatten().unwrap_or_default();
    let mut shipped = HashMap::new();
    let mut within = false;
    for line in String::from_utf8_lossy(&text).lines() {
        within = line == "Conffiles:" || (within && line.starts_with(' '));
        let mut words = line.split_ascii_whitespace();
        if let (true, Some(path), Some(md5)) = (within, words.next(), words.next()) {
            shipped.insert(path.to_owned(), md5.to_owned());
        }
    }
    shipped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(unpacked: &[i64], changed: i64) -> Packages {
        let shipped = HashMap::from([("/etc/a.conf".to_owned(), hex(&Md5::digest(b"shipped")))]);
        let changed = Some(Timestamp::from_secs(changed));
        Packages { root: "/nowhere".into(), shipped, unpacked: unpacked.to_vec(), changed }
    }

    #[test]
    fn what_a_package_ships_is_explained() {
        let packages = packages(&[], 0);
        let explain = |path: &str, contents: &[u8]| packages.explain(Path::new(path), Some(&contents.to_vec()), Timestamp::from_secs(5));
        assert_eq!(explain("/etc/a.conf", b"shipped"), Some(Explanation::AsShipped));
        assert_eq!(explain("/etc/a.conf", b"changed"), None);
        assert_eq!(explain("/etc/b.conf", b"shipped"), None);
    }

    #[test]
    fn scripts_of_packages_may_write_accounts_while_they_run() {
        let packages = packages(&[1_000, 5_000], 5_100);
        let explain = |path: &str, at| packages.explain(Path::new(path), Some(&Vec::new()), Timestamp::from_secs(at)).is_some();
        for (at, expected) in [(4_000, false), (4_996, true), (5_000, true), (5_100, true), (5_200, false), (1_500, true), (2_000, false)] {
            assert_eq!(explain("/etc/passwd", at), expected, "{at}");
        }
        assert!(!explain("/root/.ssh/authorized_keys", 5_050), "no script writes there");
    }

    #[test]
    fn conffiles_are_read_from_the_status() {
        let folder = tempfile::tempdir().unwrap();
        let status = folder.path().join("status");
        let text = "Package: a\nConffiles:\n /etc/a 0123\n /etc/b 4567 obsolete\nDescription: x\n /not/this one\n\nPackage: b\nConffiles:\n /etc/c 89ab\n";
        fs::write(&status, text).unwrap();
        let mut found: Vec<(String, String)> = conffiles(&status).into_iter().collect();
        found.sort();
        let expected = [("/etc/a", "0123"), ("/etc/b", "4567"), ("/etc/c", "89ab")].map(|(path, md5)| (path.to_owned(), md5.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn the_holder_of_a_lock_is_read() {
        assert_eq!(holder_inode("1: POSIX  ADVISORY  WRITE 708 00:16:1234 0 EOF"), Some(1234));
        assert_eq!(holder_inode("1: -> POSIX  ADVISORY  WRITE 708 fd:01:99 0 EOF"), Some(99));
        assert_eq!(holder_inode("what"), None);
    }
}

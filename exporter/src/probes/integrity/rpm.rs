//! Asks rpm whether a file is as its package ships it. Its database is binary, so the program is asked, and only where there is one.

use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::scan::hex;

/// Where rpm keeps its database, below the root.
pub(super) const DATABASES: [&str; 2] = ["var/lib/rpm", "usr/lib/sysimage/rpm"];

/// Whether a package ships exactly these contents under this path. `false` where there is no rpm.
pub(super) fn ships(root: &Path, path: &str, contents: &[u8]) -> bool {
    let Some(database) = DATABASES.iter().find(|database| root.join(database).join("rpmdb.sqlite").exists()) else { return false };
    let mut command = Command::new("rpm");
    // Said, since an rpm of another distribution in a container has its own idea of it.
    command.arg("--root").arg(root).arg("--dbpath").arg(Path::new("/").join(database)).args([
        "-qf",
        "--queryformat",
        "[%{FILENAMES}\t%{FILEDIGESTS}\n]",
        "--",
        path,
    ]);
    let Ok(output) = command.stdin(Stdio::null()).stderr(Stdio::null()).output() else { return false };
    let digest = hex(&Sha256::digest(contents));
    let is_ours = |line: &str| line.split_once('\t').is_some_and(|(name, shipped)| name == path && shipped == digest);
    output.status.success() && String::from_utf8_lossy(&output.stdout).lines().any(is_ours)
}

//! Filesystems: which are mounted, from `/proc/1/mountinfo`, and how full they are.
//!
//! Only kinds that lie on a disk of this machine: a network's may hang for ever when asked, and the kernel's own are not full or empty.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use procfs::FromRead;
use procfs::process::{MountInfo, MountInfos};

use super::super::Error;
use super::read as parsed;
use crate::sample::host::Filesystem;

/// Kinds that lie on a disk of this machine and can be full. Not `squashfs` and `iso9660`, which always are.
const LOCAL: [&str; 20] = [
    "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "hfsplus", "jffs2", "jfs", "msdos", "nilfs2", "ntfs", "ntfs3",
    "reiserfs", "ubifs", "vfat", "xfs", "zfs",
];

/// The most filesystems: each is a label value.
const MAX: usize = 64;

/// How full each is. One that is mounted but cannot be seen below `root` is left out.
pub(super) fn read(root: &Path) -> Result<Vec<Filesystem>, Error> {
    let proc = root.join("proc");
    let of_machine = parsed(&proc.join("1/mountinfo"), MountInfos::from_file);
    // Who may not look at the first process sees at least what itself sees; from within a container, that is not the host.
    let mounts = match of_machine {
        Err(_) if root == Path::new("/") => parsed(&proc.join("self/mountinfo"), MountInfos::from_file)?,
        mounts => mounts?,
    };
    Ok(chosen(&mounts.0).into_iter().filter_map(|mount| look(root, mount)).take(MAX).collect())
}

/// One mount of each device, in the order of their places: of the whole rather than of a folder in it, else the shortest.
fn chosen(mounts: &[MountInfo]) -> Vec<&MountInfo> {
    let rank = |mount: &MountInfo| (mount.root != "/", mount.mount_point.as_os_str().len());
    let mut by_device: BTreeMap<&str, &MountInfo> = BTreeMap::new();
    for mount in mounts.iter().filter(|mount| is_local(mount)) {
        let known = by_device.entry(&mount.majmin).or_insert(mount);
        if rank(mount) < rank(known) {
            *known = mount;
        }
    }
    let mut chosen: Vec<&MountInfo> = by_device.into_values().collect();
    chosen.sort_by(|one, other| one.mount_point.cmp(&other.mount_point));
    chosen
}

/// A container's own root is an overlay of other filesystems; elsewhere overlays are those of containers, and there are many.
fn is_local(mount: &MountInfo) -> bool {
    LOCAL.contains(&mount.fs_type.as_str()) || (mount.fs_type == "overlay" && mount.mount_point == Path::new("/"))
}

fn look(root: &Path, mount: &MountInfo) -> Option<Filesystem> {
    let place = unescaped(mount.mount_point.as_os_str().as_bytes());
    let here = root.join(place.strip_prefix("/").unwrap_or(&place));
    let seen = fs::metadata(&here).ok()?;
    // A container does not see what was mounted after its start, but the empty folder below; a file was put in a container from outside.
    // The folders of btrfs have numbers of their own.
    let is_it = mount.fs_type == "btrfs" || device(&mount.majmin) == Some(seen.dev());
    if !is_it || !seen.is_dir() {
        return None;
    }
    let full = rustix::fs::statvfs(&here).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(full.f_frsize);
    (full.f_blocks > 0).then(|| Filesystem { mount: cleaned(&place), size: bytes(full.f_blocks), available: bytes(full.f_bavail) })
}

/// A path as it was before the kernel wrote blanks, line ends and backslashes as `\040`, three octal digits each.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let code = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// `254:0` as `stat` tells it.
fn device(majmin: &str) -> Option<u64> {
    let (major, minor) = majmin.split_once(':')?;
    Some(rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// The longest place that is shown, in characters; a path may have 4,096 bytes.
const MAX_CHARS: usize = 128;

fn cleaned(place: &Path) -> String {
    let text = place.to_string_lossy();
    text.chars().take(MAX_CHARS).map(|c| if c.is_control() || matches!(c, '"' | '\\') { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_is_taken_once_and_only_local_ones() {
        let table = "\
            27 1 254:0 / / rw - ext4 /dev/vda rw\n\
            28 27 254:0 /etc/hosts /etc/hosts rw - ext4 /dev/vda rw\n\
            29 27 0:40 / /mnt/far rw - nfs4 nas:/export rw\n\
            30 27 0:41 / /mnt/sshfs rw - fuse.sshfs me@there:/ rw\n\
            31 27 0:42 / /run rw - tmpfs tmpfs rw\n\
            32 27 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro\n\
            33 27 254:1 /@home /home rw - btrfs /dev/vdb rw\n\
            34 27 254:1 /@srv /srv/data rw - btrfs /dev/vdb rw\n\
            35 27 254:2 /sub /a rw - xfs /dev/vdc rw\n\
            36 27 254:2 / /whole\\040disk rw - xfs /dev/vdc rw\n\
            37 27 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw\n";
        let mounts = <MountInfos as procfs::FromBufRead>::from_buf_read(table.as_bytes()).unwrap();
        let places: Vec<_> = chosen(&mounts.0).iter().map(|mount| mount.mount_point.to_str().unwrap()).collect();
        assert_eq!(places, ["/", "/home", r"/whole\040disk"]);
        let own = "1 0 0:99 / / rw - overlay overlay rw\n";
        let mounts = <MountInfos as procfs::FromBufRead>::from_buf_read(own.as_bytes()).unwrap();
        assert_eq!(chosen(&mounts.0).len(), 1);
    }

    #[test]
    fn what_is_not_seen_from_here_is_left_out() {
        let mount = |line: &str| MountInfo::from_line(line).unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(folder.path(), &mount("1 0 1:1 / / rw - ext4 /dev/x rw")), None, "another device stands there");
        assert_eq!(look(folder.path(), &mount("1 0 1:1 / /gone rw - ext4 /dev/x rw")), None);
        let dev = fs::metadata(folder.path()).unwrap().dev();
        let line = format!("1 0 {}:{} / / rw - ext4 /dev/x rw", rustix::fs::major(dev), rustix::fs::minor(dev));
        assert_eq!(look(folder.path(), &mount(&line)).unwrap().mount, "/");
    }

    #[test]
    fn places_are_read_as_the_kernel_writes_them() {
        for (text, expected) in [(r"/a\040b\134c", r"/a b\c"), (r"/a\", r"/a\"), (r"/a\04", r"/a\04"), (r"/\999", r"/\999"), ("/é", "/é")]
        {
            assert_eq!(unescaped(text.as_bytes()), Path::new(expected), "{text}");
        }
    }

    #[test]
    fn places_are_fit_to_be_shown() {
        assert_eq!(cleaned(Path::new("/a\"b\\c\n")), "/a_b_c_");
        assert_eq!(cleaned(Path::new(&"é".repeat(4_096))).chars().count(), MAX_CHARS);
    }
}

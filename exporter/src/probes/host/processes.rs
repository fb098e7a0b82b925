//! Processes: name, memory and processor time of each, from `/proc/PID/stat`. No command lines: they hold passwords.

use std::path::Path;

use procfs::process::{Stat, all_processes_with_root};
use procfs::{FromRead, Uptime};

use super::super::Error;
use super::{read as parsed, seconds};
use crate::sample::host::{Process, Processes};

/// The most processes looked at: at some 10 µs each, a sixth of a second.
const MAX: usize = 16_384;

/// The kernel's parent of all its own threads.
const KTHREADD: i32 = 2;

/// All processes. One that ends meanwhile is none.
pub(super) fn read(proc: &Path) -> Result<Processes, Error> {
    let uptime = parsed(&proc.join("uptime"), Uptime::from_file)?;
    let all = parsed(proc, all_processes_with_root)?;
    let page = procfs::page_size();
    let all = all.take(MAX).filter_map(|process| Some(told(process.ok()?.stat().ok()?, page))).collect();
    Ok(Processes { uptime_secs: uptime.uptime, all })
}

fn told(stat: Stat, page: u64) -> Process {
    let is_of_kernel = stat.ppid == KTHREADD || stat.pid == KTHREADD;
    Process {
        pid: stat.pid,
        started_secs: seconds(stat.starttime),
        name: name(&stat.comm, is_of_kernel),
        cpu_secs: seconds(stat.utime.saturating_add(stat.stime)),
        memory: stat.rss.saturating_mul(page),
    }
}

/// The longest name of a program that the kernel keeps.
const MAX_CHARS: usize = 15;

/// Anybody may give a program any name. Threads of the kernel are named `kworker/0:1-events`: what they do stands first.
fn name(comm: &str, is_of_kernel: bool) -> String {
    let comm = if is_of_kernel { comm.split('/').next().unwrap_or(comm) } else { comm };
    comm.chars().take(MAX_CHARS).map(|c| if c.is_control() || matches!(c, '"' | '\\' | '\u{fffd}') { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_clean() {
        assert_eq!(name("kworker/u8:2-ext4-rsv-conversion", true), "kworker");
        assert_eq!(name("a/b c", false), "a/b c");
        assert_eq!(name("x\"\\\n\u{1b}[31m\u{fffd}", false), "x____[31m_");
        assert_eq!(name("0123456789abcdefgh", false), "0123456789abcde");
    }
}

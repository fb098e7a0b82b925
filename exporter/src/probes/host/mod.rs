//! The host: processor, memory, filesystems, processes, sockets and failed units, from files below a root, so that it works from a
//! container with the host's `/` mounted somewhere.
//!
//! `filesystems.rs` is the only part that may hang; `sockets.rs` and `processes.rs` are the ones that cost.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use procfs::{FromRead, FromReadSI, KernelStats, LoadAverage, Meminfo, current_system_info};

use super::{Error, Probe, Seen, Work};
use crate::event::Timestamp;
use crate::sample::Sample;
use crate::sample::host::{Cpu, Host, Memory};

mod filesystems;
mod processes;
mod sockets;
mod units;

/// Its name.
pub const NAME: &str = "host";

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the host's root is mounted.
    pub root: PathBuf,
}

/// Looks at the host.
pub struct HostProbe {
    root: PathBuf,
    /// Whether a thread is still looking at the filesystems.
    busy: Arc<AtomicBool>,
}

impl HostProbe {
    /// For this host.
    pub fn new(config: Config) -> Self {
        Self { root: config.root, busy: Arc::default() }
    }
}

impl Probe for HostProbe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn poll(&mut self) -> Work<'_> {
        let (root, busy) = (self.root.clone(), Arc::clone(&self.busy));
        Work::Blocking(Box::new(move || look(&root, &busy)))
    }
}

/// Reads all parts. What fails is told, the first of them; the others stand.
fn look(root: &Path, busy: &Arc<AtomicBool>) -> Seen {
    let mut problem = None;
    let mut host = kernel(&root.join("proc"), &mut problem);
    host.processes = keep(processes::read(&root.join("proc")), &mut problem);
    host.sockets = keep(sockets::read(&root.join("proc")), &mut problem);
    host.failed_units = keep(units::failed(root), &mut problem).flatten();
    match Looking::begin(busy) {
        Some(_looking) => host.filesystems = keep(filesystems::read(root), &mut problem).unwrap_or_default(),
        None => {
            let cause = "a filesystem has not answered since an earlier look";
            problem = problem.or_else(|| Some(Error::failed("look at the filesystems", cause)));
        }
    }
    Seen { samples: vec![Sample::Host(Box::new(host))], problem }
}

/// What a small file each tells.
fn kernel(proc: &Path, problem: &mut Option<Error>) -> Host {
    let stat = read(&proc.join("stat"), |file| KernelStats::from_file(file, current_system_info()));
    let stat = keep(stat, problem);
    let memory = keep(read(&proc.join("meminfo"), Meminfo::from_file), problem);
    let load = keep(read(&proc.join("loadavg"), LoadAverage::from_file), problem);
    Host {
        cpu: stat.as_ref().map(cpu),
        booted: stat.map(|stat| Timestamp::from_secs(i64::try_from(stat.btime).unwrap_or(0))),
        memory: memory.as_ref().map(|memory| Memory {
            total: memory.mem_total,
            // Kernels before 3.14 and some containers do not tell: what is free and what is cached comes near it.
            available: memory.mem_available.unwrap_or_else(|| memory.mem_free.saturating_add(memory.cached)),
        }),
        swap: memory.map(|memory| Memory { total: memory.swap_total, available: memory.swap_free }),
        load: load.map(|load| [load.one, load.five, load.fifteen].map(exact)),
        ..Host::default()
    }
}

fn cpu(stat: &KernelStats) -> Cpu {
    let total = &stat.total;
    let [iowait, irq, softirq, steal] = [total.iowait, total.irq, total.softirq, total.steal].map(|ticks| ticks.unwrap_or(0));
    [total.user, total.nice, total.system, total.idle, iowait, irq, softirq, steal].map(seconds)
}

/// Processor time as the kernel counts it, in seconds.
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

/// The kernel writes a load with two digits, which an `f32` does not hold exactly: 0.52 would become 0.5199999809.
fn exact(load: f32) -> f64 {
    (f64::from(load) * 100.0).round() / 100.0
}

/// What `parse` makes of a file.
fn read<'a, T, E: Display>(file: &'a Path, parse: impl FnOnce(&'a Path) -> Result<T, E>) -> Result<T, Error> {
    parse(file).map_err(|cause| Error::failed(format!("read {}", file.display()), cause))
}

/// What was read; what failed is kept if nothing failed before.
fn keep<T>(result: Result<T, Error>, problem: &mut Option<Error>) -> Option<T> {
    result.map_err(|error| problem.get_or_insert(error)).ok()
}

/// That a thread looks at the filesystems, for as long as it does: none may join it, or they would pile up behind a dead disk.
struct Looking(Arc<AtomicBool>);

impl Looking {
    fn begin(busy: &Arc<AtomicBool>) -> Option<Self> {
        (!busy.swap(true, Ordering::AcqRel)).then(|| Self(Arc::clone(busy)))
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;

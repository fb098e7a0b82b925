use std::fs;

use super::*;

fn see(probe: &mut HostProbe) -> (Host, Option<String>) {
    let Work::Blocking(work) = probe.poll() else { unreachable!() };
    let Seen { mut samples, problem } = work();
    let Some(Sample::Host(host)) = samples.pop() else { unreachable!() };
    (*host, problem.map(|problem| problem.to_string()))
}

fn probe(root: &Path) -> HostProbe {
    HostProbe::new(Config { root: root.to_owned() })
}

/// A `/proc` of another machine.
fn foreign() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let meminfo = meminfo.lines().map(|line| match line.split_once(':') {
        Some(("MemTotal", _)) => "MemTotal: 2000 kB".to_owned(),
        Some(("MemAvailable", _)) => "MemAvailable: 500 kB".to_owned(),
        Some(("SwapTotal", _)) => "SwapTotal: 64 kB".to_owned(),
        Some(("SwapFree", _)) => "SwapFree: 16 kB".to_owned(),
        _ => line.to_owned(),
    });
    let own = std::os::unix::fs::MetadataExt::dev(&fs::metadata(root.path()).unwrap());
    let (major, minor) = (rustix::fs::major(own), rustix::fs::minor(own));
    let mut stat = "7 (web server) S 1 7 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 1000 0 3".to_owned();
    stat.push_str(&" 0".repeat(28));
    for (file, text) in [
        ("stat", "cpu  100 200 300 400 500 600 700 800 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\nctxt 1\nbtime 1700000000\nprocesses 1\n".to_owned()),
        ("meminfo", meminfo.map(|line| line + "\n").collect()),
        ("loadavg", "0.52 1.50 10.01 1/100 4711\n".to_owned()),
        ("uptime", "5000.25 9000.00\n".to_owned()),
        ("1/mountinfo", format!("27 1 {major}:{minor} / / rw - ext4 /dev/vda rw\n28 1 0:99 / /gone rw - xfs /dev/vdb rw\n")),
        ("1/net/tcp", "  sl\n   0: 00000000:0016 00000000:0000 0A 0\n".to_owned()),
        ("1/net/udp", "  sl\n   0: 0100007F:0035 00000000:0000 07 0\n".to_owned()),
        ("7/stat", stat),
        ("8/stat", "nonsense".to_owned()),
        ("not-a-process/stat", String::new()),
    ] {
        let file = root.path().join("proc").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    root
}

#[test]
fn another_machine_is_seen_through_its_root() {
    let root = foreign();
    let (host, problem) = see(&mut probe(root.path()));
    assert_eq!(problem, None);
    assert_eq!(host.cpu, Some([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]));
    assert_eq!(host.booted, Some(Timestamp::from_secs(1_700_000_000)));
    assert_eq!(host.memory, Some(Memory { total: 2_000 * 1024, available: 500 * 1024 }));
    assert_eq!(host.swap, Some(Memory { total: 64 * 1024, available: 16 * 1024 }));
    assert_eq!(host.load, Some([0.52, 1.5, 10.01]));
    let processes = host.processes.unwrap();
    let [process] = &processes.all[..] else { panic!("{processes:?}") };
    assert_eq!((processes.uptime_secs, process.name.as_str(), process.cpu_secs), (5000.25, "web server", 2.0));
    assert_eq!((process.started_secs, process.memory), (10.0, 3 * procfs::page_size()));
    let full = rustix::fs::statvfs(root.path()).unwrap();
    let [only] = &host.filesystems[..] else { panic!("{:?}", host.filesystems) };
    assert_eq!((only.mount.as_str(), only.size), ("/", full.f_blocks * full.f_frsize));
    assert_eq!(host.sockets.unwrap().listeners.len(), 2);
    assert_eq!(host.failed_units, None, "no bus, no problem");
}

#[test]
fn what_cannot_be_read_does_not_hide_the_rest() {
    let root = foreign();
    fs::remove_file(root.path().join("proc/meminfo")).unwrap();
    fs::write(root.path().join("proc/1/net/tcp"), "").unwrap();
    let (host, problem) = see(&mut probe(root.path()));
    assert!(host.memory.is_none() && host.swap.is_none() && host.cpu.is_some() && host.filesystems.len() == 1);
    let problem = problem.unwrap();
    assert!(problem.starts_with("read ") && problem.contains("/proc/meminfo: "), "{problem}");
}

#[test]
fn nobody_joins_a_thread_that_waits_for_a_disk() {
    let root = foreign();
    let mut probe = probe(root.path());
    let waiting = Looking::begin(&probe.busy).unwrap();
    let (host, problem) = see(&mut probe);
    assert!(host.filesystems.is_empty() && host.memory.is_some());
    assert_eq!(problem.unwrap(), "look at the filesystems: a filesystem has not answered since an earlier look");
    drop(waiting);
    assert_eq!(see(&mut probe).1, None);
}

#[test]
fn this_machine_is_seen() {
    let (host, problem) = see(&mut probe(Path::new("/")));
    assert_eq!(problem, None);
    assert!(host.memory.unwrap().total > 1 << 20 && host.cpu.unwrap()[0] > 0.0);
    assert!(host.processes.unwrap().all.iter().any(|process| process.pid == i32::try_from(std::process::id()).unwrap()));
}

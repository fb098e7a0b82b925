//! The watched files of a root of their own, with Debian's real dpkg: what packages do is explained, what people do is not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hostwarden::clock;
use hostwarden::detectors::integrity::{Changes, Integrity as Detector};
use hostwarden::finding::{About, Found};
use hostwarden::probes::integrity::{Config, Integrity};
use hostwarden::probes::{Outlet, Probe, Seen, Work};
use hostwarden::sample::Sample;
use tokio::sync::{Notify, mpsc};

fn probe(root: &Path, paths: &[&str]) -> Integrity {
    Integrity::new(Config { paths: paths.iter().map(|path| (*path).to_owned()).collect(), root: root.to_owned() })
}

fn look(probe: &mut Integrity, detector: &mut Detector) -> (Changes, Vec<String>) {
    let Work::Blocking(work) = probe.poll() else { unreachable!() };
    let Seen { samples, problem } = work();
    assert!(problem.is_none(), "{problem:?}");
    let Ok([Sample::Files(files)]) = <[Sample; 1]>::try_from(samples) else { unreachable!() };
    assert!(!files.installing);
    let mut found = Vec::new();
    let changes = detector.observe(clock::now(), files, &mut found);
    let words = |found: &Found| match &found.about {
        About::Thing(thing) => format!("{thing} {}", found.summary),
        other => unreachable!("{other:?}"),
    };
    (changes, found.iter().map(words).collect())
}

/// Builds a package with a configuration file and installs it below the root.
fn install(root: &Path, version: u32) {
    let package = tempfile::tempdir().unwrap();
    let at = |path: &str| package.path().join(path);
    fs::create_dir_all(at("DEBIAN")).unwrap();
    fs::create_dir_all(at("etc/cron.d")).unwrap();
    let control =
        format!("Package: tried\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: tried\n");
    fs::write(at("DEBIAN/control"), control).unwrap();
    fs::write(at("DEBIAN/conffiles"), "/etc/cron.d/tried\n").unwrap();
    fs::write(at("etc/cron.d/tried"), format!("# version {version}\n")).unwrap();
    let deb = root.join("tried.deb");
    run(Command::new("dpkg-deb").arg("--root-owner-group").arg("-b").arg(package.path()).arg(&deb));
    dpkg(root, &["-i", deb.to_str().unwrap()]);
}

fn dpkg(root: &Path, arguments: &[&str]) {
    // As any user: nothing but this root is touched.
    let mut dpkg = Command::new("dpkg");
    dpkg.args(["--force-not-root", "--force-bad-path", "--root"]).arg(root).arg("--log=/dev/null").args(arguments);
    run(&mut dpkg);
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_packages_do_is_explained_and_what_people_do_is_not() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc/ssh"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    install(root, 1);
    let sshd = root.join("etc/ssh/sshd_config");
    fs::write(&sshd, "PermitRootLogin no\n").unwrap();
    symlink("/etc/ssh/sshd_config", root.join("etc/ssh/link")).unwrap();

    let (mut probe, mut detector) = (probe(root, &["/etc/ssh/*", "/etc/cron.d/*"]), Detector::new("s", None));
    assert_eq!(look(&mut probe, &mut detector), (Changes::default(), vec![]));
    assert_eq!(detector.files(), 3);
    install(root, 2);
    assert_eq!(look(&mut probe, &mut detector), (Changes { explained: 1, unexplained: 0 }, vec![]));
    fs::write(root.join("etc/cron.d/tried"), "* * * * * root sh\n").unwrap();
    let expected = "File /etc/cron.d/tried has other contents (18 bytes, was 12)".to_owned();
    assert_eq!(look(&mut probe, &mut detector), (Changes { explained: 0, unexplained: 1 }, vec![expected]));
    dpkg(root, &["--purge", "tried"]);
    assert_eq!(look(&mut probe, &mut detector), (Changes { explained: 1, unexplained: 0 }, vec![]));
    fs::set_permissions(&sshd, fs::Permissions::from_mode(0o666)).unwrap();
    let (changes, told) = look(&mut probe, &mut detector);
    // The link shows what it leads to.
    assert_eq!((changes.unexplained, told.len()), (2, 1), "{told:?}");
    fs::remove_file(&sshd).unwrap();
    fs::remove_file(root.join("etc/ssh/link")).unwrap();
    let (changes, _) = look(&mut probe, &mut detector);
    assert_eq!(changes.unexplained + changes.explained, 2);
}

/// Builds a package with rpmbuild and installs it below the root.
fn install_rpm(root: &Path, version: u32) {
    let top = root.join("build");
    fs::create_dir_all(&top).unwrap();
    let spec = format!(
        "Name: tried\nVersion: {version}\nRelease: 1\nSummary: tried\nLicense: MIT\nBuildArch: noarch\n%description\ntried\n%install\n\
         mkdir -p %{{buildroot}}/etc\necho {version} > %{{buildroot}}/etc/tried\n%files\n/etc/tried\n"
    );
    fs::write(top.join("tried.spec"), spec).unwrap();
    run(Command::new("rpmbuild").arg("-bb").arg("--define").arg(format!("_topdir {}", top.display())).arg(top.join("tried.spec")));
    let package = top.join(format!("RPMS/noarch/tried-{version}-1.noarch.rpm"));
    let mut rpm = Command::new("rpm");
    rpm.arg("--root").arg(root).args(["--dbpath", "/var/lib/rpm", "-U", "--nodeps", "--nosignature", "--noscripts"]);
    run(rpm.arg(package));
}

#[test]
fn what_rpm_ships_is_explained() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: rpm --root needs root");
        return;
    }
    install_rpm(root, 1);
    let (mut probe, mut detector) = (probe(root, &["/etc/*"]), Detector::new("s", None));
    assert_eq!(look(&mut probe, &mut detector), (Changes::default(), vec![]));
    install_rpm(root, 2);
    assert_eq!(look(&mut probe, &mut detector), (Changes { explained: 1, unexplained: 0 }, vec![]));
    fs::write(root.join("etc/tried"), "mine").unwrap();
    assert_eq!(look(&mut probe, &mut detector).0, Changes { explained: 0, unexplained: 1 });
}

#[test]
fn news_of_a_change_bring_the_next_look_forward() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("watched");
    fs::write(&file, "old").unwrap();
    let mut probe = probe(root.path(), &["/watched"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (soon, (reports, _)) = (Arc::new(Notify::new()), mpsc::channel(1));
        let watching = probe.watch(Outlet::new("integrity", reports, Arc::clone(&soon))).unwrap();
        look(&mut probe, &mut Detector::new("s", None));
        let changing = async {
            // Until the watch is in place nobody hears of a change; then one is enough.
            loop {
                fs::write(&file, "new").unwrap();
                if tokio::time::timeout(Duration::from_millis(1500), soon.notified()).await.is_ok() {
                    return;
                }
            }
        };
        tokio::select! {
            () = watching => unreachable!("it watches until the end"),
            heard = tokio::time::timeout(Duration::from_secs(20), changing) => heard.unwrap(),
        }
    });
}

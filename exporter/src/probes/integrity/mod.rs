//! Files that nobody should change unseen: their contents, owner and mode, at each look. News of a change comes from inotify and brings
//! the next look forward; the interval is the net below it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use inotify::{EventStream, Inotify, WatchMask};
use tokio::sync::watch;

use super::{Outlet, Probe, Seen, Work};
use crate::sample::Sample;
use packages::Packages;
use scan::Scan;

mod packages;
mod rpm;
mod scan;

/// The probe's name.
pub const NAME: &str = "integrity";

/// What is watched if nothing is configured: who may log in and become root, and what starts by itself.
pub const DEFAULT_PATHS: [&str; 27] = [
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d/*",
    "/root/.ssh/authorized_keys*",
    "/home/*/.ssh/authorized_keys*",
    "/etc/sudoers",
    "/etc/sudoers.d/*",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/pam.d/*",
    "/etc/ld.so.preload",
    "/etc/profile",
    "/etc/profile.d/*",
    "/etc/rc.local",
    "/etc/crontab",
    "/etc/cron.d/*",
    "/etc/cron.hourly/*",
    "/etc/cron.daily/*",
    "/etc/cron.weekly/*",
    "/etc/cron.monthly/*",
    "/var/spool/cron/crontabs/*",
    "/etc/systemd/system/**/*",
    "/root/*compose.y*ml",
    "/home/*/*compose.y*ml",
    "/home/*/*/*compose.y*ml",
    "/opt/*/*compose.y*ml",
    "/srv/*/*compose.y*ml",
];

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Paths and patterns.
    pub paths: Vec<String>,
    /// Where the host's root is mounted.
    pub root: PathBuf,
}

/// News within this time are one.
const SETTLE: Duration = Duration::from_secs(1);
/// While packages are being installed.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Directories that are watched at most; what lies in others is found at the interval.
const MAX_DIRECTORIES: usize = 512;

/// What the watcher must know of the last look.
#[derive(Clone, Debug, Default)]
struct Looked {
    directories: Vec<PathBuf>,
    installing: bool,
}

/// The probe.
pub struct Integrity {
    scan: Arc<Scan>,
    looked: watch::Sender<Looked>,
}

impl Integrity {
    /// Nothing looked at yet.
    pub fn new(config: Config) -> Self {
        Self { scan: Arc::new(Scan::new(config)), looked: watch::Sender::default() }
    }
}

impl Probe for Integrity {
    fn name(&self) -> &'static str {
        NAME
    }

    fn poll(&mut self) -> Work<'_> {
        let (scan, looked) = (Arc::clone(&self.scan), self.looked.clone());
        Work::Blocking(Box::new(move || {
            let found = scan.look();
            Seen::from(found.map(|(files, mut directories)| {
                directories.truncate(MAX_DIRECTORIES);
                looked.send_replace(Looked { directories, installing: files.installing });
                vec![Sample::Files(files)]
            }))
        }))
    }

    fn watch(&mut self, outlet: Outlet) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let events = Inotify::init().and_then(|inotify| inotify.into_event_stream([0; 4096])).ok()?;
        Some(Box::pin(bring_forward(events, self.looked.subscribe(), outlet)))
    }
}

/// Waits for news and asks for a look. When it cannot, the interval is all there is.
async fn bring_forward(mut events: EventStream<[u8; 4096]>, mut looked: watch::Receiver<Looked>, outlet: Outlet) {
    let mask = WatchMask::CLOSE_WRITE | WatchMask::CREATE | WatchMask::MOVE | WatchMask::DELETE | WatchMask::ATTRIB | WatchMask::ONLYDIR;
    let mut watches = events.watches();
    loop {
        let installing = looked.borrow().installing;
        tokio::select! {
            changed = looked.changed() => {
                if changed.is_err() {
                    return;
                }
                // A directory that is watched already keeps its watch; one that is gone has lost it by itself.
                looked.borrow_and_update().directories.iter().for_each(|directory| drop(watches.add(directory, mask)));
            }
            news = events.next() => {
                if news.is_none() {
                    return;
                }
                tokio::time::sleep(SETTLE).await;
                while events.next().now_or_never().flatten().is_some() {}
                outlet.poll_soon();
            }
            () = tokio::time::sleep(LOOK_AGAIN), if installing => outlet.poll_soon(),
        }
    }
}

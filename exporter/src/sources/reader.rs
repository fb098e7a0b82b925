//! The loop of the one thread that reads all files, those of the journal among them: wait for notice, look, read, rest a little.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::Poll;
use super::buffers::Buffers;
use super::file::FileSource;
use super::watch::{Target, Watch};
use crate::batch::Batch;
use crate::clock;
use crate::event::Timestamp;

/// The longest wait: some changes ring no bell, like those behind a network mount or a symbolic link that was turned.
const SWEEP: Duration = Duration::from_secs(1);
/// The longest wait when not everything can be watched.
const BLIND_SWEEP: Duration = Duration::from_millis(500);
/// The rest after a wake-up, so that a busy log is looked at twice a second and not at each write. What is rotated meanwhile, by
/// renaming or by copying, is found beside the log; only what is truncated without a copy could be read by looking more often.
pub(super) const REST: Duration = Duration::from_millis(500);

/// What is read by looking at it now and then.
pub trait Polled: Send {
    /// One turn: looks, and reads a bounded share. Never waits. `emit` gives `false` when nobody wants batches any more.
    fn poll(&mut self, now: Timestamp, emit: &mut dyn FnMut(Batch) -> bool) -> Poll;

    /// What to watch, so that a look is due when something happened.
    fn targets(&self) -> Vec<Target>;
}

impl Polled for FileSource {
    fn poll(&mut self, now: Timestamp, emit: &mut dyn FnMut(Batch) -> bool) -> Poll {
        Self::poll(self, now, emit)
    }

    fn targets(&self) -> Vec<Target> {
        Self::targets(self)
    }
}

/// Reads until `stop` becomes readable or `send` gives `false`. `send` may block: then the files wait, and nothing is lost. `buffers` are
/// those of the sources.
pub fn run(mut sources: Vec<Box<dyn Polled>>, mut watch: Watch, buffers: &Buffers, mut send: impl FnMut(Batch) -> bool, stop: impl AsFd) {
    let stop = stop.as_fd();
    let mut rang = false;
    loop {
        let mut more = false;
        let mut targets_changed = watch.drain();
        for source in &mut sources {
            let mut alive = true;
            let poll = source.poll(clock::now(), &mut |batch| {
                alive = send(batch);
                alive
            });
            if !alive || wait(stop, None, Duration::ZERO) == Wake::Stop {
                return;
            }
            more |= poll.more;
            targets_changed |= poll.targets_changed;
        }
        if targets_changed {
            more |= watch.set(&sources.iter().flat_map(|source| source.targets()).collect::<Vec<_>>());
        }
        if more {
            continue;
        }
        buffers.free();
        if rang && wait(stop, None, REST) == Wake::Stop {
            return;
        }
        match wait(stop, watch.descriptor(), if watch.is_complete() { SWEEP } else { BLIND_SWEEP }) {
            Wake::Stop => return,
            Wake::Bell => rang = true,
            Wake::Nothing => rang = false,
        }
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    Stop,
    Bell,
    Nothing,
}

/// Waits until `stop` or `bell` has something, at most for `timeout`.
fn wait(stop: BorrowedFd<'_>, bell: Option<BorrowedFd<'_>>, timeout: Duration) -> Wake {
    let timeout = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
    let mut polled = [PollFd::from_borrowed_fd(stop, PollFlags::IN), PollFd::from_borrowed_fd(bell.unwrap_or(stop), PollFlags::IN)];
    // An error is the interruption by a signal: as good as a time-out.
    let ready = rustix::event::poll(&mut polled, Some(&timeout)).unwrap_or(0);
    match polled.each_ref().map(|descriptor| ready > 0 && !descriptor.revents().is_empty()) {
        [true, _] => Wake::Stop,
        [_, true] => Wake::Bell,
        _ => Wake::Nothing,
    }
}

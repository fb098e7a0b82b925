//! Runs the probes: each in a task of its own, at its interval with some jitter, timed and limited, so that a slow or broken one delays
//! nobody.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::clock;
use crate::probes::{Error, Outlet, Planned, Probe, Seen, Work};
use crate::sample::{Polled, Report};

/// Reports that wait for the engine at most; probes wait then.
const REPORTS: usize = 64;
/// How long a probe gets to take back what it did to the machine.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// The probes at work.
pub(super) struct Probing {
    reports: mpsc::Receiver<Report>,
    /// Ended with us, if they have not ended by themselves.
    _tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Probing {
    /// Starts all of them.
    pub(super) fn start(planned: Vec<Planned>) -> Self {
        let (sender, reports) = mpsc::channel(REPORTS);
        let (stop, stops) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for planned in planned {
            tasks.spawn(run(planned, sender.clone(), stops.clone()));
        }
        Self { reports, _tasks: tasks, stop }
    }

    /// The next report; `None`: no probe is left that could hand one in.
    pub(super) async fn next(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// Tells them to end: each cleans up behind itself and hands in what it saw last.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

async fn run(planned: Planned, reports: mpsc::Sender<Report>, mut stops: watch::Receiver<bool>) {
    let Planned { mut probe, interval, timeout } = planned;
    let soon = Arc::new(Notify::new());
    let watching = probe.watch(Outlet::new(probe.name(), reports.clone(), Arc::clone(&soon)));
    let polling = async {
        let mut health = Health::default();
        let mut next = clock::stopwatch() + spread(interval).min(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                () = soon.notified() => {}
            }
            next = clock::stopwatch() + interval + spread(interval);
            let report = poll(&mut *probe, timeout).await;
            health.note(&report);
            if reports.send(report).await.is_err() {
                return;
            }
        }
    };
    let both = async {
        match watching {
            Some(watching) => drop(tokio::join!(watching, polling)),
            None => polling.await,
        }
    };
    tokio::select! {
        () = both => {}
        // An error means that the sender is gone, which is a stop too.
        _ = stops.wait_for(|stop| *stop) => {}
    }
    let name = probe.name();
    let Some(work) = probe.close() else { return };
    let Seen { samples, problem } = perform(work, CLOSE_WITHIN).await;
    if let Some(problem) = problem {
        warn!(probe = name, error = %problem, "A probe could not clean up behind itself.");
    }
    // An error means that nobody waits for it any more.
    drop(reports.send(Report { probe: name, polled: None, samples }).await);
}

/// Up to a twentieth, so that not all probes of all machines ask at once. Not a number that anybody has to guess or not.
fn spread(interval: Duration) -> Duration {
    let random = std::hash::RandomState::new().build_hasher().finish();
    interval.mul_f64((random % 1024) as f64 / 1024.0 / 20.0)
}

async fn poll(probe: &mut dyn Probe, timeout: Duration) -> Report {
    let begun = clock::stopwatch();
    let name = probe.name();
    let Seen { samples, problem } = perform(probe.poll(), timeout).await;
    Report { probe: name, polled: Some(Polled { took: begun.elapsed(), problem: problem.map(|error| error.to_string()) }), samples }
}

/// Does a piece of work, and waits for it only so long. A thread cannot be stopped; it ends when the kernel lets it.
async fn perform(work: Work<'_>, timeout: Duration) -> Seen {
    let done = match work {
        Work::Async(work) => tokio::time::timeout(timeout, work).await.ok(),
        Work::Blocking(work) => match tokio::time::timeout(timeout, tokio::task::spawn_blocking(work)).await {
            Ok(seen) => Some(seen.unwrap_or_default()),
            Err(_) => None,
        },
    };
    done.unwrap_or_else(|| Seen { samples: Vec::new(), problem: Some(Error::TimedOut(timeout)) })
}

/// Tells how a probe stands when that changes, and not each time.
#[derive(Default)]
struct Health {
    problem: Option<String>,
}

impl Health {
    fn note(&mut self, report: &Report) {
        let Some(Polled { problem, .. }) = &report.polled else { return };
        match (&self.problem, problem) {
            (None, Some(problem)) => warn!(probe = report.probe, error = problem, "A probe fails; it goes on trying."),
            (Some(before), Some(problem)) if before != problem => {
                debug!(probe = report.probe, error = problem, "A probe fails differently.")
            }
            (Some(_), None) => info!(probe = report.probe, "A probe works again."),
            _ => {}
        }
        self.problem.clone_from(problem);
    }
}

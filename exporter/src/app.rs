//! Builds every part, spawns every task, and owns the order of stopping. No decisions here: inputs go to the engine, its actions out.
//!
//! Two threads matter: one reads files (a slow disk must not hold up a page), the other runs the engine, the server, and what follows
//! containers. Saving happens
//! on a third, which sleeps between commits.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, Sleep};
use tracing::{error, info, warn};

use crate::batch::Batch;
use crate::clock;
use crate::config::Config;
use crate::engine::{Action, Answer, Ask, DetectionSetup, Engine, ErrorView, Input, SourceView, Token};
use crate::http;
use crate::metrics::Exposition;
use crate::setup::{self, Parts};
use crate::snapshot::Write;
use lookups::Lookups;
use notifying::Notifying;
use probes::Probing;
use process::Process;
use pushing::Pushing;
use told::Told;

mod lookups;
mod notifying;
mod probes;
mod process;
mod pushing;
mod told;

use crate::sources::buffers::Buffers;
use crate::sources::docker_logs::DockerSource;
use crate::sources::reader::{self, Polled};
use crate::sources::watch::Watch;
use crate::store::{self, Store};

/// Batches that wait for the engine at most; the reader waits then, and the file is the buffer.
const INBOX_BATCHES: usize = 6;
/// Places in the inbox that the reader of files waits for at once: waking it for each would cost more than the reading.
const READER_BATCHES: usize = INBOX_BATCHES / 2;
/// Questions that wait at most.
const QUESTIONS: usize = 64;
/// How long the reader and the engine get to finish what they have when the exporter stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// A signal that follows another one so soon is the same, sent twice.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// Runs until a signal comes. Says on the log where it listens. Errors are those of the start; whatever happens later is weather.
pub fn run(config: Config, detection: DetectionSetup) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(8)
        .thread_keep_alive(Duration::from_secs(60))
        .build()
        .context("start the runtime")?;
    let result = runtime.block_on(serve(config, detection));
    // The reader may hang in a read of a dead network disk: it is not waited for.
    runtime.shutdown_background();
    result
}

async fn serve(config: Config, detection: DetectionSetup) -> anyhow::Result<()> {
    let server = http::bind(setup::server(&config)).await?;
    let opened = store::open(&config.state.dir, clock::now()).context("state.dir")?;
    if let Some(path) = &opened.set_aside {
        error!(path = %path.display(), "The saved state could not be read; it is kept aside and counting starts anew.");
    }
    let Parts { engine, files, buffers, containers, probes, notifiers, loki } =
        setup::build(&config, detection, opened.sections, opened.set_aside.is_some())?;
    for address in server.local_addrs() {
        info!(%address, tls = config.server.tls.is_some(), "Serving metrics.");
    }

    let (batches, inbox) = mpsc::channel(INBOX_BATCHES);
    let (stop_reader, reader_stops) = UnixStream::pair().context("make a socket pair")?;
    let mut followers = JoinSet::new();
    for planned in containers {
        followers.spawn(DockerSource::new(planned, batches.clone()).run());
    }
    let reader = read(files, buffers.clone(), batches, reader_stops)?;
    let (handle, questions) = http::Handle::channel(QUESTIONS);
    let (stop_server, mut server_stops) = watch::channel(false);
    let server = tokio::spawn(server.serve(handle, async move {
        // An error means that the sender is gone, which is a stop too.
        drop(server_stops.wait_for(|stop| *stop).await);
    }));

    let mut desk = Desk {
        engine,
        buffers,
        store: Some(opened.store),
        committing: None,
        findings: Default::default(),
        lookups: Lookups::new(&config),
        probing: Probing::start(probes),
        notifying: Notifying::start(notifiers),
        process: Process::starting(),
        pushing: Pushing::new(loki),
        asked: HashMap::new(),
        next_token: 0,
    };
    desk.work(inbox, questions, (stop_reader, followers)).await?;

    stop_server.send_replace(true);
    drop(tokio::time::timeout(STOP_WITHIN, server).await);
    drop(reader);
    info!("Stopped.");
    Ok(())
}

/// Starts the thread that reads files. It ends when `stop` becomes readable or nobody takes its batches any more.
fn read(
    files: Vec<Box<dyn Polled>>,
    buffers: Buffers,
    batches: mpsc::Sender<Batch>,
    stop: UnixStream,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("files".to_owned());
    let runtime = tokio::runtime::Handle::current();
    let read = move || {
        let mut places: Option<mpsc::PermitIterator<'_, Batch>> = None;
        let send = |batch| {
            let place = places.as_mut().and_then(Iterator::next);
            let place = place.or_else(|| places.insert(runtime.block_on(batches.reserve_many(READER_BATCHES)).ok()?).next());
            place.map(|place| place.send(batch)).is_some()
        };
        reader::run(files, Watch::new(), &buffers, send, &stop);
    };
    thread.spawn(read).context("start the reading thread")
}

/// Where the engine's inputs come together and its actions are carried out.
struct Desk {
    engine: Engine,
    /// Where batches go when their lines are counted.
    buffers: Buffers,
    /// Away while a commit is under way.
    store: Option<Store>,
    committing: Option<JoinHandle<(Store, bool, Duration)>>,
    /// Found since the last commit began, and before it: people hear of a finding when it is saved, so that none is told twice.
    findings: [Told; 2],
    lookups: Lookups,
    probing: Probing,
    notifying: Notifying,
    process: Process,
    pushing: Pushing,
    asked: HashMap<Token, Reply>,
    next_token: Token,
}

/// Who waits for an answer, and in which form.
enum Reply {
    Page(Exposition, oneshot::Sender<Option<String>>),
    Ready(oneshot::Sender<bool>),
    Sources(oneshot::Sender<Vec<SourceView>>),
    Errors(oneshot::Sender<Vec<ErrorView>>),
    Query(oneshot::Sender<Option<serde_json::Value>>),
}

impl Desk {
    async fn work(
        &mut self,
        mut inbox: mpsc::Receiver<Batch>,
        mut questions: mpsc::Receiver<http::Ask>,
        readers: (UnixStream, JoinSet<()>),
    ) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut signals = Signals::new()?;
        let (mut readers, mut stopped_at) = (Some(readers), None);
        let mut deadline: Option<Pin<Box<Sleep>>> = None;
        let (mut reading, mut probing) = (true, true);
        loop {
            let input = tokio::select! {
                biased;
                // All that could still come in has come.
                () = std::future::ready(()), if deadline.is_some() && !reading && !probing && !self.notifying.is_busy() => {
                    deadline = None;
                    Input::Stop
                }
                done = wait(&mut self.committing) => self.committed(done),
                () = signals.stop() => match readers.take() {
                    // The socket's end tells the reader, and its last batches still come; the others end at once.
                    Some(_) => {
                        info!("Stopping.");
                        self.probing.stop();
                        deadline = Some(Box::pin(tokio::time::sleep(STOP_WITHIN)));
                        stopped_at = Some(clock::now());
                        continue;
                    }
                    // `make` and its caller each pass on the same one.
                    None if stopped_at.is_some_and(|at| !clock::now().has_passed(SAME_SIGNAL, at)) => continue,
                    None => anyhow::bail!("a second signal came before the stop was complete"),
                },
                () = until(&mut deadline) => {
                    if reading {
                        warn!("The reader did not end in time; what it has not handed in is read after the next start.");
                    }
                    (deadline, reading, probing) = (None, false, false);
                    Input::Stop
                }
                question = questions.recv() => match question {
                    Some(question) => self.question(question, inbox.len()),
                    None => continue,
                },
                // Before the batches, of which there is one after the other while much is read: what is found must be saved all the same.
                _ = tick.tick() => Input::Tick,
                batch = inbox.recv(), if reading => match batch {
                    Some(batch) => Input::Lines(batch),
                    None if deadline.is_some() => {
                        reading = false;
                        continue;
                    }
                    None => anyhow::bail!("the reading thread ended unexpectedly"),
                },
                input = self.lookups.next() => input,
                pushed = self.pushing.next() => Input::Pushed(pushed),
                report = self.probing.next(), if probing => match report {
                    Some(report) => Input::Probed(report),
                    None => {
                        probing = false;
                        continue;
                    }
                },
                delivered = self.notifying.next() => Input::Delivered(delivered),
            };
            for action in self.engine.step(clock::now(), input) {
                if let Action::Stopped = action {
                    return Ok(());
                }
                self.carry_out(action);
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Commit(writes) => self.commit(writes),
            Action::Answer(token, answer) => self.answer(token, answer),
            Action::Verify { client, address, bot } => self.lookups.verify(client, address, bot),
            Action::Deliver { notifier, delivery } => self.notifying.send(notifier, delivery),
            Action::Push(batch) => self.pushing.push(batch),
            Action::Finding(finding) => self.findings[0].push(&finding),
            Action::ProxySuspected { source } => warn!(
                source,
                "Nearly all requests come from a proxy's address. Name the proxy in web.trusted_proxies and log X-Forwarded-For, or set \
                 real_ip in the web server."
            ),
            Action::FormatSuspected { source, problem } => {
                warn!(
                    source,
                    problem, "The log seems to be of another format: see `hostwarden explain`, which says why each line does not fit."
                );
            }
            Action::Recycle(buffer) => self.buffers.give(buffer),
            Action::Stopped => {}
        }
    }

    fn commit(&mut self, writes: Vec<Write>) {
        let Some(mut store) = self.store.take() else { return };
        let [fresh, saving] = &mut self.findings;
        saving.append(fresh);
        self.committing = Some(tokio::task::spawn_blocking(move || {
            let begun = clock::stopwatch();
            let result = store.commit(writes);
            if let Err(error) = &result {
                error!(%error, "The state could not be saved; reading goes on.");
            }
            (store, result.is_ok(), begun.elapsed())
        }));
    }

    fn committed(&mut self, done: Option<(Store, bool, Duration)>) -> Input {
        self.committing = None;
        let (store, ok, took) = match done {
            Some((store, ok, took)) => (Some(store), ok, took),
            None => (None, false, Duration::ZERO),
        };
        self.store = store;
        if ok {
            std::mem::take(&mut self.findings[1]).write(&mut std::io::stdout().lock());
        }
        Input::Committed { ok, took }
    }

    fn question(&mut self, question: http::Ask, inbox: usize) -> Input {
        let (reply, ask) = match question {
            http::Ask::Page(exposition, reply) => (Reply::Page(exposition, reply), Ask::Page { inbox }),
            http::Ask::Ready(reply) => (Reply::Ready(reply), Ask::Ready),
            http::Ask::Sources(reply) => (Reply::Sources(reply), Ask::Sources),
            http::Ask::Errors(reply) => (Reply::Errors(reply), Ask::Errors),
            http::Ask::Query(query, reply) => (Reply::Query(reply), Ask::Query(query)),
        };
        self.next_token += 1;
        self.asked.insert(self.next_token, reply);
        Input::Ask(self.next_token, ask)
    }

    /// Who asked may have gone away meanwhile: then nobody hears it, and nothing is wrong.
    fn answer(&mut self, token: Token, answer: Answer) {
        match (self.asked.remove(&token), answer) {
            (Some(Reply::Page(exposition, reply)), Answer::Page(mut page)) => {
                self.process.write(&mut page);
                drop(reply.send(Some(page.render(exposition))));
            }
            (Some(Reply::Page(_, reply)), _) => drop(reply.send(None)),
            (Some(Reply::Ready(reply)), answer) => drop(reply.send(matches!(answer, Answer::Ready))),
            (Some(Reply::Sources(reply)), Answer::Sources(sources)) => drop(reply.send(sources)),
            (Some(Reply::Errors(reply)), Answer::Errors(errors)) => drop(reply.send(errors)),
            (Some(Reply::Query(reply)), Answer::Json(answer)) => drop(reply.send(answer)),
            (Some(Reply::Sources(_) | Reply::Errors(_) | Reply::Query(_)) | None, _) => {}
        }
    }
}

/// The end of the commit under way; never, if there is none. A commit that panicked gives nothing.
async fn wait(committing: &mut Option<JoinHandle<(Store, bool, Duration)>>) -> Option<(Store, bool, Duration)> {
    match committing {
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}

async fn until(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(deadline) => deadline.as_mut().await,
        None => std::future::pending().await,
    }
}

/// What ends the exporter: SIGTERM (from Docker, systemd) and SIGINT (from a keyboard).
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("watch for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("watch for SIGINT")?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

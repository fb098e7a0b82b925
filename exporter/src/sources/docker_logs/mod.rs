//! A container's log to batches of lines, each line exactly once, whatever happens to the container, the engine or this process.
//!
//! A turn finds the container that has the name now, reads what is there, and then follows what comes. Whatever looks odd ends the turn,
//! and the next one begins at the bookmark: a connection is never believed for long. Lines wait in Docker while the engine is busy.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{Saved, Start};
use crate::batch::{Batch, Bookmark, Change, ContainerBookmark, Status};
use crate::clock;
use crate::docker_api::Endpoint;
use decoder::{Decoder, Line};
use engine_api::{Answer, Error as Api};
use marks::Marks;

mod decoder;
mod engine_api;
mod marks;

/// The key of the bookmark. Those of files begin with 1.
const KEY: u64 = 0;
/// Bytes of lines that are handed in together, and how long the first of them waits for more.
const BATCH_BYTES: usize = 64 * 1024;
const LINGER: Duration = Duration::from_millis(100);
/// How often it is asked which container has the name: when events tell of changes, and when they cannot be had.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const BLIND_LOOK_EVERY: Duration = Duration::from_secs(1);
/// A silent log is read anew after this long: nothing tells a silent container from a dead connection, or from an engine that forgot us.
const BELIEVE_SILENCE: Duration = Duration::from_secs(60);
/// How long the log of a container that lost its name is followed after its last line, and in all.
const LAST_WORDS: Duration = Duration::from_millis(500);
const FAREWELL: Duration = Duration::from_secs(5);
/// The rest between turns that end by themselves, and after failures.
const REST: Duration = Duration::from_millis(100);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The container's name.
    pub container: String,
    /// Where Docker listens.
    pub endpoint: Endpoint,
    /// What it is read under: if it was read under something else before, it is seen for the first time.
    pub pattern: String,
    /// Where to begin when this source is seen for the first time. Containers that come later are read whole.
    pub start: Start,
    /// Lines longer than this, their end not counted, are cut.
    pub max_line_bytes: usize,
}

/// A source that is to be read.
#[derive(Debug)]
pub struct Planned {
    /// Its place in the configuration's list.
    pub index: usize,
    /// What it reads.
    pub config: Config,
    /// Where it stands.
    pub saved: Saved,
}

/// Reads the log of one container, and of those that come under its name after it.
pub struct DockerSource {
    index: usize,
    config: Config,
    batches: mpsc::Sender<Batch>,
    /// The container whose log is read; empty if there was none yet.
    container: String,
    marks: Marks,
    /// The engine has not told yet whether there is a container, and there is nothing saved.
    is_first_sight: bool,
    /// What is not handed in yet.
    pending: Batch,
    status: Status,
    told: Option<Status>,
    bell: Option<Answer>,
    look_at: Instant,
}

/// Why a turn ended.
enum End {
    /// There is nothing more to read now.
    Quiet,
    /// It may go on at once.
    Again,
}

/// How far a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// To the end of what is there.
    End,
    /// The same, and nothing will be added to the last line: the container has ended.
    Death,
    /// As long as lines come.
    Silence,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("ask Docker at {endpoint} for container {container}: {source}{}", if source.is_denied() { "; is this user in the group docker?" } else { "" })]
    Find { endpoint: Endpoint, container: String, source: Api },
    #[error("read the log of container {container}: {source}")]
    Read { container: String, source: Api },
    #[error("read the log of container {container}: {source}")]
    Decode { container: String, source: decoder::Error },
    #[error("find container {container}: Docker has none of that name")]
    Missing { container: String },
    /// Nobody takes batches any more.
    #[error("nobody takes batches any more")]
    Stopped,
}

impl DockerSource {
    /// A source that goes on where `saved` stands. Asks nothing yet.
    pub fn new(planned: Planned, batches: mpsc::Sender<Batch>) -> Self {
        let Planned { index, config, saved } = planned;
        let known_pattern = saved.pattern.as_ref() == Some(&config.pattern);
        let (mut bookmark, mut pending) = (None, Batch::default());
        for (key, saved) in saved.bookmarks {
            match saved {
                Bookmark::Container(saved) if known_pattern && key == KEY => bookmark = Some(saved),
                _ => pending.bookmarks.push((key, Change::Forget)),
            }
        }
        Self {
            index,
            config,
            batches,
            is_first_sight: bookmark.is_none(),
            marks: Marks::new(bookmark.as_ref().map(|bookmark| bookmark.streams).unwrap_or_default()),
            container: bookmark.map(|bookmark| bookmark.container).unwrap_or_default(),
            pending,
            status: Status::default(),
            told: None,
            bell: None,
            look_at: clock::stopwatch(),
        }
    }

    /// Reads until nobody takes its batches any more.
    pub async fn run(mut self) {
        loop {
            if self.bell.is_none() {
                self.bell = engine_api::events(&self.config.endpoint, &self.config.container).await.ok();
            }
            self.look_at = clock::stopwatch() + if self.bell.is_some() { LOOK_EVERY } else { BLIND_LOOK_EVERY };
            match self.turn().await {
                Ok(End::Quiet) => self.something_happens().await,
                Ok(End::Again) => tokio::time::sleep(REST).await,
                // Removed since it was found.
                Err(Error::Read { source, .. }) if source.is_missing() => tokio::time::sleep(REST).await,
                Err(Error::Stopped) => return,
                Err(error) => {
                    self.status = Status { up: false, caught_up: true, problem: Some(error.to_string()), ..Status::default() };
                    let is_missing = matches!(error, Error::Missing { .. });
                    if self.tell().await.is_err() {
                        return;
                    }
                    if is_missing {
                        self.something_happens().await;
                    } else {
                        self.bell = None;
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                }
            }
        }
    }

    /// Finds the container, reads what is there, follows what comes.
    async fn turn(&mut self) -> Result<End, Error> {
        let found = find(&self.config).await?;
        let Some(found) = found else {
            if std::mem::take(&mut self.is_first_sight) {
                // Whatever comes under this name later is new, and read whole.
                self.stand();
            }
            return Err(Error::Missing { container: self.config.container.clone() });
        };
        if self.container != found.id {
            self.turn_to(found.id).await?;
        }
        self.read(if found.is_running { Until::End } else { Until::Death }).await?;
        self.status = Status { up: true, caught_up: true, files: 1, ..Status::default() };
        self.tell().await?;
        if found.is_running { self.read(Until::Silence).await } else { Ok(End::Quiet) }
    }

    /// Leaves the container that was read and begins with another one.
    async fn turn_to(&mut self, id: String) -> Result<(), Error> {
        if !self.container.is_empty() {
            match self.read(Until::Death).await {
                // It was removed: what was not read of it nobody can read, and nobody knows how much it was.
                Err(Error::Read { source, .. }) if source.is_missing() => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            self.pending.rotations += 1;
        }
        self.container = id;
        let begins_now = std::mem::take(&mut self.is_first_sight) && self.config.start == Start::End;
        self.marks = if begins_now { Marks::from_now_on(clock::now().micros().saturating_mul(1000)) } else { Marks::default() };
        self.stand();
        Ok(())
    }

    /// Reads from the marks on.
    async fn read(&mut self, until: Until) -> Result<End, Error> {
        let follow = until == Until::Silence;
        let container = self.config.container.clone();
        let failed = |source| Error::Read { container: container.clone(), source };
        let before = self.marks.streams();
        let since = self.marks.begin();
        let mut answer = engine_api::logs(&self.config.endpoint, &self.container, since, follow).await.map_err(failed)?;
        let mut decoder = Decoder::new(self.config.max_line_bytes);
        let mut last_bytes = clock::stopwatch();
        let mut hand_in_at = None;
        let mut lost_name_at: Option<Instant> = None;
        let mut lines = Vec::new();
        loop {
            let silence = if lost_name_at.is_some() { LAST_WORDS } else { BELIEVE_SILENCE };
            tokio::select! {
                biased;
                () = at(hand_in_at) => {
                    self.hand_in().await?;
                    hand_in_at = None;
                }
                () = ring(&mut self.bell, self.look_at), if follow && lost_name_at.is_none() => {
                    if self.is_gone().await? {
                        lost_name_at = Some(clock::stopwatch());
                    }
                }
                chunk = answer.next() => {
                    let chunk = match chunk {
                        Ok(Some(chunk)) => chunk,
                        Ok(None) => break,
                        // The next turn tells what is wrong, if it lasts.
                        Err(_) if follow => break,
                        Err(source) => return Err(failed(Api::from(crate::docker_api::Error::Broken(source)))),
                    };
                    last_bytes = clock::stopwatch();
                    decoder.push(&chunk, &mut |line| lines.push(line)).map_err(|source| Error::Decode { container: container.clone(), source })?;
                    for line in lines.drain(..) {
                        self.take(line);
                    }
                    if self.pending.lines.len() >= BATCH_BYTES {
                        self.hand_in().await?;
                        hand_in_at = None;
                    } else if !self.pending.lines.is_empty() && hand_in_at.is_none() {
                        hand_in_at = Some(last_bytes + LINGER);
                    }
                    if lost_name_at.is_some_and(|at| last_bytes.saturating_duration_since(at) > FAREWELL) {
                        break;
                    }
                }
                () = at(Some(last_bytes + silence)) => {
                    if !follow {
                        return Err(failed(Api::TimedOut));
                    }
                    if lost_name_at.is_some() {
                        break;
                    }
                    return self.tell().await.map(|()| End::Again);
                }
            }
        }
        if until == Until::Death {
            decoder.finish(&mut |line| self.take(line));
        }
        // The container has ended, or another one has its name: it may be removed with its log at any time.
        self.pending.is_fleeting |= follow || (until == Until::Death && self.marks.streams() != before);
        self.tell().await?;
        Ok(End::Again)
    }

    /// Whether another container has the name now, or none.
    async fn is_gone(&mut self) -> Result<bool, Error> {
        if self.bell.is_none() {
            self.bell = engine_api::events(&self.config.endpoint, &self.config.container).await.ok();
        }
        self.look_at = clock::stopwatch() + if self.bell.is_some() { LOOK_EVERY } else { BLIND_LOOK_EVERY };
        Ok(find(&self.config).await?.is_none_or(|found| found.id != self.container))
    }

    fn take(&mut self, line: Line) {
        if !self.marks.take(line.stream, line.at) {
            return;
        }
        self.pending.lines.extend_from_slice(&line.text);
        self.pending.lines.push(b'\n');
        self.pending.read_bytes += line.bytes;
        self.pending.cut_lines += u64::from(line.is_cut);
    }

    /// The bookmark goes with the next batch.
    fn stand(&mut self) {
        let bookmark = ContainerBookmark { container: self.container.clone(), streams: self.marks.streams() };
        self.pending.bookmarks.retain(|(key, _)| *key != KEY);
        self.pending.bookmarks.push((KEY, Change::Set(Bookmark::Container(bookmark))));
    }

    /// Hands in the lines with the bookmark behind them. Waits as long as nobody has time for them.
    async fn hand_in(&mut self) -> Result<(), Error> {
        if !self.pending.lines.is_empty() {
            self.stand();
        }
        let batch = Batch { source: self.index, status: self.status.clone(), ..std::mem::take(&mut self.pending) };
        super::note_up(&self.config.container, self.told.as_ref(), &batch.status);
        self.told = Some(batch.status.clone());
        self.batches.send(batch).await.map_err(|_| Error::Stopped)
    }

    /// Tells what has changed without a line being read.
    async fn tell(&mut self) -> Result<(), Error> {
        let Batch { lines, bookmarks, rotations, is_fleeting, .. } = &self.pending;
        let has_news = !lines.is_empty() || !bookmarks.is_empty() || *rotations > 0 || *is_fleeting;
        if has_news || self.told.as_ref() != Some(&self.status) { self.hand_in().await } else { Ok(()) }
    }

    /// Waits for an event, or until it is time to look.
    async fn something_happens(&mut self) {
        ring(&mut self.bell, self.look_at).await;
    }
}

/// Asks which container has the name.
async fn find(config: &Config) -> Result<Option<engine_api::Container>, Error> {
    let Config { endpoint, container, .. } = config;
    let failed = |source| Error::Find { endpoint: endpoint.clone(), container: container.clone(), source };
    engine_api::find(endpoint, container).await.map_err(failed)
}

/// Ends at the next event, or at `look_at`. Without events only then.
async fn ring(bell: &mut Option<Answer>, look_at: Instant) {
    let event = async {
        match bell.as_mut() {
            Some(events) => events.next().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        event = event => if !matches!(event, Ok(Some(_))) {
            *bell = None;
            tokio::time::sleep(RETRY_AFTER).await;
        },
        () = at(Some(look_at)) => {}
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

//! The loop of the reading thread, with the kernel's real notice and real time: only what must come is waited for.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hostwarden::batch::Batch;
use hostwarden::sources::buffers::Buffers;
use hostwarden::sources::file::FileSource;
use hostwarden::sources::watch::Watch;
use hostwarden::sources::{Config, Saved, Start, reader};

/// Long enough for the slowest machine; nobody waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for lines of both sources.
fn receive(batches: &mpsc::Receiver<Batch>, lines: usize) -> Vec<(usize, String)> {
    let mut received = Vec::new();
    while received.len() < lines {
        let batch = batches.recv_timeout(PATIENCE).unwrap();
        let text = String::from_utf8(batch.lines).unwrap();
        received.extend(text.lines().map(|line| (batch.source, line.to_owned())));
    }
    received.sort();
    received
}

#[test]
fn the_thread_reads_until_it_is_told_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    let source = |index, name: &str| -> Box<dyn reader::Polled> {
        let pattern = directory.path().join(name).to_string_lossy().into_owned();
        let config = Config { name: name.into(), pattern, start: Start::End, max_line_bytes: 1000 };
        Box::new(FileSource::new(index, config, Saved::default()))
    };
    let sources = vec![source(0, "a.log"), source(1, "later/b.log")];
    let (sender, batches) = mpsc::sync_channel(1);
    let (stop, stopped) = UnixStream::pair().unwrap();
    let reading =
        thread::spawn(move || reader::run(sources, Watch::new(), &Buffers::default(), |batch| sender.send(batch).is_ok(), stopped));
    let first: Vec<Batch> = (0..2).map(|_| batches.recv_timeout(PATIENCE).unwrap()).collect();
    assert!(first.iter().all(|batch| batch.lines.is_empty() && batch.status.caught_up && !batch.status.up));

    let mut log = File::create(directory.path().join("a.log")).unwrap();
    for number in 0..3 {
        writeln!(log, "{number}").unwrap();
        assert_eq!(receive(&batches, 1), [(0, number.to_string())]);
    }
    fs::create_dir(directory.path().join("later")).unwrap();
    fs::write(directory.path().join("later/b.log"), "b\n").unwrap();
    fs::rename(directory.path().join("a.log"), directory.path().join("a.log.1")).unwrap();
    writeln!(log, "late").unwrap();
    fs::write(directory.path().join("a.log"), "new\n").unwrap();
    assert_eq!(receive(&batches, 3), [(0, "late".into()), (0, "new".into()), (1, "b".into())]);

    drop(stop);
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(reading.join().is_ok()));
    // Drained so that a thread that is just sending is not held up.
    while batches.recv_timeout(PATIENCE).is_ok() {}
    assert!(end.recv_timeout(PATIENCE).unwrap());
}

#[test]
fn the_thread_ends_when_nobody_listens() {
    let directory = tempfile::tempdir().unwrap();
    let pattern = directory.path().join("a.log").to_string_lossy().into_owned();
    let config = Config { name: "a".into(), pattern, start: Start::End, max_line_bytes: 1000 };
    let (_stop, stopped) = UnixStream::pair().unwrap();
    reader::run(vec![Box::new(FileSource::new(0, config, Saved::default()))], Watch::new(), &Buffers::default(), |_| false, stopped);
}

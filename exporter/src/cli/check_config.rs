//! `check-config`: all problems, or what would run, how the state directory stands and what the sources would find now.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Failure, replay};
use crate::batch::{Batch, Status};
use crate::clock;
use crate::config::{Config, Input, Problem, Source};
use crate::engine;
use crate::setup;
use crate::sources::lines;
use crate::store::{self, Look};

/// How much of a log is looked at to see whether its lines fit.
const LOOKED_AT_BYTES: u64 = 64 << 10;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    let mut problems = setup::locator(&config).err().unwrap_or_default();
    let state = state(&config).map_err(|problem| problems.push(*problem)).unwrap_or_default();
    if !problems.is_empty() {
        return Err(Failure::Usage(super::bad_configuration(&problems)));
    }
    println!("{}", config.summary());
    println!("{:<10}{}: {state}", "now", config.state.dir.display());
    for source in &config.sources {
        println!("{:<10}{}: {}", "now", source.name, found(&config, source)?);
    }
    Ok(())
}

/// How the state directory stands. One that a running exporter has is fine; that this user may not write to it says nothing about the
/// one that the exporter runs as.
fn state(config: &Config) -> Result<String, Box<Problem>> {
    let dir = &config.state.dir;
    match store::look(dir) {
        Ok(Look::Absent) => Ok("is not there yet and can be made".to_owned()),
        Ok(Look::Ready) => Ok("is there and can be written".to_owned()),
        Ok(Look::InUse) => Ok("is in use by a running exporter".to_owned()),
        Err(error) if error.is_permission_denied() => Ok(format!("cannot be used by this user: {error}")),
        Err(error) => {
            let what = format!("{} cannot be used: {error}", dir.display());
            let remedy = "name a directory that can be made and written".to_owned();
            Err(Box::new(config.problem_with_state_dir(what, remedy)))
        }
    }
}

/// What a source would find: no problem of the configuration, since logs come and go.
fn found(config: &Config, source: &Source) -> Result<String, Failure> {
    let pattern = match &source.input {
        Input::File { pattern } => pattern,
        Input::Docker { container } => {
            return Ok(format!("container {container} is asked for at {} when it runs", config.probes.docker.config.endpoint));
        }
        Input::Journal { unit, .. } => return Ok(format!("the journal is searched for {unit} when it runs")),
    };
    let paths: Vec<PathBuf> = glob::glob(pattern).into_iter().flatten().flatten().collect();
    let Some(newest) = paths.iter().max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok()) else {
        return Ok(format!("nothing is there yet: {pattern}"));
    };
    let lines = match first_lines(newest) {
        Ok(lines) => lines,
        Err(error) => return Ok(format!("cannot read {}: {error}; is this user in its group?", newest.display())),
    };
    if lines.is_empty() {
        return Ok(format!("{} files, {} is empty", paths.len(), newest.display()));
    }
    let mut engine = replay::engine(config, &source.format, &source.name)?;
    let status = Status { up: true, caught_up: true, files: 1, ..Status::default() };
    let batch = Batch { read_bytes: lines.len() as u64, lines, status, ..Batch::default() };
    engine.step(clock::now(), engine::Input::Lines(batch));
    let fit = engine.subjects().map(|(view, _)| (view.lines, view.malformed)).next();
    let (all, malformed) = fit.unwrap_or_default();
    let (newest, format) = (newest.display(), &source.format);
    let fit = match malformed {
        0 => format!("the first {all} lines of {newest} fit {format}"),
        _ => format!("{malformed} of the first {all} lines of {newest} do not fit {format}"),
    };
    Ok(format!("{} files; {fit}", paths.len()))
}

/// Whole lines from the beginning of a log.
fn first_lines(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    std::fs::File::open(path)?.take(LOOKED_AT_BYTES).read_to_end(&mut lines)?;
    lines.truncate(lines::whole(&lines));
    Ok(lines)
}

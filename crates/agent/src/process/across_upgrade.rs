//! Processes on their way from one program to the next in the same process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::Processes;
use super::child::Process;
use super::log::{Log, SavedBytes, SavedLog, Source};
use super::orders::Orders;
use super::standing::Standing;

/// A process without its output and its pipes, which go beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedProcess {
    pid: i32,
    orders: Orders,
    /// In milliseconds since 1970.
    started_at: u64,
    standing: Standing,
    log: SavedLog,
    /// Which files go beside it, in their order.
    files: Vec<SavedFile>,
}

/// What a file that goes beside a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum SavedFile {
    /// What is kept of a stream.
    Kept(Source),
    /// The pipe that a stream comes from.
    Output(Source),
    /// The pipe that its input goes to.
    Input,
}

impl Processes {
    /// Writes the output that is in memory to `output`, and gives what else there is to know of all processes and
    /// their files.
    pub(crate) fn save(&self, output: &mut File) -> io::Result<(Vec<SavedProcess>, Vec<OwnedFd>)> {
        let mut all = Vec::new();
        let mut files = Vec::new();
        for process in self.all() {
            let (saved, own) = save(&process, output)?;
            all.push(saved);
            files.extend(own);
        }
        Ok((all, files))
    }

    /// Takes up what [`Processes::save`] gave, before any end is noticed.
    pub(crate) fn restore(
        &self,
        saved: Vec<SavedProcess>,
        output: &mut File,
        files: &mut impl Iterator<Item = OwnedFd>,
    ) -> io::Result<()> {
        for saved in saved {
            self.restore_one(saved, output, files)?;
        }
        Ok(())
    }

    fn restore_one(
        &self,
        saved: SavedProcess,
        output: &mut File,
        files: &mut impl Iterator<Item = OwnedFd>,
    ) -> io::Result<()> {
        let mut kept = [Vec::new(), Vec::new()].map(SavedBytes::Memory);
        for (kept, len) in kept.iter_mut().zip(saved.log.in_memory()) {
            let mut bytes = Vec::new();
            output.take(len.unwrap_or(0)).read_to_end(&mut bytes)?;
            *kept = SavedBytes::Memory(bytes);
        }
        let mut pipes = Vec::new();
        let mut input = None;
        for (what, file) in saved.files.into_iter().zip(files) {
            match what {
                SavedFile::Kept(source) => kept[source as usize] = SavedBytes::File(file.into()),
                SavedFile::Output(source) => pipes.push((source, file)),
                SavedFile::Input => input = Some(file),
            }
        }
        let log = Log::restored(saved.log, kept, self.place());
        let started = SystemTime::UNIX_EPOCH + Duration::from_millis(saved.started_at);
        let pid = Pid::from_raw(saved.pid);
        let process = Arc::new(Process::restored(pid, saved.orders, started, saved.standing, log));
        process.input.open(input);
        self.take_up(process, pipes);
        Ok(())
    }
}

fn save(process: &Process, output: &mut File) -> io::Result<(SavedProcess, Vec<OwnedFd>)> {
    let (log, kept) = process.with_log(|log| log.save())?;
    let mut files = Vec::new();
    for (source, bytes) in Source::BOTH.into_iter().zip(kept) {
        match bytes {
            SavedBytes::Memory(bytes) => output.write_all(&bytes)?,
            SavedBytes::File(file) => files.push((SavedFile::Kept(source), file.into())),
        }
    }
    for (source, pipe) in process.pipes() {
        files.push((SavedFile::Output(source), rustix::io::fcntl_dupfd_cloexec(&*pipe, 0)?));
    }
    if let Some(pipe) = process.input.pipe() {
        files.push((SavedFile::Input, rustix::io::fcntl_dupfd_cloexec(&*pipe, 0)?));
    }
    let started = process.started_at().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let saved = SavedProcess {
        pid: process.pid.as_raw(),
        orders: process.orders.clone(),
        started_at: started.as_millis() as u64,
        standing: process.standing(),
        log,
        files: files.iter().map(|(what, _)| *what).collect(),
    };
    Ok((saved, files.into_iter().map(|(_, file)| file).collect()))
}

//! Processes on their way from one program to the next in the same process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::Processes;
use super::child::{Orders, Pipe, Process, Standing};
use super::log::{Log, Source};

/// A process without its output and its pipes, which go beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedProcess {
    pid: i32,
    orders: Orders,
    /// In milliseconds since 1970.
    started_at: u64,
    standing: Standing,
    log: Log,
    /// How much of each stream goes beside it, in bytes.
    kept: [u64; 2],
    /// Where its pipes come from.
    pipes: Vec<Source>,
}

impl Processes {
    /// Writes the output of all processes to `output`, and gives what else there is to know of them.
    pub(crate) fn save(&self, output: &mut File) -> io::Result<(Vec<SavedProcess>, Vec<Pipe>)> {
        let mut saved = Vec::new();
        let mut files = Vec::new();
        for process in self.all() {
            let pipes = process.pipes();
            let (log, kept) = process.with_log(|log| {
                let mut kept = [0; 2];
                for source in Source::BOTH {
                    let (front, back) = log.bytes(source);
                    output.write_all(front)?;
                    output.write_all(back)?;
                    kept[source as usize] = (front.len() + back.len()) as u64;
                }
                Ok::<_, io::Error>((log.without_bytes(), kept))
            })?;
            let started = process.started_at().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            saved.push(SavedProcess {
                pid: process.pid.as_raw(),
                orders: process.orders.clone(),
                started_at: started.as_millis() as u64,
                standing: process.standing(),
                log,
                kept,
                pipes: pipes.iter().map(|(source, _)| *source).collect(),
            });
            files.extend(pipes.into_iter().map(|(_, pipe)| pipe));
        }
        Ok((saved, files))
    }

    /// Takes up what [`Processes::save`] gave, before any end is noticed.
    pub(crate) fn restore(
        &self,
        saved: Vec<SavedProcess>,
        output: &mut File,
        pipes: Vec<OwnedFd>,
    ) -> io::Result<()> {
        let mut files = pipes.into_iter();
        for mut saved in saved {
            for source in Source::BOTH {
                let mut bytes = Vec::new();
                output.take(saved.kept[source as usize]).read_to_end(&mut bytes)?;
                saved.log.restore(source, bytes);
            }
            let started = SystemTime::UNIX_EPOCH + Duration::from_millis(saved.started_at);
            let pid = Pid::from_raw(saved.pid);
            let process = Arc::new(Process::restored(pid, saved.orders, started, saved.standing, saved.log));
            let pipes = saved.pipes.into_iter().zip(files.by_ref()).collect();
            self.take_up(process, pipes);
        }
        Ok(())
    }
}

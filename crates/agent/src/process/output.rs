//! Reading what processes write, as it comes.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::select_all;
use tokio::time::Instant;

use super::Processes;
use super::child::{Pipe, Process, Taken};
use super::log::Source;

/// How long output is let gather once a process has begun to write. The kernel does not tell in which order the two
/// streams of a process came; within this time standard output is put first, which makes the order of a burst the
/// same in every run, and longer ago is told apart.
const GATHER: Duration = Duration::from_millis(2);
/// After this long without output, the next is the beginning of a burst.
const QUIET: Duration = Duration::from_millis(10);

/// Reads `pipes`, standard output first, until nothing holds their other ends.
pub(crate) async fn read(processes: Processes, process: Arc<Process>, mut pipes: Vec<(Source, Pipe)>) {
    let mut last: Option<Instant> = None;
    while !pipes.is_empty() {
        let ready = pipes.iter().map(|(_, pipe)| Box::pin(pipe.readable()));
        if select_all(ready).await.0.is_err() {
            break;
        }
        if last.is_none_or(|last| last.elapsed() > QUIET) {
            tokio::time::sleep(GATHER).await;
        }
        loop {
            match read_round(&processes, &process, &mut pipes) {
                Round::Some => tokio::task::yield_now().await,
                Round::Held(source) => process.readers.read_on(source).await,
                Round::Nothing => break,
            }
        }
        last = Some(Instant::now());
    }
    for (_, pipe) in pipes {
        process.detach(&pipe);
    }
}

/// What one look at all pipes gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Some,
    /// Nothing, and there is more on this stream for which somebody has yet to make room.
    Held(Source),
    Nothing,
}

fn read_round(processes: &Processes, process: &Process, pipes: &mut Vec<(Source, Pipe)>) -> Round {
    let _still = processes.still().read().unwrap_or_else(PoisonError::into_inner);
    let mut round = Round::Nothing;
    pipes.retain(|(source, pipe)| match process.read(*source, pipe) {
        Taken::Some => {
            round = Round::Some;
            true
        }
        Taken::Held => {
            if round == Round::Nothing {
                round = Round::Held(*source);
            }
            true
        }
        Taken::Nothing => true,
        Taken::End => {
            process.detach(pipe);
            false
        }
    });
    round
}

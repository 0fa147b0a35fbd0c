//! Sleep by SIGSTOP, for machines without a cgroup to freeze.
//!
//! A process cannot fork while a stop waits for it, so a walk that repeats until it twice finds nothing new and
//! nothing free has caught the whole tree, forking or not. What was stopped before is left stopped afterwards;
//! a program that somebody else stops or continues while its sandbox sleeps cannot be told apart.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::process::{Process, State, tree};

/// What a walk has stopped, parents before their children.
#[derive(Debug, Default)]
pub(super) struct Stopped(Vec<Process>);

/// Between two walks that still found something.
const PAUSE: Duration = Duration::from_micros(200);

/// Stops a process and all that came from it; ends when nothing of it runs any more.
pub(super) fn stop(root: Process, limit: Duration) -> io::Result<Stopped> {
    let give_up = Instant::now() + limit;
    let mut stopped = Stopped::default();
    match stop_all(root, give_up, &mut stopped) {
        Ok(()) => Ok(stopped),
        Err(error) => {
            go_on(&stopped)?;
            Err(error)
        }
    }
}

/// Takes over what another host has stopped, or was stopping. What was stopped before that cannot be told apart.
pub(super) fn take_over(root: Process, limit: Duration) -> io::Result<Stopped> {
    let stopped_before = tree(root)?.into_iter().filter(|seen| seen.state == State::Stopped);
    let mut all: Vec<Process> = stopped_before.map(|seen| seen.process).collect();
    all.extend(stop(root, limit)?.0);
    Ok(Stopped(all))
}

/// Lets what a walk has stopped go on, children before their parents. One that cannot does not hold up the others.
pub(super) fn go_on(stopped: &Stopped) -> io::Result<()> {
    signal_each(stopped.0.iter().rev(), Signal::CONT)
}

/// Stops what has gone on, parents before their children.
pub(super) fn stop_again(stopped: &Stopped) -> io::Result<()> {
    signal_each(stopped.0.iter(), Signal::STOP)
}

fn signal_each<'a>(processes: impl Iterator<Item = &'a Process>, signal: Signal) -> io::Result<()> {
    processes.map(|process| process.signal(signal).map(drop)).fold(Ok(()), Result::and)
}

fn stop_all(root: Process, give_up: Instant, stopped: &mut Stopped) -> io::Result<()> {
    let mut known = HashSet::new();
    let mut quiet_walks = 0;
    while quiet_walks < 2 {
        if walk(root, &mut known, stopped)? {
            quiet_walks += 1;
            continue;
        }
        quiet_walks = 0;
        if Instant::now() >= give_up {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "its processes do not stop"));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Sends a stop to everything new. Whether there was nothing new and nothing free.
fn walk(root: Process, known: &mut HashSet<Process>, stopped: &mut Stopped) -> io::Result<bool> {
    let mut quiet = true;
    for seen in tree(root)? {
        let still = seen.process.is_still()?;
        if seen.state == State::Ended && still {
            continue;
        }
        if !known.insert(seen.process) {
            quiet &= still;
            continue;
        }
        quiet = false;
        let by_itself = seen.state == State::Stopped && still;
        if seen.process.signal(Signal::STOP)? && !by_itself {
            stopped.0.push(seen.process);
        }
    }
    Ok(quiet)
}

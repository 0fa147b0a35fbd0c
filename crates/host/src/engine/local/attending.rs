//! Staying with an agent until it has ended.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

use super::cgroup::Cgroup;
use super::life::{LIMIT, Mark};
use super::limits::Bound;
use super::log::Log;
use super::outlet::Outlet;
use super::process::Process;

/// How staying with an agent has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attended {
    /// The agent has.
    Ended,
    /// It goes on, for the next host.
    LetGo,
}

/// Copies what an agent writes into its log until it has ended, or until somebody lets go of it.
pub(super) fn attend(handle: &OwnedFd, let_go: &OwnedFd, mut log: Log, outlet: &mut Outlet) -> Attended {
    let mut is_open = true;
    loop {
        let mut all = [
            PollFd::new(let_go, PollFlags::IN),
            PollFd::new(handle, PollFlags::IN),
            PollFd::from_borrowed_fd(outlet.reader.as_fd(), PollFlags::IN),
        ];
        // Once its output is closed, what is left to wait for is its end.
        let watched = if is_open { 3 } else { 2 };
        match poll(&mut all[..watched], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return Attended::Ended,
        }
        let [let_go, ended, written] = all.map(|fd| !fd.revents().is_empty());
        if let_go {
            return Attended::LetGo;
        }
        if written {
            is_open = copy(&mut outlet.reader, &mut log) == Copied::Some;
        }
        if ended {
            return Attended::Ended;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copied {
    /// More can come.
    Some,
    /// Nothing more can come.
    All,
}

/// Copies what there is now. A log that cannot be written loses lines, but never stops its agent.
fn copy(output: &mut File, log: &mut Log) -> Copied {
    let mut chunk = [0; 16 << 10];
    loop {
        match output.read(&mut chunk) {
            Ok(0) => return Copied::All,
            Ok(length) => drop(log.write(&chunk[..length])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Copied::Some,
            Err(_) => return Copied::All,
        }
    }
}

/// How an agent has ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) reason: String,
    /// Its own word, where it ended by itself.
    pub(super) status: Option<i32>,
}

impl Ended {
    fn somehow(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), status: None }
    }
}

/// Takes note of how an agent has ended. That of another parent's is not known.
pub(super) fn reap(agent: Process) -> Ended {
    let Some(pid) = Pid::from_raw(agent.pid()) else { return Ended::somehow("its agent is gone") };
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED) {
            Ok(status) => return ended(status.as_ref()),
            Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return ended(None),
            Err(error) => return Ended::somehow(format!("its agent is gone: {error}")),
        }
    }
}

fn ended(status: Option<&WaitIdStatus>) -> Ended {
    if let Some(code) = status.and_then(WaitIdStatus::exit_status) {
        return Ended { reason: format!("its agent exited with status {code}"), status: Some(code) };
    }
    Ended::somehow(match status.and_then(WaitIdStatus::terminating_signal) {
        Some(signal) => format!("its agent was ended by signal {signal}"),
        None => "its agent ended".to_owned(),
    })
}

/// Ends what an agent has left behind.
pub(super) fn end_rest(cgroup: Option<&Cgroup>, mark: Option<&Mark>, bound: &Bound) {
    let by_cgroup = cgroup.map_or(Ok(()), |cgroup| cgroup.end(LIMIT));
    let by_mark = mark.map_or(Ok(()), |mark| mark.end(LIMIT));
    if let Err(error) = by_cgroup.and(by_mark).and(bound.remove(LIMIT)) {
        tracing::warn!(%error, "something of a sandbox is left running");
    }
}

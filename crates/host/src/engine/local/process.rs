//! Processes of this machine, as `/proc` shows them.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process, told apart from a later one with the same number by when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Process {
    pid: i32,
    /// In clock ticks since the machine started.
    started: u64,
}

/// A process as it was when it was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) process: Process,
    pub(super) parent: i32,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// On a processor, or free to be put on one, or waiting in a way that a signal ends.
    Free,
    /// Stopped by a signal or by a tracer.
    Stopped,
    /// Inside the kernel; runs nothing of its own before it has taken the signals that wait for it.
    Inside,
    /// Ended, not yet reaped.
    Ended,
}

impl Process {
    /// The process that has this number now.
    pub(super) fn now(pid: i32) -> io::Result<Self> {
        look(pid)?.map(|seen| seen.process).ok_or_else(|| Errno::SRCH.into())
    }

    pub(super) fn pid(self) -> i32 {
        self.pid
    }

    /// A handle that stays with this process; none when it is gone.
    pub(super) fn handle(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // The number can have been taken over before the handle was there, never after.
        let same = look(self.pid)?.is_some_and(|seen| seen.process == self);
        Ok(same.then_some(handle))
    }

    /// Whether it is there and has not ended.
    pub(super) fn runs(self) -> io::Result<bool> {
        Ok(look(self.pid)?.is_some_and(|seen| seen.process == self && seen.state != State::Ended))
    }

    /// Whether it carries a variable in the environment it was started with.
    pub(super) fn carries(self, variable: &str) -> bool {
        carries(self.pid, variable)
    }

    /// Whether it has a network of its own.
    pub(super) fn has_own_network(self) -> io::Result<bool> {
        let (its, own) = (format!("/proc/{}/ns/net", self.pid), "/proc/self/ns/net");
        Ok(fs::read_link(its)? != fs::read_link(own)?)
    }

    /// Its network.
    pub(super) fn network(self) -> io::Result<File> {
        let network = File::open(format!("/proc/{}/ns/net", self.pid))?;
        // Its number can have been another's before this, never after.
        if self.runs()? { Ok(network) } else { Err(Errno::SRCH.into()) }
    }

    /// Whether it is stopped, by a signal or by a tracer.
    pub(super) fn is_stopped(self) -> io::Result<bool> {
        Ok(look(self.pid)?.is_some_and(|seen| seen.process == self && seen.state == State::Stopped))
    }

    /// Sends a signal; `false` when the process is gone.
    pub(super) fn signal(self, signal: Signal) -> io::Result<bool> {
        let Some(handle) = self.handle()? else { return Ok(false) };
        match pidfd_send_signal(handle, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills it, and waits until it has ended; `false` when it has not within the limit.
    pub(super) fn end(self, limit: Duration) -> io::Result<bool> {
        let Some(handle) = self.handle()? else { return Ok(true) };
        match pidfd_send_signal(&handle, Signal::KILL) {
            Ok(()) => wait_readable(&handle, PollFlags::IN, limit),
            Err(Errno::SRCH) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether none of its threads can run anything of its own.
    pub(super) fn is_still(self) -> io::Result<bool> {
        let tasks = match fs::read_dir(format!("/proc/{}/task", self.pid)) {
            Ok(tasks) => tasks,
            Err(error) if is_gone(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        for task in tasks {
            let path = match task {
                Ok(task) => task.path().join("stat"),
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error),
            };
            if read(&path)?.is_some_and(|seen| seen.state == State::Free) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Waits until a descriptor has one of the events; `false` when it has not within the limit.
pub(super) fn wait_readable(fd: &OwnedFd, events: PollFlags, limit: Duration) -> io::Result<bool> {
    let give_up = Instant::now() + limit;
    loop {
        let left = give_up.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(fd, events)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Every process of this machine that can be seen.
pub(super) fn all() -> io::Result<Vec<Seen>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        found.extend(look(pid)?);
    }
    Ok(found)
}

/// A process and all that came from it, parents before their children. Empty when it is gone.
pub(super) fn tree(root: Process) -> io::Result<Vec<Seen>> {
    let all = all()?;
    let mut children: HashMap<i32, Vec<Seen>> = HashMap::new();
    let mut found = Vec::new();
    for seen in all {
        if seen.process == root {
            found.push(seen);
        } else {
            children.entry(seen.parent).or_default().push(seen);
        }
    }
    let mut next = 0;
    while let Some(seen) = found.get(next) {
        next += 1;
        found.extend(children.remove(&seen.process.pid).unwrap_or_default());
    }
    Ok(found)
}

/// The processes that carry a variable in the environment they were started with.
pub(super) fn carrying(variable: &str) -> io::Result<HashSet<Process>> {
    let mut found = HashSet::new();
    for seen in all()? {
        if seen.state != State::Ended && carries(seen.process.pid, variable) {
            found.insert(seen.process);
        }
    }
    Ok(found)
}

fn carries(pid: i32, variable: &str) -> bool {
    // What may not be read belongs to somebody else.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
}

/// What numbers of processes are good for: this start of the machine, and this pid namespace.
pub(super) fn world() -> io::Result<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let namespace = fs::read_link("/proc/self/ns/pid")?;
    Ok(format!("{} {}", boot.trim(), namespace.display()))
}

fn look(pid: i32) -> io::Result<Option<Seen>> {
    read(format!("/proc/{pid}/stat").as_ref())
}

fn read(path: &std::path::Path) -> io::Result<Option<Seen>> {
    match fs::read(path) {
        Ok(text) => parse(&text).map(Some),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// Reads a line of `/proc/PID/stat`. The name in it can hold anything, also parentheses.
fn parse(text: &[u8]) -> io::Result<Seen> {
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "unexpected form of /proc/PID/stat");
    let text = String::from_utf8_lossy(text);
    let (head, tail) = text.rsplit_once(')').ok_or_else(odd)?;
    let pid = head.split(' ').next().and_then(|pid| pid.parse().ok()).ok_or_else(odd)?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let state = match *fields.first().ok_or_else(odd)? {
        "T" | "t" => State::Stopped,
        "D" => State::Inside,
        "Z" | "X" | "x" => State::Ended,
        _ => State::Free,
    };
    let parent = fields.get(1).and_then(|parent| parent.parse().ok()).ok_or_else(odd)?;
    // The 22nd field of proc_pid_stat(5); the state is the third.
    let started = fields.get(19).and_then(|started| started.parse().ok()).ok_or_else(odd)?;
    Ok(Seen { process: Process { pid, started }, parent, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_parentheses_is_no_obstacle() {
        let line = b"71 (a) Z (b)) T 70 71 71 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 2";
        let seen = parse(line).unwrap();
        assert_eq!(seen.process, Process { pid: 71, started: 4242 });
        assert_eq!((seen.parent, seen.state), (70, State::Stopped));
    }

    #[test]
    fn a_number_with_another_start_is_another_process() {
        let me = Process::now(std::process::id().cast_signed()).unwrap();
        let earlier = Process { started: me.started - 1, ..me };
        assert!(!earlier.signal(Signal::CONT).unwrap());
        assert!(me.signal(Signal::CONT).unwrap());
    }
}

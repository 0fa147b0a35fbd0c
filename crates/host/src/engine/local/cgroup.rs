//! Sleep in a cgroup (version 2). The freezer is part of its core: no controller is needed.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::process::Signal;

use super::process::{Process, wait_readable};

/// A cgroup that this host has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cgroup(PathBuf);

#[derive(Debug, Clone, Copy)]
enum Frozen {
    Yes,
    No,
}

impl Cgroup {
    /// Makes one.
    pub(super) fn make(parent: &Path, name: &str) -> io::Result<Self> {
        let path = parent.join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// One that an earlier host has made.
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts a process into it; what comes from that process stays in it.
    pub(super) fn add(&self, pid: i32) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), pid.to_string())
    }

    /// Freezes everything in it; ends when nothing runs any more. On an error nothing stays frozen.
    pub(super) fn freeze(&self, limit: Duration) -> io::Result<()> {
        self.set(Frozen::Yes, limit).inspect_err(|_| {
            // The first error is the one to tell.
            self.set(Frozen::No, limit).ok();
        })
    }

    /// Whether it was asked to freeze, and not to thaw since.
    pub(super) fn is_to_be_frozen(&self) -> io::Result<bool> {
        Ok(fs::read_to_string(self.0.join("cgroup.freeze"))?.trim() == "1")
    }

    /// Ends what is in it but for some cgroups that were made in it.
    pub(super) fn end_all_but(&self, kept: &[&Path], limit: Duration) -> io::Result<()> {
        let others = below(&self.0)?.into_iter().filter(|below| !kept.contains(&below.as_path()));
        others.into_iter().try_for_each(|other| Self::at(other).end(limit))
    }

    /// Lets everything in it go on.
    pub(super) fn thaw(&self, limit: Duration) -> io::Result<()> {
        self.set(Frozen::No, limit)
    }

    /// Takes a thawing back that has not come to its end: what keeps it frozen would let it run at any later time.
    pub(super) fn stay_frozen(&self) -> io::Result<()> {
        fs::write(self.0.join("cgroup.freeze"), "1")
    }

    fn set(&self, frozen: Frozen, limit: Duration) -> io::Result<()> {
        let (word, line) = match frozen {
            Frozen::Yes => ("1", "frozen 1"),
            Frozen::No => ("0", "frozen 0"),
        };
        fs::write(self.0.join("cgroup.freeze"), word)?;
        self.wait_until(line, limit)
    }

    /// Waits until `cgroup.events` has a line.
    fn wait_until(&self, line: &str, limit: Duration) -> io::Result<()> {
        let give_up = Instant::now() + limit;
        let events = File::open(self.0.join("cgroup.events"))?;
        let fd = OwnedFd::from(events.try_clone()?);
        loop {
            let mut text = [0; 256];
            let length = events.read_at(&mut text, 0)?;
            if text[..length].split(|byte| *byte == b'\n').any(|found| found == line.as_bytes()) {
                return Ok(());
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let what = format!("its cgroup does not get to \"{line}\" within {limit:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            // The kernel reports a change of this file as urgent data.
            wait_readable(&fd, PollFlags::PRI, left)?;
        }
    }

    /// Ends everything in it, frozen or not, and removes it.
    pub(super) fn end(&self, limit: Duration) -> io::Result<()> {
        let give_up = Instant::now() + limit;
        self.kill(limit)?;
        loop {
            match remove(&self.0) {
                Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {
                    if Instant::now() >= give_up {
                        return Err(error);
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                other => return other,
            }
        }
    }

    /// Ends everything in it, frozen or not. One that is gone has nothing in it.
    pub(super) fn kill(&self, limit: Duration) -> io::Result<()> {
        let killed = match fs::write(self.0.join("cgroup.kill"), "1") {
            Err(error) if is_gone(&error) => self.kill_each(limit),
            other => other.and_then(|()| self.wait_until("populated 0", limit)),
        };
        match killed {
            Err(error) if is_gone(&error) => Ok(()),
            other => other,
        }
    }

    /// Kernels before 5.14 have no `cgroup.kill`. What is frozen cannot fork while it is being killed.
    fn kill_each(&self, limit: Duration) -> io::Result<()> {
        self.freeze(limit)?;
        kill_below(&self.0)?;
        self.wait_until("populated 0", limit)
    }
}

fn kill_below(directory: &Path) -> io::Result<()> {
    for line in fs::read_to_string(directory.join("cgroup.procs"))?.lines() {
        let Some(process) = line.parse().ok().and_then(|pid| Process::now(pid).ok()) else { continue };
        process.signal(Signal::KILL)?;
    }
    for below in below(directory)? {
        kill_below(&below)?;
    }
    Ok(())
}

/// Removes a cgroup and those that were made inside it.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    let result = below(directory).and_then(|all| all.iter().try_for_each(|below| remove(below)));
    match result.and_then(|()| fs::remove_dir(directory)) {
        Err(error) if is_gone(&error) => Ok(()),
        other => other,
    }
}

pub(super) fn below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

pub(super) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::NODEV.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::hierarchy::Hierarchy;
    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(30);

    /// Nothing of it is left, however a test ends.
    struct Ended(Cgroup);

    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.end(LONG).ok();
        }
    }

    #[test]
    fn what_cannot_thaw_sleeps_on_when_what_kept_it_frozen_is_gone() {
        let name = format!("reveille-test-{}", std::process::id());
        let Ok(outer) = Hierarchy::Version2.own().and_then(|own| Cgroup::make(&own, &name)) else {
            eprintln!("SKIPPED: no cgroup of version 2 can be made here");
            return;
        };
        let outer = Ended(outer);
        let inner = Cgroup::make(outer.0.path(), "inner").unwrap();
        // It waits for input.
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        inner.add(child.id().try_into().unwrap()).unwrap();
        inner.freeze(LONG).unwrap();
        outer.0.freeze(LONG).unwrap();
        let error = inner.thaw(SOON).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        inner.stay_frozen().unwrap();
        outer.0.thaw(LONG).unwrap();
        inner.wait_until("frozen 1", LONG).unwrap();
        inner.thaw(LONG).unwrap();
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}

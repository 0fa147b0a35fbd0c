//! Sleep in a cgroup (version 2). The freezer is part of its core: no controller is needed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
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

/// The cgroup that this process is in. A host may make its own below it when it is root, or when the cgroup
/// was delegated to its user.
pub(super) fn own() -> io::Result<PathBuf> {
    let no = |why| io::Error::new(io::ErrorKind::Unsupported, why);
    let membership = fs::read_to_string("/proc/self/cgroup")?;
    let path = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .ok_or_else(|| no("this process is in no cgroup of version 2"))?;
    fs::read_to_string("/proc/self/mountinfo")?
        .lines()
        .filter_map(|line| mounted_at(line, Path::new(path)))
        .find(|directory| directory.join("cgroup.procs").exists())
        .ok_or_else(|| no("cgroup version 2 is not mounted where this process can see its own"))
}

/// Where a line of `/proc/self/mountinfo` shows the cgroup with this path.
fn mounted_at(line: &str, path: &Path) -> Option<PathBuf> {
    let (mount, kind) = line.split_once(" - ")?;
    if kind.split(' ').next()? != "cgroup2" {
        return None;
    }
    let mut fields = mount.split(' ').skip(3);
    let root = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    Some(point.join(path.strip_prefix(root).ok()?))
}

/// The kernel writes a blank, a tab, a line end and a backslash as three octal digits after a backslash.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) if byte == b'\\' => {
                bytes.push(code);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
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
fn remove(directory: &Path) -> io::Result<()> {
    let result = below(directory).and_then(|all| all.iter().try_for_each(|below| remove(below)));
    match result.and_then(|()| fs::remove_dir(directory)) {
        Err(error) if is_gone(&error) => Ok(()),
        other => other,
    }
}

fn below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::NODEV.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_cgroup_is_found_below_what_is_mounted() {
        let line = r"41 31 0:38 /user.slice /sys/fs/my\040cgroup rw,relatime - cgroup2 cgroup2 rw";
        let found = mounted_at(line, Path::new("/user.slice/session-2.scope"));
        assert_eq!(found.as_deref(), Some(Path::new("/sys/fs/my cgroup/session-2.scope")));
        assert_eq!(mounted_at(line, Path::new("/system.slice")), None);
        let version_1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu";
        assert_eq!(mounted_at(version_1, Path::new("/")), None);
    }
}

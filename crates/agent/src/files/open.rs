//! Opening files for reading, without hanging and without waiting where there is no need to.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use super::disk;
use super::owner::is_bounded;
use crate::failure::Failure;

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A regular file, open for reading.
    File(File, Metadata),
    /// A directory.
    Directory,
}

/// Opens what `path` leads to.
///
/// What is in the kernel's memory is opened at once, and the rest on a thread that may wait. A pipe, a socket or a
/// device is not opened at all: that would hang, or wake somebody at its other end.
///
/// # Errors
/// 404 when there is nothing, 422 when it cannot be read.
pub(crate) async fn open(path: &Path, shown: &Path) -> Result<Opened, Failure> {
    // What may be opened at once may be opened by the agent.
    if !is_bounded()
        && let Some(opened) = open_remembered(path)
    {
        return Ok(opened);
    }
    let (path, shown) = (path.to_owned(), shown.to_owned());
    disk::work(move || open_waiting(&path).map_err(|error| refusal(&error, &shown))).await
}

/// What is to be known of what `path` leads to, without opening it.
pub(crate) async fn facts(path: &Path) -> io::Result<Metadata> {
    if !is_bounded()
        && let Some(facts) = facts_remembered(path)
    {
        return Ok(facts);
    }
    let path = path.to_owned();
    disk::io(move || fs::metadata(path)).await
}

fn facts_remembered(path: &Path) -> Option<Metadata> {
    File::from(remembered(path, OFlags::PATH)?).metadata().ok()
}

fn remembered(path: &Path, flags: OFlags) -> Option<OwnedFd> {
    rustix::fs::openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::CACHED).ok()
}

/// Opens what needs no disk; nothing when it would, or when anything is odd.
fn open_remembered(path: &Path) -> Option<Opened> {
    let seen = facts_remembered(path)?;
    if seen.is_dir() {
        return Some(Opened::Directory);
    }
    if !seen.is_file() {
        return None;
    }
    let file = File::from(remembered(path, OFlags::RDONLY | OFlags::NONBLOCK)?);
    let facts = file.metadata().ok()?;
    facts.is_file().then_some(Opened::File(file, facts))
}

/// Opens what `path` leads to, on a thread that may wait.
pub(crate) fn open_waiting(path: &Path) -> io::Result<Opened> {
    check(&fs::metadata(path)?)?;
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let facts = file.metadata()?;
    check(&facts)?;
    Ok(if facts.is_dir() { Opened::Directory } else { Opened::File(file, facts) })
}

fn check(facts: &Metadata) -> io::Result<()> {
    if facts.is_file() || facts.is_dir() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, a socket or a device"))
}

/// How a path that cannot be read is refused.
pub(crate) fn refusal(error: &io::Error, shown: &Path) -> Failure {
    let shown = shown.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Failure::absent(format!("{shown}: file or directory not found"))
        }
        _ => Failure::unworkable(format!("{shown}: {error}")),
    }
}

/// The path of what `path` leads to once all links are followed, also where nothing is there yet.
///
/// # Errors
/// When links lead in a circle, or nowhere that could be.
pub(crate) fn behind_links(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MOST: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("/")).join(to),
            // It is no link, or it is not there.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(rustix::io::Errno::LOOP))
}

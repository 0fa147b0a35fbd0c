//! The agent's program where sandboxes with a root of their own can see it: in a directory with nothing else in it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A directory that holds the agent's program as it is now.
#[derive(Debug)]
pub(super) struct Programs {
    directory: PathBuf,
    source: PathBuf,
    taken: Mutex<Option<Version>>,
}

/// By what one version of a program is told from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Programs {
    /// A place for `source` in `directory`, which it comes to with the first [`refresh`](Self::refresh).
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub(super) fn keep(source: &Path, directory: PathBuf) -> io::Result<Self> {
        // One that is there already may be seen by sandboxes that an earlier host has started.
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, source: source.to_owned(), taken: Mutex::default() })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The name of its file.
    pub(super) fn file(&self) -> &OsStr {
        self.source.file_name().unwrap_or(OsStr::new("agent"))
    }

    /// Takes the program as it is now, where it has been replaced since the last time, and gives what a sandbox is to
    /// see: the directory, or, where the disk has no room for a copy, the program alone. Such a sandbox does not see
    /// it being replaced.
    ///
    /// # Errors
    /// When it is not there any more.
    pub(super) fn refresh(&self) -> io::Result<&Path> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let now = version(&self.source)?;
        if *taken != Some(now) {
            if let Err(error) = self.take() {
                tracing::warn!(%error, "the agent's program is bound into sandboxes as it is: an upgrade finds no newer one");
                return Ok(&self.source);
            }
            *taken = Some(now);
        }
        Ok(&self.directory)
    }

    fn take(&self) -> io::Result<()> {
        let (new, place) = (self.directory.join(".new"), self.directory.join(self.file()));
        remove(&new)?;
        // A link costs nothing; on another file system, or for somebody else's file, it has to be a copy.
        let taken = fs::hard_link(&self.source, &new).or_else(|_| fs::copy(&self.source, &new).map(drop));
        if taken.is_err() {
            // Half a copy takes room on a disk that has none.
            remove(&new)?;
        }
        // Two links to one file stay two where one is moved over the other.
        taken.and_then(|()| fs::rename(&new, &place)).and_then(|()| remove(&new))
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn version(path: &Path) -> io::Result<Version> {
    let found = fs::metadata(path)?;
    Ok(Version {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        changed: (found.mtime(), found.mtime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_replaced_is_taken_anew() {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("program");
        fs::write(&source, "one").unwrap();
        let programs = Programs::keep(&source, place.path().join("kept")).unwrap();
        programs.refresh().unwrap();
        let kept = || fs::read_to_string(place.path().join("kept/program")).unwrap();
        assert_eq!(kept(), "one");
        fs::write(place.path().join("new"), "two, longer").unwrap();
        fs::rename(place.path().join("new"), &source).unwrap();
        programs.refresh().unwrap();
        assert_eq!(kept(), "two, longer");
    }

    #[test]
    fn where_no_copy_can_be_made_the_program_itself_is_seen() {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("program");
        fs::write(&source, "one").unwrap();
        let programs = Programs::keep(&source, place.path().join("kept")).unwrap();
        // A directory in its place takes neither a link nor a copy.
        fs::create_dir_all(place.path().join("kept/.new/full")).unwrap();
        assert_eq!(programs.refresh().unwrap(), source);
    }
}

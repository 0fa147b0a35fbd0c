//! Where what the agent starts begins, unless it is told to begin elsewhere: where the agent began.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::files::working_directory;

/// The directory that the agent began in, by its name.
///
/// The agent stands in the directory that had the name then. Whoever works there may remove that and make another in its
/// place, or a drive may be mounted over it, and in the one of before nothing is found any more.
#[derive(Clone, Debug)]
pub(crate) struct Workplace(PathBuf);

impl Workplace {
    /// The directory that the agent is in; where it has been removed, the one in which relative paths begin.
    pub(crate) fn here() -> Self {
        Self(std::env::current_dir().unwrap_or_else(|_| working_directory()))
    }

    /// Where `folder` is for who stands here, and here itself where it is empty. Nothing where that is what a program
    /// begins in without being told.
    ///
    /// Nobody is told without need: who runs as somebody else may be in directories that they cannot enter.
    pub(crate) fn folder(&self, folder: &str) -> Option<PathBuf> {
        match (self.has_changed(), folder) {
            (true, "") => Some(self.0.clone()),
            (true, folder) => Some(self.0.join(folder)),
            (false, "") => None,
            (false, folder) => Some(folder.into()),
        }
    }

    /// Whether the name is now that of another directory than the one that the agent stands in.
    fn has_changed(&self) -> bool {
        which(&self.0).is_ok_and(|named| which(Path::new(".")).ok() != Some(named))
    }
}

/// Which directory it is.
fn which(directory: &Path) -> io::Result<(u64, u64)> {
    let facts = fs::metadata(directory)?;
    if !facts.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok((facts.dev(), facts.ino()))
}

//! Where output is kept.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Where the files with output are made, and how large they may become.
///
/// The files have no names: nobody can open them, and the kernel takes them back whatever becomes of the agent.
#[derive(Debug)]
pub(crate) struct Place {
    directories: Vec<PathBuf>,
    bound: u64,
}

impl Place {
    /// The directories for temporary files that survive a restart first: what is in memory there would count as memory.
    pub(crate) fn of_bound(bound: u64) -> Self {
        Self { directories: vec!["/var/tmp".into(), std::env::temp_dir()], bound }
    }

    /// A place where no file can be made.
    #[cfg(test)]
    pub(crate) fn nowhere(bound: u64) -> Self {
        Self { directories: vec!["/proc/no-such-place".into()], bound }
    }

    /// How much of one stream is kept, in bytes.
    pub(crate) fn bound(&self) -> u64 {
        self.bound
    }

    /// A new file without a name.
    ///
    /// # Errors
    /// When none can be made in any directory.
    pub(crate) fn file(&self) -> io::Result<File> {
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for directory in &self.directories {
            match nameless(directory) {
                Ok(file) => return Ok(file),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

fn nameless(directory: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::EXCL;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        // A file system that cannot make one without a name.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => unlinked(directory),
        Err(error) => Err(error.into()),
    }
}

fn unlinked(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!(".reveille-output-{:016x}", fastrand::u64(..)));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_leaves_no_name_behind() {
        let directory = tempfile::tempdir().unwrap();
        for make in [nameless, unlinked] {
            let file = make(directory.path()).unwrap();
            assert_eq!(file.metadata().unwrap().len(), 0);
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }
}

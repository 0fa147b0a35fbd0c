//! Through what an agent writes what it has to say.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use rustix::fs::OFlags;

/// The host's end of a named pipe.
///
/// The agent's end reads as well as it writes: without a host what it writes waits, up to 64 KiB (pipe(7)), and the
/// next one finds it.
#[derive(Debug)]
pub(super) struct Outlet {
    path: PathBuf,
    pub(super) reader: File,
}

impl Outlet {
    /// Makes one, with the agent's end.
    pub(super) fn make(path: PathBuf) -> io::Result<(Self, File)> {
        remove(&path)?;
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let outlet = Self::find(path)?;
        let writer = File::options().read(true).write(true).open(&outlet.path)?;
        Ok((outlet, writer))
    }

    /// The one that an earlier host has made.
    pub(super) fn find(path: PathBuf) -> io::Result<Self> {
        let reader =
            File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&path)?;
        Ok(Self { path, reader })
    }

    /// Removes it, when nobody writes any more.
    pub(super) fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn what_is_written_while_nobody_reads_is_found_by_the_next_who_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.pipe");
        let (outlet, mut writer) = Outlet::make(path.clone()).unwrap();
        drop(outlet);
        writer.write_all(b"said to nobody").unwrap();
        let mut found = Outlet::find(path.clone()).unwrap();
        drop(writer);
        let mut said = String::new();
        found.reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "said to nobody");
        found.remove().unwrap();
        assert!(!path.exists());
    }
}

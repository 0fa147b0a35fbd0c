use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::OFlags;

/// How large a log may get before a new one is begun. One old log is kept.
const LIMIT: u64 = 1 << 20;

/// What an agent writes to its standard output and error, never more than twice the limit.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Log {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = append(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let more = bytes.len() as u64;
        if self.size + more > LIMIT {
            fs::rename(&self.path, self.path.with_extension("log.old"))?;
            self.file = append(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(bytes)?;
        self.size += more;
        Ok(())
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    // A sandbox can reach this directory; it must not lead the host elsewhere.
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    File::options().create(true).append(true).mode(0o600).custom_flags(no_link).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_stays_within_its_bound_and_keeps_the_latest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.log");
        let mut log = Log::open(path.clone()).unwrap();
        for _ in 0..300 {
            log.write(&[b'x'; 16 << 10]).unwrap();
        }
        log.write(b"last words\n").unwrap();
        let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
        assert!(size(&path) <= LIMIT && size(&path.with_extension("log.old")) <= LIMIT);
        assert!(fs::read(&path).unwrap().ends_with(b"last words\n"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The extension of the old log.
pub(super) const OLD: &str = "log.old";

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
    /// Opens one, or begins one.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = append(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let more = bytes.len() as u64;
        if self.size + more > LIMIT {
            fs::rename(&self.path, self.path.with_extension(OLD))?;
            self.file = append(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(bytes)?;
        self.size += more;
        Ok(())
    }
}

/// The last line of a log, cut where it is long.
pub(super) fn last_line(path: &Path) -> Option<String> {
    let mut file = regular(File::options().read(true), path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(1024))).ok()?;
    let mut end = Vec::new();
    file.take(1024).read_to_end(&mut end).ok()?;
    let end = String::from_utf8_lossy(&end);
    end.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

fn append(path: &Path) -> io::Result<File> {
    regular(File::options().create(true).append(true).mode(0o600), path)
}

/// Opens a file that a sandbox may have put something else in the place of, where it has no root of its own: no
/// link leads the host elsewhere, and no pipe keeps it waiting.
fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let careful = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options.custom_flags(careful.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no file", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_in_the_place_of_a_log_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.log");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Log::open(path.clone()).unwrap_err();
        assert_eq!(last_line(&path), None);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        Log::open(path.clone()).unwrap_err();
        assert_eq!(last_line(&path), None);
    }

    #[test]
    fn the_last_line_is_told_cut_where_it_is_long() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.log");
        fs::write(&path, format!("first\n{}\n  last one \n\n", "x".repeat(5000))).unwrap();
        assert_eq!(last_line(&path).as_deref(), Some("last one"));
        fs::write(&path, "y".repeat(5000)).unwrap();
        assert_eq!(last_line(&path).map(|line| line.len()), Some(1024));
    }

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
        assert!(size(&path) <= LIMIT && size(&path.with_extension(OLD)) <= LIMIT);
        assert!(fs::read(&path).unwrap().ends_with(b"last words\n"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}

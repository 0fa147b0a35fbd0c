use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use reveille_wire::SandboxName;
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::remove::remove_directory;

/// A directory for the sockets of sandboxes that only this user can enter.
///
/// The path of a unix socket ends at 107 bytes, and a data directory may lie deeper. So sockets are reached by
/// the descriptor of their directory, which is good in this process only.
#[derive(Debug)]
pub(super) struct Sockets {
    path: PathBuf,
    directory: OwnedFd,
}

impl Sockets {
    /// Makes the directory, without whatever an earlier host has left there.
    pub(super) fn make(path: PathBuf) -> io::Result<Self> {
        remove_directory(&path)?;
        DirBuilder::new().mode(0o700).create(&path)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(CWD, &path, flags, Mode::empty())?;
        Ok(Self { path, directory })
    }

    /// Where a sandbox is reached.
    pub(super) fn path(&self, name: &SandboxName) -> PathBuf {
        Path::new("/proc/self/fd").join(self.directory.as_raw_fd().to_string()).join(format!("{name}.sock"))
    }

    /// Opens a socket for a sandbox. What connects waits until somebody accepts.
    pub(super) fn listen(&self, name: &SandboxName) -> io::Result<UnixListener> {
        self.close(name)?;
        UnixListener::bind(self.path(name))
    }

    /// Removes the socket of a sandbox, so that nothing connects any more.
    pub(super) fn close(&self, name: &SandboxName) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        remove_directory(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_is_reached_however_deep_its_directory_lies() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(200));
        fs::create_dir(&deep).unwrap();
        fs::create_dir(deep.join("sockets")).unwrap();
        fs::write(deep.join("sockets/left"), "").unwrap();
        let sockets = Sockets::make(deep.join("sockets")).unwrap();
        let name = SandboxName::new("box").unwrap();
        let listener = sockets.listen(&name).unwrap();
        UnixStream::connect(sockets.path(&name)).unwrap();
        drop(listener);
        sockets.listen(&name).unwrap();
        assert_eq!(fs::read_dir(deep.join("sockets")).unwrap().count(), 1);
        sockets.remove().unwrap();
        assert!(!deep.join("sockets").exists());
    }
}

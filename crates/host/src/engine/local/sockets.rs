use std::collections::HashSet;
use std::ffi::OsString;
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
    /// Makes the directory. Of what an earlier host has left there the sockets of these stay.
    pub(super) fn make<'a>(path: PathBuf, kept: impl Iterator<Item = &'a SandboxName>) -> io::Result<Self> {
        let kept: HashSet<OsString> = kept.map(|name| file(name).into()).collect();
        if kept.is_empty() {
            remove_directory(&path)?;
            DirBuilder::new().mode(0o700).create(&path)?;
        } else {
            remove_all_but(&kept, &path)?;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(CWD, &path, flags, Mode::empty())?;
        Ok(Self { path, directory })
    }

    /// Where a sandbox is reached.
    pub(super) fn path(&self, name: &SandboxName) -> PathBuf {
        Path::new("/proc/self/fd").join(self.directory.as_raw_fd().to_string()).join(file(name))
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

fn file(name: &SandboxName) -> String {
    format!("{name}.sock")
}

fn remove_all_but(kept: &HashSet<OsString>, directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if kept.contains(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            remove_directory(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
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
        let name = SandboxName::new("box").unwrap();
        let sockets = Sockets::make(deep.join("sockets"), std::iter::empty()).unwrap();
        let listener = sockets.listen(&name).unwrap();
        UnixStream::connect(sockets.path(&name)).unwrap();
        drop(listener);
        let _listener = sockets.listen(&name).unwrap();
        fs::write(deep.join("sockets/left"), "").unwrap();
        let sockets = Sockets::make(deep.join("sockets"), [&name].into_iter()).unwrap();
        UnixStream::connect(sockets.path(&name)).unwrap();
        assert_eq!(fs::read_dir(deep.join("sockets")).unwrap().count(), 1);
        sockets.remove().unwrap();
        assert!(!deep.join("sockets").exists());
    }
}

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use reveille_wire::SandboxName;
use rustix::process::geteuid;

use super::remove::remove_directory;

/// The path of a unix socket ends at 107 bytes; this leaves room for the longest name.
const LONGEST: usize = 100 - SandboxName::MAX - "/.sock".len();

/// A directory for the sockets of sandboxes that only this user can enter.
#[derive(Debug)]
pub(super) struct Sockets(PathBuf);

impl Sockets {
    /// Makes one, in the user's runtime directory where there is one. `tag` tells hosts apart.
    pub(super) fn make(tag: &str) -> io::Result<Self> {
        let user = geteuid().as_raw();
        let of_the_user = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let mut last = None;
        for place in of_the_user.into_iter().map(|place| place.join(format!("reveille-{tag}"))).chain([
            env::temp_dir().join(format!("reveille-{user}-{tag}")),
            PathBuf::from(format!("/tmp/reveille-{user}-{tag}")),
        ]) {
            if !place.is_absolute() || place.as_os_str().len() > LONGEST {
                continue;
            }
            match DirBuilder::new().mode(0o700).create(&place) {
                Ok(()) => return Ok(Self(place)),
                Err(error) => {
                    last = Some(io::Error::new(error.kind(), format!("{}: {error}", place.display())));
                }
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("every place for sockets has too long a path")))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.0
    }

    /// Where a sandbox is reached.
    pub(super) fn path(&self, name: &SandboxName) -> PathBuf {
        self.0.join(format!("{name}.sock"))
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
        remove_directory(&self.0)
    }
}

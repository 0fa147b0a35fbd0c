//! Keeps two hosts out of one data directory.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::directory::unusable;
use crate::error::{Error, ErrorKind};

/// How long what a host that was killed had just started may take to end: on its way to its program it has a copy
/// of every descriptor, and so of every lock.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// Held while the directory is in use; the kernel lets go of it however the host ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    pub(super) fn take(root: &Path) -> Result<Self, Error> {
        let path = root.join("lock");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = file.map_err(|source| unusable(root, source))?;
        let give_up = Instant::now() + PATIENCE;
        let mut file = loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => break file,
                Err((file, Errno::EWOULDBLOCK)) if Instant::now() < give_up => file,
                Err((file, Errno::EWOULDBLOCK)) => return Err(taken(root, file)),
                Err((_, errno)) => return Err(unusable(root, errno.into())),
            };
            thread::sleep(PAUSE);
        };
        // Only for people who meet the lock; a failure here changes nothing.
        let _ = file.set_len(0).and_then(|()| write!(&mut *file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// The process of the host that has a data directory; none where no host has it, or where it does not say.
///
/// ```
/// let data = tempfile::tempdir()?;
/// assert_eq!(reveille_host::host_on(data.path()), None);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn host_on(data: &Path) -> Option<u32> {
    let file = File::open(data.join("lock")).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Err((file, Errno::EWOULDBLOCK)) => who(file).trim().parse().ok(),
        _ => None,
    }
}

/// What stands in the lock; nothing where it cannot be read.
fn who(mut file: File) -> String {
    let mut pid = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut pid));
    read.map_or_else(|_| String::new(), |_| pid)
}

fn taken(root: &Path, file: File) -> Error {
    let pid = who(file);
    let who = if pid.is_empty() { String::new() } else { format!(" (process {pid})") };
    let message = format!(
        "another host{who} uses {}: stop it, or choose another directory with --data",
        root.display()
    );
    Error::new(ErrorKind::InUse, message)
}

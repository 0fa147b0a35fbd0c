//! What the engine writes down, so that the next host finds what this one left.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use reveille_wire::SandboxName;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::life::Mark;
use super::log::OLD;
use super::process::Process;
use super::{EngineError, EngineErrorKind};

/// The engine's directory, held by one host at a time.
#[derive(Debug)]
pub(super) struct Records {
    directory: PathBuf,
    lock: File,
}

/// One sandbox that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: SandboxName,
    /// What runs.
    pub(super) trace: Trace,
}

/// By what a running sandbox can be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trace {
    /// Where the agent's number means something.
    pub(super) world: String,
    pub(super) agent: Process,
    pub(super) cgroup: Option<PathBuf>,
    pub(super) mark: Mark,
}

/// What a host makes outside its directory. Written down before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outside {
    pub(super) cgroups: Option<PathBuf>,
}

/// How long the children of a host that was killed may take to let go of its lock.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(5);

const OUTSIDE: &str = "host.json";
const SANDBOXES: &str = "sandboxes";
const LOGS: &str = "logs";

impl Records {
    /// Takes the directory; it is free again when the host ends, however it ends.
    pub(super) fn take(directory: PathBuf) -> Result<Self, EngineError> {
        let no =
            |error: io::Error| EngineError::system(format_args!("cannot use {}", directory.display()), error);
        for part in [SANDBOXES, LOGS] {
            fs::create_dir_all(directory.join(part)).map_err(no)?;
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(directory.join("lock"))
            .map_err(no)?;
        let give_up = Instant::now() + PATIENCE;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { directory, lock }),
                Err(Errno::WOULDBLOCK) if Instant::now() < give_up => thread::sleep(PAUSE),
                Err(Errno::WOULDBLOCK) => return Err(in_use(&directory)),
                Err(error) => return Err(no(error.into())),
            }
        }
    }

    /// Every sandbox that runs, or ran when its host was ended.
    pub(super) fn all(&self) -> io::Result<Vec<Record>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.directory.join(SANDBOXES))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                found.extend(read(&path)?);
            }
        }
        Ok(found)
    }

    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        write(&self.path(&record.name), record)
    }

    pub(super) fn remove(&self, name: &SandboxName) -> io::Result<()> {
        remove(&self.path(name))
    }

    /// Removes what an agent wrote.
    pub(super) fn remove_log(&self, name: &SandboxName) -> io::Result<()> {
        let log = self.log(name);
        remove(&log.with_extension(OLD)).and_then(|()| remove(&log))
    }

    /// What the host before this one made outside.
    pub(super) fn outside(&self) -> io::Result<Option<Outside>> {
        read(&self.directory.join(OUTSIDE))
    }

    pub(super) fn write_outside(&self, outside: &Outside) -> io::Result<()> {
        write(&self.directory.join(OUTSIDE), outside)
    }

    pub(super) fn remove_outside(&self) -> io::Result<()> {
        remove(&self.directory.join(OUTSIDE))
    }

    /// Where the sandboxes' sockets are.
    pub(super) fn sockets(&self) -> PathBuf {
        self.directory.join("sockets")
    }

    /// What the agent of a sandbox writes, out of its own reach.
    pub(super) fn log(&self, name: &SandboxName) -> PathBuf {
        self.directory.join(LOGS).join(format!("{name}.log"))
    }

    fn path(&self, name: &SandboxName) -> PathBuf {
        self.directory.join(SANDBOXES).join(format!("{name}.json"))
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        // A child on its way to its program has a copy of the descriptor; the lock must not wait for that.
        flock(&self.lock, FlockOperation::Unlock).ok();
    }
}

fn in_use(directory: &Path) -> EngineError {
    let what = format!("another host uses {}; stop it, or use another directory", directory.display());
    EngineError::new(EngineErrorKind::InUse, what)
}

/// What a file holds. One that cannot be understood is as good as none.
fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match serde_json::from_slice(&bytes) {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a record cannot be read and is left aside");
            Ok(None)
        }
    }
}

/// Writes a file whole or not at all.
fn write(path: &Path, what: &impl Serialize) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(what)?)?;
    fs::rename(new, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

//! What the engine writes down, so that the next host finds what this one left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reveille_wire::SandboxName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::life::Mark;
use super::limits::Bound;
use super::log::OLD;
use super::process::Process;
use super::{EngineError, Namespaces};
use crate::engine::Memory;

/// What is remembered, and the engine's directory for what need not be.
#[derive(Debug)]
pub(super) struct Records {
    memory: Arc<dyn Memory>,
    directory: PathBuf,
}

/// One sandbox that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: SandboxName,
    /// What runs. Hosts that kept this in files wrote down also what did not.
    pub(super) trace: Option<Trace>,
}

/// By what a running sandbox can be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trace {
    /// Where the agent's number means something.
    pub(super) world: String,
    pub(super) agent: Process,
    pub(super) cgroup: Option<PathBuf>,
    #[serde(default)]
    pub(super) bound: Bound,
    pub(super) mark: Mark,
    /// What it has of its own; none where the host that wrote this let nothing live beyond it.
    #[serde(default)]
    pub(super) beyond: Option<Namespaces>,
}

/// What a host makes outside its directory. Written down before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outside {
    pub(super) cgroups: Option<PathBuf>,
    /// What earlier hosts have made, in which sandboxes are that were taken over.
    #[serde(default)]
    pub(super) earlier: Vec<PathBuf>,
    /// What bounds sandboxes besides, of this host and of earlier ones.
    #[serde(default)]
    pub(super) limits: Vec<PathBuf>,
}

/// The note of what is outside.
const OUTSIDE: &str = "outside";
/// How the keys of the notes of sandboxes begin.
const SANDBOX: &str = "sandbox/";
/// How the keys begin of notes that could not be read.
const ASIDE: &str = "aside/";

const LOGS: &str = "logs";

impl Records {
    /// Opens what is remembered.
    pub(super) fn open(directory: PathBuf, memory: Arc<dyn Memory>) -> Result<Self, EngineError> {
        fs::create_dir_all(directory.join(LOGS)).map_err(|error| {
            EngineError::system(format_args!("cannot use {}", directory.display()), error)
        })?;
        Ok(Self { memory, directory })
    }

    /// Every sandbox that runs, or ran when its host was ended.
    pub(super) fn all(&self) -> io::Result<Vec<Record>> {
        let mut found = Vec::new();
        for (key, note) in self.memory.notes() {
            if key.starts_with(SANDBOX) {
                found.extend(self.read(&key, note)?);
            }
        }
        Ok(found)
    }

    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        self.memory.keep(&key(&record.name), serde_json::to_vec(record)?)
    }

    pub(super) fn remove(&self, name: &SandboxName) -> io::Result<()> {
        self.memory.forget(&[key(name)])
    }

    /// Forgets sandboxes that have ended.
    pub(super) fn remove_ended<'a>(&self, names: impl Iterator<Item = &'a SandboxName>) -> io::Result<()> {
        self.memory.forget(&names.map(key).collect::<Vec<_>>())
    }

    /// Forgets sandboxes that have ended, and what was made outside.
    pub(super) fn remove_all<'a>(&self, names: impl Iterator<Item = &'a SandboxName>) -> io::Result<()> {
        let keys: Vec<String> = names.map(key).chain([OUTSIDE.to_owned()]).collect();
        self.memory.forget(&keys)
    }

    /// Removes what an agent wrote, and through what.
    pub(super) fn remove_log(&self, name: &SandboxName) -> io::Result<()> {
        let log = self.log(name);
        [log.with_extension(OLD), log, self.outlet(name)].iter().try_for_each(|file| remove(file))
    }

    /// What the host before this one made outside.
    pub(super) fn outside(&self) -> io::Result<Option<Outside>> {
        let note = self.memory.notes().into_iter().find(|(key, _)| key == OUTSIDE);
        note.map_or(Ok(None), |(key, note)| self.read(&key, note))
    }

    pub(super) fn write_outside(&self, outside: &Outside) -> io::Result<()> {
        self.memory.keep(OUTSIDE, serde_json::to_vec(outside)?)
    }

    /// The engine's directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the sandboxes' sockets are.
    pub(super) fn sockets(&self) -> PathBuf {
        self.directory.join("sockets")
    }

    /// What the agent of a sandbox writes, out of its own reach.
    pub(super) fn log(&self, name: &SandboxName) -> PathBuf {
        self.directory.join(LOGS).join(format!("{name}.log"))
    }

    /// Through what an agent writes there, whether a host is there or not.
    pub(super) fn outlet(&self, name: &SandboxName) -> PathBuf {
        self.directory.join(LOGS).join(format!("{name}.pipe"))
    }

    /// What a note says. One that cannot be understood is set aside, so that nothing is written over it.
    fn read<T: DeserializeOwned>(&self, key: &str, note: Vec<u8>) -> io::Result<Option<T>> {
        match serde_json::from_slice(&note) {
            Ok(found) => Ok(Some(found)),
            Err(error) => {
                tracing::warn!(key, %error, "a note of the engine cannot be read and is set aside");
                self.memory.keep(&format!("{ASIDE}{key}"), note)?;
                self.memory.forget(&[key.to_owned()])?;
                Ok(None)
            }
        }
    }
}

fn key(name: &SandboxName) -> String {
    format!("{SANDBOX}{name}")
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

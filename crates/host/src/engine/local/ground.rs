//! What all sandboxes of an engine stand on.

use std::path::PathBuf;
use std::time::Duration;

use reveille_wire::SandboxName;
use tokio::sync::broadcast;

use super::cgroup::Cgroup;
use super::ladder::OwnRoot;
use super::limits::Limits;
use super::prepared::Prepared;
use super::record::Records;
use super::snapshots::Snapshots;
use super::sockets::Sockets;
use super::volumes::Volumes;
use super::{AgentCommand, Lifetime};
use crate::egress::Egress;
use crate::engine::{Change, EngineError, Landlock, Namespaces, SnapshotId};

/// What all sandboxes of an engine stand on.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) agent: AgentCommand,
    pub(super) namespaces: Namespaces,
    pub(super) landlock: Landlock,
    /// What the roots of sandboxes have in common, where they have their own.
    pub(super) own_root: Option<OwnRoot>,
    /// What answers the proxies of sandboxes that have a network of their own.
    pub(super) egress: Egress,
    pub(super) cgroups: Option<Cgroup>,
    /// Those of earlier hosts, in which sandboxes are that were taken over.
    pub(super) earlier_cgroups: Vec<Cgroup>,
    pub(super) limits: Limits,
    /// What bounds sandboxes besides that were taken over.
    pub(super) earlier_limits: Vec<PathBuf>,
    pub(super) lifetime: Lifetime,
    pub(super) give_back_after: Option<Duration>,
    pub(super) sockets: Sockets,
    pub(super) records: Records,
    /// Where the sandboxes' directories are.
    pub(super) sandboxes: PathBuf,
    pub(super) drives: PathBuf,
    pub(super) volumes: Volumes,
    pub(super) prepared: Prepared,
    pub(super) images: PathBuf,
    pub(super) snapshots: Snapshots,
    pub(super) changes: broadcast::Sender<Change>,
}

impl Ground {
    /// Where a sandbox keeps what it keeps.
    pub(super) fn directory(&self, name: &SandboxName) -> PathBuf {
        self.sandboxes.join(name.as_str())
    }

    /// Copies what a sandbox keeps. Whoever calls this sees to it that it stands still.
    pub(super) fn take_snapshot(&self, name: &SandboxName, id: &SnapshotId) -> Result<(), EngineError> {
        let what = || format!("the files of sandbox {name} cannot be copied");
        let directory = self.directory(name);
        std::fs::create_dir_all(&directory)
            .and_then(|()| self.snapshots.take(id, &directory))
            .map_err(|error| EngineError::system(what(), error))
    }

    /// Lays a snapshot in place of what a sandbox keeps, of which nothing runs.
    pub(super) fn lay_snapshot(&self, name: &SandboxName, id: &SnapshotId) -> Result<(), EngineError> {
        let what = || format!("sandbox {name} cannot get the files of the snapshot {id}");
        self.snapshots.lay(id, &self.directory(name)).map_err(|error| EngineError::system(what(), error))
    }
}

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Limiters;

/// What keeps sandboxes apart on this machine, and how they sleep.
///
/// Chosen once, when an engine starts, by trying it. What is missing is said with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Isolation {
    /// The namespaces that every sandbox has of its own.
    pub namespaces: Namespaces,
    /// What the kernel's Landlock keeps from the programs of a sandbox besides.
    pub landlock: Landlock,
    /// How a sandbox is stopped while it sleeps.
    pub freezer: Freezer,
    /// What sees to it that a sandbox uses no more than it may.
    pub limits: Limiters,
    /// What a better choice would have needed, one line each; empty when nothing is missing.
    pub missing: Vec<String>,
}

/// The namespaces that a sandbox has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Namespaces {
    /// All there are, with a network and a root of its own: nothing of the machine is seen but its programs, nothing
    /// of other sandboxes, and nothing outlives its sandbox.
    All,
    /// User, mount and process ids: drives can be mounted, and nothing outlives its sandbox.
    UserMountPid,
    /// User and mount: drives can be mounted.
    UserMount,
    /// Mount and process ids, where root has no user namespaces: drives can be mounted, and nothing outlives
    /// its sandbox.
    MountPid,
    /// Mount, where root has no user namespaces: drives can be mounted.
    Mount,
    /// None: a plain tree of processes, without drives.
    None,
}

/// What Landlock keeps from the programs of a sandbox (landlock(7)): all but its agent are in a domain.
///
/// It is a second wall behind namespaces and capabilities, and the only one round the abstract sockets of the machine in a
/// sandbox that has the machine's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Landlock {
    /// They mount nothing, make no device nodes, control no devices but those in `/dev`, and look into no process
    /// outside the domain; nor do they send signals to one, or reach its abstract sockets. Since Linux 6.12, the
    /// interface's version 6.
    Scoped,
    /// The same but for signals and abstract sockets, and before Linux 6.10 (version 5) devices, which other walls stand
    /// round alone. Since Linux 5.19, version 2: before it a domain moves no file between directories.
    Unscoped,
    /// There is no domain.
    None,
}

/// What stops the processes of a sandbox while it sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Freezer {
    /// A cgroup (version 2) of its own. Nothing in the sandbox notices.
    Cgroup,
    /// SIGSTOP to every process of its tree. A program that watches its children can notice.
    Signals,
}

impl Isolation {
    /// What an engine has chosen, and what a better choice would have needed. Nothing is bound, and nothing in a domain.
    #[must_use]
    pub fn new(namespaces: Namespaces, freezer: Freezer, missing: Vec<String>) -> Self {
        Self { namespaces, landlock: Landlock::None, freezer, limits: Limiters::NONE, missing }
    }

    /// The same with this of Landlock.
    #[must_use]
    pub fn with_landlock(mut self, landlock: Landlock) -> Self {
        self.landlock = landlock;
        self
    }

    /// The same with these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limiters) -> Self {
        self.limits = limits;
        self
    }
}

impl Namespaces {
    /// Whether a sandbox can mount drives.
    #[must_use]
    pub fn can_mount(self) -> bool {
        self != Self::None
    }

    /// Whether a sandbox has users of its own.
    #[must_use]
    pub fn has_user(self) -> bool {
        matches!(self, Self::All | Self::UserMountPid | Self::UserMount)
    }

    /// Whether a sandbox has a network and a root of its own.
    #[must_use]
    pub fn is_apart(self) -> bool {
        self == Self::All
    }

    /// Whether a sandbox has process ids of its own, so that everything in it ends with its agent.
    #[must_use]
    pub fn has_pid(self) -> bool {
        matches!(self, Self::All | Self::UserMountPid | Self::MountPid)
    }
}

impl fmt::Display for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "apart: a root, a network and all namespaces of its own",
            Self::UserMountPid => "own user, mount and pid namespaces",
            Self::UserMount => "own user and mount namespaces",
            Self::MountPid => "own mount and pid namespaces",
            Self::Mount => "an own mount namespace",
            Self::None => "a plain tree of processes without drives",
        })
    }
}

impl fmt::Display for Landlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scoped => "programs in a Landlock domain",
            Self::Unscoped => "programs in a Landlock domain that keeps no signals in",
            Self::None => "no Landlock domain",
        })
    }
}

impl fmt::Display for Freezer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cgroup => "sleeps in a cgroup",
            Self::Signals => "sleeps by SIGSTOP",
        })
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}, {}", self.namespaces, self.landlock, self.freezer, self.limits)?;
        if self.missing.is_empty() {
            return Ok(());
        }
        write!(f, " (missing: {})", self.missing.join("; "))
    }
}

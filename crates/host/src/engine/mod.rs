//! What runs sandboxes, puts them to sleep and wakes them.
//!
//! The gateway, the wake path and the control plane know only this page. Another engine can be a cluster, where
//! waking takes seconds and can fail half-way, where somebody else may put a sandbox to sleep or wake it, and
//! which may not answer at all. So state is asked for and watched, and asking can fail; waking ends in an
//! [`Address`] or in an error that says why; an address belongs to one waking; and every command has a
//! [`Generation`], so that one that comes late changes nothing.

mod error;
mod generation;
mod id;
mod image;
mod isolation;
mod limits;
mod local;
mod memory;
mod snapshot;

use std::fmt;
use std::path::PathBuf;

use futures_util::future::BoxFuture;
use reveille_wire::{DriveName, MountPath, SandboxName};
use tokio::sync::broadcast;

use crate::egress::{Domains, Policy};

pub use error::{EngineError, EngineErrorKind};
pub use generation::{Generation, Issuer};
pub use image::ImageId;
pub use isolation::{Freezer, Isolation, Landlock, Namespaces};
pub use limits::{Allowance, Cpus, Limiter, Limiters};
pub(crate) use local::remove_directory;
pub use local::{AgentCommand, Lifetime, LocalEngine, LocalEngineSettings};
pub use memory::Memory;
pub use snapshot::SnapshotId;

/// A thing that can run sandboxes.
///
/// Every command can be late, fail, or be overtaken by another; dropping its future gives up waiting for it and
/// does not undo it. A command whose generation is earlier than one that the engine has accepted for the same
/// sandbox has no effect, however late it comes and also when the sandbox is gone: it ends in
/// [`EngineErrorKind::Overtaken`]. One that ends otherwise has been accepted, unless the engine was
/// [`EngineErrorKind::Unreachable`] or is shutting down.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// What keeps sandboxes apart here, and how they sleep. Said at start and in every record.
    fn isolation(&self) -> &Isolation;

    /// Makes a sandbox and starts its agent; ends when the agent answers. Files that one of this name kept when
    /// it ended by itself are there again; those of a deleted one never are.
    fn create(&self, plan: Plan, generation: Generation) -> BoxFuture<'_, Result<Address, EngineError>>;

    /// Puts a sandbox to sleep; ends when nothing in it runs any more. A sleeping one stays as it is.
    fn sleep<'a>(
        &'a self,
        name: &'a SandboxName,
        generation: Generation,
    ) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Wakes a sandbox; ends when its agent can be reached. One that is awake answers with where it is.
    fn wake<'a>(
        &'a self,
        name: &'a SandboxName,
        generation: Generation,
    ) -> BoxFuture<'a, Result<Address, EngineError>>;

    /// What is true of a sandbox now.
    ///
    /// # Errors
    /// When the engine cannot say. That is not an absence.
    fn condition<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<Known, EngineError>>;

    /// What changes without having been asked for here, such as an agent that ends, or a sandbox that somebody
    /// else wakes or puts to sleep.
    fn changes(&self) -> broadcast::Receiver<Change>;

    /// Ends a sandbox and everything in it, and removes what it kept. One that is not there is no error, but
    /// its generation counts all the same.
    fn delete<'a>(
        &'a self,
        name: &'a SandboxName,
        generation: Generation,
    ) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Makes the newest agent what an upgrade of a sandbox finds. An engine whose sandboxes find it by themselves has
    /// nothing to do.
    fn renew_agent<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<(), EngineError>> {
        let _ = name;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Changes what a sandbox that is there reaches of the outside, at once: what is open and not allowed any more is
    /// cut. One of which nothing runs is no error; its next start says what it reaches.
    ///
    /// # Errors
    /// When it cannot be changed while the sandbox runs, of the kind [`EngineErrorKind::Unsupported`].
    fn change_network<'a>(
        &'a self,
        _name: &'a SandboxName,
        _network: Network,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let what = "this engine cannot change what a sandbox reaches while it runs";
        Box::pin(std::future::ready(Err(EngineError::new(EngineErrorKind::Unsupported, what))))
    }

    /// Changes what a sandbox that is there may use, at once where the whole of it is bound together. One of which
    /// nothing runs is no error; its next start says what it may use.
    ///
    /// # Errors
    /// When it cannot be changed while the sandbox runs, as when that uses more: of the kind
    /// [`EngineErrorKind::Unsupported`]. Then it may use what it might before.
    fn change_allowance<'a>(
        &'a self,
        _name: &'a SandboxName,
        _allowance: Allowance,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let what = "this engine cannot change what a sandbox may use while it runs";
        Box::pin(std::future::ready(Err(EngineError::new(EngineErrorKind::Unsupported, what))))
    }

    /// Sees to it that a volume holds so many MiB and, where [`Limiters::disk`] says so, no more. One that is not there
    /// is made, empty; none gets less than it had. One that a sandbox has attached may grow when it is attached next.
    ///
    /// # Errors
    /// When there is no room for it, or it cannot be made or grown: then it is as before, and may grow later.
    fn size_volume<'a>(
        &'a self,
        _name: &'a DriveName,
        _megabytes: u64,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        // One that binds none makes them when they are attached.
        Box::pin(std::future::ready(Ok(())))
    }

    /// Copies what a sandbox keeps on disk, as it is at one moment. What runs in it stands still for that and goes on;
    /// it is no part of the snapshot.
    ///
    /// # Errors
    /// When it cannot be copied, of the kind [`EngineErrorKind::Unsupported`] where an engine has no snapshots.
    fn snapshot<'a>(
        &'a self,
        _name: &'a SandboxName,
        _id: &'a SnapshotId,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        no_snapshots()
    }

    /// Lays a snapshot in place of what a sandbox keeps on disk; what ran in it has ended then. The sandbox can be
    /// one that is not there: what is made of its name next has these files.
    ///
    /// # Errors
    /// As [`Engine::snapshot`]; then what it kept is as before.
    fn restore<'a>(
        &'a self,
        _name: &'a SandboxName,
        _id: &'a SnapshotId,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        no_snapshots()
    }

    /// Removes a snapshot. One that is not there is no error.
    fn forget<'a>(&'a self, _id: &'a SnapshotId) -> BoxFuture<'a, Result<(), EngineError>> {
        no_snapshots()
    }

    /// Lets go of every sandbox and leaves them as they are, for the next host; no command is carried out any
    /// more.
    ///
    /// # Errors
    /// When the engine's sandboxes cannot outlive it, of the kind [`EngineErrorKind::Unsupported`]; then nothing
    /// has happened.
    fn detach(&self) -> BoxFuture<'_, Result<(), EngineError>>;

    /// Ends every sandbox; what they keep on disk stays.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

fn no_snapshots<'a>() -> BoxFuture<'a, Result<(), EngineError>> {
    let error = EngineError::new(EngineErrorKind::Unsupported, "this engine has no snapshots");
    Box::pin(std::future::ready(Err(error)))
}

/// What a sandbox is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Its name.
    pub name: SandboxName,
    /// Variables for everything that runs in it.
    pub environment: Vec<(String, String)>,
    /// What it reaches of the outside, where the engine keeps networks apart.
    pub network: Network,
    /// What is mounted in it before anything runs, in this order.
    pub attachments: Vec<Attachment>,
    /// What its root is made of.
    pub base: Base,
    /// What it may use.
    pub allowance: Allowance,
}

/// What the root of a sandbox is made of. Its own layer lies over it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Base {
    /// The programs of the machine that it runs on.
    #[default]
    Machine,
    /// An image, and nothing of the machine.
    Image {
        /// Which.
        id: ImageId,
        /// Its variables; the plan's own come before them.
        environment: Vec<(String, String)>,
        /// Where commands begin, where the image says so.
        directory: Option<String>,
        /// Who they run as, where the image says so: `name`, `1000`, either with `:group`.
        user: Option<String>,
    },
}

/// Something that is mounted in a sandbox for as long as it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Where it is in the sandbox.
    pub path: MountPath,
    /// What it is.
    pub what: Attached,
}

/// What can be attached to a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attached {
    /// A volume, which has a life of its own. One that has nothing yet is empty.
    Volume {
        /// Its name.
        name: DriveName,
        /// Whether the sandbox may change it.
        access: Access,
    },
    /// An empty place, gone when the sandbox's processes end.
    Scratch {
        /// How much fits into it, in MB.
        megabytes: u64,
    },
}

/// What may be done with something that is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It can be read.
    ReadOnly,
    /// It can be read and changed.
    ReadWrite,
}

/// What a sandbox reaches of the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// Nothing but itself.
    None,
    /// What this allows, through a proxy that its programs find in `HTTP_PROXY` and `HTTPS_PROXY`.
    Proxied(Policy),
    /// Everything that the machine reaches, and the machine: it has no network of its own.
    Machine,
}

impl Default for Network {
    fn default() -> Self {
        Self::Proxied(Domains::all().into())
    }
}

impl Plan {
    /// A sandbox without variables.
    #[must_use]
    pub fn new(name: SandboxName) -> Self {
        Self {
            name,
            environment: Vec::new(),
            network: Network::default(),
            attachments: Vec::new(),
            base: Base::Machine,
            allowance: Allowance::default(),
        }
    }

    /// The same with these variables for everything that runs in it.
    #[must_use]
    pub fn with_environment(mut self, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = environment.into_iter().collect();
        self
    }

    /// The same with these attached.
    #[must_use]
    pub fn with_attachments(mut self, attachments: impl IntoIterator<Item = Attachment>) -> Self {
        self.attachments = attachments.into_iter().collect();
        self
    }

    /// The same, made of this.
    #[must_use]
    pub fn with_base(mut self, base: Base) -> Self {
        self.base = base;
        self
    }

    /// The same with this much to use.
    #[must_use]
    pub fn with_allowance(mut self, allowance: Allowance) -> Self {
        self.allowance = allowance;
        self
    }

    /// The same, reaching this of the outside.
    #[must_use]
    pub fn with_network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }
}

/// Where the agent of an awake sandbox listens. Good for one waking only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A unix socket on this machine.
    Unix(PathBuf),
    /// A TCP address.
    Tcp(std::net::SocketAddr),
}

/// What an engine knows of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What is true of it.
    pub condition: Condition,
    /// The latest generation that the engine has accepted for it, or [`Generation::NONE`].
    pub generation: Generation,
}

/// What is true of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// It runs, and its agent is here.
    Awake(Address),
    /// It sleeps.
    Asleep,
    /// It ended by itself, for this reason.
    Ended(String),
    /// The engine has none of that name.
    Absent,
}

/// A change that nobody here asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of which sandbox.
    pub name: SandboxName,
    /// What is true of it since then. News of an earlier generation than the host's last command is no news.
    pub known: Known,
}

//! What runs sandboxes, puts them to sleep and wakes them.
//!
//! The gateway, the wake path and the control plane know only this page. Another engine can be a cluster, where
//! waking takes seconds and can fail half-way, and where somebody else may put a sandbox to sleep: so state is
//! asked for and watched, waking ends in an [`Address`] or in an error that says why, and an address belongs to
//! one waking.

mod error;
mod isolation;
mod local;

use std::fmt;
use std::path::PathBuf;

use futures_util::future::BoxFuture;
use reveille_wire::SandboxName;
use tokio::sync::broadcast;

pub use error::{EngineError, EngineErrorKind};
pub use isolation::{Freezer, Isolation, Namespaces};
pub use local::{AgentCommand, LocalEngine, LocalEngineSettings};

/// A thing that can run sandboxes.
///
/// Every request can be late, fail, or be overtaken by another; dropping its future gives up waiting for it and
/// does not undo it.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// What keeps sandboxes apart here, and how they sleep. Said at start and in every record.
    fn isolation(&self) -> &Isolation;

    /// Makes a sandbox and starts its agent; ends when the agent answers.
    fn create(&self, plan: Plan) -> BoxFuture<'_, Result<Address, EngineError>>;

    /// Puts a sandbox to sleep; ends when nothing in it runs any more. A sleeping one stays as it is.
    fn sleep<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Wakes a sandbox; ends when its agent can be reached. One that is awake answers with where it is.
    fn wake<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<Address, EngineError>>;

    /// What is true of a sandbox now.
    fn condition<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Condition>;

    /// What changes without having been asked for here, such as an agent that ends.
    fn changes(&self) -> broadcast::Receiver<Change>;

    /// Ends a sandbox and everything in it, and removes what it kept.
    fn delete<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Ends every sandbox; what they keep on disk stays.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// What a sandbox is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub name: SandboxName,
    /// A directory of its own, made and kept by the engine.
    pub directory: PathBuf,
    /// Where the host keeps the drives that may be mounted into it, one directory each.
    pub drives: PathBuf,
    /// Variables for everything that runs in it.
    pub environment: Vec<(String, String)>,
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
    /// What it is now.
    pub condition: Condition,
}

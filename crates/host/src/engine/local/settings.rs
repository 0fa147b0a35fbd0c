use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use reveille_wire::SandboxName;

use super::{Freezer, Namespaces};
use crate::egress::Doors;

/// How an agent is started: a program and the arguments before the agent's own flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCommand {
    /// The program; an absolute path.
    pub program: PathBuf,
    /// What comes before the flags, such as `agent`.
    pub arguments: Vec<OsString>,
}

/// How long what runs in sandboxes lives, where nobody ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lifetime {
    /// As long as the engine's process: it ends with it, however that ends, and the next one ends what is left.
    #[default]
    OfTheHost,
    /// Beyond it: what an engine has let go of, or has left when it was killed, the next one in the same directory
    /// takes over, awake or asleep.
    BeyondTheHost,
}

/// What a [`LocalEngine`](super::LocalEngine) needs to know.
#[derive(Debug, Clone)]
pub struct LocalEngineSettings {
    /// How an agent is started.
    pub agent: AgentCommand,
    /// A directory for the engine's own: logs, sockets, the agent's program. One engine at a time may use it.
    pub directory: PathBuf,
    /// Where the sandboxes keep their files, in a directory each, called as they are.
    pub sandboxes: PathBuf,
    /// Where the drives are that may be mounted, one directory each.
    pub drives: PathBuf,
    /// Where the volumes are that may be attached, one directory each.
    pub volumes: PathBuf,
    /// Where the images are, one root each.
    pub images: PathBuf,
    /// Where the snapshots are.
    pub snapshots: PathBuf,
    /// Where the authority is kept whose certificates sandboxes meet where a route leads.
    pub authority: PathBuf,
    /// The host's own previews, where sandboxes are to reach them.
    pub doors: Option<Doors>,
    /// After how long asleep a sandbox gives back what it can of its memory; none: it keeps it.
    pub give_back_after: Option<Duration>,
    /// Only these namespaces are tried; none: the best that the machine allows.
    pub namespaces: Option<Namespaces>,
    /// Only this freezer is tried; none: the best that the machine allows.
    pub freezer: Option<Freezer>,
    /// How long what runs in sandboxes lives.
    pub lifetime: Lifetime,
    /// The sandboxes that can be asked for: what an earlier host has left and is none of them is ended. None: any can.
    pub known: Option<HashSet<SandboxName>>,
}

impl LocalEngineSettings {
    /// The best that the machine allows, with everything in `directory`.
    #[must_use]
    pub fn new(agent: AgentCommand, directory: PathBuf) -> Self {
        let (sandboxes, drives) = (directory.join("boxes"), directory.join("drives"));
        let (volumes, images) = (directory.join("volumes"), directory.join("images"));
        let (snapshots, authority) = (directory.join("snapshots"), directory.join("authority"));
        Self {
            agent,
            directory,
            sandboxes,
            drives,
            volumes,
            images,
            snapshots,
            authority,
            doors: None,
            give_back_after: None,
            namespaces: None,
            freezer: None,
            lifetime: Lifetime::default(),
            known: None,
        }
    }
}

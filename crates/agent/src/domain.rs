//! The Landlock domain that whatever the agent starts is in, and the agent is not: it mounts drives, which nobody in a
//! domain may.
//!
//! A domain belongs to a thread and to what comes from it (landlock(7)). So one thread enters it, once, and everything
//! is started from there: what it starts has one domain in common, in which programs reach each other as before.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use landlock::{
    AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
    make_bitflags,
};

/// What programs of all kinds do without. What is not among these is not looked at, and costs nothing.
///
/// Moving files between directories is among them because every domain forbids it where that is not said.
const HANDLED: BitFlags<AccessFs> = make_bitflags!(AccessFs::{MakeChar | MakeBlock | Refer | IoctlDev});

/// Neither signals nor connections to abstract sockets leave the domain.
const SCOPES: BitFlags<Scope> = make_bitflags!(Scope::{Signal | AbstractUnixSocket});

/// What keeps programs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confinement {
    /// A domain, as far as this kernel's has what is asked of it.
    Landlock,
    /// Nothing that the agent would see to.
    None,
}

/// From where programs are started.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    /// Where the thread that is in it takes its work from.
    thread: Option<Sender<Start>>,
}

type Start = Box<dyn FnOnce() + Send>;

impl Domain {
    /// Makes it.
    ///
    /// # Errors
    /// When there is to be one, and the kernel refuses.
    pub(crate) fn new(confinement: Confinement) -> io::Result<Self> {
        match confinement {
            Confinement::None => Ok(Self { thread: None }),
            Confinement::Landlock => Self::with_thread().map(|thread| Self { thread: Some(thread) }),
        }
    }

    fn with_thread() -> io::Result<Sender<Start>> {
        let (sender, starts): (_, Receiver<Start>) = channel();
        let (tell, told) = channel();
        thread::Builder::new().name("domain".to_owned()).spawn(move || {
            let entered = enter();
            let is_in = entered.is_ok();
            // Whoever asked waits for it.
            let _heard = tell.send(entered);
            if is_in {
                starts.iter().for_each(|start| start());
            }
        })?;
        told.recv().map_err(io::Error::other)?.map(|()| sender)
    }

    /// Does what starts a program. It blocks for as long as that takes.
    ///
    /// # Errors
    /// When nobody is left to do it.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        start: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let Some(thread) = &self.thread else { return start() };
        let (tell, told) = channel();
        let start = Box::new(move || {
            // Whoever asked waits for it.
            let _heard = tell.send(start());
        });
        thread.send(start).map_err(|_| gone())?;
        told.recv().map_err(|_| gone())?
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that programs are started from has ended")
}

/// Puts this thread into a domain. Of what an older kernel does not know it leaves out what it must.
fn enter() -> io::Result<()> {
    let (root, devices) = (PathFd::new("/"), PathFd::new("/dev"));
    restrict(root.map_err(io::Error::other)?, devices.map_err(io::Error::other)?).map_err(io::Error::other)
}

fn restrict(root: PathFd, devices: PathFd) -> Result<(), RulesetError> {
    Ruleset::default()
        .handle_access(HANDLED)?
        .scope(SCOPES)?
        .create()?
        .add_rule(PathBeneath::new(root, AccessFs::Refer))?
        .add_rule(PathBeneath::new(devices, AccessFs::IoctlDev))?
        .restrict_self()
        .map(drop)
}

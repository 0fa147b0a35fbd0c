//! Starts a process in namespaces of its own.
//!
//! One `clone(2)` makes the process and its namespaces, so that the agent is this host's direct child and the
//! first process of its pid namespace. The child waits at a gate until its parent has written the id maps and
//! put it into its cgroup; a parent that dies first closes the gate, and the child ends.
//!
//! What stands apart gets a second user namespace within the first, in which its mounts are locked.
//!
//! As root every id of the host means itself inside, so files keep their owners. As an ordinary user only the
//! user's own id does, and the agent gets `CAP_SYS_ADMIN` over its own namespaces, and nothing else, as an
//! ambient capability: it can mount drives and stays who it is. Mapping the user to root instead would make
//! every program believe that it is root, and many behave differently then.

mod child;
mod cloning;
mod ids;
mod locked;
mod network;
mod privilege;
mod step;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::Namespaces;
use super::cgroup::Cgroup;
use super::root::Root;
use crate::egress::Listeners;
use child::Image;
use cloning::{Cloned, clone};
use step::{read_report, wait_until_alone};

pub(super) use network::{PROXY_PORT, reopen};

/// What becomes of a child that has come as far as its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Run,
    /// It ends: that it came this far was the question.
    Try,
}

/// Whose network something has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Own {
        /// The port on its loopback at which the host's previews are, where they are to be.
        doors: Option<u16>,
    },
    Machines,
}

impl Whose {
    fn is_own(self) -> bool {
        matches!(self, Self::Own { .. })
    }
}

/// What to start.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) namespaces: Namespaces,
    /// Whose network it has, where it stands apart.
    pub(super) network: Whose,
    /// Its own root, where it has one.
    pub(super) root: Option<Root>,
    /// What it calls the machine that it is on, where it has a name of its own.
    pub(super) hostname: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) directory: PathBuf,
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
    pub(super) end: End,
    pub(super) cgroups: Cgroups,
}

/// The cgroups that a process is in before it runs any program.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    /// The one of version 2.
    pub(super) version_2: Option<Cgroup>,
    /// Those of version 1.
    pub(super) version_1: Vec<PathBuf>,
}

/// What becomes of a process when the thread that has started it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    WithParent,
    ByItself,
}

/// A process that was started.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) pid: i32,
    /// Where it asks for the outside, on its own loopback; where it has a network of its own.
    pub(super) way_out: Option<Listeners>,
}

/// Starts a process. `arranged` is told its number before it runs any program, and can still refuse.
///
/// Until it runs its program the process ends when its parent has ended.
///
/// # Errors
/// When the machine refuses at any step; nothing is left running then.
pub(super) fn launch(launch: Launch, arranged: impl FnOnce(i32) -> io::Result<()>) -> io::Result<Launched> {
    start(launch, Purpose::Run, arranged)
}

/// Tries whether this machine starts processes in these namespaces, with this root. `arranged` is called as by
/// [`launch`].
///
/// # Errors
/// When the machine refuses at any step.
pub(super) fn try_out(
    namespaces: Namespaces,
    root: Option<Root>,
    arranged: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<()> {
    let nothing = || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from);
    let trial = Launch {
        namespaces,
        network: Whose::Own { doors: None },
        root,
        hostname: "trial".to_owned(),
        program: PathBuf::from("/"),
        arguments: Vec::new(),
        environment: Vec::new(),
        directory: PathBuf::from("/"),
        input: nothing()?,
        output: nothing()?,
        end: End::WithParent,
        cgroups: Cgroups::default(),
    };
    let tried = start(trial, Purpose::Try, arranged)?;
    end_child(tried.pid);
    Ok(())
}

fn start(
    launch: Launch,
    purpose: Purpose,
    arranged: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<Launched> {
    let (namespaces, network) = (launch.namespaces, launch.network);
    let has_network = namespaces.is_apart() && network.is_own();
    let (sent, received) = network::pair()?;
    let image = Image::new(launch, purpose, sent)?;
    let (gate, opener) = io::pipe()?;
    let (mut reports, reporter) = io::pipe()?;
    let Cloned { pid, late_for } = clone(&image, network, &gate, &reporter)?;
    drop((gate, reporter));
    // Only then it may be frozen: from now on it holds nothing of this process, and dies with it.
    let started = wait_until_alone(&mut reports, image.root())
        .and_then(|()| late_for.map_or(Ok(()), |cgroup| cgroup.add(pid)))
        .and_then(|()| open_gate(pid, &image, opener, arranged))
        .and_then(|()| read_report(reports, image.root()))
        .and_then(|()| if has_network { network::receive(&received).map(Some) } else { Ok(None) });
    match started {
        Ok(way_out) => Ok(Launched { pid, way_out }),
        Err(error) => {
            end_child(pid);
            Err(error)
        }
    }
}

fn open_gate(
    pid: i32,
    image: &Image,
    mut opener: PipeWriter,
    arranged: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<()> {
    if image.namespaces().has_user() {
        image.ids().map(pid).map_err(|error| step::told("mapping its user", &error))?;
    }
    arranged(pid)?;
    opener.write_all(&[1])
}

/// Ends a process that was started and not waited for.
pub(super) fn end_child(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    // It is our child and not reaped yet, so the number is still its own.
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).ok();
    nix::sys::wait::waitpid(pid, None).ok();
}

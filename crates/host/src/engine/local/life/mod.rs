//! One life of a sandbox: from the start of its agent to the agent's end.

mod inside;
mod taking_over;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use reveille_wire::SandboxName;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde::{Deserialize, Serialize};

use super::attending::{Attended, Ended, attend, end_rest, reap};
use super::cgroup::Cgroup;
use super::disk::{self, Mounts};
use super::ground::Ground;
use super::launch::{Cgroups, End, Launch, Whose, end_child, launch};
use super::limits::Bound;
use super::log::Log;
use super::outlet::Outlet;
use super::process::{Process, carrying, tree};
use super::root;
use super::signals::{self, Stopped};
use super::volumes::Volume;
use super::{Namespaces, Network};
use crate::egress::{Domains, WayOut};
use crate::engine::{Allowance, Attached, Attachment, Base};

use inside::{Inside, LoadedBy, arguments, environment, user};
pub(super) use taking_over::{Found, Rest};

/// How long anything may take to freeze, thaw or end.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// What a life begins with.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) name: SandboxName,
    pub(super) ground: Arc<Ground>,
    pub(super) cgroup: Option<Cgroup>,
    pub(super) bound: Bound,
    pub(super) mark: Mark,
    pub(super) listener: UnixListener,
    /// Where what the agent writes goes.
    pub(super) log: PathBuf,
    /// Through what it goes there.
    pub(super) outlet: PathBuf,
    pub(super) end: End,
    /// The sandbox's directory: its files are in `files`.
    pub(super) directory: PathBuf,
    pub(super) drives: PathBuf,
    pub(super) attachments: Vec<Attachment>,
    pub(super) base: Base,
    pub(super) environment: Vec<(String, String)>,
    pub(super) network: Network,
    pub(super) allowance: Allowance,
}

/// The value of a variable by which the processes of a life are found even when their agent is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark(String);

impl Mark {
    const NAME: &str = "REVEILLE_SANDBOX_ID";

    pub(super) fn new(id: &str) -> Self {
        Self(id.to_owned())
    }

    /// Whether a process carries it.
    pub(super) fn is_on(&self, process: Process) -> bool {
        process.carries(&format!("{}={}", Self::NAME, self.0))
    }

    /// Ends everything that carries it.
    pub(super) fn end(&self, limit: Duration) -> io::Result<()> {
        let give_up = Instant::now() + limit;
        loop {
            let found = carrying(&format!("{}={}", Self::NAME, self.0))?;
            if found.is_empty() {
                return Ok(());
            }
            for process in &found {
                process.signal(Signal::KILL)?;
            }
            if Instant::now() >= give_up {
                let what = format!("{} processes do not end", found.len());
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// It cannot have another network while it runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoChange;

/// A running agent and everything that came from it.
#[derive(Debug)]
pub(super) struct Life {
    agent: Process,
    /// Its way to the outside, for as long as it lives; none where it has the machine's network.
    way_out: Mutex<Option<WayOut>>,
    namespaces: Namespaces,
    cgroup: Option<Cgroup>,
    bound: Bound,
    stopped: Mutex<Option<Stopped>>,
    end: Mutex<Option<Ended>>,
    ended: Condvar,
    /// Written to when its thread is to let go of it.
    let_go: OwnedFd,
}

impl Life {
    /// Starts an agent. `before` is told of it before it runs; `after` gets the reason when it has ended and
    /// nothing of it is left.
    pub(super) fn begin(
        birth: Birth,
        before: impl FnOnce(Process) -> io::Result<()> + Send + 'static,
        after: impl FnOnce(&str) + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let (tell, told) = sync_channel(1);
        // An agent that dies with its host dies with the thread that started it, so each has its own, which then
        // waits for its end.
        thread_of_its_own(move || keep(birth, before, after, &tell))?;
        told.recv().map_err(io::Error::other)?
    }

    /// Lets go of it: it goes on, or sleeps on, without a host.
    pub(super) fn let_go(&self) {
        // There is room for one.
        rustix::io::write(&self.let_go, &1_u64.to_ne_bytes()).ok();
        *self.way_out() = None;
    }

    fn way_out(&self) -> MutexGuard<'_, Option<WayOut>> {
        self.way_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> MutexGuard<'_, Option<Stopped>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what it reaches of the outside.
    pub(super) fn change_network(&self, network: Network) -> Result<(), NoChange> {
        match (&*self.way_out(), network) {
            (Some(way_out), Network::Proxied(policy)) => way_out.change(policy),
            (Some(way_out), Network::None) => way_out.change(Domains::none().into()),
            (None, Network::Machine) => {}
            // Where the machine has no networks to give, none of them is kept apart.
            (None, _) if self.namespaces != Namespaces::All => {}
            (Some(_), Network::Machine) | (None, _) => return Err(NoChange),
        }
        Ok(())
    }

    /// Changes what it may use.
    pub(super) fn change_allowance(&self, allowance: &Allowance) -> io::Result<()> {
        self.bound.set(allowance)
    }

    /// Gives back what it can of the memory that it holds.
    pub(super) fn give_back(&self) -> io::Result<()> {
        self.bound.give_back()
    }

    /// Writes what is on its own disk, if it has one, into that disk's file.
    pub(super) fn write_back(&self, directory: &Path) -> io::Result<()> {
        disk::write_back(directory, self.agent.pid(), root::FILES)
    }

    /// Stops everything; ends when nothing runs any more.
    pub(super) fn freeze(&self) -> io::Result<()> {
        match &self.cgroup {
            Some(cgroup) => cgroup.freeze(LIMIT),
            None => {
                let stopped = signals::stop(self.agent, LIMIT)?;
                *self.stopped() = Some(stopped);
                Ok(())
            }
        }
    }

    /// Lets everything go on.
    pub(super) fn thaw(&self) -> io::Result<()> {
        if let Some(cgroup) = &self.cgroup {
            return cgroup.thaw(LIMIT);
        }
        let mut stopped = self.stopped();
        stopped.as_ref().map_or(Ok(()), signals::go_on)?;
        *stopped = None;
        Ok(())
    }

    /// Takes a waking back that failed, as far as that can be done.
    pub(super) fn stay_asleep(&self) {
        // The first error is the one to tell.
        match (&self.cgroup, &*self.stopped()) {
            (Some(cgroup), _) => cgroup.stay_frozen().ok(),
            (None, Some(stopped)) => signals::stop_again(stopped).ok(),
            (None, None) => None,
        };
    }

    /// Asks the agent to end everything and itself.
    pub(super) fn ask_to_end(&self) -> io::Result<()> {
        self.agent.signal(Signal::TERM).map(drop)
    }

    /// Ends everything at once, asleep or awake.
    pub(super) fn kill(&self) -> io::Result<()> {
        if self.namespaces.has_pid() {
            // The first process of a pid namespace takes the others with it.
            return self.agent.signal(Signal::KILL).map(drop);
        }
        if let Some(cgroup) = &self.cgroup {
            return cgroup.kill(LIMIT);
        }
        // What is stopped cannot fork while it is being killed. What does not stop is found by its mark.
        signals::stop(self.agent, LIMIT).ok();
        for seen in tree(self.agent)? {
            seen.process.signal(Signal::KILL)?;
        }
        Ok(())
    }

    /// How it ended; none while it has not, within the limit.
    pub(super) fn wait_for_end(&self, limit: Duration) -> Option<Ended> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_timeout_while(end, limit, |end| end.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// Starts an agent, copies what it writes into its log, and stays until it has ended.
fn keep(
    birth: Birth,
    before: impl FnOnce(Process) -> io::Result<()>,
    after: impl FnOnce(&str),
    tell: &SyncSender<io::Result<Arc<Life>>>,
) {
    let (cgroup, bound) = (birth.cgroup.clone(), birth.bound.clone());
    let (life, attended) = match start(birth, before) {
        Ok(started) => started,
        Err(error) => {
            end_rest(cgroup.as_ref(), None, &bound);
            tell.send(Err(error)).ok();
            return;
        }
    };
    tell.send(Ok(Arc::clone(&life))).ok();
    attended.until_the_end(&life, after);
}

/// Mounts the disk of a sandbox that has one, or is to have one.
fn own_disk(birth: &Birth, mounts: &mut Mounts) -> io::Result<Option<PathBuf>> {
    let ground = &birth.ground;
    if disk::is_in(&birth.directory) && !ground.namespaces.is_apart() {
        let what = "what it keeps is on a disk of its own, which needs a root of its own";
        return Err(io::Error::new(io::ErrorKind::Unsupported, what));
    }
    let wanted = birth.allowance.disk.filter(|_| ground.limits.binds_disks());
    disk::mount(&birth.directory, wanted, mounts)
        .map_err(|error| io::Error::new(error.kind(), format!("its disk: {error}")))
}

/// Mounts the volumes that are attached, and what is empty and on a disk.
fn volumes(birth: &Birth, mounts: &mut Mounts) -> io::Result<Vec<Volume>> {
    let volumes = &birth.ground.volumes;
    let mounted = birth.attachments.iter().enumerate().map(|(number, attachment)| match &attachment.what {
        Attached::Volume { name, .. } => volumes.mount(name, mounts).map(Some),
        Attached::Scratch { megabytes } => volumes.scratch(&birth.name, number, *megabytes, mounts),
    });
    mounted.filter_map(Result::transpose).collect()
}

/// With what a thread stays with an agent.
struct Attending {
    handle: OwnedFd,
    log: Log,
    outlet: Outlet,
    mark: Mark,
}

impl Attending {
    fn until_the_end(mut self, life: &Life, after: impl FnOnce(&str)) {
        if attend(&self.handle, &life.let_go, self.log, &mut self.outlet) == Attended::LetGo {
            return;
        }
        let end = reap(life.agent);
        end_rest(life.cgroup.as_ref(), (!life.namespaces.has_pid()).then_some(&self.mark), &life.bound);
        if let Err(error) = self.outlet.remove() {
            tracing::warn!(%error, "the pipe of an agent that has ended is left");
        }
        after(&end.reason);
        *life.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        life.ended.notify_all();
    }
}

fn thread_of_its_own(act: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("sandbox".to_owned()).stack_size(512 << 10).spawn(act).map(drop)
}

fn start(
    mut birth: Birth,
    before: impl FnOnce(Process) -> io::Result<()>,
) -> io::Result<(Arc<Life>, Attending)> {
    // What is started has them in mounts of its own; this thread lets go of them when that is so.
    let mut mounts = Mounts::default();
    if let Some(place) = own_disk(&birth, &mut mounts)? {
        birth.directory = place;
    }
    let volumes = volumes(&birth, &mut mounts)?;
    std::fs::create_dir_all(birth.directory.join("files"))?;
    let log = Log::open(birth.log.clone())?;
    let (outlet, input) = Outlet::make(birth.outlet.clone())?;
    let let_go = eventfd(0, EventfdFlags::CLOEXEC)?;
    let mut agent = None;
    let inside = Inside::of(&birth, &volumes)?;
    let environment = environment(&inside, &birth)?;
    let arguments = arguments(&birth.ground, &inside, (&birth.attachments, &volumes), user(&birth))?;
    let (namespaces, cgroup, bound) = (birth.ground.namespaces, birth.cgroup, birth.bound);
    let what = Launch {
        namespaces,
        network: whose(&birth.network, &birth.ground),
        hostname: birth.name.to_string(),
        arguments,
        program: inside.loaded_by.map_or(inside.program, |LoadedBy(loader)| loader),
        environment,
        directory: inside.files,
        root: inside.root,
        input: birth.listener.into(),
        output: input.into(),
        end: birth.end,
        cgroups: Cgroups { version_2: cgroup.clone(), version_1: bound.own().map(Path::to_owned).collect() },
    };
    let launched = launch(what, |pid| {
        let process = Process::now(pid)?;
        agent = Some(process);
        bound.add(pid, &birth.allowance)?;
        before(process)
    })?;
    let agent = agent.ok_or(Errno::SRCH)?;
    // Nobody else waits for it, so its number stays its own until it is reaped.
    let handle = pidfd_open(Pid::from_raw(launched.pid).ok_or(Errno::SRCH)?, PidfdFlags::empty());
    let handle = handle.inspect_err(|_| end_child(launched.pid))?;
    let answer = |listeners, policy| birth.ground.egress.answer(listeners, policy);
    let way_out = match (launched.way_out, birth.network) {
        (Some(listeners), Network::Proxied(policy)) => Some(answer(listeners, policy)),
        // Another can be said while it runs.
        (Some(listeners), _) => Some(answer(listeners, Domains::none().into())),
        (None, _) => None,
    };
    let life = Life {
        agent,
        way_out: Mutex::new(way_out),
        namespaces,
        cgroup,
        bound,
        stopped: Mutex::default(),
        end: Mutex::default(),
        ended: Condvar::new(),
        let_go,
    };
    Ok((Arc::new(life), Attending { handle, log, outlet, mark: birth.mark }))
}

fn whose(network: &Network, ground: &Ground) -> Whose {
    match network {
        Network::Machine => Whose::Machines,
        Network::None | Network::Proxied(_) => Whose::Own { doors: ground.egress.doors_inside() },
    }
}

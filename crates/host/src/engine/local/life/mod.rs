//! One life of a sandbox: from the start of its agent to the agent's end.

mod taking_over;

use std::collections::BTreeMap;
use std::ffi::OsString;
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
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open};
use serde::{Deserialize, Serialize};

use super::attending::{Attended, attend, end_rest, reap};
use super::cgroup::Cgroup;
use super::disk;
use super::ladder::OwnRoot;
use super::launch::{End, Launch, Whose, end_child, launch};
use super::libraries::Taken;
use super::limits::Bound;
use super::log::Log;
use super::outlet::Outlet;
use super::process::{Process, carrying, tree};
use super::proxied;
use super::root::{self, Image, Ingredients, Root};
use super::sandbox::Ground;
use super::signals::{self, Stopped};
use super::{Namespaces, Network};
use crate::egress::{Authority, Domains, WayOut};
use crate::engine::{Access, Allowance, Attached, Attachment, Base};

pub(super) use taking_over::{Found, Rest};

const NO_MOUNTS: &str = "this machine gives sandboxes no mount namespace, so drives cannot be mounted";

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
    end: Mutex<Option<String>>,
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
        let stopped = self.stopped().take();
        stopped.map_or(Ok(()), |stopped| signals::go_on(&stopped))
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

    /// Why it ended; none while it has not, within the limit.
    pub(super) fn wait_for_end(&self, limit: Duration) -> Option<String> {
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
fn own_disk(birth: &Birth) -> io::Result<Option<disk::Mounted>> {
    let ground = &birth.ground;
    if disk::is_in(&birth.directory) && !ground.namespaces.is_apart() {
        let what = "what it keeps is on a disk of its own, which needs a root of its own";
        return Err(io::Error::new(io::ErrorKind::Unsupported, what));
    }
    let wanted = birth.allowance.disk.filter(|_| ground.limits.binds_disks());
    disk::mount(&birth.directory, wanted)
        .map_err(|error| io::Error::new(error.kind(), format!("its disk: {error}")))
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
        let reason = reap(life.agent);
        end_rest(life.cgroup.as_ref(), (!life.namespaces.has_pid()).then_some(&self.mark), &life.bound);
        if let Err(error) = self.outlet.remove() {
            tracing::warn!(%error, "the pipe of an agent that has ended is left");
        }
        after(&reason);
        *life.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
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
    // What is started has it in mounts of its own; this thread lets go of it when that is so.
    let disk = own_disk(&birth)?;
    if let Some(disk) = &disk {
        disk.place().clone_into(&mut birth.directory);
    }
    std::fs::create_dir_all(birth.directory.join("files"))?;
    let log = Log::open(birth.log.clone())?;
    let (outlet, input) = Outlet::make(birth.outlet.clone())?;
    let let_go = eventfd(0, EventfdFlags::CLOEXEC)?;
    let mut agent = None;
    let inside = Inside::of(&birth)?;
    let environment = environment(&inside, &birth)?;
    let (namespaces, cgroup, bound) = (birth.ground.namespaces, birth.cgroup, birth.bound);
    let what = Launch {
        namespaces,
        network: whose(&birth.network, &birth.ground),
        hostname: birth.name.to_string(),
        arguments: arguments(
            &birth.ground.agent.arguments,
            namespaces,
            &inside,
            &birth.attachments,
            user(&birth.base),
        )?,
        program: inside.loaded_by.map_or(inside.program, |LoadedBy(loader)| loader),
        environment,
        directory: inside.files,
        root: inside.root,
        input: birth.listener.into(),
        output: input.into(),
        end: birth.end,
    };
    let launched = launch(what, |pid| {
        let process = Process::now(pid)?;
        agent = Some(process);
        if let Some(cgroup) = &cgroup {
            cgroup.add(pid)?;
        }
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

/// Where things are as an agent sees them.
#[derive(Debug)]
struct Inside {
    root: Option<Root>,
    program: PathBuf,
    /// What loads the program, where the root has nothing that would.
    loaded_by: Option<LoadedBy>,
    /// Where commands begin.
    files: PathBuf,
    home: PathBuf,
    shell: &'static str,
    drives: PathBuf,
    volumes: PathBuf,
}

impl Inside {
    fn of(birth: &Birth) -> io::Result<Self> {
        let files = birth.directory.join("files");
        let Some(own) = &birth.ground.own_root else {
            let program = birth.ground.agent.program.clone();
            let (drives, volumes) = (birth.drives.clone(), birth.ground.volumes.clone());
            if birth.base != Base::Machine {
                let what = "an image needs a root of its own, which this machine does not give sandboxes";
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
            let shell = shell(Path::new("/"));
            let (home, loaded_by) = (files.clone(), None);
            return Ok(Self { root: None, program, loaded_by, home, files, shell, drives, volumes });
        };
        let programs = own.programs.refresh().map_err(|error| {
            let program = birth.ground.agent.program.display();
            io::Error::new(error.kind(), format!("running its program: {program}: {error}"))
        })?;
        let image = Made::of(birth, own)?;
        let root = Root::prepare(&Ingredients {
            directory: &birth.directory,
            machine: &own.machine,
            layers: own.layers,
            image: image.as_ref().map(Made::ingredient),
            programs,
            drives: &birth.drives,
            volumes: &volumes(birth),
            certificates: birth.ground.egress.authority().map(Authority::shown),
            hostname: birth.name.as_str(),
            memory: birth.allowance.memory,
        })?;
        let directory = image.as_ref().and_then(|image| image.directory);
        Ok(Self {
            root: Some(root),
            program: root::program(own.programs.file()),
            files: directory.unwrap_or(root::FILES).into(),
            home: root::home().into(),
            shell: shell(image.as_ref().map_or(Path::new("/"), |image| &image.root)),
            loaded_by: image.and_then(|image| image.loaded_by),
            drives: root::DRIVES.into(),
            volumes: root::VOLUMES.into(),
        })
    }
}

/// What a root is made of that is made of an image.
struct Made<'a> {
    root: PathBuf,
    directory: Option<&'a str>,
    libraries: &'a Path,
    loaded_by: Option<LoadedBy>,
}

impl<'a> Made<'a> {
    fn of(birth: &'a Birth, own: &'a OwnRoot) -> io::Result<Option<Self>> {
        let Base::Image { id, directory, .. } = &birth.base else { return Ok(None) };
        let loaded_by = match own.libraries.take()? {
            Taken::Nothing => None,
            Taken::Loader(name) => Some(LoadedBy(Path::new(root::LIBRARIES).join(name))),
        };
        Ok(Some(Self {
            root: birth.ground.images.join(id.as_str()),
            directory: directory.as_deref(),
            libraries: own.libraries.directory(),
            loaded_by,
        }))
    }

    fn ingredient(&self) -> Image<'_> {
        let libraries = self.loaded_by.is_some().then_some(self.libraries);
        Image { root: &self.root, libraries, directory: self.directory }
    }
}

/// The loader of the agent's program, inside.
#[derive(Debug)]
struct LoadedBy(PathBuf);

impl LoadedBy {
    /// What stands before the program for its loader.
    fn arguments(&self, program: &Path) -> [OsString; 3] {
        ["--library-path".into(), root::LIBRARIES.into(), program.into()]
    }
}

/// The better one of the shells that a root has.
fn shell(root: &Path) -> &'static str {
    if root.join("bin/bash").symlink_metadata().is_ok() { "/bin/bash" } else { "/bin/sh" }
}

/// The directories of the volumes that are attached.
fn volumes(birth: &Birth) -> Vec<PathBuf> {
    let volumes = birth.attachments.iter().filter_map(|attachment| match &attachment.what {
        Attached::Volume { name, .. } => Some(birth.ground.volumes.join(name.as_str())),
        Attached::Scratch { .. } => None,
    });
    volumes.collect()
}

/// Who commands run as, where that is not who the agent is. Only root can be others.
fn user(base: &Base) -> Option<&str> {
    match base {
        Base::Image { user, .. } if geteuid().is_root() => user.as_deref(),
        _ => None,
    }
}

fn arguments(
    given: &[OsString],
    namespaces: Namespaces,
    inside: &Inside,
    attachments: &[Attachment],
    user: Option<&str>,
) -> io::Result<Vec<OsString>> {
    let mut arguments = Vec::new();
    if let Some(loaded_by) = &inside.loaded_by {
        arguments.extend(loaded_by.arguments(&inside.program));
    }
    arguments.extend_from_slice(given);
    arguments.extend(["--listen", "stdin"].map(OsString::from));
    if let Some(user) = user {
        arguments.extend(["--user", user].map(OsString::from));
    }
    if let Some(LoadedBy(loader)) = &inside.loaded_by {
        arguments.extend(["--program".into(), inside.program.clone().into_os_string()]);
        arguments.extend(["--loader".into(), loader.clone().into_os_string()]);
        arguments.extend(["--libraries", root::LIBRARIES].map(OsString::from));
    }
    if !namespaces.can_mount() {
        if !attachments.is_empty() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, NO_MOUNTS));
        }
        arguments.extend(["--no-drives", NO_MOUNTS].map(OsString::from));
        return Ok(arguments);
    }
    arguments.extend(["--drives".into(), inside.drives.clone().into_os_string()]);
    if !attachments.is_empty() {
        arguments.extend(["--volumes".into(), inside.volumes.clone().into_os_string()]);
    }
    for Attachment { path, what } in attachments {
        let (flag, which) = match what {
            Attached::Volume { name, access: Access::ReadWrite } => ("--volume", name.to_string()),
            Attached::Volume { name, access: Access::ReadOnly } => ("--volume-read-only", name.to_string()),
            Attached::Scratch { megabytes } => ("--scratch", megabytes.to_string()),
        };
        arguments.extend([flag.into(), format!("{which}={path}").into()]);
    }
    Ok(arguments)
}

/// A clean environment: nothing of the host's own gets in but where programs are and the language.
fn environment(inside: &Inside, birth: &Birth) -> io::Result<Vec<(OsString, OsString)>> {
    let of_the_host = |name, otherwise: &str| std::env::var_os(name).unwrap_or_else(|| otherwise.into());
    let usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    // Where the host's programs are that its user has installed is nothing that another root has.
    let images: &[(String, String)] = match &birth.base {
        Base::Image { environment, .. } => environment,
        Base::Machine => &[],
    };
    let usual = images.iter().find(|(name, _)| name == "PATH").map_or(usual, |(_, path)| path);
    let path = match &inside.root {
        // The agent's program is a command inside as well.
        Some(_) => format!("{usual}:{}", root::programs().display()).into(),
        None => of_the_host("PATH", usual),
    };
    let mut all = BTreeMap::from([
        (OsString::from("LANG"), of_the_host("LANG", "C.UTF-8")),
        ("PATH".into(), path),
        ("SHELL".into(), inside.shell.into()),
        ("WORKDIR".into(), inside.files.clone().into()),
    ]);
    // Only inside it shows where the home is of whoever an image names.
    if user(&birth.base).is_none() {
        all.insert("HOME".into(), inside.home.clone().into());
    }
    for (name, value) in images.iter().filter(|(name, _)| name != "PATH") {
        all.insert(name.into(), value.into());
    }
    if inside.root.is_some() {
        let has_authority = birth.ground.egress.authority().is_some();
        all.extend(proxied::variables(&birth.network, has_authority));
    }
    for (name, value) in &birth.environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            let what = format!("{name:?} cannot be the name of an environment variable");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        all.insert(name.into(), value.into());
    }
    all.insert(Mark::NAME.into(), birth.mark.0.clone().into());
    Ok(all.into_iter().collect())
}

//! The engine of this machine: sandboxes of real processes, in namespaces of their own where the machine has them.

mod attending;
mod cgroup;
mod disk;
mod earlier;
mod graves;
mod hierarchy;
mod ladder;
mod launch;
mod libraries;
mod life;
mod limits;
mod log;
mod outlet;
mod process;
mod programs;
mod proxied;
mod record;
mod recovery;
mod remove;
mod root;
mod sandbox;
mod settings;
mod signals;
mod snapshots;
mod sockets;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reveille_wire::SandboxName;
use tokio::runtime::Handle;
use tokio::sync::broadcast;

use super::{
    Address, Allowance, Change, Condition, Engine, EngineError, EngineErrorKind, Freezer, Generation,
    Isolation, Known, Memory, Namespaces, Network, Plan, SnapshotId,
};
use crate::egress::{Authority, Egress};
use cgroup::Cgroup;
use graves::Graves;
use hierarchy::Hierarchy;
use ladder::{Choice, choose};
use life::LIMIT;
use process::world;
use record::Records;
use recovery::{Left, PREFIX, end, recover};
use sandbox::{Ground, NotDone, Sandbox, overtaken};
use snapshots::Snapshots;
use sockets::Sockets;

pub(crate) use remove::remove_directory;
pub use settings::{AgentCommand, Lifetime, LocalEngineSettings};

/// How long agents may take to end by themselves at a shutdown.
const GRACE: Duration = Duration::from_secs(2);

/// How many changes wait for a slow listener before it misses some.
const CHANGES: usize = 256;

/// The host's own engine: sandboxes of real processes on this machine.
///
/// Sandboxes share this machine's network and see its files with the rights of the host's user. Where they have
/// a user namespace they have no rights over the machine, also when the host is root; a port below 1024 is then
/// closed to them. What becomes of them when the engine is dropped, when its process dies, or when it lets go of them,
/// its [`Lifetime`] says.
///
/// ```
/// use std::sync::Arc;
///
/// use reveille_host::Notebook;
/// use reveille_host::engine::{AgentCommand, Engine, LocalEngine, LocalEngineSettings};
///
/// let directory = tempfile::tempdir()?;
/// let agent = AgentCommand { program: "/usr/bin/reveille".into(), arguments: vec!["agent".into()] };
/// let memory = Arc::new(Notebook::open(directory.path())?);
/// let engine = LocalEngine::start(LocalEngineSettings::new(agent, directory.path().join("engine")), memory)?;
/// println!("{}", engine.isolation());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LocalEngine {
    isolation: Isolation,
    core: Arc<Core>,
}

#[derive(Debug)]
struct Core {
    ground: Arc<Ground>,
    sandboxes: Mutex<Sandboxes>,
    shut_down: AtomicBool,
}

#[derive(Debug, Default)]
struct Sandboxes {
    all: HashMap<SandboxName, Arc<Sandbox>>,
    graves: Graves,
}

/// How sandboxes are ended together.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// Agents are asked first, and may take [`GRACE`].
    Asked,
    AtOnce,
}

impl LocalEngine {
    /// Starts an engine: finds out what this machine allows, and takes over what an earlier host left behind, or ends
    /// it. Whoever has the memory has the directory, too, and is the only one.
    ///
    /// # Errors
    /// When the directory cannot be used, when something of an earlier engine cannot be ended, and when the
    /// settings demand what the machine does not allow.
    pub fn start(settings: LocalEngineSettings, memory: Arc<dyn Memory>) -> Result<Arc<Self>, EngineError> {
        let records = Records::open(settings.directory.clone(), memory)?;
        let left = recover(&records, settings.lifetime, settings.known.as_ref())
            .map_err(|error| EngineError::system("what an earlier host left cannot be ended", error))?;
        let name = format!("{PREFIX}{:08x}", fastrand::u32(..));
        // Before anything is made: a host that is killed here leaves nothing that the next does not find.
        let own = Hierarchy::Version2.own().ok().map(|own| own.join(&name));
        let outside = left.outside(own, limits::places(&name));
        let written = records.write_outside(&outside);
        let Choice { isolation, ground: own_root, cgroups, limits } =
            choose(&settings, written.map(|()| &*name))?;
        let egress = Egress::start(authority(&settings.authority), settings.doors)
            .map_err(|error| EngineError::system("no thread can be started", error))?;
        let sockets = Sockets::make(records.sockets(), left.running.iter().map(|(name, _)| name))
            .map_err(|error| EngineError::system("no directory for sockets can be made", error))?;
        let snapshots = Snapshots::open(settings.snapshots)
            .map_err(|error| EngineError::system("the directory of snapshots cannot be used", error))?;
        let ground = Arc::new(Ground {
            agent: settings.agent,
            namespaces: isolation.namespaces,
            own_root,
            egress,
            cgroups,
            earlier_cgroups: left.cgroups.iter().cloned().map(Cgroup::at).collect(),
            lifetime: settings.lifetime,
            give_back_after: settings.give_back_after,
            limits,
            earlier_limits: left.limits.clone(),
            sockets,
            records,
            sandboxes: settings.sandboxes,
            drives: settings.drives,
            volumes: settings.volumes,
            images: settings.images,
            snapshots,
            changes: broadcast::channel(CHANGES).0,
        });
        let all = take_over(left, &ground)
            .map_err(|error| EngineError::system("what an earlier host left cannot be taken over", error))?;
        let core = Core {
            sandboxes: Mutex::new(Sandboxes { all, graves: Graves::default() }),
            ground: Arc::clone(&ground),
            shut_down: AtomicBool::new(false),
        };
        let core = Arc::new(core);
        core.count_sleep_anew();
        Ok(Arc::new(Self { isolation, core }))
    }

    /// Does something that blocks, off the runtime. It is done also when nobody waits for it any more.
    async fn off_the_runtime<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Core) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let core = Arc::clone(&self.core);
        let done = tokio::task::spawn_blocking(move || act(&core)).await;
        done.unwrap_or_else(|error| Err(EngineError::system("the engine's work was cut short", error)))
    }
}

/// The sandboxes of an earlier host: those that go on, and those that are only files.
fn take_over(left: Left, ground: &Arc<Ground>) -> std::io::Result<HashMap<SandboxName, Arc<Sandbox>>> {
    let world = world()?;
    let mut all = HashMap::new();
    let mut ended = left.ended;
    for (name, trace) in left.running {
        match Sandbox::take_over(name.clone(), ground, trace.clone()) {
            Ok(sandbox) => drop(all.insert(name, sandbox)),
            Err(error) => {
                tracing::warn!(sandbox = %name, %error, "it cannot be taken over, and is ended");
                end(&trace, &world)?;
                ground.records.remove(&name)?;
                ended.push(name);
            }
        }
    }
    for name in ended {
        let ended = Condition::Ended("the host that ran it has ended".to_owned());
        let sandbox = Sandbox::new(name.clone(), Arc::clone(ground), Generation::NONE, ended);
        all.insert(name, Arc::new(sandbox));
    }
    Ok(all)
}

/// The authority for routes. On a full disk there is none, and a host starts all the same.
fn authority(directory: &std::path::Path) -> Option<Authority> {
    let opened = Authority::open(directory);
    opened
        .inspect_err(|error| tracing::warn!(%error, "no route can be carried out: there is no authority"))
        .ok()
}

impl Core {
    fn sandboxes(&self) -> MutexGuard<'_, Sandboxes> {
        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, name: &SandboxName) -> Known {
        let sandboxes = self.sandboxes();
        match sandboxes.all.get(name) {
            Some(sandbox) => sandbox.known(),
            None => Known { condition: Condition::Absent, generation: sandboxes.graves.latest(name) },
        }
    }

    /// Carries out a command, unless a later one to the same sandbox comes first.
    fn command<T>(
        &self,
        name: &SandboxName,
        generation: Generation,
        act: impl Fn(&Arc<Sandbox>) -> Result<T, NotDone>,
    ) -> Result<T, EngineError> {
        loop {
            let sandbox = self.accept(name, generation)?;
            match act(&sandbox) {
                Ok(done) => return Ok(done),
                Err(NotDone::Failed(error)) => return Err(error),
                Err(NotDone::Gone) => self.bury(name, &sandbox),
            }
        }
    }

    /// Looks under the lock that a shutdown takes too, so that it misses none.
    fn accept(&self, name: &SandboxName, generation: Generation) -> Result<Arc<Sandbox>, EngineError> {
        let mut sandboxes = self.sandboxes();
        if self.shut_down.load(Ordering::SeqCst) {
            return Err(EngineError::new(EngineErrorKind::ShutDown, "the host is shutting down"));
        }
        if let Some(sandbox) = sandboxes.all.get(name) {
            sandbox.accept(generation)?;
            return Ok(Arc::clone(sandbox));
        }
        let latest = sandboxes.graves.open(name);
        if generation < latest {
            sandboxes.graves.bury(name.clone(), latest);
            return Err(overtaken(name, generation, latest));
        }
        let sandbox = Sandbox::new(name.clone(), Arc::clone(&self.ground), generation, Condition::Absent);
        let sandbox = Arc::new(sandbox);
        sandboxes.all.insert(name.clone(), Arc::clone(&sandbox));
        Ok(sandbox)
    }

    /// What was taken over asleep sleeps from now on, as far as anybody knows.
    fn count_sleep_anew(self: &Arc<Self>) {
        let all: Vec<_> = self.sandboxes().all.values().cloned().collect();
        for sandbox in all.iter().filter(|sandbox| sandbox.condition() == Condition::Asleep) {
            self.give_back_later(sandbox.name().clone(), sandbox.accepted());
        }
    }

    /// Has a sandbox that was just put to sleep give memory back, if it sleeps on for long enough.
    fn give_back_later(self: &Arc<Self>, name: SandboxName, generation: Generation) {
        let Some(after) = self.ground.give_back_after else { return };
        let core = Arc::downgrade(self);
        // An engine that nobody has started on a runtime is asked for nothing either.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            tokio::time::sleep(after).await;
            let Some(core) = core.upgrade() else { return };
            let sandbox = core.sandboxes().all.get(&name).cloned();
            if let Some(sandbox) = sandbox {
                // Nobody waits for it.
                drop(tokio::task::spawn_blocking(move || sandbox.give_back(generation)));
            }
        });
    }

    fn delete(&self, name: &SandboxName, generation: Generation) -> Result<(), EngineError> {
        self.command(name, generation, |sandbox| {
            sandbox.delete(generation)?;
            self.bury(name, sandbox);
            Ok(())
        })
    }

    fn snapshot(&self, name: &SandboxName, id: &SnapshotId) -> Result<(), EngineError> {
        let sandbox = self.sandboxes().all.get(name).cloned();
        match sandbox {
            Some(sandbox) => sandbox.snapshot(id),
            // Nothing of it has run since the host started; its files are as they are.
            None => self.ground.take_snapshot(name, id),
        }
    }

    fn restore(&self, name: &SandboxName, id: &SnapshotId) -> Result<(), EngineError> {
        let sandbox = self.sandboxes().all.get(name).cloned();
        match sandbox {
            Some(sandbox) => sandbox.restore(id),
            None => self.ground.lay_snapshot(name, id),
        }
    }

    /// Lets go of a sandbox that is gone, and remembers how late its commands were.
    fn bury(&self, name: &SandboxName, sandbox: &Arc<Sandbox>) {
        let mut sandboxes = self.sandboxes();
        if sandboxes.all.get(name).is_some_and(|found| Arc::ptr_eq(found, sandbox)) {
            sandboxes.all.remove(name);
            sandboxes.graves.bury(name.clone(), sandbox.accepted());
        }
    }

    /// Ends everything, and removes what is not a sandbox's file.
    fn end_all(&self, ending: Ending) {
        let all: Vec<_> = {
            let sandboxes = self.sandboxes();
            if self.shut_down.swap(true, Ordering::SeqCst) {
                return;
            }
            sandboxes.all.values().cloned().collect()
        };
        let mut give_up = Instant::now();
        if let Ending::Asked = ending {
            give_up += GRACE;
            all.iter().for_each(|sandbox| sandbox.ask_to_end());
        }
        let mut ended = Vec::new();
        for sandbox in &all {
            match sandbox.end_within(give_up.saturating_duration_since(Instant::now())) {
                Ok(()) => ended.push(sandbox.name()),
                Err(error) => tracing::warn!(%error, "a sandbox was not ended as it should be"),
            }
        }
        if let Err(error) = self.leave_nothing_outside(&ended) {
            tracing::warn!(%error, "something of the engine is left outside its directory");
        }
    }

    /// Lets go of everything, for the next host.
    fn let_go_of_all(&self) -> Result<(), EngineError> {
        if self.ground.lifetime == Lifetime::OfTheHost {
            let what = "the sandboxes of this host end with it";
            return Err(EngineError::new(EngineErrorKind::Unsupported, what));
        }
        let all: Vec<_> = {
            let sandboxes = self.sandboxes();
            self.shut_down.store(true, Ordering::SeqCst);
            sandboxes.all.values().cloned().collect()
        };
        all.iter().for_each(|sandbox| sandbox.let_go());
        Ok(())
    }

    fn leave_nothing_outside(&self, ended: &[&SandboxName]) -> std::io::Result<()> {
        self.ground.sockets.remove()?;
        let cgroups = self.ground.cgroups.iter().chain(&self.ground.earlier_cgroups);
        cgroups.into_iter().try_for_each(|all| all.end(LIMIT))?;
        self.ground.limits.end()?;
        self.ground.earlier_limits.iter().try_for_each(|all| limits::remove(all, LIMIT))?;
        self.ground.records.remove_all(ended.iter().copied())
    }
}

impl Drop for LocalEngine {
    fn drop(&mut self) {
        // What is to live beyond it has its end only where it was asked for: a host that cannot start leaves it, too.
        if self.core.let_go_of_all().is_err() {
            self.core.end_all(Ending::AtOnce);
        }
    }
}

impl Engine for LocalEngine {
    fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    fn create(&self, plan: Plan, generation: Generation) -> BoxFuture<'_, Result<Address, EngineError>> {
        let create = move |core: &Core| {
            core.command(&plan.name, generation, |sandbox| sandbox.create(&plan, generation))
        };
        self.off_the_runtime(create).boxed()
    }

    fn sleep<'a>(
        &'a self,
        name: &'a SandboxName,
        generation: Generation,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let name = name.clone();
        let given = name.clone();
        let core = Arc::clone(&self.core);
        let sleep = move |core: &Core| core.command(&name, generation, |sandbox| sandbox.sleep(generation));
        let slept = self.off_the_runtime(sleep);
        async move {
            slept.await?;
            core.give_back_later(given, generation);
            Ok(())
        }
        .boxed()
    }

    fn wake<'a>(
        &'a self,
        name: &'a SandboxName,
        generation: Generation,
    ) -> BoxFuture<'a, Result<Address, EngineError>> {
        let name = name.clone();
        let wake = move |core: &Core| core.command(&name, generation, |sandbox| sandbox.wake(generation));
        self.off_the_runtime(wake).boxed()
    }

    fn condition<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<Known, EngineError>> {
        std::future::ready(Ok(self.core.known(name))).boxed()
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.core.ground.changes.subscribe()
    }

    fn delete<'a>(
        &'a self,
        name: &'a SandboxName,
        generation: Generation,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let name = name.clone();
        self.off_the_runtime(move |core| core.delete(&name, generation)).boxed()
    }

    fn renew_agent<'a>(&'a self, _: &'a SandboxName) -> BoxFuture<'a, Result<(), EngineError>> {
        let renewed = self.off_the_runtime(|core| {
            let own = core.ground.own_root.as_ref();
            own.map_or(Ok(()), |own| own.programs.refresh().map(drop))
                .map_err(|error| EngineError::system("the agent's program cannot be renewed", error))
        });
        renewed.boxed()
    }

    fn change_network<'a>(
        &'a self,
        name: &'a SandboxName,
        network: Network,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let name = name.clone();
        let change = move |core: &Core| {
            let sandbox = core.sandboxes().all.get(&name).cloned();
            sandbox.map_or(Ok(()), |sandbox| sandbox.change_network(network))
        };
        self.off_the_runtime(change).boxed()
    }

    fn change_allowance<'a>(
        &'a self,
        name: &'a SandboxName,
        allowance: Allowance,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let name = name.clone();
        let change = move |core: &Core| {
            let sandbox = core.sandboxes().all.get(&name).cloned();
            sandbox.map_or(Ok(()), |sandbox| sandbox.change_allowance(&allowance))
        };
        self.off_the_runtime(change).boxed()
    }

    fn snapshot<'a>(
        &'a self,
        name: &'a SandboxName,
        id: &'a SnapshotId,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let (name, id) = (name.clone(), id.clone());
        self.off_the_runtime(move |core| core.snapshot(&name, &id)).boxed()
    }

    fn restore<'a>(
        &'a self,
        name: &'a SandboxName,
        id: &'a SnapshotId,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let (name, id) = (name.clone(), id.clone());
        self.off_the_runtime(move |core| core.restore(&name, &id)).boxed()
    }

    fn forget<'a>(&'a self, id: &'a SnapshotId) -> BoxFuture<'a, Result<(), EngineError>> {
        let id = id.clone();
        let forget = move |core: &Core| {
            let what = || format!("the snapshot {id} cannot be removed");
            core.ground.snapshots.remove(&id).map_err(|error| EngineError::system(what(), error))
        };
        self.off_the_runtime(forget).boxed()
    }

    fn detach(&self) -> BoxFuture<'_, Result<(), EngineError>> {
        self.off_the_runtime(Core::let_go_of_all).boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        let shut_down = self.off_the_runtime(|core| {
            core.end_all(Ending::Asked);
            Ok(())
        });
        // Nothing in it fails; a runtime that ends first leaves the rest to the engine's drop.
        shut_down.map(drop).boxed()
    }
}

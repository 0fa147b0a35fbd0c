//! The engine of this machine: sandboxes of real processes, in namespaces of their own where the machine has them.

mod attending;
mod cgroup;
mod core;
mod disk;
mod earlier;
mod graves;
mod ground;
mod hierarchy;
mod ladder;
mod landlock;
mod launch;
mod libraries;
mod life;
mod limits;
mod log;
mod outlet;
mod prepared;
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
mod volumes;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reveille_wire::{DriveName, SandboxName};
use tokio::sync::broadcast;

use super::{
    Address, Allowance, Change, Condition, Engine, EngineError, EngineErrorKind, Freezer, Generation,
    Isolation, Known, Memory, Namespaces, Network, Plan, SnapshotId,
};
use crate::egress::{Authority, Egress};
use cgroup::Cgroup;
use core::{Core, Ending, Sandboxes};
use graves::Graves;
use ground::Ground;
use hierarchy::Hierarchy;
use ladder::{Choice, choose};
use prepared::Prepared;
use process::world;
use record::Records;
use recovery::{Left, PREFIX, end, recover};
use sandbox::Sandbox;
use snapshots::Snapshots;
use sockets::Sockets;
use volumes::{Kind, Volumes};

pub(crate) use remove::remove_directory;
pub use settings::{AgentCommand, Lifetime, LocalEngineSettings};

/// How many changes wait for a slow listener before it misses some.
const CHANGES: usize = 256;

/// The host's own engine: sandboxes of real processes on this machine.
///
/// Each has a root, a network and all namespaces of its own where the machine has them; where not,
/// [`isolation`](Engine::isolation) says what is missing. What becomes of them when the engine is dropped, when its process dies, or when it lets go of them,
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
        let prepared = Prepared::open(records.directory().join("prepared"))
            .map_err(|error| EngineError::system("the engine's directory cannot be used", error))?;
        let kind = if limits.binds_disks() { Kind::Image } else { Kind::Directory };
        let room = records.directory().join("mounts");
        let volumes = Volumes::open(settings.volumes, room, kind, isolation.namespaces)
            .map_err(|error| EngineError::system("the directory of volumes cannot be used", error))?;
        let snapshots = Snapshots::open(settings.snapshots, &settings.sandboxes)
            .map_err(|error| EngineError::system("the directory of snapshots cannot be used", error))?;
        let ground = Arc::new(Ground {
            agent: settings.agent,
            namespaces: isolation.namespaces,
            landlock: isolation.landlock,
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
            volumes,
            prepared,
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
        Prepared::fill(&core.ground);
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

    fn size_volume<'a>(
        &'a self,
        name: &'a DriveName,
        megabytes: u64,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let name = name.clone();
        let size = move |core: &Core| {
            let what = || format!("the volume {name} cannot get {megabytes} MiB");
            core.ground.volumes.size(&name, megabytes).map_err(|error| EngineError::system(what(), error))
        };
        self.off_the_runtime(size).boxed()
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

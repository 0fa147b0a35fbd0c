//! The engine of this machine: sandboxes of real processes, in namespaces of their own where the machine has them.

mod cgroup;
mod ladder;
mod launch;
mod life;
mod log;
mod process;
mod record;
mod recovery;
mod remove;
mod sandbox;
mod settings;
mod signals;
mod sockets;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reveille_wire::SandboxName;
use tokio::sync::broadcast;

use super::{
    Address, Change, Condition, Engine, EngineError, EngineErrorKind, Freezer, Isolation, Namespaces, Plan,
};
use ladder::{Choice, choose};
use life::LIMIT;
use record::{Outside, Records};
use recovery::{PREFIX, recover};
use sandbox::{Ground, NotMade, Sandbox, absent};
use sockets::Sockets;

pub use settings::{AgentCommand, LocalEngineSettings};

/// How long agents may take to end by themselves at a shutdown.
const GRACE: Duration = Duration::from_secs(2);

/// How many changes wait for a slow listener before it misses some.
const CHANGES: usize = 256;

/// The host's own engine: sandboxes of real processes on this machine.
///
/// Sandboxes share this machine's network and see its files with the rights of the host's user. Where they have
/// a user namespace they have no rights over the machine, also when the host is root; a port below 1024 is then
/// closed to them. They do not outlive the engine: when it is dropped, everything in them ends, and when its
/// process dies their agents do.
///
/// ```
/// use reveille_host::engine::{AgentCommand, Engine, LocalEngine, LocalEngineSettings};
///
/// let directory = tempfile::tempdir()?;
/// let agent = AgentCommand { program: "/usr/bin/reveille".into(), arguments: vec!["agent".into()] };
/// let engine = LocalEngine::start(LocalEngineSettings::new(agent, directory.path().to_owned()))?;
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
    sandboxes: Mutex<HashMap<SandboxName, Arc<Sandbox>>>,
    shut_down: AtomicBool,
}

/// How sandboxes are ended together.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// Agents are asked first, and may take [`GRACE`].
    Asked,
    AtOnce,
}

impl LocalEngine {
    /// Starts an engine: finds out what this machine allows, and ends what an earlier host left behind.
    ///
    /// # Errors
    /// When another engine uses the directory, when something of an earlier one cannot be ended, and when the
    /// settings demand what the machine does not allow.
    pub fn start(settings: LocalEngineSettings) -> Result<Arc<Self>, EngineError> {
        let records = Records::take(settings.directory.clone())?;
        let left = recover(&records)
            .map_err(|error| EngineError::system("what an earlier host left cannot be ended", error))?;
        let tag = format!("{:08x}", fastrand::u32(..));
        let Choice { isolation, cgroups } = choose(&settings, &format!("{PREFIX}{tag}"))?;
        let sockets = Sockets::make(&tag)
            .map_err(|error| EngineError::system("no directory for sockets can be made", error))?;
        let outside = Outside {
            sockets: sockets.directory().to_owned(),
            cgroups: cgroups.as_ref().map(|all| all.path().to_owned()),
        };
        let ground = Arc::new(Ground {
            agent: settings.agent,
            namespaces: isolation.namespaces,
            cgroups,
            sockets,
            records,
            changes: broadcast::channel(CHANGES).0,
        });
        let sandboxes = left.into_iter().map(|record| {
            let sandbox = Sandbox::left(record.name.clone(), Arc::clone(&ground), record.directory);
            (record.name, Arc::new(sandbox))
        });
        let core = Core {
            sandboxes: Mutex::new(sandboxes.collect()),
            ground: Arc::clone(&ground),
            shut_down: AtomicBool::new(false),
        };
        let engine = Arc::new(Self { isolation, core: Arc::new(core) });
        let written = ground.records.write_outside(&outside);
        written.map_err(|error| EngineError::system("the engine's directory cannot be written to", error))?;
        Ok(engine)
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

impl Core {
    fn sandboxes(&self) -> MutexGuard<'_, HashMap<SandboxName, Arc<Sandbox>>> {
        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: &SandboxName) -> Result<Arc<Sandbox>, EngineError> {
        self.sandboxes().get(name).cloned().ok_or_else(|| absent(name))
    }

    fn create(&self, mut plan: Plan) -> Result<Address, EngineError> {
        loop {
            let sandbox = self.find_or_make(&plan.name)?;
            match sandbox.create(plan) {
                Ok(address) => return Ok(address),
                Err(NotMade::Failed(error)) => return Err(error),
                Err(NotMade::Gone(again)) => plan = again,
            }
        }
    }

    /// Looks under the lock that a shutdown takes too, so that it misses none.
    fn find_or_make(&self, name: &SandboxName) -> Result<Arc<Sandbox>, EngineError> {
        let mut sandboxes = self.sandboxes();
        if self.shut_down.load(Ordering::SeqCst) {
            return Err(EngineError::new(EngineErrorKind::ShutDown, "the host is shutting down"));
        }
        let new = || Arc::new(Sandbox::new(name.clone(), Arc::clone(&self.ground)));
        Ok(Arc::clone(sandboxes.entry(name.clone()).or_insert_with(new)))
    }

    fn delete(&self, name: &SandboxName) -> Result<(), EngineError> {
        let sandbox = self.find(name)?;
        sandbox.delete()?;
        let mut sandboxes = self.sandboxes();
        if sandboxes.get(name).is_some_and(|found| Arc::ptr_eq(found, &sandbox)) {
            sandboxes.remove(name);
        }
        Ok(())
    }

    /// Ends everything, and removes what is not a sandbox's file.
    fn end_all(&self, ending: Ending) {
        let all: Vec<_> = {
            let sandboxes = self.sandboxes();
            if self.shut_down.swap(true, Ordering::SeqCst) {
                return;
            }
            sandboxes.values().cloned().collect()
        };
        let mut give_up = Instant::now();
        if let Ending::Asked = ending {
            give_up += GRACE;
            all.iter().for_each(|sandbox| sandbox.ask_to_end());
        }
        for sandbox in &all {
            if let Err(error) = sandbox.end_within(give_up.saturating_duration_since(Instant::now())) {
                tracing::warn!(%error, "a sandbox was not ended as it should be");
            }
        }
        if let Err(error) = self.leave_nothing_outside() {
            tracing::warn!(%error, "something of the engine is left outside its directory");
        }
    }

    fn leave_nothing_outside(&self) -> std::io::Result<()> {
        self.ground.sockets.remove()?;
        self.ground.cgroups.as_ref().map_or(Ok(()), |all| all.end(LIMIT))?;
        self.ground.records.remove_outside()
    }
}

impl Drop for LocalEngine {
    fn drop(&mut self) {
        self.core.end_all(Ending::AtOnce);
    }
}

impl Engine for LocalEngine {
    fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    fn create(&self, plan: Plan) -> BoxFuture<'_, Result<Address, EngineError>> {
        self.off_the_runtime(move |core| core.create(plan)).boxed()
    }

    fn sleep<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<(), EngineError>> {
        let name = name.clone();
        self.off_the_runtime(move |core| core.find(&name)?.sleep()).boxed()
    }

    fn wake<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<Address, EngineError>> {
        let name = name.clone();
        self.off_the_runtime(move |core| core.find(&name)?.wake()).boxed()
    }

    fn condition<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Condition> {
        let found = self.core.find(name);
        async move { found.map_or(Condition::Absent, |sandbox| sandbox.condition()) }.boxed()
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.core.ground.changes.subscribe()
    }

    fn delete<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<(), EngineError>> {
        let name = name.clone();
        self.off_the_runtime(move |core| core.delete(&name)).boxed()
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

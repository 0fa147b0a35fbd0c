//! The sandboxes of an engine, and what its commands do with them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reveille_wire::SandboxName;
use tokio::runtime::Handle;

use super::graves::Graves;
use super::ground::Ground;
use super::life::LIMIT;
use super::sandbox::{NotDone, Sandbox, overtaken};
use super::{Lifetime, limits};
use crate::engine::{Condition, EngineError, EngineErrorKind, Generation, Known, SnapshotId};

/// How long agents may take to end by themselves at a shutdown.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Core {
    pub(super) ground: Arc<Ground>,
    pub(super) sandboxes: Mutex<Sandboxes>,
    pub(super) shut_down: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct Sandboxes {
    pub(super) all: HashMap<SandboxName, Arc<Sandbox>>,
    pub(super) graves: Graves,
}

/// How sandboxes are ended together.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// Agents are asked first, and may take [`GRACE`].
    Asked,
    AtOnce,
}

impl Core {
    pub(super) fn sandboxes(&self) -> MutexGuard<'_, Sandboxes> {
        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known(&self, name: &SandboxName) -> Known {
        let sandboxes = self.sandboxes();
        match sandboxes.all.get(name) {
            Some(sandbox) => sandbox.known(),
            None => Known { condition: Condition::Absent, generation: sandboxes.graves.latest(name) },
        }
    }

    /// Carries out a command, unless a later one to the same sandbox comes first.
    pub(super) fn command<T>(
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
    pub(super) fn count_sleep_anew(self: &Arc<Self>) {
        let all: Vec<_> = self.sandboxes().all.values().cloned().collect();
        for sandbox in all.iter().filter(|sandbox| sandbox.condition() == Condition::Asleep) {
            self.give_back_later(sandbox.name().clone(), sandbox.accepted());
        }
    }

    /// Has a sandbox that was just put to sleep give memory back, if it sleeps on for long enough.
    pub(super) fn give_back_later(self: &Arc<Self>, name: SandboxName, generation: Generation) {
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

    pub(super) fn delete(&self, name: &SandboxName, generation: Generation) -> Result<(), EngineError> {
        self.command(name, generation, |sandbox| {
            sandbox.delete(generation)?;
            self.bury(name, sandbox);
            Ok(())
        })
    }

    pub(super) fn snapshot(&self, name: &SandboxName, id: &SnapshotId) -> Result<(), EngineError> {
        let sandbox = self.sandboxes().all.get(name).cloned();
        match sandbox {
            Some(sandbox) => sandbox.snapshot(id),
            // Nothing of it has run since the host started; its files are as they are.
            None => self.ground.take_snapshot(name, id),
        }
    }

    pub(super) fn restore(&self, name: &SandboxName, id: &SnapshotId) -> Result<(), EngineError> {
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
    pub(super) fn end_all(&self, ending: Ending) {
        let all: Vec<_> = {
            let sandboxes = self.sandboxes();
            if self.shut_down.swap(true, Ordering::SeqCst) {
                return;
            }
            sandboxes.all.values().cloned().collect()
        };
        self.ground.prepared.close();
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
    pub(super) fn let_go_of_all(&self) -> Result<(), EngineError> {
        if self.ground.lifetime == Lifetime::OfTheHost {
            let what = "the sandboxes of this host end with it";
            return Err(EngineError::new(EngineErrorKind::Unsupported, what));
        }
        let all: Vec<_> = {
            let sandboxes = self.sandboxes();
            self.shut_down.store(true, Ordering::SeqCst);
            sandboxes.all.values().cloned().collect()
        };
        self.ground.prepared.close();
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

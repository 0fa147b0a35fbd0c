//! One sandbox, over all its lives. Everything here blocks.

mod beginning;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reveille_wire::SandboxName;

use super::cgroup::Cgroup;
use super::ground::Ground;
use super::life::{Found, LIMIT, Life, NoChange, Rest};
use super::record::Trace;
use super::remove::remove_directory;
use crate::engine::{
    Address, Allowance, Change, Condition, EngineError, EngineErrorKind, Generation, Known, Network,
    SnapshotId,
};

/// One sandbox.
#[derive(Debug)]
pub(super) struct Sandbox {
    name: SandboxName,
    ground: Arc<Ground>,
    /// The latest generation that was accepted.
    accepted: Mutex<Generation>,
    /// Held by whoever does something with it, from the beginning to the end of that.
    work: Mutex<Work>,
    fate: Mutex<Fate>,
}

#[derive(Debug)]
struct Work {
    life: Option<Arc<Life>>,
    /// It was deleted or shut down for good; one of the same name is another one.
    gone: bool,
}

#[derive(Debug)]
struct Fate {
    condition: Condition,
    /// Whether the agent that was started last has ended.
    ended: bool,
    /// Whether an end would come as news.
    end_is_news: bool,
}

/// Why a command was not carried out here.
#[derive(Debug)]
pub(super) enum NotDone {
    /// This one is gone; another of its name has to be asked.
    Gone,
    Failed(EngineError),
}

impl From<EngineError> for NotDone {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

impl Sandbox {
    /// One of which nothing runs.
    pub(super) fn new(
        name: SandboxName,
        ground: Arc<Ground>,
        accepted: Generation,
        condition: Condition,
    ) -> Self {
        let work = Work { life: None, gone: false };
        let fate = Fate { condition, ended: false, end_is_news: false };
        Self { name, ground, accepted: Mutex::new(accepted), work: Mutex::new(work), fate: Mutex::new(fate) }
    }

    /// One that an earlier host has started, and that goes on.
    pub(super) fn take_over(name: SandboxName, ground: &Arc<Ground>, trace: Trace) -> io::Result<Arc<Self>> {
        let namespaces = trace.beyond.ok_or(io::ErrorKind::Unsupported)?;
        let found = Found {
            agent: trace.agent,
            namespaces,
            cgroup: trace.cgroup.map(Cgroup::at),
            bound: trace.bound,
            mark: trace.mark,
            log: ground.records.log(&name),
            outlet: ground.records.outlet(&name),
        };
        let sandbox = Arc::new(Self::new(name, Arc::clone(ground), Generation::NONE, Condition::Absent));
        let keeper = Arc::clone(&sandbox);
        let (life, rest) = Life::take_over(found, &ground.egress, move |reason| keeper.has_ended(reason))?;
        sandbox.work().life = Some(life);
        let mut fate = sandbox.fate();
        // It may have ended already.
        if !fate.ended {
            fate.end_is_news = true;
            fate.condition = match rest {
                Rest::Awake => Condition::Awake(sandbox.address()),
                Rest::Asleep => Condition::Asleep,
            };
        }
        drop(fate);
        Ok(sandbox)
    }

    pub(super) fn name(&self) -> &SandboxName {
        &self.name
    }

    /// The latest generation that was accepted.
    pub(super) fn accepted(&self) -> Generation {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts a command, unless a later one came first.
    pub(super) fn accept(&self, generation: Generation) -> Result<(), EngineError> {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if generation < *accepted {
            return Err(overtaken(&self.name, generation, *accepted));
        }
        *accepted = generation;
        Ok(())
    }

    /// Waits for its turn. A command that was overtaken meanwhile has none.
    fn turn(&self, generation: Generation) -> Result<MutexGuard<'_, Work>, NotDone> {
        let work = self.work();
        if generation < self.accepted() {
            return Err(self.overtaken(generation).into());
        }
        if work.gone { Err(NotDone::Gone) } else { Ok(work) }
    }

    fn overtaken(&self, generation: Generation) -> EngineError {
        overtaken(&self.name, generation, self.accepted())
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn condition(&self) -> Condition {
        self.fate().condition.clone()
    }

    fn address(&self) -> Address {
        Address::Unix(self.ground.sockets.path(&self.name))
    }

    /// What is known of it.
    pub(super) fn known(&self) -> Known {
        let condition = self.condition();
        Known { condition, generation: self.accepted() }
    }

    /// Puts it to sleep.
    pub(super) fn sleep(&self, generation: Generation) -> Result<(), NotDone> {
        let work = self.turn(generation)?;
        let life = match self.condition() {
            Condition::Asleep => return Ok(()),
            Condition::Awake(_) => work.life.as_ref().ok_or_else(|| absent(&self.name))?,
            other => return Err(self.not_running(other).into()),
        };
        life.freeze().map_err(|error| self.cannot("be put to sleep", error))?;
        Ok(self.change(Condition::Asleep)?)
    }

    /// Gives back memory, if it still sleeps as it was commanded to then. Whoever wants to wake it need not wait for that.
    pub(super) fn give_back(&self, generation: Generation) {
        let life = {
            let work = self.work();
            let sleeps_on = self.accepted() == generation && self.condition() == Condition::Asleep;
            work.life.clone().filter(|_| sleeps_on)
        };
        if let Some(Err(error)) = life.map(|life| life.give_back()) {
            tracing::warn!(sandbox = %self.name, %error, "it does not give memory back");
        }
    }

    /// Wakes it.
    pub(super) fn wake(&self, generation: Generation) -> Result<Address, NotDone> {
        let work = self.turn(generation)?;
        let life = match self.condition() {
            Condition::Awake(address) => return Ok(address),
            Condition::Asleep => work.life.as_ref().ok_or_else(|| absent(&self.name))?,
            other => return Err(self.not_running(other).into()),
        };
        life.thaw().inspect_err(|_| life.stay_asleep()).map_err(|error| self.cannot("be woken", error))?;
        self.change(Condition::Awake(self.address()))?;
        Ok(self.address())
    }

    fn change(&self, to: Condition) -> Result<(), EngineError> {
        let mut fate = self.fate();
        if fate.ended {
            return Err(self.not_running(fate.condition.clone()));
        }
        fate.condition = to;
        Ok(())
    }

    /// Ends it and removes what it kept, also what nobody knows of.
    pub(super) fn delete(&self, generation: Generation) -> Result<(), NotDone> {
        let mut work = self.turn(generation)?;
        self.end(&work)?;
        let what = || format!("the files of sandbox {} cannot be removed", self.name);
        remove_directory(&self.ground.directory(&self.name))
            .map_err(|error| EngineError::system(what(), error))?;
        let records = &self.ground.records;
        let forgotten = self.ground.sockets.close(&self.name).and_then(|()| records.remove(&self.name));
        let forgotten = forgotten.and_then(|()| records.remove_log(&self.name));
        forgotten.map_err(|error| self.cannot("be forgotten", error))?;
        *work = Work { life: None, gone: true };
        self.fate().condition = Condition::Absent;
        Ok(())
    }

    /// Changes what it reaches of the outside, where it runs.
    pub(super) fn change_network(&self, network: Network) -> Result<(), EngineError> {
        let work = self.work();
        let Some(life) = work.life.as_ref().filter(|life| life.wait_for_end(Duration::ZERO).is_none()) else {
            return Ok(());
        };
        life.change_network(network).map_err(|NoChange| {
            let what = format!(
                "sandbox {} runs, and then cannot change over to the machine's own network or away from it: \
                 create another",
                self.name
            );
            EngineError::new(EngineErrorKind::Unsupported, what)
        })
    }

    /// Changes what it may use, where it runs.
    pub(super) fn change_allowance(&self, allowance: &Allowance) -> Result<(), EngineError> {
        let work = self.work();
        let Some(life) = work.life.as_ref().filter(|life| life.wait_for_end(Duration::ZERO).is_none()) else {
            return Ok(());
        };
        life.change_allowance(allowance).map_err(|error| {
            let what = match error.kind() {
                io::ErrorKind::ResourceBusy => "it uses more".to_owned(),
                _ => error.to_string(),
            };
            let what = format!("sandbox {} cannot get this allowance while it runs: {what}", self.name);
            EngineError::new(EngineErrorKind::Unsupported, what).with_source(error)
        })
    }

    /// Copies what it keeps. What runs in it stands still for that, without anybody taking it for asleep.
    pub(super) fn snapshot(&self, id: &SnapshotId) -> Result<(), EngineError> {
        let work = self.work();
        let awake = work.life.as_ref().filter(|_| matches!(self.condition(), Condition::Awake(_)));
        if let Some(life) = awake {
            life.freeze().map_err(|error| self.cannot("stand still", error))?;
        }
        let written = work.life.as_ref().map_or(Ok(()), |life| {
            let written = life.write_back(&self.ground.directory(&self.name));
            written.map_err(|error| self.cannot("write its disk", error))
        });
        let taken = written.and_then(|()| self.ground.take_snapshot(&self.name, id));
        if let Some(life) = awake {
            life.thaw().map_err(|error| self.cannot("go on", error))?;
        }
        taken
    }

    /// Ends what runs in it, and lays a snapshot in place of what it keeps.
    pub(super) fn restore(&self, id: &SnapshotId) -> Result<(), EngineError> {
        let mut work = self.work();
        self.end(&work)?;
        self.ground.lay_snapshot(&self.name, id)?;
        work.life = None;
        if self.condition() == Condition::Absent {
            return Ok(());
        }
        let condition = Condition::Ended("it was restored to a snapshot".to_owned());
        self.fate().condition = condition;
        let change = Change { name: self.name.clone(), known: self.known() };
        // Nobody has to listen.
        self.ground.changes.send(change).ok();
        Ok(())
    }

    fn end(&self, work: &Work) -> Result<(), EngineError> {
        self.fate().end_is_news = false;
        let Some(life) = &work.life else { return Ok(()) };
        if life.wait_for_end(Duration::ZERO).is_some() {
            return Ok(());
        }
        life.kill().map_err(|error| self.cannot("be ended", error))?;
        if life.wait_for_end(LIMIT).is_none() {
            let what = format!("sandbox {} does not end within {LIMIT:?}", self.name);
            return Err(EngineError::new(EngineErrorKind::TimedOut, what));
        }
        Ok(())
    }

    /// Lets go of it, when what is being done with it has ended. It goes on, or sleeps on, for the next host.
    pub(super) fn let_go(&self) {
        let mut work = self.work();
        work.gone = true;
        self.fate().end_is_news = false;
        if let Some(life) = &work.life {
            life.let_go();
        }
    }

    /// Asks its agent to end, waking it for that. The first half of a shutdown.
    pub(super) fn ask_to_end(&self) {
        let work = self.work();
        self.fate().end_is_news = false;
        if let Some(life) = &work.life {
            // What does not listen is ended in the second half.
            life.thaw().and_then(|()| life.ask_to_end()).ok();
        }
    }

    /// Ends it when it has not ended within the limit. The second half of a shutdown, which then forgets all at once.
    pub(super) fn end_within(&self, limit: Duration) -> Result<(), EngineError> {
        let mut work = self.work();
        work.gone = true;
        if work.life.as_ref().is_some_and(|life| life.wait_for_end(limit).is_none()) {
            self.end(&work)?;
        }
        self.ground.sockets.close(&self.name).map_err(|error| self.cannot("be forgotten", error))
    }

    fn cannot(&self, what: &str, error: io::Error) -> EngineError {
        let kind = match error.kind() {
            io::ErrorKind::TimedOut => EngineErrorKind::TimedOut,
            _ => EngineErrorKind::System,
        };
        EngineError::new(kind, format!("sandbox {} cannot {what}: {error}", self.name)).with_source(error)
    }

    fn not_running(&self, condition: Condition) -> EngineError {
        match condition {
            Condition::Ended(reason) => {
                let what = format!("sandbox {} is not running: {reason}", self.name);
                EngineError::new(EngineErrorKind::Ended, what)
            }
            _ => absent(&self.name),
        }
    }
}

pub(super) fn overtaken(name: &SandboxName, generation: Generation, latest: Generation) -> EngineError {
    let what = format!("command {generation} to sandbox {name} comes too late: command {latest} came first");
    EngineError::new(EngineErrorKind::Overtaken, what)
}

pub(super) fn absent(name: &SandboxName) -> EngineError {
    EngineError::new(EngineErrorKind::Absent, format!("there is no sandbox {name}"))
}

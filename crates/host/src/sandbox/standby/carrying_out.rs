//! Carrying out what a sandbox's core commands, and telling the core how it ended.
//!
//! A command that takes too long is given up on: the engine may still carry it out, unless a later one comes
//! first. So whatever is tried again is tried with a later generation, and never on behalf of a command that
//! nobody waits for any more.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::core::{Called, Pass};
use super::wake::{Command, NotWoken, Slept, Ticket};
use crate::agent::Agent;
use crate::engine::{Address, Condition, EngineError, EngineErrorKind, Generation, Known};
use crate::sandbox::{Kept, Lease, Origin, Refusal, Resident, now};

/// How often a delete that somebody else's commands overtake is tried.
const MAX_ROUNDS: u32 = 5;

/// Why an engine has not done what it was asked for.
#[derive(Debug)]
pub(super) enum NotDone {
    /// It said so.
    Refused(EngineError),
    /// It was not waited for any longer.
    GivenUp(Duration),
    /// Its code broke off.
    BrokeOff,
}

impl NotDone {
    /// What kind of refusal it is. Where there is none nothing is known.
    fn kind(&self) -> Option<EngineErrorKind> {
        match self {
            Self::Refused(error) if error.kind() == EngineErrorKind::Unreachable => None,
            Self::Refused(error) => Some(error.kind()),
            Self::GivenUp(_) | Self::BrokeOff => None,
        }
    }
}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::GivenUp(limit) => write!(f, "the engine did not answer within {limit:?}"),
            Self::BrokeOff => f.write_str("the engine broke off"),
        }
    }
}

/// A sandbox that is awake.
struct Roused {
    address: Address,
    life: Life,
}

/// What it was before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Its processes go on.
    GoesOn,
    /// Nothing ran in it.
    New,
}

/// Starts a command. It goes on whoever asked for it goes away.
pub(in crate::sandbox) fn start(resident: &Arc<Resident>, command: Command) {
    let resident = Arc::clone(resident);
    let runtime = resident.terms.runtime.clone();
    runtime.spawn(async move {
        match command {
            Command::Wake(generation) => wake(resident, generation).await,
            Command::Sleep(generation) => sleep(resident, generation).await,
        }
    });
}

async fn wake(resident: Arc<Resident>, mut generation: Generation) {
    // Time that passes in failures and repetitions counts as the window's, too.
    let (window, began) = (resident.window(), now());
    loop {
        let result = resident.rouse(generation).await;
        let left = window.saturating_sub(now().duration_since(began));
        // Even to sleep for no time takes a tick of the timer, which is a millisecond.
        if result.is_ok() && !left.is_zero() {
            tokio::time::sleep(left).await;
        }
        let result = match result {
            Ok(Roused { address, life }) => {
                let agent = Arc::new(Agent::new(address));
                if life == Life::New {
                    resident.start_what_it_runs(&agent).await;
                }
                Ok(agent)
            }
            Err(not_done) => Err((resident.not_woken(&not_done).await, not_done)),
        };
        match call(&resident, generation, result) {
            Ok(calls) => return tell(calls),
            Err(next) => generation = next,
        }
    }
}

fn tell(calls: Vec<Call>) {
    for (waiting, outcome) in calls {
        // Who does not wait any more has given its place up; a lease ends with the message.
        let _ = waiting.send(outcome);
    }
}

type Call = (oneshot::Sender<Result<Lease, Refusal>>, Result<Lease, Refusal>);

/// Tells the core how waking ended; as an error the generation in which it has to be done again.
fn call(
    resident: &Arc<Resident>,
    generation: Generation,
    result: Result<Arc<Agent>, (NotWoken, NotDone)>,
) -> Result<Vec<Call>, Generation> {
    let mut kept = resident.kept();
    let (result, failure) = match result {
        Ok(agent) => (Ok(agent), None),
        Err((not_woken, not_done)) => (Err(not_woken), Some(not_done)),
    };
    let calls = match kept.core.woke(now(), generation, result) {
        Called::Again(Command::Wake(next) | Command::Sleep(next)) => return Err(next),
        Called::Ignored => Vec::new(),
        Called::Released(passes) => released(resident, &mut kept, passes),
        Called::Failed(tickets) => {
            let is_unfit = failure.as_ref().and_then(NotDone::kind) == Some(EngineErrorKind::Unfit);
            let reason: Arc<str> = match failure {
                Some(not_done) => not_done.to_string().into(),
                None => "somebody else keeps putting it to sleep".into(),
            };
            tracing::warn!(sandbox = %resident.name, reason = %reason, "the sandbox did not wake");
            resident.terms.hub.wake_failed(&resident.name, Arc::clone(&reason));
            let refusal = if is_unfit { Refusal::Unfit(reason) } else { Refusal::Failed(reason) };
            refused(&mut kept, &tickets, &refusal)
        }
    };
    resident.end(kept, None);
    Ok(calls)
}

fn released(resident: &Arc<Resident>, kept: &mut Kept, passes: Vec<(Ticket, Pass<Arc<Agent>>)>) -> Vec<Call> {
    let mut calls = Vec::with_capacity(passes.len());
    for (ticket, pass) in passes {
        match kept.held.remove(&ticket) {
            Some(waiting) => calls.push((waiting, Ok(Lease::new(Arc::clone(resident), pass)))),
            None => kept.core.close(pass.open, now()),
        }
    }
    calls
}

fn refused(kept: &mut Kept, tickets: &[Ticket], why: &Refusal) -> Vec<Call> {
    let waiting = tickets.iter().filter_map(|ticket| kept.held.remove(ticket));
    waiting.map(|waiting| (waiting, Err(why.clone()))).collect()
}

async fn sleep(resident: Arc<Resident>, generation: Generation) {
    let (engine, name) = (Arc::clone(&resident.terms.engine), resident.name.clone());
    let slept = resident.bounded(async move { engine.sleep(&name, generation).await }).await;
    let outcome = match &slept {
        Ok(()) => Slept::Asleep,
        Err(not_done) => {
            tracing::warn!(sandbox = %resident.name, reason = %not_done, "the sandbox did not go to sleep");
            resident.not_slept(not_done).await
        }
    };
    let result = slept.map_err(|not_done| not_done.to_string().into());
    let mut kept = resident.kept();
    let command = kept.core.slept(now(), generation, outcome);
    let sleepers = std::mem::take(&mut kept.sleepers);
    resident.end(kept, command);
    for sleeper in sleepers {
        // Who does not wait any more does not need to know.
        let _ = sleeper.send(result.clone());
    }
}

impl Resident {
    /// Runs what an engine does within a bound, and survives its panics.
    async fn bounded<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> Result<T, NotDone> {
        let limit = self.terms.limits.engine;
        match tokio::time::timeout(limit, tokio::spawn(work)).await {
            Ok(Ok(done)) => done.map_err(NotDone::Refused),
            Ok(Err(_)) => Err(NotDone::BrokeOff),
            Err(_) => Err(NotDone::GivenUp(limit)),
        }
    }

    /// What the engine says of it.
    pub(crate) async fn known(&self) -> Result<Known, Arc<str>> {
        let (engine, name) = (Arc::clone(&self.terms.engine), self.name.clone());
        let asked = self.bounded(async move { engine.condition(&name).await }).await;
        asked.map_err(|not_done| not_done.to_string().into())
    }

    /// Wakes it, or makes it where the engine is sure that there is none.
    async fn rouse(&self, generation: Generation) -> Result<Roused, NotDone> {
        let (engine, name) = (Arc::clone(&self.terms.engine), self.name.clone());
        let woken = self.bounded(async move { engine.wake(&name, generation).await }).await;
        match woken {
            Err(NotDone::Refused(error)) if error.kind() == EngineErrorKind::Ended => {
                tracing::info!(sandbox = %self.name, %error, "the sandbox had ended by itself; it is started again");
            }
            Err(NotDone::Refused(error)) if error.kind() == EngineErrorKind::Absent => {}
            woken => return woken.map(|address| Roused { address, life: Life::GoesOn }),
        }
        let (engine, plan) = (Arc::clone(&self.terms.engine), self.plan_mut().clone());
        let network = plan.network.clone();
        let made = self.bounded(async move { engine.create(plan, generation).await }).await;
        let wanted = self.plan_mut().network.clone();
        if made.is_ok() && wanted != network {
            // It changed while it was being made.
            let (engine, name) = (Arc::clone(&self.terms.engine), self.name.clone());
            self.bounded(async move { engine.change_network(&name, wanted).await }).await?;
        }
        made.map(|address| Roused { address, life: Life::New })
    }

    /// Starts what its record says is to run in it. A sandbox in which that fails is awake all the same.
    async fn start_what_it_runs(&self, agent: &Arc<Agent>) {
        let Some(command) = self.manner().autostart.clone() else { return };
        if let Err(reason) = agent.autostart(&command).await {
            tracing::warn!(sandbox = %self.name, %reason, "what is to start with it was not started");
        }
    }

    async fn not_woken(&self, not_done: &NotDone) -> NotWoken {
        match not_done.kind() {
            None => NotWoken::Unknown,
            Some(EngineErrorKind::Overtaken) => match self.known().await {
                Ok(known) => NotWoken::Overtaken(known.generation),
                Err(_) => NotWoken::Unknown,
            },
            Some(_) => NotWoken::Failed,
        }
    }

    async fn not_slept(&self, not_done: &NotDone) -> Slept<Arc<Agent>> {
        match not_done.kind() {
            None => return Slept::Unknown,
            Some(EngineErrorKind::Absent | EngineErrorKind::Ended) => return Slept::Asleep,
            Some(_) => {}
        }
        match self.known().await {
            Err(_) => Slept::Unknown,
            Ok(known) if not_done.kind() == Some(EngineErrorKind::Overtaken) => {
                Slept::Overtaken(known.generation)
            }
            Ok(Known { condition: Condition::Awake(address), .. }) => {
                Slept::StillAwake(Arc::new(Agent::new(address)))
            }
            Ok(_) => Slept::Asleep,
        }
    }

    /// How long its waking takes at least. A sandbox that is being made resumes from nothing.
    fn window(&self) -> Duration {
        match self.kept().origin {
            Origin::New => Duration::ZERO,
            Origin::Kept => self.terms.window,
        }
    }

    /// Ends it: nobody is let in any more, the engine removes it and its files.
    ///
    /// A create or wake that is out ends in nothing, however late: the delete comes after it.
    pub(crate) async fn delete(self: &Arc<Self>) -> Result<(), Arc<str>> {
        let mut generation = self.close_door();
        let mut rounds = 0;
        let deleted = loop {
            let (engine, name) = (Arc::clone(&self.terms.engine), self.name.clone());
            let deleted = self.bounded(async move { engine.delete(&name, generation).await }).await;
            let Err(not_done) = deleted else { break Ok(()) };
            match not_done.kind() {
                Some(EngineErrorKind::Absent) => break Ok(()),
                Some(EngineErrorKind::Overtaken) if rounds < MAX_ROUNDS => rounds += 1,
                _ => break Err(not_done.to_string().into()),
            }
            match self.known().await {
                Ok(known) => generation = self.kept().core.remove_again(known.generation),
                Err(reason) => break Err(reason),
            }
        };
        match deleted {
            Ok(()) => {
                self.terms.deleted(generation);
                self.over.cancel();
            }
            Err(_) => {
                let mut kept = self.kept();
                kept.core.restore(now());
                self.end(kept, None);
            }
        }
        deleted
    }

    /// Lets nobody in any more, though it could not be ended: whoever ends it does that later, as another one.
    pub(crate) fn disown(self: &Arc<Self>) {
        self.terms.deleted(self.close_door());
        self.over.cancel();
    }

    /// Lets nobody in any more, and tells those who wait. The generation of the delete.
    fn close_door(self: &Arc<Self>) -> Generation {
        let mut kept = self.kept();
        let (tickets, generation) = kept.core.remove();
        let calls = refused(&mut kept, &tickets, &Refusal::Gone);
        self.end(kept, None);
        tell(calls);
        generation
    }
}

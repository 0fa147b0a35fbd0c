//! Carrying out what a sandbox's core commands: one wake or one sleep at a time, told to the core when it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::core::{Called, Pass};
use super::wake::{Command, Slept, Ticket};
use crate::agent::Agent;
use crate::engine::{Address, Condition, Engine, EngineError, EngineErrorKind, Plan};
use crate::sandbox::{Kept, Lease, Origin, Refusal, Resident, now};

/// Starts a command. It goes on whoever asked for it goes away.
pub(in crate::sandbox) fn start(resident: &Arc<Resident>, command: Command) {
    let out = Out::new(resident);
    let resident = Arc::clone(resident);
    tokio::spawn(async move {
        let _out = out;
        match command {
            Command::Wake => wake(resident).await,
            Command::Sleep => sleep(resident).await,
        }
    });
}

/// Counts a command as long as it is out.
struct Out(Arc<Resident>);

impl Out {
    fn new(resident: &Arc<Resident>) -> Self {
        resident.commands.send_modify(|out| *out += 1);
        Self(Arc::clone(resident))
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.0.commands.send_modify(|out| *out -= 1);
    }
}

async fn wake(resident: Arc<Resident>) {
    // Time that passes in failures and repetitions counts as the window's, too.
    let window = tokio::time::sleep(resident.window());
    tokio::pin!(window);
    loop {
        let result = found(&resident).await;
        if result.is_ok() {
            window.as_mut().await;
        }
        if let Err(reason) = &result {
            tracing::warn!(sandbox = %resident.name, reason = %reason, "the sandbox did not wake");
            resident.terms.hub.wake_failed(&resident.name, Arc::clone(reason));
        }
        let Some(calls) = call(&resident, result) else { continue };
        return tell(calls);
    }
}

fn tell(calls: Vec<Call>) {
    for (waiting, outcome) in calls {
        // Who does not wait any more has given its place up; a lease ends with the message.
        let _ = waiting.send(outcome);
    }
}

/// Asks the engine until the agent can be reached, or says why it cannot.
async fn found(resident: &Arc<Resident>) -> Result<Arc<Agent>, Arc<str>> {
    let (engine, plan) = (Arc::clone(&resident.terms.engine), resident.plan.clone());
    let address = bounded(resident.terms.limits.engine, async move { rouse(&*engine, plan).await }).await?;
    Ok(Arc::new(Agent::new(address)))
}

async fn rouse(engine: &dyn Engine, plan: Plan) -> Result<Address, EngineError> {
    let name = plan.name.clone();
    let woken = match engine.condition(&name).await {
        Condition::Awake(address) => return Ok(address),
        Condition::Asleep => engine.wake(&name).await,
        Condition::Ended(reason) => {
            tracing::info!(sandbox = %name, reason, "the sandbox had ended by itself; it is started again");
            return engine.create(plan).await;
        }
        Condition::Absent => return engine.create(plan).await,
    };
    match woken {
        Err(error) if matches!(error.kind(), EngineErrorKind::Absent | EngineErrorKind::Ended) => {
            engine.create(plan).await
        }
        woken => woken,
    }
}

type Call = (oneshot::Sender<Result<Lease, Refusal>>, Result<Lease, Refusal>);

/// Tells the core how waking ended; `None`: it has to be done again.
fn call(resident: &Arc<Resident>, result: Result<Arc<Agent>, Arc<str>>) -> Option<Vec<Call>> {
    let mut kept = resident.kept();
    let failure = result.as_ref().err().cloned();
    let calls = match kept.core.woke(now(), result.map_err(drop)) {
        Called::Again => return None,
        Called::Ignored => Vec::new(),
        Called::Released(passes) => released(resident, &mut kept, passes),
        Called::Failed(tickets) => {
            let reason = failure.unwrap_or_else(|| "somebody else keeps putting it to sleep".into());
            refused(&mut kept, &tickets, &Refusal::Failed(reason))
        }
    };
    resident.end(kept, None);
    Some(calls)
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

async fn sleep(resident: Arc<Resident>) {
    let (engine, name) = (Arc::clone(&resident.terms.engine), resident.name.clone());
    let result = bounded(resident.terms.limits.engine, async move { engine.sleep(&name).await }).await;
    let outcome = match &result {
        Ok(()) => Slept::Asleep,
        Err(reason) => {
            tracing::warn!(sandbox = %resident.name, reason = %reason, "the sandbox did not go to sleep");
            still(&resident).await
        }
    };
    let mut kept = resident.kept();
    let command = kept.core.slept(now(), outcome);
    let sleepers = std::mem::take(&mut kept.sleepers);
    resident.end(kept, command);
    for sleeper in sleepers {
        // Who does not wait any more does not need to know.
        let _ = sleeper.send(result.clone());
    }
}

async fn still(resident: &Resident) -> Slept<Arc<Agent>> {
    let (engine, name) = (Arc::clone(&resident.terms.engine), resident.name.clone());
    let asked = async move { Ok(engine.condition(&name).await) };
    match bounded(resident.terms.limits.engine, asked).await {
        Ok(Condition::Awake(address)) => Slept::StillAwake(Arc::new(Agent::new(address))),
        Ok(Condition::Asleep) => Slept::Asleep,
        _ => Slept::Unknown,
    }
}

/// Runs what an engine does within a bound, and survives its panics.
pub(super) async fn bounded<T, F>(at_most: Duration, work: F) -> Result<T, Arc<str>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, EngineError>> + Send + 'static,
{
    match tokio::time::timeout(at_most, tokio::spawn(work)).await {
        Ok(Ok(Ok(value))) => Ok(value),
        Ok(Ok(Err(error))) => Err(error.to_string().into()),
        Ok(Err(_)) => Err("the engine broke off".into()),
        Err(_) => Err(format!("the engine did not answer within {at_most:?}").into()),
    }
}

impl Resident {
    /// How long its waking takes at least. A sandbox that is being made resumes from nothing.
    fn window(&self) -> Duration {
        match self.kept().origin {
            Origin::New => Duration::ZERO,
            Origin::Kept => self.terms.window,
        }
    }

    /// The engine has seen a change that nobody here asked for.
    pub(crate) fn changed(self: &Arc<Self>, condition: &Condition) {
        let mut kept = self.kept();
        let known = kept.core.agent().map(|(agent, _)| agent.address());
        if matches!(condition, Condition::Awake(address) if known == Some(address)) {
            return;
        }
        kept.core.overtaken();
        self.end(kept, None);
    }

    /// Changes were missed: nothing that is known need hold any more.
    pub(crate) fn unsure(self: &Arc<Self>) {
        let mut kept = self.kept();
        kept.core.overtaken();
        self.end(kept, None);
    }

    /// Ends it: nobody is let in any more, the engine removes it and its files.
    pub(crate) async fn delete(self: &Arc<Self>) -> Result<(), Arc<str>> {
        self.close_door();
        // A create or wake that ended after the delete would leave something behind.
        let mut commands = self.commands.subscribe();
        let ended = commands.wait_for(|out| *out == 0);
        let _ = tokio::time::timeout(self.terms.limits.engine, ended).await;
        let (engine, name) = (Arc::clone(&self.terms.engine), self.name.clone());
        let deleted = bounded(self.terms.limits.engine, async move {
            match engine.delete(&name).await {
                Err(error) if error.kind() == EngineErrorKind::Absent => Ok(()),
                deleted => deleted,
            }
        })
        .await;
        if deleted.is_err() {
            let mut kept = self.kept();
            kept.core.restore();
            self.end(kept, None);
        }
        deleted
    }

    /// Lets nobody in any more, and tells those who wait.
    fn close_door(self: &Arc<Self>) {
        let mut kept = self.kept();
        let tickets = kept.core.remove();
        let calls = refused(&mut kept, &tickets, &Refusal::Gone);
        self.end(kept, None);
        tell(calls);
    }
}

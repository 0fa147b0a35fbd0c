//! Putting a sandbox to standby: when it is due, and when somebody says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::commands::bounded;
use super::core::Busy;
use super::{Resident, now};
use crate::agent::{Agent, KeepAlive};
use crate::engine::Condition;
use crate::wake::{Phase, WakingId};

/// How long a standby that somebody asked for waits for requests to be answered.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often is looked at the most where the standby time is nothing.
const SHORTEST_TURN: Duration = Duration::from_millis(10);

/// Why a sandbox did not go to standby when somebody asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotSlept {
    /// So many requests still wait for their answer.
    Busy(usize),
    /// The engine could not do it.
    Failed(Arc<str>),
    /// It is being deleted.
    Gone,
}

/// Puts the sandbox to sleep whenever it is due, until it is deleted or the host stops.
pub(super) async fn watch(resident: Arc<Resident>) {
    let stop = resident.terms.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = until_gone(&resident) => {}
    }
}

async fn until_gone(resident: &Arc<Resident>) {
    let mut phase = resident.phase.subscribe();
    loop {
        // Not held on to: whoever changes the phase holds the sandbox's lock.
        let told =
            phase.wait_for(|phase| matches!(phase, Phase::Awake | Phase::Gone)).await.map(|told| *told);
        if !matches!(told, Ok(Phase::Awake)) {
            return;
        }
        tokio::select! {
            () = sleep_until(next_look(resident)) => look(resident).await,
            _ = phase.changed() => {}
        }
    }
}

/// When to look again whether it is due; `None`: never.
///
/// A request that ends can bring the time forward, but never to less than the standby time from then on: who
/// looks once in a standby time misses none.
fn next_look(resident: &Resident) -> Option<std::time::Instant> {
    let turn = now().checked_add(resident.terms.standby_after.max(SHORTEST_TURN));
    let due = resident.kept().core.due();
    [due, turn].into_iter().flatten().min()
}

async fn sleep_until(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(Instant::from_std(at)).await,
        None => std::future::pending().await,
    }
}

/// Looks whether it is due, asks the agent for what cannot be seen from here, and puts it to sleep.
async fn look(resident: &Arc<Resident>) {
    let Some((agent, waking)) = due(resident) else { return };
    let keep_alive = agent.keep_alive().await;
    let mut kept = resident.kept();
    match keep_alive {
        KeepAlive::None => {
            let command = kept.core.sleep_if_due(now(), waking);
            resident.end(kept, command);
        }
        KeepAlive::Running => kept.core.look_again(now()),
        KeepAlive::Unreachable => {
            kept.core.lost(waking);
            resident.end(kept, None);
        }
        KeepAlive::Unknown(reason) => {
            tracing::warn!(sandbox = %resident.name, reason, "the agent did not say what runs; it stays awake");
            kept.core.look_again(now());
        }
    }
}

fn due(resident: &Resident) -> Option<(Arc<Agent>, WakingId)> {
    let kept = resident.kept();
    let (agent, waking) = kept.core.agent()?;
    kept.core.due().is_some_and(|due| due <= now()).then(|| (Arc::clone(agent), waking))
}

enum Start {
    Asked(oneshot::Receiver<Result<(), Arc<str>>>),
    Wait,
    Busy(Busy),
    AskEngine,
    Gone,
}

impl Resident {
    /// Puts it to standby because somebody says so.
    ///
    /// Waits a while for requests that wait for their answer. Open streams and tunnels do not keep it awake:
    /// they stand still until it wakes.
    pub(crate) async fn standby(self: &Arc<Self>) -> Result<(), NotSlept> {
        let until = Instant::now() + PATIENCE;
        let mut phase = self.phase.subscribe();
        let mut ended = self.ended.subscribe();
        loop {
            match self.start_sleeping() {
                Start::Gone => return Err(NotSlept::Gone),
                Start::Asked(slept) => {
                    return slept.await.unwrap_or(Ok(())).map_err(NotSlept::Failed);
                }
                Start::Wait => drop(phase.changed().await),
                Start::AskEngine if self.sleeps_already().await? => return Ok(()),
                Start::AskEngine => {}
                Start::Busy(Busy { requests }) => {
                    if tokio::time::timeout_at(until, ended.changed()).await.is_err() {
                        return Err(NotSlept::Busy(requests));
                    }
                }
            }
        }
    }

    fn start_sleeping(self: &Arc<Self>) -> Start {
        let mut kept = self.kept();
        match kept.core.phase() {
            Phase::Gone => return Start::Gone,
            Phase::Waking | Phase::Settling => return Start::Wait,
            Phase::Resting => return Start::AskEngine,
            Phase::Awake => {}
        }
        let command = match kept.core.sleep_now() {
            Ok(command) => command,
            Err(busy) => return Start::Busy(busy),
        };
        let (tell, told) = oneshot::channel();
        kept.sleepers.push(tell);
        self.end(kept, command);
        Start::Asked(told)
    }

    /// What is not known to be awake may have been woken by somebody else.
    async fn sleeps_already(self: &Arc<Self>) -> Result<bool, NotSlept> {
        let (engine, name) = (Arc::clone(&self.terms.engine), self.name.clone());
        let asked = bounded(self.terms.limits.engine, async move { Ok(engine.condition(&name).await) });
        let Condition::Awake(address) = asked.await.map_err(NotSlept::Failed)? else { return Ok(true) };
        let mut kept = self.kept();
        kept.core.found(now(), Arc::new(Agent::new(address)));
        self.end(kept, None);
        Ok(false)
    }
}

//! Putting a sandbox to standby when it is due, and finding out what it does where that is not known.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::wake::{Doubt, Phase, WakingId};
use crate::agent::{Agent, KeepAlive};
use crate::sandbox::{Resident, now};

/// How often is looked at the most where the standby time is nothing.
const SHORTEST_TURN: Duration = Duration::from_millis(10);

/// Puts the sandbox to sleep whenever it is due, until it is deleted or the host stops.
pub(in crate::sandbox) async fn run(resident: Arc<Resident>) {
    let stop = resident.terms.stop.clone();
    let over = resident.over.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = over.cancelled() => {}
        () = for_ever(&resident) => {}
    }
}

async fn for_ever(resident: &Arc<Resident>) {
    let mut phase = resident.phase.subscribe();
    loop {
        let may_be_awake = |phase: &Phase| matches!(phase, Phase::Awake | Phase::Unsure(_));
        // Not held on to: whoever changes the phase holds the sandbox's lock.
        if phase.wait_for(may_be_awake).await.map(|told| *told).is_err() {
            return;
        }
        tokio::select! {
            () = sleep_until(next_look(resident)) => look(resident).await,
            _ = phase.changed() => {}
            () = resident.rules.notified() => {}
        }
    }
}

/// When to look again whether it is due; `None`: never.
///
/// A request that ends can bring the time forward, but never to less than the standby time from then on: who
/// looks once in a standby time misses none.
fn next_look(resident: &Resident) -> Option<std::time::Instant> {
    let kept = resident.kept();
    let turn = now().checked_add(kept.core.standby_after().max(SHORTEST_TURN));
    let due = kept.core.due();
    [due, turn].into_iter().flatten().min()
}

async fn sleep_until(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(Instant::from_std(at)).await,
        None => std::future::pending().await,
    }
}

async fn look(resident: &Arc<Resident>) {
    let doubt = resident.kept().core.doubt_when_due(now());
    match doubt {
        None => look_at_agent(resident).await,
        Some(Doubt::Command) => {
            let mut kept = resident.kept();
            let command = kept.core.settle_if_due(now());
            resident.end(kept, command);
        }
        Some(Doubt::News) => look_at_engine(resident).await,
    }
}

/// Looks whether it is due, asks the agent for what cannot be seen from here, and puts it to sleep.
async fn look_at_agent(resident: &Arc<Resident>) {
    let Some((agent, waking)) = due(resident) else { return };
    let keep_alive = agent.keep_alive().await;
    let mut kept = resident.kept();
    match keep_alive {
        KeepAlive::None => {
            let command = kept.core.sleep_if_due(now(), waking);
            resident.end(kept, command);
        }
        KeepAlive::Running => {
            // A process that holds it awake uses it, too.
            kept.last_used = Some(resident.terms.clock.now());
            kept.core.look_again(now());
        }
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

/// Asks the engine what it does. An engine that cannot say is asked again later.
async fn look_at_engine(resident: &Arc<Resident>) {
    if let Err(reason) = resident.ask_engine().await {
        tracing::warn!(sandbox = %resident.name, reason = %reason, "the engine did not say whether it is awake");
        resident.kept().core.look_again(now());
    }
}

fn due(resident: &Resident) -> Option<(Arc<Agent>, WakingId)> {
    let kept = resident.kept();
    let (agent, waking) = kept.core.agent()?;
    kept.core.due().is_some_and(|due| due <= now()).then(|| (Arc::clone(agent), waking))
}

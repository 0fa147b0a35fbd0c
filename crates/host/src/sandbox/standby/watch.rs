//! Putting a sandbox to standby when it is due.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::wake::{Phase, WakingId};
use crate::agent::{Agent, KeepAlive};
use crate::sandbox::{Resident, now};

/// How often is looked at the most where the standby time is nothing.
const SHORTEST_TURN: Duration = Duration::from_millis(10);

/// Puts the sandbox to sleep whenever it is due, until it is deleted or the host stops.
pub(in crate::sandbox) async fn run(resident: Arc<Resident>) {
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

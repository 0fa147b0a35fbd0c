//! Putting a sandbox to standby because somebody says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::carrying_out::bounded;
use super::core::Busy;
use super::wake::Phase;
use crate::agent::Agent;
use crate::engine::Condition;
use crate::sandbox::{Resident, now};

/// How long a standby that somebody asked for waits for requests to be answered.
const PATIENCE: Duration = Duration::from_secs(5);

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

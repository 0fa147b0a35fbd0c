//! Putting a sandbox to standby because somebody says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::core::{Busy, Streams};
use super::wake::{Doubt, Phase};
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
    /// Waits a while for requests that wait for their answer, and for streams to pause. Open streams and tunnels
    /// do not keep it awake: they stand still until it wakes.
    pub(crate) async fn standby(self: &Arc<Self>) -> Result<(), NotSlept> {
        let until = Instant::now() + PATIENCE;
        let mut phase = self.phase.subscribe();
        let mut ended = self.ended.subscribe();
        loop {
            let streams = if Instant::now() < until { Streams::Settle } else { Streams::Freeze };
            match self.start_sleeping(streams) {
                Start::Gone => return Err(NotSlept::Gone),
                Start::Asked(slept) => {
                    return slept.await.unwrap_or(Ok(())).map_err(NotSlept::Failed);
                }
                Start::Wait => drop(phase.changed().await),
                Start::AskEngine => match self.ask_engine().await.map_err(NotSlept::Failed)? {
                    Condition::Awake(_) => {}
                    Condition::Asleep | Condition::Ended(_) | Condition::Absent => return Ok(()),
                },
                Start::Busy(Busy { requests, .. }) if streams == Streams::Freeze => {
                    return Err(NotSlept::Busy(requests));
                }
                Start::Busy(Busy { settle, .. }) => {
                    let settled = settle.map_or(until, |at| until.min(Instant::from_std(at)));
                    // Whichever comes first, it is looked again.
                    drop(tokio::time::timeout_at(settled, ended.changed()).await);
                }
            }
        }
    }

    fn start_sleeping(self: &Arc<Self>, streams: Streams) -> Start {
        let mut kept = self.kept();
        match kept.core.phase() {
            Phase::Gone => return Start::Gone,
            Phase::Waking | Phase::Settling => return Start::Wait,
            Phase::Resting | Phase::Unsure(Doubt::News) => return Start::AskEngine,
            Phase::Awake | Phase::Unsure(Doubt::Command) => {}
        }
        let command = match kept.core.sleep_now(now(), streams) {
            Ok(command) => command,
            Err(busy) => return Start::Busy(busy),
        };
        let (tell, told) = oneshot::channel();
        kept.sleepers.push(tell);
        self.end(kept, command);
        Start::Asked(told)
    }
}

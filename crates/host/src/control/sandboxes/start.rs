//! Starting what a record describes, and what an earlier host left of it.

use std::sync::Arc;

use reveille_wire::Status;

use super::super::answer::Failure;
use super::super::record::Record;
use super::super::state::Control;
use crate::engine::Network;
use crate::sandbox::{Origin, Patience, Refusal, Resident};
use crate::store::Turn;

/// Starts a new sandbox and waits until it answers.
pub(in crate::control) async fn start(resident: &Arc<Resident>) -> Result<(), Failure> {
    match resident.admit(Patience::Wait, 0).await {
        Ok(lease) => {
            drop(lease);
            Ok(())
        }
        Err(Refusal::Failed(reason)) => {
            Err(Failure::internal(format!("the sandbox could not be started: {reason}")))
        }
        Err(Refusal::Unfit(reason)) => {
            Err(Failure::bad_request(format!("the sandbox cannot be as it is asked for: {reason}")))
        }
        Err(refusal) => Err(Failure::not_woken(&refusal)),
    }
}

/// Ends a sandbox, where one is there, and removes its files. Its record is as it was.
pub(super) async fn end(control: &Control, record: &Record) -> Result<(), Failure> {
    let registered = control.reach(&record.sandbox.metadata.name).ok();
    let resident = match &registered {
        Some(resident) => Arc::clone(resident),
        // Nobody can reach it; the engine may have something of it.
        None => control.resident(record, Origin::Kept)?,
    };
    if let Err(reason) = resident.delete().await {
        return Err(Failure::internal(format!("the sandbox could not be ended: {reason}")));
    }
    if registered.is_some() {
        control.registry.forget(&resident);
    }
    Ok(())
}

/// Makes sandboxes of the records of an earlier host, and finishes what it had begun. Nobody is served yet.
pub(crate) fn bring_back(control: &Arc<Control>) {
    for record in control.records.all() {
        let name = &record.sandbox.metadata.name;
        let unfinished = match record.status() {
            Status::Deploying if record.was_copying() => Unfinished::Deleting,
            Status::Deploying => Unfinished::Making,
            Status::Deleting => Unfinished::Deleting,
            Status::Deactivating => Unfinished::SwitchingOff,
            Status::Deactivated => continue,
            Status::Failed | Status::Terminated => Unfinished::Ended,
            _ => {
                match control.register(&record, Origin::Kept) {
                    Ok(resident) => drop(tokio::spawn(restate_network(resident, control.network(&record)))),
                    Err(failure) => tracing::warn!(
                        sandbox = name,
                        ?failure,
                        "a record is of no sandbox; it is left as it is"
                    ),
                }
                continue;
            }
        };
        let Some(turn) = control.records.try_turn(name) else { continue };
        tokio::spawn(finish(Arc::clone(control), turn, record, unfinished));
    }
}

/// Says what a sandbox reaches that may go on since an earlier host. One that does not run hears of it when it starts.
async fn restate_network(resident: Arc<Resident>, network: Network) {
    if let Err(error) = resident.change_network(network).await {
        tracing::debug!(sandbox = %resident.name(), %error, "it reaches what it has reached before");
    }
}

/// What a host that was killed left half done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfinished {
    /// It was being made, or made anew. Nobody was told that it is there.
    Making,
    Deleting,
    SwitchingOff,
    /// Its record stays a while; its files may be there still.
    Ended,
}

async fn finish(control: Arc<Control>, turn: Turn<Record>, record: Arc<Record>, unfinished: Unfinished) {
    let name = &record.sandbox.metadata.name;
    if let Err(failure) = end(&control, &record).await {
        tracing::warn!(sandbox = name, ?failure, "what an earlier host left half done could not be finished");
        return;
    }
    if matches!(unfinished, Unfinished::Deleting | Unfinished::Ended)
        && let Err(failure) = control.remove_belongings(name).await
    {
        tracing::warn!(
            sandbox = name,
            ?failure,
            "previews or schedules of a sandbox that is no more could not be removed"
        );
    }
    let finished = match unfinished {
        Unfinished::Deleting => turn.remove().await,
        Unfinished::Ended => Ok(()),
        Unfinished::SwitchingOff => {
            let now = control.clock.now();
            turn.put(record.with_status(Status::Deactivated, now, "it is switched off")).await
        }
        Unfinished::Making => {
            let now = control.clock.now();
            let record = record.with_status(Status::Deployed, now, "its host was ended while it was made");
            if let Err(failure) = control.register(&record, Origin::Kept) {
                tracing::warn!(sandbox = name, ?failure, "a record is of no sandbox; it is left as it is");
                return;
            }
            turn.put(record).await
        }
    };
    if let Err(unwritten) = finished {
        tracing::warn!(sandbox = name, ?unwritten, "that it is finished could not be written down");
    }
}

//! Ending sandboxes whose time has come, and letting go of the records of those that have ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reveille_wire::Status;

use super::super::record::Record;
use super::super::state::Control;
use super::start::end;

/// How long is waited before what could not be written down is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Runs until the host stops.
pub(crate) async fn run(control: Arc<Control>) {
    loop {
        let now = control.clock.now();
        let mut soonest = None;
        for record in control.records.all() {
            match next(&control, &record) {
                // Each by itself: one that takes long must not keep the others alive.
                Some(at) if at <= now => drop(tokio::spawn(expire(Arc::clone(&control), record))),
                at => soonest = [soonest, at].into_iter().flatten().min(),
            }
        }
        tokio::select! {
            () = control.clock.wait_until_due(soonest) => {}
            () = control.expiries.notified() => {}
            () = control.terms.stop.cancelled() => return,
        }
    }
}

/// When something is to be done about a record.
fn next(control: &Control, record: &Record) -> Option<SystemTime> {
    match record.status() {
        Status::Terminated => record.kept_until(),
        Status::Deployed | Status::Deactivated => control.expiry(record).map(|expiry| expiry.0),
        _ => None,
    }
}

async fn expire(control: Arc<Control>, record: Arc<Record>) {
    let name = &record.sandbox.metadata.name;
    let Ok((turn, record)) = control.turn(name).await else { return };
    let now = control.clock.now();
    // It may have been used, changed or ended while its turn was waited for.
    if next(&control, &record).is_none_or(|at| at > now) {
        return control.expiries.notify_one();
    }
    let was = record.status();
    let ended = match was {
        Status::Terminated => Ok(()),
        _ => turn.mark(record.with_status(Status::Terminated, now, "its time has come")).await,
    };
    if ended.is_ok()
        && let Err(failure) = end(&control, &record).await
    {
        tracing::warn!(sandbox = name, ?failure, "it could not be ended; whoever comes next tries it again");
    }
    if let Err(failure) = control.remove_belongings(name).await {
        tracing::warn!(sandbox = name, ?failure, "its previews or schedules could not be removed");
    }
    let written = match (ended, was) {
        (Ok(()), Status::Terminated) => turn.remove().await,
        (ended, _) => ended,
    };
    drop(turn);
    if let Err(unwritten) = written {
        tracing::warn!(sandbox = name, ?unwritten, "its end could not be written down");
        tokio::time::sleep(AGAIN).await;
    }
    control.expiries.notify_one();
}

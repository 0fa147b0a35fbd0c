use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use reveille_wire::SandboxName;

use super::super::answer::Failure;
use super::super::asked::Path;
use super::super::state::Control;
use crate::sandbox::{NotSlept, Patience, Refusal};

pub(super) async fn standby(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let resident = control.reach(&name)?;
    match resident.standby().await {
        Ok(()) => {}
        Err(NotSlept::Gone) => return Err(Failure::no_such_sandbox(resident.name())),
        Err(NotSlept::Failed(reason)) => {
            return Err(Failure::internal(format!("the sandbox did not go to standby: {reason}")));
        }
        Err(NotSlept::Busy(requests)) => return Err(busy(resident.name(), requests)),
    }
    control.remember(&name).await;
    Ok(control.shown(&*control.find(&name)?).await.into_response())
}

fn busy(name: &SandboxName, requests: usize) -> Failure {
    let message = match requests {
        1 => format!("{name} stays awake: a request waits for its answer; try again when it has one"),
        n => {
            format!("{name} stays awake: {n} requests wait for their answers; try again when they have them")
        }
    };
    Failure::new(StatusCode::CONFLICT, "SANDBOX_BUSY", message)
}

pub(super) async fn resume(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let resident = control.reach(&name)?;
    match resident.admit(Patience::Wait, 0).await {
        Ok(lease) => drop(lease),
        Err(Refusal::Gone) => return Err(Failure::no_such_sandbox(resident.name())),
        Err(refusal) => return Err(Failure::not_woken(&refusal)),
    }
    Ok(control.shown(&*control.find(&name)?).await.into_response())
}

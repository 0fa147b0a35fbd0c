use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use reveille_wire::{Sandbox, SandboxName, Status};
use serde::Deserialize;

use super::answer::Failure;
use super::state::Control;
use super::{draft, read_json, secrets};
use crate::clock;
use crate::sandbox::Patience;
use crate::sandbox::{Refusal, Registered, Resident};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Creation {
    #[serde(default)]
    create_if_not_exist: bool,
}

pub(super) async fn create(
    State(control): State<Arc<Control>>,
    Query(creation): Query<Creation>,
    body: Bytes,
) -> Result<Response, Failure> {
    let record: Sandbox = read_json(&body)?;
    let name = draft::name_of(&record)?;
    draft::check(&record)?;
    if let Some(damaged) = control.store.damaged(&name) {
        let path = damaged.path.display();
        return Err(exists(format!(
            "{name} has a record that cannot be read: look at {path}, or move it away"
        )));
    }
    let resident = match control.residents.register(&name, || control.resident(&name, new(&name, record))) {
        // Whoever asked may go away; a creation that has begun is carried out.
        Registered::New(resident) => {
            let making = tokio::spawn(make(Arc::clone(&control), Arc::clone(&resident)));
            making.await.map_err(|_| Failure::broken_off())??;
            resident
        }
        Registered::Taken(resident) if creation.create_if_not_exist => {
            made(&resident).await?;
            resident
        }
        Registered::Taken(_) => return Err(exists(format!("there is a sandbox called {name} already"))),
    };
    Ok(control.shown(&resident).await.into_response())
}

fn exists(message: String) -> Failure {
    Failure::new(StatusCode::CONFLICT, "SANDBOX_ALREADY_EXISTS", message)
}

/// The record of a new sandbox.
fn new(name: &SandboxName, mut record: Sandbox) -> Sandbox {
    name.as_str().clone_into(&mut record.metadata.name);
    record.metadata.created_at = Some(clock::now());
    record.metadata.updated_at.clone_from(&record.metadata.created_at);
    record.spec.enabled.get_or_insert(true);
    record.status = Some(Status::Deploying);
    record.last_used_at = None;
    record.expires_in = None;
    record
}

/// Starts a sandbox that is registered; what cannot be started is forgotten again.
async fn make(control: Arc<Control>, resident: Arc<Resident>) -> Result<(), Failure> {
    let started = match control.keep(&resident).await {
        Ok(()) => started(&resident).await,
        kept => kept,
    };
    if let Err(failure) = started {
        if control.delete(&resident).await.is_err() {
            tracing::warn!(sandbox = %resident.name(), "what is left of it could not be removed");
        }
        return Err(failure);
    }
    let mut record = resident.record();
    record.status = Some(Status::Deployed);
    resident.set_record(record);
    control.keep(&resident).await
}

async fn started(resident: &Arc<Resident>) -> Result<(), Failure> {
    match resident.admit(Patience::Wait).await {
        Ok(lease) => {
            drop(lease);
            Ok(())
        }
        Err(Refusal::Failed(reason)) => {
            Err(Failure::internal(format!("the sandbox could not be started: {reason}")))
        }
        Err(refusal) => Err(Failure::not_woken(&refusal)),
    }
}

/// Waits for a creation that somebody else has begun.
async fn made(resident: &Arc<Resident>) -> Result<(), Failure> {
    match resident.record().status {
        Some(Status::Deploying) => started(resident).await,
        _ => Ok(()),
    }
}

/// Changes what may change of a record.
pub(super) async fn update(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    let resident = control.find(&name)?;
    let mut record: Sandbox = read_json(&body)?;
    draft::check(&record)?;
    let before = resident.record();
    if !record.metadata.name.is_empty() && record.metadata.name != before.metadata.name {
        return Err(Failure::bad_request("a sandbox cannot be renamed"));
    }
    if let Some(what) = fixed(&record, &before) {
        return Err(Failure::bad_request(format!("{what} of a sandbox cannot change: create another")));
    }
    secrets::restore(&mut record, &before);
    record.metadata.name.clone_from(&before.metadata.name);
    record.metadata.created_at.clone_from(&before.metadata.created_at);
    record.metadata.created_by.clone_from(&before.metadata.created_by);
    record.metadata.updated_at = Some(clock::now());
    record.status = before.status;
    record.last_used_at.clone_from(&before.last_used_at);
    resident.set_record(record);
    if let Err(failure) = control.keep(&resident).await {
        resident.set_record(before);
        return Err(failure);
    }
    Ok(control.shown(&resident).await.into_response())
}

/// What an update would change although it cannot.
fn fixed(record: &Sandbox, before: &Sandbox) -> Option<&'static str> {
    let image = |it: &Sandbox| it.spec.runtime.as_ref().and_then(|runtime| runtime.image.clone());
    let extra =
        |it: &Sandbox| it.spec.runtime.as_ref().and_then(|runtime| runtime.other.get("extraArgs").cloned());
    if image(record).is_some_and(|it| Some(it) != image(before)) {
        return Some("the image");
    }
    extra(record).is_some_and(|it| Some(it) != extra(before)).then_some("extraArgs")
}

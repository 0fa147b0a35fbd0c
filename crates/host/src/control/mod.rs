//! The control plane, under `/v0`.

mod answer;
mod create;
mod draft;
mod elsewhere;
mod list;
mod secrets;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use reveille_wire::{SandboxName, Status};
use serde::Deserialize;

use crate::sandbox::Patience;
use crate::sandbox::{NotSlept, Refusal, Resident};
pub(crate) use answer::Failure;
pub(crate) use state::Control;

/// The largest body of a request.
const MAX_BODY: usize = 1024 * 1024;

/// The routes of the control plane.
pub(crate) fn routes(control: Control) -> Router {
    let sandboxes = Router::new()
        .route("/sandboxes", get(list::list).post(create::create))
        .route("/sandboxes/by-external-id/{id}", get(by_external_id))
        .route("/sandboxes/{name}", get(get_one).put(create::update).delete(delete))
        .route("/sandboxes/{name}/standby", post(standby))
        .route("/sandboxes/{name}/resume", post(resume));
    Router::new()
        .nest("/v0", sandboxes)
        .fallback(elsewhere::not_served)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(control))
}

async fn not_allowed() -> Failure {
    let message = "the control plane has something there, but not for this method";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
}

#[derive(Debug, Deserialize)]
struct Shown {
    #[serde(default)]
    show_secrets: bool,
}

async fn get_one(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Response, Failure> {
    let resident = control.find(&name)?;
    if shown.show_secrets {
        return Ok(axum::Json(control.record(&resident).await).into_response());
    }
    Ok(control.shown(&resident).await.into_response())
}

async fn by_external_id(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let has_it = |resident: &Arc<Resident>| resident.record().metadata.external_id.as_deref() == Some(&*id);
    let Some(resident) = control.residents.all().into_iter().find(has_it) else {
        return Err(Failure::not_found(format!("there is no sandbox with the external id {id:?}")));
    };
    Ok(control.shown(&resident).await.into_response())
}

async fn delete(State(control): State<Arc<Control>>, Path(name): Path<String>) -> Result<Response, Failure> {
    let resident = control.find(&name)?;
    // Whoever asked may go away; a delete that has begun is carried out.
    let deleting = tokio::spawn(async move {
        control.delete(&resident).await?;
        let mut record = control.record(&resident).await;
        record.status = Some(Status::Deleting);
        Ok(record)
    });
    let record = deleting.await.map_err(|_| Failure::broken_off())?;
    record.map(|record| secrets::hidden(record).into_response())
}

async fn standby(State(control): State<Arc<Control>>, Path(name): Path<String>) -> Result<Response, Failure> {
    let resident = control.find(&name)?;
    match resident.standby().await {
        Ok(()) => {}
        Err(NotSlept::Gone) => return Err(Failure::no_such_sandbox(resident.name())),
        Err(NotSlept::Failed(reason)) => {
            return Err(Failure::internal(format!("the sandbox did not go to standby: {reason}")));
        }
        Err(NotSlept::Busy(requests)) => return Err(busy(resident.name(), requests)),
    }
    control.remember(&resident).await;
    Ok(control.shown(&resident).await.into_response())
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

async fn resume(State(control): State<Arc<Control>>, Path(name): Path<String>) -> Result<Response, Failure> {
    let resident = control.find(&name)?;
    match resident.admit(Patience::Wait).await {
        Ok(lease) => drop(lease),
        Err(Refusal::Gone) => return Err(Failure::no_such_sandbox(resident.name())),
        Err(refusal) => return Err(Failure::not_woken(&refusal)),
    }
    Ok(control.shown(&resident).await.into_response())
}

/// The body of a request as JSON; an empty one is an empty object.
fn read_json<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, Failure> {
    let body: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| Failure::bad_request(format!("the body cannot be read: {error}")))
}

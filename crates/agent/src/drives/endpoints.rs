//! The endpoints under `/drives/mount`.

use axum::extract::{Path, State};
use axum::routing::{delete, get};
use axum::{Json, Router};
use http::StatusCode;
use reveille_wire::{
    DriveMount, DriveMounts, DriveName, MountOutcome, MountPath, MountRequest, UnmountOutcome,
};

use crate::agent::Agent;
use crate::failure::Failure;
use crate::json::JsonBody;

/// The endpoints under `/drives/mount`.
pub(crate) fn routes() -> Router<Agent> {
    Router::new()
        // Nothing is unmounted without a path; the platform's server has no words for it either.
        .route("/drives/mount", get(list).post(mount).delete(|| async { StatusCode::METHOD_NOT_ALLOWED }))
        .route("/drives/mount/", delete(|| async { Failure::bad("the mount path is missing") }))
        .route("/drives/mount/{*path}", delete(unmount))
}

async fn list(State(agent): State<Agent>) -> Json<DriveMounts> {
    Json(DriveMounts { mounts: agent.drives().mounted().await })
}

async fn mount(
    State(agent): State<Agent>,
    JsonBody(request): JsonBody<MountRequest>,
) -> Result<Json<MountOutcome>, Failure> {
    let wanted = checked(request)?;
    agent.drives().mount(wanted.clone()).await?;
    let message = format!("drive {:?} is mounted at {}", wanted.drive, wanted.path);
    Ok(Json(MountOutcome::mounted(wanted, message)))
}

fn checked(mut request: MountRequest) -> Result<DriveMount, Failure> {
    let bad = |error: reveille_wire::InvalidInput| Failure::bad(error.to_string());
    DriveName::new(request.drive.as_str()).map_err(bad)?;
    MountPath::new(&request.path).map_err(bad)?.as_str().clone_into(&mut request.path);
    if request.drive_path.is_empty() {
        "/".clone_into(&mut request.drive_path);
    }
    if !request.drive_path.starts_with('/') {
        return Err(Failure::bad("the drive path does not start with /"));
    }
    if request.drive_path.contains('\0') || request.drive_path.split('/').any(|part| part == "..") {
        return Err(Failure::bad("the drive path must not hold \"..\""));
    }
    Ok(request)
}

async fn unmount(
    State(agent): State<Agent>,
    Path(path): Path<String>,
) -> Result<Json<UnmountOutcome>, Failure> {
    let path = MountPath::new(&path).map_err(|error| Failure::bad(error.to_string()))?;
    agent.drives().unmount(path.clone()).await?;
    Ok(Json(UnmountOutcome::unmounted(&path)))
}

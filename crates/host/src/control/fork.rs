//! A new sandbox with the files and the spec of another, or of a snapshot. What ran in it does not run in the new
//! one: the platform copies memory, the local host does not, and says so.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use reveille_wire::{EnvVar, Lifecycle, PortSpec, Sandbox, SandboxName, SandboxSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Failure;
use super::asked::{self, Path};
use super::snapshots::{id_of, refused};
use super::spec;
use super::state::Control;
use crate::engine::SnapshotId;
use crate::image::Pinned;

pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/sandboxes/{name}/fork", post(fork_sandbox))
        .route("/snapshots/{id}/fork", post(fork_snapshot))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fork {
    target_name: String,
    target_type: Option<String>,
    snapshot_id: Option<String>,
    port: Option<u16>,
    envs: Vec<EnvVar>,
    lifecycle: Option<Lifecycle>,
}

/// Where the files of a fork come from.
enum Files {
    /// A sandbox, as it is now.
    Sandbox(SandboxName),
    Snapshot(SnapshotId),
}

async fn fork_sandbox(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    asked::Json(fork): asked::Json<Fork>,
) -> Result<Json<Value>, Failure> {
    let record = control.find(&name)?;
    let (files, spec, image) = match &fork.snapshot_id {
        Some(id) => {
            let snapshot = control.snapshot(id)?;
            (Files::Snapshot(id_of(&snapshot)?), snapshot.spec.clone(), snapshot.image.clone())
        }
        None => {
            if let Some(why) = record.has_no_files() {
                return Err(Failure::conflict(format!("{name} {why}: nothing can be copied of it")));
            }
            let sandbox = SandboxName::new(name).map_err(|_| Failure::broken_off())?;
            (Files::Sandbox(sandbox), record.sandbox.spec.clone(), record.image.clone())
        }
    };
    made(control, files, (spec, image), fork).await
}

async fn fork_snapshot(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    asked::Json(fork): asked::Json<Fork>,
) -> Result<Json<Value>, Failure> {
    let snapshot = control.snapshot(&id)?;
    let fork = Fork { snapshot_id: Some(id), ..fork };
    let of = (snapshot.spec.clone(), snapshot.image.clone());
    made(control, Files::Snapshot(id_of(&snapshot)?), of, fork).await
}

async fn made(
    control: Arc<Control>,
    files: Files,
    (mut spec, image): (SandboxSpec, Option<Pinned>),
    fork: Fork,
) -> Result<Json<Value>, Failure> {
    if fork.target_type.as_deref().is_some_and(|kind| kind != "sandbox") {
        let message = "applications: the platform has these, the local host has not; fork into a sandbox";
        return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message));
    }
    if fork.target_name.is_empty() {
        return Err(Failure::bad_request("targetName says what the fork is called"));
    }
    lay_over(&mut spec, fork.envs);
    if let Some(port) = fork.port {
        open(&mut spec, port);
    }
    if let Some(lifecycle) = fork.lifecycle {
        spec.lifecycle = Some(lifecycle);
        let runtime = spec.runtime.get_or_insert_default();
        (runtime.ttl, runtime.expires) = (None, None);
    }
    // A volume is in one sandbox at a time, and stays where it is.
    let stay: Vec<String> = spec::volumes(&spec).map(ToOwned::to_owned).collect();
    spec.volumes.retain(|volume| !stay.contains(&volume.name));
    let mut draft = Sandbox::default();
    draft.metadata.name = fork.target_name;
    draft.spec = spec;
    let target = spec::name_of(&draft)?;
    spec::check(&draft)?;
    // Whoever asked may go away; a fork that has begun is made.
    let making = tokio::spawn(async move {
        let copy = {
            let control = Arc::clone(&control);
            async move { copy(&control, &files, &target).await }
        };
        control.create_with(draft, image, copy).await
    });
    let record = making.await.map_err(|_| Failure::broken_off())??;
    let name = &record.sandbox.metadata.name;
    // Of what runs no snapshot is left behind.
    let snapshot = fork.snapshot_id.unwrap_or_default();
    let mut answer = json!({
        "name": name,
        "type": "sandbox",
        "snapshotId": snapshot,
        "reveille": { "copied": "files" },
    });
    if !stay.is_empty() {
        answer["reveille"]["volumesLeftOut"] = stay.into();
    }
    Ok(Json(answer))
}

async fn copy(control: &Control, files: &Files, target: &SandboxName) -> Result<(), Failure> {
    let engine = &control.terms.engine;
    let source = match files {
        Files::Snapshot(id) => return engine.restore(target, id).await.map_err(|error| refused(&error)),
        Files::Sandbox(source) => source,
    };
    let passing = SnapshotId::random();
    let noted = control.note_passing(&passing, source).await?;
    let copied = match engine.snapshot(source, &passing).await {
        Ok(()) => engine.restore(target, &passing).await,
        Err(error) => Err(error),
    };
    let forgotten = engine.forget(&passing).await;
    if forgotten.is_ok()
        && let Err(unwritten) = noted.remove().await
    {
        tracing::warn!(%passing, ?unwritten, "that a copy is gone could not be written down");
    }
    copied.and(forgotten).map_err(|error| refused(&error))
}

/// Variables that are there get the new values, the others are added.
fn lay_over(spec: &mut SandboxSpec, envs: Vec<EnvVar>) {
    let runtime = spec.runtime.get_or_insert_default();
    for env in envs {
        runtime.envs.retain(|other| other.name != env.name);
        runtime.envs.push(env);
    }
}

/// A port that the spec does not name yet is one of its ports.
fn open(spec: &mut SandboxSpec, port: u16) {
    let ports = &mut spec.runtime.get_or_insert_default().ports;
    if ports.iter().all(|other| other.target != port) {
        let mut added = PortSpec::default();
        added.target = port;
        ports.push(added);
    }
}

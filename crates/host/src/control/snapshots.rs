//! Snapshots of the files of sandboxes. They belong to the workspace and outlive their sandboxes. Processes and
//! memory are no part of them: what is restored or forked starts anew with the files.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use reveille_wire::{SandboxName, SandboxSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Failure;
use super::asked::{self, Path, Query};
use super::paging::{Key, Paging};
use super::state::Control;
use crate::engine::{EngineError, EngineErrorKind, SnapshotId};
use crate::image::Pinned;
use crate::store::{Document, Turn};

const MAX_NAME: usize = 128;

/// A snapshot as it stands in the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(super) id: String,
    name: String,
    /// The sandbox that it was taken of.
    source: String,
    /// When that was made: another one of its name is not the source.
    source_made: Option<String>,
    pub(super) spec: SandboxSpec,
    /// The image below the files, where that is not the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<Pinned>,
    created: String,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Pending,
    Ready,
    /// It is copied only on its way into another sandbox, and shown to nobody.
    Passing,
}

impl Document for Snapshot {
    const KIND: &'static str = "snapshot";
}

pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/snapshots", get(list).post(create))
        .route("/snapshots/{id}", get(get_one).delete(delete))
        .route("/sandboxes/{name}/snapshots", get(list_of_sandbox).post(create_of_sandbox))
        .route("/sandboxes/{name}/snapshots/{snapshot}", axum::routing::delete(delete_of_sandbox))
        .route("/sandboxes/{name}/snapshots/{snapshot}/restore", post(restore))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Draft {
    name: Option<String>,
    source: Source,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Source {
    name: String,
    kind: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    q: Option<String>,
}

async fn list(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Response, Failure> {
    let mut found = control.snapshots.all();
    found.retain(|snapshot| snapshot.stage != Stage::Passing);
    found.retain(|snapshot| filter.q.as_ref().is_none_or(|q| snapshot.name.contains(q)));
    let page = paging.page(&headers, found, |it| Key { created: it.created.clone(), name: it.id.clone() })?;
    Ok(page.answer(move |snapshot| {
        let shown = control.shown_snapshot(&snapshot);
        async move { shown }
    }))
}

async fn get_one(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(control.shown_snapshot(&*control.snapshot(&id)?)))
}

async fn list_of_sandbox(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Value>>, Failure> {
    control.find(&name)?;
    let mut found = control.snapshots.all();
    found.retain(|snapshot| control.is_of(snapshot, &name));
    found.sort_by(|a, b| a.created.cmp(&b.created));
    Ok(Json(found.iter().map(|snapshot| control.shown_snapshot(snapshot)).collect()))
}

async fn create(
    State(control): State<Arc<Control>>,
    asked::Json(draft): asked::Json<Draft>,
) -> Result<Json<Value>, Failure> {
    if draft.source.kind.as_deref().is_some_and(|kind| kind != "sandbox") {
        return Err(Failure::bad_request("source.kind: only of a sandbox can a snapshot be taken"));
    }
    let source = draft.source.name.clone();
    taken(control, source, draft.name).await
}

async fn create_of_sandbox(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    asked::Json(draft): asked::Json<Draft>,
) -> Result<Json<Value>, Failure> {
    taken(control, name, draft.name).await
}

async fn taken(control: Arc<Control>, source: String, name: Option<String>) -> Result<Json<Value>, Failure> {
    // Whoever asked may go away; a snapshot that has begun is taken.
    let taking = tokio::spawn(async move {
        let snapshot = control.take_snapshot(&source, name).await?;
        Ok(Json(control.shown_snapshot(&snapshot)))
    });
    taking.await.map_err(|_| Failure::broken_off())?
}

async fn delete(State(control): State<Arc<Control>>, Path(id): Path<String>) -> Result<Response, Failure> {
    control.forget_snapshot(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn delete_of_sandbox(
    State(control): State<Arc<Control>>,
    Path((name, snapshot)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let id = control.snapshot_of(&name, &snapshot)?.id.clone();
    control.forget_snapshot(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn restore(
    State(control): State<Arc<Control>>,
    Path((name, snapshot)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let restoring = tokio::spawn(async move {
        let (_turn, record) = control.turn(&name).await?;
        if let Some(why) = record.has_no_files() {
            return Err(Failure::conflict(format!("{name} {why}: fork the snapshot instead")));
        }
        // One of another sandbox may be laid over this one, too.
        let snapshot = control.snapshot_of(&name, &snapshot).or_else(|_| control.snapshot(&snapshot))?;
        let sandbox = SandboxName::new(name.clone()).map_err(|_| Failure::broken_off())?;
        let id = id_of(&snapshot)?;
        control.terms.engine.restore(&sandbox, &id).await.map_err(|error| refused(&error))?;
        super::sandboxes::start(&control.reach(&name)?).await?;
        Ok(Json(json!({ "name": name, "snapshotId": snapshot.id })))
    });
    restoring.await.map_err(|_| Failure::broken_off())?
}

impl Control {
    /// A snapshot by its id.
    pub(super) fn snapshot(&self, id: &str) -> Result<Arc<Snapshot>, Failure> {
        let found = self.snapshots.read(id).filter(|snapshot| snapshot.stage == Stage::Ready);
        found.ok_or_else(|| no_such(id))
    }

    /// A snapshot of a sandbox, by its name or its id.
    fn snapshot_of(&self, sandbox: &str, named: &str) -> Result<Arc<Snapshot>, Failure> {
        self.find(sandbox)?;
        let all = self.snapshots.all().into_iter();
        let mut of_it =
            all.filter(|snapshot| snapshot.stage == Stage::Ready && self.is_of(snapshot, sandbox));
        of_it.find(|snapshot| snapshot.name == named || snapshot.id == named).ok_or_else(|| no_such(named))
    }

    fn is_of(&self, snapshot: &Snapshot, sandbox: &str) -> bool {
        let record = self.records.read(sandbox);
        let made = record.and_then(|record| record.sandbox.metadata.created_at.clone());
        snapshot.source == sandbox && snapshot.source_made == made
    }

    async fn take_snapshot(&self, source: &str, name: Option<String>) -> Result<Arc<Snapshot>, Failure> {
        self.room()?;
        let (_turn, record) = self.turn(source).await?;
        if let Some(why) = record.has_no_files() {
            return Err(Failure::conflict(format!("{source} {why}: nothing can be copied of it")));
        }
        let sandbox = SandboxName::new(source).map_err(|_| Failure::broken_off())?;
        let id = SnapshotId::random();
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_string());
        if name.len() > MAX_NAME
            || name.contains(|character: char| character.is_control() || character == '/')
        {
            return Err(Failure::bad_request(
                "name must be at most 128 bytes without control characters and slashes",
            ));
        }
        let all = self.snapshots.all();
        if all.iter().any(|snapshot| snapshot.name == name && self.is_of(snapshot, source)) {
            return Err(Failure::conflict(format!("{source} has a snapshot called {name} already")));
        }
        let mut snapshot = Snapshot {
            id: id.to_string(),
            name,
            source: source.to_owned(),
            source_made: record.sandbox.metadata.created_at.clone(),
            spec: record.sandbox.spec.clone(),
            image: record.image.clone(),
            created: self.clock.stamp(),
            stage: Stage::Pending,
        };
        // On disk first: what is cut off in the middle is removed at the next start.
        let turn = self.snapshots.turn(id.as_str()).await;
        turn.put(snapshot.clone()).await?;
        if let Err(error) = self.terms.engine.snapshot(&sandbox, &id).await {
            turn.remove().await?;
            return Err(refused(&error));
        }
        snapshot.stage = Stage::Ready;
        turn.put(snapshot).await?;
        turn.read().ok_or_else(Failure::broken_off)
    }

    /// Writes down what is copied only on its way into another sandbox, so that the next start removes what is cut off in
    /// the middle.
    pub(super) async fn note_passing(
        &self,
        id: &SnapshotId,
        source: &SandboxName,
    ) -> Result<Turn<Snapshot>, Failure> {
        let turn = self.snapshots.turn(id.as_str()).await;
        turn.put(Snapshot {
            id: id.to_string(),
            name: id.to_string(),
            source: source.to_string(),
            source_made: None,
            spec: SandboxSpec::default(),
            image: None,
            created: self.clock.stamp(),
            stage: Stage::Passing,
        })
        .await?;
        Ok(turn)
    }

    async fn forget_snapshot(&self, id: &str) -> Result<(), Failure> {
        self.snapshot(id)?;
        let turn = self.snapshots.turn(id).await;
        let Some(snapshot) = turn.read() else { return Err(no_such(id)) };
        // Its record goes first where its files would be half there otherwise.
        let mut pending = Snapshot::clone(&snapshot);
        pending.stage = Stage::Pending;
        turn.mark(pending).await?;
        self.terms.engine.forget(&id_of(&snapshot)?).await.map_err(|error| refused(&error))?;
        turn.remove().await?;
        Ok(())
    }

    fn shown_snapshot(&self, snapshot: &Snapshot) -> Value {
        let deleted = !self.is_of(snapshot, &snapshot.source);
        let runtime = snapshot.spec.runtime.clone().unwrap_or_default();
        json!({
            "id": snapshot.id,
            "name": snapshot.name,
            "status": snapshot.stage,
            "createdAt": snapshot.created,
            "workspace": self.workspace,
            "sandboxName": snapshot.source,
            "spec": {
                "image": runtime.image,
                "memory": runtime.memory,
                "ports": runtime.ports,
                "region": snapshot.spec.region,
                "volumes": snapshot.spec.volumes,
            },
            "source": { "name": snapshot.source, "kind": "sandbox", "deleted": deleted },
            "reveille": { "holds": "files" },
        })
    }
}

/// Removes what an earlier host was taking or removing when it ended.
pub(crate) fn finish(control: &Arc<Control>) {
    for snapshot in control.snapshots.all() {
        if snapshot.stage == Stage::Ready {
            continue;
        }
        let Some(turn) = control.snapshots.try_turn(&snapshot.id) else { continue };
        let control = Arc::clone(control);
        tokio::spawn(async move {
            let Ok(id) = id_of(&snapshot) else { return };
            let forgotten = control.terms.engine.forget(&id).await;
            let removed = match forgotten {
                Ok(()) => turn.remove().await.is_ok(),
                Err(_) => false,
            };
            if !removed {
                tracing::warn!(%id, "what is left of a snapshot could not be removed");
            }
        });
    }
}

pub(super) fn id_of(snapshot: &Snapshot) -> Result<SnapshotId, Failure> {
    SnapshotId::read(&snapshot.id).ok_or_else(|| no_such(&snapshot.id))
}

fn no_such(named: &str) -> Failure {
    Failure::coded_not_found("SNAPSHOT_NOT_FOUND", format!("there is no snapshot {named:?}"))
}

/// What an engine that does not copy is answered with.
pub(super) fn refused(error: &EngineError) -> Failure {
    match error.kind() {
        EngineErrorKind::Unsupported => {
            Failure::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", error.to_string())
        }
        _ => Failure::internal(error.to_string()),
    }
}

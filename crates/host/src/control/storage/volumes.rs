//! Volumes: files with lives of their own, each volume in one sandbox at a time. The engine sees to their sizes, where it
//! can.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use reveille_wire::{DriveName, SandboxSpec};
use serde_json::{Map, Value, json};

use super::super::answer::Failure;
use super::super::asked::{self, Path, Query};
use super::super::paging::Paging;
use super::super::record::Record;
use super::super::spec;
use super::super::state::Control;
use super::deleting::{self, Deleted};
use super::kept::{self, Filter, Kept, Resource, Volume};
use super::place;
use crate::engine::{EngineError, Limiter};
use crate::store::{Shelf, Turn, Unwritten};

/// How large a volume is where nobody says it, and at the most, in MB.
const SIZE: u64 = 1024;
const MAX_SIZE: u64 = 16 * 1024 * 1024;

pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/volumes", get(list).post(create))
        .route("/volumes/by-external-id/{id}", get(by_external_id))
        .route("/volumes/{name}", get(get_one).put(update).delete(delete))
}

impl Kept for Volume {
    const WORD: &'static str = "volume";
    const NOT_FOUND: &'static str = "VOLUME_NOT_FOUND";
    const EXISTS: &'static str = "VOLUME_ALREADY_EXISTS";

    fn resource(&self) -> &Resource {
        &self.0
    }

    fn shelf(control: &Control) -> &Arc<Shelf<Self>> {
        &control.volumes
    }

    fn check(spec: &mut Map<String, Value>, before: Option<&Map<String, Value>>) -> Result<(), Failure> {
        spec.entry("region").or_insert_with(|| "us-pdx-1".into());
        spec.entry("size").or_insert_with(|| SIZE.into());
        let size = spec.get("size").and_then(Value::as_u64).filter(|size| (1..=MAX_SIZE).contains(size));
        let Some(size) = size else {
            return Err(Failure::bad_request(format!("spec.size must be from 1 to {MAX_SIZE} MB")));
        };
        let Some(before) = before else { return without_template(spec) };
        if before.get("size").and_then(Value::as_u64).is_some_and(|before| size < before) {
            return Err(Failure::bad_request("a volume cannot shrink"));
        }
        if ["region", "template"].iter().any(|fixed| before.get(*fixed) != spec.get(*fixed)) {
            return Err(Failure::bad_request("the region and the template of a volume cannot change"));
        }
        Ok(())
    }

    fn state(&self, control: &Control) -> Value {
        let holder = control.holder(&self.0.metadata.name);
        json!({ "attachedTo": holder.map_or_else(String::new, |sandbox| format!("sandbox:{sandbox}")) })
    }

    fn facts(&self, control: &Control) -> Option<Value> {
        let bound = match place::kind(&control.volume(&self.0.metadata.name)) {
            place::Kind::Disk => Limiter::Image,
            place::Kind::Directory => Limiter::None,
        };
        Some(json!({ "size": bound }))
    }
}

/// Refuses a template, as there is none here: a volume that was empty in its place would be found out too late.
fn without_template(spec: &Map<String, Value>) -> Result<(), Failure> {
    let template = spec.get("template").filter(|it| !it.is_null() && it.as_str() != Some(""));
    match template {
        None => Ok(()),
        Some(template) => Err(Failure::bad_request(format!(
            "spec.template: there is no volume template {template}, as the local host has none: create the volume \
             without one, and copy its files in"
        ))),
    }
}

async fn list(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Response, Failure> {
    kept::list::<Volume>(&control, &headers, &filter, &paging)
}

async fn get_one(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(kept::shown(&control, &*kept::find::<Volume>(&control, &name)?)))
}

async fn by_external_id(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(kept::shown(&control, &*kept::by_external_id::<Volume>(&control, &id)?)))
}

async fn create(
    State(control): State<Arc<Control>>,
    asked::Json(draft): asked::Json<Resource>,
) -> Result<Json<Value>, Failure> {
    let (turn, volume) = kept::begin::<Volume>(&control, draft).await?;
    let Json(mut shown) = carry_out(control, turn, None, volume).await?;
    // As on the platform, where what was just made is not there yet. Clients look until it is.
    shown["status"] = "CREATED".into();
    Ok(Json(shown))
}

async fn update(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    asked::Json(asked): asked::Json<Resource>,
) -> Result<Json<Value>, Failure> {
    let (turn, before) = kept::turn::<Volume>(&control, &name).await?;
    let next = kept::updated(&control, &*before, asked)?;
    carry_out(control, turn, Some(before), next).await
}

/// Makes a volume what its record is to say, also where whoever asked goes away. The record comes first: what a host that
/// is killed has not done to the disk yet, the next one does.
async fn carry_out(
    control: Arc<Control>,
    turn: Turn<Volume>,
    before: Option<Arc<Volume>>,
    next: Volume,
) -> Result<Json<Value>, Failure> {
    let carried_out = tokio::spawn(async move {
        turn.put(next.clone()).await?;
        if let Err(failure) = control.size(&next.0).await {
            match before {
                Some(before) => turn.put(Volume::clone(&before)).await?,
                None => turn.remove().await?,
            }
            return Err(failure);
        }
        Ok(Json(kept::shown(&control, &next)))
    });
    carried_out.await.map_err(|_| Failure::broken_off())?
}

/// Gives volumes the sizes that their records say, where an earlier host did not come to that.
pub(crate) fn finish_sizes(control: &Arc<Control>) {
    let control = Arc::clone(control);
    tokio::spawn(async move {
        for name in control.volumes.all().iter().map(|volume| volume.0.metadata.name.clone()) {
            let Ok((_turn, volume)) = kept::turn::<Volume>(&control, &name).await else { continue };
            if let Err(failure) = control.size(&volume.0).await {
                tracing::warn!(volume = name, ?failure, "it has not the size that its record says");
            }
        }
    });
}

async fn delete(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    let (turn, volume) = kept::turn::<Volume>(&control, &name).await?;
    if let Some(sandbox) = control.holder(&name) {
        return Err(in_use(&format!("{name} is attached to sandbox {sandbox}: delete that first")));
    }
    if deleting::delete(&control, turn, &name, control.volume(&name)).await? == Deleted::InUse {
        return Err(in_use(&format!("{name} is still mounted in a sandbox that ends: try again")));
    }
    let mut shown = kept::shown(&control, &*volume);
    shown["status"] = "DELETING".into();
    Ok(Json(shown))
}

fn not_sized(error: &EngineError) -> Failure {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::StorageFull) => Unwritten::Full.into(),
        // A file system has a largest file, and a disk of a size is one.
        Some(io::ErrorKind::FileTooLarge) => Failure::bad_request(error.to_string()),
        _ => Failure::internal(error.to_string()),
    }
}

fn in_use(message: &str) -> Failure {
    Failure::new(StatusCode::CONFLICT, "VOLUME_IN_USE", message)
}

impl Control {
    pub(super) fn volume(&self, name: &str) -> PathBuf {
        self.store.directory().volumes().join(name)
    }

    /// Has the engine give a volume the size that its record says.
    async fn size(&self, volume: &Resource) -> Result<(), Failure> {
        let name = &volume.metadata.name;
        let name = DriveName::new(&**name).map_err(|error| Failure::bad_request(error.to_string()))?;
        // What cannot be a size was refused when it came.
        let megabytes = volume.spec.get("size").and_then(Value::as_u64).unwrap_or(SIZE);
        self.terms.engine.size_volume(&name, megabytes).await.map_err(|error| not_sized(&error))
    }

    /// The sandbox that a volume is attached to.
    fn holder(&self, volume: &str) -> Option<String> {
        let holds = |record: &Arc<Record>| {
            record.is_live() && spec::volumes(&record.sandbox.spec).any(|it| it == volume)
        };
        self.records
            .all()
            .iter()
            .find(|record| holds(record))
            .map(|record| record.sandbox.metadata.name.clone())
    }

    /// The right to attach volumes, for as long as it is held: nobody deletes them, or attaches them elsewhere.
    pub(in crate::control) async fn claim(&self, of: &SandboxSpec) -> Result<Vec<Turn<Volume>>, Failure> {
        // In the order of their names, so that two who want the same ones do not wait for each other.
        let names: BTreeSet<&str> = spec::volumes(of).collect();
        let mut claimed = Vec::new();
        for name in names {
            let turn = kept::turn::<Volume>(self, name).await;
            let (turn, _) = turn.map_err(|_| {
                let message = format!("spec.volumes: there is no volume called {name:?}: create it first");
                Failure::new(StatusCode::BAD_REQUEST, Volume::NOT_FOUND, message)
            })?;
            if let Some(sandbox) = self.holder(name) {
                return Err(in_use(&format!("{name} is attached to sandbox {sandbox}")));
            }
            claimed.push(turn);
        }
        Ok(claimed)
    }
}

//! Drives. One that was only ever mounted has a directory and no record; it is recorded when somebody looks.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use reveille_wire::Metadata;
use serde_json::{Map, Value, json};

use super::super::answer::Failure;
use super::super::asked::{self, Path, Query};
use super::super::paging::Paging;
use super::super::state::Control;
use super::access;
use super::deleting::{self, Deleted};
use super::kept::{self, Drive, Filter, Kept, Resource};
use super::place;
use crate::clock;
use crate::store::Shelf;

pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/drives", get(list).post(create))
        .route("/drives/by-external-id/{id}", get(by_external_id))
        .route("/drives/{name}", get(get_one).put(update).delete(delete))
}

impl Kept for Drive {
    const WORD: &'static str = "drive";
    const NOT_FOUND: &'static str = "DRIVE_NOT_FOUND";
    const EXISTS: &'static str = "DRIVE_ALREADY_EXISTS";

    fn resource(&self) -> &Resource {
        &self.0
    }

    fn shelf(control: &Control) -> &Arc<Shelf<Self>> {
        &control.drives
    }

    fn check(spec: &mut Map<String, Value>, before: Option<&Map<String, Value>>) -> Result<(), Failure> {
        spec.entry("region").or_insert_with(|| "us-pdx-1".into());
        access::check(spec)?;
        if before.is_some_and(|before| before.get("region") != spec.get("region")) {
            return Err(Failure::bad_request("the region of a drive cannot change"));
        }
        Ok(())
    }

    fn state(&self, _: &Control) -> Value {
        json!({})
    }

    fn facts(&self, _: &Control) -> Option<Value> {
        None
    }
}

async fn list(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Response, Failure> {
    control.record_mounted_drives().await?;
    kept::list::<Drive>(&control, &headers, &filter, &paging)
}

async fn get_one(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    control.record_mounted_drives().await?;
    Ok(Json(kept::shown(&control, &*kept::find::<Drive>(&control, &name)?)))
}

async fn by_external_id(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(kept::shown(&control, &*kept::by_external_id::<Drive>(&control, &id)?)))
}

async fn create(
    State(control): State<Arc<Control>>,
    asked::Json(draft): asked::Json<Resource>,
) -> Result<Json<Value>, Failure> {
    control.record_mounted_drives().await?;
    let (turn, drive) = kept::begin::<Drive>(&control, draft).await?;
    place::make(control.drive(&drive.0.metadata.name)).await?;
    turn.put(drive.clone()).await?;
    Ok(Json(kept::shown(&control, &drive)))
}

async fn update(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    asked::Json(asked): asked::Json<Resource>,
) -> Result<Json<Value>, Failure> {
    let (turn, before) = kept::turn::<Drive>(&control, &name).await?;
    let next = kept::updated(&control, &*before, asked)?;
    turn.put(next.clone()).await?;
    Ok(Json(kept::shown(&control, &next)))
}

async fn delete(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    control.record_mounted_drives().await?;
    let (turn, drive) = kept::turn::<Drive>(&control, &name).await?;
    match deleting::delete(&control, turn, &name, control.drive(&name)).await? {
        Deleted::Gone => {}
        Deleted::InUse => {
            let message = format!("{name} is mounted in a sandbox: unmount it first");
            return Err(Failure::new(StatusCode::CONFLICT, "DRIVE_IN_USE", message));
        }
    }
    let mut shown = kept::shown(&control, &*drive);
    shown["status"] = "DELETING".into();
    Ok(Json(shown))
}

impl Control {
    pub(super) fn drive(&self, name: &str) -> PathBuf {
        self.store.directory().drives().join(name)
    }

    /// Gives records to drives that were made by mounting them.
    async fn record_mounted_drives(&self) -> Result<(), Failure> {
        let directory = self.store.directory().drives();
        let found = tokio::task::spawn_blocking(move || directories(directory)).await;
        let found = found.unwrap_or_else(|error| Err(io::Error::other(error)));
        let found = found.map_err(|error| Failure::of_disk("the drives cannot be listed", &error))?;
        for (name, made) in found {
            if self.drives.read(&name).is_some() {
                continue;
            }
            // Whoever makes or deletes it now has the word.
            let Some(turn) = self.drives.try_turn(&name) else { continue };
            if turn.read().is_some() || !self.drive(&name).exists() {
                continue;
            }
            let mut metadata = Metadata::default();
            metadata.name = name;
            metadata.created_at = Some(made.clone());
            metadata.updated_at = Some(made);
            let mut spec = Map::new();
            Drive::check(&mut spec, None)?;
            turn.put(Drive(Resource { metadata, spec })).await?;
        }
        Ok(())
    }
}

/// Directories and when each was made, as far as that is known.
fn directories(of: PathBuf) -> io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(of)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if let (true, Ok(name)) = (about.is_dir(), entry.file_name().into_string()) {
            let made = about.created().or_else(|_| about.modified())?;
            found.push((name, clock::stamp(made)));
        }
    }
    Ok(found)
}

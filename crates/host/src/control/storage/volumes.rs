//! Volumes: records that are made, resized and deleted. Nothing can be attached here, which is said to who asks for it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::super::answer::Failure;
use super::super::asked::{self, Path, Query};
use super::super::paging::Paging;
use super::super::state::Control;
use super::kept::{self, Filter, Kept, Resource, Volume};
use crate::store::Shelf;

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
        let Some(before) = before else { return Ok(()) };
        if before.get("size").and_then(Value::as_u64).is_some_and(|before| size < before) {
            return Err(Failure::bad_request("a volume cannot shrink"));
        }
        if ["region", "template"].iter().any(|fixed| before.get(*fixed) != spec.get(*fixed)) {
            return Err(Failure::bad_request("the region and the template of a volume cannot change"));
        }
        Ok(())
    }

    fn state(&self, _: &Control) -> Value {
        json!({ "attachedTo": "" })
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
    turn.put(volume.clone()).await?;
    Ok(Json(kept::shown(&control, &volume)))
}

async fn update(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    asked::Json(asked): asked::Json<Resource>,
) -> Result<Json<Value>, Failure> {
    let (turn, before) = kept::turn::<Volume>(&control, &name).await?;
    let next = kept::updated(&control, &*before, asked)?;
    turn.put(next.clone()).await?;
    Ok(Json(kept::shown(&control, &next)))
}

async fn delete(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    let (turn, volume) = kept::turn::<Volume>(&control, &name).await?;
    turn.remove().await?;
    let mut shown = kept::shown(&control, &*volume);
    shown["status"] = "DELETING".into();
    Ok(Json(shown))
}

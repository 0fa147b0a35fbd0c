//! The platform's switches. A local host has none: everything that it can do is on.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use std::sync::Arc;

use super::asked::Path;
use super::state::Control;
use axum::extract::State;

pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new().route("/features", get(all)).route("/features/{key}", get(one))
}

async fn all() -> Response {
    axum::Json(json!({ "features": {} })).into_response()
}

async fn one(State(control): State<Arc<Control>>, Path(key): Path<String>) -> Response {
    let at = control.clock.stamp();
    axum::Json(json!({ "featureKey": key, "enabled": false, "evaluatedAt": at })).into_response()
}

//! The platform's switches: on is what clients ask for by one, and what this host can do.

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

/// Snapshots, forks and volumes that end with their sandbox: the platform has them from this generation on, and clients
/// ask for it before they use one.
const ON: [&str; 1] = ["generation_mk31"];

async fn all() -> Response {
    let on: serde_json::Map<_, _> = ON.iter().map(|key| ((*key).to_owned(), true.into())).collect();
    axum::Json(json!({ "features": on })).into_response()
}

async fn one(State(control): State<Arc<Control>>, Path(key): Path<String>) -> Response {
    let at = control.clock.stamp();
    axum::Json(json!({ "featureKey": key, "enabled": ON.contains(&&*key), "evaluatedAt": at }))
        .into_response()
}

//! What only the platform has, and is refused in its words.

use axum::Router;
use axum::routing::{get, post, put};

use crate::agent::Agent;
use crate::failure::Failure;

/// Endpoints that say that they are none here.
pub(crate) fn routes() -> Router<Agent> {
    Router::new()
        .route("/codegen/fastapply/{*path}", put(without_model))
        .route("/codegen/reranking/{*path}", get(without_model))
        .route("/archive/export", post(without_archive))
        .route("/archive/status", get(without_archive))
        .route("/archive/resume", post(without_archive))
}

async fn without_model() -> Failure {
    Failure::bad("this sandbox has no key for a model outside; edit the file itself")
}

async fn without_archive() -> Failure {
    Failure::not_built("this sandbox cannot be archived")
}

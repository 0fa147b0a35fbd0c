//! The control plane, under `/v0`.

mod answer;
mod asked;
mod elsewhere;
mod features;
mod fork;
mod images;
mod keys;
mod paging;
mod previews;
mod record;
mod room;
mod sandboxes;
mod schedules;
mod snapshots;
mod spec;
mod state;
mod storage;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;

pub(crate) use answer::Failure;
pub(crate) use record::{Record, names};
pub(crate) use sandboxes::{bring_back, expire};
pub(crate) use schedules::carry_out_schedules;
pub(crate) use snapshots::finish as finish_snapshots;
pub(crate) use spec::{PROCESS_COUNTS, SMALLEST_DISK};
pub(crate) use state::Control;
pub(crate) use storage::{finish_deletes, finish_sizes};

/// The largest body of a request.
const MAX_BODY: usize = 1024 * 1024;

/// The routes of the control plane.
pub(crate) fn routes(control: Arc<Control>) -> Router {
    let all = sandboxes::routes()
        .merge(previews::routes())
        .merge(schedules::routes())
        .merge(storage::routes())
        .merge(snapshots::routes())
        .merge(fork::routes())
        .merge(images::routes())
        .merge(keys::routes())
        .merge(features::routes());
    Router::new()
        .nest("/v0", all)
        .fallback(elsewhere::not_served)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(control)
}

async fn not_allowed() -> Failure {
    let message = "the control plane has something there, but not for this method";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
}

//! Sandboxes: made, found, listed, changed, put to standby, deleted, and ended when their time has come.

mod create;
mod delete;
mod expire;
mod list;
pub(super) mod secrets;
mod standby;
mod start;
mod update;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use reveille_wire::Status;
use serde::Deserialize;

use super::answer::Failure;
use super::asked::{Path, Query};
use super::record::Record;
use super::state::Control;

pub(crate) use expire::run as expire;
pub(crate) use start::bring_back;
pub(super) use start::start;

pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/sandboxes", get(list::list).post(create::create))
        .route("/sandboxes/by-external-id/{id}", get(by_external_id))
        .route("/sandboxes/{name}", get(get_one).put(update::update).delete(delete::delete))
        .route("/sandboxes/{name}/standby", post(standby::standby))
        .route("/sandboxes/{name}/resume", post(standby::resume))
}

impl Control {
    /// Removes what goes with a sandbox: its previews, and its schedules with what is remembered of them.
    async fn remove_belongings(&self, sandbox: &str) -> Result<(), Failure> {
        self.remove_previews(sandbox).await?;
        Ok(self.remove_schedules(sandbox).await?)
    }
}

#[derive(Debug, Deserialize)]
struct Shown {
    #[serde(default)]
    show_secrets: bool,
}

async fn get_one(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Response, Failure> {
    let record = control.find(&name)?;
    if shown.show_secrets {
        let sandbox = control.sandbox(&record).await;
        return Ok(secrets::hidden_but_for_variables(sandbox).into_response());
    }
    Ok(control.shown(&record).await.into_response())
}

async fn by_external_id(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let all = control.records.all();
    let is_meant = |it: &&Arc<Record>| {
        it.sandbox.metadata.external_id.as_deref() == Some(&*id) && it.status() != Status::Terminated
    };
    // Ids are not given once: the newest has it.
    let Some(record) = all.iter().filter(is_meant).max_by_key(|record| record.made_at()) else {
        return Err(Failure::not_found(format!("there is no sandbox with the external id {id:?}")));
    };
    Ok(control.shown(record).await.into_response())
}

//! Drives and volumes: files of the host with records, and lives of their own.

mod access;
mod deleting;
mod drives;
mod kept;
mod mounted;
mod place;
mod volumes;

use std::sync::Arc;

use axum::Router;

pub(crate) use deleting::finish_deletes;
pub(crate) use kept::{Drive, Volume};
pub(crate) use volumes::finish_sizes;

use super::state::Control;

pub(super) fn routes() -> Router<Arc<Control>> {
    drives::routes().merge(volumes::routes())
}

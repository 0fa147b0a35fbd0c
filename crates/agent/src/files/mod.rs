//! Files and directories.

mod copy;
mod disk;
mod facts;
mod find;
mod fuzzy;
pub(crate) mod grep;
mod named;
mod open;
mod owner;
mod owners;
mod read;
mod remove;
mod tree;
mod upload;
mod walk;
mod watch;
mod write;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use self::named::working_directory;
pub(crate) use self::owner::{Rights, belongs_to};
pub(crate) use self::write::draft::is_draft;
use crate::agent::Agent;

/// The endpoints for files.
pub(crate) fn routes() -> Router<Agent> {
    let file = || get(read::get).head(read::head).put(write::put).delete(remove::delete);
    let tree = || get(tree::get).put(tree::put).delete(remove::delete_tree);
    Router::new()
        .route("/filesystem", file())
        .route("/filesystem/", file())
        .route("/filesystem/{*path}", file())
        .route("/filesystem/tree/", tree())
        .route("/filesystem/tree/{*path}", tree())
        .route("/filesystem-copy", post(copy::post))
        .merge(searches())
        .merge(upload::routes())
        .merge(watch::routes())
}

fn searches() -> Router<Agent> {
    Router::new()
        .route("/filesystem-find", get(find::get))
        .route("/filesystem-find/", get(find::get))
        .route("/filesystem-find/{*path}", get(find::get))
        .route("/filesystem-search", get(fuzzy::get))
        .route("/filesystem-search/", get(fuzzy::get))
        .route("/filesystem-search/{*path}", get(fuzzy::get))
        .route("/filesystem-content-search", get(grep::get))
        .route("/filesystem-content-search/", get(grep::get))
        .route("/filesystem-content-search/{*path}", get(grep::get))
}

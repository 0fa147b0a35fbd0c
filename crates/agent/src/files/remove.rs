//! Removing files and directories.

use std::fs;
use std::io;
use std::path::Path;

use axum::Json;
use http::Uri;
use reveille_wire::Done;

use super::named::Named;
use super::{disk, open};
use crate::failure::Failure;
use crate::parameters::Parameters;

/// How much of a directory is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// It has to be empty.
    Empty,
    /// With all that is below it.
    Below,
}

/// `DELETE /filesystem/{path}`.
pub(crate) async fn delete(uri: Uri, asked: Parameters) -> Result<Json<Done>, Failure> {
    removed(Named::of(&uri, "/filesystem")?, depth(&asked)).await
}

/// `DELETE /filesystem/tree/{path}`.
pub(crate) async fn delete_tree(uri: Uri, asked: Parameters) -> Result<Json<Done>, Failure> {
    removed(Named::from_root(&uri, "/filesystem/tree")?, depth(&asked)).await
}

fn depth(asked: &Parameters) -> Depth {
    if asked.flag("recursive", false) { Depth::Below } else { Depth::Empty }
}

/// Removes what is at `named`.
///
/// # Errors
/// 404 when nothing is there, 422 when it cannot be removed.
pub(crate) async fn removed(named: Named, depth: Depth) -> Result<Json<Done>, Failure> {
    disk::work(move || {
        remove(named.path(), depth).map_err(|error| open::refusal(&error, named.shown()))?;
        Ok(Json(Done::new(named.text(), "it was removed successfully")))
    })
    .await
}

fn remove(path: &Path, depth: Depth) -> io::Result<()> {
    let facts = fs::symlink_metadata(path)?;
    if !facts.is_dir() {
        return fs::remove_file(path);
    }
    if path.canonicalize()?.parent().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the root of everything stays"));
    }
    match depth {
        Depth::Empty => fs::remove_dir(path),
        Depth::Below => fs::remove_dir_all(path),
    }
}

//! Directories with what is in them, read and written at once.

mod deep;

use std::path::{Component, Path, PathBuf};

use axum::Json;
use axum::body::Body;
use http::Uri;
use reveille_wire::{Directory, TreeRequest};

use self::deep::Deep;
use super::named::Named;
use super::write::draft::{self, Mode};
use super::{disk, facts, read, write};
use crate::failure::Failure;
use crate::json;
use crate::parameters::Parameters;

const ENDPOINT: &str = "/filesystem/tree";

/// `GET /filesystem/tree/{path}`: what is in a directory, or all that is below it.
pub(crate) async fn get(uri: Uri, asked: Parameters) -> Result<Json<Directory>, Failure> {
    let named = Named::from_root(&uri, ENDPOINT)?;
    if let Some(deep) = Deep::asked(&asked)? {
        return disk::while_wanted(move |interest| deep.read(&named, interest)).await.map(Json);
    }
    // The platform's server calls this the caller's fault, whatever is there.
    read::list(named).await.map(Json).map_err(|failure| Failure::bad(failure.sentence()))
}

/// `PUT /filesystem/tree/{path}`: writes files, and tells what is in the directory then.
pub(crate) async fn put(uri: Uri, body: Body) -> Result<Json<Directory>, Failure> {
    let named = Named::from_root(&uri, ENDPOINT)?;
    let request: TreeRequest = json::large(body).await?;
    disk::work(move || write_all(&named, &request)).await.map(Json)
}

fn write_all(named: &Named, request: &TreeRequest) -> Result<Directory, Failure> {
    let mut files = Vec::new();
    for (name, content) in &request.files {
        files.push((named.path().join(below(name)?), content));
    }
    let unworkable = |error: std::io::Error| write::refusal(&error, named);
    std::fs::create_dir_all(named.path()).map_err(unworkable)?;
    for (path, content) in files {
        let unworkable = |error| Failure::unworkable(format!("{}: {error}", path.display()));
        draft::write_whole(&path, content.as_bytes(), Mode::FILE).map_err(unworkable)?;
    }
    facts::directory(named.shown(), named.path()).map_err(unworkable)
}

/// The path of a file below a directory. It cannot climb out of it.
fn below(name: &str) -> Result<PathBuf, Failure> {
    let refused = || Failure::bad(format!("{name:?} names no file below the directory"));
    if name.contains('\0') || name.ends_with('/') {
        return Err(refused());
    }
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(segment) => path.push(segment),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(refused()),
        }
    }
    if path.as_os_str().is_empty() { Err(refused()) } else { Ok(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_tree_stays_below_it() {
        assert_eq!(below("/a/./b").unwrap(), Path::new("a/b"));
        for bad in ["", "/", ".", "../a", "a/../../b", "a/", "a\0"] {
            assert!(below(bad).is_err(), "{bad:?}");
        }
    }
}

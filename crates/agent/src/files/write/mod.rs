//! Writing files and making directories.

mod disposition;
pub(crate) mod draft;
pub(crate) mod form;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use axum::Json;
use axum::body::Body;
use http::{HeaderMap, Uri};
use reveille_wire::{Done, FileRequest};

use self::draft::{Draft, Mode};
use self::form::{Form, Part};
use super::disk;
use super::named::Named;
use crate::failure::Failure;
use crate::json;

/// What is said of a file that was written. There are clients that look for the last word.
pub(super) const WRITTEN: &str = "the file was written successfully";

/// `PUT /filesystem/{path}`: JSON with text, or a form with bytes.
pub(crate) async fn put(uri: Uri, headers: HeaderMap, body: Body) -> Result<Json<Done>, Failure> {
    let named = Named::of(&uri, "/filesystem")?;
    if form::is_form(&headers) {
        form::read(&headers, body, async |form| upload(&named, form).await).await?;
        return Ok(Json(Done::new(named.text(), WRITTEN)));
    }
    let request: FileRequest = json::large(body).await?;
    let said = if request.is_directory { "the directory was made successfully" } else { WRITTEN };
    let text = named.text();
    disk::work(move || apply(&named, &request)).await?;
    Ok(Json(Done::new(text, said)))
}

/// Does what a request asks for at `named`.
///
/// # Errors
/// 400 when the mode is none, 422 when it cannot be done.
pub(crate) fn apply(named: &Named, request: &FileRequest) -> Result<(), Failure> {
    let default = if request.is_directory { Mode::DIRECTORY } else { Mode::FILE };
    let mode = mode(request.permissions.as_deref(), default)?;
    if request.is_directory {
        return make_directory(named.path(), mode).map_err(|error| refusal(&error, named));
    }
    let content = request.content.as_deref().unwrap_or_default().as_bytes();
    draft::write_whole(named.path(), content, mode).map_err(|error| refusal(&error, named))
}

/// Reads a mode; a missing or empty one is `default`.
///
/// # Errors
/// 400 when it is not octal.
pub(crate) fn mode(text: Option<&str>, default: Mode) -> Result<Mode, Failure> {
    match text.filter(|text| !text.is_empty()) {
        None => Ok(default),
        Some(text) => Mode::parse(text).ok_or_else(|| Failure::bad(format!("{text:?} is no octal mode"))),
    }
}

/// Makes a directory and those above it. One that is there already is left as it is.
fn make_directory(path: &Path, mode: Mode) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| there.is_dir()) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(mode.permissions().mode()).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && fs::metadata(path)?.is_dir() => {
            return Ok(());
        }
        made => made?,
    }
    // A umask may have taken from it.
    if fs::metadata(path)?.permissions().mode() & 0o7777 != mode.permissions().mode() {
        fs::set_permissions(path, mode.permissions())?;
    }
    Ok(())
}

async fn upload(named: &Named, mut form: Form<'_>) -> Result<(), Failure> {
    let mut written: Option<Draft> = None;
    let mut mode = Mode::FILE;
    while let Some(part) = form.next().await? {
        match part {
            Part::Permissions(text) => mode = self::mode(Some(&text), Mode::FILE)?,
            Part::File(_) if written.is_some() => {
                return Err(Failure::bad("the form holds two files, and the path is one"));
            }
            Part::File(field) => {
                let target = named.path().to_owned();
                let begun = disk::io(move || Draft::begin(&target)).await;
                let mut draft = begun.map_err(|error| refusal(&error, named))?;
                form::pour(*field, draft.file(), |_| {}).await?;
                written = Some(draft);
            }
        }
    }
    let draft = written.ok_or_else(|| Failure::bad("the form has no part \"file\" with a filename"))?;
    disk::io(move || draft.finish(mode)).await.map_err(|error| refusal(&error, named))
}

/// How a write that cannot be done is refused.
pub(crate) fn refusal(error: &io::Error, named: &Named) -> Failure {
    Failure::unworkable(format!("{}: {error}", named.text()))
}

//! Copying within the sandbox, as `cp -r` places things.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use reveille_wire::{CopyOutcome, CopyRequest};
use serde_json::json;

use super::disk::{self, Interest};
use super::named::Named;
use super::open;
use super::write::draft::{Draft, Mode, is_draft};
use crate::failure::Failure;
use crate::json::JsonBody;

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    /// It is replaced.
    Replaced,
    /// It stays, and nothing is copied.
    Stays,
}

/// `POST /filesystem-copy`.
pub(crate) async fn post(JsonBody(request): JsonBody<CopyRequest>) -> Result<Response, Failure> {
    if request.source.is_empty() || request.destination.is_empty() {
        return Err(Failure::bad("source or destination is missing"));
    }
    let (from, to) = (Named::new(request.source.as_bytes())?, Named::new(request.destination.as_bytes())?);
    let there = if request.no_overwrite { There::Stays } else { There::Replaced };
    disk::while_wanted(move |interest| copy(&from, &to, there, interest)).await
}

fn copy(from: &Named, to: &Named, there: There, interest: &Interest) -> Result<Response, Failure> {
    let source = from.path();
    let facts = fs::symlink_metadata(source).map_err(|error| open::refusal(&error, from.shown()))?;
    let into = fs::metadata(to.path()).is_ok_and(|facts| facts.is_dir());
    let target = match source.canonicalize().ok().as_deref().unwrap_or(source).file_name() {
        Some(name) if into => to.path().join(source.file_name().unwrap_or(name)),
        _ => to.path().to_owned(),
    };
    if there == There::Stays && fs::symlink_metadata(&target).is_ok() {
        return Ok(taken(&target));
    }
    let copied = if facts.is_dir() {
        below_itself(source, &target)?;
        directory(source, &target, there, interest)
    } else {
        file(source, &target, facts.file_type(), there).map_err(|error| (error, target.clone()))
    };
    if let Err((error, at)) = copied {
        // Somebody else may have come first since it was looked.
        let is_taken = there == There::Stays && error.kind() == io::ErrorKind::AlreadyExists && at == target;
        let failure = || Failure::unworkable(format!("{}: {error}", at.display()));
        return is_taken.then(|| taken(&target)).ok_or_else(failure);
    }
    let outcome = CopyOutcome {
        source: from.text(),
        destination: to.text(),
        message: format!("copied to {}", target.display()),
    };
    Ok(Json(outcome).into_response())
}

/// Says that something is there already.
fn taken(target: &Path) -> Response {
    let error = format!("{} is there already", target.display());
    (StatusCode::CONFLICT, Json(json!({"error": error, "code": "FILE_ALREADY_EXISTS"}))).into_response()
}

/// A directory that is copied into itself would never end.
fn below_itself(source: &Path, target: &Path) -> Result<(), Failure> {
    let real = |path: &Path| path.canonicalize().ok();
    let parent = target.ancestors().find_map(real);
    match (real(source), parent) {
        (Some(source), Some(parent)) if parent.starts_with(&source) => {
            Err(Failure::unworkable("a directory cannot be copied into itself"))
        }
        _ => Ok(()),
    }
}

type Failed = (io::Error, PathBuf);

/// Copies a directory with all that is below it, level by level.
fn directory(from: &Path, to: &Path, there: There, interest: &Interest) -> Result<(), Failed> {
    let mut left = vec![(from.to_owned(), to.to_owned())];
    // Modes come last: a directory that nobody may write to could not be filled.
    let mut modes = Vec::new();
    while let Some((from, to)) = left.pop() {
        let at = |error: io::Error| (error, from.clone());
        make(&to, there).map_err(|error| (error, to.clone()))?;
        modes.push((to.clone(), fs::metadata(&from).map_err(at)?.permissions()));
        for entry in fs::read_dir(&from).map_err(at)? {
            if !interest.lasts() {
                return Err((io::Error::other("the caller left"), from));
            }
            let entry = entry.map_err(at)?;
            let kind = entry.file_type().map_err(at)?;
            let below = to.join(entry.file_name());
            if is_draft(&entry.file_name()) {
                continue;
            }
            if kind.is_dir() {
                left.push((entry.path(), below));
            } else {
                file(&entry.path(), &below, kind, there).map_err(|error| (error, entry.path()))?;
            }
        }
    }
    for (path, mode) in modes.into_iter().rev() {
        fs::set_permissions(&path, mode).map_err(|error| (error, path))?;
    }
    Ok(())
}

/// Makes a directory, with those on the way to it.
fn make(directory: &Path, there: There) -> io::Result<()> {
    if there == There::Replaced {
        return fs::create_dir_all(directory);
    }
    if let Some(on_the_way) = directory.parent() {
        fs::create_dir_all(on_the_way)?;
    }
    fs::create_dir(directory)
}

/// Copies a file, or a link as the link that it is.
fn file(from: &Path, to: &Path, kind: fs::FileType, there: There) -> io::Result<()> {
    if kind.is_symlink() {
        let leads = fs::read_link(from)?;
        if there == There::Replaced
            && let Err(error) = fs::remove_file(to)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        return symlink(leads, to);
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, a socket or a device"));
    }
    if same(from, to) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is the same file"));
    }
    let mut source = fs::File::open(from)?;
    let mode = source.metadata()?.permissions().mode() & 0o7777;
    let mut draft = Draft::begin(to)?;
    io::copy(&mut source, draft.file())?;
    let mode = Mode::parse(&format!("{mode:o}")).unwrap_or(Mode::FILE);
    match there {
        There::Replaced => draft.finish(mode),
        There::Stays => draft.finish_new(mode),
    }
}

fn same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

//! The directory of a drive or a volume.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::super::answer::Failure;
use super::mounted::is_mounted;

/// What became of a directory that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removed {
    Gone,
    /// It is mounted in a sandbox, and stays.
    InUse,
}

/// Makes one; one that is there stays.
pub(super) async fn make(place: PathBuf) -> Result<(), Failure> {
    let made = tokio::task::spawn_blocking(move || fs::create_dir_all(place)).await;
    let made = made.unwrap_or_else(|error| Err(io::Error::other(error)));
    made.map_err(|error| Failure::of_disk("its directory could not be made", &error))
}

/// Removes one with what it holds, unless a sandbox sees it.
pub(super) async fn remove(place: PathBuf) -> Result<Removed, Failure> {
    let removed = tokio::task::spawn_blocking(move || {
        if is_mounted(&place)? {
            return Ok(Removed::InUse);
        }
        match fs::remove_dir_all(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Removed::Gone),
        }
    });
    let removed = removed.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    removed.map_err(|error| Failure::of_disk("its files could not be removed", &error))
}

//! Where what a drive or a volume holds is: a directory or, for a volume of a size, a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::answer::Failure;
use super::mounted::is_mounted;
use crate::store::files;

/// Makes one; one that is there stays.
pub(super) async fn make(place: PathBuf) -> Result<(), Failure> {
    let made = tokio::task::spawn_blocking(move || fs::create_dir_all(place)).await;
    let made = made.unwrap_or_else(|error| Err(io::Error::other(error)));
    made.map_err(|error| Failure::of_disk("its directory could not be made", &error))
}

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file with a file system of its own.
    Disk,
    /// A directory, or nothing yet.
    Directory,
}

pub(super) fn kind(place: &Path) -> Kind {
    if place.symlink_metadata().is_ok_and(|found| found.is_file()) { Kind::Disk } else { Kind::Directory }
}

/// One that is out of the way, while it is decided whether it goes.
#[derive(Debug)]
pub(super) struct Aside {
    place: PathBuf,
    aside: PathBuf,
}

/// Moves one aside, with what it holds; none where a sandbox sees its directory: then it stays. A file that a sandbox has
/// mounted that ends goes when that has ended.
pub(super) async fn set_aside(place: PathBuf, aside: PathBuf) -> Result<Option<Aside>, Failure> {
    let moved = tokio::task::spawn_blocking(move || {
        if kind(&place) == Kind::Directory && is_mounted(&place)? {
            return Ok(None);
        }
        files::make_private_directory(aside.parent().unwrap_or(&aside))?;
        absence_is_fine(fs::rename(&place, &aside))?;
        Ok(Some(Aside { place, aside }))
    });
    let moved = moved.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    moved.map_err(|error| Failure::of_disk("its files could not be removed", &error))
}

impl Aside {
    /// Puts it back: it does not go.
    pub(super) fn put_back(&self) {
        if let Err(error) = absence_is_fine(fs::rename(&self.aside, &self.place)) {
            tracing::warn!(place = %self.place.display(), %error, "it could not be put back before the next start");
        }
    }

    /// Removes it. What cannot be removed now the next start removes.
    pub(super) async fn remove(self) {
        let removed = tokio::task::spawn_blocking(move || remove(&self.aside)).await;
        if let Err(error) = removed {
            tracing::warn!(%error, "removing what was deleted broke off");
        }
    }
}

/// Removes what was deleted.
pub(super) fn remove(aside: &Path) {
    let removed = match kind(aside) {
        Kind::Disk => fs::remove_file(aside),
        Kind::Directory => fs::remove_dir_all(aside),
    };
    if let Err(error) = absence_is_fine(removed) {
        tracing::warn!(place = %aside.display(), %error, "what was deleted could not be removed");
    }
}

fn absence_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

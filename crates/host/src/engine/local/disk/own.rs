//! The disk that a sandbox keeps everything on, where it has one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;

use super::{Image, Mounts};

/// The file, beside the place where it is mounted.
const IMAGE: &str = "disk.ext4";
const PLACE: &str = "disk";
/// What an interrupted making leaves, of this host and of earlier ones.
const UNFINISHED: [&str; 2] = [".disk.ext4.unfinished", "disk.ext4.unfinished"];

/// Mounts the disk of what keeps itself in `directory`, if it has one or is to have one of so many MiB, and says where. One
/// that has kept something without a disk goes on without.
///
/// # Errors
/// When it cannot be made, grown or mounted.
pub(in super::super) fn mount(
    directory: &Path,
    megabytes: Option<u64>,
    mounts: &mut Mounts,
) -> io::Result<Option<PathBuf>> {
    let image = match (Image::find(&directory.join(IMAGE))?, megabytes) {
        (Some(image), Some(megabytes)) => {
            // What had it mounted can take a moment to let go of it after its end; then it grows at a later start.
            image.grow(megabytes)?;
            image
        }
        (Some(image), None) => image,
        (None, Some(megabytes)) if has_nothing(directory)? => Image::make(&directory.join(IMAGE), megabytes)?,
        _ => return Ok(None),
    };
    let place = directory.join(PLACE);
    image.mount(mounts, place.clone())?;
    Ok(Some(place))
}

/// Whether what keeps itself in `directory` has a disk.
pub(in super::super) fn is_in(directory: &Path) -> bool {
    directory.join(IMAGE).symlink_metadata().is_ok()
}

/// Writes what is on the disk of a sandbox into its file, as its first process sees it.
pub(in super::super) fn write_back(directory: &Path, agent: i32, inside: &str) -> io::Result<()> {
    if !is_in(directory) {
        return Ok(());
    }
    match File::open(format!("/proc/{agent}/root{inside}")) {
        Ok(place) => Ok(syncfs(&place)?),
        // It has ended, and its disk is written.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether nothing was kept yet. What an interrupted making has left is nothing.
fn has_nothing(directory: &Path) -> io::Result<bool> {
    let mut entries = fs::read_dir(directory)?;
    Ok(entries.all(|entry| entry.is_ok_and(|entry| UNFINISHED.iter().any(|left| entry.file_name() == *left))))
}

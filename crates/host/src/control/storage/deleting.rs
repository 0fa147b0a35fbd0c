//! Deleting a drive or a volume, so that a host that is killed meanwhile leaves all of it or nothing.
//!
//! Its directory is moved aside, its record is removed, and then what was moved is removed: the record decides. The next
//! host puts back what has a record still.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::answer::Failure;
use super::super::state::Control;
use super::kept::{Drive, Kept, Volume};
use super::place;
use crate::store::Turn;

/// What became of one that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deleted {
    Gone,
    /// It is mounted in a sandbox, and stays.
    InUse,
}

/// Deletes one with what it holds, unless a sandbox sees it.
pub(super) async fn delete<K: Kept>(
    control: &Control,
    turn: Turn<K>,
    name: &str,
    place: PathBuf,
) -> Result<Deleted, Failure> {
    let word = K::WORD;
    let aside = control.store.directory().deleted().join(format!("{word}.{name}.{:08x}", fastrand::u32(..)));
    let Some(aside) = place::set_aside(place, aside).await? else { return Ok(Deleted::InUse) };
    if let Err(unwritten) = turn.remove().await {
        aside.put_back();
        return Err(unwritten.into());
    }
    aside.remove().await;
    Ok(Deleted::Gone)
}

/// Finishes what an earlier host had begun to delete, or undoes it. Nobody is served yet.
pub(crate) fn finish_deletes(control: &Arc<Control>) {
    let Ok(entries) = std::fs::read_dir(control.store.directory().deleted()) else { return };
    for entry in entries.flatten() {
        let aside = entry.path();
        let place = match named(&entry.file_name()) {
            Some((Drive::WORD, name)) if control.drives.read(name).is_some() => Some(control.drive(name)),
            Some((Volume::WORD, name)) if control.volumes.read(name).is_some() => Some(control.volume(name)),
            _ => None,
        };
        match place {
            Some(place) if !place.exists() => {
                if let Err(error) = std::fs::rename(&aside, &place) {
                    tracing::warn!(place = %place.display(), %error, "what was not deleted could not be put back");
                }
            }
            _ => drop(tokio::task::spawn_blocking(move || place::remove(&aside))),
        }
    }
}

/// The kind and the name of what lies aside.
fn named(file: &OsStr) -> Option<(&str, &str)> {
    let (word, rest) = file.to_str()?.split_once('.')?;
    Some((word, rest.rsplit_once('.')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_aside_has_a_kind_and_a_name() {
        assert_eq!(named("drive.my.data.0a1b2c3d".as_ref()), Some(("drive", "my.data")));
        assert_eq!(named("drive".as_ref()), None);
    }
}

//! Volumes: each a file with a file system of its own where this machine has such, else a directory.
//!
//! Which of the two one is stays so for its life: a directory of an earlier host, or of one that could not do better, goes
//! on as it is and is not bound.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reveille_wire::{DriveName, SandboxName};

use super::Namespaces;
use super::disk::{Grown, Image, Mounts, UNFINISHED};

/// Where the volumes are.
#[derive(Debug)]
pub(super) struct Volumes {
    directory: PathBuf,
    /// Where those that are files are mounted, each time by a thread that alone sees it.
    room: PathBuf,
    kind: Kind,
    namespaces: Namespaces,
}

/// What a new volume is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Directory,
}

/// A volume as a sandbox gets it.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) name: DriveName,
    /// A directory, which is made where it is missing.
    pub(super) place: PathBuf,
}

impl Volumes {
    /// Opens the directory, which is made where it is missing, and removes what was never finished.
    pub(super) fn open(
        directory: PathBuf,
        room: PathBuf,
        kind: Kind,
        namespaces: Namespaces,
    ) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        fs::create_dir_all(&room)?;
        let mut unbound = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_encoded_bytes().ends_with(UNFINISHED.as_bytes()) {
                fs::remove_file(entry.path())?;
            } else if kind == Kind::Image && entry.file_type()?.is_dir() {
                unbound.push(name.to_string_lossy().into_owned());
            }
        }
        if !unbound.is_empty() {
            let volumes = unbound.join(", ");
            tracing::info!(
                volumes,
                "volumes that were made as directories stay so: their sizes are not bound"
            );
        }
        Ok(Self { directory, room, kind, namespaces })
    }

    /// All of them, where those that are files are not to be seen.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Sees to it that one has so many MiB at least. One that is not there is made.
    pub(super) fn size(&self, name: &DriveName, megabytes: u64) -> io::Result<()> {
        let place = self.directory.join(name.as_str());
        let Some(image) = Image::find(&place)? else {
            return match self.kind {
                Kind::Image if !place.exists() => Image::make(&place, megabytes).map(drop),
                Kind::Image | Kind::Directory => fs::create_dir_all(place),
            };
        };
        if image.grow(megabytes)? == Grown::Later
            && let Err(error) = image.grow_mounted(&self.room)
        {
            tracing::info!(volume = %name, %error, "it is in use, and grows when it is attached next");
        }
        Ok(())
    }

    /// Mounts one for this thread, and says where it is.
    pub(super) fn mount(&self, name: &DriveName, mounts: &mut Mounts) -> io::Result<Volume> {
        let place = self.directory.join(name.as_str());
        let Some(image) = Image::find(&place)? else { return Ok(Volume { name: name.clone(), place }) };
        self.can_be_mounted(name)?;
        let place = self.room.join(name.as_str());
        mounts.make_room(&self.room)?;
        image.mount(mounts, place.clone()).map_err(|error| about(name, &error))?;
        // Apart from what the file system has for itself.
        Ok(Volume { name: name.clone(), place: place.join("files") })
    }

    /// Mounts an empty place of so many MiB for this thread, the sandbox's `number`th; none where there is only memory for
    /// it. Its file has no name any more when this ends, so that it goes with the last mount of it.
    pub(super) fn scratch(
        &self,
        sandbox: &SandboxName,
        number: usize,
        megabytes: u64,
        mounts: &mut Mounts,
    ) -> io::Result<Option<Volume>> {
        if self.kind == Kind::Directory {
            return Ok(None);
        }
        let name = scratch_name(number)?;
        // What a host that was killed has left of it is removed with what was never finished.
        let file = self.directory.join(format!("{sandbox}{name}{UNFINISHED}"));
        let image = Image::make(&file, megabytes).map_err(|error| about(&name, &error))?;
        let place = self.room.join(name.as_str());
        let mounted = mounts.make_room(&self.room).and_then(|()| image.mount(mounts, place.clone()));
        let removed = fs::remove_file(&file);
        mounted.and(removed).map_err(|error| about(&name, &error))?;
        Ok(Some(Volume { name, place: place.join("files") }))
    }

    fn can_be_mounted(&self, name: &DriveName) -> io::Result<()> {
        if self.namespaces.is_apart() && rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let what = "it is a disk of its own, which only root can mount, in a root of its own";
        Err(about(name, &io::Error::new(io::ErrorKind::Unsupported, what)))
    }
}

/// What a sandbox's `number`th empty place is called among its volumes: as no volume is.
pub(super) fn scratch_name(number: usize) -> io::Result<DriveName> {
    DriveName::new(format!("scratch_{number}")).map_err(io::Error::other)
}

fn about(name: &DriveName, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the volume {name}: {error}"))
}

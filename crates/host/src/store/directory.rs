//! The data directory: what lies where in it, and whether it can be used.

use std::io;
use std::path::{Path, PathBuf};

use super::files;
use super::lock::Lock;
use super::writer::Place;
use crate::error::{Error, ErrorKind};

/// The data directory of one host.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    root: PathBuf,
}

const SANDBOXES: &str = "sandboxes";
const DRIVES: &str = "drives";
const VOLUMES: &str = "volumes";
const IMAGES: &str = "images";
const SNAPSHOTS: &str = "snapshots";
const ENGINE: &str = "engine";

impl Directory {
    /// Takes the directory, and makes it where only it is missing.
    pub(super) fn take(root: &Path) -> Result<(Self, Lock), Error> {
        let no = |source: io::Error| unusable(root, source);
        make(root)?;
        let lock = Lock::take(root)?;
        // The engine and the agents run in other directories than the host.
        let directory = Self { root: root.canonicalize().map_err(no)? };
        directory.refuse_what_has_lost_its_store()?;
        for part in [SANDBOXES, DRIVES, VOLUMES, IMAGES, SNAPSHOTS, ENGINE] {
            files::make_private_directory(&directory.root.join(part)).map_err(no)?;
        }
        Ok((directory, lock))
    }

    /// Where what there is to remember is written.
    pub(super) fn place(&self) -> Place {
        Place { store: self.store(), reserve: self.root.join("reserve") }
    }

    fn store(&self) -> PathBuf {
        self.root.join("store.redb")
    }

    /// Where earlier hosts kept each record in a file.
    pub(super) fn earlier_records(&self) -> PathBuf {
        self.root.join("records")
    }

    /// Where the drives are.
    pub(crate) fn drives(&self) -> PathBuf {
        self.root.join(DRIVES)
    }

    /// Where the volumes are.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.root.join(VOLUMES)
    }

    /// Where the images are.
    pub(crate) fn images(&self) -> PathBuf {
        self.root.join(IMAGES)
    }

    /// Where the snapshots are.
    pub(crate) fn snapshots(&self) -> PathBuf {
        self.root.join(SNAPSHOTS)
    }

    /// Where lies what is being deleted.
    pub(crate) fn deleted(&self) -> PathBuf {
        self.root.join("deleted")
    }

    /// Where the authority is kept whose certificates sandboxes meet.
    pub(crate) fn authority(&self) -> PathBuf {
        self.root.join("authority")
    }

    /// Where the engine keeps its own.
    pub(crate) fn engine(&self) -> PathBuf {
        self.root.join(ENGINE)
    }

    /// Where the sandboxes' own directories are.
    pub(crate) fn sandboxes(&self) -> PathBuf {
        self.root.join(SANDBOXES)
    }

    /// Sandboxes' files without the store that says whose they are would end in the next sandboxes' hands.
    fn refuse_what_has_lost_its_store(&self) -> Result<(), Error> {
        if self.store().exists() || self.earlier_records().exists() {
            return Ok(());
        }
        let mut left = match std::fs::read_dir(self.root.join(SANDBOXES)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(|source| unusable(&self.root, source))?,
        };
        if left.next().is_none() {
            return Ok(());
        }
        let message = format!(
            "{} holds files of sandboxes, and {} that says whose they are is missing: bring it back, or move \
             the directory away",
            self.root.display(),
            self.store().display()
        );
        Err(Error::new(ErrorKind::Data, message))
    }
}

/// Makes the directory, and nothing above it: what is missing there may be a disk that is not mounted.
fn make(root: &Path) -> Result<(), Error> {
    let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty());
    match parent {
        Some(parent) if !parent.exists() => {
            let message = format!(
                "the data directory {} cannot be made, as there is no {}: make that first, or choose another \
                 with --data",
                root.display(),
                parent.display()
            );
            Err(Error::new(ErrorKind::Data, message))
        }
        _ => files::make_private_directory(root).map_err(|source| unusable(root, source)),
    }
}

pub(crate) fn unusable(root: &Path, source: io::Error) -> Error {
    let advice = match source.kind() {
        io::ErrorKind::PermissionDenied => ": make it yours, or choose another with --data",
        io::ErrorKind::StorageFull => ": free some space, or choose another with --data",
        _ => ": choose another with --data",
    };
    let message = format!("the data directory {} cannot be used ({source}){advice}", root.display());
    Error::new(ErrorKind::Data, message).with_source(source)
}

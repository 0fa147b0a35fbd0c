//! Images: roots that sandboxes are made from, imported once and read by all of them.
//!
//! An image comes as one archive: a tarball of a root, an archive as `docker save` writes it, or an OCI layout as a
//! tarball; plain, or packed by gzip; layers may also be packed by zstd. What it brings is its files and, where it says
//! so, variables, the directory that commands begin in and who they run as. Device files are left out.

mod archive;
mod layer;
mod name;
mod packed;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::engine::{Base, ImageId, remove_directory};
use crate::store::Document;

pub(crate) use name::{ImageName, Named};

/// An image as it stands in the store, under its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Image {
    /// `python:3.12`; always with a tag.
    pub(crate) name: String,
    pub(crate) id: ImageId,
    /// RFC 3339.
    pub(crate) imported: String,
    /// How many bytes its files have.
    pub(crate) size: u64,
    pub(crate) config: Config,
}

impl Document for Image {
    const KIND: &'static str = "image";
}

/// What an image says of what runs in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) environment: Vec<(String, String)>,
    /// Where commands begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<String>,
    /// Who commands run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
}

/// The image that a sandbox is made of. Another import under its name changes nothing about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    pub(crate) id: ImageId,
    pub(crate) config: Config,
}

impl Pinned {
    pub(crate) fn base(&self) -> Base {
        let Config { environment, directory, user } = self.config.clone();
        Base::Image { id: self.id.clone(), environment, directory, user }
    }
}

/// What was found in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub(crate) size: u64,
    pub(crate) config: Config,
}

/// Unpacks `archive` into the directory `root`, which must not be there yet. It blocks.
///
/// # Errors
/// When it is no image, is damaged, or cannot be written. Then nothing of it is left.
pub(crate) fn unpack(archive: &Path, root: &Path) -> io::Result<Unpacked> {
    let parts = root.with_extension("parts");
    let unpacked = fs::create_dir(root).and_then(|()| archive::unpack(archive, &parts, root));
    let swept = remove_directory(&parts);
    match unpacked.and_then(|unpacked| swept.map(|()| unpacked)) {
        Ok(unpacked) => Ok(unpacked),
        Err(error) => {
            // The reason that is worth telling is the first one.
            let _left = remove_directory(root);
            Err(error)
        }
    }
}

/// That an archive cannot be read on. What its library says quotes the bytes that it stumbled over, whatever they are.
fn unreadable(what: impl Into<String>, error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() { error } else { damaged(what) }
}

fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

//! All that is below a directory, with bounds.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use globset::GlobSet;
use reveille_wire::Directory;

use crate::failure::Failure;
use crate::files::disk::Interest;
use crate::files::facts;
use crate::files::named::Named;
use crate::files::open::{self, Opened};
use crate::files::walk::{self, Hidden, Skipped, Walk};
use crate::parameters::Parameters;

/// How many files are told when nothing was said, as at the vendor's server.
const FILES: usize = 10_000;
/// How much content is told when nothing was said, in bytes, as at the vendor's server.
const BYTES: usize = 32 << 20;
/// What may be asked for at the most. It stands in memory before it is sent.
const MOST_FILES: usize = 200_000;
const MOST_BYTES: usize = 128 << 20;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Deep {
    content: bool,
    patterns: Option<GlobSet>,
    walk: Walk,
    files: usize,
    bytes: usize,
}

impl Deep {
    /// Reads it from a query.
    pub(crate) fn asked(asked: &Parameters) -> Result<Self, Failure> {
        let hidden = if asked.flag("excludeHidden", false) { Hidden::Skipped } else { Hidden::Told };
        Ok(Self {
            content: asked.flag("content", false),
            patterns: walk::patterns(&asked.list("patterns"))?,
            walk: Walk { skipped: Skipped::these(asked.list("excludeDirs")), hidden },
            files: asked.number("maxFiles", FILES)?.min(MOST_FILES),
            bytes: asked.number("maxBytes", BYTES)?.min(MOST_BYTES),
        })
    }

    /// Tells of all that is below `named`.
    ///
    /// # Errors
    /// 422 when there is more than asked for.
    pub(crate) fn read(&self, named: &Named, interest: &Interest) -> Result<Directory, Failure> {
        let mut told = facts::empty_directory(named.shown());
        told.recursive = true;
        let mut bytes = 0;
        for found in self.walk.below(named, interest)? {
            let found = found?;
            let shown = named.shown().join(&found.relative);
            if found.is_directory() {
                if !found.relative.as_os_str().is_empty() {
                    told.subdirectories.push(facts::subdirectory(&shown));
                }
                continue;
            }
            if self.patterns.as_ref().is_some_and(|patterns| !patterns.is_match(found.name())) {
                continue;
            }
            if told.files.len() >= self.files {
                return Err(Failure::unworkable(format!("there are more than {} files", self.files)));
            }
            let Ok(seen) = fs::symlink_metadata(&found.path) else { continue };
            let mut file = facts::file(&shown, &seen);
            if self.content && !seen.is_dir() {
                file.content = text(&found.path, self.bytes - bytes).map_err(|error| match error.kind() {
                    io::ErrorKind::FileTooLarge => {
                        Failure::unworkable(format!("there are more than {} bytes", self.bytes))
                    }
                    _ => Failure::unworkable(format!("{}: {error}", shown.display())),
                })?;
                bytes += file.content.as_ref().map_or(0, String::len);
                bytes = bytes.min(self.bytes);
            }
            told.files.push(file);
        }
        Ok(told)
    }
}

/// What is in a file, or in the file that a link leads to; nothing where there is no file.
fn text(path: &Path, most: usize) -> io::Result<Option<String>> {
    let file: File = match open::open_waiting(path) {
        Ok(Opened::File(file, _)) => file,
        Ok(Opened::Directory) => return Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
            return Ok(None);
        }
        // Links in a circle lead to no file either.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut content)?;
    if content.len() > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let text = String::from_utf8(content);
    Ok(Some(text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())))
}

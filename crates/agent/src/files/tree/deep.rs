//! What is in a directory, or all that is below it, chosen and with bounds.

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
use crate::files::walk::{self, Depth, Hidden, Skipped, Walk};
use crate::parameters::Parameters;

/// How many files are told when nothing was said, as at the vendor's server.
const FILES: usize = 10_000;
/// How much content is told when nothing was said, in bytes, as at the vendor's server.
const BYTES: usize = 32 << 20;
/// What may be asked for at the most, as at the vendor's server. It stands in memory before it is sent.
const MOST_FILES: usize = 100_000;
const MOST_BYTES: usize = 256 << 20;

/// The parameters that choose, or that bound what is told.
const CHOICES: [&str; 7] =
    ["recursive", "content", "patterns", "excludeDirs", "excludeHidden", "maxFiles", "maxBytes"];

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
    /// Reads it from a query; nothing where that chooses nothing.
    ///
    /// # Errors
    /// 400 when it holds something that cannot be meant.
    pub(crate) fn asked(asked: &Parameters) -> Result<Option<Self>, Failure> {
        if CHOICES.iter().all(|name| asked.text(name).is_none()) {
            return Ok(None);
        }
        let depth = if asked.yes_or_no("recursive")? { Depth::All } else { Depth::One };
        let hidden = if asked.yes_or_no("excludeHidden")? { Hidden::Skipped } else { Hidden::Told };
        Ok(Some(Self {
            content: asked.yes_or_no("content")?,
            patterns: walk::patterns(&asked.list("patterns"))?,
            walk: Walk { depth, skipped: Skipped::these(asked.list("excludeDirs")), hidden },
            files: bound(asked, "maxFiles", FILES, MOST_FILES)?,
            bytes: bound(asked, "maxBytes", BYTES, MOST_BYTES)?,
        }))
    }

    /// Tells of what is below `named`.
    ///
    /// # Errors
    /// 422 when there is more than asked for.
    pub(crate) fn read(&self, named: &Named, interest: &Interest) -> Result<Directory, Failure> {
        let mut told = facts::empty_directory(named.shown());
        told.recursive = self.walk.depth == Depth::All;
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
                return Err(exceeded(self.files, "files"));
            }
            let Ok(seen) = fs::symlink_metadata(&found.path) else { continue };
            let mut file = facts::file(&shown, &seen);
            if self.content && !seen.is_dir() {
                file.content = text(&found.path, self.bytes - bytes).map_err(|error| match error.kind() {
                    io::ErrorKind::FileTooLarge => exceeded(self.bytes, "bytes"),
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

/// The number that `name` says, from 1 to `most`, or `or` when it is missing.
fn bound(asked: &Parameters, name: &str, or: usize, most: usize) -> Result<usize, Failure> {
    match asked.number(name, or)? {
        bound if (1..=most).contains(&bound) => Ok(bound),
        _ => Err(Failure::bad(format!("{name} is from 1 to {most}"))),
    }
}

/// Clients look for the first two words.
fn exceeded(bound: usize, of: &str) -> Failure {
    Failure::unworkable(format!("limit exceeded: there are more than {bound} {of}"))
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

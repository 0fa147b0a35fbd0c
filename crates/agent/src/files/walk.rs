//! Walking through all that is below a directory.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;

use super::disk::Interest;
use super::is_draft;
use super::named::Named;
use crate::failure::Failure;

/// The directories that a search does not look into when nothing was said, as at the platform's server.
const NOISE: [&str; 10] = [
    "node_modules",
    "vendor",
    ".git",
    "dist",
    "build",
    "target",
    "__pycache__",
    ".venv",
    ".next",
    "coverage",
];
/// The longest pattern, in bytes.
const PATTERN: usize = 1024;

/// Directories that are not looked into, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skipped(HashSet<OsString>);

impl Skipped {
    /// These and no others.
    pub(crate) fn these(names: Vec<String>) -> Self {
        Self(names.into_iter().map(OsString::from).collect())
    }

    /// These, or what is noise in most projects when there are none.
    pub(crate) fn these_or_noise(names: Vec<String>) -> Self {
        if names.is_empty() { Self::these(NOISE.map(str::to_owned).into()) } else { Self::these(names) }
    }
}

/// What becomes of names that begin with a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// They are told as others are.
    Told,
    /// They are left out, with all that is below them.
    Skipped,
}

/// How far down to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What is in the directory itself.
    One,
    /// All that is below it.
    All,
}

/// How to walk.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    pub(crate) depth: Depth,
    pub(crate) skipped: Skipped,
    pub(crate) hidden: Hidden,
}

/// Something on the way.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Where it is below the directory; empty for the directory itself.
    pub(crate) relative: PathBuf,
    kind: Option<fs::FileType>,
}

impl Found {
    /// Whether it is a directory, and no link to one.
    pub(crate) fn is_directory(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_dir())
    }

    /// Whether it is a regular file, and no link to one.
    pub(crate) fn is_file(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_file())
    }

    /// Its name.
    pub(crate) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

impl Walk {
    /// Walks through `named`, directory for directory in the order of names, without following links. What cannot be
    /// read on the way is left out.
    ///
    /// # Errors
    /// 404 when it is not there, 400 when it is no directory. On the way: when nobody waits any more.
    pub(crate) fn below(
        &self,
        named: &Named,
        interest: &Interest,
    ) -> Result<impl Iterator<Item = Result<Found, Failure>> + use<>, Failure> {
        let shown = named.text();
        match fs::read_dir(named.path()) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(Failure::bad(format!("{shown}: it is no directory")));
            }
            Err(error) => return Err(super::open::refusal(&error, named.shown())),
        }
        let (root, interest) = (named.path().to_owned(), interest.clone());
        let Self { depth, skipped, hidden } = self.clone();
        let mut walk = WalkBuilder::new(named.path());
        walk.standard_filters(false).follow_links(false).sort_by_file_name(OsStr::cmp).filter_entry(
            move |entry| {
                let name = entry.file_name();
                let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
                entry.depth() == 0
                    || !(is_draft(name)
                        || hidden == Hidden::Skipped && name.as_bytes().starts_with(b".")
                        || is_directory && skipped.0.contains(name))
            },
        );
        walk.max_depth((depth == Depth::One).then_some(1));
        Ok(walk.build().filter_map(move |entry| {
            if !interest.lasts() {
                return Some(Err(Failure::busy("the caller left")));
            }
            let entry = entry.ok()?;
            let (kind, path) = (entry.file_type(), entry.into_path());
            let relative = path.strip_prefix(&root).unwrap_or(&path).to_owned();
            Some(Ok(Found { path, relative, kind }))
        }))
    }
}

/// Patterns for names, of which one has to match; nothing where there are none.
///
/// # Errors
/// 400 when one cannot be understood.
pub(crate) fn patterns(given: &[String]) -> Result<Option<GlobSet>, Failure> {
    if given.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in given {
        if pattern.len() > PATTERN {
            return Err(Failure::bad("a pattern is longer than 1,024 bytes"));
        }
        let glob = GlobBuilder::new(pattern).build();
        set.add(glob.map_err(|error| Failure::bad(format!("{pattern:?} is no pattern: {}", error.kind())))?);
    }
    set.build()
        .map(Some)
        .map_err(|error| Failure::bad(format!("the patterns cannot be used: {}", error.kind())))
}

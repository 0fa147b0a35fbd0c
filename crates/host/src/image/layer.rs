//! One layer of an image, laid over those before it.
//!
//! Everything is done from the root's own descriptor, and every path is resolved inside it (`openat2(2)`): no name and
//! no link of an archive leads out.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, chmodat, chownat,
    linkat, mkdirat, openat, openat2, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

use super::{damaged, unreadable};

/// What marks a name that a layer takes away (OCI image specification, Layer Filesystem Changeset).
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// A root that layers are laid into.
#[derive(Debug)]
pub(super) struct Root {
    directory: OwnedFd,
    owners: Owners,
}

/// Whose the files become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owners {
    /// Whom the archive names.
    Named,
    /// Whoever unpacks them: an ordinary user cannot give files away.
    Mine,
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())?;
        let owners = if rustix::process::geteuid().is_root() { Owners::Named } else { Owners::Mine };
        Ok(Self { directory, owners })
    }

    /// Lays a layer over what is there, and gives how many bytes its files have. `layer` opens it, once to see what it
    /// takes away and once for what it brings: a marker says nothing of its own layer, wherever it stands in it.
    ///
    /// # Errors
    /// When it is damaged or cannot be written.
    pub(super) fn lay(&self, layer: impl Fn() -> io::Result<Box<dyn Read>>) -> io::Result<u64> {
        for entry in Archive::new(layer()?).entries()? {
            let path = path_of(&entry.map_err(no_layer)?)?;
            if let Some(name) = path.file_name().filter(|name| name.as_bytes().starts_with(WHITEOUT)) {
                self.take_away(path.parent().unwrap_or(Path::new("")), name)?;
            }
        }
        let mut size = 0;
        let mut directories = Vec::new();
        for entry in Archive::new(layer()?).entries()? {
            let mut entry = entry.map_err(no_layer)?;
            let path = path_of(&entry)?;
            if path.file_name().is_some_and(|name| name.as_bytes().starts_with(WHITEOUT)) {
                continue;
            }
            size += self
                .bring(&path, &mut entry, &mut directories)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        }
        // At last, as a directory that may not be written to could not be filled.
        for (path, mode, modified) in directories {
            self.finish_directory(&path, mode, modified)?;
        }
        Ok(size)
    }

    fn take_away(&self, parent: &Path, marker: &OsStr) -> io::Result<()> {
        let Some(parent) = self.find(parent)? else { return Ok(()) };
        if marker.as_bytes() == OPAQUE {
            return empty(parent.as_fd());
        }
        remove(parent.as_fd(), OsStr::from_bytes(&marker.as_bytes()[WHITEOUT.len()..]))
    }

    fn bring(
        &self,
        path: &Path,
        entry: &mut Entry<'_, Box<dyn Read>>,
        directories: &mut Vec<(PathBuf, Mode, u64)>,
    ) -> io::Result<u64> {
        let header = entry.header();
        let number = |error| unreadable("what should be a number is none", error);
        let mode = Mode::from_raw_mode(header.mode().map_err(number)? & 0o7777);
        let modified = header.mtime().map_err(number)?;
        let (uid, gid) = (header.uid().map_err(number)?, header.gid().map_err(number)?);
        let Some(name) = path.file_name() else {
            directories.push((PathBuf::new(), mode, modified));
            return Ok(0);
        };
        let parent = self.make(path.parent().unwrap_or(Path::new("")))?;
        let kind = header.entry_type();
        match kind {
            EntryType::Directory => {
                make_directory(parent.as_fd(), name)?;
                directories.push((path.to_owned(), mode, modified));
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                remove(parent.as_fd(), name)?;
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file = File::from(openat(&parent, name, flags, Mode::RUSR | Mode::WUSR)?);
                let written = io::copy(entry, &mut file)?;
                self.own(parent.as_fd(), name, uid, gid)?;
                // After the owner, whose change takes the bits of set-user-id away.
                chmodat(&parent, name, mode, AtFlags::empty())?;
                date(parent.as_fd(), name, modified)?;
                return Ok(written);
            }
            EntryType::Symlink => {
                remove(parent.as_fd(), name)?;
                symlinkat(&*link_of(entry)?, &parent, name)?;
            }
            EntryType::Link => {
                let to = relative(Path::new(&link_of(entry)?))?;
                let (from, target) = match (self.find(to.parent().unwrap_or(Path::new("")))?, to.file_name())
                {
                    (Some(from), Some(target)) => (from, target.to_owned()),
                    _ => return Err(damaged("it links to what is not there")),
                };
                if to == path {
                    return Err(damaged("it links to itself"));
                }
                remove(parent.as_fd(), name)?;
                linkat(&from, &*target, &parent, name, AtFlags::empty())?;
                return Ok(0);
            }
            // Devices are the machine's, and what else there is means nothing here.
            _ => return Ok(0),
        }
        self.own(parent.as_fd(), name, uid, gid)?;
        Ok(0)
    }

    fn own(&self, parent: impl AsFd, name: &OsStr, uid: u64, gid: u64) -> io::Result<()> {
        if self.owners == Owners::Mine {
            return Ok(());
        }
        let id = |id: u64| u32::try_from(id).map_err(|_| damaged("it has an owner that there cannot be"));
        let (uid, gid) = (Uid::from_raw(id(uid)?), Gid::from_raw(id(gid)?));
        Ok(chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn finish_directory(&self, path: &Path, mode: Mode, modified: u64) -> io::Result<()> {
        // It may have been replaced by what came later in the same layer.
        let Some(parent) = self.find(path.parent().unwrap_or(Path::new("")))? else { return Ok(()) };
        let name = path.file_name().unwrap_or(OsStr::new("."));
        if !is_directory(parent.as_fd(), name)? {
            return Ok(());
        }
        chmodat(&parent, name, mode, AtFlags::empty())?;
        date(parent.as_fd(), name, modified)
    }

    /// A directory of the root; `None` where there is none.
    fn find(&self, path: &Path) -> io::Result<Option<OwnedFd>> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match openat2(&self.directory, path, flags, Mode::empty(), inside) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same, made where it is missing.
    fn make(&self, path: &Path) -> io::Result<OwnedFd> {
        if let Some(found) = self.find(path)? {
            return Ok(found);
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(damaged("it stands in no directory"));
        };
        let above = self.make(parent)?;
        make_directory(above.as_fd(), name)?;
        self.find(path)?.ok_or_else(|| damaged("it stands in no directory"))
    }
}

fn no_layer(error: io::Error) -> io::Error {
    unreadable("a layer is no tar archive, or a damaged one", error)
}

/// The path of an entry inside the root.
fn path_of(entry: &Entry<'_, Box<dyn Read>>) -> io::Result<PathBuf> {
    relative(&entry.path()?)
}

fn relative(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(step) => clean.push(step),
            Component::CurDir | Component::RootDir => {}
            _ => return Err(damaged(format!("{} climbs", path.display()))),
        }
    }
    Ok(clean)
}

fn link_of(entry: &Entry<'_, Box<dyn Read>>) -> io::Result<OsString> {
    let to = entry.link_name()?.ok_or_else(|| damaged("it links to nothing"))?;
    Ok(to.into_owned().into_os_string())
}

/// Makes a directory, in place of what is there and is none. A link to a directory is as good as one.
fn make_directory(parent: impl AsFd + Copy, name: &OsStr) -> io::Result<()> {
    let all = Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
    match mkdirat(parent, name, all) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) if is_directory(parent, name)? || is_link(parent, name)? => Ok(()),
        Err(Errno::EXIST) => {
            unlinkat(parent, name, AtFlags::empty())?;
            Ok(mkdirat(parent, name, all)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn kind(parent: impl AsFd, name: &OsStr) -> io::Result<Option<FileType>> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_directory(parent: impl AsFd, name: &OsStr) -> io::Result<bool> {
    Ok(kind(parent, name)? == Some(FileType::Directory))
}

fn is_link(parent: impl AsFd, name: &OsStr) -> io::Result<bool> {
    Ok(kind(parent, name)? == Some(FileType::Symlink))
}

/// Removes what there is under a name, with all that is below it.
fn remove(parent: impl AsFd + Copy, name: &OsStr) -> io::Result<()> {
    if !is_directory(parent, name)? {
        return match unlinkat(parent, name, AtFlags::empty()) {
            Err(error) if error != Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        };
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    empty(openat(parent, name, flags, Mode::empty())?.as_fd())?;
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

fn empty(directory: impl AsFd + Copy) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let names: Vec<OsString> = Dir::new(openat(directory, c".", flags, Mode::empty())?)?
        .map(|entry| entry.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()))
        .collect::<Result<_, _>>()?;
    names.iter().filter(|name| *name != "." && *name != "..").try_for_each(|name| remove(directory, name))
}

fn date(parent: impl AsFd, name: &OsStr, modified: u64) -> io::Result<()> {
    let at = Timespec { tv_sec: i64::try_from(modified).unwrap_or(0), tv_nsec: 0 };
    let times = Timestamps { last_access: at, last_modification: at };
    Ok(utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

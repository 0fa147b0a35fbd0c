//! A file that is being written: under another name in the same directory until it is whole.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, RenameFlags, accessat};
use rustix::io::Errno;

use crate::files::open::behind_links;

/// How the names of drafts begin. Nothing tells of files with such names.
pub(crate) const PREFIX: &str = ".reveille-";
/// The draft of a file that is not there yet. A watch reads off the name what its rename means.
pub(crate) const NEW: &str = ".reveille-new-";
/// The draft of a file that replaces another.
pub(crate) const OVER: &str = ".reveille-over-";

/// Whether `name` is one that only drafts have.
pub(crate) fn is_draft(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX.as_bytes())
}

/// The mode of a file or directory that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode(u32);

impl Mode {
    /// Of a file of which nothing else is said.
    pub(crate) const FILE: Self = Self(0o644);
    /// Of a directory of which nothing else is said.
    pub(crate) const DIRECTORY: Self = Self(0o755);

    /// Reads an octal number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = octal.then(|| u32::from_str_radix(text, 8).ok())??;
        (mode <= 0o7777).then_some(Self(mode))
    }

    /// As the file system takes it.
    pub(crate) fn permissions(self) -> Permissions {
        Permissions::from_mode(self.0)
    }
}

/// A file that is being written. Dropped before it is whole, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    at: PathBuf,
    target: PathBuf,
    replaced: Option<Metadata>,
}

impl Draft {
    /// Begins to write what is to be at `target`; directories on the way are made. A link is written through.
    ///
    /// # Errors
    /// When something else than a file is there, or the directory takes no files.
    pub(crate) fn begin(target: &Path) -> io::Result<Self> {
        let target = behind_links(target)?;
        let (Some(name), Some(directory)) = (target.file_name(), target.parent()) else {
            return Err(io::Error::from(Errno::ISDIR));
        };
        if target.as_os_str().as_bytes().ends_with(b"/") || name == OsStr::new("..") {
            return Err(io::Error::from(Errno::ISDIR));
        }
        let replaced = match fs::symlink_metadata(&target) {
            Ok(facts) if facts.is_dir() => return Err(io::Error::from(Errno::ISDIR)),
            Ok(facts) if !facts.is_file() => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is a pipe, a socket or a device",
                ));
            }
            Ok(facts) => Some(facts),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match &replaced {
            None => fs::create_dir_all(directory)?,
            // Whoever may write to the directory could replace what they may not write to.
            Some(_) => accessat(CWD, &target, Access::WRITE_OK, AtFlags::EACCESS)?,
        }
        let at = directory.join(name_for(if replaced.is_some() { OVER } else { NEW }));
        let file = File::options().write(true).create_new(true).mode(0o600).open(&at)?;
        Ok(Self { file, at, target, replaced })
    }

    /// The file, to be written to.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts it in place, whole. A file that was there keeps its mode and, where it can be given away, its owner; a new one
    /// gets `mode`.
    ///
    /// # Errors
    /// When it cannot be put there. Then what was there is as it was.
    pub(crate) fn finish(mut self, mode: Mode) -> io::Result<()> {
        self.file.flush()?;
        match &self.replaced {
            None => self.file.set_permissions(mode.permissions())?,
            Some(replaced) => {
                let own = self.file.metadata()?;
                if (own.uid(), own.gid()) != (replaced.uid(), replaced.gid()) {
                    match std::os::unix::fs::fchown(&self.file, Some(replaced.uid()), Some(replaced.gid())) {
                        // Who may give nothing away has it from now on.
                        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                        given => given?,
                    }
                }
                // Behind the change of owner, which takes bits away.
                self.file.set_permissions(Permissions::from_mode(replaced.mode() & 0o7777))?;
            }
        }
        match self.replaced {
            None => self.place_new(),
            Some(_) => fs::rename(&self.at, &self.target),
        }
    }

    /// Puts it in place, whole, where nothing is.
    ///
    /// # Errors
    /// When it cannot be put there, or something is there already, however lately it came.
    pub(crate) fn finish_new(mut self, mode: Mode) -> io::Result<()> {
        self.file.flush()?;
        self.file.set_permissions(mode.permissions())?;
        match self.rename_to_nothing() {
            Ok(()) => Ok(()),
            // This file system cannot say. A second name replaces nothing either, and the first one goes with the draft.
            Err(Errno::INVAL | Errno::NOSYS) => fs::hard_link(&self.at, &self.target),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives it its name, if nothing has that.
    fn rename_to_nothing(&self) -> Result<(), Errno> {
        rustix::fs::renameat_with(CWD, &self.at, CWD, &self.target, RenameFlags::NOREPLACE)
    }

    /// Puts a new file in place. If another one came first, this one replaces it.
    fn place_new(&mut self) -> io::Result<()> {
        match self.rename_to_nothing() {
            Ok(()) => Ok(()),
            // This file system cannot say.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(&self.at, &self.target),
            Err(Errno::EXIST) => {
                let over = self.at.with_file_name(name_for(OVER));
                fs::rename(&self.at, &over)?;
                self.at = over;
                fs::rename(&self.at, &self.target)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once in place it is not there any more.
        let _gone = fs::remove_file(&self.at);
    }
}

fn name_for(prefix: &str) -> OsString {
    format!("{prefix}{:016x}", fastrand::u64(..)).into()
}

/// Writes `content` to `target` in one step.
///
/// # Errors
/// As [`Draft::begin`], and when there is no room for it.
pub(crate) fn write_whole(target: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let mut draft = Draft::begin(target)?;
    draft.file().write_all(content)?;
    draft.finish(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<OsString> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_draft_that_is_given_up_leaves_the_old_file_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("f");
        fs::write(&target, "old").unwrap();
        let mut draft = Draft::begin(&target).unwrap();
        draft.file().write_all(b"half").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        drop(draft);
        assert_eq!(names(place.path()), ["f"]);
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }

    #[test]
    fn a_link_is_written_through_also_one_that_leads_nowhere_yet() {
        let place = tempfile::tempdir().unwrap();
        let [link, target] = ["link", "target"].map(|name| place.path().join(name));
        std::os::unix::fs::symlink("target", &link).unwrap();
        for content in ["first", "second"] {
            write_whole(&link, content.as_bytes(), Mode::FILE).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), content);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
    }

    #[test]
    fn links_that_lead_in_a_circle_end() {
        let place = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| place.path().join(name));
        std::os::unix::fs::symlink(&one, &two).unwrap();
        std::os::unix::fs::symlink(&two, &one).unwrap();
        assert!(write_whole(&one, b"x", Mode::FILE).is_err());
    }

    #[test]
    fn of_two_that_make_the_same_file_the_last_one_wins_whole() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("f");
        let mut early = Draft::begin(&target).unwrap();
        write_whole(&target, b"late", Mode::FILE).unwrap();
        early.file().write_all(b"early").unwrap();
        early.finish(Mode::FILE).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"early");
        assert_eq!(names(place.path()), ["f"]);
    }

    #[test]
    fn a_mode_is_octal() {
        assert_eq!(Mode::parse("0644"), Some(Mode::FILE));
        assert_eq!(Mode::parse("755"), Some(Mode::DIRECTORY));
        for bad in ["", "99", "rw-", "-1", "+7", "10000", "0o644"] {
            assert_eq!(Mode::parse(bad), None, "{bad}");
        }
    }
}

//! Removes what a sandbox kept: whatever its processes made of it, and nothing else.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, StatxAttributes, StatxFlags, fchmod, fstat, openat, renameat,
    statx, unlinkat,
};
use rustix::io::Errno;

/// How deep a walk goes before it lifts what is below up to the top. Keeps descriptors and stack bounded.
const DEPTH: usize = 64;

/// Removes a directory and everything in it. Follows no link and stays on the directory's own file system.
/// One that is not there is no error.
pub(crate) fn remove_directory(path: &Path) -> io::Result<()> {
    let top = match open(CWD, path) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let mut walk = Walk { device: fstat(&top)?.st_dev, top: top.as_fd(), lifted: 0 };
    loop {
        let before = walk.lifted;
        walk.empty(top.as_fd(), 0)?;
        if walk.lifted == before {
            break;
        }
    }
    unlinkat(CWD, path, AtFlags::REMOVEDIR)?;
    Ok(())
}

struct Walk<'a> {
    device: u64,
    top: BorrowedFd<'a>,
    lifted: u64,
}

impl Walk<'_> {
    fn empty(&mut self, directory: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        for (name, kind) in entries(directory)? {
            if kind != FileType::Directory {
                match unlinkat(directory, &name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => continue,
                    // Some file systems do not say what an entry is.
                    Err(Errno::ISDIR | Errno::PERM) if kind == FileType::Unknown => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if depth < DEPTH {
                self.remove(directory, &name, depth)?;
            } else {
                self.lift(directory, &name)?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, directory: BorrowedFd<'_>, name: &CString, depth: usize) -> io::Result<()> {
        let below = open(directory, name)?;
        if fstat(&below)?.st_dev != self.device || is_mount(&below)? {
            let what = format!("{} is a mount; it was left alone", name.to_string_lossy());
            return Err(io::Error::new(io::ErrorKind::CrossesDevices, what));
        }
        self.empty(below.as_fd(), depth + 1)?;
        unlinkat(directory, name, AtFlags::REMOVEDIR)?;
        Ok(())
    }

    fn lift(&mut self, directory: BorrowedFd<'_>, name: &CString) -> io::Result<()> {
        loop {
            self.lifted += 1;
            match renameat(directory, name, self.top, format!(".deep-{}", self.lifted)) {
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                other => return Ok(other?),
            }
        }
    }
}

/// Opens a directory so that it can be read and emptied, also when its mode forbids that to its owner.
fn open(at: BorrowedFd<'_>, name: impl rustix::path::Arg + Copy) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let owner = Mode::RWXU;
    let opened = match openat(at, name, flags | OFlags::RDONLY, Mode::empty()) {
        Err(Errno::ACCESS) => {
            let place = openat(at, name, flags | OFlags::PATH, Mode::empty())?;
            // A descriptor that only names a place cannot change its mode; the way through /proc can.
            let through = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&place));
            rustix::fs::chmod(&through, owner)?;
            openat(at, name, flags | OFlags::RDONLY, Mode::empty())?
        }
        other => other?,
    };
    if Mode::from_raw_mode(fstat(&opened)?.st_mode) & owner != owner {
        match fchmod(&opened, owner) {
            // Somebody else's: whether it can be emptied will show.
            Err(Errno::PERM) => {}
            other => other?,
        }
    }
    Ok(opened)
}

/// Whether something is mounted here, also from the same file system. Kernels before 5.8 do not say.
fn is_mount(directory: &OwnedFd) -> Result<bool, Errno> {
    let found = statx(directory, c"", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn entries(directory: BorrowedFd<'_>) -> io::Result<Vec<(CString, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            found.push((name.to_owned(), entry.file_type()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_link_is_removed_and_what_it_leads_to_stays() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("kept"), "kept").unwrap();
        let inner = outer.path().join("inner");
        fs::create_dir_all(inner.join("a/b")).unwrap();
        symlink(outer.path(), inner.join("a/out")).unwrap();
        symlink("nowhere", inner.join("a/b/broken")).unwrap();
        remove_directory(&inner).unwrap();
        assert!(!inner.exists());
        assert_eq!(fs::read_to_string(outer.path().join("kept")).unwrap(), "kept");
    }

    #[test]
    fn a_directory_that_forbids_everything_is_removed_too() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        fs::create_dir_all(inner.join("closed/below")).unwrap();
        fs::write(inner.join("closed/below/file"), "").unwrap();
        for closed in ["closed/below", "closed", "."] {
            fs::set_permissions(inner.join(closed), fs::Permissions::from_mode(0o0)).unwrap();
        }
        remove_directory(&inner).unwrap();
        assert!(!inner.exists());
    }

    #[test]
    fn depth_costs_neither_stack_nor_descriptors() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let mut here = open(CWD, inner.as_path()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
            here = open(here.as_fd(), "d").unwrap();
        }
        remove_directory(&inner).unwrap();
        assert!(!inner.exists());
    }

    #[test]
    fn what_is_not_there_is_removed() {
        let outer = tempfile::tempdir().unwrap();
        remove_directory(&outer.path().join("nothing")).unwrap();
    }
}

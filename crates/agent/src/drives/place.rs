//! Mounting and unmounting itself. Everything here blocks.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use reveille_wire::DriveMount;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MoveMountFlags, move_mount};

/// What of a mount the kernel does not let an unprivileged namespace take away, and what has to be said again when it
/// is mounted anew.
const KEPT: [(FsFlags, MsFlags); 6] = [
    (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
    (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
    (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
    (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
    (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
    (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
];

/// Whether `path` is a mount point now.
pub(crate) fn is_mounted(path: &str) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    let Ok(table) = fs::read_to_string("/proc/self/mountinfo") else { return false };
    table.lines().filter_map(|line| line.split(' ').nth(4)).any(|point| Path::new(&unescaped(point)) == path)
}

/// Says what is in the way where `path` has to lead through or to a directory, and something else stands there.
pub(crate) fn check_way(path: &str) -> Result<(), String> {
    let mut there = Path::new(path).ancestors().filter(|path| path.symlink_metadata().is_ok());
    match there.next().filter(|path| !path.is_dir()) {
        Some(file) => Err(format!("nothing can be mounted at {path}: {} is no directory", file.display())),
        None => Ok(()),
    }
}

/// Directories outside the sandbox, one for each drive or volume.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept<'a> {
    /// What one of them is called.
    pub(crate) word: &'static str,
    pub(crate) directory: &'a Path,
}

/// Binds one of what is `kept` to its place. Its directory, and its place, are made where they are missing.
///
/// # Errors
/// A sentence.
pub(crate) fn mount(kept: Kept<'_>, wanted: &DriveMount) -> Result<(), String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| not_mounted(kept.word, wanted, what, error);
    let from = open(kept.directory, wanted).map_err(|error| failed("its directory", &error))?;
    fs::create_dir_all(&wanted.path).map_err(|error| failed("the mount path", &error))?;
    let place = fs::canonicalize(&wanted.path).map_err(|error| failed("the mount path", &error))?;
    let source = PathBuf::from(format!("/proc/self/fd/{}", from.as_raw_fd()));
    let none = None::<&Path>;
    nix::mount::mount(Some(&source), &place, none, MsFlags::MS_BIND, none)
        .map_err(|error| failed("the bind", &error))?;
    keep_word(&place, wanted).map_err(|error| failed("making it read-only", &error))
}

/// Lays a drive, which comes as a mount that lies nowhere yet, at its place.
///
/// # Errors
/// A sentence.
pub(super) fn mount_tree(tree: &OwnedFd, wanted: &DriveMount) -> Result<(), String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| not_mounted("drive", wanted, what, error);
    fs::create_dir_all(&wanted.path).map_err(|error| failed("the mount path", &error))?;
    let place = fs::canonicalize(&wanted.path).map_err(|error| failed("the mount path", &error))?;
    move_mount(tree, c"", CWD, &place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(|error| failed("the mount", &error))?;
    keep_word(&place, wanted).map_err(|error| failed("making it read-only", &error))
}

/// Better no drive than one that can be written to against the caller's word.
fn keep_word(place: &Path, wanted: &DriveMount) -> nix::Result<()> {
    if !wanted.read_only {
        return Ok(());
    }
    make_read_only(place).inspect_err(|_| {
        let _gone = umount2(place, MntFlags::MNT_DETACH);
    })
}

/// That something could not be mounted, and why.
pub(super) fn not_mounted(
    word: &str,
    wanted: &DriveMount,
    what: &str,
    error: &dyn std::fmt::Display,
) -> String {
    format!("{word} {:?} cannot be mounted at {}: {what}: {error}", wanted.drive, wanted.path)
}

/// Mounts an empty place of so many megabytes, which is gone with the sandbox's processes.
///
/// # Errors
/// A sentence.
pub(crate) fn mount_scratch(megabytes: u64, path: &str) -> Result<(), String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("no scratch space can be mounted at {path}: {error}");
    fs::create_dir_all(path).map_err(|error| failed(&error))?;
    let place = fs::canonicalize(path).map_err(|error| failed(&error))?;
    let options = format!("mode=755,size={megabytes}m");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    nix::mount::mount(Some("tmpfs"), &place, Some("tmpfs"), flags, Some(options.as_str()))
        .map_err(|error| failed(&error))
}

/// Undoes a mount.
///
/// # Errors
/// A sentence.
pub(crate) fn unmount(path: &str) -> Result<(), String> {
    let place = fs::canonicalize(path).map_err(|error| format!("{path} cannot be unmounted: {error}"))?;
    umount2(&place, MntFlags::UMOUNT_NOFOLLOW).map_err(|error| match error {
        Errno::EBUSY => format!("{path} is in use; end the processes that have files open in it"),
        error => format!("{path} cannot be unmounted: {error}"),
    })
}

fn make_read_only(place: &Path) -> nix::Result<()> {
    let has = statvfs(place)?.flags();
    let kept = KEPT.iter().filter(|(flag, _)| has.contains(*flag)).map(|(_, flag)| *flag);
    let flags =
        kept.fold(MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY, |all, flag| all | flag);
    let none = None::<&Path>;
    nix::mount::mount(none, place, none, flags, none)
}

/// Opens the directory of a drive that is to be mounted, one step at a time and through no link: what a program left
/// in a drive cannot lead out of it.
pub(super) fn open(drives: &Path, wanted: &DriveMount) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let all = rustix::fs::open(drives, flags & !OFlags::NOFOLLOW, Mode::empty())?;
    let steps = wanted.drive_path.split('/').filter(|step| !step.is_empty() && *step != ".");
    std::iter::once(wanted.drive.as_str()).chain(steps).try_fold(all, |directory, step| {
        match rustix::fs::mkdirat(&directory, step, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(rustix::fs::openat(&directory, step, flags, Mode::empty())?)
    })
}

/// A path out of the kernel's table of mounts, where spaces and the like are octal.
pub(super) fn unescaped(point: &str) -> String {
    let mut parts = point.split('\\');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|code| u8::from_str_radix(code, 8).ok());
        match code {
            Some(code) => {
                path.push(char::from(code));
                path.push_str(&part[3..]);
            }
            None => path.push_str(part),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(path: &str) -> DriveMount {
        let mut mount = DriveMount::new("d", "/never");
        mount.drive_path = path.to_owned();
        mount
    }

    #[test]
    fn a_link_in_a_drive_does_not_lead_out_of_it() {
        let drives = tempfile::tempdir().unwrap();
        open(drives.path(), &drive("/")).unwrap();
        std::os::unix::fs::symlink("/etc", drives.path().join("d/out")).unwrap();
        assert!(open(drives.path(), &drive("/out")).is_err());
        assert!(open(drives.path(), &drive("/out/ssl")).is_err());
        open(drives.path(), &drive("/made/on/the/way")).unwrap();
        assert!(drives.path().join("d/made/on/the/way").is_dir());
    }

    #[test]
    fn a_drive_that_is_a_link_is_not_followed() {
        let drives = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", drives.path().join("d")).unwrap();
        assert!(open(drives.path(), &drive("/")).is_err());
    }

    #[test]
    fn mount_points_are_read_as_the_kernel_writes_them() {
        assert_eq!(unescaped(r"/mnt/a\040b\134c"), r"/mnt/a b\c");
        assert!(is_mounted("/proc") && !is_mounted("/proc/self") && !is_mounted("/no/such"));
    }
}

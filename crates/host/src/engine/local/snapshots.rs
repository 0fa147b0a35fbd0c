//! Copies of what sandboxes keep on disk, made and laid back by `cp`, which shares blocks where the file system can.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with, syncfs};
use rustix::io::Errno;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::remove::remove_directory;
use crate::engine::SnapshotId;

/// What a copy is called until it is whole.
const UNFINISHED: &str = ".unfinished";
/// The most of what `cp` says that is told.
const SAID: usize = 400;

/// Where the snapshots are.
#[derive(Debug)]
pub(super) struct Snapshots {
    directory: PathBuf,
}

impl Snapshots {
    /// Opens the directory, which is made where it is missing, and removes what was never finished there and beside
    /// sandboxes.
    pub(super) fn open(directory: PathBuf, sandboxes: &Path) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        remove_unfinished(&directory)?;
        if sandboxes.exists() {
            remove_unfinished(sandboxes)?;
        }
        Ok(Self { directory })
    }

    /// Copies a directory into a new snapshot. It is on disk, whole, when this ends well.
    pub(super) fn take(&self, id: &SnapshotId, from: &Path) -> io::Result<()> {
        let place = self.place(id);
        copy(from, &place)?;
        sync(&self.directory)
    }

    /// Lays a snapshot where a directory is or is to be; what was there before is removed.
    pub(super) fn lay(&self, id: &SnapshotId, to: &Path) -> io::Result<()> {
        let (place, beside) = (self.place(id), beside(to)?);
        if !place.is_dir() {
            let what = format!("there are no files of the snapshot {id}");
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        remove_directory(&beside)?;
        copy(&place, &beside)?;
        // At no moment is there neither the one nor the other.
        match renameat_with(CWD, &beside, CWD, to, RenameFlags::EXCHANGE) {
            Ok(()) => remove_directory(&beside)?,
            Err(Errno::NOENT) => fs::rename(&beside, to)?,
            Err(error) => return Err(error.into()),
        }
        sync(to)
    }

    /// Removes a snapshot. One that is not there is no error.
    pub(super) fn remove(&self, id: &SnapshotId) -> io::Result<()> {
        remove_directory(&self.place(id))
    }

    fn place(&self, id: &SnapshotId) -> PathBuf {
        self.directory.join(id.as_str())
    }
}

/// What cannot be removed keeps no host from starting; the next one tries again.
fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().ends_with(UNFINISHED.as_bytes())
            && let Err(error) = remove_directory(&entry.path())
        {
            let place = entry.path();
            tracing::warn!(place = %place.display(), %error, "what was never finished could not be removed");
        }
    }
    Ok(())
}

/// A name beside a directory that no sandbox has.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(UNFINISHED);
    Ok(path.with_file_name(name))
}

/// Copies a directory with everything in it: owners, modes, times, links, attributes, holes. All of it or nothing.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut unfinished = to.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    remove_directory(&unfinished)?;
    let mut command = Command::new("cp");
    command.args(["--archive", "--reflink=auto", "--no-target-directory", "--"]).arg(from).arg(&unfinished);
    dies_with_this_thread(&mut command);
    let done = command.stdin(Stdio::null()).env("LC_ALL", "C").output().map_err(|error| {
        io::Error::new(error.kind(), format!("cp, which copies files, cannot be run: {error}"))
    })?;
    if !done.status.success() {
        remove_directory(&unfinished)?;
        let said = String::from_utf8_lossy(&done.stderr);
        let kind =
            if said.contains("No space left") { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
        return Err(io::Error::new(kind, said.trim().chars().take(SAID).collect::<String>()));
    }
    fs::rename(&unfinished, to)
}

/// Has a program end with the thread that waits for it: the copy of a host that was killed would go on below the next
/// one's hands.
fn dies_with_this_thread(command: &mut Command) {
    let order = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
    #[expect(unsafe_code, reason = "no safe way to have a child say this of itself")]
    // SAFETY: between fork and exec the child makes one system call, which neither allocates nor locks.
    unsafe {
        command.pre_exec(order);
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    let directory =
        openat(CWD, directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(syncfs(directory)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_snapshot_is_what_was_there_and_stays_so() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("box");
        fs::create_dir_all(from.join("deep/er")).unwrap();
        fs::write(from.join("deep/file"), [0xff, 0, b'\n']).unwrap();
        fs::set_permissions(from.join("deep/file"), fs::Permissions::from_mode(0o751)).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        let snapshots = Snapshots::open(root.path().join("snapshots"), root.path()).unwrap();
        let id = SnapshotId::random();
        snapshots.take(&id, &from).unwrap();
        fs::write(from.join("deep/file"), "changed").unwrap();
        fs::write(from.join("later"), "").unwrap();
        for to in [from.clone(), root.path().join("other")] {
            snapshots.lay(&id, &to).unwrap();
            assert_eq!(fs::read(to.join("deep/file")).unwrap(), [0xff, 0, b'\n']);
            assert_eq!(fs::metadata(to.join("deep/file")).unwrap().permissions().mode() & 0o777, 0o751);
            assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/etc/passwd"));
            assert!(to.join("deep/er").is_dir() && !to.join("later").exists());
        }
        snapshots.remove(&id).unwrap();
        snapshots.remove(&id).unwrap();
        assert!(snapshots.lay(&id, &from).is_err());
        assert!(from.join("deep/file").exists(), "what is there stays where there is no snapshot");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 3, "nothing is left behind");
    }

    #[test]
    fn what_was_never_finished_is_removed() {
        let (root, sandboxes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(root.path().join("snap-0000000000000000.unfinished")).unwrap();
        for name in [".box.unfinished", ".box.unfinished.unfinished", "box"] {
            fs::create_dir_all(sandboxes.path().join(name).join("files")).unwrap();
        }
        let snapshots = Snapshots::open(root.path().to_owned(), sandboxes.path()).unwrap();
        let left = |directory: &Path| fs::read_dir(directory).unwrap().count();
        assert_eq!((left(root.path()), left(sandboxes.path())), (0, 1));
        assert!(sandboxes.path().join("box/files").is_dir());
        assert!(snapshots.take(&SnapshotId::random(), Path::new("/nonexistent")).is_err());
        assert_eq!(left(root.path()), 0);
    }
}

//! Mounts of one thread, and of what it starts: no other process sees them, and they go with those who have them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};

use super::programs::{program, run};

/// What is mounted for this thread alone. It lets go of that when this is dropped; what it has started meanwhile has it
/// in mounts of its own.
#[derive(Debug, Default)]
pub(in super::super) struct Mounts {
    places: Vec<PathBuf>,
}

impl Mounts {
    /// Does something with mounts in a thread that ends with it.
    pub(super) fn of_a_thread(act: impl FnOnce(&mut Self) -> io::Result<()> + Send) -> io::Result<()> {
        thread::scope(|scope| {
            let done = scope.spawn(|| act(&mut Self::default())).join();
            done.unwrap_or_else(|_| Err(io::Error::other("it was cut short")))
        })
    }

    /// Mounts an empty place over a directory, once, in which there can be others.
    pub(in super::super) fn make_room(&mut self, at: &Path) -> io::Result<()> {
        if self.places.iter().any(|place| place == at) {
            return Ok(());
        }
        self.set_apart()?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(c"tmpfs", at, c"tmpfs", flags, c"mode=700,size=64k")?;
        self.places.push(at.to_owned());
        Ok(())
    }

    /// Mounts an image, with a loop device that goes with its last mount.
    pub(super) fn mount(&mut self, image: &Path, locked: &File, place: PathBuf) -> io::Result<()> {
        self.set_apart()?;
        fs::create_dir_all(&place)?;
        let mut command = program("mount");
        command.args(["-t", "ext4", "-o", "loop,nodev,discard"]).arg(image).arg(&place);
        run(command, &[0], locked)?;
        self.places.push(place);
        Ok(())
    }

    fn set_apart(&self) -> io::Result<()> {
        if self.places.is_empty() {
            unshare(CloneFlags::CLONE_NEWNS)?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        }
        Ok(())
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for place in self.places.iter().rev() {
            unmount(place, UnmountFlags::DETACH).ok();
        }
    }
}

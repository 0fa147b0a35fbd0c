//! Disks of a size: a file with a file system of its own, so that who fills it fills nobody else's.
//!
//! Only root can mount one. It is mounted where no other process sees it, by the thread that starts a sandbox, and from
//! there comes into the sandbox's own mounts; when those are gone, so is the mount and the loop device, whatever has
//! ended the sandbox or its host. The file grows as it is filled: a size is a bound and no reservation.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use rustix::fs::syncfs;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::geteuid;

use super::Namespaces;

/// The file, beside the place where it is mounted.
const IMAGE: &str = "disk.ext4";
const PLACE: &str = "disk";
const UNFINISHED: &str = "disk.ext4.unfinished";
/// The programs that make, grow and mount a file system.
const PROGRAMS: [&str; 4] = ["e2fsck", "mke2fs", "mount", "resize2fs"];
/// The most of what such a program says that is told.
const SAID: usize = 400;

/// Whether disks can be made here, or why they cannot.
pub(super) fn can_be_made(namespaces: Namespaces) -> Result<(), String> {
    if !geteuid().is_root() {
        return Err("only root can mount them (to get it: run the host as root)".to_owned());
    }
    if !namespaces.is_apart() {
        return Err("sandboxes have no roots of their own here".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Err("there is no /dev/loop-control (to get it: modprobe loop)".to_owned());
    }
    match PROGRAMS.iter().find(|program| find(program).is_none()) {
        Some(program) => Err(format!("there is no {program} (to get it: install e2fsprogs and util-linux)")),
        None => Ok(()),
    }
}

/// A disk that is mounted for this thread alone.
#[derive(Debug)]
pub(super) struct Mounted {
    place: PathBuf,
}

/// Mounts the disk of what keeps itself in `directory`, if it has one or is to have one of so many MiB. One that has kept
/// something without a disk goes on without. This thread has mounts of its own from then on.
///
/// # Errors
/// When it cannot be made, grown or mounted.
pub(super) fn mount(directory: &Path, megabytes: Option<u64>) -> io::Result<Option<Mounted>> {
    let image = directory.join(IMAGE);
    let is_there = image.symlink_metadata().is_ok_and(|found| found.is_file());
    match megabytes {
        Some(megabytes) if is_there => grow(&image, megabytes)?,
        None if is_there => {}
        Some(megabytes) if has_nothing(directory)? => make(directory, &image, megabytes)?,
        _ => return Ok(None),
    }
    let place = directory.join(PLACE);
    fs::create_dir_all(&place)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let mut command = program("mount");
    command.args(["-t", "ext4", "-o", "loop,nodev,discard"]).arg(&image).arg(&place);
    run(command, &[0])?;
    Ok(Some(Mounted { place }))
}

impl Mounted {
    /// Where it is.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Whoever was started from this thread has it in mounts of its own.
        unmount(&self.place, UnmountFlags::DETACH).ok();
    }
}

/// Whether what keeps itself in `directory` has a disk.
pub(super) fn is_in(directory: &Path) -> bool {
    directory.join(IMAGE).symlink_metadata().is_ok()
}

/// Writes what is on the disk of a sandbox into its file, as its first process sees it.
pub(super) fn write_back(directory: &Path, agent: i32, inside: &str) -> io::Result<()> {
    if !is_in(directory) {
        return Ok(());
    }
    match File::open(format!("/proc/{agent}/root{inside}")) {
        Ok(place) => Ok(syncfs(&place)?),
        // It has ended, and its disk is written.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether nothing was kept yet. What an interrupted making has left is nothing.
fn has_nothing(directory: &Path) -> io::Result<bool> {
    let mut entries = fs::read_dir(directory)?;
    Ok(entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == UNFINISHED)))
}

fn make(directory: &Path, image: &Path, megabytes: u64) -> io::Result<()> {
    let unfinished = directory.join(UNFINISHED);
    File::create(&unfinished)?.set_len(megabytes.saturating_mul(1 << 20))?;
    let mut command = program("mke2fs");
    // Nothing is kept back for root, who is whoever runs in it; nothing is written that need not be yet.
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1"]);
    command.arg(&unfinished);
    run(command, &[0])?;
    fs::rename(&unfinished, image)
}

/// Lets a disk that is not mounted have so many MiB, where that is more than it has. What had it mounted can take a
/// moment to let go of it after its end; then it grows at a later start.
fn grow(image: &Path, megabytes: u64) -> io::Result<()> {
    let bytes = megabytes.saturating_mul(1 << 20);
    let file = File::options().read(true).write(true).open(image)?;
    if size(&file)? >= bytes || is_in_use(image)? {
        return Ok(());
    }
    file.set_len(bytes.max(file.metadata()?.len()))?;
    let mut check = program("e2fsck");
    check.args(["-f", "-p"]).arg(image);
    // 1: it was not left as it should be, and now is (e2fsck(8)).
    run(check, &[0, 1])?;
    let mut grow = program("resize2fs");
    grow.arg(image);
    run(grow, &[0])
}

/// How large the file system in a file is, in bytes (the kernel's ext4 documentation, "The Super Block").
fn size(image: &File) -> io::Result<u64> {
    let mut superblock = [0; 1024];
    image.read_exact_at(&mut superblock, 1024)?;
    let number = |at: usize| {
        let bytes = superblock[at..at + 4].try_into().unwrap_or_default();
        u64::from(u32::from_le_bytes(bytes))
    };
    let blocks = number(0x4) | number(0x150) << 32;
    Ok(blocks.saturating_mul(1024 << number(0x18).min(6)))
}

/// Whether a loop device has a file.
fn is_in_use(image: &Path) -> io::Result<bool> {
    let image = fs::canonicalize(image)?;
    let devices = fs::read_dir("/sys/block")?.flatten();
    let mut files = devices.filter_map(|device| fs::read(device.path().join("loop/backing_file")).ok());
    Ok(files.any(|file| file.trim_ascii_end() == image.as_os_str().as_bytes()))
}

/// Runs a program, which ends well with these statuses.
fn run(mut command: Command, well: &[i32]) -> io::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).env("LC_ALL", "C").output();
    let done = done.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    if done.status.code().is_some_and(|status| well.contains(&status)) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(said.trim().chars().take(SAID).collect::<String>()))
}

fn program(name: &str) -> Command {
    Command::new(find(name).unwrap_or_else(|| name.into()))
}

/// Where a program is. A host's own `PATH` may leave out where those of root are.
fn find(program: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    places.into_iter().map(|place| Path::new(place).join(program)).find(|path| path.exists())
}

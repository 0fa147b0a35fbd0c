//! A file with a file system of its own. It grows as it is filled: its size is a bound and no reservation.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock, minor};

use super::mounts::Mounts;
use super::programs::{program, run};

/// What one is called until it is whole.
pub(in super::super) const UNFINISHED: &str = ".unfinished";

/// One that is there.
#[derive(Debug)]
pub(in super::super) struct Image {
    path: PathBuf,
    /// Held locked by whoever mounts or grows it, and by the programs that do so: what a host that was killed has begun
    /// is waited for.
    file: File,
}

const MEBIBYTE: u64 = 1 << 20;
/// How much longer than a number of MiB a file is whose file system is still to be brought to its size.
const TO_GROW: u64 = 512;

/// When a larger size holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Grown {
    Now,
    /// When it is mounted next.
    Later,
}

impl Image {
    /// Makes one of so many MiB. It is on disk, whole, when this ends well.
    ///
    /// # Errors
    /// When it cannot be made; then there is none.
    pub(in super::super) fn make(path: &Path, megabytes: u64) -> io::Result<Self> {
        let unfinished = beside(path)?;
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&unfinished)?;
        // What a host that was killed has begun to make is waited for.
        flock(&file, FlockOperation::LockExclusive)?;
        let made = make(&file, &unfinished, megabytes).and_then(|()| fs::rename(&unfinished, path));
        made.inspect_err(|_| {
            // The first error is the one to tell.
            fs::remove_file(&unfinished).ok();
        })?;
        let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        File::open(directory)?.sync_all()?;
        flock(&file, FlockOperation::Unlock)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// The one that is there, if there is one.
    ///
    /// # Errors
    /// When what is there cannot be told, or opened.
    pub(in super::super) fn find(path: &Path) -> io::Result<Option<Self>> {
        match path.symlink_metadata() {
            Ok(found) if found.is_file() => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(None),
        }
        let careful = OFlags::NOFOLLOW.bits().cast_signed();
        let file = File::options().read(true).write(true).custom_flags(careful).open(path)?;
        Ok(Some(Self { path: path.to_owned(), file }))
    }

    /// Mounts it for this thread.
    ///
    /// # Errors
    /// When it cannot be mounted, or brought to its size before.
    pub(in super::super) fn mount(&self, mounts: &mut Mounts, place: PathBuf) -> io::Result<()> {
        let _lock = self.lock()?;
        if self.is_to_grow()? && !self.is_mounted()? {
            self.fill()?;
        }
        mounts.mount(&self.path, &self.file, place)
    }

    /// Gives it so many MiB, where that is more than it has.
    ///
    /// # Errors
    /// When it cannot be brought to that size.
    pub(in super::super) fn grow(&self, megabytes: u64) -> io::Result<Grown> {
        let _lock = self.lock()?;
        let bytes = megabytes.saturating_mul(MEBIBYTE);
        if bytes > self.file.metadata()?.len() {
            self.file.set_len(bytes.saturating_add(TO_GROW))?;
            self.file.sync_all()?;
        }
        if !self.is_to_grow()? {
            return Ok(Grown::Now);
        }
        if self.is_mounted()? {
            return Ok(Grown::Later);
        }
        self.fill().map(|()| Grown::Now)
    }

    /// Has the kernel grow one that is mounted, for those who may ask that of it (`CAP_SYS_RESOURCE`). `room` is a
    /// directory that this thread's mounts may cover.
    ///
    /// # Errors
    /// When it does not grow now; it does when it is mounted next.
    pub(in super::super) fn grow_mounted(&self, room: &Path) -> io::Result<()> {
        let _lock = self.lock()?;
        Mounts::of_a_thread(|mounts| {
            mounts.make_room(room)?;
            let place = room.join("disk");
            mounts.mount(&self.path, &self.file, place.clone())?;
            // It is the device that whoever has it mounted has: a file gets one.
            let device = format!("/dev/loop{}", minor(place.metadata()?.dev()));
            let mut tell = program("losetup");
            tell.args(["--set-capacity", &device]);
            run(tell, &[0], &self.file)?;
            let mut grow = program("resize2fs");
            grow.arg(&device);
            run(grow, &[0], &self.file)
        })?;
        self.has_grown()
    }

    /// Brings its file system to the size of its file, while nobody has it mounted.
    fn fill(&self) -> io::Result<()> {
        let mut check = program("e2fsck");
        check.args(["-f", "-p"]).arg(&self.path);
        // 1: it was not left as it should be, and now is (e2fsck(8)).
        run(check, &[0, 1], &self.file)?;
        let mut grow = program("resize2fs");
        grow.arg(&self.path);
        run(grow, &[0], &self.file)?;
        self.has_grown()
    }

    fn is_to_grow(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() % MEBIBYTE != 0)
    }

    fn has_grown(&self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        self.file.set_len(length - length % MEBIBYTE)
    }

    /// Whether a loop device has it.
    fn is_mounted(&self) -> io::Result<bool> {
        let path = fs::canonicalize(&self.path)?;
        let devices = fs::read_dir("/sys/block")?.flatten();
        let mut files = devices.filter_map(|device| fs::read(device.path().join("loop/backing_file")).ok());
        Ok(files.any(|file| file.trim_ascii_end() == path.as_os_str().as_bytes()))
    }

    fn lock(&self) -> io::Result<Lock<'_>> {
        flock(&self.file, FlockOperation::LockExclusive)?;
        Ok(Lock(&self.file))
    }
}

/// The right to mount or to grow one.
struct Lock<'a>(&'a File);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // It goes with the file, too.
        flock(self.0, FlockOperation::Unlock).ok();
    }
}

fn make(file: &File, path: &Path, megabytes: u64) -> io::Result<()> {
    file.set_len(0)?;
    file.set_len(megabytes.saturating_mul(MEBIBYTE))?;
    let mut command = program("mke2fs");
    // Nothing is kept back for root, who is whoever runs in it; nothing is written that need not be yet.
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1"]);
    command.arg(path);
    run(command, &[0], file)?;
    file.sync_all()
}

/// What one is called until it is whole: a name that nothing else has.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(UNFINISHED);
    Ok(path.with_file_name(name))
}

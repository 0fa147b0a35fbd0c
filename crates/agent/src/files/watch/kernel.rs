//! What the kernel tells of directories.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// How many events are taken at once.
const AT_ONCE: usize = 1024;
/// The room for some of them, in bytes.
const ROOM: usize = 64 << 10;

/// What is watched for in every directory. The last two only mean anything for the one that was asked for.
const WANTED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// The kernel's number for a directory that it watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Number(i32);

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) directory: Number,
    pub(crate) what: What,
    /// To what in the directory; empty for the directory itself.
    pub(crate) name: OsString,
    /// Joins the two halves of a rename.
    pub(crate) rename: u32,
    pub(crate) is_directory: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Created,
    Written,
    Removed,
    MovedAway,
    MovedHere,
    Changed,
    /// The directory itself was removed, moved or unmounted.
    Gone,
    /// The kernel watches it no more.
    Ended,
    /// Events were lost.
    Overflow,
}

/// A queue of the kernel's.
#[derive(Clone, Debug)]
pub(crate) struct Queue(Arc<OwnedFd>);

impl Queue {
    /// An empty queue.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)))
    }

    /// To wait on.
    pub(crate) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.0)
    }

    /// Begins to watch a directory, or says under which number it is watched already.
    pub(crate) fn add(&self, path: &Path) -> io::Result<Number> {
        Ok(Number(inotify::add_watch(&*self.0, path, WANTED)?))
    }

    /// Watches it no more.
    pub(crate) fn remove(&self, number: Number) {
        // It may be gone by itself.
        let _gone = inotify::remove_watch(&*self.0, number.0);
    }

    /// Takes what is there, and says whether that was all.
    pub(crate) fn take(&self) -> io::Result<(Vec<Happened>, Rest)> {
        let mut room = vec![MaybeUninit::uninit(); ROOM];
        let mut reader = Reader::new(&*self.0, &mut room);
        let mut taken = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsString::from_vec(name.to_bytes().to_vec()));
                    let Some(what) = what(event.events()) else { continue };
                    taken.push(Happened {
                        directory: Number(event.wd()),
                        what,
                        name: name.unwrap_or_default(),
                        rename: event.cookie(),
                        is_directory: event.events().contains(ReadFlags::ISDIR),
                    });
                }
                Err(Errno::AGAIN) => return Ok((taken, Rest::Nothing)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if taken.len() >= AT_ONCE && reader.is_buffer_empty() {
                return Ok((taken, Rest::Perhaps));
            }
        }
    }
}

/// What is left in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    Perhaps,
}

fn what(flags: ReadFlags) -> Option<What> {
    let known = [
        (ReadFlags::QUEUE_OVERFLOW, What::Overflow),
        (ReadFlags::CREATE, What::Created),
        (ReadFlags::MODIFY, What::Written),
        (ReadFlags::DELETE, What::Removed),
        (ReadFlags::MOVED_FROM, What::MovedAway),
        (ReadFlags::MOVED_TO, What::MovedHere),
        (ReadFlags::ATTRIB, What::Changed),
        (ReadFlags::DELETE_SELF, What::Gone),
        (ReadFlags::MOVE_SELF, What::Gone),
        (ReadFlags::UNMOUNT, What::Gone),
        (ReadFlags::IGNORED, What::Ended),
    ];
    known.into_iter().find(|(flag, _)| flags.contains(*flag)).map(|(_, what)| what)
}

/// A name that stands for the directory itself.
pub(crate) fn is_itself(name: &OsStr) -> bool {
    name.is_empty()
}

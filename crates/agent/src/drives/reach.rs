//! The drives that there are, out of reach of what runs in the sandbox until one is mounted.
//!
//! Where they lie at a mount point, that is covered, and only a thread with mounts of its own sees what is below. It
//! hands out one drive at a time as a mount that lies nowhere yet. Programs cannot look into that thread's mounts: it has
//! a right that they have not.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, sync_channel};
use std::thread;

use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use reveille_wire::DriveMount;
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};

use super::place;

/// Where drives come from.
#[derive(Clone, Debug)]
pub(crate) enum Reach {
    /// A directory that programs see as well.
    Open(PathBuf),
    /// A directory that only a thread sees.
    Covered(Sender<Ask>),
}

/// A drive that is asked for.
#[derive(Debug)]
pub(crate) struct Ask {
    wanted: DriveMount,
    answer: SyncSender<io::Result<OwnedFd>>,
}

impl Reach {
    /// Covers a directory where that can be done.
    pub(crate) fn to(directory: &Path) -> Self {
        if count(directory, "/proc/self/mountinfo") == 0 {
            return Self::Open(directory.to_owned());
        }
        match cover(directory) {
            Ok(ask) => Self::Covered(ask),
            Err(error) => {
                tracing::warn!(%error, "programs in this sandbox can reach every drive");
                Self::Open(directory.to_owned())
            }
        }
    }

    /// Mounts a drive at its place.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn mount(&self, wanted: &DriveMount) -> Result<(), String> {
        match self {
            Self::Open(directory) => place::mount(place::Kept { word: "drive", directory }, wanted),
            Self::Covered(ask) => {
                let (answer, answered) = sync_channel(1);
                let gone = || io::Error::other("the thread that sees the drives is gone");
                let tree = ask
                    .send(Ask { wanted: wanted.clone(), answer })
                    .map_err(|_| gone())
                    .and_then(|()| answered.recv().map_err(|_| gone())?)
                    .map_err(|error| place::not_mounted("drive", wanted, "its directory", &error))?;
                place::mount_tree(&tree, wanted)
            }
        }
    }
}

fn cover(directory: &Path) -> io::Result<Sender<Ask>> {
    let (ask, asked) = mpsc::channel();
    let (tell, told) = sync_channel(1);
    let place = directory.to_owned();
    thread::Builder::new().name("drives".to_owned()).spawn(move || {
        let ready = uncover(&place);
        let goes_on = ready.is_ok();
        // Whoever waits for it is there.
        let _told = tell.send(ready);
        if goes_on {
            hand_out(&place, &asked);
        }
    })?;
    told.recv().map_err(io::Error::other)??;
    // The program before this one in an upgrade has covered it already.
    if count(directory, "/proc/self/mountinfo") < 2 {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
        nix::mount::mount(Some("tmpfs"), directory, Some("tmpfs"), flags, Some("mode=000,size=4k"))?;
    }
    Ok(ask)
}

/// Gives this thread mounts of its own, in which nothing covers the directory.
fn uncover(directory: &Path) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&Path>;
    nix::mount::mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    while count(directory, "/proc/thread-self/mountinfo") > 1 {
        umount2(directory, MntFlags::MNT_DETACH)?;
    }
    // Kernels before 5.2 have no mounts that lie nowhere.
    open_tree(CWD, directory, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC).map(drop)?;
    Ok(())
}

fn hand_out(directory: &Path, asked: &Receiver<Ask>) {
    for Ask { wanted, answer } in asked {
        let tree = place::open(directory, &wanted).and_then(|found| {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_EMPTY_PATH;
            Ok(open_tree(&found, c"", flags)?)
        });
        // Who has left does not need it.
        let _left = answer.send(tree);
    }
}

/// How many mounts lie at a place, one over the other.
fn count(place: &Path, table: &str) -> usize {
    let table = fs::read_to_string(table).unwrap_or_default();
    table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|point| Path::new(&place::unescaped(point)) == place)
        .count()
}

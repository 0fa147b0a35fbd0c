//! As whom files are made, read and changed: as the user that the image names. What that user runs is to go on with them;
//! where it is asked for, it is also to reach no more through the agent than it does by itself.

use std::sync::OnceLock;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::fs::Gid as Group;
use rustix::process::getgroups;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_thread_groups};

use crate::user::{Identity, User};

/// With whose rights files are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// The agent's: it makes, reads and changes files everywhere, and what it makes is the user's.
    Agents,
    /// The user's own, in that one's first group alone, as on the platform.
    Users,
}

static OWNER: OnceLock<(User, Rights)> = OnceLock::new();

/// Says whose it is from now on. The first word counts.
pub(crate) fn belongs_to(user: &User, rights: Rights) {
    OWNER.get_or_init(|| (user.clone(), rights));
}

/// Whether the agent may reach what the user may not.
pub(super) fn is_bounded() -> bool {
    OWNER.get().is_some_and(|(_, rights)| *rights == Rights::Users)
}

/// Who this thread is towards files.
pub(super) fn current() -> u32 {
    // Nobody has this number: it changes nothing, and tells who it is (setfsuid(2)).
    setfsuid(Uid::from_raw(u32::MAX)).as_raw()
}

/// Does something on this thread as the owner. One that the sandbox does not have is nobody: then it is the agent's.
pub(super) fn as_owner<T>(work: impl FnOnce() -> T) -> T {
    let owner = OWNER.get().and_then(|(user, rights)| Some((user.identify().ok()?, *rights)));
    let _until_it_is_done = owner.and_then(|(identity, rights)| Borrowed::from(&identity, rights).ok());
    work()
}

/// The rights over the files of others (capabilities(7)).
const OVER_OTHERS: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::LINUX_IMMUTABLE)
    .union(CapabilitySet::MKNOD);

/// A thread that is somebody else towards files; itself again when this is dropped.
struct Borrowed {
    user: Uid,
    group: Gid,
    /// What was given up as well, where the user's own rights count.
    given_up: Option<(Vec<Group>, CapabilitySets)>,
}

impl Borrowed {
    fn from(identity: &Identity, reach: Rights) -> rustix::io::Result<Self> {
        let rights = capabilities(None)?;
        let mut left = rights;
        let mut given_up = None;
        if reach == Rights::Users {
            given_up = Some((getgroups()?, rights));
            left.effective.remove(OVER_OTHERS);
            set_thread_groups(&[])?;
        }
        let group = setfsgid(Gid::from_raw(identity.group));
        let own = Self { user: setfsuid(Uid::from_raw(identity.user)), group, given_up };
        // With the user go the rights over others' files (capabilities(7)).
        set_capabilities(None, left)?;
        Ok(own)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        setfsuid(self.user);
        setfsgid(self.group);
        let Some((groups, rights)) = &self.given_up else { return };
        if let Err(error) = set_thread_groups(groups).and_then(|()| set_capabilities(None, *rights)) {
            tracing::error!(%error, "a thread stays who it was for a moment");
        }
    }
}

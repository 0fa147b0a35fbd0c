//! Whose it is what is made here: the user's whom the image names, as what that user runs is to go on with it. The agent
//! makes, reads and changes files everywhere all the same.

use std::sync::OnceLock;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::thread::{capabilities, set_capabilities};

use crate::user::{Identity, User};

static OWNER: OnceLock<User> = OnceLock::new();

/// Says whose it is from now on. The first word counts.
pub(crate) fn belongs_to(user: &User) {
    OWNER.get_or_init(|| user.clone());
}

/// Does something on this thread whose files are to be the owner's. One that the sandbox does not have has none: those
/// are the agent's.
pub(super) fn as_owner<T>(work: impl FnOnce() -> T) -> T {
    let identity = OWNER.get().and_then(|user| user.identify().ok());
    let _until_it_is_done = identity.and_then(|identity| Borrowed::from(&identity).ok());
    work()
}

/// A thread that makes files as somebody else, with its own rights; itself again when this is dropped.
struct Borrowed {
    user: Uid,
    group: Gid,
}

impl Borrowed {
    fn from(identity: &Identity) -> rustix::io::Result<Self> {
        let rights = capabilities(None)?;
        let group = setfsgid(Gid::from_raw(identity.group));
        let own = Self { user: setfsuid(Uid::from_raw(identity.user)), group };
        // With the user go the rights over others' files (capabilities(7)).
        set_capabilities(None, rights)?;
        Ok(own)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        setfsuid(self.user);
        setfsgid(self.group);
    }
}

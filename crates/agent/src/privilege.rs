//! The one capability that an agent of an ordinary user has: it may mount drives, and what it starts may not.
//!
//! It comes as an ambient capability, which would pass to every program that is executed. So it is taken out of
//! that set at the start, and put back for the one program that is to have it: the agent of an upgrade.

use rustix::io;
use rustix::thread::{
    CapabilitySet, capabilities, capability_is_in_ambient_set, configure_capability_in_ambient_set,
};

const MOUNTING: CapabilitySet = CapabilitySet::SYS_ADMIN;

/// Keeps the capability from what this thread, and each thread that it begins from now on, executes.
pub(crate) fn keep() -> io::Result<()> {
    if capability_is_in_ambient_set(MOUNTING)? {
        configure_capability_in_ambient_set(MOUNTING, false)?;
    }
    Ok(())
}

/// Lets what this thread executes have the capability, where it came as one that can be handed on.
pub(crate) fn hand_on() -> io::Result<()> {
    let own = capabilities(None)?;
    if own.permitted.contains(MOUNTING) && own.inheritable.contains(MOUNTING) {
        configure_capability_in_ambient_set(MOUNTING, true)?;
    }
    Ok(())
}

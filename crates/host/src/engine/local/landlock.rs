//! Whether this kernel has Landlock for the programs of sandboxes. Their agents make the domain; here it is tried.

use std::io;
use std::thread;

use landlock::{
    ABI, AccessFs, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr, RulesetError, RulesetStatus,
    Scope,
};

use crate::engine::Landlock;

/// Tries it.
pub(super) fn choose(missing: &mut Vec<String>) -> Landlock {
    let domain = |why: &str| format!("a Landlock domain for programs: {why}");
    let tried = match try_out() {
        Ok(tried) => tried,
        Err(error) => {
            missing.push(domain(&error.to_string()));
            return Landlock::None;
        }
    };
    match tried.landlock {
        LandlockStatus::Available { effective_abi, .. }
            if effective_abi >= ABI::V6 && tried.ruleset == RulesetStatus::FullyEnforced => return Landlock::Scoped,
        LandlockStatus::Available { effective_abi, .. }
            if effective_abi >= ABI::V2 && tried.ruleset != RulesetStatus::NotEnforced =>
        {
            missing.push(domain("this kernel's keeps no signals in (to get it: Linux 6.12)"));
            return Landlock::Unscoped;
        }
        LandlockStatus::Available { .. } => {
            missing.push(domain("in this kernel's no file moves between directories (to get it: Linux 6.12)"));
        }
        LandlockStatus::NotEnabled => missing
            .push(domain("it is not enabled (to get it: landlock in the kernel's parameter lsm=)")),
        LandlockStatus::NotImplemented => missing.push(domain(
            "this kernel has none (to get it: Linux 6.12 with CONFIG_SECURITY_LANDLOCK, and a system that lets it be called)",
        )),
    }
    Landlock::None
}

/// A domain belongs to a thread: this one's ends with it.
fn try_out() -> io::Result<RestrictionStatus> {
    let tried = thread::Builder::new().name("landlock".to_owned()).spawn(enter)?;
    let tried = tried.join().map_err(|_| io::Error::other("it cannot be tried"))?;
    tried.map_err(io::Error::other)
}

/// Asks for what an agent asks for.
fn enter() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::Refer | AccessFs::IoctlDev)?
        .scope(Scope::Signal | Scope::AbstractUnixSocket)?
        .create()?
        .restrict_self()
}

//! Limits that each process carries by itself, and hands on to what it starts.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, Resource as Kind, Rlimit, geteuid, getrlimit, prlimit};
use rustix::system::uname;

use super::resource::Resource;
use crate::engine::{Allowance, Namespaces};

/// The kernel whose users are counted for each user namespace by itself. Before that a sandbox's processes counted
/// together with all others of the host's user.
const COUNTED_APART: (u32, u32) = (5, 14);

/// Whether processes can be bound each by itself in this.
pub(super) fn can_bound(resource: Resource, namespaces: Namespaces) -> bool {
    match resource {
        Resource::Memory => true,
        // Of root's processes the kernel takes any number.
        Resource::Processes => namespaces.has_user() && !geteuid().is_root() && kernel() >= COUNTED_APART,
        Resource::Cpu => false,
    }
}

/// What is bound then in place of the whole.
pub(super) fn instead(resource: Resource) -> &'static str {
    match resource {
        Resource::Memory => " (each of its processes is bound instead)",
        Resource::Processes => " (the processes of its user are bound instead)",
        Resource::Cpu => "",
    }
}

/// Bounds a process in these resources, and in the length of files where that is said.
pub(super) fn bound(
    pid: i32,
    resources: impl Iterator<Item = Resource>,
    allowance: &Allowance,
) -> io::Result<()> {
    let pid = Pid::from_raw(pid).ok_or(Errno::SRCH)?;
    let set = |kind, value: u64| {
        // What binds the host binds the sandbox: it has the same to begin with, and nobody but root may raise it.
        let value = getrlimit(kind).maximum.map_or(value, |of_the_host| of_the_host.min(value));
        let both = Rlimit { current: Some(value), maximum: Some(value) };
        prlimit(Some(pid), kind, both).map(drop)
    };
    for resource in resources {
        match resource {
            // What is reserved and not used counts as nothing here; many programs reserve more than the machine has.
            Resource::Memory => set(Kind::Data, allowance.memory.saturating_mul(1 << 20))?,
            Resource::Processes => set(Kind::Nproc, allowance.processes.into())?,
            Resource::Cpu => {}
        }
    }
    if let Some(longest) = allowance.file {
        set(Kind::Fsize, longest.saturating_mul(1 << 20))?;
    }
    if cores_go_to_a_program() {
        // The one value by which the kernel runs no such program (core(5) does not say it; fs/coredump.c does).
        set(Kind::Core, 1)?;
    }
    Ok(())
}

/// Whether what crashes is handed to a program of the machine, which would fill the machine's disk.
fn cores_go_to_a_program() -> bool {
    fs::read("/proc/sys/kernel/core_pattern").is_ok_and(|pattern| pattern.starts_with(b"|"))
}

fn kernel() -> (u32, u32) {
    let name = uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    (next(), next())
}

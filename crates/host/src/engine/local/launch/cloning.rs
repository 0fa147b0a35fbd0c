//! Makes the process that is to become a program.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;
use nix::sched::CloneFlags;

use super::super::cgroup::Cgroup;
use super::child::Image;
use super::step::Failure;
use super::{Namespaces, Whose};

/// The stack of a child until it becomes its program. It makes some hundred system calls and allocates nothing.
pub(super) const STACK: usize = 64 << 10;

/// `clone_args.flags` of a process that begins in a cgroup (clone(2)).
const INTO_CGROUP: u64 = 1 << 33;

/// A new process.
#[derive(Debug)]
pub(super) struct Cloned<'a> {
    pub(super) pid: i32,
    /// The cgroup that it is to be put into, where it did not begin in it.
    pub(super) late_for: Option<&'a Cgroup>,
}

/// Makes a process in namespaces of its own, which waits at the gate. It begins in its cgroup where the kernel can do that
/// (5.7), as moving it there waits until all processors have taken note: ten milliseconds and more, whatever they do.
pub(super) fn clone<'a>(
    image: &'a Image,
    network: Whose,
    gate: &PipeReader,
    reporter: &PipeWriter,
) -> io::Result<Cloned<'a>> {
    let child = || -> isize {
        match image.become_program(gate.as_fd(), reporter.as_fd()) {
            Ok(()) => 0,
            Err(failure) => {
                // The parent reads this, or is gone.
                rustix::io::write(reporter, &Failure::report(failure)).ok();
                1
            }
        }
    };
    let flags = flags(image.namespaces(), network);
    if let Some(cgroup) = image.cgroup() {
        // Where it fails for another reason than that it is not known, so does what follows.
        if let Ok(pid) = into_cgroup(&File::open(cgroup.path())?, flags, child) {
            return Ok(Cloned { pid, late_for: None });
        }
    }
    let mut stack = vec![0; STACK];
    // SAFETY: without CLONE_VM the child runs on its own copy of the memory and of the stack, which is far
    // larger than its few frames need. Other threads' locks may be held for ever in that copy, so the child
    // only makes system calls on memory that was prepared before: it allocates nothing, locks nothing and
    // drops nothing until it becomes another program or ends.
    #[expect(unsafe_code, reason = "std::process cannot start a process in a pid namespace")]
    let pid = unsafe { nix::sched::clone(Box::new(child), &mut stack, flags, Some(libc::SIGCHLD)) }?;
    Ok(Cloned { pid: pid.as_raw(), late_for: image.cgroup() })
}

fn into_cgroup(cgroup: &File, flags: CloneFlags, child: impl FnOnce() -> isize) -> io::Result<i32> {
    // SAFETY: a `clone_args` of zeros is a valid one. Without CLONE_VM the child goes on from here on its own copy of the
    // memory and of this stack, under the same conditions as one that is made below with a stack of its own, and leaves
    // by `_exit`, so that nothing of what its copy holds is dropped.
    #[expect(unsafe_code, reason = "no safe wrapper has this call")]
    let pid = unsafe {
        let mut arguments: libc::clone_args = std::mem::zeroed();
        arguments.flags = u64::from(flags.bits().cast_unsigned()) | INTO_CGROUP;
        arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
        arguments.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
        let pid = libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>());
        if pid == 0 {
            libc::_exit(i32::from(child() != 0));
        }
        pid
    };
    i32::try_from(pid).ok().filter(|pid| *pid > 0).ok_or_else(io::Error::last_os_error)
}

fn flags(namespaces: Namespaces, network: Whose) -> CloneFlags {
    let (user, mounts, pids) = (CloneFlags::CLONE_NEWUSER, CloneFlags::CLONE_NEWNS, CloneFlags::CLONE_NEWPID);
    // The cgroup namespace comes later: it begins where the process is when it is made.
    let mut others = CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    if network.is_own() {
        others |= CloneFlags::CLONE_NEWNET;
    }
    match namespaces {
        Namespaces::All => user | mounts | pids | others,
        Namespaces::UserMountPid => user | mounts | pids,
        Namespaces::UserMount => user | mounts,
        Namespaces::MountPid => mounts | pids,
        Namespaces::Mount => mounts,
        Namespaces::None => CloneFlags::empty(),
    }
}

//! A second user namespace within the first, with mounts of its own, so that who may mount there can still undo none of
//! what the first one has mounted: the kernel locks mounts that come from a namespace with more rights
//! (mount_namespaces(7)), and a cgroup, a network and process ids stay that namespace's.
//!
//! That matters because the agent may mount, and is loaded with libraries that programs in its sandbox can change.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::ids::Ids;

/// Enters it, as the first process of a pid namespace whose `/proc` is mounted. System calls only.
pub(super) fn enter(ids: &Ids) -> Result<(), Errno> {
    let (go, start) = rustix::pipe::pipe()?;
    // Only a process of the outer namespace may say which ids there are in the inner one, and this one leaves it.
    let helper = fork()?;
    if helper == 0 {
        drop(start);
        let done = map_when_told(&go, ids);
        exit(done.err().map_or(0, Errno::raw_os_error));
    }
    drop(go);
    let entered = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS);
    if entered.is_ok() {
        rustix::io::write(&start, &[1])?;
    }
    // It ends in any case: what it waits for is closed now.
    drop(start);
    let mapped = wait(helper);
    entered.map_err(|errno| Errno::from_raw_os_error(errno as i32)).and(mapped)
}

fn map_when_told(go: &OwnedFd, ids: &Ids) -> Result<(), Errno> {
    if rustix::io::read(go, &mut [0; 1])? != 1 {
        return Err(Errno::PIPE);
    }
    write(c"/proc/1/uid_map", ids.users.as_bytes())?;
    write(c"/proc/1/gid_map", ids.groups.as_bytes())
}

/// A map can be written once, at once.
fn write(to: &CStr, text: &[u8]) -> Result<(), Errno> {
    let file = open(to, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text).map(drop)
}

fn wait(helper: i32) -> Result<(), Errno> {
    loop {
        match waitpid(Pid::from_raw(helper), None) {
            Ok(WaitStatus::Exited(_, 0)) => return Ok(()),
            Ok(WaitStatus::Exited(_, errno)) => return Err(Errno::from_raw_os_error(errno)),
            Ok(_) => return Err(Errno::CHILD),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Errno::from_raw_os_error(errno as i32)),
        }
    }
}

/// The number of the new process, and 0 in it.
fn fork() -> Result<i32, Errno> {
    // SAFETY: without CLONE_VM the new process runs on its own copy of memory and stack, as after fork(2); it makes
    // system calls only and leaves by `exit`. The C library's fork would run handlers, which may take locks.
    #[expect(unsafe_code, reason = "no safe wrapper runs no handlers")]
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    i32::try_from(pid).ok().filter(|pid| *pid >= 0).ok_or_else(last_errno)
}

fn exit(status: i32) -> ! {
    // SAFETY: ends this process, which shares nothing that would need to be let go of.
    #[expect(
        unsafe_code,
        reason = "no safe wrapper ends a process without running what others left for its end"
    )]
    unsafe {
        libc::_exit(status)
    }
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(nix::errno::Errno::last_raw())
}

//! A child's way to its program. It makes system calls on memory that was prepared before, and nothing else.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::ptr;

use nix::libc;
use rustix::fs::{Mode, OFlags, Timespec, open};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Signal, geteuid, set_parent_process_death_signal, setsid};

use super::ids::Ids;
use super::privilege::{Filter, User, give_up_privileges, keep_right_to_mount};
use super::step::{ALONE, Failure, Step, at};
use super::{End, Launch, Purpose, Whose, locked, network};
use crate::engine::Namespaces;
use crate::engine::local::cgroup::Cgroup;
use crate::engine::local::root::Root;

/// How often a program that is busy is tried again.
const BUSY: u32 = 500;

/// Everything a child needs, prepared so that it allocates nothing.
pub(super) struct Image {
    namespaces: Namespaces,
    network: Whose,
    root: Option<Root>,
    hostname: CString,
    program: CString,
    directory: CString,
    arguments: Pointers,
    environment: Pointers,
    input: OwnedFd,
    output: OwnedFd,
    /// Where the way out of its network is handed over.
    way_out: OwnedFd,
    user: User,
    ids: Ids,
    /// Where it stands apart.
    filter: Option<&'static Filter>,
    purpose: Purpose,
    end: End,
    /// The cgroup (version 2) that it begins in.
    cgroup: Option<Cgroup>,
    /// The files by which a thread enters its cgroups of version 1.
    entrances: Vec<CString>,
}

/// Strings in the form that `execve` takes.
struct Pointers {
    pointers: Vec<*const libc::c_char>,
    _strings: Vec<CString>,
}

impl Pointers {
    fn new(strings: impl IntoIterator<Item = OsString>) -> io::Result<Self> {
        let strings = strings.into_iter().map(c_string).collect::<io::Result<Vec<_>>>()?;
        let pointers =
            strings.iter().map(|string| string.as_ptr()).chain(std::iter::once(ptr::null())).collect();
        Ok(Self { pointers, _strings: strings })
    }
}

fn c_string(string: OsString) -> io::Result<CString> {
    CString::new(string.into_vec()).map_err(io::Error::from)
}

impl Image {
    pub(super) fn new(launch: Launch, purpose: Purpose, way_out: OwnedFd) -> io::Result<Self> {
        let name = launch.program.clone().into_os_string();
        let pairs = launch.environment.into_iter().map(|(mut entry, value)| {
            entry.push("=");
            entry.push(value);
            entry
        });
        let entrances = launch.cgroups.version_1.iter().map(|it| c_string(it.join("tasks").into()));
        Ok(Self {
            namespaces: launch.namespaces,
            network: launch.network,
            root: launch.root,
            hostname: c_string(launch.hostname.into())?,
            program: c_string(launch.program.into_os_string())?,
            directory: c_string(launch.directory.into_os_string())?,
            arguments: Pointers::new(std::iter::once(name).chain(launch.arguments))?,
            environment: Pointers::new(pairs)?,
            input: launch.input,
            output: launch.output,
            way_out,
            ids: Ids::of_this_host()?,
            user: if geteuid().is_root() { User::Root } else { User::Ordinary },
            filter: launch.namespaces.is_apart().then(Filter::of_this_machine).flatten(),
            purpose,
            end: launch.end,
            cgroup: launch.cgroups.version_2,
            entrances: entrances.collect::<io::Result<_>>()?,
        })
    }

    pub(super) fn ids(&self) -> &Ids {
        &self.ids
    }

    pub(super) fn namespaces(&self) -> Namespaces {
        self.namespaces
    }

    /// The cgroup that the child begins in, if it has one of its own.
    pub(super) fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref()
    }

    /// The root that the child enters, if it has one of its own.
    pub(super) fn root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    pub(super) fn become_program(
        &self,
        gate: BorrowedFd<'_>,
        reporter: BorrowedFd<'_>,
    ) -> Result<(), Failure> {
        // First the order to die with the parent, then the gate: a parent that is gone by now has closed it.
        if self.end == End::WithParent {
            set_parent_process_death_signal(Some(Signal::KILL)).map_err(at(Step::Session))?;
        }
        self.take_streams().map_err(at(Step::Streams))?;
        close_all_but([gate.as_raw_fd(), reporter.as_raw_fd(), self.way_out.as_raw_fd()]);
        rustix::io::write(reporter, &[ALONE]).map_err(at(Step::Session))?;
        if rustix::io::read(gate, &mut [0; 1]) != Ok(1) {
            return Err(at(Step::Session)(Errno::PIPE));
        }
        self.enter_cgroups().map_err(at(Step::Limits))?;
        setsid().map_err(at(Step::Session))?;
        reset_signals();
        if self.namespaces.can_mount() {
            mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
                .map_err(at(Step::Mounts))?;
        }
        if self.namespaces.is_apart() {
            self.stand_apart()?;
        } else if self.namespaces.has_pid() {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            mount(c"proc", c"/proc", c"proc", flags, None).map_err(at(Step::Proc))?;
        }
        rustix::process::chdir(self.directory.as_c_str()).map_err(at(Step::Directory))?;
        self.give_up()?;
        match self.purpose {
            Purpose::Run => Err(at(Step::Program)(self.execute_once_it_is_written())),
            Purpose::Try => Ok(()),
        }
    }

    /// A thread that moves itself, and no other, is waited for by nobody (the kernel's `cgroup_procs_write_start`); that
    /// is all there is of this process.
    fn enter_cgroups(&self) -> Result<(), Errno> {
        for entrance in &self.entrances {
            let file = open(entrance.as_c_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::io::write(&file, b"0")?;
        }
        Ok(())
    }

    /// A name, a network, a cgroup and a root of its own.
    fn stand_apart(&self) -> Result<(), Failure> {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP)
            .map_err(|errno| at(Step::Cgroup)(Errno::from_raw_os_error(errno as i32)))?;
        rustix::system::sethostname(self.hostname.as_bytes()).map_err(at(Step::Name))?;
        if let Whose::Own { doors } = self.network {
            network::open_to_programs()
                .and_then(|()| network::set_up(&self.way_out, doors))
                .map_err(at(Step::Network))?;
        }
        let Some(root) = &self.root else { return Ok(()) };
        root.enter().map_err(|(act, errno)| Failure {
            step: Step::Root,
            act: u8::try_from(act).unwrap_or(u8::MAX),
            errno,
        })?;
        locked::enter(&self.ids).map_err(at(Step::Lock))
    }

    fn give_up(&self) -> Result<(), Failure> {
        if self.namespaces.is_apart() {
            give_up_privileges(self.user).map_err(at(Step::Capability))?;
            return self.filter.map_or(Ok(()), Filter::apply).map_err(at(Step::Filter));
        }
        if self.namespaces.has_user() && self.user == User::Ordinary {
            keep_right_to_mount().map_err(at(Step::Capability))?;
        }
        Ok(())
    }

    fn take_streams(&self) -> Result<(), Errno> {
        rustix::stdio::dup2_stdin(&self.input)?;
        rustix::stdio::dup2_stdout(&self.output)?;
        rustix::stdio::dup2_stderr(&self.output)
    }

    /// Executes it. A program that has just been copied is busy for as long as another child, on its way to its own
    /// program, holds what the copy was written through.
    fn execute_once_it_is_written(&self) -> Errno {
        let pause = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
        for _ in 0..BUSY {
            let errno = self.execute();
            if errno != Errno::TXTBSY {
                return errno;
            }
            let _interrupted = rustix::thread::nanosleep(&pause);
        }
        self.execute()
    }

    fn execute(&self) -> Errno {
        let (arguments, environment) = (&self.arguments.pointers, &self.environment.pointers);
        // SAFETY: the three pointers lead to strings and to null-terminated arrays of strings that live as
        // long as `self`.
        #[expect(unsafe_code, reason = "the safe wrappers allocate, which the child must not")]
        unsafe {
            libc::execve(self.program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        }
        Errno::from_raw_os_error(nix::errno::Errno::last_raw())
    }
}

/// What this process ignores or blocks would stay so in its programs.
fn reset_signals() {
    // SAFETY: both calls only change this process's own signal settings, to their defaults; the set is
    // initialised by `sigemptyset` before it is read.
    #[expect(unsafe_code, reason = "setting a handler is unsafe, also to the default")]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Closes a child's copies of everything but its streams and what it still needs, which closes when it becomes its
/// program. What its parent listens on or holds locked stays the parent's, however long the child takes.
fn close_all_but(mut kept: [i32; 3]) {
    kept.sort_unstable();
    let mut first = 3;
    for last in kept.into_iter().map(|kept| kept - 1).chain([i32::MAX]) {
        if first <= last {
            // SAFETY: closes copies that belong to the child alone and that nothing uses after this: the child
            // drops no owner of them before it becomes another program or ends. A kernel that lacks the call
            // leaves them open until then.
            #[expect(unsafe_code, reason = "no safe wrapper")]
            unsafe {
                libc::syscall(libc::SYS_close_range, first.cast_unsigned(), last.cast_unsigned(), 0_u32);
            }
        }
        first = last.saturating_add(2);
    }
}

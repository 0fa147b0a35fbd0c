//! Starts a process in namespaces of its own.
//!
//! One `clone(2)` makes the process and its namespaces, so that the agent is this host's direct child and the
//! first process of its pid namespace. The child waits at a gate until its parent has written the id maps and
//! put it into its cgroup; a parent that dies first closes the gate, and the child ends.
//!
//! As root every id of the host means itself inside, so files keep their owners. As an ordinary user only the
//! user's own id does, and the agent gets `CAP_SYS_ADMIN` over its own namespaces, and nothing else, as an
//! ambient capability: it can mount drives and stays who it is. Mapping the user to root instead would make
//! every program believe that it is root, and many behave differently then.

use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr;

use nix::libc;
use nix::sched::CloneFlags;
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Signal, getegid, geteuid, set_parent_process_death_signal, setsid};
use rustix::thread::{CapabilitySet, capabilities, configure_capability_in_ambient_set, set_capabilities};

use super::Namespaces;

/// The stack of a child until it becomes its program. It calls a dozen system calls and allocates nothing.
const STACK: usize = 64 << 10;

/// What becomes of a child that has come as far as its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Run,
    /// It ends: that it came this far was the question.
    Try,
}

/// What to start.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) namespaces: Namespaces,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) directory: PathBuf,
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
}

/// Where a child failed on its way to its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Step {
    Session,
    Mounts,
    Proc,
    Streams,
    Directory,
    Capability,
    Program,
}

impl Step {
    const ALL: [Self; 7] = [
        Self::Session,
        Self::Mounts,
        Self::Proc,
        Self::Streams,
        Self::Directory,
        Self::Capability,
        Self::Program,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Session => "leaving the host's session",
            Self::Mounts => "making its mounts private",
            Self::Proc => "mounting a fresh /proc",
            Self::Streams => "setting up its standard streams",
            Self::Directory => "entering its directory",
            Self::Capability => "keeping the right to mount",
            Self::Program => "running its program",
        }
    }
}

/// Starts a process. `arranged` is told its number before it runs any program, and can still refuse.
///
/// The process dies with the thread that calls this.
///
/// # Errors
/// When the machine refuses at any step; nothing is left running then.
pub(super) fn launch(launch: Launch, arranged: impl FnOnce(i32) -> io::Result<()>) -> io::Result<i32> {
    start(launch, Purpose::Run, arranged)
}

/// Tries whether this machine starts processes in these namespaces. `arranged` is called as by [`launch`].
///
/// # Errors
/// When the machine refuses at any step.
pub(super) fn try_out(
    namespaces: Namespaces,
    arranged: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<()> {
    let nothing = || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from);
    let trial = Launch {
        namespaces,
        program: PathBuf::from("/"),
        arguments: Vec::new(),
        environment: Vec::new(),
        directory: PathBuf::from("/"),
        input: nothing()?,
        output: nothing()?,
    };
    let pid = start(trial, Purpose::Try, arranged)?;
    end_child(pid);
    Ok(())
}

fn start(launch: Launch, purpose: Purpose, arranged: impl FnOnce(i32) -> io::Result<()>) -> io::Result<i32> {
    let namespaces = launch.namespaces;
    let image = Image::new(launch, purpose)?;
    let (gate, opener) = io::pipe()?;
    let (reports, reporter) = io::pipe()?;
    let pid = clone(&image, namespaces, &gate, &opener, &reporter)?;
    drop((gate, reporter, image));
    let result = open_gate(pid, namespaces, opener, arranged).and_then(|()| read_report(reports));
    if let Err(error) = result {
        end_child(pid);
        return Err(error);
    }
    Ok(pid)
}

fn clone(
    image: &Image,
    namespaces: Namespaces,
    gate: &PipeReader,
    opener: &PipeWriter,
    reporter: &PipeWriter,
) -> io::Result<i32> {
    let opener = opener.as_raw_fd();
    let child = || -> isize {
        // SAFETY: closes the child's own copy of a descriptor that the child does not use otherwise. Without
        // this the gate would stay open when the parent dies.
        #[expect(unsafe_code, reason = "the only way to close the copy without owning it")]
        unsafe {
            libc::close(opener);
        }
        match image.become_program(namespaces, gate.as_fd()) {
            Ok(()) => 0,
            Err((step, errno)) => {
                let [a, b, c, d] = errno.raw_os_error().to_ne_bytes();
                // The parent reads this, or is gone.
                rustix::io::write(reporter, &[step as u8, a, b, c, d]).ok();
                1
            }
        }
    };
    let mut stack = vec![0; STACK];
    // SAFETY: without CLONE_VM the child runs on its own copy of the memory and of the stack, which is far
    // larger than its few frames need. Other threads' locks may be held for ever in that copy, so the child
    // only makes system calls on memory that was prepared before: it allocates nothing, locks nothing and
    // drops nothing until it becomes another program or ends.
    #[expect(unsafe_code, reason = "std::process cannot start a process in a pid namespace")]
    let pid = unsafe {
        nix::sched::clone(Box::new(child), &mut stack, clone_flags(namespaces), Some(libc::SIGCHLD))
    };
    Ok(pid?.as_raw())
}

fn clone_flags(namespaces: Namespaces) -> CloneFlags {
    let (user, mounts, pids) = (CloneFlags::CLONE_NEWUSER, CloneFlags::CLONE_NEWNS, CloneFlags::CLONE_NEWPID);
    match namespaces {
        Namespaces::UserMountPid => user | mounts | pids,
        Namespaces::UserMount => user | mounts,
        Namespaces::MountPid => mounts | pids,
        Namespaces::Mount => mounts,
        Namespaces::None => CloneFlags::empty(),
    }
}

fn open_gate(
    pid: i32,
    namespaces: Namespaces,
    mut opener: PipeWriter,
    arranged: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<()> {
    if namespaces.has_user() {
        map_ids(pid).map_err(|error| told("mapping its user", &error))?;
    }
    arranged(pid)?;
    opener.write_all(&[1])
}

fn map_ids(pid: i32) -> io::Result<()> {
    let place = PathBuf::from(format!("/proc/{pid}"));
    if geteuid().is_root() {
        fs::write(place.join("uid_map"), every_id("/proc/self/uid_map")?)?;
        return fs::write(place.join("gid_map"), every_id("/proc/self/gid_map")?);
    }
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    fs::write(place.join("uid_map"), format!("{user} {user} 1"))?;
    // Without this nobody but root may map a group: dropping one could open what is closed to it.
    fs::write(place.join("setgroups"), "deny")?;
    fs::write(place.join("gid_map"), format!("{group} {group} 1"))
}

/// A map in which every id that exists here means itself.
fn every_id(own_map: &str) -> io::Result<String> {
    let mut map = String::new();
    for line in fs::read_to_string(own_map)?.lines() {
        let mut fields = line.split_ascii_whitespace();
        if let (Some(first), _, Some(count)) = (fields.next(), fields.next(), fields.next()) {
            map.push_str(&format!("{first} {first} {count}\n"));
        }
    }
    Ok(map)
}

/// Reads what a child says of its failure. It says nothing when it has become its program.
fn read_report(mut reports: PipeReader) -> io::Result<()> {
    let mut report = Vec::with_capacity(5);
    reports.read_to_end(&mut report)?;
    let [step, errno @ ..] = report.as_slice() else { return Ok(()) };
    let step = Step::ALL.iter().find(|known| **known as u8 == *step).map_or("starting", |step| step.name());
    let errno = errno.try_into().map_or(0, i32::from_ne_bytes);
    Err(told(step, &io::Error::from_raw_os_error(errno)))
}

fn told(step: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{step}: {error}"))
}

fn end_child(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    // It is our child and not reaped yet, so the number is still its own.
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).ok();
    nix::sys::wait::waitpid(pid, None).ok();
}

/// Everything a child needs, prepared so that it allocates nothing.
struct Image {
    program: CString,
    directory: CString,
    arguments: Pointers,
    environment: Pointers,
    input: OwnedFd,
    output: OwnedFd,
    keeps_right_to_mount: bool,
    purpose: Purpose,
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
    fn new(launch: Launch, purpose: Purpose) -> io::Result<Self> {
        let name = launch.program.clone().into_os_string();
        let pairs = launch.environment.into_iter().map(|(mut entry, value)| {
            entry.push("=");
            entry.push(value);
            entry
        });
        Ok(Self {
            program: c_string(launch.program.into_os_string())?,
            directory: c_string(launch.directory.into_os_string())?,
            arguments: Pointers::new(std::iter::once(name).chain(launch.arguments))?,
            environment: Pointers::new(pairs)?,
            input: launch.input,
            output: launch.output,
            keeps_right_to_mount: launch.namespaces.has_user() && !geteuid().is_root(),
            purpose,
        })
    }

    /// The child's way to its program. System calls only.
    fn become_program(&self, namespaces: Namespaces, gate: BorrowedFd<'_>) -> Result<(), (Step, Errno)> {
        // First the order to die with the parent, then the gate: a parent that is gone by now has closed it.
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(|errno| (Step::Session, errno))?;
        if rustix::io::read(gate, &mut [0; 1]) != Ok(1) {
            return Err((Step::Session, Errno::PIPE));
        }
        setsid().map_err(|errno| (Step::Session, errno))?;
        reset_signals();
        if namespaces.can_mount() {
            mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
                .map_err(|errno| (Step::Mounts, errno))?;
        }
        if namespaces.has_pid() {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            mount(c"proc", c"/proc", c"proc", flags, None).map_err(|errno| (Step::Proc, errno))?;
        }
        self.take_streams().map_err(|errno| (Step::Streams, errno))?;
        rustix::process::chdir(self.directory.as_c_str()).map_err(|errno| (Step::Directory, errno))?;
        if self.keeps_right_to_mount {
            keep_right_to_mount().map_err(|errno| (Step::Capability, errno))?;
        }
        match self.purpose {
            Purpose::Run => Err((Step::Program, self.execute())),
            Purpose::Try => Ok(()),
        }
    }

    fn take_streams(&self) -> Result<(), Errno> {
        rustix::stdio::dup2_stdin(&self.input)?;
        rustix::stdio::dup2_stdout(&self.output)?;
        rustix::stdio::dup2_stderr(&self.output)?;
        close_rest_on_exec();
        Ok(())
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

/// Whatever this process inherited without the close-on-exec flag is not for a sandbox.
fn close_rest_on_exec() {
    // SAFETY: sets a flag of descriptors and closes none. A kernel that lacks the call leaves them as they are.
    #[expect(unsafe_code, reason = "no safe wrapper")]
    unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

fn keep_right_to_mount() -> Result<(), Errno> {
    let mut sets = capabilities(None)?;
    sets.inheritable |= CapabilitySet::SYS_ADMIN;
    set_capabilities(None, sets)?;
    configure_capability_in_ambient_set(CapabilitySet::SYS_ADMIN, true)
}

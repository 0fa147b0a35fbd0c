//! Where a child failed on its way to its program, and how its parent hears of it.

use std::io::{self, PipeReader, Read};

use rustix::io::Errno;

use crate::engine::local::root::Root;

/// A step on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    Limits,
    Session,
    Mounts,
    Cgroup,
    Name,
    Network,
    Root,
    Lock,
    Proc,
    Streams,
    Directory,
    Capability,
    Filter,
    Program,
}

impl Step {
    const ALL: [Self; 14] = [
        Self::Limits,
        Self::Session,
        Self::Mounts,
        Self::Cgroup,
        Self::Name,
        Self::Network,
        Self::Root,
        Self::Lock,
        Self::Proc,
        Self::Streams,
        Self::Directory,
        Self::Capability,
        Self::Filter,
        Self::Program,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Limits => "entering the cgroups that bound it",
            Self::Session => "leaving the host's session",
            Self::Mounts => "making its mounts private",
            Self::Cgroup => "getting a cgroup namespace",
            Self::Name => "giving it a name",
            Self::Network => "setting up its loopback",
            Self::Root => "entering its root",
            Self::Lock => "locking its mounts",
            Self::Proc => "mounting a fresh /proc",
            Self::Streams => "setting up its standard streams",
            Self::Directory => "entering its directory",
            Self::Capability => "giving up privileges",
            Self::Filter => "filtering its system calls",
            Self::Program => "running its program",
        }
    }
}

/// A step that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    pub(super) step: Step,
    /// Which act of building a root; 0 elsewhere.
    pub(super) act: u8,
    pub(super) errno: Errno,
}

impl Failure {
    /// What is handed to the parent.
    pub(super) fn report(self) -> [u8; 6] {
        let [a, b, c, d] = self.errno.raw_os_error().to_ne_bytes();
        [self.step as u8, self.act, a, b, c, d]
    }
}

/// Makes a failure of an errno.
pub(super) fn at(step: Step) -> impl Fn(Errno) -> Failure {
    move |errno| Failure { step, act: 0, errno }
}

/// What a child says when it holds nothing of its parent any more. No step has this number.
pub(super) const ALONE: u8 = u8::MAX;

/// Waits until a child has let go of all that it was not given.
pub(super) fn wait_until_alone(reports: &mut PipeReader, root: Option<&Root>) -> io::Result<()> {
    let mut report = [0; 6];
    reports.read_exact(&mut report[..1])?;
    if report[0] == ALONE {
        return Ok(());
    }
    reports.read_exact(&mut report[1..])?;
    failed_at(&report, root)
}

/// Reads what a child says of its failure. It says nothing when it has become its program.
pub(super) fn read_report(mut reports: PipeReader, root: Option<&Root>) -> io::Result<()> {
    let mut report = Vec::with_capacity(6);
    reports.read_to_end(&mut report)?;
    failed_at(&report, root)
}

fn failed_at(report: &[u8], root: Option<&Root>) -> io::Result<()> {
    let [step, act, errno @ ..] = report else { return Ok(()) };
    let step = Step::ALL.into_iter().find(|known| *known as u8 == *step);
    let name = match (step, root) {
        (Some(Step::Root), Some(root)) => root.name(usize::from(*act)),
        (step, _) => step.map_or("starting", Step::name).to_owned(),
    };
    let errno = errno.try_into().map_or(0, i32::from_ne_bytes);
    Err(told(&name, &io::Error::from_raw_os_error(errno)))
}

pub(super) fn told(step: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{step}: {error}"))
}

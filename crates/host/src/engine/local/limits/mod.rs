//! What bounds the sandboxes of this engine: cgroups where there are any, else limits of their processes.
//!
//! Each of memory, processes and processors is tried by itself, as a machine can have one controller in the one version
//! and another in the other. A sandbox gets a cgroup wherever its engine has one; of version 2 it is the one that it
//! sleeps in.

mod bound;
mod each_process;
mod resource;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use super::cgroup::Cgroup;
use super::disk;
use super::hierarchy::{ASIDE, Hierarchy};
use super::launch::try_out;
use super::life::LIMIT;
use crate::engine::{Allowance, Limiter, Limiters, Namespaces};

pub(super) use bound::{Bound, remove, remove_all_but};
use resource::Resource;

/// How an ordinary user gets cgroups of their own.
const HOW: &str = "to get it: systemd-run --user --scope -p Delegate=yes reveille host, where cgroups of version 2 \
                   have that controller";

/// What was chosen.
#[derive(Debug)]
pub(super) struct Limits {
    memory: Means,
    processes: Means,
    cpu: Means,
    disk: Limiter,
}

/// What sees to one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Means {
    /// The cgroup that a sandbox sleeps in.
    Version2,
    /// A cgroup below this one.
    Version1(PathBuf),
    EachProcess,
    Nothing,
}

impl From<&Means> for Limiter {
    fn from(means: &Means) -> Self {
        match means {
            Means::Version2 => Self::Cgroup2,
            Means::Version1(_) => Self::Cgroup1,
            Means::EachProcess => Self::Rlimit,
            Means::Nothing => Self::None,
        }
    }
}

/// Where an engine of this name would have its cgroups of version 1. To be written down before they are made.
pub(super) fn places(name: &str) -> Vec<PathBuf> {
    let own = Resource::ALL.into_iter().filter_map(|resource| resource.hierarchy_1().own().ok());
    let mut places: Vec<_> = own.map(|own| own.join(name)).collect();
    places.sort_unstable();
    places.dedup();
    places
}

impl Limits {
    /// Tries what there is, the best first. `name` is for cgroups of this engine's own, where it may have any;
    /// `sleeping` are those of version 2.
    pub(super) fn choose(
        name: Option<&str>,
        sleeping: Option<&Cgroup>,
        namespaces: Namespaces,
        missing: &mut Vec<String>,
    ) -> Self {
        let disk = match disk::can_be_made(namespaces) {
            Ok(()) => Limiter::Image,
            Err(why) => {
                missing.push(format!("sizes of volumes, and of what a sandbox keeps on the disk: {why}"));
                Limiter::None
            }
        };
        let mut choose = |resource| choose(resource, name, sleeping, namespaces, missing);
        Self {
            memory: choose(Resource::Memory),
            processes: choose(Resource::Processes),
            cpu: choose(Resource::Cpu),
            disk,
        }
    }

    fn of(&self, resource: Resource) -> &Means {
        match resource {
            Resource::Memory => &self.memory,
            Resource::Processes => &self.processes,
            Resource::Cpu => &self.cpu,
        }
    }

    /// What is said of it.
    pub(super) fn limiters(&self) -> Limiters {
        Limiters {
            memory: (&self.memory).into(),
            processes: (&self.processes).into(),
            cpu: (&self.cpu).into(),
            disk: self.disk,
        }
    }

    /// Whether sleepers can give memory back.
    pub(super) fn gives_back(&self) -> bool {
        matches!(self.memory, Means::Version2 | Means::Version1(_))
    }

    /// Whether what a sandbox keeps on the disk can be bound.
    pub(super) fn binds_disks(&self) -> bool {
        self.disk == Limiter::Image
    }

    /// Makes what bounds one sandbox, which sleeps in a cgroup or not.
    pub(super) fn bind(
        &self,
        id: &str,
        sleeping: Option<&Cgroup>,
        allowance: &Allowance,
    ) -> io::Result<Bound> {
        let mut bound = Bound::default();
        for resource in Resource::ALL {
            let rule = self.of(resource).rule(id, sleeping);
            bound.rules.push((resource, rule));
        }
        bound.make().and_then(|()| bound.set(allowance)).inspect_err(|_| {
            // The first error is the one to tell.
            bound.remove(LIMIT).ok();
        })?;
        Ok(bound)
    }

    /// Removes the cgroups of version 1 that this engine has made.
    pub(super) fn end(&self) -> io::Result<()> {
        Resource::ALL.into_iter().try_for_each(|resource| match self.of(resource) {
            Means::Version1(parent) => remove(parent, LIMIT),
            _ => Ok(()),
        })
    }
}

impl Means {
    fn rule(&self, id: &str, sleeping: Option<&Cgroup>) -> bound::Rule {
        match (self, sleeping) {
            (Self::Version2, Some(cgroup)) => bound::Rule::Version2(cgroup.path().to_owned()),
            (Self::Version1(parent), _) => bound::Rule::Version1(parent.join(id)),
            (Self::EachProcess, _) => bound::Rule::EachProcess,
            (Self::Version2 | Self::Nothing, _) => bound::Rule::Nothing,
        }
    }
}

fn choose(
    resource: Resource,
    name: Option<&str>,
    sleeping: Option<&Cgroup>,
    namespaces: Namespaces,
    missing: &mut Vec<String>,
) -> Means {
    let none = || io::Error::from(io::ErrorKind::Unsupported);
    let of_version_2 = match sleeping.map(|sleeping| try_version_2(resource, sleeping)) {
        Some(Ok(())) => return Means::Version2,
        // The controller is not there.
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => None,
        refused => refused.and_then(Result::err),
    };
    let refused = match name.ok_or_else(none).and_then(|name| try_version_1(resource, name)) {
        Ok(parent) => return Means::Version1(parent),
        Err(error) => of_version_2.unwrap_or(error),
    };
    let (means, instead) = if each_process::can_bound(resource, namespaces) {
        (Means::EachProcess, each_process::instead(resource))
    } else {
        (Means::Nothing, "")
    };
    missing.push(format!("a limit of {resource} for the whole of a sandbox{instead}: {refused} ({HOW})"));
    means
}

/// Tries whether what sleeps below here can be bound, too.
fn try_version_2(resource: Resource, sleeping: &Cgroup) -> io::Result<()> {
    let own = sleeping.path().parent().ok_or(io::ErrorKind::NotFound)?;
    let controller = resource.controller();
    let has = fs::read_to_string(own.join("cgroup.controllers"))?;
    if !has.split_ascii_whitespace().any(|one| one == controller) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let enable = |at: &Path| fs::write(at.join("cgroup.subtree_control"), format!("+{controller}"));
    // What hands its controllers on may hold no processes itself (the kernel's cgroup-v2, "No Internal Process
    // Constraint"). Before it is asked: with some controllers the kernel would rather make it the root of a threaded
    // tree, whose cgroups take no processes, and nothing could sleep in them any more.
    leave_alone(own)?;
    enable(own)?;
    enable(sleeping.path())?;
    try_in(resource, &bound::Rule::Version2(sleeping.path().join("trial")))
}

/// Takes this process, where it is the only one, out of a cgroup that is to have others below it.
fn leave_alone(own: &Path) -> io::Result<()> {
    // The one cgroup that may hold processes all the same is the machine's first, which is of no type.
    if !own.join("cgroup.type").exists() {
        return Ok(());
    }
    let me = process::id().to_string();
    let inside = fs::read_to_string(own.join("cgroup.procs"))?;
    if inside.is_empty() {
        return Ok(());
    }
    if inside.lines().any(|pid| pid != me) {
        let what = format!("{} has other processes in it", own.display());
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
    }
    let aside = own.join(ASIDE);
    match fs::create_dir(&aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::write(aside.join("cgroup.procs"), me)
}

fn try_version_1(resource: Resource, name: &str) -> io::Result<PathBuf> {
    let own = resource.hierarchy_1().own()?;
    let parent = own.join(name);
    match fs::create_dir(&parent) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let what = format!("{}: {error}", own.display());
            return Err(io::Error::new(error.kind(), what));
        }
        _ => {}
    }
    match try_in(resource, &bound::Rule::Version1(parent.join("trial"))) {
        Ok(()) => Ok(parent),
        Err(error) => {
            // Another resource can have the same one.
            fs::remove_dir(&parent).ok();
            Err(error)
        }
    }
}

fn try_in(resource: Resource, rule: &bound::Rule) -> io::Result<()> {
    let Some(trial) = rule.cgroup() else { return Ok(()) };
    fs::create_dir(trial)?;
    let tried = rule.set(resource, &Allowance::default()).and_then(|()| {
        try_out(Namespaces::None, None, |pid| fs::write(trial.join("cgroup.procs"), pid.to_string()))
    });
    remove(trial, LIMIT).and(tried)
}

impl Resource {
    fn hierarchy_1(self) -> Hierarchy {
        Hierarchy::Version1(self.controller())
    }
}

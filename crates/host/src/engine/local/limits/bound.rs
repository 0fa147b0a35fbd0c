use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::each_process;
use super::resource::{Resource, reclaim_version_1, reclaim_version_2};
use crate::engine::Allowance;
use crate::engine::local::cgroup;

/// What bounds one sandbox. It can be written down, and is as good for whoever reads that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Bound {
    pub(super) rules: Vec<(Resource, Rule)>,
}

/// How one resource of a sandbox is bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Rule {
    /// By the cgroup that it sleeps in, which is made and removed elsewhere.
    Version2(PathBuf),
    /// By a cgroup for this alone.
    Version1(PathBuf),
    EachProcess,
    Nothing,
}

impl Rule {
    pub(super) fn cgroup(&self) -> Option<&Path> {
        match self {
            Self::Version2(cgroup) | Self::Version1(cgroup) => Some(cgroup),
            Self::EachProcess | Self::Nothing => None,
        }
    }

    pub(super) fn set(&self, resource: Resource, allowance: &Allowance) -> io::Result<()> {
        match self {
            Self::Version2(cgroup) => resource.set_version_2(cgroup, allowance),
            Self::Version1(cgroup) => resource.set_version_1(cgroup, allowance),
            Self::EachProcess | Self::Nothing => Ok(()),
        }
    }
}

impl Bound {
    /// The cgroups that were made for it; two controllers can have the same one.
    pub(in super::super) fn own(&self) -> impl Iterator<Item = &Path> {
        self.rules.iter().enumerate().filter_map(|(number, (_, rule))| match rule {
            Rule::Version1(cgroup) if self.rules[..number].iter().all(|(_, before)| before != rule) => {
                Some(cgroup.as_path())
            }
            _ => None,
        })
    }

    pub(super) fn make(&self) -> io::Result<()> {
        self.own().try_for_each(fs::create_dir)
    }

    /// Bounds it anew, at once; what bounds each process by itself, those that are started later.
    pub(in super::super) fn set(&self, allowance: &Allowance) -> io::Result<()> {
        self.rules.iter().try_for_each(|(resource, rule)| rule.set(*resource, allowance))
    }

    /// Puts a process under what each carries by itself, before it has started any other.
    pub(in super::super) fn add(&self, pid: i32, allowance: &Allowance) -> io::Result<()> {
        let by_itself = self.rules.iter().filter(|(_, rule)| *rule == Rule::EachProcess);
        each_process::bound(pid, by_itself.map(|(resource, _)| *resource), allowance)
    }

    /// Gives back what it can of the memory that it holds.
    pub(in super::super) fn give_back(&self) -> io::Result<()> {
        let memory = self.rules.iter().find(|(resource, _)| *resource == Resource::Memory);
        match memory.map(|(_, rule)| rule) {
            Some(Rule::Version2(cgroup)) => reclaim_version_2(cgroup),
            Some(Rule::Version1(cgroup)) => reclaim_version_1(cgroup),
            _ => Ok(()),
        }
    }

    /// Removes what was made for it, when its processes have ended.
    pub(in super::super) fn remove(&self, limit: Duration) -> io::Result<()> {
        self.own().map(|cgroup| remove(cgroup, limit)).fold(Ok(()), io::Result::and)
    }

    /// Whether everything that was made for it is below something for which `is_ours` holds.
    pub(in super::super) fn is_below(&self, is_ours: impl Fn(&Path) -> bool) -> bool {
        self.own().all(|cgroup| cgroup.parent().is_some_and(&is_ours))
    }
}

/// Removes the cgroups below one but for some.
pub(in super::super) fn remove_all_but(cgroup: &Path, kept: &[&Path], limit: Duration) -> io::Result<()> {
    let others = cgroup::below(cgroup)?.into_iter().filter(|below| !kept.contains(&below.as_path()));
    others.into_iter().try_for_each(|other| remove(&other, limit))
}

/// Removes a cgroup with those below it. What has just ended can still be in it.
pub(in super::super) fn remove(cgroup: &Path, limit: Duration) -> io::Result<()> {
    let give_up = Instant::now() + limit;
    loop {
        match cgroup::remove(cgroup) {
            Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {
                if Instant::now() >= give_up {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

//! What an earlier host has left behind: it goes on, or is ended.
//!
//! Where sandboxes live as long as their host, an agent dies with it, and where they have pid namespaces so does
//! everything else in them; what is left elsewhere, asleep or awake, is found by its cgroup and by its mark. Where they
//! live beyond it, what still runs is taken over, if it is what the host before has written down.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use reveille_wire::SandboxName;
use rustix::process::geteuid;

use super::Lifetime;
use super::cgroup::Cgroup;
use super::earlier::Earlier;
use super::life::LIMIT;
use super::limits;
use super::process::world;
use super::record::{Outside, Records, Trace};

/// How the names begin of what a host makes outside its directory.
pub(super) const PREFIX: &str = "reveille-";

/// What an earlier host has left.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// What can be taken over.
    pub(super) running: Vec<(SandboxName, Trace)>,
    /// What had been there, and now is only files.
    pub(super) ended: Vec<SandboxName>,
    /// In which cgroups those are that can be taken over.
    pub(super) cgroups: Vec<PathBuf>,
    /// What bounds them besides.
    pub(super) limits: Vec<PathBuf>,
}

/// Ends all that is written down and is not to live on.
pub(super) fn recover(
    records: &Records,
    lifetime: Lifetime,
    known: Option<&HashSet<SandboxName>>,
) -> io::Result<Left> {
    let world = world()?;
    let earlier = Earlier::read(records.directory())?;
    let mut left = Left::default();
    for record in records.all()?.into_iter().chain(earlier.records.iter().cloned()) {
        match record.trace {
            Some(trace)
                if lifetime == Lifetime::BeyondTheHost
                    && known.is_none_or(|known| known.contains(&record.name))
                    && lives_on(&trace, &world)? =>
            {
                left.running.push((record.name, trace));
            }
            trace => {
                trace.as_ref().map_or(Ok(()), |trace| end(trace, &world))?;
                left.ended.push(record.name);
            }
        }
    }
    for outside in records.outside()?.iter().chain(&earlier.outside) {
        for cgroups in outside.cgroups.iter().chain(&outside.earlier).filter(|path| is_ours(path)) {
            end_cgroups(cgroups, &mut left)?;
        }
        for limits in outside.limits.iter().filter(|path| is_ours(path)) {
            remove_limits(limits, &mut left)?;
        }
    }
    // Removing works on a full disk, too.
    records.remove_ended(left.ended.iter())?;
    earlier.remove()?;
    Ok(left)
}

/// Whether a sandbox can be taken over: it runs, and it is the one that was written down.
fn lives_on(trace: &Trace, world: &str) -> io::Result<bool> {
    let is_meant = trace.beyond.is_some() && trace.world == world;
    let is_there = match &trace.cgroup {
        Some(cgroup) => cgroup.parent().is_some_and(is_ours) && cgroup.is_dir(),
        None => true,
    };
    Ok(is_meant && is_there && trace.agent.runs()? && trace.mark.is_on(trace.agent))
}

/// Ends what is in a host's cgroup and is not taken over, and the cgroup with it where nothing is.
fn end_cgroups(cgroups: &Path, left: &mut Left) -> io::Result<()> {
    let running = left.running.iter().filter_map(|(_, trace)| trace.cgroup.as_deref());
    let kept: Vec<&Path> = running.filter(|cgroup| cgroup.parent() == Some(cgroups)).collect();
    if kept.is_empty() {
        return Cgroup::at(cgroups.to_owned()).end(LIMIT);
    }
    Cgroup::at(cgroups.to_owned()).end_all_but(&kept, LIMIT)?;
    left.cgroups.push(cgroups.to_owned());
    Ok(())
}

/// Removes a host's cgroup that bounded what is not taken over.
fn remove_limits(limits: &Path, left: &mut Left) -> io::Result<()> {
    let running = left.running.iter().flat_map(|(_, trace)| trace.bound.own());
    let kept: Vec<&Path> = running.filter(|cgroup| cgroup.parent() == Some(limits)).collect();
    if kept.is_empty() {
        return limits::remove(limits, LIMIT);
    }
    limits::remove_all_but(limits, &kept, LIMIT)?;
    left.limits.push(limits.to_owned());
    Ok(())
}

/// Ends a sandbox.
pub(super) fn end(trace: &Trace, world: &str) -> io::Result<()> {
    if trace.world != world {
        return Ok(());
    }
    if !trace.agent.end(LIMIT)? {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "an agent of an earlier host does not end"));
    }
    if let Some(cgroup) = trace.cgroup.as_deref().filter(|path| path.parent().is_some_and(is_ours)) {
        Cgroup::at(cgroup.to_owned()).end(LIMIT)?;
    }
    trace.mark.end(LIMIT)?;
    if trace.bound.is_below(is_ours) { trace.bound.remove(LIMIT) } else { Ok(()) }
}

impl Left {
    /// What is outside the engine's directory, with what is about to be made there.
    pub(super) fn outside(&self, cgroups: Option<PathBuf>, limits: Vec<PathBuf>) -> Outside {
        let limits = limits.into_iter().chain(self.limits.iter().cloned()).collect();
        Outside { cgroups, earlier: self.cgroups.clone(), limits }
    }
}

/// What is remembered can have been changed: nothing is touched that no host of this user has made.
fn is_ours(path: &Path) -> bool {
    let named = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
    let owner = path.symlink_metadata().ok().filter(std::fs::Metadata::is_dir).map(|found| found.uid());
    named && owner == Some(geteuid().as_raw())
}

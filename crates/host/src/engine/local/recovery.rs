//! Ends what an earlier host has left behind.
//!
//! An agent dies with its host, and where sandboxes have pid namespaces so does everything else in them. What
//! is left elsewhere, asleep or awake, is found by its cgroup and by its mark.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;

use super::cgroup::Cgroup;
use super::earlier::Earlier;
use super::life::LIMIT;
use super::process::world;
use super::record::{Record, Records, Trace};

/// How the names begin of what a host makes outside its directory.
pub(super) const PREFIX: &str = "reveille-";

/// Ends all that is written down. The sandboxes that had been there, which now are only files.
pub(super) fn recover(records: &Records) -> io::Result<Vec<Record>> {
    let world = world()?;
    let earlier = Earlier::read(records.directory())?;
    let mut left = records.all()?;
    left.extend(earlier.records.iter().cloned());
    for record in &left {
        record.trace.as_ref().map_or(Ok(()), |trace| end(trace, &world))?;
    }
    for outside in records.outside()?.iter().chain(&earlier.outside) {
        if let Some(cgroups) = outside.cgroups.as_ref().filter(|path| is_ours(path)) {
            Cgroup::at(cgroups.clone()).end(LIMIT)?;
        }
    }
    // Removing works on a full disk, too.
    records.remove_all(left.iter().map(|record| &record.name))?;
    earlier.remove()?;
    Ok(left)
}

fn end(trace: &Trace, world: &str) -> io::Result<()> {
    if trace.world != world {
        return Ok(());
    }
    if !trace.agent.end(LIMIT)? {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "an agent of an earlier host does not end"));
    }
    if let Some(cgroup) = trace.cgroup.as_deref().filter(|path| path.parent().is_some_and(is_ours)) {
        Cgroup::at(cgroup.to_owned()).end(LIMIT)?;
    }
    trace.mark.end(LIMIT)
}

/// What is remembered can have been changed: nothing is touched that no host of this user has made.
fn is_ours(path: &Path) -> bool {
    let named = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
    let owner = path.symlink_metadata().ok().filter(std::fs::Metadata::is_dir).map(|found| found.uid());
    named && owner == Some(geteuid().as_raw())
}

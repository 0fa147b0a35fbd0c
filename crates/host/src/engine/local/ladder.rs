//! Finds the best isolation that this machine allows, by trying it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;

use super::cgroup::{self, Cgroup};
use super::launch::try_out;
use super::{EngineError, EngineErrorKind, Freezer, Isolation, LocalEngineSettings, Namespaces};

const LIMIT: Duration = Duration::from_secs(2);

/// What was chosen.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) isolation: Isolation,
    /// Below which the sandboxes' cgroups are made; none where they sleep by signals.
    pub(super) cgroups: Option<Cgroup>,
}

/// Tries the best first. `name` is for a cgroup of this host's own.
pub(super) fn choose(settings: &LocalEngineSettings, name: &str) -> Result<Choice, EngineError> {
    let mut missing = Vec::new();
    let namespaces = choose_namespaces(settings.namespaces, &mut missing)?;
    let cgroups = choose_cgroups(settings.freezer, name, &mut missing)?;
    let freezer = if cgroups.is_some() { Freezer::Cgroup } else { Freezer::Signals };
    Ok(Choice { isolation: Isolation { namespaces, freezer, missing }, cgroups })
}

fn choose_namespaces(only: Option<Namespaces>, missing: &mut Vec<String>) -> Result<Namespaces, EngineError> {
    if let Some(only) = only {
        let result = try_out(only, |_| Ok(()));
        return result.map(|()| only).map_err(|error| unsupported(only, &error));
    }
    let without_user = [Namespaces::MountPid, Namespaces::Mount];
    let root_only = if geteuid().is_root() { without_user.as_slice() } else { &[] };
    for namespaces in [Namespaces::UserMountPid, Namespaces::UserMount].iter().chain(root_only) {
        match try_out(*namespaces, |_| Ok(())) {
            Ok(()) => return Ok(*namespaces),
            Err(error) => missing.push(format!("{namespaces}: {error}")),
        }
    }
    Ok(Namespaces::None)
}

fn choose_cgroups(
    only: Option<Freezer>,
    name: &str,
    missing: &mut Vec<String>,
) -> Result<Option<Cgroup>, EngineError> {
    if only == Some(Freezer::Signals) {
        return Ok(None);
    }
    match try_cgroups(name) {
        Ok(cgroups) => Ok(Some(cgroups)),
        Err(error) if only.is_some() => Err(unsupported(Freezer::Cgroup, &error)),
        Err(error) => {
            missing.push(format!("a cgroup to sleep in: {error}"));
            Ok(None)
        }
    }
}

fn try_cgroups(name: &str) -> io::Result<Cgroup> {
    let own = cgroup::own()?;
    let cgroups = make_below(&own, name)?;
    let trial = Cgroup::make(cgroups.path(), "trial").and_then(|trial| {
        let result = try_out(Namespaces::None, |pid| {
            trial.add(pid)?;
            trial.freeze(LIMIT)?;
            trial.thaw(LIMIT)
        });
        trial.end(LIMIT).and(result)
    });
    match trial {
        Ok(()) => Ok(cgroups),
        Err(error) => {
            // The reason that is worth telling is the first one.
            cgroups.end(LIMIT).ok();
            Err(error)
        }
    }
}

fn make_below(own: &Path, name: &str) -> io::Result<Cgroup> {
    Cgroup::make(own, name).map_err(|error| {
        let what = if error.kind() == io::ErrorKind::PermissionDenied {
            format!("{} is not delegated to this user", PathBuf::from(own).display())
        } else {
            format!("{}: {error}", own.display())
        };
        io::Error::new(error.kind(), what)
    })
}

fn unsupported(what: impl std::fmt::Display, error: &io::Error) -> EngineError {
    EngineError::new(EngineErrorKind::Unsupported, format!("this machine does not allow \"{what}\": {error}"))
}

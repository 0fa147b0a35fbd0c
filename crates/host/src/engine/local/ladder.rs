//! Finds the best isolation that this machine allows, by trying it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;

use super::cgroup::Cgroup;
use super::hierarchy::Hierarchy;
use super::landlock;
use super::launch::try_out;
use super::libraries::Libraries;
use super::limits::Limits;
use super::programs::Programs;
use super::remove::remove_directory;
use super::root::{Ingredients, Layers, Machine, Root};
use super::{Allowance, EngineError, EngineErrorKind, Freezer, Isolation, LocalEngineSettings, Namespaces};
use crate::engine::Landlock;

const LIMIT: Duration = Duration::from_secs(2);

/// What was chosen.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) isolation: Isolation,
    /// What a root of its own is made of, where sandboxes have one.
    pub(super) ground: Option<OwnRoot>,
    /// Below which the sandboxes' cgroups are made; none where they sleep by signals.
    pub(super) cgroups: Option<Cgroup>,
    pub(super) limits: Limits,
}

/// What the roots of all sandboxes have in common.
#[derive(Debug)]
pub(super) struct OwnRoot {
    pub(super) machine: Machine,
    pub(super) layers: Layers,
    pub(super) programs: Programs,
    /// For roots that are made of an image.
    pub(super) libraries: Libraries,
}

impl OwnRoot {
    /// Lays out a root that is made of the machine, for a sandbox that has no name yet.
    pub(super) fn lay_out(&self, directory: &Path, drives: &Path) -> io::Result<Root> {
        Root::prepare(&Ingredients {
            directory,
            machine: &self.machine,
            layers: self.layers,
            image: None,
            programs: self.programs.directory(),
            drives,
            volumes: &[],
            certificates: None,
            hostname: None,
            memory: Allowance::MEMORY,
        })
    }
}

/// Tries the best first. `name` is for a cgroup of this host's own, or says why there can be none: on a full disk
/// a host starts all the same, as deleting is how space is freed.
pub(super) fn choose(settings: &LocalEngineSettings, name: io::Result<&str>) -> Result<Choice, EngineError> {
    let mut missing = Vec::new();
    let (namespaces, ground) = choose_namespaces(settings, &mut missing)?;
    if ground.is_some() && !geteuid().is_root() {
        missing.push("the user that an image asks for: commands run as the host's own (to get it: run the host as root)".to_owned());
    }
    let landlock = match ground {
        Some(_) => landlock::choose(&mut missing),
        // What sees the machine is the user's own code, with all the rights of theirs.
        None => Landlock::None,
    };
    let own_name = name.as_ref().ok().copied();
    let cgroups = choose_cgroups(settings.freezer, name, &mut missing)?;
    let freezer = if cgroups.is_some() { Freezer::Cgroup } else { Freezer::Signals };
    let limits = Limits::choose(own_name, cgroups.as_ref(), namespaces, &mut missing);
    if settings.give_back_after.is_some() && !limits.gives_back() {
        missing
            .push("memory that sleepers give back: no cgroup bounds the memory of a sandbox here".to_owned());
    }
    let isolation =
        Isolation::new(namespaces, freezer, missing).with_landlock(landlock).with_limits(limits.limiters());
    Ok(Choice { isolation, ground, cgroups, limits })
}

fn choose_namespaces(
    settings: &LocalEngineSettings,
    missing: &mut Vec<String>,
) -> Result<(Namespaces, Option<OwnRoot>), EngineError> {
    match settings.namespaces {
        Some(Namespaces::All) => {
            let ground = try_own_root(settings, missing);
            let ground = ground.map_err(|error| unsupported(Namespaces::All, &error))?;
            return Ok((Namespaces::All, Some(ground)));
        }
        Some(only) => {
            let result = try_out(only, None, |_| Ok(()));
            return result.map(|()| (only, None)).map_err(|error| unsupported(only, &error));
        }
        None => {}
    }
    match try_own_root(settings, missing) {
        Ok(ground) => return Ok((Namespaces::All, Some(ground))),
        Err(error) => missing.push(format!("{}: {error}{}", Namespaces::All, how_to_get_namespaces(&error))),
    }
    let without_user = [Namespaces::MountPid, Namespaces::Mount];
    let root_only = if geteuid().is_root() { without_user.as_slice() } else { &[] };
    for namespaces in [Namespaces::UserMountPid, Namespaces::UserMount].iter().chain(root_only) {
        match try_out(*namespaces, None, |_| Ok(())) {
            Ok(()) => return Ok((*namespaces, None)),
            Err(error) => missing.push(format!("{namespaces}: {error}")),
        }
    }
    Ok((Namespaces::None, None))
}

/// Tries a root of its own, with layers that can be written to where the machine has them.
fn try_own_root(settings: &LocalEngineSettings, missing: &mut Vec<String>) -> io::Result<OwnRoot> {
    let machine = Machine::look()?;
    let programs = Programs::keep(&settings.agent.program, settings.directory.join("agent"))?;
    let libraries = Libraries::keep(settings.directory.join("libraries"));
    let mut ground = OwnRoot { machine, layers: Layers::Writable, programs, libraries };
    let Err(first) = try_layers(settings, &ground) else { return Ok(ground) };
    ground.layers = Layers::ReadOnly;
    // The reason that is worth telling is the first one.
    try_layers(settings, &ground).map_err(|_| io::Error::new(first.kind(), first.to_string()))?;
    missing.push(format!("changes to the machine's own directories: {first}"));
    Ok(ground)
}

fn try_layers(settings: &LocalEngineSettings, ground: &OwnRoot) -> io::Result<()> {
    let directory = settings.directory.join("trial");
    remove_directory(&directory)?;
    fs::create_dir_all(directory.join("files"))?;
    let root = ground.lay_out(&directory, &directory.join("drives"));
    let tried = root.and_then(|root| try_out(Namespaces::All, Some(root), |_| Ok(())));
    remove_directory(&directory).and(tried)
}

fn choose_cgroups(
    only: Option<Freezer>,
    name: io::Result<&str>,
    missing: &mut Vec<String>,
) -> Result<Option<Cgroup>, EngineError> {
    if only == Some(Freezer::Signals) {
        return Ok(None);
    }
    match name.and_then(try_cgroups) {
        Ok(cgroups) => Ok(Some(cgroups)),
        Err(error) if only.is_some() => Err(unsupported(Freezer::Cgroup, &error)),
        Err(error) => {
            missing.push(format!("a cgroup to sleep in: {error}"));
            Ok(None)
        }
    }
}

fn try_cgroups(name: &str) -> io::Result<Cgroup> {
    let own = Hierarchy::Version2.own()?;
    let cgroups = make_below(&own, name)?;
    let trial = Cgroup::make(cgroups.path(), "trial").and_then(|trial| {
        let result = try_out(Namespaces::None, None, |pid| {
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
            format!(
                "{} is not delegated to this user (to get it: systemd-run --user --scope -p Delegate=yes reveille host)",
                PathBuf::from(own).display()
            )
        } else {
            format!("{}: {error}", own.display())
        };
        io::Error::new(error.kind(), what)
    })
}

fn unsupported(what: impl std::fmt::Display, error: &io::Error) -> EngineError {
    EngineError::new(EngineErrorKind::Unsupported, format!("this machine does not allow \"{what}\": {error}"))
}

/// What to do about namespaces that the system forbids; nothing where that is not the reason.
fn how_to_get_namespaces(error: &io::Error) -> &'static str {
    let forbidden = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::StorageFull);
    let asked = |file: &str, off: &str| fs::read_to_string(file).is_ok_and(|text| text.trim() == off);
    if !forbidden {
        ""
    } else if asked("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        " (to get it: sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
    } else if asked("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        " (to get it: sysctl kernel.unprivileged_userns_clone=1)"
    } else if asked("/proc/sys/user/max_user_namespaces", "0") {
        " (to get it: sysctl user.max_user_namespaces=10000)"
    } else {
        " (to get it: run the host where user namespaces are allowed; in a container that is --privileged)"
    }
}

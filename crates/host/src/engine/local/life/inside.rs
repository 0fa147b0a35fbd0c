//! What an agent finds where it is: its root, its arguments and its environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::super::ground::Ground;
use super::super::ladder::OwnRoot;
use super::super::libraries::Taken;
use super::super::proxied;
use super::super::root::{self, Image, Ingredients, Root};
use super::super::volumes::{Volume, scratch_name};
use super::{Birth, Mark};
use crate::egress::Authority;
use crate::engine::{Access, Attached, Attachment, Base, Landlock};

const NO_MOUNTS: &str = "this machine gives sandboxes no mount namespace, so drives cannot be mounted";

/// Where things are as an agent sees them.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) root: Option<Root>,
    pub(super) program: PathBuf,
    /// What loads the program, where the root has nothing that would.
    pub(super) loaded_by: Option<LoadedBy>,
    /// Where commands begin.
    pub(super) files: PathBuf,
    home: PathBuf,
    shell: &'static str,
    drives: PathBuf,
    volumes: PathBuf,
}

impl Inside {
    pub(super) fn of(birth: &Birth, volumes: &[Volume]) -> io::Result<Self> {
        let files = birth.directory.join("files");
        let Some(own) = &birth.ground.own_root else {
            let program = birth.ground.agent.program.clone();
            let (drives, volumes) = (birth.drives.clone(), birth.ground.volumes.directory().to_owned());
            if birth.base != Base::Machine {
                let what = "an image needs a root of its own, which this machine does not give sandboxes";
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
            let shell = shell(Path::new("/"));
            let (home, loaded_by) = (files.clone(), None);
            return Ok(Self { root: None, program, loaded_by, home, files, shell, drives, volumes });
        };
        let programs = own.programs.refresh().map_err(|error| {
            let program = birth.ground.agent.program.display();
            io::Error::new(error.kind(), format!("running its program: {program}: {error}"))
        })?;
        let image = Made::of(birth, own)?;
        let root = Root::prepare(&Ingredients {
            directory: &birth.directory,
            machine: &own.machine,
            layers: own.layers,
            image: image.as_ref().map(Made::ingredient),
            programs,
            drives: &birth.drives,
            volumes,
            certificates: birth.ground.egress.authority().map(Authority::shown),
            hostname: Some(birth.name.as_str()),
            memory: birth.allowance.memory,
        })?;
        let directory = image.as_ref().and_then(|image| image.directory);
        Ok(Self {
            root: Some(root),
            program: root::program(own.programs.file()),
            files: directory.unwrap_or(root::FILES).into(),
            home: root::home().into(),
            shell: shell(image.as_ref().map_or(Path::new("/"), |image| &image.root)),
            loaded_by: image.and_then(|image| image.loaded_by),
            drives: root::DRIVES.into(),
            volumes: root::VOLUMES.into(),
        })
    }
}

/// What a root is made of that is made of an image.
struct Made<'a> {
    root: PathBuf,
    directory: Option<&'a str>,
    libraries: &'a Path,
    loaded_by: Option<LoadedBy>,
}

impl<'a> Made<'a> {
    fn of(birth: &'a Birth, own: &'a OwnRoot) -> io::Result<Option<Self>> {
        let Base::Image { id, directory, .. } = &birth.base else { return Ok(None) };
        let loaded_by = match own.libraries.take()? {
            Taken::Nothing => None,
            Taken::Loader(name) => Some(LoadedBy(Path::new(root::LIBRARIES).join(name))),
        };
        Ok(Some(Self {
            root: birth.ground.images.join(id.as_str()),
            directory: directory.as_deref(),
            libraries: own.libraries.directory(),
            loaded_by,
        }))
    }

    fn ingredient(&self) -> Image<'_> {
        let libraries = self.loaded_by.is_some().then_some(self.libraries);
        Image { root: &self.root, libraries, directory: self.directory }
    }
}

/// The loader of the agent's program, inside.
#[derive(Debug)]
pub(super) struct LoadedBy(pub(super) PathBuf);

impl LoadedBy {
    /// What stands before the program for its loader.
    fn arguments(&self, program: &Path) -> [OsString; 3] {
        ["--library-path".into(), root::LIBRARIES.into(), program.into()]
    }
}

/// The better one of the shells that a root has.
fn shell(root: &Path) -> &'static str {
    if root.join("bin/bash").symlink_metadata().is_ok() { "/bin/bash" } else { "/bin/sh" }
}

/// By which variables an image, or the sandbox that is made of it, says whether everything is to run as the image's user,
/// the file API too (the vendor's page on users that are not root).
const ALL_AS_USER: [&str; 2] = ["BL_SANDBOX_USER_ENABLED", "BL_SANDBOX_API_ISOLATION"];
/// The variable that names another user than the image does, where that is said.
const USER: &str = "BL_SANDBOX_USER";

/// Who commands run as, where that is not who the agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunsAs<'a> {
    name: &'a str,
    files: FilesAs,
}

/// With whose rights the file API reaches files then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FilesAs {
    /// Root's: what it makes is the user's.
    Root,
    User,
}

/// Who commands run as. Only root can be others.
pub(super) fn user(birth: &Birth) -> Option<RunsAs<'_>> {
    match &birth.base {
        Base::Image { user, environment, .. } if geteuid().is_root() => {
            runs_as(user.as_deref(), &birth.environment, environment)
        }
        _ => None,
    }
}

/// The user that an image names, as container engines have it; where nothing is said of that the file API keeps root's
/// rights. What the sandbox's own variables say comes before the image's.
fn runs_as<'a>(
    named: Option<&'a str>,
    own: &'a [(String, String)],
    images: &'a [(String, String)],
) -> Option<RunsAs<'a>> {
    let said = |name: &str| {
        let of = |all: &'a [(String, String)]| all.iter().rev().find(|(other, _)| other == name);
        of(own).or_else(|| of(images)).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    let is_yes = |value: &str| ["1", "t", "true"].iter().any(|yes| value.eq_ignore_ascii_case(yes));
    let mut answers = ALL_AS_USER.iter().filter_map(|name| said(name)).map(is_yes).peekable();
    match (answers.peek().is_some(), answers.any(|yes| yes)) {
        (_, true) => said(USER).or(named).map(|name| RunsAs { name, files: FilesAs::User }),
        (true, false) => None,
        (false, false) => named.map(|name| RunsAs { name, files: FilesAs::Root }),
    }
}

pub(super) fn arguments(
    ground: &Ground,
    inside: &Inside,
    (attachments, mounted): (&[Attachment], &[Volume]),
    user: Option<RunsAs<'_>>,
) -> io::Result<Vec<OsString>> {
    let mut arguments = Vec::new();
    if let Some(loaded_by) = &inside.loaded_by {
        arguments.extend(loaded_by.arguments(&inside.program));
    }
    arguments.extend_from_slice(&ground.agent.arguments);
    arguments.extend(["--listen", "stdin"].map(OsString::from));
    if ground.landlock != Landlock::None {
        arguments.push("--landlock".into());
    }
    if let Some(RunsAs { name, files }) = user {
        arguments.extend(["--user", name].map(OsString::from));
        if files == FilesAs::User {
            arguments.push("--files-as-user".into());
        }
    }
    if let Some(LoadedBy(loader)) = &inside.loaded_by {
        arguments.extend(["--program".into(), inside.program.clone().into_os_string()]);
        arguments.extend(["--loader".into(), loader.clone().into_os_string()]);
        arguments.extend(["--libraries", root::LIBRARIES].map(OsString::from));
    }
    if !ground.namespaces.can_mount() {
        if !attachments.is_empty() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, NO_MOUNTS));
        }
        arguments.extend(["--no-drives", NO_MOUNTS].map(OsString::from));
        return Ok(arguments);
    }
    arguments.extend(["--drives".into(), inside.drives.clone().into_os_string()]);
    if !attachments.is_empty() {
        arguments.extend(["--volumes".into(), inside.volumes.clone().into_os_string()]);
    }
    for (number, Attachment { path, what }) in attachments.iter().enumerate() {
        let on_disk = scratch_name(number)?;
        let (flag, which) = match what {
            Attached::Scratch { .. } if mounted.iter().any(|it| it.name == on_disk) => {
                ("--volume", on_disk.to_string())
            }
            Attached::Volume { name, access: Access::ReadWrite } => ("--volume", name.to_string()),
            Attached::Volume { name, access: Access::ReadOnly } => ("--volume-read-only", name.to_string()),
            Attached::Scratch { megabytes } => ("--scratch", megabytes.to_string()),
        };
        arguments.extend([flag.into(), format!("{which}={path}").into()]);
    }
    Ok(arguments)
}

/// A clean environment: nothing of the host's own gets in but where programs are and the language.
pub(super) fn environment(inside: &Inside, birth: &Birth) -> io::Result<Vec<(OsString, OsString)>> {
    let of_the_host = |name, otherwise: &str| std::env::var_os(name).unwrap_or_else(|| otherwise.into());
    let usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    // Where the host's programs are that its user has installed is nothing that another root has.
    let images: &[(String, String)] = match &birth.base {
        Base::Image { environment, .. } => environment,
        Base::Machine => &[],
    };
    let usual = images.iter().find(|(name, _)| name == "PATH").map_or(usual, |(_, path)| path);
    let path = match &inside.root {
        // The agent's program is a command inside as well.
        Some(_) => format!("{usual}:{}", root::programs().display()).into(),
        None => of_the_host("PATH", usual),
    };
    let mut all = BTreeMap::from([
        (OsString::from("LANG"), of_the_host("LANG", "C.UTF-8")),
        ("PATH".into(), path),
        ("SHELL".into(), inside.shell.into()),
        ("WORKDIR".into(), inside.files.clone().into()),
    ]);
    // Only inside it shows where the home is of whoever an image names.
    if user(birth).is_none() {
        all.insert("HOME".into(), inside.home.clone().into());
    }
    for (name, value) in images.iter().filter(|(name, _)| name != "PATH") {
        all.insert(name.into(), value.into());
    }
    if inside.root.is_some() {
        let has_authority = birth.ground.egress.authority().is_some();
        all.extend(proxied::variables(&birth.network, has_authority));
    }
    for (name, value) in &birth.environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            let what = format!("{name:?} cannot be the name of an environment variable");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        all.insert(name.into(), value.into());
    }
    all.insert(Mark::NAME.into(), birth.mark.0.clone().into());
    Ok(all.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(text: &str) -> Vec<(String, String)> {
        text.split_whitespace()
            .filter_map(|one| one.split_once('='))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn commands_run_as_the_images_user_unless_it_says_no_and_files_are_reached_so_where_it_says_yes() {
        let said = |named: Option<&'static str>, own: &str, images: &str| {
            let (own, images) = (variables(own), variables(images));
            runs_as(named, &own, &images).map(|RunsAs { name, files }| (name.to_owned(), files))
        };
        let (root, user) = (
            |name: &str| Some((name.to_owned(), FilesAs::Root)),
            |name: &str| Some((name.to_owned(), FilesAs::User)),
        );
        assert_eq!(said(Some("node"), "", ""), root("node"));
        assert_eq!(said(None, "", ""), None);
        assert_eq!(said(Some("node"), "", "BL_SANDBOX_USER=app"), root("node"));
        assert_eq!(said(Some("node"), "", "BL_SANDBOX_USER_ENABLED=true"), user("node"));
        assert_eq!(said(Some("node"), "BL_SANDBOX_USER_ENABLED=1", ""), user("node"));
        assert_eq!(said(Some("node"), "BL_SANDBOX_USER_ENABLED=false", ""), None);
        assert_eq!(said(Some("node"), "BL_SANDBOX_USER_ENABLED=false", "BL_SANDBOX_USER_ENABLED=true"), None);
        assert_eq!(said(Some("node"), "", "BL_SANDBOX_API_ISOLATION=true"), user("node"));
        assert_eq!(said(Some("node"), "", "BL_SANDBOX_USER_ENABLED=true BL_SANDBOX_USER=app"), user("app"));
        assert_eq!(said(None, "", "BL_SANDBOX_USER_ENABLED=true"), None);
    }
}

//! What the agent is told on its command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use reveille_wire::{DriveMount, DriveName, MountPath};

use crate::domain::Confinement;
use crate::files::Rights;
use crate::user::User;

/// How to use it, for whoever starts it by hand.
pub(crate) const USAGE: &str = "\
usage: agent --listen stdin|ADDRESS:PORT [--drives DIR | --no-drives REASON] [--program PATH]
  --listen stdin         take the listening unix socket that is standard input
  --listen 127.0.0.1:0   listen on loopback; port 0 picks one and prints it
  --drives DIR           where drives are kept, one directory each
  --no-drives REASON     refuse to mount, for this reason
  --volumes DIR          where volumes are kept, one directory each
  --volume NAME=PATH     mount one of them before anything runs
  --volume-read-only NAME=PATH
                         the same, and nothing in the sandbox can write to it
  --scratch MB=PATH      mount an empty place of so many megabytes
  --landlock             keep what is started in a Landlock domain
  --user NAME            run commands as this user, given as in an image: name or number, with :group or without
  --files-as-user        reach files with that user's rights, and not with the agent's
  --keep-output BYTES    how much of each stream of a process is kept (default: 67108864)
  --program PATH         what an upgrade executes (default: the running program)
  --loader PATH          what loads that program, where the sandbox has nothing that would
  --libraries DIR        what it is linked to then";

const WITH_VALUE: [&str; 12] = [
    "--listen",
    "--drives",
    "--no-drives",
    "--volumes",
    "--volume",
    "--volume-read-only",
    "--scratch",
    "--user",
    "--keep-output",
    "--program",
    "--loader",
    "--libraries",
];

/// How much of each stream of a process is kept when nothing was said, in bytes.
const OUTPUT_KEPT: u64 = 64 << 20;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) listen: Listen,
    pub(crate) drives: Drives,
    /// Where the volumes are kept, one directory each.
    pub(crate) volumes: PathBuf,
    /// What is mounted before anything runs, in this order.
    pub(crate) attached: Vec<Attached>,
    /// What keeps what is started in.
    pub(crate) confinement: Confinement,
    /// Who commands run as, where that is not who the agent is.
    pub(crate) user: Option<User>,
    /// With whose rights the file API reaches files, where there is such a user.
    pub(crate) rights: Rights,
    /// How much of each stream of a process is kept, in bytes.
    pub(crate) output_kept: u64,
    /// What an upgrade executes.
    pub(crate) program: PathBuf,
    /// What loads it, where it needs something for that.
    pub(crate) loader: Option<Loader>,
    pub(crate) start: Start,
    /// All that was given but [`Start`], to be handed on to the next program of an upgrade.
    pub(crate) given: Vec<OsString>,
}

/// What loads a program where the sandbox's own root has nothing that would: a dynamic loader, and the directory of the
/// libraries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loader {
    program: PathBuf,
    libraries: PathBuf,
}

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// From a listening unix socket that is standard input.
    Stdin,
    /// From a TCP address on loopback.
    Loopback(SocketAddr),
}

/// Whether drives can be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Drives {
    /// They are kept in this directory.
    In(PathBuf),
    /// They cannot, for this reason.
    Refused(String),
}

/// Something that is mounted before anything runs, and stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// A volume.
    Volume(DriveMount),
    /// An empty place, gone with the sandbox's processes.
    Scratch { megabytes: u64, path: MountPath },
}

/// What the agent begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With nothing.
    Fresh,
    /// With what the program before it in the same process left: standard input is the hand-over.
    Resumed,
    /// Not at all: it says which hand-over it understands, and ends.
    Check,
}

impl Arguments {
    /// Reads the command line, without the program's own name.
    ///
    /// # Errors
    /// A sentence about the first thing that cannot be understood.
    pub(crate) fn parse(given: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut listen = None;
        let mut drives = Drives::Refused("this agent was started without drives".to_owned());
        let mut volumes = PathBuf::new();
        let mut attached = Vec::new();
        let mut confinement = Confinement::None;
        let mut user = None;
        let mut rights = Rights::Agents;
        let mut output_kept = OUTPUT_KEPT;
        let mut program = None;
        let mut loader = None;
        let mut libraries = PathBuf::new();
        let mut start = Start::Fresh;
        let mut kept = Vec::new();
        let mut words = given.into_iter();
        while let Some(flag) = words.next() {
            match flag.to_str() {
                Some("--resume") => start = Start::Resumed,
                Some("--check") => start = Start::Check,
                Some("--landlock") => {
                    confinement = Confinement::Landlock;
                    kept.push(flag);
                }
                Some("--files-as-user") => {
                    rights = Rights::Users;
                    kept.push(flag);
                }
                Some(name) if WITH_VALUE.contains(&name) => {
                    let value = words.next().ok_or_else(|| format!("{name} wants a value"))?;
                    match name {
                        "--listen" => listen = Some(Listen::parse(&value.to_string_lossy())?),
                        "--drives" => drives = Drives::In(PathBuf::from(&value)),
                        "--no-drives" => drives = Drives::Refused(value.to_string_lossy().into_owned()),
                        "--volumes" => volumes = PathBuf::from(&value),
                        "--volume" => attached.push(volume(&value.to_string_lossy(), Access::ReadWrite)?),
                        "--volume-read-only" => {
                            attached.push(volume(&value.to_string_lossy(), Access::ReadOnly)?);
                        }
                        "--scratch" => attached.push(scratch(&value.to_string_lossy())?),
                        "--user" => user = Some(User::named(&value.to_string_lossy())),
                        "--keep-output" => output_kept = bytes(&value.to_string_lossy())?,
                        "--loader" => loader = Some(PathBuf::from(&value)),
                        "--libraries" => libraries = PathBuf::from(&value),
                        _ => program = Some(PathBuf::from(&value)),
                    }
                    kept.extend([flag, value]);
                }
                _ => return Err(format!("{} is not known", flag.to_string_lossy())),
            }
        }
        let listen = listen.ok_or("--listen is missing")?;
        let running = || std::env::current_exe().map_err(|error| format!("--program is missing: {error}"));
        let program = program.map_or_else(running, Ok)?;
        let loader = loader.map(|program| Loader { program, libraries });
        Ok(Self {
            listen,
            drives,
            volumes,
            attached,
            confinement,
            user,
            rights,
            output_kept,
            program,
            loader,
            start,
            given: kept,
        })
    }

    /// The next program of an upgrade, with what was given to this one.
    pub(crate) fn next_program(&self) -> Command {
        let mut command = match &self.loader {
            None => Command::new(&self.program),
            Some(Loader { program, libraries }) => {
                let mut command = Command::new(program);
                command.arg("--library-path").arg(libraries).arg(&self.program);
                command
            }
        };
        command.arg("agent").args(&self.given);
        command
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    ReadOnly,
    ReadWrite,
}

fn volume(value: &str, access: Access) -> Result<Attached, String> {
    let (name, path) = named(value)?;
    let name = DriveName::new(name).map_err(|error| error.to_string())?;
    let mut mount = DriveMount::new(name.as_str(), path.as_str());
    mount.read_only = access == Access::ReadOnly;
    Ok(Attached::Volume(mount))
}

fn scratch(value: &str) -> Result<Attached, String> {
    let (megabytes, path) = named(value)?;
    let megabytes = megabytes.parse().map_err(|_| format!("{megabytes:?} is no number of megabytes"))?;
    Ok(Attached::Scratch { megabytes, path })
}

fn named(value: &str) -> Result<(&str, MountPath), String> {
    let (name, path) = value.split_once('=').ok_or_else(|| format!("{value:?} has no ="))?;
    Ok((name, MountPath::new(path).map_err(|error| error.to_string())?))
}

fn bytes(value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| format!("{value:?} is no number of bytes"))
}

impl Listen {
    fn parse(value: &str) -> Result<Self, String> {
        if value == "stdin" {
            return Ok(Self::Stdin);
        }
        let address: SocketAddr =
            value.parse().map_err(|_| format!("{value:?} is neither `stdin` nor an address with a port"))?;
        if !address.ip().is_loopback() {
            return Err(format!("{value} is not on loopback; the agent checks no credentials"));
        }
        Ok(Self::Loopback(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn an_address_that_is_not_on_loopback_is_refused() {
        for bad in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80"] {
            assert!(parse(&["--listen", bad]).unwrap_err().contains("not on loopback"), "{bad}");
        }
        assert!(parse(&["--listen", "[::1]:0"]).is_ok());
    }

    #[test]
    fn what_is_handed_on_to_the_next_program_leaves_out_how_this_one_began() {
        let read = parse(&["--listen", "stdin", "--resume", "--landlock", "--drives", "/d"]).unwrap();
        assert_eq!(read.start, Start::Resumed);
        assert_eq!(read.given, ["--listen", "stdin", "--landlock", "--drives", "/d"]);
    }

    #[test]
    fn mounting_is_refused_unless_there_are_drives() {
        let read = parse(&["--listen", "stdin"]).unwrap();
        assert_eq!(read.drives, Drives::Refused("this agent was started without drives".to_owned()));
    }

    #[test]
    fn what_is_attached_is_read_in_the_order_in_which_it_is_given() {
        let read =
            parse(&["--listen", "stdin", "--volume-read-only", "v=/mnt/a=b/", "--scratch", "64=/s"]).unwrap();
        let mut volume = DriveMount::new("v", "/mnt/a=b");
        volume.read_only = true;
        let scratch = Attached::Scratch { megabytes: 64, path: MountPath::new("/s").unwrap() };
        assert_eq!(read.attached, [Attached::Volume(volume), scratch]);
        for bad in ["v", "../v=/mnt", "v=/", "v=/a/../b", "=/mnt"] {
            assert!(parse(&["--listen", "stdin", "--volume", bad]).is_err(), "{bad}");
        }
        assert!(parse(&["--listen", "stdin", "--scratch", "-1=/s"]).is_err());
    }

    #[test]
    fn a_command_line_that_is_not_understood_says_where() {
        assert_eq!(parse(&[]).unwrap_err(), "--listen is missing");
        assert_eq!(parse(&["--listen"]).unwrap_err(), "--listen wants a value");
        assert!(parse(&["--keep-output", "much"]).unwrap_err().contains("no number of bytes"));
        assert_eq!(parse(&["--bogus"]).unwrap_err(), "--bogus is not known");
    }
}

//! How a command becomes a process.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use nix::unistd::Pid;
use rustix::fs::MemfdFlags;

use super::expendable::make_expendable;
use super::log::Source;
use super::orders::Orders;
use crate::domain::Domain;
use crate::user::User;
use crate::workplace::Workplace;

/// The longest argument that the kernel takes, in bytes, with the zero at its end (`MAX_ARG_STRLEN`).
const LONGEST_ARGUMENT: usize = 128 << 10;
/// The number under which a shell finds a longer command.
const SCRIPT: i32 = 3;

/// The shell that runs commands: `$SHELL`, with `$SHELL_ARGS` or `-c` before the command.
#[derive(Debug)]
pub(crate) struct Shell {
    program: OsString,
    arguments: Vec<String>,
    domain: Domain,
    user: Option<User>,
    workplace: Workplace,
}

/// A process that has just been started.
#[derive(Debug)]
pub(crate) struct Started {
    /// Its number, which is its group's too.
    pub(crate) pid: Pid,
    /// Where its output comes from.
    pub(crate) output: Vec<(Source, OwnedFd)>,
    /// Where its input goes, if it was to have any.
    pub(crate) input: Option<OwnedFd>,
}

impl Shell {
    /// The shell that the environment names, in this domain, for this user.
    pub(crate) fn from_env(domain: Domain, user: Option<User>) -> Self {
        let arguments = std::env::var("SHELL_ARGS").unwrap_or_default();
        let mut arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        if arguments.is_empty() {
            arguments.push("-c".to_owned());
        }
        let program = named_shell().unwrap_or_else(|| "/bin/sh".into());
        Self { program, arguments, domain, user, workplace: Workplace::here() }
    }

    /// Who what it starts runs as.
    pub(crate) fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// From where it is started.
    pub(crate) fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Where `folder` is for what it starts; nothing where that begins there without being told.
    pub(crate) fn folder(&self, folder: &str) -> Option<PathBuf> {
        self.workplace.folder(folder)
    }

    /// Whether a process can begin in `folder`.
    pub(crate) fn is_folder(&self, folder: &str) -> bool {
        self.folder(folder).is_none_or(|folder| folder.is_dir())
    }

    /// Starts what was ordered, in a process group of its own.
    ///
    /// It blocks for about a millisecond. Whoever calls it keeps the reaper away until the process is known:
    /// otherwise its end could be taken for somebody else's.
    pub(crate) fn start(&self, orders: &Orders) -> io::Result<Started> {
        let mut command = Command::new(&self.program);
        let identity = self.user.as_ref().map(User::identify).transpose()?;
        if let Some(identity) = &identity {
            command.uid(identity.user);
            command.envs(identity.variables());
        }
        command.args(&self.arguments).envs(&orders.env);
        if orders.command.len() < LONGEST_ARGUMENT {
            command.arg(&orders.command);
        } else {
            let mapping = FdMapping { parent_fd: script(&orders.command)?, child_fd: SCRIPT };
            command.arg(format!(". /proc/self/fd/{SCRIPT}"));
            command.fd_mappings(vec![mapping]).map_err(io::Error::other)?;
        }
        command.stdin(if orders.stdin { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        if let Some(folder) = self.folder(&orders.working_dir) {
            command.current_dir(folder);
        }
        let mut child = self.domain.start(move || match identity {
            Some(identity) => identity.in_groups(|| command.spawn()),
            None => command.spawn(),
        })?;
        let pid = child.id().cast_signed();
        make_expendable(pid);
        let mut output = Vec::with_capacity(2);
        output.extend(child.stdout.take().map(|pipe| (Source::Stdout, OwnedFd::from(pipe))));
        output.extend(child.stderr.take().map(|pipe| (Source::Stderr, OwnedFd::from(pipe))));
        let input = child.stdin.take().map(OwnedFd::from);
        Ok(Started { pid: Pid::from_raw(pid), output, input })
    }
}

/// A script that does what `command` does, as a file without a name.
///
/// Its own first step is to close the descriptor that it came by: the shell has opened it anew, and what it starts
/// is to find nothing there. That step stands on the first line, so that the numbers of lines stay.
fn script(command: &str) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("command", MemfdFlags::CLOEXEC)?);
    write!(file, "exec {SCRIPT}<&-; {command}")?;
    Ok(file.into())
}

/// The shell that the environment names, if it does.
pub(crate) fn named_shell() -> Option<OsString> {
    std::env::var_os("SHELL").filter(|shell| !shell.is_empty())
}

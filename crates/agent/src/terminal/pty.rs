//! Pseudoterminals.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use pty_process::blocking::{Command, Pts};
use rustix::fs::{OFlags, Uid, fchown, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::net::unix::pipe;

use crate::domain::Domain;
use crate::process::make_expendable;
use crate::user::User;

/// The size of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) cols: u16,
    pub(super) rows: u16,
}

impl Size {
    /// What a terminal has that does not say: 80 to 24.
    const USUAL: Self = Self { cols: 80, rows: 24 };

    /// A size that programs can live with: nothing counts as not said.
    pub(super) fn new(cols: u16, rows: u16) -> Self {
        let or = |given: u16, usual| if given == 0 { usual } else { given };
        Self { cols: or(cols, Self::USUAL.cols), rows: or(rows, Self::USUAL.rows) }
    }
}

/// What runs at a terminal.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
    /// Where it begins; the agent's own directory where there is none.
    pub(super) directory: Option<PathBuf>,
    /// From where it is started.
    pub(super) domain: Domain,
    /// Who it runs as, where that is not who the agent is.
    pub(super) user: Option<User>,
}

/// A shell that has just been started.
#[derive(Debug)]
pub(super) struct Started {
    /// The end of its pseudoterminal that is not its own.
    pub(super) master: OwnedFd,
    pub(super) pid: i32,
}

/// What became of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Some,
    End,
}

/// The end of a pseudoterminal that is not the shell's.
///
/// tokio knows pipes and no terminals, and what it asks of a pipe holds of a terminal as well.
#[derive(Debug)]
pub(super) struct Master {
    from_shell: pipe::Receiver,
    to_shell: pipe::Sender,
}

impl Master {
    /// Starts `shell` at a new pseudoterminal, as the leader of a session of its own. It blocks for about a
    /// millisecond.
    pub(super) fn start(shell: &Shell, size: Size) -> io::Result<Started> {
        let (pty, pts) = pty_process::blocking::open().map_err(io::Error::other)?;
        set_size(pty.as_fd(), size)?;
        let pid = spawn(shell, pts)?;
        Ok(Started { master: pty.into(), pid })
    }

    /// Takes up the end of a pseudoterminal. It needs a tokio runtime.
    pub(super) fn new(file: OwnedFd) -> io::Result<Self> {
        fcntl_setfl(&file, fcntl_getfl(&file)? | OFlags::NONBLOCK)?;
        let to_shell = pipe::Sender::from_owned_fd_unchecked(file.try_clone()?)?;
        Ok(Self { from_shell: pipe::Receiver::from_owned_fd_unchecked(file)?, to_shell })
    }

    pub(super) fn resize(&self, size: Size) -> io::Result<()> {
        set_size(self.from_shell.as_fd(), size)
    }

    /// Reads what the shell wrote, as soon as there is something, and has it kept before anybody who holds `still`
    /// for writing goes on. Ends when nobody can write any more.
    pub(super) async fn read(
        &self,
        buffer: &mut [u8],
        still: &RwLock<()>,
        keep: impl Fn(&[u8]),
    ) -> io::Result<Read> {
        loop {
            self.from_shell.readable().await?;
            let _still = still.read().unwrap_or_else(PoisonError::into_inner);
            match self.from_shell.try_read(buffer) {
                Ok(0) => return Ok(Read::End),
                Ok(read) => {
                    keep(&buffer[..read]);
                    return Ok(Read::Some);
                }
                // What Linux says when the last program has closed its end.
                Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(Read::End),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Types `bytes`, and has what was typed counted before anybody who holds `still` for writing goes on.
    pub(super) async fn write_all(
        &self,
        mut bytes: &[u8],
        still: &RwLock<()>,
        count: impl Fn(usize),
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            self.to_shell.writable().await?;
            let _still = still.read().unwrap_or_else(PoisonError::into_inner);
            match self.to_shell.try_write(bytes) {
                Err(error) if is_passing(&error) => {}
                written => {
                    let written = written?;
                    count(written);
                    bytes = bytes.get(written..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }

    /// A further descriptor of it, for the next program of an upgrade.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.from_shell.as_fd().try_clone_to_owned()
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn spawn(shell: &Shell, pts: Pts) -> io::Result<i32> {
    let mut command = Command::new(&shell.program).args(&shell.arguments).env("TERM", "xterm-256color");
    if let Some(directory) = &shell.directory {
        command = command.current_dir(directory);
    }
    let identity = shell.user.as_ref().map(User::identify).transpose()?;
    if let Some(identity) = &identity {
        // Programs open their terminal by its name, too.
        fchown(&pts, Some(Uid::from_raw(identity.user)), None)?;
        command = command.uid(identity.user);
        command = command.envs(identity.variables());
    }
    let start = move || {
        command.spawn(pts).map_err(|error| match error {
            pty_process::Error::Io(error) => error,
            other => io::Error::other(other),
        })
    };
    let child = shell.domain.start(move || match identity {
        Some(identity) => identity.in_groups(start),
        None => start(),
    })?;
    // The agent reaps it with all the others.
    let pid = child.id().cast_signed();
    make_expendable(pid);
    Ok(pid)
}

fn set_size(terminal: BorrowedFd<'_>, size: Size) -> io::Result<()> {
    Ok(tcsetwinsize(terminal, Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 })?)
}

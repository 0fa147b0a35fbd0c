//! A host that goes on after the command that started it.
//!
//! The command starts itself again, lets it speak to the same terminal until it listens, and then leaves. What is
//! started takes the write end of a pipe for its stdin: a byte in it says that the host listens, its end without one
//! says that there will be none.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program;
use crate::report::{Exit, Failure};

/// Set for the process that is to be the host.
const MARK: &str = "REVEILLE_HOST_IN_BACKGROUND";

/// Whether this process is the one that is to go on.
pub(super) fn is_here() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Starts this command once more, in the background, and waits until it listens.
pub(super) fn start() -> Result<Exit, Failure> {
    let failed = |error: io::Error| Failure::io("the host cannot be started in the background", &error);
    let (mut ready, told) = io::pipe().map_err(failed)?;
    let mut command = Command::new(program::path()?);
    command.args(std::env::args_os().skip(1)).env(MARK, "1").stdin(Stdio::from(told));
    let mut child = command.spawn().map_err(failed)?;
    // It holds the write end of the pipe, which must have no other holder.
    drop(command);
    let mut byte = [0];
    if ready.read(&mut byte).map_err(failed)? == 1 {
        return Ok(Exit::Done);
    }
    // It has said why by itself.
    let status = child.wait().map_err(failed)?;
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) if code != 0 => Ok(Exit::Command(code)),
        _ => Err(Failure::new("the host ended before it listened")),
    }
}

/// This process, on its way into the background.
#[derive(Debug)]
pub(super) struct Background {
    log: PathBuf,
    file: File,
}

impl Background {
    /// Leaves the terminal's session, so that its end is not this process's.
    pub(super) fn enter(data: &Path) -> Result<Self, Failure> {
        let mut log = data.as_os_str().to_owned();
        log.push(".log");
        let log = PathBuf::from(log);
        let failed = |error: io::Error| Failure::io(log.display(), &error);
        if let Some(directory) = log.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        let file = File::options().append(true).create(true).mode(0o600).open(&log).map_err(failed)?;
        // It fails where this process leads a session already, which is what is wanted.
        let _ = rustix::process::setsid();
        Ok(Self { log, file })
    }

    /// Where everything is said from now on.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Says that the host listens, and lets go of the terminal.
    pub(super) fn settle(self) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::io(self.log.display(), &error);
        let nothing = File::open("/dev/null").map_err(failed)?;
        let mut ready = File::from(rustix::io::dup(rustix::stdio::stdin()).map_err(|no| failed(no.into()))?);
        rustix::stdio::dup2_stdin(&nothing).map_err(|no| failed(no.into()))?;
        rustix::stdio::dup2_stdout(&self.file).map_err(|no| failed(no.into()))?;
        rustix::stdio::dup2_stderr(&self.file).map_err(|no| failed(no.into()))?;
        // Whoever started it may have gone; it goes on all the same.
        let _ = ready.write_all(b".");
        Ok(())
    }
}

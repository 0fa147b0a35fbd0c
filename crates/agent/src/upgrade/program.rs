//! Whether a program is fit to go on in place of this one.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::FORMAT;
use crate::arguments::Arguments;
use crate::process::Processes;

/// How long a program may take to say that it is fit.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const ANSWER: u64 = 1024;

/// Runs the next program with `--check`, which makes it say which hand-over it understands.
///
/// # Errors
/// A sentence: it is missing, cannot be executed, or understands another hand-over than this one.
pub(crate) async fn check(processes: &Processes, arguments: &Arguments) -> Result<(), String> {
    let program = &arguments.program;
    let name = program.display();
    let file = std::fs::metadata(program).map_err(|error| format!("{name} cannot be used: {error}"))?;
    if !file.is_file() || file.permissions().mode() & 0o111 == 0 {
        return Err(format!("{name} cannot be used: it is no program"));
    }
    let mut command = Command::new(program);
    command.arg("agent").args(&arguments.given).arg("--check");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let pipe =
        processes.start_unlisted(command).await.map_err(|error| format!("{name} cannot be run: {error}"))?;
    let mut said = String::new();
    let read = async { pipe.take(ANSWER).read_to_string(&mut said).await };
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(Ok(_)) if said.trim_end() == FORMAT => Ok(()),
        Ok(Ok(_)) => Err(format!("{name} cannot take over from this agent: it does not say {FORMAT:?}")),
        Ok(Err(error)) => Err(unanswered(&name, &error)),
        Err(_) => Err(unanswered(&name, &io::Error::from(io::ErrorKind::TimedOut))),
    }
}

fn unanswered(name: &dyn std::fmt::Display, error: &io::Error) -> String {
    format!("{name} did not say whether it can take over: {error}")
}

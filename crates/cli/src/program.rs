//! This program, as it starts itself again inside a sandbox.

use std::path::PathBuf;

use reveille_host::AgentCommand;

use crate::report::Failure;

/// Where this program is.
///
/// # Errors
/// When the system does not say.
pub(crate) fn path() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| Failure::io("this program cannot find itself", &error))
}

/// The command that starts an agent.
///
/// # Errors
/// When this program cannot find itself.
pub(crate) fn agent() -> Result<AgentCommand, Failure> {
    Ok(AgentCommand { program: path()?, arguments: vec!["agent".into()] })
}

/// The shell command that starts this program's own HTTP server inside a sandbox: it is where it is outside or, with a
/// root of the sandbox's own, among the commands there. Port 0 takes a free one.
///
/// # Errors
/// When this program cannot find itself.
pub(crate) fn witness(port: u16) -> Result<String, Failure> {
    let program = path()?;
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let path = quoted(&program.to_string_lossy());
    let name = quoted(&program.file_name().unwrap_or_default().to_string_lossy());
    Ok(format!("[ -x {path} ] && exec {path} witness --port {port}; exec {name} witness --port {port}"))
}

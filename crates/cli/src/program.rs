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

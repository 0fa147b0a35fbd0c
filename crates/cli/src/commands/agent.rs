use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

/// The server inside a sandbox; the host starts it
#[derive(Debug, Args)]
#[command(hide = true, disable_help_flag = true)]
pub(crate) struct Agent {
    /// What the agent itself reads
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<OsString>,
}

pub(crate) fn run(agent: Agent) -> ExitCode {
    reveille_agent::main(agent.flags)
}

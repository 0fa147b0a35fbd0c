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

#[cfg(target_os = "linux")]
pub(crate) fn run(agent: Agent) -> ExitCode {
    reveille_agent::main(agent.flags)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_agent: Agent) -> ExitCode {
    use std::io::Write;
    // Where stderr is gone, the exit code still says it.
    let _ = writeln!(anstream::stderr(), "error: {}", super::LINUX_ONLY);
    crate::exit::Exit::Failed.into()
}

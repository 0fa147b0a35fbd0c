use clap::Args;

use crate::output::Screen;
use crate::report::{Exit, Failure};

/// See it: a sandbox sleeps and wakes on this machine, every claim checked
///
/// Starts a host on a free port in a temporary directory, a sandbox, and an HTTP server in it. Each call is then
/// made while the sandbox sleeps, at a gateway that refuses everything for the first 300 ms of the waking.
/// Nothing is left behind.
#[derive(Debug, Args)]
pub(crate) struct Try {}

#[cfg(target_os = "linux")]
pub(crate) fn run(screen: &Screen, _asked: &Try) -> Result<Exit, Failure> {
    crate::claims::run(screen)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_screen: &Screen, _asked: &Try) -> Result<Exit, Failure> {
    Err(Failure::new(super::LINUX_ONLY))
}

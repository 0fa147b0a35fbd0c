//! How a command runs: on a runtime of its own, until it ends or somebody wants it to.

use std::future::Future;

use crate::interrupt::asked_to_end;
use crate::report::{Exit, Failure};

/// Runs a command that sees to Ctrl-C by itself, or has nothing to clear away.
pub(crate) fn run_to_end(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io("this machine gives no runtime", &error))?;
    let ended = runtime.block_on(command);
    // A read of stdin that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    ended
}

/// Runs a command that is dropped on Ctrl-C, with all that it has half done.
pub(crate) fn interruptible(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    run_to_end(async {
        let asked = asked_to_end()?;
        tokio::select! {
            ended = command => ended,
            () = asked => Ok(Exit::Interrupted),
        }
    })
}

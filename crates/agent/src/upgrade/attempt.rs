//! One attempt at an upgrade.

use std::convert::Infallible;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::sync::PoisonError;

use super::{handover, program};
use crate::agent::Agent;
use crate::arguments::Arguments;
use crate::listener::Listener;
use crate::privilege;

/// Ends when an upgrade was asked for and the next program is fit for it. Until then everything is served.
pub(crate) async fn ready(agent: &Agent, arguments: &Arguments) {
    let upgrades = agent.upgrades();
    loop {
        upgrades.asked.notified().await;
        upgrades.step("checking the program");
        match program::check(agent.processes(), arguments, &upgrades.told().latest.version).await {
            Ok(()) => return,
            Err(error) => upgrades.failed(error),
        }
    }
}

/// Executes the next program in place of this one. It returns only when that fails, and this one goes on.
pub(crate) async fn begin(agent: &Agent, arguments: &Arguments, listener: &Listener) {
    agent.upgrades().step("handing over");
    let mounts = agent.drives().mounted().await;
    // Nothing is started from here on, and below nothing is read: what is on its way waits in the kernel.
    let births = agent.processes().births().await;
    let Err(error) = {
        let _still = agent.processes().still().write().unwrap_or_else(PoisonError::into_inner);
        handover::prepare(agent, mounts, listener).and_then(|()| execute(arguments))
    };
    drop(births);
    agent.upgrades().failed(error);
}

fn execute(arguments: &Arguments) -> Result<Infallible, String> {
    let program = &arguments.program;
    privilege::hand_on().map_err(|error| format!("the right to mount cannot be handed on: {error}"))?;
    let error = arguments.next_program().arg("--resume").exec();
    if let Err(error) = privilege::keep() {
        tracing::warn!(%error, "what this agent starts can mount drives, too");
    }
    if let Ok(null) = File::open("/dev/null") {
        // The hand-over was not taken; nobody is to read it from there.
        let _left = nix::unistd::dup2_stdin(null);
    }
    Err(format!("{} could not be executed: {error}", program.display()))
}

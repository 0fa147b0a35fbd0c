//! What a shell is told when somebody presses the tab key: commands, flags, and the names of the sandboxes there are.

use std::ffi::OsStr;
use std::time::Duration;

use clap::{Command, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use reveille::Client;

use crate::arguments::Arguments;

/// The variable with which a shell asks.
pub(crate) const ASKED: &str = "REVEILLE_COMPLETE";
/// The arguments that name a sandbox that is there.
const NAMES: [&str; 3] = ["sandbox", "name", "names"];
/// Those of these commands name one that is not.
const NEW: [&str; 2] = ["create", "run"];
/// How long somebody who has pressed a key is let wait.
const PATIENCE: Duration = Duration::from_millis(800);

/// Answers a shell, where one asks, and ends this process then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(|| with_names(Arguments::command())).var(ASKED).complete();
}

/// Adds the names of sandboxes to wherever one is wanted.
fn with_names(command: Command) -> Command {
    let command = command.mut_subcommands(with_names);
    if NEW.contains(&command.get_name()) {
        return command;
    }
    command.mut_args(|argument| match NAMES.contains(&argument.get_id().as_str()) {
        true => argument.add(ArgValueCompleter::new(sandboxes)),
        false => argument,
    })
}

/// The sandboxes whose names begin like this. Where they cannot be had in time, there are none.
fn sandboxes(begun: &OsStr) -> Vec<CompletionCandidate> {
    let Some(begun) = begun.to_str() else { return Vec::new() };
    let client = Client::builder().retries(0).deadline(PATIENCE).build();
    let list = client.and_then(|client| client.sandboxes().list().wait());
    let names =
        list.map(|list| list.data).unwrap_or_default().into_iter().map(|sandbox| sandbox.metadata.name);
    // A name becomes part of a command line.
    let plain = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    names.filter(|name| name.starts_with(begun)).filter(plain).map(CompletionCandidate::new).collect()
}

//! What a shell is told when somebody presses the tab key: commands, flags, and the names of the
//! sandboxes and processes there are.

use std::ffi::OsStr;
use std::time::Duration;

use clap::{Command, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use reveille::{Client, SandboxState};

use crate::arguments::Arguments;

/// The variable with which a shell asks.
pub(crate) const ASKED: &str = "REVEILLE_COMPLETE";
/// The arguments that name a sandbox that is there.
const NAMES: [&str; 3] = ["sandbox", "name", "names"];
/// Those of these commands name one that is not.
const NEW: [&str; 2] = ["create", "run"];
/// The argument that names a process of the sandbox before it, and the commands that have it.
const PROCESS: &str = "process";
const OF_PROCESSES: [&str; 4] = ["stop", "kill", "logs", "ports"];
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
    command.mut_args(|argument| match argument.get_id().as_str() {
        id if NAMES.contains(&id) => argument.add(ArgValueCompleter::new(sandboxes)),
        PROCESS => argument.add(ArgValueCompleter::new(processes)),
        _ => argument,
    })
}

/// The sandboxes whose names begin like this. Where they cannot be had in time, there are none.
fn sandboxes(begun: &OsStr) -> Vec<CompletionCandidate> {
    let Some(begun) = begun.to_str() else { return Vec::new() };
    let client = Client::builder().retries(0).deadline(PATIENCE).build();
    let list = client.and_then(|client| client.sandboxes().list().wait());
    let names =
        list.map(|list| list.data).unwrap_or_default().into_iter().map(|sandbox| sandbox.metadata.name);
    candidates(names, begun)
}

/// The processes of the sandbox that stands before it whose names begin like this.
fn processes(begun: &OsStr) -> Vec<CompletionCandidate> {
    let words: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(1).collect();
    let (Some(begun), Some(sandbox)) = (begun.to_str(), sandbox_before(&words)) else { return Vec::new() };
    let client = Client::builder().retries(0).deadline(PATIENCE).build();
    let list = client.and_then(|client| {
        // A key that is pressed wakes nobody.
        let is_asleep = client.sandboxes().get(sandbox).wait()?.state == Some(SandboxState::Standby);
        if is_asleep { Ok(Vec::new()) } else { client.sandbox(sandbox).processes().list().wait() }
    });
    candidates(list.unwrap_or_default().into_iter().map(|process| process.name), begun)
}

/// The word behind the command that is no flag.
fn sandbox_before(words: &[String]) -> Option<&str> {
    let mut words = words.iter().map(String::as_str).skip_while(|word| !OF_PROCESSES.contains(word)).skip(1);
    words.find(|word| !word.starts_with('-'))
}

fn candidates(names: impl Iterator<Item = String>, begun: &str) -> Vec<CompletionCandidate> {
    // A name becomes part of a command line.
    let plain = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    names.filter(|name| name.starts_with(begun)).filter(plain).map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_belongs_to_the_sandbox_before_it() {
        let before = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            sandbox_before(&words).map(str::to_owned)
        };
        assert_eq!(before("reveille logs -f box w").as_deref(), Some("box"));
        assert_eq!(before("reveille --quiet kill box ").as_deref(), Some("box"));
        assert_eq!(before("reveille logs -f"), None);
        assert_eq!(before("reveille get box"), None);
    }
}

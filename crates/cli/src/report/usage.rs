//! What is said of a command line that makes no sense.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Failure;

/// What other tools have, and what does it here.
const ELSEWHERE: [(&str, &str); 19] = [
    (
        "stop",
        "reveille sleep puts a sandbox to standby, reveille delete ends it, reveille host stop ends the host",
    ),
    ("start", "reveille wake wakes a sandbox; any request does, too"),
    ("restart", "reveille upgrade starts the agent anew; reveille delete and create the sandbox"),
    ("ps", "reveille list lists the sandboxes; reveille exec NAME ps what runs in one"),
    ("kill", "reveille delete ends a sandbox; reveille exec NAME kill PID a process in it"),
    ("pause", "reveille sleep puts a sandbox to standby"),
    ("unpause", "reveille wake wakes a sandbox; any request does, too"),
    ("resume", "reveille wake wakes a sandbox; any request does, too"),
    ("suspend", "reveille sleep puts a sandbox to standby"),
    ("inspect", "reveille get shows a sandbox in full"),
    ("curl", "reveille fetch NAME PORT PATH"),
    ("ssh", "reveille shell NAME works at a shell, reveille exec NAME COMMAND runs a command"),
    ("attach", "reveille shell NAME --session S finds a shell again, reveille logs -f follows a process"),
    ("port", "reveille ports NAME lists the ports, reveille forward NAME PORT reaches one from here"),
    ("port-forward", "reveille forward NAME LOCAL:PORT"),
    ("top", "reveille ps NAME lists its processes, reveille exec -t NAME top shows them"),
    ("new", "reveille create makes a sandbox"),
    ("serve", "reveille host runs sandboxes on this machine"),
    ("mount", "reveille drive mount"),
];

/// A failure of a command line that clap does not understand, where there is more to say than clap says.
pub(crate) fn hint(said: &clap::Error) -> Option<Failure> {
    if said.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let Some(ContextValue::String(typed)) = said.get(ContextKind::InvalidSubcommand) else { return None };
    let (name, here) = ELSEWHERE.iter().find(|(name, _)| name == typed)?;
    Some(Failure::usage(format!("there is no command {name:?}")).next(*here))
}

/// The same as one sentence, for programs.
pub(crate) fn plain(said: &clap::Error) -> Failure {
    let text = said.to_string();
    let sentence = text.split("\n\n").next().unwrap_or_default();
    let sentence = sentence.strip_prefix("error: ").unwrap_or(sentence);
    Failure::usage(sentence.split_whitespace().collect::<Vec<_>>().join(" "))
}

//! The agent answers as the platform's own server was seen to answer, and as its description says.
#![cfg(target_os = "linux")]

mod described;
mod provoked;
mod replay;
#[path = "../running/mod.rs"]
mod running;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};

use described::{Described, Description, Verdict};
use running::Running;
use serde_json::Value;

/// What one run of all recorded requests showed.
#[derive(Debug, Default)]
struct Run {
    /// Where an answer differs from the recorded one.
    differences: Vec<String>,
    /// Where an answer is not as it is described.
    misfits: Vec<String>,
    /// The described answers that were seen.
    seen: BTreeSet<Described>,
    /// Whether drives could be mounted here.
    drives: bool,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let agent = Running::start(&[]);
    let server = replay::Server::new(&format!("http://{}", agent.host), &[]);
    let description = Description::read();
    let run = Mutex::new(Run::default());
    let watcher = |step: &Value, seen: &Value| {
        let Some(line) = step["do"].as_str() else { return };
        match description.judge(line, seen) {
            Verdict::Elsewhere => {}
            Verdict::Fits(described) => drop(run.lock().expect("no panic").seen.insert(described)),
            Verdict::Differs(why) => run.lock().expect("no panic").misfits.push(why),
        }
    };
    let differences = replay::problems(&server, &watcher);
    let root = tempfile::tempdir().expect("a directory");
    let root = root.path().to_str().expect("a path of text");
    provoked::put(&server, root, &watcher);
    let with_drives = with_drives(&format!("{root}/drives"));
    if let Some(agent) = &with_drives {
        provoked::put_drives(&replay::Server::new(&format!("http://{}", agent.host), &[]), root, &watcher);
    }
    Run { differences, drives: with_drives.is_some(), ..run.into_inner().expect("no panic") }
});

/// An agent in a mount namespace of its own, where the system allows one.
fn with_drives(drives: &str) -> Option<Running> {
    let allowed = Command::new("unshare").args(["-Urm", "true"]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this system allows no user and mount namespaces, or has no `unshare`");
        return None;
    }
    std::fs::create_dir(drives).expect("a directory");
    let mut command = Command::new("unshare");
    command.args(["-Urm", env!("CARGO_BIN_EXE_reveille-agent"), "agent", "--listen", "127.0.0.1:0"]);
    command.args(["--drives", drives]);
    Some(Running::started(command))
}

#[test]
fn recorded_exchanges_are_answered_as_recorded() {
    let problems = &RUN.differences;
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn every_answer_is_as_the_description_says() {
    assert!(RUN.misfits.is_empty(), "{} misfits\n{}", RUN.misfits.len(), RUN.misfits.join("\n"));
}

#[test]
fn every_described_answer_is_provoked_or_named_here() {
    let described = Description::read().all();
    let missing: BTreeSet<String> = described.difference(&RUN.seen).map(ToString::to_string).collect();
    let named: BTreeSet<String> =
        provoked::UNPROVOKED.iter().map(|(answer, _why)| (*answer).to_owned()).collect();
    let there = |answer: &&String| RUN.drives || !answer.contains(" /drives/");
    let forgotten: Vec<_> = missing.difference(&named).filter(there).collect();
    assert!(forgotten.is_empty(), "neither provoked nor named: {forgotten:#?}");
    let needless: Vec<_> = named.difference(&missing).collect();
    assert!(needless.is_empty(), "named, and yet provoked: {needless:#?}");
}

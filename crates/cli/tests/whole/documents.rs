//! The commands of the README and of docs/, run as they are written.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place::Place;

/// What the gate runs by itself, and so need not be run here.
const GATE: [&str; 3] = ["cargo run --release -- try", "cargo test --workspace", "reveille try"];
/// A port that the documents name, in the place of which a free one is used.
const PORT: &str = "3000";
/// How long the commands of one document may take.
const PATIENCE: &str = "120";

/// One command of a document, and what it is said to answer.
#[derive(Debug)]
struct Written {
    command: String,
    answer: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Every document for people.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    for directory in [root().join("docs"), root().join("crates")] {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        found.extend(entries.map(|path| if path.is_dir() { path.join("README.md") } else { path }));
    }
    found.retain(|path| path.extension().is_some_and(|kind| kind == "md") && path.is_file());
    found.sort();
    found
}

/// Where a line of a document stands.
enum Inside {
    Prose,
    /// Commands after `$ `, and their answers.
    Console,
    /// Commands alone, to be pasted as one.
    Shell,
}

/// The commands of a document: in a console block a line after `$ `, with the lines that go on with it; in a shell
/// block every line.
fn commands(text: &str) -> Vec<Written> {
    let mut found: Vec<Written> = Vec::new();
    let mut inside = Inside::Prose;
    for line in text.lines() {
        match (&inside, line.trim_start(), line.strip_prefix("$ ")) {
            (Inside::Prose, "```console", _) => inside = Inside::Console,
            (Inside::Prose, "```sh", _) => inside = Inside::Shell,
            (Inside::Prose, ..) => {}
            (_, "```", _) => inside = Inside::Prose,
            (Inside::Shell, ..) => found.push(Written { command: line.to_owned(), answer: Vec::new() }),
            (Inside::Console, _, Some(command)) => {
                found.push(Written { command: command.to_owned(), answer: Vec::new() });
            }
            (Inside::Console, ..) => {
                let last = found.last_mut().expect("a console block begins with a command");
                match line.strip_prefix("> ") {
                    Some(more) => last.command.extend(["\n", more]),
                    None => last.answer.push(line.to_owned()),
                }
            }
        }
    }
    found
}

/// Why a command is not run here.
fn skipped(command: &str) -> Option<String> {
    let plain = command.split(" #").next().unwrap_or_default().trim();
    if GATE.contains(&plain) {
        return Some("the gate runs it".to_owned());
    }
    let word = plain.split_whitespace().next().unwrap_or_default();
    if word == "cargo" {
        return Some("it builds or measures".to_owned());
    }
    let needs = plain.split(['|', ' ']).filter(|word| ["python3", "curl", "node"].contains(word));
    let missing = needs.into_iter().chain([word]).find(|word| !there_is(word))?;
    Some(format!("there is no {missing} here"))
}

fn there_is(program: &str) -> bool {
    let look = format!("command -v {program}");
    program == "reveille"
        || Command::new("sh").args(["-c", &look]).stdout(Stdio::null()).status().unwrap().success()
}

/// A text in which numbers and the widths of columns are of no account.
fn loosely(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut loose = String::new();
    for letter in words.chars() {
        match letter {
            '0'..='9' if loose.ends_with('0') => {}
            '0'..='9' => loose.push('0'),
            other => loose.push(other),
        }
    }
    loose
}

/// Runs the commands of one document in one shell, one after the other; what does not hold.
fn problems(path: &Path, written: &[Written]) -> Vec<String> {
    let place = Place::new();
    let programs = place.path().join("bin");
    fs::create_dir(&programs).unwrap();
    symlink(env!("CARGO_BIN_EXE_reveille"), programs.join("reveille")).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let script: String = written
        .iter()
        .map(|Written { command, answer }| {
            let command = command.replace(PORT, &free);
            let fails = answer.first().is_some_and(|line| line.starts_with("error:"));
            let checked = if fails { "{\nCOMMAND\n} || true" } else { "COMMAND" };
            format!("echo; echo @@\n{}\n", checked.replace("COMMAND", &command))
        })
        .collect();
    let mut shell = Command::new("timeout");
    shell.args([PATIENCE, "bash", "-e", "-o", "pipefail", "-c", &format!("exec 2>&1\n{script}")]);
    shell.env_clear().envs(place.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
    let search = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{}:{search}", programs.display())).env("REVEILLE_HOST_LISTEN", "127.0.0.1:0");
    let said = crate::place::said(shell.current_dir(place.path()).stdin(Stdio::null()));
    place.run(["host", "stop"]);

    let text = said.text();
    let answers: Vec<&str> = text.split("@@\n").skip(1).collect();
    let mut wrong = Vec::new();
    let name = path.strip_prefix(root()).unwrap().display();
    if said.code != Some(0) {
        let at = written.get(answers.len().saturating_sub(1)).map(|written| written.command.as_str());
        wrong.push(format!("{name}: {at:?} ended with {:?}:\n{text}", said.code));
    }
    for (Written { command, answer }, said) in written.iter().zip(answers) {
        let missing = answer.iter().find(|line| !loosely(said).contains(&loosely(line)));
        wrong.extend(missing.map(|line| format!("{name}: {command}: {line:?} is not in\n{said}")));
    }
    wrong
}

#[test]
fn every_command_of_the_documents_does_what_is_written() {
    let mut wrong = Vec::new();
    let mut run = 0;
    for path in documents() {
        let mut written = commands(&fs::read_to_string(&path).unwrap());
        written.retain(|written| match skipped(&written.command) {
            Some(why) => {
                eprintln!("SKIPPED: {}: {}: {why}", path.display(), written.command);
                false
            }
            None => true,
        });
        run += written.len();
        if !written.is_empty() {
            wrong.extend(problems(&path, &written));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(run > 5, "the documents have lost their commands");
}

#[test]
fn every_document_with_rust_in_it_is_compiled_with_the_sdk() {
    let compiled = fs::read_to_string(root().join("crates/sdk/src/lib.rs")).unwrap();
    for path in documents() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let has_rust = fs::read_to_string(&path).unwrap().lines().any(|line| line.starts_with("```rust"));
        let of_the_crate = name == "crates/sdk/README.md";
        assert!(
            !has_rust || of_the_crate || compiled.contains(&name),
            "{name} is not in crates/sdk/src/lib.rs"
        );
    }
}

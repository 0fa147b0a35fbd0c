//! Every use of a command that a document or a help text shows is one that is understood.

use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::Arguments;

/// What stands for any command.
const ANY: &str = "COMMAND";

/// The words of a line up to what the shell would take for itself, or what is a remark.
fn words(line: &str) -> Vec<String> {
    let remark = ["  (", " #"].iter().filter_map(|mark| line.find(mark)).min();
    let line = line[..remark.unwrap_or(line.len())].trim();
    let words = shlex::split(line).unwrap_or_else(|| panic!("a quote is open in {line}"));
    let own = words.into_iter().take_while(|word| !["|", ">", "&"].contains(&word.as_str()));
    own.filter(|word| word != ANY).collect()
}

/// What is wrong with a use. A command that is only named, without what it needs, is no use.
fn problem(line: &str) -> Option<String> {
    let words = words(line);
    let error = Arguments::try_parse_from(&words).err()?;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            if words.len() <= 3 =>
        {
            None
        }
        // A flag that is only named, without the value that it takes.
        ErrorKind::InvalidValue if words.last().is_some_and(|word| word.starts_with("--")) => None,
        _ => Some(format!("{line}: {error}")),
    }
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_dir(root.join("docs")).into_iter().flatten().flatten().map(|entry| entry.path());
    docs.filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .chain([root.join("README.md"), root.join("crates/cli/README.md")])
        .collect()
}

#[test]
fn the_uses_in_the_documents_are_understood() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for span in text.split('`').filter(|span| span.starts_with("reveille ") && !span.contains('\n')) {
            seen += 1;
            wrong.extend(problem(span).map(|problem| format!("{}: {problem}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 10, "the documents have lost their uses");
}

#[test]
fn the_examples_in_the_help_texts_are_understood() {
    fn of(command: &clap::Command) -> Vec<String> {
        let texts = command.get_after_help().into_iter().chain(command.get_before_help());
        let own = texts.flat_map(|text| text.to_string().lines().map(str::to_owned).collect::<Vec<_>>());
        own.chain(command.get_subcommands().flat_map(of)).collect()
    }
    let lines = of(&Arguments::command());
    let uses: Vec<&str> =
        lines.iter().filter_map(|line| line.find("reveille ").map(|at| &line[at..])).collect();
    let wrong: Vec<String> = uses.iter().filter_map(|line| problem(line)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(uses.len() > 5, "{uses:?}");
}

#[test]
fn the_commands_make_sense_together() {
    Arguments::command().debug_assert();
}

//! The command line of Reveille: what a person types and sees.
//!
//! Nothing about the protocol and nothing about retries is decided here: a command says what is to be done, the
//! client does it, and [`output`] shows what came of it.
#![forbid(unsafe_code)]

mod arguments;
mod attended;
#[cfg(target_os = "linux")]
mod claims;
mod commands;
mod completion;
mod connection;
mod download;
mod interrupt;
mod listing;
mod logging;
mod output;
#[cfg(target_os = "linux")]
mod passages;
#[cfg(target_os = "linux")]
mod program;
mod report;
mod runtime;
mod typed;
mod witness;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::output::Screen;

fn main() -> ExitCode {
    completion::answer();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => return output::misused(&said, std::env::args_os()).into(),
    };
    let Arguments { global, command } = arguments;
    let screen = Screen::new(&global);
    // It is a program of its own, with its own exit codes.
    #[cfg(target_os = "linux")]
    if let arguments::Command::Agent(agent) = command {
        return commands::agent::run(agent);
    }
    match commands::run(&screen, &global, command) {
        Ok(exit) => exit.into(),
        Err(failure) => screen.failed(&failure).into(),
    }
}

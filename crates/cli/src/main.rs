//! The command line of Reveille: what a person types and sees.
//!
//! Nothing about the protocol and nothing about retries is decided here: a command says what is to be done, the
//! client does it, and [`output`] shows what came of it.
#![forbid(unsafe_code)]

mod arguments;
mod call;
mod commands;
mod connection;
mod demo;
mod download;
mod exit;
mod failure;
mod interrupt;
#[cfg(target_os = "linux")]
mod logging;
mod output;
mod span;
#[cfg(target_os = "linux")]
mod trial;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::exit::Exit;
use crate::output::Screen;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => return said_by_clap(&said),
    };
    let Arguments { global, command } = arguments;
    let screen = Screen::new(&global);
    let ended = match command {
        // It is a program of its own, with its own exit codes.
        Command::Agent(agent) => return commands::agent::run(agent),
        command => commands::run(&screen, &global, command),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => screen.failed(&failure).into(),
    }
}

/// Help and version go to stdout, a wrong use to stderr; a closed pipe is nobody's fault.
fn said_by_clap(said: &clap::Error) -> ExitCode {
    let _ = said.print();
    if said.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

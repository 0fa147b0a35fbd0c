use clap::Args;

use super::snapshot::{AsWell, made};
use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};

/// Make a new sandbox that begins as another one is now
#[derive(Debug, Args)]
#[command(after_help = "\
A local host copies the files; what runs in the one does not run in the other. A volume stays where it is.

Examples
  reveille fork box trial
  reveille fork box trial -e MODE=dry")]
pub(crate) struct Fork {
    /// The sandbox that it begins as
    sandbox: String,
    /// What the new one is called
    target: String,
    #[command(flatten)]
    as_well: AsWell,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Fork) -> Result<Exit, Failure> {
    let path = format!("/sandboxes/{}/fork", asked.sandbox);
    let asking = connection.asking(&asked.sandbox, Request::new("POST", path));
    let fork = connection.sandbox(&asked.sandbox).fork(asked.target.as_str());
    made(screen, &asking, asked.as_well.added_to(fork)).await
}

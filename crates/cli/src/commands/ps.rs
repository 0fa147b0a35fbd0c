use clap::Args;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};

/// List the processes that were started in a sandbox
#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// Those that have ended, too
    #[arg(long, short)]
    all: bool,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Ps) -> Result<Exit, Failure> {
    let asking = connection.asking(&asked.sandbox, Request::new("GET", "/process"));
    let call = connection.sandbox(&asked.sandbox).processes().list().with_history();
    let (mut processes, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    processes.retain(|process| asked.all || process.status == reveille::ProcessStatus::Running);
    screen.processes(&asked.sandbox, &processes)?;
    Ok(Exit::Done)
}

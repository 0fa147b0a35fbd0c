use clap::Args;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};

/// Ask a process to end; it may run on
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// Its name, or its number
    process: String,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Stop) -> Result<Exit, Failure> {
    let request = Request::new("DELETE", format!("/process/{}", asked.process));
    let asking = connection.asking(&asked.sandbox, request);
    let processes = connection.sandbox(&asked.sandbox).processes();
    let call = processes.stop(&asked.process).with_history();
    let ((), history) = call.await.map_err(|error| asking.failed_with(&error, &asked.process))?;
    screen.explain(&asking.request, &history);
    let process = processes.get(&asked.process).await.map_err(|error| asking.failed(&error))?;
    screen.ended(&process, &history)?;
    Ok(Exit::Done)
}

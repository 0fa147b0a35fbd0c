use clap::Args;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};

/// Ask the agent of a sandbox how it is; it wakes for that
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Health) -> Result<Exit, Failure> {
    let asking = connection.asking(&asked.sandbox, Request::new("GET", "/health"));
    let call = connection.sandbox(&asked.sandbox).system().health().with_history();
    let (health, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.health(&health, &history)?;
    Ok(Exit::Done)
}

use clap::Args;

use crate::connection::Connection;
use crate::output::{SandboxView, Screen};
use crate::report::{Exit, Failure, Request};

/// Wake a sandbox now
#[derive(Debug, Args)]
pub(crate) struct Wake {
    /// The sandbox's name
    name: String,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Wake) -> Result<Exit, Failure> {
    let asking = connection.asking(&asked.name, Request::new("GET", "/health"));
    let call = connection.client().sandbox(asked.name.as_str()).wake().with_history();
    let ((), history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    let asking = connection.asking(&asked.name, Request::new("GET", format!("/sandboxes/{}", asked.name)));
    let sandbox = connection.client().sandboxes().get(asked.name.as_str());
    let sandbox = sandbox.await.map_err(|error| asking.failed(&error))?;
    screen.sandbox(SandboxView::Sentence("is awake"), &sandbox, &history)?;
    Ok(Exit::Done)
}

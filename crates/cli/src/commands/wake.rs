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
    let request = Request::new("POST", format!("/sandboxes/{}/resume", asked.name));
    let asking = connection.asking(&asked.name, request);
    let call = connection.client().sandboxes().wake(asked.name.as_str()).with_history();
    let (sandbox, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.sandbox(SandboxView::Sentence("is awake"), &sandbox, &history)?;
    Ok(Exit::Done)
}

use clap::Args;

use crate::connection::Connection;
use crate::output::{SandboxView, Screen};
use crate::report::{Exit, Failure, Request};

/// Show a sandbox, in full
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The sandbox's name
    name: String,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Get) -> Result<Exit, Failure> {
    let request = Request::new("GET", format!("/sandboxes/{}", asked.name));
    let asking = connection.asking(&asked.name, request);
    let call = connection.client().sandboxes().get(asked.name.as_str()).with_history();
    let (sandbox, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.sandbox(SandboxView::Whole, &sandbox, &history)?;
    Ok(Exit::Done)
}

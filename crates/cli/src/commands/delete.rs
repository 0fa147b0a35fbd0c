use clap::Args;

use crate::connection::Connection;
use crate::output::{SandboxView, Screen};
use crate::report::{Exit, Failure, Request};

/// End a sandbox and everything in it, and remove its files
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The sandbox's name
    name: String,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Delete) -> Result<Exit, Failure> {
    let request = Request::new("DELETE", format!("/sandboxes/{}", asked.name));
    let asking = connection.asking(&asked.name, request);
    let call = connection.client().sandboxes().delete(asked.name.as_str()).with_history();
    let (sandbox, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.sandbox(SandboxView::Sentence("is gone, with its processes and files"), &sandbox, &history)?;
    Ok(Exit::Done)
}

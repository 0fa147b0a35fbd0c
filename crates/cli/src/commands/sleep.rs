use clap::Args;

use crate::connection::Connection;
use crate::output::{SandboxView, Screen};
use crate::report::{Exit, Failure, Request};

/// Put a sandbox to standby now; any request wakes it
#[derive(Debug, Args)]
pub(crate) struct Sleep {
    /// The sandbox's name
    name: String,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Sleep) -> Result<Exit, Failure> {
    let request = Request::new("POST", format!("/sandboxes/{}/standby", asked.name));
    let asking = connection.asking(&asked.name, request);
    let call = connection.client().sandboxes().sleep(asked.name.as_str()).with_history();
    let (sandbox, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.sandbox(SandboxView::Sentence("is asleep; any request wakes it"), &sandbox, &history)?;
    Ok(Exit::Done)
}

use clap::Args;

use super::chosen::{Chosen, Consent, each};
use crate::connection::Connection;
use crate::output::{SandboxView, Screen};
use crate::report::{Exit, Failure, Request};

/// Wake sandboxes now
#[derive(Debug, Args)]
pub(crate) struct Wake {
    #[command(flatten)]
    chosen: Chosen,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Wake) -> Result<Exit, Failure> {
    let names = asked.chosen.names(screen, connection, Consent::Needless).await?;
    each(screen, &names, async |name| {
        let asking = connection.asking(name, Request::new("GET", "/health"));
        let call = connection.client().sandbox(name).wake().with_history();
        let ((), history) = call.await.map_err(|error| asking.failed(&error))?;
        screen.explain(&asking.request, &history);
        let asking = connection.asking(name, Request::new("GET", format!("/sandboxes/{name}")));
        let sandbox = connection.client().sandboxes().get(name);
        let sandbox = sandbox.await.map_err(|error| asking.failed(&error))?;
        Ok(screen.sandbox(SandboxView::Sentence("is awake"), &sandbox, &history)?)
    })
    .await
}

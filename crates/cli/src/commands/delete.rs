use clap::Args;

use super::chosen::{Chosen, Consent, each};
use crate::connection::Connection;
use crate::output::{SandboxView, Screen};
use crate::report::{Exit, Failure, Request};

/// End sandboxes and everything in them, and remove their files
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    chosen: Chosen,
    /// Do not ask, with --all
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Delete) -> Result<Exit, Failure> {
    let consent = if asked.yes { Consent::Given } else { Consent::Wanted("delete") };
    let names = asked.chosen.names(screen, connection, consent).await?;
    named(screen, connection, &names).await
}

/// Ends those of these names, one after the other.
pub(crate) async fn named(
    screen: &Screen,
    connection: &Connection,
    names: &[String],
) -> Result<Exit, Failure> {
    each(screen, names, async |name| {
        let asking = connection.asking(name, Request::new("DELETE", format!("/sandboxes/{name}")));
        let call = connection.client().sandboxes().delete(name).with_history();
        let (sandbox, history) = call.await.map_err(|error| asking.failed(&error))?;
        screen.explain(&asking.request, &history);
        let what = SandboxView::Sentence("is gone, with its processes and files");
        Ok(screen.sandbox(what, &sandbox, &history)?)
    })
    .await
}
